"""The numbers behind a deployment's verdicts, from its journal: as they were when each was reached, or as they stand now. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unioneyes.kernel.problems import Refused
from unioneyes.operations.deployment.model import ALL, RuleSeen, Watched
from unioneyes.runbook.codec import decode
from unioneyes.runbook.views import EntryKind, JournalEntry

_WATCHING = {"watch_release", "hold"}


class NothingToExplain(Refused):
    """No watch has seen anything yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchExplained:
    """One watch."""

    share: int
    """Percent of the requests that the new version got meanwhile."""
    verdict: str | None
    """`keep`, `roll-back` or `not-enough-data`; None while there is none, or when it ended without one."""
    reason: str
    """Why; of a watch under way, what it said last."""
    rules: tuple[RuleSeen, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Every watch of a deployment, in order."""

    run_id: str
    watches: tuple[WatchExplained, ...]


def explanation(journal: Sequence[JournalEntry], run_id: str) -> Explanation:
    """Return the numbers behind what was decided, or will be. Raises: NothingToExplain."""
    watches: list[WatchExplained] = []
    under_way: JournalEntry | None = None
    for entry in journal:
        if entry.run_id != run_id or entry.step not in _WATCHING:
            continue
        if entry.kind is EntryKind.STEP_PROGRESS and entry.data.get("evidence"):
            under_way = entry
        elif entry.kind is EntryKind.STEP_DONE and entry.step == "watch_release":
            watched = decode(entry.data.get("result"), Watched)
            watches.append(WatchExplained(share=watched.share, verdict=watched.verdict.outcome, reason=watched.verdict.reason, rules=watched.evidence))
            under_way = None
        elif entry.kind is EntryKind.STEP_DONE:
            under_way = None
    if under_way is not None:
        share = under_way.data.get("share")
        rules = decode(under_way.data["evidence"], tuple[RuleSeen, ...])
        watches.append(WatchExplained(share=share if isinstance(share, int) else ALL, verdict=None, reason=under_way.message, rules=rules))
    if not watches:
        raise NothingToExplain(what=f"{run_id} has not watched anything yet", remedy=f"ue run show {run_id} says how far it came")
    return Explanation(run_id=run_id, watches=tuple(watches))
