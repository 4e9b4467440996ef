"""Whether a log is what was sealed: every entry hashed anew, every checkpoint's signature and root. Pure, in one pass, of constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from unioneyes.runbook.audit.checkpoints import Checkpoint, read_checkpoint
from unioneyes.runbook.audit.export import ExportedLeaf
from unioneyes.runbook.audit.merkle import Tree, leaf_hash
from unioneyes.runbook.audit.notes import VerifierKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The first thing that is wrong."""

    index: int | None
    """The first entry that shows to be wrong; of those since the last good checkpoint, others may be too. None when a checkpoint is wrong."""
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was verified, and how it came out."""

    key: str
    """What the signatures were verified by."""
    entries: int
    """Entries that were found to be what was sealed, from the first on; where something is wrong, only those that a checkpoint before it covers."""
    root: bytes
    """Of the tree of these entries."""
    promised: int
    """Checkpoints that there are."""
    checkpoints: int
    """Those of them whose signature and root were verified."""
    last: Checkpoint | None
    """The one of them that covers the most."""
    fault: Fault | None
    """None when nothing is wrong."""


def verify(leaves: Iterable[ExportedLeaf], notes: Sequence[str], key: VerifierKey) -> Verification:
    """Return whether `leaves` are the log that the checkpoints in `notes` promised, all of them and nothing else.

    Where an entry's hash was replaced too, only a checkpoint tells: the fault then names the first entry after the last checkpoint that was still right.
    """
    checkpoints = [read_checkpoint(note, key) for note in notes]
    promised = sorted((each for each in checkpoints if each is not None), key=lambda each: each.size)
    seen = Verification(key=str(key), entries=0, root=Tree().root(), promised=len(notes), checkpoints=0, last=None, fault=None)
    if None in checkpoints:
        at = checkpoints.index(None) + 1
        return replace(seen, fault=Fault(index=None, what=f"checkpoint {at} of {len(notes)} was not signed by {key.name}+{key.id().hex()}"))
    tree = Tree()
    kept, fault = _held_against(promised, 0, tree)  # a log begins with the checkpoint of an empty one
    for leaf in leaves:
        if fault is None and (fault := _wrong(leaf, tree.size)) is None:
            tree.append(leaf.leaf_hash)
            kept, fault = _held_against(promised, kept, tree)
        if fault is not None:
            break
    fault = fault or _left_open(promised, kept, tree)
    if fault is not None:
        return replace(_proven(seen, promised, kept), fault=fault)
    return replace(_proven(seen, promised, kept), entries=tree.size, root=tree.root())


def compare(first: Sequence[str], remote: Sequence[str]) -> Fault | None:
    """Return where what the remote witness keeps is not a beginning of what the first one keeps: all that it was brought, in order."""
    if not remote:
        return Fault(index=None, what="the remote witness keeps no checkpoint, not even the one that it was begun with")
    for number, note in enumerate(remote):
        if number < len(first) and note == first[number]:
            continue
        if note in first[number:]:
            return Fault(index=None, what=f"the remote witness lacks the checkpoint of {_entries(first[number])}, and keeps later ones")
        return Fault(index=None, what=f"the witnesses disagree: the remote one keeps a checkpoint of {_entries(note)} that the first one lacks")
    return None


def _entries(note: str) -> str:
    return f"{note.split(chr(10))[1]} entries"


def _proven(seen: Verification, promised: Sequence[Checkpoint], kept: int) -> Verification:
    """Return `seen` with what the first `kept` checkpoints prove."""
    last = promised[kept - 1] if kept else None
    return replace(seen, entries=last.size if last else 0, checkpoints=kept, last=last)


def _wrong(leaf: ExportedLeaf, expected: int) -> Fault | None:
    """Return what is wrong with the leaf itself."""
    if leaf.index != expected:
        if leaf.index > expected:
            return Fault(index=expected, what=f"entry {expected} is missing: entry {leaf.index} follows on {expected - 1}")
        return Fault(index=expected, what=f"entry {leaf.index} stands where entry {expected} belongs")
    if leaf.entry is None:
        return Fault(index=expected, what=f"entry {expected} is missing: its place in the tree is left")
    if leaf_hash(leaf.entry.encode()) != leaf.leaf_hash:
        return Fault(index=expected, what=f"entry {expected} is not what was sealed: its text has another hash")
    return None


def _left_open(promised: Sequence[Checkpoint], kept: int, tree: Tree) -> Fault | None:
    """Return what is wrong although every entry that there is fits."""
    if kept < len(promised):
        return Fault(index=tree.size, what=f"entry {tree.size} is missing: the log ends before it, and {promised[-1].size:,} were sealed")
    if not promised:
        return Fault(index=None, what="there is no checkpoint, not even the one that the log began with")
    if tree.size and promised[-1].size == 0:
        return Fault(index=0, what="no checkpoint covers any entry: nothing shows that the entries are what was sealed")
    return None


def _held_against(promised: Sequence[Checkpoint], kept: int, tree: Tree) -> tuple[int, Fault | None]:
    """Return how many checkpoints the tree has kept so far, and where it breaks the next one."""
    while kept < len(promised) and promised[kept].size <= tree.size:
        if promised[kept].root != tree.root():
            first, last = promised[kept - 1].size if kept else 0, promised[kept].size - 1
            among = f"entry {first} was" if first >= last else f"of the entries {first} to {last} at least one was"
            return kept, Fault(
                index=first, what=f"{among} changed after it was sealed, and its hash with it: the checkpoint of {last + 1} entries has another root"
            )
        kept += 1
    return kept, None
