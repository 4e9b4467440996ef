"""Base backups, the log and recoveries, as people read them."""

from __future__ import annotations

from collections.abc import Iterator

from unioneyes.cli.output import Cell, Ink, facts, table
from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_bytes, format_duration
from unioneyes.operations.database.recovery.model import BaseMade, Brought
from unioneyes.ports.recovery import BaseBackup, Exposure, FailoverView, KeptBy, WalMode, WalView

_MODES = {
    WalMode.NONE: "not kept: what was committed after the last base backup is lost with the server",
    WalMode.RECEIVE: "received as it is written",
    WalMode.SYNCHRONOUS: "received before a commit is answered",
    WalMode.ARCHIVED: "handed over by the server, a segment at a time: what stands in the last one is lost with it",
}

_NOTHING = "nothing: the window needs all of it"


def wal_text(ink: Ink, view: WalView) -> str:
    """Return how the log is kept, and what can be recovered to."""
    return "\n".join(_wal(ink, view))


def failover_text(ink: Ink, view: FailoverView) -> str:
    """Return what would be lost with the primary, and how long promotion takes."""
    rows = [_exposure(each) for each in view.exposures]
    told = facts(ink, (("lost", _lost(ink, view)), ("else", _else(view)), ("promotion", _promotion(view))))
    return f"{table(ink, ('kept by', 'state', 'commits wait', 'behind', 'for'), rows, empty='nobody keeps what the primary writes')}\n\n{told}"


def base_text(ink: Ink, done: BaseMade) -> str:
    """Return what a base backup came to."""
    made, pruned = done.base, done.pruned
    gone = ", ".join((*pruned.bases, *((f"{pruned.segments} segments of the log",) if pruned.segments else ())))
    return facts(
        ink,
        (
            ("base backup", f"{made.name}, {_copied(made)}"),
            ("changes since", made.parent or ""),
            ("recover from", rfc3339(made.ended_at)),
            ("where", str(made.path)),
            ("took", format_duration(made.took)),
            ("removed", _left_to(pruned.kept_by) if pruned.kept_by else f"{gone} ({format_bytes(pruned.bytes)})" if gone else _NOTHING),
        ),
    )


def brought_text(ink: Ink, done: Brought) -> str:
    """Return what a recovery came to."""
    recovered, exported = done.recovered, done.exported
    into = (
        f"{exported.database}: {exported.rows:,} rows{f' of {exported.table}' if exported.table else ''}, {format_duration(exported.took)}" if exported else ""
    )
    return facts(
        ink,
        (
            ("recovered to", done.point.said),
            ("from", f"{done.point.base} and {done.point.segments} segments of the log"),
            ("stopped", recovered.stopped),
            ("last commit", rfc3339(recovered.last_commit) if recovered.last_commit else ""),
            ("holds", f"{recovered.rows:,} rows in {recovered.tables:,} tables"),
            ("took", format_duration(recovered.took)),
            ("into", into),
            ("look into it", recovered.way_in if done.kept else ""),
            ("it ends", "with the server of ue, or with the next --inspect" if done.kept else ""),
        ),
    )


def endangered(view: FailoverView) -> bool:
    """Return whether nobody keeps what the primary writes."""
    return not any(each.connected for each in view.exposures)


def _wal(ink: Ink, view: WalView) -> Iterator[str]:
    yield facts(
        ink,
        (
            ("log", _MODES[view.mode]),
            ("received", "" if view.mode is WalMode.NONE else _streaming(ink, view)),
            ("server keeps", _slot(ink, view)),
            *_keeper(view),
        ),
    )
    for complaint in view.kept_by.complaints if view.kept_by else ():
        yield ink.tone(Tone.BAD, f"✘ {complaint}")
    yield f"\n{ink.bold('Can be recovered to')}"
    rows = [(rfc3339(each.since), rfc3339(each.until), each.until_lsn, str(len(each.bases)), each.bases[-1]) for each in view.windows]
    yield table(ink, ("from", "to", "position", "bases", "newest base"), rows, empty="nothing: there is no base backup; ue backup base makes one")
    for gap in view.gaps:
        yield ink.tone(Tone.BAD, f"✘ {gap.count} segments of the log are missing from {gap.first} on: nothing is recovered across that")
    if view.bases:
        yield f"\n{ink.bold('Base backups')}"
        yield table(ink, ("name", "ended", "size", "changes since", "timeline"), [_base(each) for each in view.bases], empty="")


