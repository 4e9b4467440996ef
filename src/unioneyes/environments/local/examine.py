"""What the doctor must be told by the adapters: whether their programs run here, and what of the stack runs now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from unioneyes.adapters.envoy.program import envoy_program
from unioneyes.adapters.postgres.privileges import way
from unioneyes.adapters.postgres.programs import program, run_program
from unioneyes.adapters.processes.client import SupervisorUnavailable
from unioneyes.environments.local.doctor import Finding, Machine, diagnose
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.parts import build_supervisor
from unioneyes.kernel.problems import Problem

_LIMIT = timedelta(seconds=15)


def examine(home: Path) -> tuple[Finding, ...]:
    """Return what is wrong, or well, with this machine and with the stack in `home`. Changes nothing."""
    layout = Layout(home)
    supervisor = build_supervisor(layout)
    supervised = supervisor.running() is not None
    try:
        alive = frozenset(status.name for status in supervisor.status() if status.alive) if supervised else frozenset()
    except SupervisorUnavailable:
        alive = frozenset()  # the ports then show as taken, with who has them
    programs = (("envoy", _ask(_envoy)), ("postgres", _ask(_postgres)), ("unprivileged", _ask(_unprivileged)))
    return diagnose(layout, Machine(programs=programs, alive=alive, supervised=supervised))


def _envoy() -> str:
    return str(envoy_program())


def _postgres() -> str:
    return run_program((program("postgres"), "--version"), within=_LIMIT).stdout.strip()


def _unprivileged() -> str:
    return f"PostgreSQL runs {way().value}"


def _ask(question: Callable[[], str]) -> str | Problem:
    try:
        return question()
    except Problem as problem:
        return problem
