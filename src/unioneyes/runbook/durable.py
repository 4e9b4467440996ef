"""DBOS, behind what the engine needs of it. The only module that imports it.

DBOS is one per process, and so is what stands here. What it does not do (whose worker died, which run holds the service, what is under way now) the
engine does itself: see `liveness`, `store` and `docs/decisions/0002-durable-execution-on-dbos.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from threading import Lock

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, error
from pydantic import JsonValue
from sqlalchemy.engine import URL

from unioneyes.kernel.problems import Problem
from unioneyes.runbook.store.database import IDLE_SECONDS
from unioneyes.runbook.store.pool import ElasticPool

_WORKFLOW = "unioneyes.run"
_QUEUE = "runs"
_URGENT_QUEUE = "rollbacks"
"""Its runs never wait for a free place: parked runs may take all the others for days."""
_AT_ONCE = 8
"""Runs that a worker carries out at the same time, rollbacks not counted."""
_POLL_SECONDS = 0.1
_CONNECTIONS = 16
"""Of DBOS's own pool, in a rush: one for each run, and for what DBOS itself looks after."""
_SEQUENCE = "2"
"""Version of the sequence of durable steps that the engine itself takes. A run is carried on only under the sequence that it was begun with: raise it
when `execution` changes that sequence. (DBOS's default, a hash of the source, would strand every run at every edit.)"""
_MOST_TAKEOVERS = 50
"""A run that ended this many workers is left alone: it is the run that kills them."""

_UNFINISHED = {"PENDING", "ENQUEUED", "DELAYED"}


class DurabilityLost(BaseException):
    """What was done can't be kept, so this execution must not go on. No `except Exception` may swallow it."""


def migrate_durable(url: URL) -> None:
    """DBOS's own tables are those of its release. Safe to repeat, and by several at once: an advisory lock lets them in one by one. Raises: MigrationFailed."""
    try:
        DBOS.migrate(url.render_as_string(hide_password=False))
    except Exception as trouble:  # noqa: BLE001 - of many kinds, and its text may hold the address
        raise MigrationFailed(
            what=f"DBOS's tables could not be made ({type(trouble).__name__})", remedy="ue env doctor; let the role own its database"
        ) from None


class MigrationFailed(Problem):
    """The engine's database has not the tables that it needs."""


