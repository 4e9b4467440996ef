"""`ue rehearse`: the runbooks for real, on an embedded stack of their own, under load from a client outside."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import TypeAdapter

from unioneyes.cli.options import PRINTED, Output
from unioneyes.cli.output import Cell, Ink, result, say, table
from unioneyes.cli.stage import Ended, Stage
from unioneyes.environments import LOCAL, home_of
from unioneyes.kernel.problems import ExitCode
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_duration
from unioneyes.operations.rehearsal.model import ClientSeen, FaultSeen, Score, Scorecard
from unioneyes.operations.rehearsal.rules import fault_lines, fault_seen, none_lost, release_lines, scorecard, told

RATE = 50.0
"""Requests a second: a fair load for one machine that also runs everything else."""
BAKE = timedelta(seconds=10)
FAULT_BAKE = timedelta(seconds=60)
"""Long enough for every shipped fault to show; a verdict ends the watch sooner."""
FIRST, GOOD, FAULTY = "1.0.0", "1.1.0", "1.2.0-errors"
AFTERGLOW = timedelta(seconds=2)
"""How long the client goes on after a release has ended: a late bad answer must still be seen."""

_TONES = {Score.KEPT: Tone.GOOD, Score.BROKEN: Tone.BAD, Score.NO_PROMISE: Tone.QUIET}
_ICONS = {Score.KEPT: "✔", Score.BROKEN: "✘", Score.NO_PROMISE: "·"}

Home = Annotated[Path | None, Parameter(help="Folder of the rehearsal's own stack; emptied first. One of the user's state folder when not given.")]


def demo(
    *,
    env: Annotated[Literal["local", "cluster-test"], Parameter(help="Where the service runs: on this machine, or on a Kubernetes that it starts.")] = "local",
    keep: Annotated[bool, Parameter(help="Leave the stack running when the demo has ended.")] = True,
    home: Home = None,
    output: Output = PRINTED,
) -> ExitCode:
    """Show the main job: deploy under load, then roll a faulty release back.

    Exit code 0 when every promise on the scorecard was kept, 1 otherwise.
    """
    with _stage("demo", home, keep=keep, env=env) as stage:
        stage.chapter(f"2/5  {FIRST}, the first release, with the migration that makes its schema")
        stage.must_deploy(FIRST, bake=timedelta(seconds=2))
        stage.chapter(f"3/5  Members come: {RATE:.0f} requests a second, a fifth of them POSTs, half on new connections, none tried again")
        with stage.members(RATE) as members:
            time.sleep(AFTERGLOW.total_seconds())
            say(f"     {members.seen().sent} requests so far")
            stage.chapter(f"4/5  {GOOD} goes out under load: backup proven, migration rehearsed and applied, smoke-tested, switched, watched")
            good = stage.must_deploy(GOOD, bake=BAKE)
            stage.chapter(f"5/5  {FAULTY} goes out: as soon as members use it, it fails every fifth request")
            bad = stage.deploy(FAULTY, bake=FAULT_BAKE)
            time.sleep(AFTERGLOW.total_seconds())
            seen = members.finish()
        card = _card(seen, good, bad)
        say("")
        result(output, TypeAdapter(Scorecard).dump_python(card, mode="json"), lambda ink: _card_page(ink, card))
    return ExitCode.DONE if card.kept else ExitCode.FAILED


def faults(
    *,
    release: Annotated[tuple[str, ...], Parameter(help="Roll out these releases only.")] = (),
    keep: Annotated[bool, Parameter(help="Leave the stack running when the rehearsal has ended.")] = False,
    home: Home = None,
    output: Output = PRINTED,
) -> ExitCode:
    """Roll out every faulty release and measure the time from fault to good.

    Exit code 0 when each was kept from the members or taken back, and the harmless one was not; 1 otherwise.
    """
    seen: list[FaultSeen] = []
    with stage_with_good_release("faults", home, keep=keep) as stage:
        for faulty in stage.faulty_releases(only=release):
            stage.chapter(f"{faulty.version}: {faulty.note}")
            seen.append(roll_out_fault(stage, faulty.version, harmless=faulty.harmless))
        say("")
        result(output, TypeAdapter(list[FaultSeen]).dump_python(seen, mode="json"), lambda ink: _faults_page(ink, seen))
    return ExitCode.DONE if all(one.score is Score.KEPT for one in seen) else ExitCode.FAILED


@contextmanager
def stage_with_good_release(name: str, home: Path | None, *, keep: bool) -> Iterator[Stage]:
    """A stack of its own on which a good release serves, and the one before it is known to work; gone afterwards unless it is kept."""
    with _stage(name, home, keep=keep) as stage:
        stage.chapter(f"{FIRST}, then {GOOD}")
        for version in (FIRST, GOOD):
            stage.must_deploy(version, bake=timedelta(seconds=1))
        yield stage


def roll_out_fault(stage: Stage, version: str, *, harmless: bool = False) -> FaultSeen:
    """A faulty release has been rolled out under the members' load; return what it did to them, and where it was stopped."""
    with stage.members(RATE) as members:
        ended = stage.deploy(version, bake=FAULT_BAKE)
        time.sleep(AFTERGLOW.total_seconds())
        return fault_seen(version, members.finish(), step=ended.step, ends_as=ended.status, harmless=harmless)


