"""The environment's file, `environment.toml`: typed, frozen, and refused with what is wrong and where."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError, model_validator

from unioneyes.environments.backup_settings import BackupSettings
from unioneyes.environments.managed import ControlDatabaseSettings, OperatedDatabaseSettings
from unioneyes.environments.previews import NOT_TOLD_APART, Preview, addresses_by_colour, tells_apart
from unioneyes.environments.setting_types import (
    AbsolutePath,
    Duration,
    HttpAddress,
    Port,
    Reference,
    SecretPlace,
    Section,
    Text,
    UrlPath,
    WebAddress,
    as_address,
    as_network,
    require_encrypted,
)
from unioneyes.kernel.access import Role
from unioneyes.kernel.problems import BadInput
from unioneyes.kernel.units import format_duration
from unioneyes.ports.environment import NoData
from unioneyes.ports.recovery import WalMode
from unioneyes.ports.secrets import SCHEME, SecretReference

LONGEST_READY_WITHIN = timedelta(minutes=4)


def _ready_within(duration: timedelta) -> timedelta:
    if duration > LONGEST_READY_WITHIN:
        message = f"the step that waits for replicas ends after five minutes: {format_duration(LONGEST_READY_WITHIN)} at most"
        raise ValueError(message)
    return duration


class ServiceSettings(Section):
    """`[service]`: the operated service."""

    replicas: Annotated[int, Field(ge=1, le=8)] = 2
    """Replicas per colour."""
    ready_within: Annotated[Duration, AfterValidator(_ready_within)] = timedelta(seconds=60)
    """How long replicas have to get ready after their start."""
    memory_mib: Annotated[int, Field(ge=256)] = 768
    """MiB of address space that one replica may have: four times what an honest one has after its start."""
    pool_size: Annotated[int, Field(ge=1, le=100)] = 8
    """Connections of one replica to the database, at most. Holds from the next deployment on: what serves keeps what it was started with."""
    port: Port | None = None
    """Where members reach it; 8080 when not given."""
    preview_port: Port | None = None
    """Where a colour is tried before members reach it; 8081 when not given."""
    health_path: UrlPath = "/api/health"
    """Where it says how it is."""
    probe_path: UrlPath = "/api/claims?limit=20"
    """What a probe asks for, many times a minute: a reading request that members make often."""
    probe_token: Reference | None = None
    """Whose session token the probes show; nobody's when not given. On the embedded stack, its issuer gives one."""
    smoke: Annotated[list[Text], Field(min_length=1)] | None = None
    """The program that walks through the service's flows, and its words; `--url URL` and `--header 'NAME: VALUE'` are added. When not given: the service's own
    on the embedded stack, and the health report alone where the databases are elsewhere."""
    plain: bool = False
    """Whether nothing of it is ours: the status of its health path's answer counts and no report, its version is what its pods were started as, and each tag
    of its images that is a version is a release."""
    migrations: AbsolutePath | None = None
    """The Drizzle folder of a plain service's migrations; it has none when not given."""

    @model_validator(mode="after")
    def _said_of_a_plain_service(self) -> Self:
        if self.plain and not {"health_path", "probe_path"} <= self.model_fields_set:
            message = "plain: name health_path and probe_path, for nothing is known of the service"
            raise ValueError(message)
        if self.migrations and not self.plain:
            message = "migrations are named for a plain service; UnionEyes' own releases carry theirs"
            raise ValueError(message)
        return self


