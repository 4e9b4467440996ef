"""The environment's file, `environment.toml`: typed, frozen, and refused with what is wrong and where."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from unioneyes.kernel.problems import BadInput
from unioneyes.kernel.units import format_duration, parse_duration
from unioneyes.ports.environment import NoData


def _duration(value: object) -> timedelta:
    if not isinstance(value, str):
        message = "a duration is written as text: 90s, 10m, 1h30m"
        raise ValueError(message)  # noqa: TRY004 - pydantic reports a ValueError with its place
    try:
        duration = parse_duration(value)
    except BadInput as problem:
        raise ValueError(str(problem)) from None
    if not duration:
        message = "a duration is longer than nothing"
        raise ValueError(message)
    return duration


def _ready_within(duration: timedelta) -> timedelta:
    if duration > LONGEST_READY_WITHIN:
        message = f"the step that waits for replicas ends after five minutes: {format_duration(LONGEST_READY_WITHIN)} at most"
        raise ValueError(message)
    return duration


def _address(host: str) -> str:
    return str(ip_address(host))


LONGEST_READY_WITHIN = timedelta(minutes=4)
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Port = Annotated[int, Field(ge=1, le=65535)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^(/|~/)")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ServiceSettings(_Section):
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


class ControlSettings(_Section):
    """`[control]`: where and how the server of `ue` listens: on loopback; on any address with TLS; or at a Unix socket, and on no address then."""

    host: Annotated[str, AfterValidator(_address)] = "127.0.0.1"
    """An address of this machine; one that other machines reach takes TLS."""
    port: Port | None = None
    """8180 when not given."""
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")] | None = None
    """The host name by which browsers reach it; requests that name another one are refused."""
    tls_certificate: AbsolutePath | None = None
    """PEM: the server's certificate, and behind it those between it and its authority."""
    tls_key: AbsolutePath | None = None
    """PEM: its private key, which nobody else can read."""
    socket: AbsolutePath | None = None
    """The Unix socket's path."""
    socket_group: Text | None = None
    """The group that may use the socket too; without it, only the server's user may."""

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


class SourceSettings(_Section):
    """`[source]`: what goes out."""

    folder: AbsolutePath
    """The work tree whose version the checklist verifies; that of this program when not given."""


class RunbookSettings(_Section):
    """`[runbooks]`: which ones there are, and may be started."""

    folder: AbsolutePath | None = None
    """Where your own stand: Markdown documents, and Python files, which the server loads; `runbooks/` in the source's folder when not given."""
    refuse_undrilled: bool = False
    """Whether a runbook is refused whose code changed since its last passing drill. Ways back, and what holds nobody up, never are; nor are your own."""


class StagingSettings(_Section):
    """`[staging]`: where a release was tried before."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]


class IncidentSettings(_Section):
    """`[incidents]`: who is told."""

    channel: Annotated[str, StringConstraints(pattern=r"^#[a-z0-9_-]{1,80}$")] = "#incidents"


class RetentionSettings(_Section):
    """`[audit.s3.retention]`: how long an object can't be deleted. The bucket has Object Lock."""

    mode: Literal["compliance", "governance"]
    """By nobody; or by nobody without a right of its own."""
    days: Annotated[int, Field(ge=1, le=36_500)]


class S3Settings(_Section):
    """`[audit.s3]`: an object store that keeps the audit log's checkpoints too."""

    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    prefix: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_.-]+/)+$", max_length=500)] = "unioneyes/audit/"
    """Below which they stand; no other log's do."""
    endpoint_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+/?$")] | None = None
    """Of a store that is not Amazon's."""
    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$")] | None = None
    """Where the bucket is; what the standard chain says when not given."""
    profile: Text | None = None
    """Whose credentials are taken of the files that hold several."""
    credentials_file: AbsolutePath | None = None
    """In the form of ~/.aws/credentials, and in place of it; nobody else can read it."""
    retention: RetentionSettings | None = None


class AuditSettings(_Section):
    """`[audit]`: who keeps the audit log's checkpoints beside the environment's own file."""

    s3: S3Settings | None = None


class EnvironmentSettings(_Section):
    """The whole file. Everything has a default: no file is needed."""

    bake: Duration = timedelta(minutes=10)
    """How long a deployment is watched. Source: Production Deployment Steps, 3, "Monitor for 10 minutes"."""
    no_data: Annotated[NoData, Field(strict=False)] = NoData.BACK
    """What a watch without enough data comes to: `back` to what is known to work, or `hold` for a person."""
    service: ServiceSettings = ServiceSettings()
    control: ControlSettings = ControlSettings()
    source: SourceSettings | None = None
    runbooks: RunbookSettings = RunbookSettings()
    staging: StagingSettings | None = None
    incidents: IncidentSettings = IncidentSettings()
    audit: AuditSettings = AuditSettings()
    waivers: dict[str, Text] = Field(default_factory=dict)
    """Gate -> reason: a gate that may be passed over, and why. The receipt shows it."""
    enforced: list[Text] = Field(default_factory=list)
    """Gates that count here, whatever waives them."""


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


class SettingsRefused(BadInput):
    """The environment's file says something that it may not say."""
