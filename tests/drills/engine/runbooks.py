"""Runbooks for drills: they change nothing but a table beside the engine's, and behave as a request says."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import psycopg
from pydantic import SecretStr

from unioneyes.adapters.git import ReleaseChecklist
from unioneyes.adapters.postgres.connections import connection
from unioneyes.adapters.postgres.programs import run_program
from unioneyes.environments.policy import read_approvals
from unioneyes.kernel import cancelling
from unioneyes.kernel.fencing import Fence, FencedOff
from unioneyes.kernel.problems import Problem, Refused, Unavailable
from unioneyes.kernel.status import RunStatus
from unioneyes.ports.checklist import ApprovalRule
from unioneyes.ports.environment import Environment, Facts
from unioneyes.ports.notifier import Announced, Announcement, NotifierUnavailable
from unioneyes.runbook.definition import Definition, run_child, runbook
from unioneyes.runbook.freshness import Undrilled
from unioneyes.runbook.plan import Effect, Plan, PlannedStep, Reading
from unioneyes.runbook.steps import ask, current_run, pause, progress, settle, step, story
from unioneyes.runbook.views import Decision, EntryKind

SIDE_TABLES = """
CREATE TABLE effects (id bigint GENERATED ALWAYS AS IDENTITY, what text NOT NULL, worker text NOT NULL);
CREATE TABLE marks (mark text PRIMARY KEY);
"""


class Broken(Problem):
    """It does not work, and will not."""


class Flickering(Unavailable):
    """It does not work at the moment."""


class Closed(Refused):
    """A gate is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The world of the drills."""

    url: str

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            yield connection

    def tell(self, what: str) -> None:
        with self.connect() as connection:
            connection.execute("INSERT INTO effects (what, worker) VALUES (%s, %s)", (what, str(os.getpid())))

    def mark(self, mark: str) -> bool:
        """Set a mark; return True when it was not there."""
        with self.connect() as connection:
            return connection.execute("INSERT INTO marks VALUES (%s) ON CONFLICT DO NOTHING", (mark,)).rowcount == 1

    def marked(self, mark: str) -> bool:
        with self.connect() as connection:
            return connection.execute("SELECT FROM marks WHERE mark = %s", (mark,)).fetchone() is not None

    def unmark(self, mark: str) -> bool:
        """Remove a mark; return True when it was there."""
        with self.connect() as connection:
            return connection.execute("DELETE FROM marks WHERE mark = %s", (mark,)).rowcount == 1


STATEMENT = "a statement of a drill"
"""What a session says that a step runs a statement in."""


def program_file(folder: Path, key: str) -> Path:
    """Return where the number of a program stands that a step runs."""
    return folder / f".program-{key}"


def side() -> Side:
    return Side(url=os.environ["DRILL_SIDE_URL"])


def require(known: Definition) -> None:
    """Return when the drill lets the runbook begin. Raises: Undrilled."""
    if known.name in os.environ.get("DRILL_REFUSES", "").split():
        raise Undrilled(what=f"{known.name} changed since its last passing drill", remedy="drill it")


class Chat:
    """Shows what it is told in the world of the drills, once for each key; takes nothing while the mark `chat is away` is set."""

    def announce(self, announcement: Announcement) -> Announced:
        world = side()
        if world.marked("chat is away"):
            raise NotifierUnavailable(what="the chat is away", remedy="wait")
        first = world.mark(f"told {announcement.key}")
        if first:
            world.tell(f"told {announcement.title}")
        return Announced(channel=announcement.channel, reference=announcement.key, repeated=not first)

    def describe_announce(self, announcement: Announcement) -> tuple[str, ...]:
        return (f"tell {announcement.title}",)


def approval_rules(runbook: str) -> tuple[ApprovalRule, ...]:
    file = os.environ.get("DRILL_APPROVALS")
    return read_approvals(Path(file), runbook) if file else ()


def environment() -> Environment:
    """An environment of which the drills use the facts, the policy and the chat: the engine passes the rest through."""
    bare = object.__new__(Environment)
    facts = Facts(
        name="drill",
        production=False,
        service="drilled",
        replicas=1,
        ready_within=timedelta(0),
        database="drilled",
        incidents_channel="#drill",
        bake=timedelta(0),
    )
    object.__setattr__(bare, "facts", facts)
    object.__setattr__(bare, "checklist", ReleaseChecklist(folder=Path("/"), staging_url=None, waivers={"waived-gate": "a drill"}, rules=approval_rules))
    object.__setattr__(bare, "notifier", Chat())
    return bare


class Behaviour(StrEnum):
    """What a step does."""

    WORKS = "works"
    BREAKS = "breaks"
    """Until the mark `mended KEY` is set."""
    FLICKERS = "flickers"
    """Fails in a way that passes, twice."""
    STUMBLES = "stumbles"
    """Dawdles, then fails in a way that passes, once."""
    CRASHES = "crashes"
    """Raises what nobody foresaw, with a secret in its text."""
    LINGERS = "lingers"
    """Writes long after its time is over, to what refuses a run that something newer took over from."""
    GARBLES = "garbles"
    """Raises what no database keeps."""
    REFUSES = "refuses"
    WAITS = "waits"
    """Until the mark `go KEY` is set, looking whether the run must stop."""
    RUNS_A_PROGRAM = "runs a program"
    """For a minute, as a built-in step does; its number stands in a file."""
    RUNS_A_STATEMENT = "runs a statement"
    """For a minute, as a built-in step does, in a transaction that has written already."""
    WAITS_FOR_SOMETHING = "waits for something"
    """For a minute, as an adapter does."""
    WORKS_ON = "works on"
    """For a second and a half, looking whether the run must stop, as the blocks of documents do."""
    DAWDLES = "dawdles"
    """For a second and a half, deaf to everything."""
    HANGS = "hangs"
    """Stops its whole process just before it writes, the first time; what it writes to refuses a run that something newer took over from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step of a drill."""

    key: str
    behaviour: Behaviour = Behaviour.WORKS
    step: str = "change"
    undo_breaks: bool = False
    no_return: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A change was made."""

    key: str
    took: timedelta