@contextmanager
def _stage(name: str, home: Path | None, *, keep: bool, env: str = LOCAL) -> Iterator[Stage]:
    folder = home_of(env, home or home_of(env).with_name(name if env == LOCAL else f"{name}-{env}"))
    stage = Stage(folder, env=env)
    try:
        what = "The embedded stack" if env == LOCAL else "A Kubernetes for the service, and the embedded stack for the rest"
        stage.chapter(f"1/5  {what}" if name == "demo" else what)
        stage.up()
        yield stage
    except KeyboardInterrupt:
        say("\nstopped by hand; a run that was under way ends with the stack")
        keep = False
        raise
    finally:
        stage.farewell(keep=keep)


def _card(seen: ClientSeen, good: Ended, bad: Ended) -> Scorecard:
    receipt, gone = good.receipt, bad.receipt
    back = gone.rolled_back if gone else None
    return scorecard(
        (
            none_lost("requests lost that no faulty version answered", seen.lost_outside(FAULTY), seen.sent),
            told("slowest answer of all; 99 % came within", f"{format_duration(seen.slowest)}; {format_duration(seen.p99)}"),
            told("backup proven by restoring it", good.fact("verify_backup")),
            told(f"{GOOD}: migration applied", good.fact("apply_migrations")),
        ),
        release_lines(seen, old=FIRST, switch_took=receipt.switch_took if receipt else None, switched_at=good.switched_at),
        fault_lines(
            seen,
            faulty=FAULTY,
            detected_at=gone.watched.detected_at if gone and gone.watched else None,
            healthy_in=back.healthy_in if back else None,
        ),
        (
            told("stakeholders told", "in Slack" if back and back.announced else "no"),
            told("incident report", back.incident if back else "none"),
        ),
    )


def _card_page(ink: Ink, card: Scorecard) -> str:
    rows = [(Cell(f"{_ICONS[line.score]} {line.score}", _TONES[line.score]), line.what, line.measured, line.promise) for line in card.lines]
    verdict = "every promise was kept" if card.kept else "a promise was broken"
    return f"{ink.bold('Scorecard')}\n\n{table(ink, ('', 'what', 'measured', 'promise'), rows, empty='')}\n\n{verdict}"


def _faults_page(ink: Ink, seen: list[FaultSeen]) -> str:
    rows = [
        (
            Cell(f"{_ICONS[one.score]} {one.score}", _TONES[one.score]),
            one.version,
            one.caught_by,
            f"{one.bad} of {one.answers}" if one.answers else "none",
            format_duration(one.exposed) if one.exposed is not None else "-",
            format_duration(one.fault_to_good) if one.fault_to_good is not None else "-",
            str(one.lost_elsewhere),
            one.ends_as,
        )
        for one in seen
    ]
    columns = ("", "release", "caught by", "bad answers", "first to last answer", "first to last bad", "lost elsewhere", "ends as")
    return table(ink, columns, rows, empty="no faulty release")
