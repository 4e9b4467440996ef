"""Starting, ending and forgetting the embedded stack. Every command is safe to repeat, and completes what an earlier one left half-done."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from unioneyes.adapters.postgres.bootstrap import OWNER, REPLICATION, SERVICE, bootstrap_operated
from unioneyes.adapters.postgres.recovery.receiving import drop_slot, require_slot, reread_settings
from unioneyes.adapters.postgres.recovery.scratch import RecoveryServers
from unioneyes.adapters.postgres.replication import replication_status
from unioneyes.adapters.postgres.scratch import ScratchServers
from unioneyes.adapters.postgres.server import PostgresServer
from unioneyes.adapters.processes.client import Supervisor
from unioneyes.adapters.processes.spec import ProcessSpec
from unioneyes.environments.local.audit import keep_audit_key, keep_remote_witness
from unioneyes.environments.local.control_database import bootstrap_control
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.parts import build_envoy, build_local_replicas, build_supervisor, require_operable, require_own_pods
from unioneyes.environments.local.ports import Ports, WantedPorts, asked_ports, is_free, keep_ports, read_ports, settle_ports
from unioneyes.environments.local.remnants import end_remnants
from unioneyes.environments.local.stack import (
    ARCHIVE,
    REPLICATION_SLOT,
    Stack,
    archive_process,
    control_process,
    envoy_process,
    postgres_process,
    service_url_file,
    stack_of,
    vendors_file,
    vendors_process,
)
from unioneyes.environments.secrets import digest_of, referred_variables, resolve_all
from unioneyes.environments.settings import read_settings
from unioneyes.environments.sign_in import require_usable
from unioneyes.kernel.files import replace_file
from unioneyes.kernel.problems import Refused, Unavailable
from unioneyes.kernel.units import format_duration
from unioneyes.ports.recovery import WalMode
from unioneyes.ports.replicas import NoReadyReplica
from unioneyes.runbook.direct.folder import DirectFolder

Tell = Callable[[str], None]
"""Takes a line for the person who waits; called from several threads."""

_DATABASE_LIMIT = timedelta(minutes=2)
"""A PostgreSQL that was killed may have to replay its log first."""
_READY_LIMIT = timedelta(seconds=45)
_DOWN_LIMIT = timedelta(seconds=45)
_TURN_LIMIT = timedelta(minutes=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The stack is up."""

    stack: Stack
    already: bool
    """True when every process ran before, and none was started now."""
    took: timedelta


def up(home: Path, *, wanted: WantedPorts, tell: Tell) -> Started:
    """The stack is up, with the replicas that served last. What runs already is left as it is.

    Raises: RunsElsewhere, ForeignFolder, SettingsRefused, SecretUnresolved, KeyExposed, CertificateUnusable, NoWayBack, PortTaken, PortsFixed, AuditKeyLost,
    PasswordInUse, RemoteWitnessMoved, ForeignCheckpoints, WitnessUnavailable, MissingRights, WrongCluster, NamespaceMissing, ForeignPods
    (nothing was started); ProcessNotReady (the rest stays, `up` again completes it).
    """
    began = time.monotonic()
    layout = Layout(home)
    _require_here(layout, remedy="nothing of it is started here but its server: ue serve; ue env doctor says whether it can be")
    with _turn(layout, tell, claim=layout.claim_home):
        settings = read_settings(layout.settings)
        referred = resolve_all(settings)
        require_usable(settings)
        require_operable(settings)
        supervisor = build_supervisor(layout)
        before = _pids(supervisor)
        if supervisor.running() is None:
            _clear(layout, tell)
        stack = _settle(layout, wanted, alive=frozenset(before))
        require_own_pods(stack)
        keep_audit_key(layout, stack.audit_key)
        keep_remote_witness(layout, stack.settings)
        layout.claim_sockets()
        _hand_over(service_url_file(stack), stack.database_url(SERVICE), serving=before.keys() - stack.parts)
        for secret in ("slack_token", "slack_signing_secret"):
            if f"secrets.{secret}" in referred:
                replace_file(vendors_file(stack, secret), getattr(stack.secrets, secret).get_secret_value())
        supervisor.launch()
        _stop_crashed(supervisor)
        digest = digest_of(referred, key=stack.secrets.superuser)
        control = control_process(stack, variables=referred_variables(settings, referred), digest=digest)
        _Starting(stack=stack, supervisor=supervisor, control=control, digest=digest, ran=frozenset(before), tell=tell).everything()
        return Started(stack=stack, already=before != {} and before == _pids(supervisor), took=timedelta(seconds=time.monotonic() - began))


def down(home: Path, *, tell: Tell) -> tuple[str, ...]:
    """Nothing of the stack runs; its data stays. Return the names of the processes that ran.

    Raises: RunsElsewhere, ForeignFolder, StillRunning.
    """
    layout = Layout(home)
    if read_ports(layout.ports) is None:  # else there is an embedded stack, from before the settings named other databases
        _require_here(layout, remedy="end its server where it was started: Ctrl-C, systemctl stop, kubectl scale")
    if not layout.marker.exists():
        return ()
    with _turn(layout, tell, claim=layout.require_stack):
        return _down(layout, tell)


