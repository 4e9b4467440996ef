"""What keeps the log from leading on, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from unioneyes.ports.recovery import Gap, LogFault, WalMode


def log_faults(mode: WalMode, *, streaming: bool | None, slot: str | None, gaps: tuple[Gap, ...]) -> tuple[LogFault, ...]:
    """Return what is wrong with the log that should be kept. A server that does not answer says nothing about who receives its log."""
    return tuple(_found(mode, streaming=streaming, slot=slot, gaps=gaps)) if mode is not WalMode.NONE else ()


def gap_faults(gaps: tuple[Gap, ...]) -> tuple[LogFault, ...]:
    """Return the holes in the log."""
    return tuple(
        LogFault(
            key=f"gap-{gap.timeline}-{gap.first}",
            what=f"{gap.count} segments of the log are missing from {gap.first} on: nothing is recovered across that",
            remedy="ue backup base: from the new one on, one can recover again",
            stays=True,
        )
        for gap in gaps
    )


def _found(mode: WalMode, *, streaming: bool | None, slot: str | None, gaps: tuple[Gap, ...]) -> Iterator[LogFault]:
    if slot == "lost":
        yield LogFault(key="lost", what="the server threw away log that nobody had received", remedy="ue env up, then ue backup base", stays=False)
    elif streaming is False:
        waits = "; commits wait until somebody does" if mode is WalMode.SYNCHRONOUS else ""
        yield LogFault(key="unreceived", what=f"nobody receives the database's log{waits}", remedy="ue env status; ue env up starts who does", stays=False)
    yield from gap_faults(gaps)
