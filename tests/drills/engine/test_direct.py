"""What people do without the engine: brought in once, before any run goes on, and never dropped, whatever was done to its journal."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from pydantic import JsonValue, SecretStr

from tests.drills.engine.conftest import Drill, url
from tests.drills.engine.runbooks import Behaviour, Move, environment
from unioneyes.kernel.clock import now
from unioneyes.kernel.ids import new_id
from unioneyes.kernel.redaction import Redactor
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.audit.entry import Action, AuditEntry, Origin
from unioneyes.runbook.direct.bringing_in import BringingIn
from unioneyes.runbook.direct.journal import DirectJournal, DirectLine
from unioneyes.runbook.engine import Engine
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.journal import Journal
from unioneyes.runbook.views import EntryKind, JournalEntry

CANARY = "canary-5f1c9e"
BEGUN: dict[str, JsonValue] = {
    "by": "jane",
    "reason": "members see errors",
    "runbook": "drill.rescue",
    "request": {"moves": []},
    "plan": {"summary": "send them back", "steps": [], "readings": [], "confirm": None},
    "plan_hash": "0" * 64,
    "host": "night-shift",
}
ENDED: dict[str, JsonValue] = {"status": "done", "result": {"colour": "green"}}


def journal(drill: Drill, *, ended: bool = True) -> Path:
    """Somebody acted without the engine, just now; return the journal."""
    drill.break_glass.path.mkdir(mode=0o700, exist_ok=True)
    run = new_id("drill")
    kept = DirectJournal(drill.break_glass.path / f"{run}.part")
    told: list[tuple[EntryKind, str | None, dict[str, JsonValue]]] = [
        (EntryKind.RUN_STARTED, None, BEGUN),
        (EntryKind.STEP_STARTED, "shift", {"effect": "change"}),
        (EntryKind.STEP_DONE, "shift", {"took_s": 0.1, "result": None}),
        *([(EntryKind.RUN_ENDED, None, ENDED)] if ended else []),
    ]
    for number, (kind, step, data) in enumerate(told, start=1):
        message = "send them back" if kind is EntryKind.RUN_STARTED else f"done, {CANARY}"
        kept.append(DirectLine(by="jane", entry=JournalEntry(seq=number, run_id=run, at=now(), kind=kind, step=step, message=message, data=data)))
    kept.close()
    kept.path.rename(drill.break_glass.journal_of(run))  # a worker looks at any moment
    return drill.break_glass.journal_of(run)


def brought_in(drill: Drill) -> None:
    drill.until(drill.break_glass.open_journals, lambda left: left == ())


def audited(drill: Drill, run: str) -> list[AuditEntry]:
    return [item.entry for item in reversed(drill.engine.audit.page(limit=100, run=run)) if item.entry.action == Action.BREAK_GLASS]


@pytest.fixture
def anew(fresh: Drill) -> Iterator[Callable[[], BringingIn]]:
    """What a worker has that has just started, on the fresh drill's database."""
    redactor = Redactor([CANARY])
    database = ControlDatabase(SecretStr(url(fresh.server, fresh.control)), name="test")
    yield lambda: BringingIn(database, fresh.break_glass, trail=AuditTrail(redactor), journal=Journal(redactor), service="drilled")
    database.close()


def test_a_step_that_was_under_way_is_the_run_s_last(drill: Drill) -> None:
    """A person went back while the database was away; the run's next step would have been to end what the members are on now."""
    deploy = drill.start(Move(key="w", behaviour=Behaviour.DAWDLES), Move(key="retire"))
    drill.until(drill.effects, lambda told: "began w" in told)
    path = journal(drill)

    superseded = drill.ended(deploy.id)

    assert superseded.status is RunStatus.SUPERSEDED
    assert superseded.problem is not None
    assert superseded.problem["detail"] == f"{path.stem} took drilled over"
    assert drill.effects("did", "undid") == ["did w"]
    brought_in(drill)
    assert drill.engine.lock() is None
    again = drill.start(Move(key="next"))
    assert drill.ended(again.id).status is RunStatus.DONE, "a later run is not held up by what is over"


def test_a_try_that_failed_is_not_made_again(drill: Drill) -> None:
    deploy = drill.start(Move(key="s", behaviour=Behaviour.STUMBLES))
    drill.until(drill.effects, lambda told: "began s" in told)
    journal(drill)
    assert drill.ended(deploy.id).status is RunStatus.SUPERSEDED
    assert drill.effects() == ["began s"]


def test_a_rollback_under_way_is_left_to_its_end(drill: Drill) -> None:
    rescue = drill.start(Move(key="w", behaviour=Behaviour.DAWDLES), Move(key="b"), runbook="drill.rescue")
    drill.until(drill.effects, lambda told: "began w" in told)
    journal(drill)
    assert drill.ended(rescue.id).status is RunStatus.DONE
    assert drill.effects("did") == ["did w", "did b"]


