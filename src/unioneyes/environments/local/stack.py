"""Of which processes the embedded stack consists, and at which addresses they are reached. Pure: values in, values out."""

from __future__ import annotations

import hashlib
import shlex
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from pydantic import SecretStr

from unioneyes.adapters.postgres.bootstrap import BACKUP, DATABASE, OPERATOR, OWNER, REPLICATION, RESERVED, SERVICE
from unioneyes.adapters.postgres.programs import program
from unioneyes.adapters.postgres.query_log import logging_a_share
from unioneyes.adapters.postgres.recovery.receiving import PRIMARY_SETTINGS, receiver_argv
from unioneyes.adapters.postgres.server import STOP_SIGNAL, SUPERUSER, PostgresServer
from unioneyes.adapters.processes.layout import ReplicaSlot
from unioneyes.adapters.processes.spec import Exec, ProcessSpec, Readiness, TcpHttp, UnixHttp
from unioneyes.environments.listening import CHAT_HOOK, AtSocket, Listening, OnAddress, listening
from unioneyes.environments.local.address import NeverStarted, NotYours
from unioneyes.environments.local.layout import Layout, require_own
from unioneyes.environments.local.ports import HOST, Ports, known_ports, read_ports
from unioneyes.environments.local.remnants import MARK
from unioneyes.environments.local.secrets import Secrets, keep_secrets, secret_file
from unioneyes.environments.previews import PreviewAddresses, addresses_by_colour, shown
from unioneyes.environments.secrets import SecretByReference
from unioneyes.environments.settings import EnvironmentSettings, read_settings
from unioneyes.kernel.problems import Refused
from unioneyes.ports.activity import NoOperator
from unioneyes.ports.plans import NoReader
from unioneyes.ports.recovery import WalMode
from unioneyes.ports.traffic import Colour

