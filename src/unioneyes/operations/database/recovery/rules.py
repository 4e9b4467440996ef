"""What is meant by a target, and by the names in a request. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.units import format_bytes, format_duration
from unioneyes.operations.database.recovery.model import PitrRequest
from unioneyes.ports.recovery import BadTarget, Target, WalView
from unioneyes.runbook.plan import Reading

EXAMPLE = "2026-02-09 14:30:00 UTC"
_DATABASE = re.compile(r"[a-z_][a-z0-9_]{0,49}")
"""Shorter than PostgreSQL allows: it is built under a longer name."""


def read_target(request: PitrRequest) -> Target:
    """Return what is recovered to. Raises: BadTarget."""
    given = [name for name in ("to", "before_drop", "before_xid") if getattr(request, name) is not None]
    if len(given) != 1:
        raise BadTarget(
            what="nothing says what to recover to" if not given else "several things say what to recover to",
            remedy=f'give one of --to "{EXAMPLE}", --to end, --before-drop TABLE, --before-xid N',
        )
    if request.to == "end":
        return Target(end=True)
    return Target(time=None if request.to is None else read_moment(request.to), before_drop=request.before_drop, before_xid=request.before_xid)


def read_moment(said: str) -> datetime:
    """Return the moment, in UTC. One without a zone is none: at 3 a.m. nobody knows whose it is. Raises: BadTarget."""
    remedy = f'write it with its zone: "{EXAMPLE}", or 2026-02-09T15:30:00+01:00'
    try:
        moment = datetime.fromisoformat(re.sub(r"\s*(UTC|Z)$", "+00:00", said.strip()))
    except ValueError:
        raise BadTarget(what=f"{said!r} is no moment", remedy=remedy) from None
    if moment.tzinfo is None:
        raise BadTarget(what=f"{said!r} does not say in which zone", remedy=remedy)
    return moment.astimezone(UTC)


def require_use(request: PitrRequest, *, live: str) -> None:
    """Return where it is said what becomes of what is recovered. Raises: BadTarget."""
    if request.into is None and not request.inspect:
        raise BadTarget(
            what="nothing says what becomes of what is recovered", remedy="--into DATABASE brings it over; --inspect leaves it running to look into"
        )
    if request.into is None and request.table is not None:
        raise BadTarget(what="a table alone is brought over into a database", remedy="give --into DATABASE too")
    if request.into == live:
        raise BadTarget(what=f"{live} is the live database, which stays as it is", remedy=f"name a new one: --into {live}_restored")
    if request.into is not None and not _DATABASE.fullmatch(request.into):
        raise BadTarget(what=f"{request.into!r} is no name for a new database", remedy="use up to 50 small letters, digits and _, as in unioneyes_restored")
    if request.table is not None and "." not in request.table:
        raise BadTarget(what=f"{request.table!r} does not say in which schema", remedy=f"write it as public.{request.table}")


def readings(view: WalView) -> tuple[Reading, ...]:
    """Return what a recovery rests on."""
    return (
        *(Reading(name="window", value=f"{rfc3339(window.since)} to {rfc3339(window.until)}, from {window.bases[0]} on") for window in view.windows),
        *(Reading(name="gap", value=f"{gap.count} segments of the log are missing from {gap.first} on") for gap in view.gaps),
        Reading(name="log", value=f"{view.segments} segments, {format_bytes(view.bytes)}, kept {_kept(view)}"),
    )


def _kept(view: WalView) -> str:
    return f"by {view.kept_by.program} as {view.kept_by.server}" if view.kept_by else f"for {format_duration(view.wanted)}"