class ClusterSettings(Section):
    """`[cluster]`: the Kubernetes that the service runs on. Without it, the service's replicas are processes of this machine."""

    kubeconfig: AbsolutePath | None = None
    """The file that leads to the API server; what KUBECONFIG names, else ~/.kube/config, when not given. In a pod: its service account."""
    context: Text | None = None
    """The context of that file; its current one when not given."""
    server: Annotated[str, StringConstraints(pattern=r"^https://[^/\s]+$")] | None = None
    """The API server's address: a context that leads anywhere else is refused."""
    service_account: bool = False
    """Whether it is reached as the pod that the server of `ue` runs in, and in no other way."""
    namespace: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")] = "unioneyes"
    """Where the service's objects stand."""
    images: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.:-]*(/[a-z0-9][a-z0-9._-]*)+$")]
    """The repository of the service's images, REGISTRY/NAME; their tags are the versions."""
    plain_registry: bool = False
    """Whether the registry is asked over HTTP, as one on a private network for rehearsals is."""
    registry_credentials: Reference | None = None
    """NAME:PASSWORD for the registry; nobody's when not given."""
    url: HttpAddress
    """Where members reach the service."""
    traffic: Literal["gateway", "selector"] = "gateway"
    """What leads members to a colour: routes of the Gateway API; or, on a cluster without it, the Service's selector: without shares, and without maintenance
    but by `ingress`."""
    ingress: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")] | None = None
    """With `traffic = "selector"`: the Ingress by which ingress-nginx serves members; its annotations do maintenance, limits and the deny list then."""
    preview_url: Preview
    """Where a colour is tried before members reach it: one address, at which a header picks it; or one for each, as `traffic = "selector"` takes it."""
    machine: Annotated[str, AfterValidator(as_address)] | None = None
    """The address by which pods reach this machine, where the database and the vendors' simulators run here; rehearsals only."""
    shell: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    """What `ue app shell` opens in a pod, such as ["python3"] where the image has no shell; bash, or else sh, when not given."""

    @model_validator(mode="after")
    def _reached_in_one_way(self) -> Self:
        if self.service_account and (self.kubeconfig or self.context or self.server):
            message = "service_account is a pod's own way: leave out kubeconfig, context and server"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _tells_the_colours_apart(self) -> Self:
        if self.traffic == "selector" and not tells_apart(self.preview_url):
            raise ValueError(NOT_TOLD_APART)
        return self

    @model_validator(mode="after")
    def _led_past_no_gateway(self) -> Self:
        if self.ingress and self.traffic != "selector":
            message = 'where a Gateway leads members, it is the edge: leave out ingress, or say traffic = "selector"'
            raise ValueError(message)
        return self


class ControlSettings(Section):
    """`[control]`: where and how the server of `ue` listens: on loopback; on any address with TLS; or at a Unix socket, and on no address then."""

    host: Annotated[str, AfterValidator(as_address)] = "127.0.0.1"
    """An address of this machine; one that other machines reach takes TLS."""
    port: Port | None = None
    """8180 when not given."""
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")] | None = None
    """The host name by which browsers reach it; requests that name another one are refused."""
    tls_certificate: AbsolutePath | None = None
    """PEM: the server's certificate, and behind it those between it and its authority."""
    tls_key: SecretPlace | None = None
    """PEM: its private key, which nobody else can read; or a reference to it."""
    socket: AbsolutePath | None = None
    """The Unix socket's path."""
    socket_group: Text | None = None
    """The group that may use the socket too; without it, only the server's user may."""
    database: ControlDatabaseSettings | None = None

    @model_validator(mode="after")
    def _protected(self) -> Self:
        """Return itself. Raises: ValueError, where something is left out or given in vain, or where tokens would cross a network in clear text."""
        if (self.tls_certificate is None) != (self.tls_key is None):
            message = "tls_certificate and tls_key go together"
        elif self.socket and (self.host != "127.0.0.1" or self.port or self.tls_certificate):
            message = "a server at a socket listens on no address: leave out host, port, tls_certificate and tls_key, or the socket"
        elif self.socket_group and not self.socket:
            message = "socket_group goes with socket"
        elif not ip_address(self.host).is_loopback and self.tls_certificate is None:
            message = f"other machines reach {self.host}, and tokens would go there in clear text: give tls_certificate and tls_key, or listen on 127.0.0.1"
        else:
            return self
        raise ValueError(message)


