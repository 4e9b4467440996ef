"""What is kept of an output is bounded, and holds no part of a line: a secret that stands in one is found, or is not there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from unioneyes.kernel.output import HEAD, TAIL, Kept, printable

LINES = st.lists(st.integers(min_value=0, max_value=TAIL + 50).map(lambda length: b"x" * length), max_size=12)


def kept(content: bytes, *, chunk: int = 100, whole: bool = True) -> Kept:
    made = Kept()
    for at in range(0, len(content), chunk):
        made.add(content[at : at + chunk])
    made.close(whole=whole)
    return made


@given(lines=LINES, chunk=st.integers(min_value=1, max_value=70_000))
def test_every_line_is_whole_or_not_there(lines: list[bytes], chunk: int) -> None:
    text = kept(b"".join(line + b"\n" for line in lines), chunk=chunk).text()
    shown = [line for line in text.splitlines() if not line.startswith("...")]
    assert {*shown} <= {line.decode() for line in lines}
    assert len(text) <= HEAD + TAIL + 100


@given(content=st.binary(max_size=HEAD).filter(lambda content: b"\r" not in content), chunk=st.integers(min_value=1, max_value=300))
def test_what_is_short_is_kept_to_the_letter(content: bytes, chunk: int) -> None:
    assert kept(content, chunk=chunk).text() == printable(content)


def test_a_long_output_keeps_its_beginning_and_its_end() -> None:
    text = kept(b"".join(b"%d\n" % number for number in range(100_000))).text()
    assert text.startswith("0\n1\n")
    assert text.endswith("\n99998\n99999\n")
    assert "bytes left out ..." in text


def test_a_line_that_never_ends_takes_no_memory_and_is_counted() -> None:
    made = kept(b"before\n" + b"x" * 1_000_000 + b"\nafter\n", chunk=65_536)
    assert made.text() == "before\n... 1,000,001 bytes of one line left out ...\nafter\n"


def test_an_unfinished_line_is_told_only_of_what_ended_by_itself() -> None:
    assert kept(b"one\nhunter22-is-the-sec", whole=False).text() == "one\n... 19 bytes of an unfinished line left out ...\n"
    assert kept(b"one\ntwo", whole=True).text() == "one\ntwo"


def test_the_last_line_is_one_that_is_ended() -> None:
    made = Kept()
    made.add(b"password: hun")
    assert made.last_line() == ""
    made.add(b"ter22\n\nnext: hun")
    assert made.last_line() == "password: hunter22"
    made.add(b"x" * 2000 + b"\n")
    assert made.last_line() == "(a line of 2,010 bytes)"


def test_the_end_of_it_is_whole_lines_too() -> None:
    made = kept(b"one\ntwo\nthree\n")
    assert made.end(100) == "one\ntwo\nthree"
    assert made.end(10) == "two\nthree"
    assert made.end(3) == "... 6 bytes left out ..."
    assert kept(b"").end(10) == "it printed nothing"


def test_what_terminals_obey_is_not_kept() -> None:
    assert kept(b"\x1b[31mred\x1b[0m \xe2\x80\xae\xff\n").text() == "[31mred[0m \N{REPLACEMENT CHARACTER}\n"
