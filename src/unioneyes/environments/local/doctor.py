"""What is wrong with this machine or with the stack's folders, and what to do about it. Changes nothing."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import unioneyes.environments.chapters  # noqa: F401 - the policy is read by those who know every runbook of the program
from unioneyes.environments.listening import OnAddress, listening, not_after, server_context
from unioneyes.environments.local.layout import ForeignFolder, Layout, require_own
from unioneyes.environments.local.ports import OWNERS, WantedPorts, asked_ports, is_free, listener_of, read_ports
from unioneyes.environments.local.remnants import find_remnants
from unioneyes.environments.local.secret_places import secret_places
from unioneyes.environments.policy import PolicyUnreadable, approval_rules, freeze_windows, policy_waivers
from unioneyes.environments.settings import EnvironmentSettings, SettingsRefused, read_settings
from unioneyes.kernel.clock import now, rfc3339
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.units import format_bytes

_DISK_NEEDED = 1 << 30
"""Bytes: three PostgreSQL servers with their WAL take about 400 MiB, a backup and its scratch copy come on top."""
_DISK_COMFORT = 5 << 30
_MEMORY_NEEDED = 700 << 20
"""Bytes: what the whole stack takes while a deployment is under way."""
_RENEW_BEFORE = timedelta(days=14)
_CLOCK_SLACK = timedelta(minutes=5)


class Health(StrEnum):
    """How bad a finding is."""

    GOOD = "good"
    WARNING = "warning"
    """The stack works, or repairs it by itself."""
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's result."""

    check: str
    health: Health
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ailing:
    """A process of the stack that is not ready."""

    name: str
    detail: str
    log: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the adapters say of the programs that the stack needs, and which of its processes run now."""

    programs: tuple[tuple[str, str | Problem], ...]
    """(name, what is good about it, or what is wrong)."""
    alive: frozenset[str]
    """Processes of the stack that run."""
    supervised: bool
    """True while the supervisor runs."""
    ailing: tuple[Ailing, ...] = ()
    elsewhere: bool = False
    """True where nothing of the environment but its server is started on this machine."""


def diagnose(layout: Layout, machine: Machine) -> tuple[Finding, ...]:
    """Return every check's finding, in the order in which a person would look."""
    return tuple(_findings(layout, machine))


def _findings(layout: Layout, machine: Machine) -> Iterator[Finding]:
    yield _folder(layout)
    yield _settings(layout)
    yield from _secrets(layout)
    yield from _certificate(layout)
    yield _policy(layout)
    yield from _ports(layout, machine.alive, ("control",) if machine.elsewhere else ("service", "preview", "control"))
    yield judge_disk(layout.home, shutil.disk_usage(_existing(layout.home)).free)
    yield judge_memory(Path("/proc/meminfo").read_text())
    yield _clock(layout)
    yield from (_bad(name, said) if isinstance(said, Problem) else Finding(check=name, health=Health.GOOD, detail=said) for name, said in machine.programs)
    for process in machine.ailing:
        yield Finding(check=process.name, health=Health.BAD, detail=process.detail, remedy=f"its log says why: {process.log}; ue env up starts it anew")
    if not machine.supervised:
        yield _remnants(layout)


def _folder(layout: Layout) -> Finding:
    try:
        for folder in (layout.home, layout.sockets):
            if folder.exists():
                require_own(folder)
        foreign = [entry.name for entry in _entries(layout.home) if entry.lstat().st_uid != os.getuid()]
    except ForeignFolder as problem:
        return _bad("folder", problem)
    if foreign:
        return Finding(
            check="folder",
            health=Health.BAD,
            detail=f"in {layout.home}, not yours: {', '.join(foreign)}",
            remedy=f"chown -R {os.getuid()} {layout.home}, or run ue as the user who started the stack",
        )
    if layout.home.exists() and not os.access(layout.home, os.W_OK | os.X_OK):
        return Finding(check="folder", health=Health.BAD, detail=f"{layout.home} can't be written to", remedy="mount it writable, or name another --home")
    return Finding(check="folder", health=Health.GOOD, detail=str(layout.home))


def _entries(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())


def _settings(layout: Layout) -> Finding:
    try:
        read_settings(layout.settings)
    except SettingsRefused as problem:
        return _bad("settings", problem)
    return Finding(check="settings", health=Health.GOOD, detail=str(layout.settings) if layout.settings.exists() else "the defaults (no environment.toml)")


def _secrets(layout: Layout) -> Iterator[Finding]:
    """Yield a finding for each secret that can't be read, and one for all the others."""
    try:
        found = secret_places(layout)
    except SettingsRefused:
        return  # its own check has said so
    unreadable = [(place, place.problem) for place in found if place.problem]
    yield from (_bad(place.secret, problem) for place, problem in unreadable)
    if not unreadable:
        yield Finding(check="secrets", health=Health.GOOD, detail=f"{len(found)}, of which {sum(place.referred for place in found)} by reference")


def _certificate(layout: Layout) -> Iterator[Finding]:
    try:
        at = listening(read_settings(layout.settings).control, port=0)
        if not isinstance(at, OnAddress) or at.certificate is None:
            return
        server_context(at.certificate)
        ends = not_after(at.certificate)
    except SettingsRefused:
        return  # its own check has said so
    except Problem as problem:
        yield _bad("certificate", problem)
    else:
        yield judge_certificate(at.certificate.chain, ends, now())