class SignInSettings(Section):
    """`[sign_in]`: the OpenID Connect provider that says who somebody is. Without it, tokens alone let people in."""

    issuer: WebAddress
    """The provider's own address, letter by letter as it says itself."""
    client_id: Text
    client_secret: Reference | None = None
    """Left out for a public client, which PKCE alone protects."""
    scopes: Annotated[list[Text], Field(min_length=1, default_factory=lambda: ["openid", "profile", "email"])]
    url: WebAddress | None = None
    """Where browsers reach this server; as `[control]` says when not given. The provider sends them back to `/login/callback` there, and nowhere else."""
    name_claim: Text = "preferred_username"
    """What of the provider's holds a person's name: one that nobody can choose for themselves. `email` counts only where the provider verified it."""
    roles_claim: Text = "groups"
    """What holds what somebody belongs to: one text, or a list of them. Dots lead inwards: `realm_access.roles`."""
    roles: Annotated[dict[Text, Annotated[list[Annotated[Role, Field(strict=False)]], Field(min_length=1)]], Field(min_length=1)]
    """Group -> what its people are here. Whoever is in none of them does not come in."""
    contact: Text = "an administrator of this server"
    """Whom somebody asks who does not come in."""

    @model_validator(mode="after")
    def _asks_for_an_identity(self) -> Self:
        if "openid" not in self.scopes:
            message = "scopes without openid ask for no identity"
            raise ValueError(message)
        if self.url and urlsplit(self.url).path not in {"", "/"}:
            message = "url names the server, and no path on it"
            raise ValueError(message)
        return self


PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10")
"""Whence no attacker comes over the internet, but load balancers, nodes and pods do. Source: RFC 6890."""


POOLERS = ("pgbouncer*", "pgpool*", "odyssey*", "pgcat*", "patroni*", "barman*", "pgbackrest*")
"""What stands between others and the database, or keeps it: whose sessions are idle because nobody needs them now."""


class EdgeSettings(Section):
    """`[edge]`: who is never kept out of the service."""

    own: list[Annotated[str, AfterValidator(as_network)]] = Field(default_factory=lambda: list(PRIVATE))
    """Our networks, and those of whom the service depends on; every private network when not given. The machine's own address always is one."""


class SessionSettings(Section):
    """`[sessions]`: of the operated database."""

    protect: list[Annotated[Text, Field(max_length=63)]] = Field(default_factory=lambda: list(POOLERS))
    """Applications whose sessions nobody ends from here, by the name that they give the database; `*` stands for anything."""


class SourceSettings(Section):
    """`[source]`: what goes out."""

    folder: AbsolutePath
    """The work tree whose version the checklist verifies; that of this program when not given."""


class ReleaseContractSettings(Section):
    """`[release_contract]`: what continuous integration says of the source's commit."""

    report: AbsolutePath
    """JUnit XML that it writes there: one run on one commit, which a property called `commit` names."""


class RunbookSettings(Section):
    """`[runbooks]`: which ones there are, and may be started."""

    folder: AbsolutePath | None = None
    """Where your own stand: Markdown documents, and Python files, which the server loads; `runbooks/` in the source's folder when not given."""
    refuse_undrilled: bool = False
    """Whether a runbook is refused whose code changed since its last passing drill. Ways back, and what holds nobody up, never are; nor are your own."""


