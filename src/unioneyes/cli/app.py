"""`ue app`: the service's pods, looked at, restarted, made more or fewer, and gone into."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter
from pydantic import JsonValue

from unioneyes.cli.client import Api
from unioneyes.cli.confirm import asked_reason
from unioneyes.cli.launch import LAUNCH, Launch, launch
from unioneyes.cli.loglines import Chosen, follow_lines, past_lines
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import result, say
from unioneyes.cli.podtexts import app_status_text, images_table, pod_text, pods_table
from unioneyes.cli.request import asks_for
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import BadInput, ExitCode, Problem, Refused
from unioneyes.kernel.units import parse_duration
from unioneyes.operations.app.model import RestartRequest, ScaleRequest
from unioneyes.operations.app.status import AppStatus
from unioneyes.ports.environment import Facts
from unioneyes.ports.pods import Pod, PodDetails, ShellWay
from unioneyes.ports.traffic import Colour

LINES = 100
"""Source: the document's `--tail=100`."""
_SIGNALLED = 128
_NOT_THERE = frozenset({1, 126, 127})
"""Exit codes of a shell that could not be opened, among other things."""
PodArgument = Annotated[str | None, Parameter(help="The pod; a ready one of the colour that serves when not given.")]


def pods(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """List the pods of both colours: state, restarts, age, image, CPU and memory, and how each ended last."""
    found = Api(where).get("app/pods", tuple[Pod, ...])
    result(output, found.document, lambda ink: pods_table(ink, found.value, now()))
    return ExitCode.DONE


def status(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show how the service's pods stand, and what is wrong with which.

    Ends with 0 when all is as it should be, with 1 otherwise.
    """
    found = Api(where).get("app/status", AppStatus)
    result(output, found.document, lambda ink: app_status_text(ink, found.value))
    return ExitCode.FAILED if found.value.troubles else ExitCode.DONE


def image(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show which image each pod was started from, by its digest.

    Ends with 1 when the pods of a colour were started from different ones.
    """
    found = Api(where).get("app/pods", tuple[Pod, ...])
    result(output, found.document, lambda ink: images_table(ink, found.value))
    colours = {pod.colour for pod in found.value}
    return ExitCode.FAILED if len({(pod.colour, pod.image) for pod in found.value}) > len(colours) else ExitCode.DONE


def describe(pod: PodArgument = None, /, *, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show everything of one pod that is no secret: command, settings, readiness, how it ended last, and what happened to it."""
    api = Api(where)
    found = api.get(f"app/pods/{pod or _serving(api)}", PodDetails)
    result(output, found.document, lambda ink: pod_text(ink, found.value, now()))
    return ExitCode.DONE


def logs(
    pod: Annotated[str | None, Parameter(help="The pod; all of them when not given.")] = None,
    /,
    *,
    follow: Annotated[bool, Parameter(name=("--follow", "-f"), negative=(), show_default=False, help="Go on with what comes; Ctrl-C ends it.")] = False,
    previous: Annotated[bool, Parameter(negative=(), show_default=False, help="What each logged before it was started again.")] = False,
    grep: Annotated[str | None, Parameter(help="Only lines in which this regular expression is found, such as ERROR.")] = None,
    colour: Annotated[Colour | None, Parameter(help="Of the pods of this colour alone.")] = None,
    since: Annotated[str | None, Parameter(help="Only what is not older: 10m, 1h.", metavar="DURATION")] = None,
    tail: Annotated[int, Parameter(help="At most so many lines of the past.")] = LINES,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """Print what the pods logged last, all of them in the order of time.

    Ends with 1 when nothing was found, as grep does.
    """
    moment = None if since is None else now() - _positive(parse_duration(since))
    if follow and previous:
        raise BadInput(what="what was logged before is over, so there is nothing to follow", remedy="leave out --follow, or --previous")
    chosen = Chosen(pod=pod, colour=colour, since=moment, previous=previous, grep=grep, tail=tail)
    api = Api(where)
    return follow_lines(api, chosen, output) if follow else past_lines(api, chosen, output)


@asks_for(RestartRequest)
def restart(request: RestartRequest, *, how: Launch = LAUNCH, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Start each pod of the service anew, one by one, without a lost request.

    The same release with the same configuration; one pod more than usual serves meanwhile. A stopped line does not hold it.
    """
    return launch("app.restart", request, how, where, output)


@asks_for(ScaleRequest, positional="count")
def scale(request: ScaleRequest, *, how: Launch = LAUNCH, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Run more or fewer pods of what serves, without a lost request.

    Where an autoscaler decides, it is held at the number, until `--auto` lets it decide again. A stopped line does not hold it.
    """
    return launch("app.scale", request, how, where, output)


def shell(
    pod: PodArgument = None,
    /,
    *,
    reason: Annotated[str | None, Parameter(help="Why; it stands in the audit log. Asked for when not given.")] = None,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """Open a shell in a pod; that you did, and why, stands in the audit log.

    What is piped in is run. Ends as the shell does.
    """
    del output  # the shell's own
    api = Api(where)
    terminal = sys.stdin.isatty()
    body: dict[str, JsonValue] = {"pod": pod, "terminal": terminal, "reason": reason or _asked_reason(api, terminal=terminal)}
    way = api.post("app/shell", body, ShellWay).value
    if way.node is not None and way.node != platform.node():
        raise OtherMachine(what=f"{way.pod} runs on {way.node}, and a shell beside it can only be opened there", remedy=f"ssh {way.node}, and type it there")
    program = shutil.which(way.argv[0])
    if program is None:
        raise NoProgram(what=f"{way.argv[0]} is not installed here", remedy=f"install it; what would be typed: {' '.join(way.argv)}")
    if way.secrets_left_out:
        say(f"left out, because they hold secrets: {', '.join(way.secrets_left_out)}")
    say(f"{way.pod}: this shell stands in the audit log; leave it by `exit`")
    environment = None if way.environment is None else {**way.environment, **({"TERM": os.environ["TERM"]} if "TERM" in os.environ else {})}
    ended = subprocess.run((program, *way.argv[1:]), cwd=way.folder, env=environment, check=False).returncode
    if ended in _NOT_THERE and way.otherwise:
        say(f"where its image has no shell: {way.otherwise}")
    return _as_shells_do(ended)


def _serving(api: Api) -> str:
    """Return a ready pod of the colour that serves. Raises: NoPod."""
    pods, live = api.get("app/pods", tuple[Pod, ...]).value, api.get("app/status", AppStatus).value.serving
    chosen = sorted(pods, key=lambda pod: (pod.colour is not live, not pod.ready))
    if not chosen:
        raise NoPod(what="there is no pod", remedy="ue deploy start VERSION deploys one")
    return chosen[0].name


def _asked_reason(api: Api, *, terminal: bool) -> str:
    if not terminal:
        raise NoReason(what="nobody goes into a pod without saying why", remedy='add --reason "..."')
    return asked_reason(api.get("environment", Facts).value, "why do you go in")


def _as_shells_do(ended: int) -> ExitCode:
    """Return the shell's own exit code, which is none of ours: 128 and the signal's number where one ended it."""
    sys.exit(ended if ended >= 0 else _SIGNALLED - ended)


def _positive(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        raise BadInput(what="--since takes a length of time", remedy="write it as 10m or 1h")
    return duration


class NoPod(Refused):
    """There is nothing to look at."""


class NoReason(BadInput):
    """Why somebody goes in is kept."""


class OtherMachine(Refused):
    """The pod runs elsewhere."""


class NoProgram(Problem):
    """What opens the shell is not installed."""
