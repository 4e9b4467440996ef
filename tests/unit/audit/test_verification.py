"""An export, a proof and what verification finds in them, without any database."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.kernel.redaction import Redactor
from unioneyes.runbook.audit.checkpoints import empty_checkpoint, sign_checkpoint
from unioneyes.runbook.audit.entry import FORM, Action, AuditEntry, Origin, entry_text, read_entry
from unioneyes.runbook.audit.export import ExportedLeaf, header_line, leaf_line, read_export
from unioneyes.runbook.audit.merkle import Tree, inclusion_ranges, leaf_hash, prove
from unioneyes.runbook.audit.notes import Signer
from unioneyes.runbook.audit.problems import AuditFileMalformed
from unioneyes.runbook.audit.proof import proof_text, read_proof
from unioneyes.runbook.audit.verification import Verification, verify

SIGNER = Signer.of("unioneyes/test", bytes(32))
AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
ENTRY = AuditEntry(at=AT, actor="member-1", action=Action.RUN_DECIDED, run="r", reason="it will not work", data={"decision": "undo"})
ENTRIES = [entry_text(replace(ENTRY, reason=f"reason {number}\u2028"), Redactor()) for number in range(10)]
"""With a line separator, which some readers take for the end of a line."""
BATCHES = (3, 4, 10)
LEAVES = [ExportedLeaf(index, leaf_hash(text.encode()), text) for index, text in enumerate(ENTRIES)]


def notes(leaves: list[ExportedLeaf] = LEAVES, signer: Signer = SIGNER) -> tuple[str, ...]:
    tree, made = Tree(), []
    for leaf in leaves:
        tree.append(leaf.leaf_hash)
        if tree.size in BATCHES:
            made.append(sign_checkpoint(signer, size=tree.size, root=tree.root(), at=AT).note)
    return tuple(made)


def verified(leaves: list[ExportedLeaf], checkpoints: tuple[str, ...] | None = None) -> Verification:
    return verify(leaves, notes() if checkpoints is None else checkpoints, SIGNER.verifier)


def test_what_was_sealed_is_verified() -> None:
    found = verified(LEAVES)
    assert (found.fault, found.entries, found.promised, found.checkpoints) == (None, 10, 3, 3)


def test_the_order_of_the_checkpoints_does_not_matter_nor_that_one_stands_twice() -> None:
    assert verified(LEAVES, (*reversed(notes()), notes()[1])).fault is None


def test_entries_after_the_last_checkpoint_are_told_apart() -> None:
    found = verified(LEAVES, notes()[:2])
    assert found.last is not None
    assert (found.fault, found.entries, found.last.size) == (None, 10, 4)


@pytest.mark.parametrize("leaves", [[], LEAVES], ids=["empty", "with entries"])
def test_a_log_without_any_checkpoint_has_lost_the_one_that_it_began_with(leaves: list[ExportedLeaf]) -> None:
    fault = verified(leaves, ()).fault
    assert fault is not None
    assert "there is no checkpoint" in fault.what


def test_a_log_begins_with_the_checkpoint_of_an_empty_one_which_proves_nothing_of_what_follows() -> None:
    begun = empty_checkpoint(SIGNER, AT).note
    assert (verified([], (begun,)).fault, verified([], (begun,)).checkpoints) == (None, 1)
    assert (verified(LEAVES, (begun, *notes())).fault, verified(LEAVES, (begun, *notes())).checkpoints) == (None, 4)
    fault = verified(LEAVES, (begun,)).fault
    assert fault is not None
    assert "no checkpoint covers any entry" in fault.what
    assert verified([], (sign_checkpoint(SIGNER, size=0, root=bytes(32), at=AT).note,)).fault is not None


def test_where_something_is_wrong_only_what_a_checkpoint_covers_counts_as_verified() -> None:
    changed = [*LEAVES[:6], replace(LEAVES[6], entry=LEAVES[6].entry and LEAVES[6].entry.replace("6", "7")), *LEAVES[7:]]
    found = verified(changed)
    assert found.fault is not None
    assert (found.fault.index, found.entries, found.checkpoints) == (6, 4, 2)


def test_two_checkpoints_of_one_size_that_differ_are_found() -> None:
    forked = sign_checkpoint(SIGNER, size=4, root=bytes(32), at=AT).note
    fault = verified(LEAVES, (*notes(), forked)).fault
    assert fault is not None
    assert fault.index in {3, 4}


def tampered(leaves: list[ExportedLeaf], how: str, at: int, data: st.DataObject) -> None:
    text = data.draw(st.text())
    other = data.draw(st.integers(0, len(leaves) - 1))
    match how:
        case "text":
            leaves[at] = replace(leaves[at], entry=text)
        case "text and hash":
            leaves[at] = ExportedLeaf(leaves[at].index, leaf_hash(text.encode()), text)
        case "hash":
            leaves[at] = replace(leaves[at], leaf_hash=leaf_hash(text.encode()))
        case "gone":
            leaves[at] = replace(leaves[at], entry=None)
        case "delete":
            del leaves[at]
        case "insert":
            leaves.insert(at, leaves[other])
        case _:
            leaves[at], leaves[other] = leaves[other], leaves[at]


@given(st.data())
def test_no_change_to_the_leaves_stays_unseen(data: st.DataObject) -> None:
    """Whatever is done to them, hashes recomputed or not, and numbered anew or not: there is a fault, and nothing counts as verified that was changed."""
    leaves = list(LEAVES)
    for _ in range(data.draw(st.integers(1, 3))):
        how = data.draw(st.sampled_from(["text", "text and hash", "hash", "gone", "delete", "insert", "swap"]))
        tampered(leaves, how, data.draw(st.integers(0, len(leaves) - 1)), data)
    if data.draw(st.booleans()):
        leaves = [replace(leaf, index=index) for index, leaf in enumerate(leaves)]
    found = verified(leaves)
    if leaves[: len(LEAVES)] == LEAVES:  # what was sealed, and at most more than that, of which no checkpoint speaks
        assert found.last is not None
        assert found.last.size == len(LEAVES)
        return
    first = next((at for at, (ours, theirs) in enumerate(zip(leaves, LEAVES, strict=False)) if ours != theirs), min(len(leaves), len(LEAVES)))
    assert found.fault is not None
    assert found.entries <= first
    assert found.fault.index is not None
    assert found.entries <= found.fault.index


def test_an_export_is_read_as_it_was_written() -> None:
    lines = [header_line(key="k", checkpoints=notes()), *(leaf_line(leaf.index, leaf.leaf_hash, leaf.entry) for leaf in LEAVES)]
    assert [line for line in lines if len(line.splitlines()) != 1] == []
    header, leaves = read_export("".join(lines).splitlines(keepends=True))
    assert (header.checkpoints, list(leaves)) == (notes(), LEAVES)


@pytest.mark.parametrize("text", ["", "{}", "diary", '{"format":"unioneyes-audit-9","key":"k","checkpoints":[]}', "\x00"])
def test_what_is_no_export_is_refused(text: str) -> None:
    with pytest.raises(AuditFileMalformed):
        read_export([text])


@pytest.mark.parametrize("line", ["", "[]", "null", '{"index":0}', '{"index":"0","leaf_hash":"","entry":""}', '{"index":0,"leaf_hash":"!","entry":""}'])
def test_a_line_that_is_no_leaf_is_refused(line: str) -> None:
    _, leaves = read_export([header_line(key="k", checkpoints=()), line])
    with pytest.raises(AuditFileMalformed, match="line 2"):
        list(leaves)


def proof_of(index: int) -> str:
    hashes = prove((leaf.leaf_hash for leaf in LEAVES), inclusion_ranges(index, 10))
    return proof_text(index=index, entry=ENTRIES[index], hashes=hashes, checkpoint=notes()[-1])


@pytest.mark.parametrize("index", range(10))
def test_a_proof_shows_its_entry(index: int) -> None:
    shown = read_proof(proof_of(index), SIGNER.verifier)
    assert shown is not None
    assert (shown.index, shown.entry, shown.checkpoint.size) == (index, ENTRIES[index], 10)


def test_a_proof_shows_nothing_under_another_key() -> None:
    assert read_proof(proof_of(4), Signer.of(SIGNER.name, bytes(range(32))).verifier) is None


@given(st.data())
def test_no_changed_proof_shows_anything_else(data: st.DataObject) -> None:
    proof = proof_of(data.draw(st.integers(0, 9)))
    at = data.draw(st.integers(0, len(proof) - 1))
    changed = proof[:at] + data.draw(st.characters(exclude_categories=["Cs"])) + proof[at + 1 :]
    try:
        shown = read_proof(changed, SIGNER.verifier)
    except AuditFileMalformed:
        return
    assert shown is None or shown.entry == ENTRIES[shown.index]


def test_an_entry_s_text_is_one_line_of_sorted_json_and_never_changes_its_form() -> None:
    """What is pinned here is in sealed logs: another form is a new `FORM`."""
    assert FORM == 1
    assert entry_text(ENTRY, Redactor()) == (
        '{"action":"run-decided","actor":"member-1","approval":null,"at":"2026-02-09T14:30:00.000Z","data":{"decision":"undo"},'
        '"origin":"control-plane","reason":"it will not work","run":"r","v":1}'
    )
    assert read_entry(entry_text(ENTRY, Redactor())) == ENTRY


def test_no_secret_stands_in_an_entry_s_text() -> None:
    told = replace(ENTRY, actor="token=abcdef123", reason="the password is canary-99", origin=Origin.LOCAL_JOURNAL, data={"a": [{"b": "canary-99"}]})
    text = entry_text(told, Redactor(["canary-99"]))
    assert "canary-99" not in text
    assert "abcdef123" not in text
    assert json.loads(text)["data"] == {"a": [{"b": "[redacted]"}]}
