"""The audit log, as people read it: entries, how sealing is doing, and what was verified."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import JsonValue

from unioneyes.cli.output import Cell, Ink, facts, table
from unioneyes.cli.runs import ago
from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_duration
from unioneyes.runbook.audit.entry import CHAT, SHARED, Action, AuditEntry, Origin
from unioneyes.runbook.audit.verification import Verification
from unioneyes.runbook.audit.views import LONGEST_LAG, AuditItem, AuditStatus

if TYPE_CHECKING:
    from unioneyes.environments.model import RemoteCheckpoints


def entries_table(ink: Ink, items: Sequence[AuditItem]) -> str:
    """Return many entries, one line each."""
    rows = (
        (
            Cell("unsealed", Tone.QUIET) if item.index is None else str(item.index),
            rfc3339(item.entry.at),
            item.entry.actor,
            item.entry.action,
            item.entry.run or "",
            about(item.entry),
        )
        for item in items
    )
    return table(ink, ("entry", "at", "by", "did", "run", "what and why"), rows, empty="nothing was done yet")


_OF_ONE = {
    *(Action.TOKEN_REVOKED, Action.SIGNED_OUT, Action.ACCOUNT_UNLINKED, Action.SMOKE_TESTED, Action.SHELL_OPENED),
    *(Action.QUERY_ANALYZED, Action.DATABASE_ENTERED, Action.DATABASE_LEFT),
}


def about(entry: AuditEntry) -> str:
    """Return what else is to be known of an entry, in one line."""
    data = entry.data
    match entry.action:
        case Action.RUN_REQUESTED:
            said = str(data.get("summary") or "")
        case Action.RUN_DECIDED:
            said = f"{data.get('decision')} {data.get('step')}"
        case Action.RUN_ENDED:
            said = str(data.get("status"))
        case Action.RUN_TAKEN_OVER:
            said = f"from {data.get('from')}"
        case Action.RUN_SUPERSEDED | Action.SIGN_IN_REFUSED:
            said = f"by {data.get('superseded_by') or data.get('by')}"
        case Action.TOKEN_CREATED | Action.ACCOUNT_LINKED:
            said = f"{data.get('account') or data.get('name')} as {_listed(data.get('roles'))} until {data.get('expires_at')}"
        case Action.BREAK_GLASS:
            said = " ".join(str(data[name]) for name in ("kind", "step", "message") if data.get(name))
        case Action.SIGNED_IN:
            said = f"as {_listed(data.get('roles'))} by {data.get('by')}"
        case _:
            said = _named(data) if entry.action in _OF_ONE else ""
    told = ": ".join(part for part in (said, entry.reason) if part)
    approved = f"approved by {entry.approval}" if entry.approval else ""
    imported = "imported" if entry.origin == Origin.LOCAL_JOURNAL else ""
    said_so = "by the environment's own token" if entry.data.get(SHARED) else ""
    spoke = f"from {entry.data[CHAT]}" if entry.data.get(CHAT) else ""
    return "; ".join(part for part in (told, approved, imported, said_so, spoke) if part)


def _named(data: Mapping[str, JsonValue]) -> str:
    """Return what was done to, of entries that have one name for it, and how long it took of those that say so."""
    name = next((str(data[name]) for name in ("accounts", "name", "url", "pod", "query_id", "session") if data.get(name)), "")
    writes = " to write" if data.get("write") is True else ""
    lasted = f" after {data['seconds']} s" if "seconds" in data else ""
    return f"{name}{writes}{lasted}"


def _listed(roles: JsonValue) -> str:
    return ", ".join(map(str, roles)) if isinstance(roles, list) else "nobody"


def sealing_line(ink: Ink, status: AuditStatus) -> str:
    """Return how sealing is doing, in one line."""
    behind = format_duration(timedelta(seconds=status.lag_seconds))
    line = f"{status.sealed:,} sealed, {status.covered:,} covered by a checkpoint, {status.unsealed:,} waiting"
    if status.trouble:
        return ink.tone(Tone.BAD, f"✘ the log is in trouble: {status.trouble}")
    return ink.tone(Tone.WARN, f"‖ {line}, the oldest for {behind}") if status.late else line


def lag_warning(status: AuditStatus) -> str | None:
    """Return what a person must know when entries wait too long for their checkpoint; None when they don't."""
    if not status.late:
        return None
    lag, most = format_duration(timedelta(seconds=status.lag_seconds)), format_duration(LONGEST_LAG)
    return f"warning: the oldest entry without a checkpoint has waited {lag}; more than {most} is an alarm: no change to it would be seen yet"


def verification_text(ink: Ink, found: Verification, status: AuditStatus | None, remote: RemoteCheckpoints | None = None) -> str:
    """Return what was verified, on one screen; with `status`, also what could not be yet."""
    verdict = ink.tone(Tone.GOOD, "✔ the log is what was sealed") if found.fault is None else ink.tone(Tone.BAD, f"✘ {found.fault.what}")
    after = found.entries - (found.last.size if found.last else 0)
    entries = f"{found.entries:,} verified" + (f", {after:,} of them after the last checkpoint" if after else "")
    if found.fault is not None:
        entries = f"the first {found.entries:,} are what was sealed, as far as checkpoints show"
    waiting = f"{status.unsealed:,} appended and not sealed yet" if status and status.unsealed else ""
    return "\n".join(
        (
            verdict,
            "",
            facts(
                ink,
                (
                    ("entries", ", ".join(part for part in (entries, waiting) if part)),
                    ("tree", f"{found.entries:,} leaves, root {base64.b64encode(found.root).decode()}" if found.fault is None else ""),
                    ("checkpoints", f"{found.checkpoints:,} of {found.promised:,} verified"),
                    ("also kept", f"{remote.place}: {len(remote.checkpoints):,} of them" if remote else ""),
                    ("last", _last(found)),
                    ("key", found.key),
                    ("sealing lag", format_duration(timedelta(seconds=status.lag_seconds)) if status else ""),
                ),
            ),
        )
    )


def _last(found: Verification) -> str:
    if found.last is None:
        return "none"
    signed = f", signed {rfc3339(found.last.at)} ({ago(found.last.at)})" if found.last.at else ""
    return f"covers {found.last.size:,} entries{signed}"