class StagingSettings(Section):
    """`[staging]`: where a release was tried before."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]


class IncidentSettings(Section):
    """`[incidents]`: who is told."""

    channel: Annotated[str, StringConstraints(pattern=r"^#[a-z0-9_-]{1,80}$")] = "#incidents"
    slack_url: WebAddress | None = None
    """Slack's Web API; Slack's own when not given, and its simulator on the embedded stack."""


class PrivacySettings(Section):
    """`[privacy]`: those who were erased."""

    erase_again: Annotated[list[Text], Field(min_length=1)] | None = None
    """The program, and its words, that erases them again in an earlier database before that serves. It finds the database in PGHOST, PGPORT, PGUSER,
    PGDATABASE and PGPASSFILE, and since when in UE_ERASED_SINCE; it ends with 0, and prints how many they were."""


class SecretsSettings(Section):
    """`[secrets]`: where passwords and tokens are read from. What is not named here is made, once, in a file of the environment's folder."""

    api_token: Reference | None = None
    """The environment's own token, which opens the API."""
    slack_token: Reference | None = None
    """The bot's, which announces."""
    slack_signing_secret: Reference | None = None
    """By which Slack signs what people do with our messages."""
    claims_owner: Reference | None = None
    """The password of the operated database's owner."""
    claims_app: Reference | None = None
    """The password of the role that serves members."""
    ue_backup: Reference | None = None
    """The password of the role that backups are made as."""
    ue_operator: Reference | None = None
    """The password of the role that sees what the database does, and ends sessions; without it, `ue db` has no way there."""
    ue_replication: Reference | None = None
    """The password of the role that the replica streams as."""
    ue_control: Reference | None = None
    """The password of the engine's own database."""
    restore: Reference | None = None
    """The password of `[database] restore_role`."""
    audit_key: Reference | None = None
    """The private key that signs the audit log's checkpoints: 32 bytes as base64url. Servers that have no folder in common share it by this."""


class RetentionSettings(Section):
    """`[audit.s3.retention]`: how long an object can't be deleted. The bucket has Object Lock."""

    mode: Literal["compliance", "governance"]
    """By nobody; or by nobody without a right of its own."""
    days: Annotated[int, Field(ge=1, le=36_500)]


class S3Settings(Section):
    """`[audit.s3]`: an object store that keeps the audit log's checkpoints too."""

    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    prefix: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_.-]+/)+$", max_length=500)] = "unioneyes/audit/"
    """Below which they stand; no other log's do."""
    endpoint_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+/?$"), AfterValidator(require_encrypted)] | None = None
    """Of a store that is not Amazon's."""
    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$")] | None = None
    """Where the bucket is; what the standard chain says when not given."""
    profile: Text | None = None
    """Whose credentials are taken of the files that hold several."""
    credentials_file: AbsolutePath | None = None
    """In the form of ~/.aws/credentials, and in place of it; nobody else can read it."""
    retention: RetentionSettings | None = None


class AuditSettings(Section):
    """`[audit]`: who keeps the audit log's checkpoints beside the environment's own file."""

    s3: S3Settings | None = None