def _keeper(view: WalView) -> tuple[tuple[str, str], ...]:
    """Return who keeps it, and for how long."""
    kept, by = f"{view.segments} segments, {format_bytes(view.bytes)}", view.kept_by
    if by is None:
        return (("kept here", f"{kept}; for {format_duration(view.wanted)}"),)
    return (("kept by", f"{by.program}, as {by.server}: {kept}"), ("removed", _left_to(by)))


def _left_to(by: KeptBy) -> str:
    """Return who removes what is not needed any more."""
    return f"by {by.program}, by its own rule: {by.retention}" if by.retention else f"nothing: {by.program} has no retention policy"


def _copied(made: BaseBackup) -> str:
    return (
        f"{format_bytes(made.bytes)}, not compared with what the server sent"
        if made.files is None
        else f"{made.files:,} files, {format_bytes(made.bytes)}, each as the server sent it"
    )


def _base(base: BaseBackup) -> tuple[str, ...]:
    return base.name, rfc3339(base.ended_at), format_bytes(base.bytes), base.parent or "-", str(base.timeline)


def _streaming(ink: Ink, view: WalView) -> str:
    if view.streaming is None:
        return ink.tone(Tone.WARN, "unknown: the server does not answer")
    if not view.streaming:
        return ink.tone(Tone.BAD, "✘ the last segment was refused" if view.mode is WalMode.ARCHIVED else "✘ by nobody at this moment")
    behind = "" if view.behind is None else f", {format_bytes(view.behind)} behind"
    return ink.tone(Tone.GOOD, f"✔ up to {view.received}{behind}")


def _slot(ink: Ink, view: WalView) -> str:
    if view.slot is None:
        return ""
    if view.slot == "lost":
        return ink.tone(
            Tone.BAD, f"✘ lost: it threw away what was not received; {'barman receive-wal --reset' if view.kept_by else 'ue env up'}, then ue backup base"
        )
    room = "" if view.slot_room is None else f"; {format_bytes(view.slot_room)} more before it throws any away"
    return f"what was not received yet{room}"


def _exposure(each: Exposure) -> tuple[str | Cell, ...]:
    state = Cell("✔ connected", Tone.GOOD) if each.connected else Cell("✘ away", Tone.BAD)
    behind = "unknown" if each.behind_bytes is None else format_bytes(each.behind_bytes)
    return each.keeper, state, "yes" if each.synchronous else "no", behind, "unknown" if each.behind is None else format_duration(each.behind)


def _lost(ink: Ink, view: FailoverView) -> str:
    if view.synchronous:
        return ink.tone(Tone.GOOD, "✔ nothing that was answered: each commit waits until another keeper has it")
    known = [each for each in view.exposures if each.connected and each.behind_bytes is not None]
    if not known:
        return ink.tone(Tone.BAD, "✘ everything since the last base backup: nobody keeps what the primary writes")
    best = min(known, key=lambda each: each.behind_bytes or 0)
    if not best.behind_bytes:
        return f"nothing at this moment: {best.keeper} has all of the log; but a commit is answered before it has it"
    since = f", of the last {format_duration(best.behind)}" if best.behind else ""
    return f"at this moment {format_bytes(best.behind_bytes)} of the log{since}, which {best.keeper} has not; a commit is answered before it has it"


def _else(view: FailoverView) -> str:
    return f"the last base backup is of {rfc3339(view.last_base)}" if view.last_base else "there is no base backup: ue backup base"


def _promotion(view: FailoverView) -> str:
    return "not drilled" if view.promotion is None else f"{format_duration(view.promotion)} in the last drill, on the embedded stack"
