"""What an execution asks and writes at each step, as single statements: one trip to the database each, and a transaction of its own.

Each looks at the fences first, and writes where they let it. Locks are taken in the order in which every transaction here takes them: the run's row, then
the journal's turn. So what the fences said and what was written are one moment, as in a transaction of several statements.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Integer, Text, and_, bindparam, case, exists, null, or_, select, update

from unioneyes.runbook.steps import Stop
from unioneyes.runbook.store.journal import write_when
from unioneyes.runbook.store.tables import line_stops, runs, service_locks

LOST = "lost"
"""Another worker took the run up."""
LINE_STOPPED = "line-stopped"
"""Somebody stopped the line, and nothing else is in the way."""

_attempt, _root_id, _part_id = bindparam("by_attempt", type_=Integer), bindparam("root_id", type_=Text), bindparam("part_id", type_=Text)
_shows = bindparam("shows", type_=Boolean)
_root, _part = runs.alias("root"), runs.alias("part")
_line_stopped = exists().where(line_stops.c.service == _part.c.service, line_stops.c.lifted_at.is_(None))
_held_by_another = or_(service_locks.c.token.is_distinct_from(_part.c.token), service_locks.c.run_id.is_distinct_from(_part.c.id))
_why = case(
    (_root.c.attempt != _attempt, LOST),
    (or_(and_(_part.c.token.is_not(None), _held_by_another), _root.c.superseded_by.is_not(None)), Stop.SUPERSEDED.value),
    (and_(bindparam("cancellable", type_=Boolean), _root.c.cancelled_by.is_not(None)), Stop.CANCELLED.value),
    (and_(bindparam("heeds_line", type_=Boolean), _line_stopped), LINE_STOPPED),
    else_=null(),
)

LOOK = (
    select(_why.label("why"))
    .select_from(_root.join(_part, _part.c.id == _part_id).outerjoin(service_locks, service_locks.c.service == _part.c.service))
    .where(_root.c.id == _root_id)
)
"""One row: why the run must stop, `LOST`, `LINE_STOPPED`, or a `Stop`; nothing when it may go on."""

_found = LOOK.with_for_update(of=_root, key_share=True).cte("found")
_entered = (
    update(runs)
    .where(runs.c.id == _part_id, exists().where(_found.c.why.is_(None)))
    .values(
        step=case((_shows, bindparam("new_step", type_=Text)), else_=runs.c.step),
        status=case((_shows, bindparam("shown", type_=Text)), else_=runs.c.status),
    )
    .returning(runs.c.id)
    .cte("entered")
)
ENTER = select(_found.c.why).add_cte(write_when(_entered).cte("written"))
"""The same row; where the run may go on, it is in the step, which it shows where it `shows`, and the journal says so."""

_claimed = select(runs.c.id).where(runs.c.id == _root_id, runs.c.attempt == _attempt).with_for_update(key_share=True).cte("claimed")
NOTE = select(exists().where(_claimed.c.id.is_not(None))).add_cte(write_when(_claimed).cte("written"))
"""Whether the claim is good; where it is, the journal has the line."""