def _behave(world: Side, key: str, behaviour: Behaviour) -> None:
    match behaviour:
        case Behaviour.BREAKS if not world.marked(f"mended {key}"):
            raise Broken(what=f"{key} is broken", remedy="mend it")
        case Behaviour.FLICKERS if world.mark(f"{key} failed once") or world.mark(f"{key} failed twice"):
            raise Flickering(what=f"{key} flickers", remedy="try again")
        case Behaviour.STUMBLES if world.mark(f"{key} failed once"):
            time.sleep(1.5)
            raise Flickering(what=f"{key} stumbles", remedy="try again")
        case Behaviour.CRASHES:
            raise ValueError("no foresight, password=topsecret")
        case Behaviour.GARBLES:
            raise ValueError("a file called \x00\udc80")
        case Behaviour.REFUSES:
            raise Closed(what=f"{key} is closed", remedy="open it")
        case _:
            _last(world, key, behaviour)


def _last(world: Side, key: str, behaviour: Behaviour) -> None:
    match behaviour:
        case Behaviour.WAITS:
            while not world.marked(f"go {key}"):
                progress(f"{key} waits", looks=1)
                pause(timedelta(milliseconds=50))
        case Behaviour.WORKS_ON:
            until = time.monotonic() + 1.5
            while time.monotonic() < until:
                pause(timedelta(0))
                time.sleep(0.05)
        case Behaviour.DAWDLES:
            time.sleep(1.5)
        case Behaviour.HANGS | Behaviour.LINGERS:
            if behaviour is Behaviour.LINGERS:
                time.sleep(2.5)
            elif world.mark(f"{key} hung"):
                world.tell(f"hangs {key}")
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread: another one would let it run on for a moment
            try:
                Fence(Path(os.environ["DRILL_RUNBOOKS"]) / ".fence").check()
            except FencedOff:
                world.tell(f"refused {key}")
                raise
        case _:
            _run_on(world, key, behaviour)


