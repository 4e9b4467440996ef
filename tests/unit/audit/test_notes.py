"""Signed notes and checkpoints, against published examples and against changes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.runbook.audit.checkpoints import read_checkpoint, sign_checkpoint
from unioneyes.runbook.audit.notes import Signer, VerifierKey
from unioneyes.runbook.audit.problems import AuditKeyMalformed

NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""Source: the example of Go's golang.org/x/mod/sumdb/note."""
SUMDB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
"""Source: the key of Go's checksum database, as the go command knows it."""

SIGNER = Signer.of("unioneyes/test", bytes(range(32)))
AT = datetime(2026, 2, 9, 14, 30, 0, 123_000, UTC)


def test_a_note_that_another_program_signed_is_verified() -> None:
    signed = VerifierKey.read(NEUMANN).signed(NOTE)
    assert signed is not None
    assert signed.text == NOTE.partition("\n\n")[0] + "\n"
    assert signed.at is None


@pytest.mark.parametrize("key", [NEUMANN, SUMDB, str(SIGNER.verifier)])
def test_a_key_is_written_as_it_was_read(key: str) -> None:
    assert str(VerifierKey.read(f"{key}\n")) == key


@pytest.mark.parametrize("key", ["", "x", NEUMANN[:-4], NEUMANN.replace("c74f20a3", "c74f20a4"), NEUMANN.replace("Peter", "Pan"), "a b+c74f20a3+ARpc", "++"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(AuditKeyMalformed):
        VerifierKey.read(key)


def test_a_checkpoint_says_what_was_signed_and_when() -> None:
    made = sign_checkpoint(SIGNER, size=12, root=bytes(32), at=AT)
    assert made.note.startswith("unioneyes/test\n12\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\u2014 unioneyes/test ")
    assert read_checkpoint(made.note, SIGNER.verifier) == made
    assert made.at == AT.replace(microsecond=0)


def test_signatures_of_others_beside_it_do_not_matter() -> None:
    made = sign_checkpoint(SIGNER, size=12, root=bytes(32), at=AT)
    with_witness = f"{made.note}\u2014 witness.example AAAAAAAA\n"
    read = read_checkpoint(with_witness, SIGNER.verifier)
    assert read is not None
    assert (read.size, read.root, read.at) == (made.size, made.root, made.at)


def test_another_key_of_the_same_name_signed_nothing() -> None:
    made = sign_checkpoint(Signer.of(SIGNER.name, bytes(32)), size=12, root=bytes(32), at=AT)
    assert read_checkpoint(made.note, SIGNER.verifier) is None


def test_a_checkpoint_of_another_log_is_none_of_this_one() -> None:
    note = SIGNER.sign("unioneyes/other\n12\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", AT)
    assert SIGNER.verifier.signed(note) is not None
    assert read_checkpoint(note, SIGNER.verifier) is None


@pytest.mark.parametrize("text", ["", "unioneyes/test\n", "unioneyes/test\n012\nAAAA\n", "unioneyes/test\n12\nAAAA\n", "unioneyes/test\n12\n\u00fc\n"])
def test_a_signed_text_that_is_no_checkpoint_is_none(text: str) -> None:
    assert read_checkpoint(SIGNER.sign(text, AT), SIGNER.verifier) is None


@given(st.data())
def test_no_changed_checkpoint_is_taken_for_a_signed_one(data: st.DataObject) -> None:
    made = sign_checkpoint(SIGNER, size=1204, root=bytes(range(32)), at=AT)
    at = data.draw(st.integers(0, len(made.note) - 1))
    other = data.draw(st.characters(exclude_categories=["Cs"]))
    note = made.note[:at] + other + made.note[at + 1 :]
    read = read_checkpoint(note, SIGNER.verifier)
    assert read is None or (read.size, read.root) == (made.size, made.root)


@given(st.text(max_size=300))
def test_no_text_is_taken_for_a_checkpoint(text: str) -> None:
    assert read_checkpoint(text, SIGNER.verifier) is None