CONTROL_DATABASE = "control"
CONTROL_ROLE = "ue_control"
REPLICATION_SLOT = "replica"
ARCHIVE = "archive"
"""The process that receives the operated database's log, where `[backup] wal` says so."""
_CONTROL_SETTINGS: Mapping[str, str] = MappingProxyType({"io_method": "sync", "max_logical_replication_workers": "0", "shared_buffers": "16MB"})
"""The control plane's database is small, and idle most of the time: it takes no memory that the operated one could use."""
REHEARSAL = "rehearsal"
SLACK = "https://slack.com/api/"
"""Source: Slack's documentation, "Using the Slack Web API"."""
_PARTS = frozenset({"postgres-control", "postgres-primary", "postgres-replica", "envoy", "vendors", "control"})
_DRAIN = timedelta(seconds=30)
"""A replica answers on for 3 s, and has 20 s for what is under way then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One embedded stack: where it stands, what was chosen for it, and its secrets."""

    layout: Layout
    ports: Ports
    settings: EnvironmentSettings
    secrets: Secrets

    @property
    def parts(self) -> frozenset[str]:
        """Names of the processes of this machine that are always there; the service's replicas come and go."""
        if self.settings.elsewhere:
            return frozenset()
        kept = frozenset() if self.settings.backup.wal is WalMode.NONE else frozenset({ARCHIVE})
        return (_PARTS - {"envoy"} if self.settings.cluster else _PARTS) | kept

    @property
    def service_url(self) -> str:
        """Where members reach the service."""
        return self.settings.cluster.url if self.settings.cluster else f"http://{HOST}:{self.ports.service}"

    @property
    def preview_url(self) -> str:
        """Where a colour is tried before members reach it, for people."""
        return shown(self._preview)

    @property
    def preview_urls(self) -> Mapping[Colour, str]:
        """The same for each colour, for programs."""
        return addresses_by_colour(self._preview)

    @property
    def _preview(self) -> str | PreviewAddresses:
        return self.settings.cluster.preview_url if self.settings.cluster else f"http://{HOST}:{self.ports.preview}"

    @property
    def reached_at(self) -> str | None:
        """The address of this machine's at which replicas on a cluster reach the database and the vendors; None where the replicas run here."""
        return self.settings.cluster.machine if self.settings.cluster else None

    @property
    def listening(self) -> Listening:
        """Where the server of `ue` listens."""
        return listening(self.settings.control, self.ports.control)

    @property
    def control_url(self) -> str:
        """The server of `ue`: its API and its pages."""
        return self.listening.url

    @property
    def console_url(self) -> str | None:
        """Where people open the console; None where no browser reaches it."""
        named = self.settings.sign_in.url if self.settings.sign_in else None
        return (named.rstrip("/") if named else None) or (self.listening.url if isinstance(self.listening, OnAddress) else None)

    @property
    def login(self) -> str:
        """What a person types into a shell to enter the console: the token is shown to them, and stands in no program's arguments."""
        kept = "" if self.settings.secrets.api_token else f"cat {shlex.quote(str(secret_file(self.layout.secrets, 'api_token')))}; "
        if isinstance(at := self.listening, AtSocket):  # which no browser can open
            there = f"127.0.0.1:{self.ports.control}"
            return f"{kept}ssh -fNL {there}:{shlex.quote(str(at.path))} localhost; xdg-open http://{there}/login"
        return f"{kept}xdg-open {at.url}/login"

    @property
    def issuer_url(self) -> str:
        """The identity provider."""
        return f"http://{HOST}:{self.ports.vendors}/identity"

    @property
    def slack_url(self) -> str:
        """Slack's Web API."""
        if self.settings.incidents.slack_url or self.settings.elsewhere:
            return f"{(self.settings.incidents.slack_url or SLACK).rstrip('/')}/"
        return f"http://{HOST}:{self.ports.vendors}/slack/api/"

    @property
    def primary(self) -> PostgresServer:
        """The operated database."""
        backup = self.settings.backup
        settings = {**PRIMARY_SETTINGS[WalMode.RECEIVE if backup.barman else backup.wal], **logging_a_share(self.query_log), **RESERVED}
        return replace(self._server("primary", self.ports.database, settings=settings), reached_at=self.reached_at)

    @property
    def query_log(self) -> Path:
        """Where it logs what it says, and how long queries took: beside its data, so that no copy of those holds it."""
        return self.layout.postgres / "primary" / "log"

    @property
    def replica(self) -> PostgresServer:
        """Its streaming copy."""
        return self._server("replica", self.ports.replica, settings=RESERVED)

    @property
    def control_server(self) -> PostgresServer:
        """The control plane's own database server, which no runbook kills."""
        return self._server("control", self.ports.control_database, settings=_CONTROL_SETTINGS)

    @property
    def servers(self) -> tuple[PostgresServer, ...]:
        """Every database server."""
        return (self.control_server, self.primary, self.replica)

    def database_url(self, role: str) -> SecretStr:
        """Return the address of the operated database for `role`. Raises: NoAuthority."""
        if managed := self.settings.database:
            return managed.url(role=role, password=self.passwords[role])
        return self.primary.url(role=role, password=self.passwords[role], database=DATABASE)

    def monitoring_url(self, server: PostgresServer) -> SecretStr:
        """Return the address of `server` for the role that sees how far replication got."""
        return server.url(role=REPLICATION, password=self.secrets.ue_replication, database="postgres")

    def administrative_url(self, database: str) -> SecretStr:
        """Return the address of a database of the operated server, as a superuser. Raises: NoRestoreRole, NoAuthority."""
        if (managed := self.settings.database) is None:
            return self.primary.url(role=SUPERUSER, password=self.secrets.superuser, database=database)
        if managed.restore_role is None:
            raise NoRestoreRole(
                what=f"nothing is restored over the live database at {managed.place}: the environment has no role that may",
                remedy="give [database] restore_role, a superuser, and secrets.restore; or restore by the means of whoever runs the server",
            )
        return managed.url(role=managed.restore_role, password=self.secrets.superuser, database=database)

    def operator_url(self) -> SecretStr:
        """Return the address of the operated database for the role that sees what it does, and ends sessions. Raises: NoOperator, NoAuthority."""
        if self.settings.database and self.settings.secrets.ue_operator is None:
            raise NoOperator(
                what=f"the environment has no role that sees what the database at {self.settings.database.place} does",
                remedy=f"ue env roles prints the SQL that makes {OPERATOR}; then name its password as secrets.{OPERATOR}",
            )
        return self.database_url(OPERATOR)

    def service_role_url(self) -> SecretStr:
        """Return the address of the operated database for the role that serves members. Raises: NoReader, NoAuthority."""
        if self.settings.database and self.settings.secrets.claims_app is None:
            raise NoReader(
                what=f"plans are made for the role that serves members, and the environment has no password of {SERVICE}",
                remedy=f"name it as secrets.{SERVICE}",
            )
        return self.database_url(SERVICE)

    def replica_operator_url(self) -> SecretStr:
        """Return the address of the embedded stack's replica for the same role."""
        return self.replica.url(role=OPERATOR, password=self.passwords[OPERATOR], database=DATABASE)

    @property
    def database_name(self) -> str:
        """What the operated database is called."""
        return self.settings.database.name if self.settings.database else DATABASE

    @property
    def shown_database_url(self) -> str:
        """The operated database's address without its password, as the schema's owner."""
        if managed := self.settings.database:
            return f"postgresql://{OWNER}@{managed.place}"
        return f"postgresql://{OWNER}@{HOST}:{self.ports.database}/{DATABASE}"

    @property
    def control_database_url(self) -> SecretStr:
        """The address of the engine's own database. Raises: NoAuthority."""
        if managed := self.settings.control.database:
            return managed.url(self.secrets.ue_control)
        return self.control_server.url(role=CONTROL_ROLE, password=self.secrets.ue_control, database=CONTROL_DATABASE)

    @property
    def audit_key(self) -> SecretStr | None:
        """The private key that signs the audit log's checkpoints, where the settings refer to it."""
        reference = self.settings.secrets.audit_key
        return SecretByReference("secrets.audit_key", reference) if reference else None

    @property
    def passwords(self) -> dict[str, SecretStr]:
        """Password of each role of the operated database."""
        return {
            OWNER: self.secrets.claims_owner,
            SERVICE: self.secrets.claims_app,
            REPLICATION: self.secrets.ue_replication,
            BACKUP: self.secrets.ue_backup,
            OPERATOR: self.secrets.ue_operator,
        }

    def _server(self, name: str, port: int, *, settings: Mapping[str, str] = MappingProxyType({})) -> PostgresServer:
        return PostgresServer(name=name, folder=self.layout.postgres / name, port=port, sockets=self.layout.sockets, settings=settings)