class EnvironmentSettings(Section):
    """The whole file. Everything has a default: no file is needed."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")] = "local"
    """What `--env` calls it."""
    production: bool = False
    """True where members' data is real: nothing is assumed then."""
    cluster: ClusterSettings | None = None
    database: OperatedDatabaseSettings | None = None
    bake: Duration = timedelta(minutes=10)
    """How long a deployment is watched. Source: Production Deployment Steps, 3, "Monitor for 10 minutes"."""
    no_data: Annotated[NoData, Field(strict=False)] = NoData.BACK
    """What a watch without enough data comes to: `back` to what is known to work, or `hold` for a person."""
    service: ServiceSettings = ServiceSettings()
    control: ControlSettings = ControlSettings()
    edge: EdgeSettings = EdgeSettings()
    sessions: SessionSettings = SessionSettings()
    sign_in: SignInSettings | None = None
    source: SourceSettings | None = None
    release_contract: ReleaseContractSettings | None = None
    runbooks: RunbookSettings = RunbookSettings()
    staging: StagingSettings | None = None
    incidents: IncidentSettings = IncidentSettings()
    audit: AuditSettings = AuditSettings()
    backup: BackupSettings = BackupSettings()
    privacy: PrivacySettings = PrivacySettings()
    secrets: SecretsSettings = SecretsSettings()
    waivers: dict[str, Text] = Field(default_factory=dict)
    """Gate -> reason: a gate that may be passed over, and why. The receipt shows it."""
    enforced: list[Text] = Field(default_factory=list)
    """Gates that count here, whatever waives them."""

    @model_validator(mode="after")
    def _runs_a_plain_service_on_a_cluster(self) -> Self:
        if self.service.plain and self.cluster is None:
            message = "a plain service runs on a cluster, from images: give [cluster]"
            raise ValueError(message)
        if self.service.plain and self.cluster and self.cluster.traffic == "selector":
            message = 'a plain service does not say what it was asked, nor does it send members away who keep a connection: give [cluster] traffic = "gateway"'
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _assumes_nothing_in_production(self) -> Self:
        """Return itself. Raises: ValueError, where production would be found by chance, or reached in clear text."""
        if self.production and (cluster := self.cluster):
            if not cluster.service_account and (cluster.context is None or cluster.server is None):
                message = "production is found by nobody's current context: give [cluster] context and server; or service_account, where ue runs in a pod"
                raise ValueError(message)
            if cluster.plain_registry or not all(url.startswith("https://") for url in (cluster.url, *addresses_by_colour(cluster.preview_url).values())):
                message = "production is reached by https alone: [cluster] url and preview_url, and no plain_registry"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _whole_here_or_elsewhere(self) -> Self:
        """Return itself. Raises: ValueError, where half of it would be this machine's, or where what it is reached by is missing."""
        operated, control, secrets = self.database, self.control.database, self.secrets
        needed = ("claims_owner", "ue_backup", "ue_control", "slack_token") if operated and control else ()
        if (operated is None) != (control is None):
            message = "[database] and [control.database] go together: `ue env up` starts both on this machine, or neither"
        elif operated and (self.cluster is None or self.cluster.machine):
            message = "[database] goes with [cluster], without machine: replicas on this machine use the database of this machine"
        elif (operated is None or operated.restore_role is None) != (secrets.restore is None):
            message = "[database] restore_role and secrets.restore go together"
        elif operated and self.backup.wal is not WalMode.NONE:
            message = "[backup] wal is received by `ue env up`, from a database of this machine: run pg_receivewal where somebody else runs the server"
        elif operated and control and operated.place == control.place:
            message = "[database] and [control.database] are the same one: what runbooks restore does not say how far they came"
        elif operated and control and self.production and not (operated.verified and control.verified):
            message = 'production\'s databases are reached by sslmode = "verify-full", or on this machine'
        elif missing := [f"secrets.{name}" for name in needed if getattr(secrets, name) is None]:
            message = f"where [database] is somebody else's, its passwords are too, and so is Slack: name {', '.join(missing)} by reference"
        else:
            return self
        raise ValueError(message)

    @property
    def elsewhere(self) -> bool:
        """True where nothing of it is started on this machine but its server: its databases, its service and its vendors are others'."""
        return self.database is not None


def references(section: BaseModel, place: str = "") -> Iterator[tuple[str, SecretReference]]:
    """Return every reference to a secret, and where it stands: `secrets.slack_token`."""
    for name in type(section).model_fields:
        match getattr(section, name):
            case SecretReference() as reference:
                yield f"{place}{name}", reference
            case str() as text if text.startswith(SCHEME):
                yield f"{place}{name}", SecretReference.parse(text)
            case BaseModel() as inner:
                yield from references(inner, f"{place}{name}.")
            case _:
                pass


def read_settings(path: Path) -> EnvironmentSettings:
    """Return what the file says; the defaults when there is none. Raises: SettingsRefused."""
    try:
        document = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return EnvironmentSettings()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsRefused(what=f"{path} is no TOML: {error}", remedy="correct the line that it names") from None
    except OSError as error:
        raise SettingsRefused(what=f"{path} can't be read: {error.strerror}", remedy="make it readable, or remove it to use the defaults") from None
    try:
        return EnvironmentSettings.model_validate(document)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False, include_input=False))
        raise SettingsRefused(what=f"{path}: {wrong}", remedy="correct these keys, or remove them to use the defaults") from None


def read_given(path: Path) -> tuple[str, str]:
    """Return the environment's name that a file says, and the file's text. Raises: SettingsRefused, where there is none, or where it says something wrong."""
    settings = read_settings(path)
    try:
        return settings.name, path.read_text()
    except OSError as error:
        raise SettingsRefused(what=f"{path} can't be read: {error.strerror}", remedy="name a file like environment.toml") from None


class SettingsRefused(BadInput):
    """The environment's file says something that it may not say."""