def _policy(layout: Layout) -> Finding:
    """Return whether every rule of the policy can be read, and is for a runbook that there is; those of your own are known to the server alone."""
    try:
        name = read_settings(layout.settings).name
    except SettingsRefused:
        name = EnvironmentSettings().name  # its own check has said so
    try:
        rules = approval_rules("deployment.start")
        windows = freeze_windows(name)
        waived = policy_waivers(name)
    except PolicyUnreadable as problem:
        return _bad("policy", problem)
    return Finding(check="policy", health=Health.GOOD, detail=f"{len(rules)} approvals, {len(windows)} freezes, {len(waived)} waivers here")


def judge_certificate(chain: Path, ends: datetime, moment: datetime) -> Finding:
    """Return what it means that the certificate ends then."""
    detail, remedy = f"{chain}, until {rfc3339(ends)}", "renew it; the server shows the new one by itself"
    if ends <= moment:
        return Finding(check="certificate", health=Health.BAD, detail=f"{detail}: nobody trusts it any more", remedy=remedy)
    return (
        Finding(check="certificate", health=Health.GOOD, detail=detail)
        if ends - moment > _RENEW_BEFORE
        else Finding(check="certificate", health=Health.WARNING, detail=detail, remedy=remedy)
    )


def _ports(layout: Layout, alive: frozenset[str], names: tuple[str, ...]) -> Iterator[Finding]:
    try:
        settings = read_settings(layout.settings)
    except SettingsRefused:
        settings = EnvironmentSettings()  # its own check has said so
    ports = asked_ports(read_ports(layout.ports), settings, WantedPorts())
    for name in names:
        port = asdict(ports)[name]
        if OWNERS[name] in alive:
            yield Finding(check=f"port {port}", health=Health.GOOD, detail=f"{name}, held by the stack's {OWNERS[name]}")
        elif is_free(port):
            yield Finding(check=f"port {port}", health=Health.GOOD, detail=f"{name}, free")
        else:
            by = listener_of(port)
            yield Finding(
                check=f"port {port}",
                health=Health.BAD,
                detail=f"{name}, taken{f' by {by}' if by else ' by a process that you may not see'}",
                remedy=f"ue env up --{name}-port N (0: any free one), or end what listens there",
            )


def judge_disk(home: Path, free: int) -> Finding:
    """Return what `free` bytes mean."""
    detail = f"{format_bytes(free)} free for {home}"
    if free < _DISK_NEEDED:
        return Finding(
            check="disk", health=Health.BAD, detail=f"{detail}, {format_bytes(_DISK_NEEDED)} needed", remedy="free some space, or name a --home on another disk"
        )
    if free < _DISK_COMFORT:
        return Finding(check="disk", health=Health.WARNING, detail=detail, remedy=f"backups may fill it: keep {format_bytes(_DISK_COMFORT)} free")
    return Finding(check="disk", health=Health.GOOD, detail=detail)


def judge_memory(meminfo: str) -> Finding:
    """Return what `/proc/meminfo` means."""
    available = next((int(line.split()[1]) * 1024 for line in meminfo.splitlines() if line.startswith("MemAvailable:")), None)
    if available is None:
        return Finding(
            check="memory", health=Health.WARNING, detail="the kernel does not say how much is available", remedy=f"have {format_bytes(_MEMORY_NEEDED)}"
        )
    detail = f"{format_bytes(available)} available"
    if available < _MEMORY_NEEDED:
        return Finding(
            check="memory", health=Health.WARNING, detail=f"{detail}, {format_bytes(_MEMORY_NEEDED)} needed", remedy="end other programs, or add swap"
        )
    return Finding(check="memory", health=Health.GOOD, detail=detail)


def _clock(layout: Layout) -> Finding:
    ahead = max((entry.lstat().st_mtime for entry in _entries(layout.home)), default=0.0) - time.time()
    if ahead > _CLOCK_SLACK.total_seconds():
        return Finding(
            check="clock",
            health=Health.BAD,
            detail=f"the clock is {round(ahead)} s behind the newest file in {layout.home}: tokens and schedules would be wrong",
            remedy="set the clock (timedatectl set-ntp true)",
        )
    return Finding(check="clock", health=Health.GOOD, detail=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))


def _remnants(layout: Layout) -> Finding:
    remnants = find_remnants(layout)
    if remnants.strays:
        named = ", ".join(f"{stray.name} (pid {stray.pid})" for stray in remnants.strays)
        return Finding(
            check="remnants", health=Health.BAD, detail=f"processes of an earlier stack without a supervisor: {named}", remedy="ue env down ends them"
        )
    if remnants:
        detail = f"an earlier crash left {len(remnants.sockets)} sockets and {len(remnants.lock_files)} lock files"
        return Finding(check="remnants", health=Health.WARNING, detail=detail, remedy="ue env up clears them, so does ue env down")
    return Finding(check="remnants", health=Health.GOOD, detail="nothing of an earlier stack")


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def _bad(check: str, problem: Problem) -> Finding:
    return Finding(check=check, health=Health.BAD, detail=problem.what, remedy=problem.remedy)