def open_stack(home: Path) -> Stack:
    """Return the stack in `home`, as it was chosen when it was first started. Raises: NeverStarted, NotYours, SettingsRefused, ForeignFolder."""
    layout = Layout(home)
    try:
        kept = read_ports(layout.ports)
    except PermissionError:
        raise NotYours.at(home) from None
    settings = read_settings(layout.settings) if kept or layout.settings.exists() else None
    ports = known_ports(layout.ports, settings) if settings else None
    if settings is None or ports is None:
        raise NeverStarted.at(home)
    if settings.elsewhere:  # nobody has made its folders: nothing of it but its server is started here
        layout.claim_home(embedded=False)
        layout.claim_sockets()
    require_own(home)
    return stack_of(layout, ports, settings)


def stack_of(layout: Layout, ports: Ports, settings: EnvironmentSettings) -> Stack:
    """Return the stack with its secrets: those that were missing were made now, those by reference are read when they are used. Raises: EmptySecret."""
    secrets = keep_secrets(layout.secrets, settings.secrets, elsewhere=settings.elsewhere)
    return Stack(layout=layout, ports=ports, settings=settings, secrets=secrets)


def postgres_process(stack: Stack, server: PostgresServer) -> ProcessSpec:
    """Return how `server` is run."""
    ready = (program("pg_isready"), "--quiet", "--host", str(server.sockets), "--port", str(server.port), "--username", SUPERUSER)
    return _process(
        stack,
        f"postgres-{server.name}",
        server.foreground_argv(),
        ready=Exec(ready),
        stop_signal=STOP_SIGNAL,
        grace=timedelta(seconds=20),
        after=("postgres-primary",) if server.name == "replica" else (),
    )


