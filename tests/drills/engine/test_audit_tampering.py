"""No change to the audit log stays unseen, whoever makes it: on a real PostgreSQL, by somebody who may do everything there."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.errors import IntegrityConstraintViolation

from tests.drills.engine.audited import SIGNER, Audited, begun
from unioneyes.runbook.audit.export import read_export
from unioneyes.runbook.audit.log import AuditLog
from unioneyes.runbook.audit.notes import Signer
from unioneyes.runbook.audit.problems import AuditLogChanged
from unioneyes.runbook.audit.sealing import Sealing
from unioneyes.runbook.audit.sequencer import Sequencer
from unioneyes.runbook.audit.verification import verify


def test_an_untouched_log_is_what_was_sealed(audited: Audited) -> None:
    audited.sealed(3, 1, 4)
    found = audited.verify()
    assert (found.fault, found.entries, found.checkpoints) == (None, 8, 4)
    assert found.last is not None
    assert (found.last.size, found.last.root) == (8, found.root)
    assert audited.reasons() == list("01234567")


@pytest.mark.parametrize("statement", ["UPDATE ue.{} SET {}", "DELETE FROM ue.{}", "TRUNCATE ue.{}"])
@pytest.mark.parametrize(("table", "change"), [("audit_entries", "entry = '{}'"), ("audit_leaves", "index = index + 1")])
def test_the_tables_take_inserts_only(audited: Audited, statement: str, table: str, change: str) -> None:
    audited.sealed(1)
    with audited.connection as connection, pytest.raises(IntegrityConstraintViolation, match="append-only"):
        connection.execute(statement.format(table, change).encode())


ALTERED = """UPDATE ue.audit_entries SET entry = replace(entry, '"4"', '"44"') WHERE run_id = 'drill-4'"""
REWRITTEN = "UPDATE ue.audit_entries SET entry = replace(entry, 'member-1', 'member-2')"
WITH_ITS_HASH = """UPDATE ue.audit_leaves SET leaf_hash = sha256('\\x00'::bytea || convert_to(entry, 'UTF8')) FROM ue.audit_entries WHERE id = entry_id"""
WITHOUT_ROW = "DELETE FROM ue.audit_entries WHERE run_id = 'drill-4'"
WITHOUT_LEAF = "DELETE FROM ue.audit_leaves WHERE index = 4"
CLOSED_UP = "UPDATE ue.audit_leaves SET index = -index WHERE index > 4", "UPDATE ue.audit_leaves SET index = -index - 1 WHERE index < 0"
CUT = "DELETE FROM ue.audit_entries WHERE run_id > 'drill-5'", "DELETE FROM ue.audit_leaves WHERE index > 5"
EMPTIED = "DELETE FROM ue.audit_entries", "DELETE FROM ue.audit_leaves"
SWAPPED = (
    "UPDATE ue.audit_leaves SET index = index + 1000 WHERE index IN (2, 5)",
    "UPDATE ue.audit_leaves SET index = CASE index WHEN 1002 THEN 5 ELSE 2 END WHERE index > 1000",
)


@pytest.mark.parametrize(
    ("statements", "index", "said"),
    [
        pytest.param((ALTERED,), 4, "entry 4 is not what was sealed", id="text"),
        pytest.param((ALTERED, WITH_ITS_HASH), 3, "of the entries 3 to 5", id="text-and-hash"),
        pytest.param((WITHOUT_ROW,), 4, "entry 4 is missing", id="row"),
        pytest.param((WITHOUT_ROW, WITHOUT_LEAF), 4, "entry 4 is missing", id="row-and-leaf"),
        pytest.param((WITHOUT_ROW, WITHOUT_LEAF, *CLOSED_UP), 3, "of the entries 3 to 5", id="row-and-leaf-closed-up"),
        pytest.param(CUT, 6, "entry 6 is missing: the log ends before it", id="end"),
        pytest.param(EMPTIED, 0, "entry 0 is missing", id="all"),
        pytest.param(SWAPPED, 0, "of the entries 0 to 2", id="order"),
        pytest.param((REWRITTEN,), 0, "entry 0 is not", id="rewritten"),
        pytest.param((REWRITTEN, WITH_ITS_HASH), 0, "of the entries 0 to 2", id="rewritten-with-hashes"),
    ],
)
def test_a_change_behind_the_triggers_is_found_and_named(audited: Audited, statements: tuple[str, ...], index: int, said: str) -> None:
    audited.sealed(3, 3, 3)
    before = audited.witness.all()

    audited.tamper(*statements)

    fault = audited.verify().fault
    assert fault is not None
    assert (fault.index, said in fault.what) == (index, True), fault
    audited.append("later")
    if any("audit_leaves" in statement for statement in statements):
        with pytest.raises(AuditLogChanged):
            audited.sequencer.seal()
        assert audited.witness.all() == before, "a changed tree is signed by nobody"
    assert audited.verify().fault is not None


def test_a_rewritten_log_with_checkpoints_of_another_key_is_found(audited: Audited, tmp_path: Path) -> None:
    """Whoever can write the database and the file, and has not the key."""
    audited.sealed(3)
    audited.tamper(REWRITTEN, WITH_ITS_HASH)
    signer = Signer.of(SIGNER.name, bytes(32))
    forger = Sealing(signer=signer, witness=begun(tmp_path / "forged", signer))
    forged = Sequencer(audited.database, forger)
    forged.seal()
    audited.witness.path.write_bytes((tmp_path / "forged").read_bytes())

    found = audited.verify()

    assert found.fault is not None
    assert "checkpoint 1 of 2 was not signed by unioneyes/drill" in found.fault.what


def test_a_rewritten_log_that_was_signed_anew_with_the_key_is_found_by_a_checkpoint_kept_elsewhere(audited: Audited) -> None:
    audited.sealed(3)
    kept_elsewhere = audited.witness.all()
    audited.tamper(REWRITTEN, WITH_ITS_HASH)
    audited.witness.path.unlink()
    begun(audited.witness.path)
    audited.sequencer.seal()
    assert audited.verify().fault is None, "the forger had everything"

    _, leaves = read_export(audited.log.export())
    assert verify(leaves, [*audited.witness.all(), *kept_elsewhere], SIGNER.verifier).fault is not None


@pytest.mark.parametrize("statements", [(), (REWRITTEN, WITH_ITS_HASH), (REWRITTEN, "DELETE FROM ue.audit_leaves")], ids=["as it was", "rewritten", "unsealed"])
def test_nothing_is_signed_once_the_witness_keeps_nothing(audited: Audited, statements: tuple[str, ...]) -> None:
    """Whoever can write the database and the file, and has not the key, does not get the program to sign for it."""
    audited.sealed(3)
    audited.tamper(*statements)
    audited.witness.path.unlink()
    audited.append("later")

    with pytest.raises(AuditLogChanged, match="the witness keeps no checkpoint"):
        audited.sequencer.seal()

    assert audited.witness.all() == ()
    fault = audited.verify().fault
    assert fault is not None
    assert "there is no checkpoint" in fault.what


def test_a_sequencer_remembers_what_the_witness_kept_while_it_runs(audited: Audited) -> None:
    """The file was put back to an earlier state, under a server that goes on."""
    audited.sealed(3)
    earlier = audited.witness.path.read_bytes()
    sequencer = audited.sequencer
    audited.append("3")
    sequencer.seal()
    audited.tamper(REWRITTEN, WITH_ITS_HASH)
    audited.witness.path.write_bytes(earlier)
    audited.append("4")

    for _ in range(2):  # after its first refusal it reads everything again
        with pytest.raises(AuditLogChanged, match="the witness's last checkpoint is of 3 entries, and it kept one of 4 before"):
            sequencer.seal()
    assert audited.witness.path.read_bytes() == earlier


def test_no_proof_is_made_of_a_changed_log(audited: Audited) -> None:
    audited.sealed(3)
    audited.tamper("DELETE FROM ue.audit_entries WHERE run_id = 'drill-1'", "DELETE FROM ue.audit_leaves WHERE index = 2")
    for index in (0, 1):
        with pytest.raises(AuditLogChanged):
            audited.log.proof(index)


def test_a_log_that_lost_entries_can_be_begun_anew_with_another_key_and_the_old_evidence_still_speaks(audited: Audited, tmp_path: Path) -> None:
    """As after a restore of an older backup: somebody decides to go on."""
    audited.sealed(3, 3)
    audited.tamper("DELETE FROM ue.audit_leaves WHERE index > 3", "DELETE FROM ue.audit_entries WHERE run_id > 'drill-3'")
    with pytest.raises(AuditLogChanged):
        audited.sequencer.seal()

    signer = Signer.of(SIGNER.name, bytes(32))
    anew = Sealing(signer=signer, witness=begun(tmp_path / "anew", signer))
    audited.append("later")
    assert Sequencer(audited.database, anew).seal() == 1

    _, leaves = read_export(AuditLog(audited.database, anew).export())
    assert verify(leaves, anew.witness.all(), anew.signer.verifier).fault is None
    assert audited.verify().fault is not None
