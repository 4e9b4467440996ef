"""What is Barman's alone where it keeps base backups and the log, and of the contract what it takes to rely on it; `test_barman_whole.py` has the rest."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from tests.contract.fencing.test_every_write import OUTSIDE, refused
from tests.contract.recovery.barman import NEEDS_BARMAN, PROGRAM, SERVER, BarmanWorld, barman_world
from tests.contract.recovery.test_recovery import (  # noqa: F401 - of the contract that both keep; test_barman_whole.py has the rest
    recovered,
    test_a_dropped_table_is_found_in_the_log_and_comes_back_with_every_row,
    test_a_moment_before_the_window_or_in_the_future_is_refused_with_the_window,
    test_an_incremental_base_backup_leads_on_like_a_whole_one,
    test_what_is_received_and_what_can_be_recovered_to_is_told,
)
from tests.stack import eventually
from unioneyes.adapters.postgres.programs import clean_environment
from unioneyes.adapters.postgres.recovery.barman.catalogue import BarmanCatalogue
from unioneyes.adapters.postgres.recovery.barman.log import BarmanLog
from unioneyes.adapters.postgres.recovery.barman.program import Barman
from unioneyes.adapters.postgres.recovery.recovery import RecoversBeside
from unioneyes.kernel.problems import BadInput
from unioneyes.ports.recovery import BaseFailed, CatalogueUnavailable, NoParent, OutsideWindow, Target, WalMode

pytestmark = [pytest.mark.stack, NEEDS_BARMAN]
NUMBERS = count(1)


@pytest.fixture(scope="module")
def shared() -> Iterator[BarmanWorld]:
    with barman_world() as made:
        assert made.recovery.wal().windows == ()
        with pytest.raises(OutsideWindow, match="no base backup"):
            made.recovery.find(Target(end=True))
        with pytest.raises(NoParent):
            made.recovery.back_up("changes", incremental=True)
        made.recovery.back_up("base_one", incremental=False)
        yield made


def test_a_base_backup_that_barman_made_by_itself_is_one_to_recover_from(primary: BarmanWorld) -> None:
    """Nothing of it was written down here: which file a table had then is asked of a scratch server, once."""
    primary.run("CREATE TABLE by_night (id int)", "INSERT INTO by_night VALUES (1), (2), (3)")
    primary.host.run("backup", "--wait", "--immediate-checkpoint", SERVER)
    newest = primary.recovery.bases()[0]
    assert newest.name.startswith("20"), "it is called by its identifier"
    primary.run("DROP TABLE by_night")
    primary.received()
    point = primary.recovery.find(Target(before_drop="by_night"))
    assert point.base == newest.name
    assert not [each for each in (primary.folder / "scratch").iterdir() if each.name.startswith("asked_") and each.is_dir()]
    assert primary.recovery.catalogue.tables(newest.name) is not None
    primary.recovery.recover("it", point)
    assert primary.recovery.export("it", into="back", table="public.by_night").rows == 3


def test_it_is_made_once_and_what_an_attempt_left_half_done_is_gone(primary: BarmanWorld) -> None:
    name = f"ours_{next(NUMBERS)}"
    primary.configure("bandwidth_limit = 500")
    killed = subprocess.Popen(primary.host.argv("backup", "--name", name, SERVER), env=clean_environment(), start_new_session=True)
    assert eventually(lambda: (name, "STARTED") in states(primary))
    with pytest.raises(BadInput):
        primary.recovery.back_up("../elsewhere", incremental=False)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    primary.configure()
    assert f"{name} is STARTED" in told(primary)
    made = primary.recovery.back_up(name, incremental=False)
    assert [state for called, state in states(primary) if called == name] == ["DONE"]
    assert primary.recovery.back_up(name, incremental=False) == made
    assert [state for called, state in states(primary) if called == name] == ["DONE"]


def test_one_that_is_being_made_is_waited_for(primary: BarmanWorld) -> None:
    """A worker that was taken over from may have begun it: it goes on by itself, and is the same."""
    name = f"ours_{next(NUMBERS)}"
    primary.configure("bandwidth_limit = 4000")
    argv = primary.host.argv("backup", "--name", name, "--wait", "--immediate-checkpoint", SERVER)
    left = subprocess.Popen(argv, env=clean_environment(), stdout=subprocess.DEVNULL)
    assert eventually(lambda: (name, "STARTED") in states(primary))
    primary.configure()
    made = primary.recovery.back_up(name, incremental=False)
    assert left.wait(timeout=60) == 0
    assert [state for called, state in states(primary) if called == made.name] == ["DONE"]


def test_what_fails_there_fails_here_and_leaves_nothing(primary: BarmanWorld) -> None:
    name = f"ours_{next(NUMBERS)}"
    primary.configure("pre_backup_retry_script = /bin/sh -c 'exit 63'")
    try:
        with pytest.raises(BaseFailed, match="barman backup failed: "):
            primary.recovery.back_up(name, incremental=False)
    finally:
        primary.configure()
    assert name not in [called for called, _ in states(primary)]


def test_where_a_check_of_its_own_fails_it_is_asked_again_and_then_the_check_is_named(primary: BarmanWorld) -> None:
    name = f"ours_{next(NUMBERS)}"
    primary.stop_receiving()
    try:
        with pytest.raises(BaseFailed, match=r"Impossible to start the backup.*; receive wal running: .*; replication slot: slot '\w+' not active") as caught:
            primary.recovery.back_up(name, incremental=False)
        assert caught.value.remedy.endswith("says what is wrong")
        refused_by = (primary.folder / "barman" / "log").read_text().count("Impossible to start the backup")
        with ThreadPoolExecutor(max_workers=1) as beside:
            made = beside.submit(primary.recovery.back_up, name, incremental=False)
            assert eventually(lambda: (primary.folder / "barman" / "log").read_text().count("Impossible to start the backup") > refused_by, within=60)
            primary.receive()
            assert made.result(timeout=120).name
    finally:
        if primary.receiver is None:
            primary.receive()
    assert [state for called, state in states(primary) if called == name] == ["DONE"]


def test_one_whose_log_is_not_archived_has_failed_and_stays_until_it_is(primary: BarmanWorld) -> None:
    name = f"ours_{next(NUMBERS)}"
    impatient = replace(catalogue(primary), log_within=timedelta(seconds=2))
    with primary.nobody_archives(), pytest.raises(BaseFailed, match="still waits for its log"):
        impatient.take(name, incremental=False)
    assert (name, "WAITING_FOR_WALS") in states(primary)
    assert name not in [base.name for base in primary.recovery.bases()], "nobody can recover from it yet"
    primary.host.run("archive-wal", SERVER)
    assert impatient.take(name, incremental=False).name == name
    assert [state for called, state in states(primary) if called == name] == ["DONE"]


def test_what_barman_finds_wrong_is_told_and_how_long_it_keeps_things(primary: BarmanWorld) -> None:
    view = primary.recovery.wal()
    assert view.kept_by is not None
    assert view.kept_by.program.startswith("Barman 3.")
    assert (view.kept_by.server, view.kept_by.retention, view.kept_by.complaints) == (SERVER, "RECOVERY WINDOW OF 7 DAYS", ())
    assert primary.recovery.prunable().kept_by is not None
    assert primary.recovery.prune().bases == ()
    assert primary.recovery.faults() == ()
    primary.stop_receiving()
    try:
        assert eventually(lambda: "barman-receive_wal_running" in [fault.key for fault in primary.recovery.faults()])
        assert primary.recovery.wal().streaming is False
        assert "receive wal running" in told(primary)
    finally:
        primary.receive()
    assert eventually(lambda: primary.recovery.faults() == ())


def test_a_barman_that_can_not_be_asked_is_named_with_what_to_do(primary: BarmanWorld, tmp_path: Path) -> None:
    def asked(*, server: str = SERVER, program: str = str(PROGRAM), config: str = str(primary.host.config)) -> str:
        barman = Barman(server=server, program=program, config=config)
        log = BarmanLog(barman=barman, folder=tmp_path)
        catalogue = BarmanCatalogue(barman=barman, log=log, database_url=primary.reached, folder=tmp_path, window=primary.recovery.wal().wanted)
        with pytest.raises(CatalogueUnavailable) as refused:
            catalogue.bases()
        return f"{refused.value.what}; {refused.value.remedy}"

    def printing(name: str, *lines: str) -> str:
        path = tmp_path / name
        path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
        path.chmod(0o755)
        return str(path)

    assert "Unknown server 'nobody'" in asked(server="nobody")
    assert "can't be run: No such file or directory; install Barman" in asked(program=str(tmp_path / "none"))
    assert "does not exist" in asked(config=str(tmp_path / "none.conf"))
    assert "Barman 3.4.0 is too old; install Barman 3.15" in asked(program=printing("old", "echo '3.4.0 Barman by EnterpriseDB'"))
    assert "prints what nobody understands" in asked(program=printing("words", 'case "$*" in *version) echo 3.19.1;; *) echo no JSON;; esac'))
    secret = printing("secret", 'case "$*" in *version) echo 3.19.1;; *) echo "connection to password=hunter2 failed" >&2; exit 1;; esac')
    assert "hunter2" not in asked(program=secret)


def test_a_worker_that_was_taken_over_from_makes_none(primary: BarmanWorld) -> None:
    name = f"ours_{next(NUMBERS)}"
    calls: dict[str, Callable[[RecoversBeside], object]] = {"back_up": lambda recovery: recovery.back_up("late", incremental=False)}
    refused(calls, primary.recovery, before=OUTSIDE, newer=lambda: primary.recovery.back_up(name, incremental=False))
    assert "late" not in [called for called, _ in states(primary)]


def test_a_log_that_the_server_hands_over_is_recovered_from_up_to_its_last_segment() -> None:
    with barman_world(handed_over=True) as world:
        world.recovery.back_up("base_one", incremental=False)
        world.claim(1)
        row = world.live.value("SELECT pg_walfile_name(pg_current_wal_lsn())")
        world.run("SELECT pg_switch_wal()")
        assert eventually(lambda: world.recovery.wal().received == row)
        view = world.recovery.wal()
        assert (view.mode, view.streaming, view.behind, view.gaps) == (WalMode.ARCHIVED, True, None, ())
        assert recovered(world, Target(end=True)) == [1]
        world.host.run("archive-wal", SERVER)
        world.recovery.discard("it")
        world.recovery.discard_export("it", into="back")
        assert recovered(world, Target(end=True)) == [1], "archived, it is the same"
        world.run("ALTER SYSTEM SET archive_command = 'false'", "SELECT pg_reload_conf()", "CREATE TABLE more (id int)", "SELECT pg_switch_wal()")
        assert eventually(lambda: world.recovery.wal().streaming is False, within=30)


@pytest.mark.campaign
def test_a_compressed_log_and_base_backup_are_recovered_from_too() -> None:
    """Barman has to be asked for each segment that it compressed, and to unpack the base backup itself."""
    with barman_world("compression = gzip\nbackup_compression = gzip") as world:
        made = world.recovery.back_up("base_one", incremental=False)
        assert made.files is None, "nothing of it was compared"
        xid, _ = world.claim(1)
        world.switch()
        world.host.run("archive-wal", SERVER)
        world.claim(2)
        world.received()
        assert world.recovery.find(Target(before_xid=xid)).base == "base_one"
        assert recovered(world, Target(end=True)) == [1, 2]
        assert not [*(world.folder / "bases").glob("log-*")], "what was fetched is gone"


def states(world: BarmanWorld) -> list[tuple[str | None, str]]:
    return [(each.backup_name, each.status) for each in catalogue(world).barman.backups()]


def told(world: BarmanWorld) -> str:
    view = world.recovery.wal()
    assert view.kept_by is not None
    return "; ".join(view.kept_by.complaints)


def catalogue(world: BarmanWorld) -> BarmanCatalogue:
    assert isinstance(world.recovery.catalogue, BarmanCatalogue)
    return world.recovery.catalogue
