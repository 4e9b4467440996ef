"""Keeping watch: looking at both colours, keeping the old one warm, and telling people when the way back is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

from pydantic import JsonValue

from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.problems import Problem, Unavailable
from unioneyes.kernel.units import format_duration
from unioneyes.operations.deployment.mixed import MixedLookout
from unioneyes.operations.deployment.model import Standby, WatchTarget
from unioneyes.operations.deployment.readiness import Readiness, Turn
from unioneyes.operations.deployment.readings import by_slice
from unioneyes.operations.deployment.verdict import Look
from unioneyes.operations.deployment.watch import Lookout
from unioneyes.ports.notifier import Announcement, Notifier
from unioneyes.ports.replicas import Replicas
from unioneyes.ports.service import Service
from unioneyes.ports.traffic import Counters, ForeignRoutes, Traffic
from unioneyes.runbook.steps import current_run, pause, progress, story
from unioneyes.runbook.views import EntryKind, JournalEntry

MEND_WITHIN = timedelta(seconds=20)
"""How long one attempt to bring the old version back may take; what follows the watch waits for it to end."""
MEND_EVERY = timedelta(seconds=5)
TAKEN_WITHIN = timedelta(milliseconds=500)
"""How soon the data plane takes a file of routes, where it takes it at all."""
TELL_TIMES = 6
TELL_AGAIN_AFTER = timedelta(seconds=5)
LOSSES = "rollback_losses"
"""Under which a line of progress counts how often the way back was lost."""
SINCE = "rollback_not_ready_since"
"""Under which a line of progress says since when it is lost."""


class RoutesChanged(Problem):
    """Somebody else changed the routes while the release was watched; they were left as that person put them."""


class Vigil:
    """One watch, from its first look to its last. A chat that is slow or down holds up nothing, and neither does a replica that does not come back."""

    def __init__(self, traffic: Traffic, replicas: Replicas, service: Service, notifier: Notifier, *, target: WatchTarget, since: Counters) -> None:
        """Keep watch over `target` from the reading `since` on, for the run that is under way."""
        self._traffic, self._replicas, self._notifier = traffic, replicas, notifier
        self._run_id, self._target, self._old = current_run.get().run_id, target, target.old
        self._mending = Aside()
        self._telling = Aside()
        self._mend_after = 0.0
        self._took: timedelta | None = None
        self.readiness = readiness_so_far(story(self._run_id))
        self.lookout = _lookout(traffic, replicas, service, target, since)

    def __enter__(self) -> Self:
        """Keep watch."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Keep watch no more; nobody starts replicas of the old version any more, which may be ended next."""
        self.lookout.stop()
        self._mending.join(MEND_WITHIN)

    def look(self) -> Look:
        """Return what was seen since the last look; the old version is mended, and people are told, where that is needed. Raises: RoutesChanged."""
        self._expect_routes()
        look = self.lookout.look()
        turned = self.readiness.see(look)
        if self._old is not None and turned is not None:
            self._tell(self._old, turned)
        if self._old is not None and look.old is not None and look.old.ready is not None and look.old.ready < self._old.replicas:
            self._mend(self._old)
        self._took = self.lookout.rollback_takes or self._took
        for line in (*self._mending.said(), *self._telling.said()):
            progress(line, **self.figures())
        return look

    def figures(self) -> dict[str, JsonValue]:
        """Return what was seen of both versions, and how it stands with the way back, for a line of progress."""
        takes = (self._target.back_takes or self._took) if self.readiness.lost_since is None else None
        new, old = self.lookout.of_new, self.lookout.of_old
        return {
            "share": self._target.share,
            "new_answers": new.answers,
            "new_errors": new.errors,
            "new_p99_ms": new.p99_ms,
            "old_answers": old.answers if old else None,
            "old_errors": old.errors if old else None,
            "rollback_takes_s": takes.total_seconds() if takes else None,
            SINCE: rfc3339(self.readiness.lost_since) if self.readiness.lost_since else None,
            LOSSES: self.readiness.losses,
        }

    def _expect_routes(self) -> None:
        """The routes are as the deployment left them, or the data plane does not say. Raises: RoutesChanged, with where the members go now."""
        try:
            view = self._traffic.view()
            if not view.in_force:  # filed this very moment: the data plane may be about to take it
                pause(TAKEN_WITHIN)
                view = self._traffic.view()
        except ForeignRoutes as problem:
            raise RoutesChanged(what=f"somebody changed the routes by hand during the watch: {problem.what}", remedy=problem.remedy) from None
        except Unavailable:
            return
        if view.revision == self._target.revision:
            return
        maintenance = ", in maintenance" if view.maintenance else ""
        refused = "" if view.in_force else "; the routes' file says something else, which the data plane does not run"
        raise RoutesChanged(
            what=f"somebody changed the routes by hand during the watch: {view.weights}{maintenance}{refused}",
            remedy="ue deploy status; when all members are to be on one version again: ue rollback traffic --dry-run says to which one it sends them",
        )

    def _tell(self, old: Standby, turned: Turn) -> None:
        """The journal says it at once, and the incidents channel is told, once for each loss."""
        ready = turned is Turn.REGAINED
        title = f"Rollback ready again: {old.version}" if ready else f"Rollback NOT READY: {old.version}"
        issue = f"{old.version} on {old.colour} answers again" if ready else f"{old.version} on {old.colour} can't take the members back: {self.readiness.why}"
        progress(f"{title}: {issue}", **self.figures())
        announcement = Announcement(
            channel=self._target.channel,
            title=title,
            facts=(
                ("Issue", issue),
                ("Impact", "none; a rollback is possible again" if ready else "none yet; until it answers again, the deployment can't be rolled back"),
                ("Status", "resolved" if ready else "its replicas are being started again"),
                ("Updates", f"ue run show {self._run_id}"),
            ),
            key=f"{self._run_id}/rollback-{turned}/{self.readiness.losses}",
        )
        self._telling.begin(lambda: _told(self._notifier, announcement))

    def _mend(self, old: Standby) -> None:
        """The old version's replicas are started where they are missing; where the supervisor is at it already, that changes nothing."""
        if time.monotonic() < self._mend_after or not self._mending.idle:
            return
        self._mend_after = time.monotonic() + MEND_EVERY.total_seconds()
        self._mending.begin(lambda: _mended(self._replicas, old))


