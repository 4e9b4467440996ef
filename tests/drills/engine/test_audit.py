"""The audit log on a real PostgreSQL: what is appended, in which order it is sealed, and what is shown of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from threading import Thread

import pytest
from pydantic import SecretStr

from tests.drills.engine.audited import CANARY, SIGNER, Audited, entry
from tests.drills.engine.conftest import Drill
from tests.drills.engine.runbooks import Behaviour, Move, environment
from unioneyes.adapters.files import CheckpointFile
from unioneyes.kernel.clock import now
from unioneyes.kernel.redaction import Redactor
from unioneyes.ports.witness import WitnessUnavailable
from unioneyes.runbook.audit.entry import Action, AuditEntry, Origin
from unioneyes.runbook.audit.merkle import Tree, leaf_hash
from unioneyes.runbook.audit.problems import AuditLogChanged, EntryNotCovered, EntryUnreadable, UnknownEntry
from unioneyes.runbook.audit.proof import read_proof
from unioneyes.runbook.audit.sealing import Sealing
from unioneyes.runbook.audit.sequencer import Sequencer
from unioneyes.runbook.engine import Engine
from unioneyes.runbook.problems import ControlDatabaseUnavailable
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.runs import Runs
from unioneyes.runbook.views import Decision


def test_a_transaction_that_commits_late_is_sealed_and_moves_nothing(audited: Audited) -> None:
    """It appended first, and commits when younger entries are long there: they wait for it, and for nobody else."""
    with audited.connection as late:
        late.execute("INSERT INTO ue.audit_entries (entry) VALUES (%s)", (json.dumps({"reason": "late"}),))
        audited.append("young")
        assert audited.sequencer.seal() == 0
        assert audited.log.status().unsealed == 1
    sequencer = audited.sequencer
    assert sequencer.seal() == 2
    audited.append("younger")
    assert sequencer.seal() == 1
    assert audited.reasons() == ["late", "young", "younger"]
    assert audited.verify().fault is None


def test_a_transaction_that_was_taken_back_leaves_no_entry(audited: Audited) -> None:
    with audited.connection as taken_back:
        taken_back.execute("INSERT INTO ue.audit_entries (entry) VALUES ('{}')")
        taken_back.rollback()
    audited.sealed(2)
    assert audited.reasons() == ["0", "1"]


def test_entries_that_came_from_another_cluster_are_sealed(audited: Audited) -> None:
    """A restored database numbers its transactions anew: what was sealed there last may stand far above, what was not sealed may too."""
    audited.sealed(2)
    audited.append("brought along")
    audited.tamper("UPDATE ue.audit_entries SET xid = xid + 1000000")
    audited.append("young")
    sequencer = audited.sequencer
    assert sequencer.seal() == 2
    audited.append("younger")
    assert sequencer.seal() == 1
    assert audited.log.status().unsealed == 0
    assert set(audited.reasons()) == {"0", "1", "brought along", "young", "younger"}


def test_many_sequencers_and_writers_at_once_make_one_tree(audited: Audited) -> None:
    def write(name: str) -> None:
        audited.append(*(f"{name}-{number}" for number in range(25)))

    def seal() -> None:
        sequencer = audited.sequencer
        for _ in range(20):
            sequencer.seal()

    work: list[Callable[[], None]] = [*(lambda name=name: write(name) for name in "abcdef"), seal, seal, seal]
    threads = [Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while audited.sequencer.seal():
        pass

    found = audited.verify()
    assert (found.fault, found.entries) == (None, 150)
    assert len(set(audited.reasons())) == 150


def test_a_sequencer_that_died_before_its_checkpoint_was_kept_is_continued(audited: Audited) -> None:
    audited.sealed(2)
    audited.append("2")
    sequencer = audited.sequencer
    sequencer._publish = lambda: None  # type: ignore[method-assign]  # it dies between both
    assert sequencer.seal() == 1
    assert audited.log.status().covered == 2
    with pytest.raises(EntryNotCovered):
        audited.log.proof(2)

    assert audited.sequencer.seal() == 0
    assert audited.log.status().covered == 3
    assert audited.verify().checkpoints == 3


def test_a_sequencer_whose_connection_was_cut_goes_on(audited: Audited) -> None:
    audited.sealed(2)
    sequencer = audited.sequencer
    sequencer.seal()
    audited.append("2")
    with audited.connection as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
    for _ in range(2):  # the first may meet the cut
        with suppress(ControlDatabaseUnavailable):
            sequencer.seal()
    assert (audited.verify().fault, audited.log.status().covered) == (None, 3)


def test_an_engine_seals_by_itself_and_once_more_when_it_ends(audited: Audited) -> None:
    first, second = (
        Engine(database_url=SecretStr(audited.control_url), environment=environment(), redactor=Redactor(), worker=False, sealing=audited.sealing)
        for _ in range(2)
    )
    first.launch()
    second.launch()
    audited.append("0", "1")
    Drill.until(lambda: audited.log.status().covered, lambda covered: covered == 2)
    first.close()  # the other one goes on
    audited.append("2")
    Drill.until(lambda: audited.log.status().covered, lambda covered: covered == 3)
    audited.append("3")
    second.close()
    assert (audited.verify().fault, audited.log.status().covered) == (None, 4)


class Full(CheckpointFile):
    """On a disk without room."""

    def keep(self, checkpoint: str) -> None:
        del checkpoint
        raise WitnessUnavailable(what=f"{self.path}: No space left on device", remedy="make room")


WITH_ITS_HASH = """UPDATE ue.audit_leaves SET leaf_hash = sha256('\\x00'::bytea || convert_to(entry, 'UTF8')) FROM ue.audit_entries WHERE id = entry_id"""


def test_a_witness_that_keeps_nothing_is_told_leaves_the_lag_to_grow_and_costs_no_second_reading(audited: Audited) -> None:
    audited.sealed(1)
    broken = Sequencer(audited.database, Sealing(signer=SIGNER, witness=Full(audited.witness.path)))
    audited.append("1")
    with pytest.raises(WitnessUnavailable):
        broken.seal()
    assert audited.log.status().lag_seconds > 0
    audited.tamper("UPDATE ue.audit_leaves SET leaf_hash = ''")  # whoever read the log again would notice
    with pytest.raises(WitnessUnavailable):
        broken.seal()
    audited.tamper(WITH_ITS_HASH)
    audited.sequencer.seal()
    assert audited.log.status().lag_seconds == 0


def test_a_witness_that_shows_nothing_does_not_silence_the_alarm(audited: Audited) -> None:
    audited.sealed(2)
    audited.witness.path.rename(audited.witness.path.with_name("kept"))
    audited.witness.path.mkdir()  # no file that could be read
    status = audited.log.status()
    assert (status.covered, status.sealed, status.lag_seconds > 0) == (0, 2, True)
    assert "the checkpoints can't be read" in (status.trouble or "")


def test_nothing_to_seal_makes_no_checkpoint(audited: Audited) -> None:
    assert audited.sequencer.seal() == 0
    audited.sealed(1)
    assert audited.sequencer.seal() == 0
    assert len(audited.witness.all()) == 2, "the first is that of the empty log"


def test_every_entry_is_proven(audited: Audited) -> None:
    audited.sealed(3, 4)
    for index in range(7):
        proof = audited.log.proof(index)
        shown = read_proof(proof.proof, SIGNER.verifier)
        assert shown is not None
        assert (shown.index, json.loads(shown.entry)["reason"], shown.checkpoint.size) == (index, str(index), 7)
        assert read_proof(proof.proof.replace(f"index {index}", f"index {index + 1}"), SIGNER.verifier) is None
    with pytest.raises(UnknownEntry):
        audited.log.proof(7)


def test_the_lag_is_that_of_the_oldest_entry_without_a_checkpoint(audited: Audited) -> None:
    assert (audited.log.status().lag_seconds, audited.log.status().late) == (0, False)
    audited.sealed(1)
    audited.append("old")
    audited.tamper("UPDATE ue.audit_entries SET appended_at = appended_at - interval '2 minutes' WHERE entry LIKE '%old%'")
    waiting = audited.log.status()
    assert (waiting.unsealed, waiting.late, waiting.lag_seconds >= 120) == (1, True, True)
    audited.sequencer.seal()
    assert (audited.log.status().lag_seconds, audited.log.status().late) == (0, False)


def test_no_secret_reaches_the_log(audited: Audited) -> None:
    audited.append(f"the password is {CANARY}", "password=hunter2222")
    audited.sequencer.seal()
    written = "".join(audited.log.export())
    assert CANARY not in written
    assert "hunter2222" not in written
    assert "[redacted]" in written


def test_an_entry_knows_where_it_was_first_written(audited: Audited) -> None:
    imported = AuditEntry(at=now() - timedelta(days=1), actor="member-1", action=Action.RUN_ENDED, run="drill-x", origin=Origin.LOCAL_JOURNAL)
    with audited.database.transaction() as connection:
        AuditTrail(Redactor()).append(connection, imported)
    (item,) = audited.log.page(limit=10)
    assert (item.index, item.entry.origin, item.entry.at < now() - timedelta(hours=23)) == (None, Origin.LOCAL_JOURNAL, True)


def test_an_entry_of_a_later_release_is_no_changed_one(audited: Audited) -> None:
    with audited.database.transaction() as connection:
        AuditTrail(Redactor()).append(connection, replace(entry("0"), action="member-erased", origin="another-site"))
    with audited.connection as later:
        later.execute("""INSERT INTO ue.audit_entries (entry) VALUES ('{"v":9}')""")
    audited.sequencer.seal()
    assert (audited.log.page(limit=1, before=1)[0].entry.action, audited.log.proof(0).entry.origin) == ("member-erased", "another-site")
    assert audited.verify().fault is None
    with pytest.raises(EntryUnreadable, match="entry 1 has a form"):
        audited.log.page(limit=1)
    audited.tamper("UPDATE ue.audit_entries SET entry = '{}' WHERE entry = '{\"v\":9}'")
    with pytest.raises(AuditLogChanged):
        audited.log.page(limit=1)


def actions(audited: Audited, run: str) -> list[tuple[str, str, str | None]]:
    return [(item.entry.action, item.entry.actor, item.entry.reason) for item in reversed(audited.log.page(limit=50, run=run))]


def test_a_run_leaves_who_did_what_and_why(audited: Audited, fresh: Drill) -> None:
    fresh.work()
    parked = fresh.start(Move(key="a", behaviour=Behaviour.BREAKS), park=True)
    fresh.until(lambda: fresh.engine.run(parked.id).status.value, lambda status: status == "parked")
    fresh.engine.decide(parked.id, Decision.UNDO, by="member-2", reason="it will not work")
    ended = fresh.ended(parked.id)

    worker = ended.worker or ""
    assert actions(audited, parked.id) == [
        ("run-requested", "member-1@example.org", None),
        ("run-begun", worker, None),
        ("run-decided", "member-2", "it will not work"),
        ("run-ended", worker, None),
    ]
    asked = audited.log.page(limit=50, run=parked.id)[-1].entry.data
    assert (asked["plan_hash"], asked["runbook"]) == (parked.plan_hash, "drill.script")
    assert audited.log.page(limit=50, run=parked.id)[0].entry.data["status"] == ended.status.value


WITH_A_PART = """
INSERT INTO ue.runs (id, parent, runbook, summary, status, service, requested_by, request, plan, plan_hash, parks, ended_at)
SELECT %s, id, runbook, summary, status, service, requested_by, request, plan, plan_hash, parks, ended_at FROM ue.runs WHERE id = %s
"""


def test_a_run_that_was_cancelled_and_forgotten_stays_in_the_log(audited: Audited, fresh: Drill) -> None:
    run = fresh.start(Move(key="a"))
    fresh.engine.cancel(run.id, by="member-2", reason="wrong day")
    fresh.work()
    fresh.ended(run.id)
    fresh.in_control("UPDATE ue.runs SET ended_at = ended_at - interval '40 days' WHERE id = %s", run.id)
    part = f"{run.id}.1"
    fresh.in_control(WITH_A_PART, part, run.id)
    assert fresh.engine.prune(older_than=timedelta(days=30)) == 1
    Runs(audited.database, Redactor()).forget((run.id,))  # another worker thought so too

    audited.sequencer.seal()

    told = actions(audited, run.id)
    assert [action for action, _, _ in told] == ["run-requested", "run-cancelled", "run-begun", "run-ended", "run-forgotten"]
    assert [action for action, _, _ in actions(audited, part)] == ["run-forgotten"]
    assert told[1] == ("run-cancelled", "member-2", "wrong day")
    assert audited.verify().fault is None


def test_what_was_taken_back_with_its_transaction_was_never_done(audited: Audited, fresh: Drill) -> None:
    """A second run on a held service is refused, and so is its entry: the log tells of what is so."""
    held = fresh.start(Move(key="a"))
    with pytest.raises(Exception, match="held by"):
        fresh.start(Move(key="b"))
    audited.sequencer.seal()
    assert [item.entry.run for item in audited.log.page(limit=50)] == [held.id]


def test_the_root_is_the_one_that_the_entries_texts_give(audited: Audited) -> None:
    audited.sealed(5)
    tree = Tree()
    with audited.connection as connection:
        for row in connection.execute("SELECT entry FROM ue.audit_entries JOIN ue.audit_leaves ON entry_id = id ORDER BY index"):
            tree.append(leaf_hash(str(row[0]).encode()))
    assert audited.verify().root == tree.root()