class Durable:
    """Keeps what each step came to, and hands runs to workers."""

    def __init__(self, url: URL, *, worker: str, carry_out: Callable[[str], None]) -> None:
        """Carry out runs by `carry_out`, once launched, as the worker called `worker`."""
        self._worker = worker
        self._carry_out = carry_out
        self._active: Counter[str] = Counter()
        """Executions of each run: a run that comes back to its worker is under way twice for a moment."""
        self._guard = Lock()
        self._config = DBOSConfig(
            name="unioneyes",
            system_database_url=url.render_as_string(hide_password=False),
            executor_id=worker,
            application_version=_SEQUENCE,
            serializer=DBOSPortableJSONSerializer(),
            sys_db_pool_size=_CONNECTIONS,
            db_engine_kwargs={"poolclass": ElasticPool, "pool_use_lifo": True},
            sys_db_idle_transaction_timeout_sec=IDLE_SECONDS,
            log_level="ERROR",
        )

    def launch(self) -> None:
        """The worker takes runs. DBOS's own tables are migrated first."""
        global _here  # noqa: PLW0603 - DBOS is one per process, and calls the workflow by name
        _here = self
        self._dbos = DBOS(config=self._config)
        DBOS.launch()
        DBOS.register_queue(_QUEUE, worker_concurrency=_AT_ONCE, polling_interval_sec=_POLL_SECONDS)
        DBOS.register_queue(_URGENT_QUEUE, polling_interval_sec=_POLL_SECONDS)

    def close(self) -> None:
        """The worker takes no more runs; those under way stay pending, for another one."""
        global _here  # noqa: PLW0603 - see launch
        DBOS.destroy()
        _here = None

    def enqueue(self, run_id: str, *, urgent: bool) -> None:
        """The run is waiting for a worker. Enqueued already: nothing changes."""
        DBOS.enqueue_workflow_with_options(
            {"workflow_name": _WORKFLOW, "queue_name": _URGENT_QUEUE if urgent else _QUEUE, "workflow_id": run_id, "app_version": _SEQUENCE}, run_id
        )

    def step(self, name: str, function: Callable[[], JsonValue]) -> JsonValue:
        """Return what `function` returned, now or before this run was taken over. Raises: DurabilityLost; nothing was kept, and it is done again."""
        try:
            return DBOS.run_step({"name": name}, _unkept_failures(function))
        except Exception as trouble:
            raise DurabilityLost(f"{name} could not be kept") from trouble

    def workers(self) -> frozenset[str]:
        """Return the workers that are in charge of runs, the dead included."""
        under_way = DBOS.list_workflows(status="PENDING", name=_WORKFLOW, load_input=False, load_output=False)
        return frozenset(workflow.executor_id for workflow in under_way if workflow.executor_id)

    def take_over(self, worker: str) -> None:
        """The runs of a dead `worker` are waiting for a living one. Safe when several do it at once."""
        DBOS._recover_pending_workflows([worker])  # noqa: SLF001 - the only compare-and-swap; why DBOS's minor version is pinned

    def stuck(self) -> frozenset[str]:
        """Return the runs that this worker is in charge of and does not carry out."""
        mine = DBOS.list_workflows(status="PENDING", name=_WORKFLOW, executor_id=self._worker, load_input=False, load_output=False)
        with self._guard:
            return frozenset(workflow.workflow_id for workflow in mine) - self._active.keys()

    def revive(self, run_id: str) -> None:
        """A stuck run is waiting for a worker, in the queue that it came from: the one named here is only for a run that came from none."""
        self._dbos._sys_db.reenqueue_for_recovery(run_id, [self._worker], _QUEUE)  # noqa: SLF001 - counts the attempts; the public call forgets them

    def dropped(self, run_ids: Iterable[str]) -> frozenset[str]:
        """Return those of `run_ids` that DBOS will not carry on."""
        wanted = list(run_ids)
        if not wanted:
            return frozenset()
        known = DBOS.list_workflows(workflow_ids=wanted, load_input=False, load_output=False)
        return frozenset(workflow.workflow_id for workflow in known if workflow.status not in _UNFINISHED)

    @property
    def active(self) -> int:
        """How many runs are under way in this process."""
        with self._guard:
            return self._active.total()

    def forget(self, run_ids: Iterable[str]) -> None:
        """Nothing is left of these runs."""
        DBOS.delete_workflows(list(run_ids))

    def carry_out(self, run_id: str) -> None:
        """Carry a run out, counted as active meanwhile."""
        with self._guard:
            self._active[run_id] += 1
        try:
            self._carry_out(run_id)
        except DurabilityLost as lost:
            if isinstance(lost.__cause__, error.DBOSException):
                raise lost.__cause__ from None  # DBOS knows its own, and what to do then
            raise  # the run stays pending, and is begun again
        finally:
            with self._guard:
                self._active -= Counter((run_id,))  # what is none any more is no key either


_here: Durable | None = None


def _unkept_failures(function: Callable[[], JsonValue]) -> Callable[[], JsonValue]:
    """Return `function`, whose exceptions DBOS does not keep as its outcome."""

    def attempt() -> JsonValue:
        try:
            return function()
        except Exception as trouble:
            raise DurabilityLost(str(trouble)) from trouble

    return attempt


@DBOS.workflow(name=_WORKFLOW, max_recovery_attempts=_MOST_TAKEOVERS)
def _run(run_id: str) -> None:
    if _here is None:
        raise DurabilityLost("the engine is closed")
    _here.carry_out(run_id)