def _run_on(world: Side, key: str, behaviour: Behaviour) -> None:
    match behaviour:
        case Behaviour.RUNS_A_PROGRAM:
            run_program(("sh", "-c", f"sleep 60 & echo $! > {program_file(Path(os.environ['DRILL_RUNBOOKS']), key)}; wait"), within=timedelta(minutes=2))
        case Behaviour.RUNS_A_STATEMENT:
            with connection(SecretStr(world.url), name=STATEMENT, statement_limit=timedelta(minutes=2)) as session, session.transaction():
                session.execute("INSERT INTO effects (what, worker) VALUES (%s, 'nobody')", (f"half of {key}",))
                session.execute("SELECT pg_sleep(60)")
        case Behaviour.WAITS_FOR_SOMETHING:
            cancelling.sleep(60)
        case _:
            pass


@step(effect=Effect.CHANGE, retries=1)
def take_back(world: Side, *, key: str, behaviour: Behaviour, undo_breaks: bool) -> None:
    """The change is gone."""
    if undo_breaks and not world.marked(f"mended undo {key}"):
        raise Broken(what=f"{key} can't be undone", remedy="by hand")
    if behaviour is Behaviour.LINGERS:
        Fence(Path(os.environ["DRILL_RUNBOOKS"]) / ".fence").check()
    world.unmark(f"done {key}")
    world.tell(f"undid {key}")


@step(effect=Effect.CHANGE, undo=take_back, retries=3)
def change(world: Side, *, key: str, behaviour: Behaviour, undo_breaks: bool) -> Done:
    """The change is there."""
    del undo_breaks
    world.tell(f"began {key}")
    _behave(world, key, behaviour)
    if world.mark(f"done {key}"):
        world.tell(f"did {key}")
    return Done(key=key, took=timedelta(seconds=1.5))


@step(effect=Effect.CHANGE)
def change_for_good(world: Side, *, key: str, behaviour: Behaviour, undo_breaks: bool) -> None:
    """The change is there, and there is no way back."""
    del undo_breaks
    _behave(world, key, behaviour)
    world.tell(f"did {key} for good")


@step(effect=Effect.DESTROY, undo=take_back)
def swap(world: Side, *, key: str, behaviour: Behaviour, undo_breaks: bool) -> None:
    """Something else is in its place, and what was there is kept beside it."""
    del undo_breaks
    _behave(world, key, behaviour)
    world.tell(f"swapped {key}")


@step(effect=Effect.DESTROY)
def erase(world: Side, *, key: str, behaviour: Behaviour, undo_breaks: bool) -> None:
    """It is gone for good."""
    del undo_breaks
    _behave(world, key, behaviour)
    world.tell(f"erased {key}")


@step(effect=Effect.READ)
def look(world: Side, *, key: str, behaviour: Behaviour, undo_breaks: bool) -> str:
    """Somebody looked."""
    del undo_breaks
    _behave(world, key, behaviour)
    return "seen"


@step(effect=Effect.CHANGE, undo=take_back, time_limit=timedelta(milliseconds=300))
def change_soon(world: Side, *, key: str, behaviour: Behaviour, undo_breaks: bool) -> None:
    """The change is there, in a moment."""
    del undo_breaks
    _behave(world, key, behaviour)
    world.tell(f"did {key} late")


@step(effect=Effect.READ)
def answer_wrongly(world: Side, *, key: str, behaviour: Behaviour, undo_breaks: bool) -> int:
    """The answer is no number, whatever it says."""
    del world, behaviour, undo_breaks
    return key  # type: ignore[return-value]  # the drill is about that


@step(effect=Effect.CHANGE, time_limit=timedelta(days=1), asks=True)
def hold(world: Side, *, key: str, behaviour: Behaviour, undo_breaks: bool) -> str:
    """A person has said how it goes on, or something else has ended the hold."""
    del undo_breaks
    _behave(world, key, behaviour)
    while (decision := ask(f"{key} is well", (Decision.GO, Decision.RETRY, Decision.UNDO))) is None:
        progress(f"{key} is held", looks=1)
        pause(timedelta(milliseconds=50))
        if world.marked(f"go {key}"):
            return "by itself"
    world.tell(f"{decision} {key}")
    if decision is Decision.UNDO:
        raise Broken(what=f"{key} is taken back", remedy="none")
    return decision


@step(effect=Effect.CHANGE, if_skipped="left out")
def write_report(world: Side, *, key: str, behaviour: Behaviour, undo_breaks: bool) -> str:
    """A report stands, which nothing that follows needs."""
    del undo_breaks
    _behave(world, key, behaviour)
    return "written"