def reset(home: Path, *, tell: Tell) -> tuple[str, ...]:
    """Nothing of the stack is left but the person's own `environment.toml`. Return what was deleted.

    Raises: RunsElsewhere, ForeignFolder when the folder is not one of a stack, JournalsLeft; nothing was changed then.
    """
    layout = Layout(home)
    if read_ports(layout.ports) is None:
        _require_here(layout, remedy=f"end its server, and remove {home} where nobody needs its backups and the audit log's checkpoints")
    if not home.exists():
        return ()
    with _turn(layout, tell, claim=layout.require_stack):
        _require_brought_in(layout)
        _down(layout, tell)
        entries = sorted(entry for entry in home.iterdir() if entry not in {layout.settings, layout.marker, layout.lock})
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        layout.marker.unlink()  # last: a reset that was cut off can be repeated
        layout.lock.unlink()
        if not layout.settings.exists():
            home.rmdir()
        return tuple(entry.name for entry in entries)


def _require_here(layout: Layout, *, remedy: str) -> None:
    """Return when the environment is this machine's to start and end. Raises: RunsElsewhere, SettingsRefused."""
    if (managed := read_settings(layout.settings).database) is not None:
        raise RunsElsewhere(what=f"its databases are not this machine's to start or end: [database] in {layout.settings} names {managed.place}", remedy=remedy)


def _require_brought_in(layout: Layout) -> None:
    """Return when every journal of break-glass stands in the audit log. Raises: JournalsLeft: it may be all that tells what was done."""
    left = DirectFolder(layout.break_glass).open_journals()
    if left:
        raise JournalsLeft(
            what=f"{', '.join(journal.name for journal in left)} in {layout.break_glass}: what was done there stands in no audit log yet; nothing was deleted",
            remedy="ue env up brings it in; or move it to where you keep it, and reset again",
        )


def _down(layout: Layout, tell: Tell) -> tuple[str, ...]:
    supervisor = build_supervisor(layout)
    names = tuple(sorted(_pids(supervisor)))
    if supervisor.running() is not None:
        tell(f"ending {len(names)} processes")
        supervisor.shutdown(_DOWN_LIMIT)
    _clear(layout, tell)
    shutil.rmtree(layout.sockets, ignore_errors=True)
    return names


def _clear(layout: Layout, tell: Tell) -> None:
    """Nothing of an earlier stack runs or stands in the way. Call it only while no supervisor runs."""
    ports = read_ports(layout.ports) or Ports()
    stack = stack_of(layout, ports, read_settings(layout.settings))
    for server in stack.servers:
        server.stop()
    if layout.sockets.is_dir():
        ScratchServers(layout.scratch, owner=OWNER, service=SERVICE).sweep()
    RecoveryServers(layout.recovered, layout.recovered_sockets).sweep()
    for stray in end_remnants(layout):
        tell(f"ended {stray.name} (pid {stray.pid}), left by an earlier crash")


def _settle(layout: Layout, wanted: WantedPorts, *, alive: frozenset[str]) -> Stack:
    """Return the stack with ports that it can have, and keep them."""
    settings = read_settings(layout.settings)
    kept = read_ports(layout.ports)
    ports = settle_ports(asked_ports(kept, settings, wanted), running=kept, alive=alive, seed=layout.home, is_free=is_free)
    if ports != kept:
        keep_ports(layout.ports, ports)
    return stack_of(layout, ports, settings)


def _hand_over(file: Path, url: SecretStr, *, serving: Collection[str]) -> None:
    """Replicas that are started find their database's address in the file. Raises: PasswordInUse, where some run that know another one."""
    if serving and file.exists() and file.read_text() != url.get_secret_value():
        raise PasswordInUse(
            what=f"secrets.claims_app is another one than {', '.join(sorted(serving))} were started with: their next connections would be refused",
            remedy="ue env down, then ue env up; or put the former one back",
        )
    replace_file(file, url.get_secret_value())


def _pids(supervisor: Supervisor) -> dict[str, int]:
    """Return the living processes; none when no supervisor runs."""
    if supervisor.running() is None:
        return {}
    return {status.name: status.pid for status in supervisor.status() if status.pid is not None}


