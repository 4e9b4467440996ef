"""What the doctor must be told by the adapters: whether their programs run here, and what of the stack runs now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from unioneyes.adapters.envoy.program import envoy_program
from unioneyes.adapters.postgres.privileges import Way, way
from unioneyes.adapters.postgres.programs import program, run_program
from unioneyes.adapters.processes.client import SupervisorUnavailable
from unioneyes.adapters.processes.spec import ProcessStatus, describe_exit
from unioneyes.environments.local.control import control_state
from unioneyes.environments.local.doctor import Ailing, Finding, Machine, diagnose
from unioneyes.environments.local.elsewhere import databases_elsewhere
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.parts import build_supervisor
from unioneyes.environments.local.stack import open_stack
from unioneyes.environments.settings import EnvironmentSettings, SettingsRefused, read_settings
from unioneyes.kernel.problems import Problem

_LIMIT = timedelta(seconds=15)


def examine(home: Path) -> tuple[Finding, ...]:
    """Return what is wrong, or well, with this machine, with the stack in `home`, and with the cluster that the service runs on. Changes nothing."""
    layout, settings = Layout(home), _settings(Layout(home))
    found = _examine_elsewhere(layout) if settings and settings.elsewhere else _examine_here(layout)
    if settings is None or settings.cluster is None:
        return found
    from unioneyes.environments.local.examine_cluster import examine_cluster  # noqa: PLC0415 - what talks to clusters is an extra

    return (*found, *examine_cluster(settings.cluster, settings.service))


def _examine_here(layout: Layout) -> tuple[Finding, ...]:
    """Return the findings of a stack that runs on this machine."""
    supervisor = build_supervisor(layout)
    supervised = supervisor.running() is not None
    try:
        processes = supervisor.status() if supervised else ()
    except SupervisorUnavailable:
        processes = ()  # the ports then show as taken, with who has them
    programs = (("envoy", _ask(_envoy)), ("postgres", _ask(_postgres)), ("unprivileged", _ask(_unprivileged)))
    machine = Machine(
        programs=programs,
        alive=frozenset(status.name for status in processes if status.alive),
        supervised=supervised,
        ailing=tuple(_ailing(status) for status in processes if not status.ready),
    )
    return diagnose(layout, machine)


def _examine_elsewhere(layout: Layout) -> tuple[Finding, ...]:
    """Return the findings of an environment whose databases are others'."""
    programs: tuple[tuple[str, str | Problem], ...] = (("postgres", _ask(_postgres)), ("unprivileged", _ask(_unprivileged)))
    try:
        stack = open_stack(layout.home)
        serving = control_state(stack, away_for=timedelta(0)).alive
    except Problem as problem:
        return diagnose(layout, Machine(programs=(*programs, ("environment", problem)), alive=frozenset(), supervised=True, elsewhere=True))
    alive = frozenset({"control"} if serving else ())
    return diagnose(layout, Machine(programs=(*programs, *databases_elsewhere(stack)), alive=alive, supervised=True, elsewhere=True))


def _settings(layout: Layout) -> EnvironmentSettings | None:
    try:
        return read_settings(layout.settings)
    except SettingsRefused:
        return None  # a check of its own says so


def _ailing(status: ProcessStatus) -> Ailing:
    last = f", last with {describe_exit(status.last_exit)}" if status.last_exit is not None else ""
    ended = f", ended by itself {status.exits} times{last}" if status.exits else ""
    return Ailing(name=status.name, detail=f"{status.state}{ended}", log=status.log)


def _envoy() -> str:
    return str(envoy_program())


def _postgres() -> str:
    return run_program((program("postgres"), "--version"), within=_LIMIT).stdout.strip()


def _unprivileged() -> str:
    match way():
        case Way.AS_IT_IS:
            return "PostgreSQL runs as you"
        case Way.NAMESPACE:
            return "PostgreSQL gives up root in a user namespace"
        case Way.BECOME_NOBODY:
            return "PostgreSQL gives up root and becomes nobody"


def _ask(question: Callable[[], str]) -> str | Problem:
    try:
        return question()
    except Problem as problem:
        return problem
