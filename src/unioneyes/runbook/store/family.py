"""A run and all its parts, which belong together whoever asks."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, select

from unioneyes.runbook.store.tables import runs


def family(run_ids: Sequence[str]) -> Select[tuple[str]]:
    """Return what selects the ids of these runs, of their parts, and of the parts' parts."""
    found = select(runs.c.id).where(runs.c.id.in_(run_ids)).cte("family", recursive=True)
    found = found.union_all(select(runs.c.id).join(found, runs.c.parent == found.c.id))
    return select(found.c.id)
