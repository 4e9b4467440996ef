"""What opening an environment gives: the ports for the runbooks, and what the server needs to run them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from unioneyes.environments.listening import Listening
from unioneyes.environments.sign_in import SignIn
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.redaction import Redactor
from unioneyes.ports.chat import Chat
from unioneyes.ports.environment import Environment
from unioneyes.runbook.audit.sealing import Sealing
from unioneyes.runbook.direct.folder import DirectFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEnvironment:
    """An environment, ready to be operated by a server."""

    environment: Environment
    control_database_url: SecretStr
    """The engine's own database; never the operated one."""
    listening: Listening
    """Where its server listens."""
    api_token: SecretStr
    sign_in: SignIn | None
    """How people sign in; None where only tokens let anybody in."""
    chat: Chat
    """In which people answer."""
    runbooks: Path
    """The folder of the project's own runbooks; it need not be there."""
    refuse_undrilled: bool
    """Whether a runbook is refused that changed since its last passing drill."""
    redactor: Redactor
    """Knows every secret of the environment."""
    sealing: Sealing
    """Seals the audit log."""
    alarm: Path
    """The file that remembers what people were told of the audit log's trouble; it need not be there."""
    break_glass: DirectFolder
    """Where people journal what they do without the server."""
    require_operable: Callable[[], None] = lambda: None
    """Returns where whoever runs the server may do all of it where the service runs. Raises: a Problem that says what is missing. May take seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectEnvironment:
    """An environment as a person operates it without its server."""

    environment: Environment
    redactor: Redactor
    """Knows every secret of the environment."""
    break_glass: DirectFolder
    control: Callable[[], ControlState]
    """Asks the server, for a few seconds at most."""
    missing: tuple[Problem, ...]
    """Why secrets can't be read; what needs them fails when it is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlState:
    """How the control plane is."""

    alive: bool
    """True when the server answers, and its database too."""
    found: str
    """What was found, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvidence:
    """What an environment's audit log is verified by. None of it comes from the log's database."""

    key: str
    """The public key, as text."""
    checkpoints: tuple[str, ...]
    """Those that the environment's own file keeps."""
    remote: RemoteCheckpoints | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCheckpoints:
    """What a second witness keeps, out of the machine's reach."""

    place: str
    """Where they stand, for people."""
    checkpoints: tuple[str, ...]
