"""The audit log's key: made once, together with the log, and never in place of one that signed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from unioneyes.environments.local.audit import AuditKeyLost, build_sealing, evidence, keep_audit_key
from unioneyes.environments.local.layout import Layout
from unioneyes.kernel.clock import now
from unioneyes.runbook.audit.checkpoints import read_checkpoint, sign_checkpoint
from unioneyes.runbook.audit.notes import VerifierKey


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.claim_home()
    return layout


def private(layout: Layout) -> Path:
    return layout.secrets / "audit-key"


def test_the_key_is_made_once_for_its_owner_and_begins_a_log(layout: Layout) -> None:
    key = keep_audit_key(layout)
    sealing = build_sealing(layout, key)
    assert keep_audit_key(layout) == key
    assert stat.S_IMODE(private(layout).stat().st_mode) == 0o600

    found = evidence(layout.home)
    verifier = VerifierKey.read(found.key)
    assert str(verifier) == str(sealing.signer.verifier)
    (begun,) = (read_checkpoint(note, verifier) for note in found.checkpoints)
    assert begun is not None
    assert begun.size == 0


def test_a_key_that_is_gone_is_not_replaced_and_what_it_signed_stays(layout: Layout) -> None:
    build_sealing(layout, keep_audit_key(layout))
    before = evidence(layout.home)
    private(layout).unlink()
    with pytest.raises(AuditKeyLost, match="is gone"):
        keep_audit_key(layout)
    assert evidence(layout.home) == before
    assert not private(layout).exists()


def test_what_was_signed_is_kept_even_where_its_public_key_is_gone_too(layout: Layout) -> None:
    sealing = build_sealing(layout, keep_audit_key(layout))
    sealing.witness.keep(sign_checkpoint(sealing.signer, size=1, root=bytes(32), at=now()).note)
    private(layout).unlink()
    (layout.audit / "public-key").unlink()
    with pytest.raises(AuditKeyLost):
        keep_audit_key(layout)
    assert len(sealing.witness.all()) == 2


def test_another_key_does_not_overwrite_the_public_one(layout: Layout) -> None:
    build_sealing(layout, keep_audit_key(layout))
    before = evidence(layout.home)
    private(layout).write_text("A" * 43)
    with pytest.raises(AuditKeyLost, match="is not the key"):
        build_sealing(layout, keep_audit_key(layout))
    assert evidence(layout.home) == before


def test_a_beginning_that_was_cut_off_is_made_anew(layout: Layout) -> None:
    keep_audit_key(layout)
    private(layout).unlink()  # as when it was never written, and no server has started
    sealing = build_sealing(layout, keep_audit_key(layout))
    (begun,) = sealing.witness.all()
    assert read_checkpoint(begun, sealing.signer.verifier) is not None


def test_a_log_is_begun_anew_where_the_old_evidence_was_moved_away(layout: Layout) -> None:
    build_sealing(layout, keep_audit_key(layout))
    private(layout).unlink()
    layout.audit.rename(layout.home / "audit-kept")
    build_sealing(layout, keep_audit_key(layout))
    assert evidence(layout.home).key != (layout.home / "audit-kept" / "public-key").read_text()