def archive_process(stack: Stack) -> ProcessSpec:
    """Return how the operated database's log is received. It comes back by itself while the primary is away, and ends before it."""
    mode = stack.settings.backup.wal
    argv = receiver_argv(stack.primary, stack.layout.wal, password=stack.secrets.ue_replication, mode=mode)
    return _process(stack, ARCHIVE, argv, ready=None, stop_signal=signal.SIGINT, after=("postgres-primary",))


def vendors_process(stack: Stack, *, digest: str = "") -> ProcessSpec:
    """Return how the vendors' simulators are run; they are started anew where secrets by reference have another digest."""
    told: tuple[str, ...] = (
        "--slack-token-file",
        str(vendors_file(stack, "slack_token")),
        "--slack-signing-secret-file",
        str(vendors_file(stack, "slack_signing_secret")),
    )
    told += ("--reached-at", stack.reached_at) if stack.reached_at else ()
    if isinstance(at := stack.listening, OnAddress):  # Slack's simulator reaches no Unix socket, as Slack does not
        reached = at.address(stack.secrets.api_token)
        told += ("--slack-request-url", f"{reached.url}{CHAT_HOOK}")
        told += ("--slack-request-certificate", str(reached.certificate)) if reached.certificate else ()
    argv = _module("unioneyes.simulators.vendors", "--listen", f"{HOST}:{stack.ports.vendors}", "--folder", str(stack.layout.vendors), *told)
    return replace(_process(stack, "vendors", argv, ready=TcpHttp(HOST, stack.ports.vendors)), labels=_labelled(digest))


def envoy_process(stack: Stack, argv: tuple[str, ...]) -> ProcessSpec:
    """Return how Envoy is run."""
    admin = stack.layout.envoy_admin
    return _process(stack, "envoy", argv, ready=UnixHttp(admin, "/ready"), sockets=(admin,))


def control_process(stack: Stack, *, variables: Mapping[str, str] = MappingProxyType({}), digest: str = "") -> ProcessSpec:
    """Return how the server of `ue` is run. Other settings, or secrets of another digest, make another specification: `up` then starts it anew.

    `variables` are those that the settings refer to: the server reads them as whoever types `ue` does.
    """
    argv = _module("unioneyes.cli.main", "serve", "--env", stack.settings.name, "--home", str(stack.layout.home))
    ready: Readiness
    match stack.listening:
        case AtSocket(path=path):  # no socket to remove before: the server does so where nobody listens
            ready = UnixHttp(path, "/api/v1/healthz")
        case OnAddress(certificate=certificate) as at:
            ready = TcpHttp(at.reached.strip("[]"), at.port, "/api/v1/healthz", tls=certificate is not None)
    after = ("postgres-control", "postgres-primary", *(("envoy",) if "envoy" in stack.parts else ()))
    spec = _process(stack, "control", argv, env=dict(variables), ready=ready, grace=timedelta(seconds=15), after=after)
    settings = hashlib.sha256(stack.settings.model_dump_json().encode()).hexdigest()[:12]
    return replace(spec, labels={"settings": settings, **_labelled(digest)})


