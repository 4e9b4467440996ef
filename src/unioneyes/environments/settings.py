"""The environment's file, `environment.toml`: typed, frozen, and refused with what is wrong and where."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

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


LONGEST_READY_WITHIN = timedelta(minutes=4)
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Port = Annotated[int, Field(ge=1, le=65535)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


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
    """`[control]`: the server of `ue`."""

    port: Port | None = None
    """8180 when not given."""


class SourceSettings(_Section):
    """`[source]`: what goes out."""

    folder: Annotated[str, StringConstraints(pattern=r"^(/|~/)")]
    """The work tree whose version the checklist verifies; that of this program when not given."""


class RunbookSettings(_Section):
    """`[runbooks]`: which ones there are, and may be started."""

    folder: Annotated[str, StringConstraints(pattern=r"^(/|~/)")] | None = None
    """Where your own stand: Markdown documents, and Python files, which the server loads; `runbooks/` in the source's folder when not given."""
    refuse_undrilled: bool = False
    """Whether a runbook is refused whose code changed since its last passing drill. Ways back, and what holds nobody up, never are; nor are your own."""


class StagingSettings(_Section):
    """`[staging]`: where a release was tried before."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]


class IncidentSettings(_Section):
    """`[incidents]`: who is told."""

    channel: Annotated[str, StringConstraints(pattern=r"^#[a-z0-9_-]{1,80}$")] = "#incidents"


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