STEPS = {each.name: each for each in (hold, change, change_for_good, swap, erase, look, change_soon, answer_wrongly, write_report)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a drill's run does."""

    moves: tuple[Move, ...]
    unplanned: str | None = None
    """Key of a move that the plan leaves out."""
    catches: str | None = None
    """Key of a move whose problem the run catches."""
    settles_at: str | None = None
    """Key of a move before which `change` is settled."""
    child: tuple[Move, ...] | None = None
    """Moves of a child run, at the end."""
    child_unplanned: str | None = None
    """Key of one of them that the child's plan leaves out."""
    child_takes_over: bool = False
    child_is_own: bool = False
    """Its runbook is one that only a file of the workers has."""
    ends_as: RunStatus = RunStatus.DONE
    accounts: Behaviour | None = None
    """How it accounts for itself when it does not reach its end; None: it has nothing to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptPlan(Plan):
    """A script, planned."""

    script: Script


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptDone:
    """A script's result."""

    did: tuple[str, ...]
    ends_as: RunStatus
    took_over_from: str | None
    story: int
    """Lines of its own journal that it saw."""


def planned(move: Move) -> PlannedStep:
    undo = () if move.step == "erase" else (f"undo {move.key}",)
    return STEPS[move.step].planned(commands=(f"do {move.key} --password=topsecret",), undo=undo, no_return=move.no_return)


def plan_script(script: Script) -> ScriptPlan:
    if any(move.behaviour is Behaviour.REFUSES and move.step == "plan" for move in script.moves):
        raise Closed(what="the plan is refused", remedy="ask for something else")
    if "DRILL_SIDE_URL" in os.environ and side().marked("the world is away"):  # seen by workers only: whoever asks for a run plans it too
        raise Flickering(what="the world is away", remedy="wait")
    steps = [planned(move) for move in script.moves if move.key != script.unplanned]
    if script.child is not None and script.unplanned != "child":
        steps.append(PlannedStep(step=child_name(script), does="Another runbook has run.", effect=Effect.CHANGE))
    return ScriptPlan(
        summary=f"drill {' '.join(move.key for move in script.moves)}", steps=tuple(steps), readings=(Reading(name="weather", value="fair"),), script=script
    )


def child_name(script: Script) -> str:
    if script.child_is_own:
        return "own.script"
    return "drill.rescue" if script.child_takes_over else "drill.part"


def run_script(plan: ScriptPlan) -> ScriptDone:
    world, script = side(), plan.script
    did: list[str] = []
    for move in script.moves:
        if script.settles_at == move.key:
            settle(change)
        try:
            said = STEPS[move.step](world, key=move.key, behaviour=move.behaviour, undo_breaks=move.undo_breaks)
            did.append(f"{move.key} {said}" if move.step == write_report.name else move.key)
        except Broken:
            if script.catches != move.key:
                raise
    if script.child is not None:
        did += run_child(child_name(script), Script(moves=script.child, unplanned=script.child_unplanned), ScriptDone).did
    run = current_run.get()
    return ScriptDone(did=tuple(did), ends_as=script.ends_as, took_over_from=run.took_over_from, story=min(1, len(story(run.run_id))))


@runbook(name="drill.script", chapter="0. Drills")
class RunScript:
    def plan(self, env: Environment, request: Script) -> ScriptPlan:
        del env
        return plan_script(request)

    def run(self, env: Environment, plan: ScriptPlan) -> ScriptDone:
        del env
        return run_script(plan)

    def account(self, env: Environment, plan: ScriptPlan, *, ends_as: RunStatus) -> ScriptDone | None:
        del env
        run = current_run.get()
        if plan.script.accounts is None:
            return None
        _behave(side(), "account", plan.script.accounts)
        undone = tuple(str(entry.step) for entry in story(run.run_id) if entry.kind is EntryKind.UNDO_DONE)
        return ScriptDone(did=undone, ends_as=ends_as, took_over_from=None, story=1)


@runbook(name="drill.part", chapter="0. Drills")
class RunPart(RunScript):
    pass


@runbook(name="drill.rescue", chapter="0. Drills", takes_over=True)
class Rescue(RunScript):
    pass


@runbook(name="drill.aside", chapter="0. Drills", locks=False)
class RunAside(RunScript):
    pass
