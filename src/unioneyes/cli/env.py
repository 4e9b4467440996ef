"""`ue env`: the embedded stack comes up, shows itself, and goes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import Cell, Ink, facts, result, say, table
from unioneyes.environments import home_of
from unioneyes.kernel.problems import BadInput, ExitCode, Refused
from unioneyes.kernel.status import Tone

if TYPE_CHECKING:
    from pydantic import JsonValue

    from unioneyes.environments.local.doctor import Finding
    from unioneyes.environments.local.status import StackStatus

_HIGHEST_PORT = 65535


def up(
    *,
    service_port: Annotated[int | None, Parameter(help="Where members reach the service (8080); 0 for any free port. Kept for the next time.")] = None,
    preview_port: Annotated[int | None, Parameter(help="Where a colour is tried before members reach it (8081); 0 for any free port.")] = None,
    control_port: Annotated[int | None, Parameter(help="Where the API and the console listen (8180); 0 for any free port.")] = None,
    where: Where = HERE,
    printed: Output = PRINTED,
) -> ExitCode:
    """Start the environment; it runs on after the terminal is closed."""
    home = home_of(where.env, where.home)
    from unioneyes.environments.local import lifecycle  # noqa: PLC0415 - imports the adapters
    from unioneyes.environments.local.ports import WantedPorts  # noqa: PLC0415 - the same
    from unioneyes.environments.local.rehearsal_cluster import prepare  # noqa: PLC0415 - the same
    from unioneyes.environments.local.status import StackState, stack_status  # noqa: PLC0415 - the same
    from unioneyes.kernel.units import format_duration  # noqa: PLC0415 - the same

    wanted = WantedPorts(service=_port(service_port), preview=_port(preview_port), control=_port(control_port))
    prepare(where.env, home)
    started = lifecycle.up(home, wanted=wanted, tell=_tell())
    say("already up; nothing was started" if started.already else f"up in {format_duration(started.took)}")
    status_now = stack_status(home)
    _print_status(status_now, printed)
    say(f"next: {_next(status_now, where)}; to stop it: ue env down{where.flags}")
    return ExitCode.DONE if status_now.state is StackState.UP else ExitCode.FAILED


def add(
    file: Annotated[Path, Parameter(help="What is to become the environment's environment.toml.")], /, *, where: Where = HERE, printed: Output = PRINTED
) -> ExitCode:
    """Make an environment of a file, or give the one of its name new settings.

    It is called as the file says, and stands beside your other environments, or in --home. A server that runs takes new settings when it is started anew.
    Where the file does not say what leads members on its cluster, the cluster is asked whether it knows the Gateway API; else the selector of the Service does.
    """
    from unioneyes.environments import add_environment  # noqa: PLC0415 - `ue env --help` pays nothing for it

    added = add_environment(file, where.home)
    result(printed, {"environment": added.name, "home": str(added.home)}, lambda _: f"{added.name}: {added.home}")
    if added.chosen:
        say(added.chosen)
    say(f"next: ue env doctor --env {added.name}")
    return ExitCode.DONE


def down(*, where: Where = HERE, printed: Output = PRINTED) -> ExitCode:
    """Stop the environment; nothing of it is left running."""
    home = home_of(where.env, where.home)
    from unioneyes.environments.local import lifecycle  # noqa: PLC0415 - imports the adapters

    stopped = lifecycle.down(home, tell=_tell())
    result(printed, {"stopped": list(stopped)}, lambda _: f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
    say(f"its data stays in {home}; to start it again: ue env up{where.flags}")
    return ExitCode.DONE


def status(*, where: Where = HERE, printed: Output = PRINTED) -> ExitCode:
    """Show addresses, processes and colours of the environment.

    Exit code 0 when it is up, 1 when it is down or something is missing, 3 when it was never started.
    """
    home = home_of(where.env, where.home)
    from unioneyes.environments.local.status import StackState, stack_status  # noqa: PLC0415 - imports the adapters

    status_now = stack_status(home)
    _print_status(status_now, printed)
    if status_now.state is StackState.UP:
        return ExitCode.DONE
    start = "ue serve" if status_now.elsewhere else "ue env up"
    say(f"to complete it: {start}{where.flags}; to see what is in the way: ue env doctor{where.flags}")
    return ExitCode.FAILED


def reset(
    *,
    confirm: Annotated[str | None, Parameter(help="The environment's name, where nobody can be asked.")] = None,
    where: Where = HERE,
    printed: Output = PRINTED,
) -> ExitCode:
    """Stop the environment and delete its data.

    Backups and incident reports are deleted too; environment.toml stays.
    """
    home = home_of(where.env, where.home)
    _require_confirmation(where, confirm, home)
    from unioneyes.environments.local import lifecycle  # noqa: PLC0415 - imports the adapters

    deleted = lifecycle.reset(home, tell=_tell())
    result(printed, {"deleted": list(deleted)}, lambda _: f"deleted in {home}: {', '.join(deleted)}" if deleted else "there was nothing to delete")
    say(f"next: ue env up{where.flags}")
    return ExitCode.DONE


def doctor(*, where: Where = HERE, printed: Output = PRINTED) -> ExitCode:
    """Find what stands in the way of a running environment, and say what to do.

    Exit code 0 when nothing does, 1 otherwise. Changes nothing.
    """
    home = home_of(where.env, where.home)
    from pydantic import TypeAdapter  # noqa: PLC0415 - `ue env doctor --help` pays nothing for it

    from unioneyes.environments.local.doctor import Finding, Health  # noqa: PLC0415 - imports the adapters
    from unioneyes.environments.local.examine import examine  # noqa: PLC0415 - the same

    findings = examine(home)
    healthy = all(finding.health is not Health.BAD for finding in findings)
    document: JsonValue = {"healthy": healthy, "findings": TypeAdapter(tuple[Finding, ...]).dump_python(findings, mode="json")}
    result(printed, document, lambda ink: _findings_table(ink, findings))
    return ExitCode.DONE if healthy else ExitCode.FAILED


def roles(*, where: Where = HERE, printed: Output = PRINTED) -> ExitCode:
    """Print the SQL that makes the operated database's roles where somebody else runs it; needs no server.

    Give it to psql, as a superuser of the operated server. Safe to repeat: it makes what is missing, and narrows what somebody widened. It sets no password.
    """
    from unioneyes.environments import role_statements  # noqa: PLC0415 - `ue env --help` pays nothing for it

    statements = role_statements(where.env, where.home)
    result(printed, {"sql": statements}, lambda _: statements)
    return ExitCode.DONE


def _print_status(shown: StackStatus, printed: Output) -> None:
    from pydantic import TypeAdapter  # noqa: PLC0415 - `ue env status --help` pays nothing for it

    from unioneyes.environments.local.status import StackStatus  # noqa: PLC0415 - the same

    result(printed, TypeAdapter(StackStatus).dump_python(shown, mode="json"), lambda ink: _status_page(ink, shown))


def _next(shown: StackStatus, where: Where) -> str:
    if any(colour.version for colour in shown.colours):
        return f"ue deploy status{where.flags}"
    return f"ue deploy start 1.0.0 --migrate{where.flags}"


def _preview(url: str) -> str:
    """Return where a colour is tried, and how it is named where the address does not name it."""
    return url if "green" in url or "{colour}" in url else f"{url}  (header x-preview: blue or green)"


def _status_page(ink: Ink, shown: StackStatus) -> str:
    tone = {"up": Tone.GOOD, "partly": Tone.WARN, "down": Tone.BAD}[shown.state]
    icon = {"up": "✔", "partly": "‖", "down": "✘"}[shown.state]
    head = facts(
        ink,
        (
            ("state", ink.tone(tone, f"{icon} {shown.state}") + (", in maintenance" if shown.maintenance else "")),
            ("service", shown.service_url),
            ("preview", _preview(shown.preview_url)),
            ("console", shown.control_url),
            ("sign in", shown.login),
            ("database", shown.database_url),
            ("replica", _replication(shown)),
            ("audit log", _audit(ink, shown)),
            ("home", str(shown.home)),
        ),
    )
    colours = table(
        ink,
        ("colour", "version", "replicas", "traffic", "restarts", "ended last with"),
        [
            (
                each.colour,
                each.version or "-",
                str(each.replicas),
                "unknown" if each.traffic is None else f"{each.traffic} %",
                Cell(str(each.restarts), Tone.WARN if each.restarts else None),
                each.ended or "",
            )
            for each in shown.colours
        ],
        empty="",
    )
    processes = table(
        ink,
        ("process", "pid", "state", "restarts"),
        [
            (each.name, str(each.pid or "-"), Cell(each.state, Tone.GOOD if each.state == "ready" else Tone.WARN), str(each.restarts))
            for each in shown.processes
        ],
        empty="no process runs",
    )
    return f"{head}\n\n{colours}\n\n{processes}"


def _replication(shown: StackStatus) -> str:
    from unioneyes.kernel.units import format_bytes  # noqa: PLC0415 - `ue env --help` pays nothing for it

    seen = shown.replication
    if seen is None:
        return ""
    if not seen.connected:
        return f"not connected (receiver: {seen.receiver})"
    return "streaming" if seen.lag_bytes is None else f"streaming, {format_bytes(seen.lag_bytes)} behind"


def _audit(ink: Ink, shown: StackStatus) -> str:
    from unioneyes.cli.audits import sealing_line  # noqa: PLC0415 - `ue env --help` pays nothing for it

    if shown.audit is None:
        return "" if shown.state == "down" else ink.tone(Tone.WARN, "‖ unknown: the server does not say")
    return sealing_line(ink, shown.audit)


def _findings_table(ink: Ink, findings: tuple[Finding, ...]) -> str:
    looks = {"good": ("✔", Tone.GOOD), "warning": ("‖", Tone.WARN), "bad": ("✘", Tone.BAD)}
    rows = [(Cell(f"{looks[each.health][0]} {each.health}", looks[each.health][1]), each.check, each.detail) for each in findings]
    remedies = [f"{each.check}: {each.remedy}" for each in findings if each.remedy]
    shown = table(ink, ("health", "check", "finding"), rows, empty="")
    return "\n".join([shown, "", ink.bold("to do"), *(f"  {line}" for line in remedies)]) if remedies else shown


def _tell() -> Callable[[str], None]:
    """Return what prints progress; whole lines, though several threads speak."""
    one_at_a_time = Lock()

    def tell(line: str) -> None:
        with one_at_a_time:
            say(line)

    return tell


def _port(port: int | None) -> int | None:
    if port is not None and not 0 <= port <= _HIGHEST_PORT:
        raise BadInput(what=f"{port} is no port", remedy=f"name one from 1 to {_HIGHEST_PORT}, or 0 for any free one")
    return port


def _require_confirmation(where: Where, given: str | None, home: Path) -> None:
    """Return when a person has typed the environment's name. Raises: NotConfirmed."""
    if given is None and sys.stdin.isatty():
        say(f"This deletes the databases, the backups and the incident reports in {home}.")
        given = input(f"Type {where.env} to go on: ").strip()
    if given != where.env:
        raise NotConfirmed(what="nothing was deleted: the environment's name was not given", remedy=f"ue env reset --confirm {where.env}{where.flags}")


class NotConfirmed(Refused):
    """What can't be undone needs the environment's name, typed."""