def replica_process(stack: Stack, slot: ReplicaSlot) -> ProcessSpec:
    """Return how one replica of the service is run on the operated database."""
    private = slot.socket.with_suffix(".private")
    return _process(
        stack,
        slot.name,
        _module("unioneyes.claims.serve"),
        env={
            **_claims_environment(stack, name=slot.name, version=slot.version, database_url_file=service_url_file(stack)),
            **slot.configuration,
            "CLAIMS_LISTEN": f"unix:{slot.socket}",
            "CLAIMS_PRIVATE_LISTEN": f"unix:{private}",
        },
        ready=UnixHttp(slot.socket),
        sockets=(slot.socket, private),
        grace=_DRAIN,
        after=("postgres-primary", "vendors", "envoy"),
        memory=stack.settings.service.memory_mib << 20,
    )


def rehearsal_process(stack: Stack, version: str, port: int) -> ProcessSpec:
    """Return how one replica is run on another database, whose address stands in `rehearsal_url_file`."""
    return _process(
        stack,
        REHEARSAL,
        _module("unioneyes.claims.serve"),
        env={
            **_claims_environment(stack, name=REHEARSAL, version=version, database_url_file=rehearsal_url_file(stack)),
            "CLAIMS_LISTEN": f"{HOST}:{port}",
            "CLAIMS_DRAIN_SECONDS": "0",
        },
        ready=TcpHttp(HOST, port),
        restart=False,
        after=("vendors",),
    )


def smoke_command(stack: Stack) -> tuple[str, ...]:
    """Return the command that walks through the service's flows; nothing where there is none, and the health report has to do."""
    if stack.settings.service.smoke or stack.settings.service.plain or stack.settings.elsewhere:
        return tuple(stack.settings.service.smoke or ())
    return _module("unioneyes.claims.smoke", "--issuer-url", stack.issuer_url)


def service_configuration(stack: Stack) -> dict[str, str]:
    """Return the service's settings as the environment's file says now: what a revision keeps. Addresses and secrets are none of it: they may move."""
    return {} if stack.settings.service.plain else {"CLAIMS_POOL_SIZE": str(stack.settings.service.pool_size)}


def vendors_file(stack: Stack, secret: str) -> Path:
    """Return the file that tells Slack's simulator this secret: its own, or one beside it where the secret is kept elsewhere."""
    kept = secret_file(stack.layout.secrets, secret)
    return kept.with_name(f"{kept.name}-by-reference") if getattr(stack.settings.secrets, secret) else kept


def service_url_file(stack: Stack) -> Path:
    """Return the file that gives the replicas their database's address."""
    return stack.layout.secrets / "service-database-url"


def rehearsal_url_file(stack: Stack) -> Path:
    """Return the file that gives the rehearsal's replica its database's address."""
    return stack.layout.secrets / "rehearsal-database-url"


def _claims_environment(stack: Stack, *, name: str, version: str, database_url_file: Path) -> dict[str, str]:
    return {
        "CLAIMS_VERSION": version,
        "CLAIMS_REPLICA": name,
        "CLAIMS_DATABASE_URL_FILE": str(database_url_file),
        "CLAIMS_JWKS_URL": f"{stack.issuer_url}/.well-known/jwks.json",
        "CLAIMS_ISSUER": stack.issuer_url,
        "CLAIMS_ALLOW_FAULTS": "true",
    }


def _process(
    stack: Stack,
    name: str,
    argv: tuple[str, ...],
    *,
    ready: Readiness | None,
    env: dict[str, str] | None = None,
    sockets: tuple[Path, ...] = (),
    stop_signal: signal.Signals = signal.SIGTERM,
    grace: timedelta = timedelta(seconds=10),
    restart: bool = True,
    after: tuple[str, ...] = (),
    memory: int | None = None,
) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        argv=argv,
        env={MARK: str(stack.layout.home), **(env or {})},
        cwd=stack.layout.home,
        sockets=sockets,
        log=stack.layout.logs / f"{name}.log",
        ready=ready,
        stop_signal=stop_signal,
        grace=grace,
        restart=restart,
        after=after,
        memory=memory,
    )


class NoRestoreRole(Refused):
    """Nobody whom the environment knows may restore over the live database."""


def _labelled(digest: str) -> dict[str, str]:
    return {"secrets": digest} if digest else {}


def _module(name: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *words)