def test_no_step_is_begun_while_a_person_is_at_it(drill: Drill) -> None:
    deploy = drill.start(Move(key="w", behaviour=Behaviour.DAWDLES), Move(key="b"))
    drill.until(drill.effects, lambda told: "began w" in told)
    with drill.break_glass.alone("jane"):
        path = journal(drill)
        drill.until(lambda: drill.kinds(deploy.id), lambda told: "step-done change" in told)
        assert not drill.engine.run(deploy.id).status.ended
        assert path.exists()
    assert drill.ended(deploy.id).status is RunStatus.SUPERSEDED
    assert drill.effects("did") == ["did w"]


def test_the_worker_that_comes_back_brings_in_before_it_goes_on(fresh: Drill) -> None:
    worker = fresh.work()
    deploy = fresh.start(Move(key="w", behaviour=Behaviour.WAITS), Move(key="retire"))
    fresh.until(fresh.effects, lambda told: "began w" in told)
    worker.kill()
    worker.wait()
    journal(fresh)
    fresh.work()
    assert fresh.ended(deploy.id).status is RunStatus.SUPERSEDED
    assert fresh.effects() == ["began w"]


def test_every_line_is_an_entry_by_the_person_and_the_run_stands_among_the_others(fresh: Drill, anew: Callable[[], BringingIn]) -> None:
    path = journal(fresh)
    assert anew()()
    found = audited(fresh, path.stem)
    assert [entry.data["entry"] for entry in found] == [f"{path.stem}/{number}" for number in (1, 2, 3, 4)]
    assert {(entry.actor, entry.origin) for entry in found} == {("jane", Origin.LOCAL_JOURNAL)}
    assert found[0].reason == "members see errors"
    assert found[0].data["plan_hash"] == "0" * 64
    run = fresh.engine.run(path.stem)
    assert (run.status, run.requested_by, run.result) == (RunStatus.DONE, "jane", {"colour": "green"})
    lines = fresh.engine.journal(path.stem)
    assert [line.kind for line in lines] == ["run-started", "step-started", "step-done", "run-ended"]
    assert lines[0].at < lines[-1].at
    assert CANARY not in str((found, run, lines))
    assert (path.parent / f"{path.name}.imported").exists()


def test_killed_between_appending_and_setting_aside_nothing_is_appended_twice(fresh: Drill, anew: Callable[[], BringingIn]) -> None:
    path = journal(fresh)
    assert anew()()
    shutil.copy(path.parent / f"{path.name}.imported", path)
    assert anew()()
    assert not path.exists()
    assert len(audited(fresh, path.stem)) == 4
    assert len(fresh.engine.journal(path.stem)) == 4


def test_several_that_look_at_once_bring_it_in_once(fresh: Drill, anew: Callable[[], BringingIn]) -> None:
    paths = [journal(fresh) for _ in range(3)]
    threads = [Thread(target=anew()) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert anew()()
    assert [len(audited(fresh, path.stem)) for path in paths] == [4, 4, 4]


def test_one_that_was_left_in_the_middle_is_a_failed_run(fresh: Drill, anew: Callable[[], BringingIn]) -> None:
    path = journal(fresh, ended=False)
    assert anew()()
    run = fresh.engine.run(path.stem)
    assert run.status is RunStatus.FAILED
    assert run.problem is not None
    assert "not finished" in run.problem["detail"]
    assert len(audited(fresh, path.stem)) == 3


@pytest.mark.parametrize("how", ["changed", "unreadable"])
def test_a_damaged_journal_is_reported_and_stays_and_the_run_goes_no_further(fresh: Drill, anew: Callable[[], BringingIn], how: str) -> None:
    deploy = fresh.start(Move(key="retire"))
    path = journal(fresh)
    if how == "changed":
        path.write_bytes(path.read_bytes().replace(b'"shift"', b'"drift"', 1))
    else:
        path.unlink()
        path.mkdir()
    looks = anew()
    assert looks()
    assert looks.trouble is not None
    assert str(path) in looks.trouble
    assert looks()
    assert anew()(), "another worker finds it reported"
    (entry,) = audited(fresh, path.stem)
    assert (entry.actor, entry.data["kind"], entry.data["file"]) == ("engine", "damaged", path.name)
    assert path.exists()
    fresh.work()
    assert fresh.ended(deploy.id).status is RunStatus.SUPERSEDED
    later = fresh.start(Move(key="later"))
    assert fresh.ended(later.id).status is RunStatus.DONE, "it supersedes what was under way then, and nothing that came later"
    path.rename(path.with_suffix(".evidence"))
    assert looks()
    assert looks.trouble is None


def test_the_audit_status_tells_what_is_not_brought_in(fresh: Drill) -> None:
    engine = Engine(
        database_url=SecretStr(url(fresh.server, fresh.control)),
        environment=environment(),
        redactor=Redactor(),
        worker=False,
        break_glass=fresh.break_glass,
    )
    path = journal(fresh)
    path.write_bytes(b"nothing like it\n" + path.read_bytes())
    engine.launch()
    try:
        assert "not what was written" in str(engine.audit.status().trouble)
    finally:
        engine.close()