def _lookout(traffic: Traffic, replicas: Replicas, service: Service, target: WatchTarget, since: Counters) -> Lookout | MixedLookout:
    """Return the eyes for what is watched."""
    if target.mixed is not None:
        return MixedLookout(traffic=traffic, replicas=replicas, service=service, colour=target.new, mixed=target.mixed, since=since)
    old = target.old.colour if target.old else None
    before = by_slice(target.failing)
    return Lookout(traffic=traffic, replicas=replicas, service=service, new=target.new, old=old, since=since, split=target.split, failed_before=before)


class Aside:
    """What is done beside the watch, each piece of work in a thread of its own."""

    def __init__(self) -> None:
        """Do nothing yet."""
        self._threads: list[Thread] = []
        self._said: SimpleQueue[str] = SimpleQueue()

    @property
    def idle(self) -> bool:
        """True when nothing is under way."""
        return not any(thread.is_alive() for thread in self._threads)

    def begin(self, work: Callable[[], str]) -> None:
        """`work` is under way; what it returns is said."""
        thread = Thread(target=lambda: self._said.put(work()), name="vigil", daemon=True)
        self._threads = [*(each for each in self._threads if each.is_alive()), thread]
        thread.start()

    def said(self) -> Iterator[str]:
        """Yield what was said since the last call."""
        with suppress(Empty):
            while True:
                yield self._said.get_nowait()

    def join(self, within: timedelta) -> None:
        """Nothing is under way any more, or the time is up."""
        until = time.monotonic() + within.total_seconds()
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))


def readiness_so_far(told_before: Sequence[JournalEntry]) -> Readiness:
    """Return how it stood with the way back when the run's last line of progress was written: a worker that takes over alarms nobody twice."""
    told = [entry.data for entry in told_before if entry.kind is EntryKind.STEP_PROGRESS and LOSSES in entry.data]
    if not told:
        return Readiness()
    losses, since = told[-1][LOSSES], told[-1].get(SINCE)
    why = "it was lost before this worker took over"
    lost = datetime.fromisoformat(since) if isinstance(since, str) else None
    return Readiness(losses=losses if isinstance(losses, int) else 0, lost_since=lost, why=why if lost else "")


def _told(notifier: Notifier, announcement: Announcement) -> str:
    trouble = ""
    for attempt in range(TELL_TIMES):
        time.sleep(TELL_AGAIN_AFTER.total_seconds() if attempt else 0)
        try:
            notifier.announce(announcement)
        except Problem as problem:
            trouble = problem.what
            if not problem.retryable:
                break
        else:
            return f"{announcement.channel} was told: {announcement.title}"
    return f"{announcement.channel} could not be told ({trouble}): {announcement.title}"


def _mended(replicas: Replicas, old: Standby) -> str:
    try:
        ready = replicas.start(old.colour, version=old.version, count=old.replicas, within=MEND_WITHIN)
    except Problem as problem:
        return f"{old.version} on {old.colour} is not back yet: {problem.what}"
    return f"{ready.count} replicas of {old.version} on {old.colour} are ready again, after {format_duration(ready.took)}"