def _stop_crashed(supervisor: Supervisor) -> None:
    """No process is waiting for its next attempt: each is started at once, with a clean record, when it is wanted."""
    supervisor.stop(*(status.name for status in supervisor.status() if status.pid is None))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Starting:
    """Brings every part up, side by side where nothing stands against it."""

    stack: Stack
    supervisor: Supervisor
    control: ProcessSpec
    """How the server of `ue` is run."""
    digest: str
    """Of the secrets that are read by reference."""
    ran: frozenset[str]
    """Processes that ran before."""
    tell: Tell

    def everything(self) -> None:
        """Every process is ready, and the colours run what they should."""
        with ThreadPoolExecutor(max_workers=4, thread_name_prefix="up") as pool:
            control_database = pool.submit(self._control_database)
            primary = pool.submit(self._primary)
            edge = pool.submit(self._edge)
            primary.result()
            edge.result()
            replica = pool.submit(self._replica)
            replicas = pool.submit(self._replicas)
            control_database.result()
            self._start(self.control, _READY_LIMIT)
            replicas.result()
            replica.result()

    def _control_database(self) -> None:
        server = self.stack.control_server
        self._initialise(server, "the control plane's database", lambda: server.initialise(self.stack.secrets.superuser))
        self._start(postgres_process(self.stack, server), _DATABASE_LIMIT)
        bootstrap_control(self.stack)

    def _primary(self) -> None:
        server = self.stack.primary
        self._initialise(server, "the service's database", lambda: server.initialise(self.stack.secrets.superuser))
        self._start(postgres_process(self.stack, server), _DATABASE_LIMIT)
        bootstrap_operated(server, superuser=self.stack.secrets.superuser, passwords=self.stack.passwords)
        self._archive()

    def _archive(self) -> None:
        """The log is received as the settings say, and the primary knows it."""
        primary, mode = self.stack.primary, self.stack.settings.backup.wal
        reread_settings(self.stack.administrative_url("postgres"))
        if mode is WalMode.NONE:
            self.supervisor.stop(ARCHIVE)
            drop_slot(self.stack.monitoring_url(primary))
            return
        self.stack.layout.wal.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_slot(self.stack.monitoring_url(primary))
        self._start(archive_process(self.stack), _READY_LIMIT)

    def _replica(self) -> None:
        server, password = self.stack.replica, self.stack.secrets.ue_replication
        if server.initialised and REPLICATION_SLOT in self._slots_lost():
            self.tell("the database's replica stayed away too long to catch up; it is made anew")
            self.supervisor.stop(f"postgres-{server.name}")
            shutil.rmtree(server.data)
        self._initialise(
            server,
            "the database's replica",
            lambda: server.clone_from(self.stack.primary, role=REPLICATION, password=password, slot=REPLICATION_SLOT),
        )
        self._start(postgres_process(self.stack, server), _DATABASE_LIMIT)

    def _slots_lost(self) -> tuple[str, ...]:
        stack = self.stack
        return replication_status(stack.monitoring_url(stack.primary), stack.monitoring_url(stack.replica)).slots_lost

    def _edge(self) -> None:
        if self.stack.settings.cluster is None:
            envoy = build_envoy(self.stack)
            envoy.prepare()
            self._start(envoy_process(self.stack, envoy.argv), _READY_LIMIT)
        self._start(vendors_process(self.stack, digest=self.digest), _READY_LIMIT)

    def _replicas(self) -> None:
        """The colours run what they ran last. One that can't is told, and fails nothing: a faulty release must not keep the stack down."""
        if settings := self.stack.settings.cluster:  # which keeps its pods running by itself
            from unioneyes.environments.local.cluster import tell_pods  # noqa: PLC0415 - what talks to clusters is an extra

            tell_pods(self.stack, settings)
            return
        replicas = build_local_replicas(self.stack, build_envoy(self.stack))
        if replicas.all():
            return
        try:
            for restored in replicas.restore():
                self.tell(f"{restored.colour}: {restored.count} replicas of {restored.version} are ready ({format_duration(restored.took)})")
        except NoReadyReplica as problem:
            self.tell(f"{problem.what}; {problem.remedy}")

    def _initialise(self, server: PostgresServer, what: str, initialise: Callable[[], None]) -> None:
        """The data folder is made, or its configuration is up to date."""
        began, first = time.monotonic(), not server.initialised
        if first:
            self.tell(f"making {what}, this once")
        initialise()
        if first:
            self.tell(f"{what} is made {_ago(began)}")

    def _start(self, spec: ProcessSpec, within: timedelta) -> None:
        began = time.monotonic()
        self.supervisor.start(spec, within)
        if spec.name not in self.ran:
            self.tell(f"{spec.name} is ready {_ago(began)}")


def _ago(began: float) -> str:
    return f"({format_duration(timedelta(seconds=time.monotonic() - began))})"


@contextmanager
def _turn(layout: Layout, tell: Tell, *, claim: Callable[[], None]) -> Iterator[None]:
    """Nobody else starts, ends or resets this stack meanwhile. The kernel frees the turn of a process that dies. Raises: Busy."""
    give_up = time.monotonic() + _TURN_LIMIT.total_seconds()
    told = False
    while True:
        claim()
        with layout.lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise Busy(what=f"another `ue env` command has been at work on {layout.home} for too long", remedy="wait for it, or end it") from None
                if not told:
                    tell("another `ue env` command is at work on this stack; waiting for it")
                told = True
            else:
                if _is_the_file(lock.fileno(), layout.lock):  # else a reset has removed it meanwhile
                    yield
                    return
        time.sleep(0.1)


def _is_the_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


class PasswordInUse(Refused):
    """The password that the serving replicas have would be changed behind their back."""


class RunsElsewhere(Refused):
    """What the environment consists of is run by others."""


class JournalsLeft(Refused):
    """What people did without the server was not brought into the audit log yet."""


class Busy(Unavailable):
    """Another command starts, ends or resets the same stack."""
