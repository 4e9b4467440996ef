import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from unioneyes.adapters.processes.journal import remark, rotate, rotated
from unioneyes.adapters.processes.logs import last_words, read_log
from unioneyes.kernel.logged import LEVELS, parse

NOON = datetime(2026, 2, 9, 12, tzinfo=UTC)


def line(second: int, message: str = "served", level: str = "INFO", **fields: str) -> str:
    return json.dumps({"timestamp": (NOON + timedelta(seconds=second)).isoformat(), "level": level, "message": message, **fields})


def test_a_json_line_is_read_with_its_time_level_and_request() -> None:
    (entry,) = parse([line(1, "no such claim", "WARNING", request_id="r-1")], undated=NOON)
    assert (entry.at, entry.level, entry.message, entry.request_id) == (NOON + timedelta(seconds=1), "WARNING", "no such claim", "r-1")


def test_plain_text_has_the_level_that_it_names_and_the_time_of_the_line_before_it() -> None:
    _, fatal, plain = parse([line(5), "FATAL: out of memory", "hello"], undated=NOON)
    assert (fatal.level, fatal.at) == ("CRITICAL", NOON + timedelta(seconds=5))
    assert (plain.level, plain.message) == ("INFO", "hello")


def test_a_traceback_is_one_error_named_by_its_last_line() -> None:
    text = ["Traceback (most recent call last):", '  File "serve.py", line 1, in <module>', "    raise ValueError", "", "ValueError: boom", "bye"]
    error, bye = parse(text, undated=NOON)
    assert (error.level, error.message) == ("ERROR", "ValueError: boom")
    assert bye.message == "bye"


def test_a_traceback_that_was_cut_off_is_an_error_all_the_same() -> None:
    cut = ["Traceback (most recent call last):", "  File"]
    assert [entry.level for entry in parse(cut, undated=NOON)] == ["ERROR"]
    assert [entry.level for entry in parse([*cut, line(1)], undated=NOON)] == ["ERROR", "INFO"]


def test_an_exception_in_a_json_line_is_named_in_its_message() -> None:
    (entry,) = parse([line(1, "request failed", "ERROR", exception="Traceback (most recent call last):\n  ...\nKeyError: 'x'\n")], undated=NOON)
    assert entry.message == "request failed: KeyError: 'x'"


@given(st.lists(st.text() | st.dictionaries(st.text(), st.none() | st.integers() | st.text()).map(json.dumps)))
def test_no_line_is_too_strange_to_be_read(lines: list[str]) -> None:
    assert all(entry.level in LEVELS and entry.at.tzinfo for entry in parse(lines, undated=NOON))


def test_only_what_was_logged_since_then_is_returned_the_rotated_part_included(tmp_path: Path) -> None:
    log = tmp_path / "blue-1.log"
    rotated(log).write_text("".join(f"{line(second, str(second))}\n" for second in range(5)))
    log.write_text("".join(f"{line(second, str(second))}\n" for second in range(5, 10)))
    assert [entry.message for entry in read_log(log, since=NOON + timedelta(seconds=3))] == ["3", "4", "5", "6", "7", "8", "9"]


def test_a_long_log_is_read_from_its_end_and_nothing_of_it_is_missed(tmp_path: Path) -> None:
    log = tmp_path / "blue-1.log"
    log.write_text("".join(f"{line(second, 'x' * 500 + str(second))}\n" for second in range(3000)))
    for since in (0, 1, 1500, 2998, 2999):
        assert len(read_log(log, since=NOON + timedelta(seconds=since))) == 3000 - since


def test_a_line_of_the_same_millisecond_is_not_missed_though_its_file_looks_older(tmp_path: Path) -> None:
    log = tmp_path / "blue-1.log"
    log.write_text(f"{line(1)}\n")
    os.utime(log, (NOON.timestamp(), NOON.timestamp()))
    assert len(read_log(log, since=NOON + timedelta(seconds=1, microseconds=900))) == 1


def test_a_log_that_was_not_written_since_is_not_read(tmp_path: Path) -> None:
    log = tmp_path / "blue-1.log"
    log.write_text("undated\n")
    os.utime(log, (NOON.timestamp(), NOON.timestamp()))
    assert read_log(log, since=NOON + timedelta(seconds=9)) == ()
    assert read_log(tmp_path / "none.log", since=NOON) == ()


def test_last_words_are_the_processs_own_and_not_the_supervisors(tmp_path: Path) -> None:
    log = tmp_path / "blue-1.log"
    log.write_text(f"{line(1, 'starting')}\n{line(2, 'no database', 'ERROR')}\n")
    remark(log, "ERROR", "ended by itself: exit code 1", process="blue-1")
    assert last_words(log, 1) == "no database"
    assert last_words(log, 5) == "starting / no database"
    assert last_words(tmp_path / "none.log", 5) == ""


def test_why_a_process_could_not_be_started_is_among_the_last_words(tmp_path: Path) -> None:
    log = tmp_path / "blue-1.log"
    remark(log, "CRITICAL", "can't be started: no such file", process="blue-1")
    assert last_words(log, 1) == "can't be started: no such file"


def test_a_log_that_is_long_enough_is_rotated_and_its_writers_go_on(tmp_path: Path) -> None:
    log = tmp_path / "blue-1.log"
    with log.open("a") as writer:
        writer.write("old\n" * 100)
        writer.flush()
        assert not rotate(log, at_bytes=401)
        assert rotate(log, at_bytes=400)
        writer.write("new\n")
    assert log.read_text() == "new\n"
    assert rotated(log).read_text() == "old\n" * 100
    assert not rotate(tmp_path / "none.log", at_bytes=0)
