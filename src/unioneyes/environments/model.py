"""What opening an environment gives: the ports for the runbooks, and what the server needs to run them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from unioneyes.environments.listening import Listening
from unioneyes.kernel.redaction import Redactor
from unioneyes.ports.environment import Environment
from unioneyes.runbook.audit.sealing import Sealing


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEnvironment:
    """An environment, ready to be operated by a server."""

    environment: Environment
    control_database_url: SecretStr
    """The engine's own database; never the operated one."""
    listening: Listening
    """Where its server listens."""
    api_token: SecretStr
    runbooks: Path
    """The folder of the project's own runbooks; it need not be there."""
    redactor: Redactor
    """Knows every secret of the environment."""
    sealing: Sealing
    """Seals the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvidence:
    """What an environment's audit log is verified by. None of it comes from the log's database."""

    key: str
    """The public key, as text."""
    checkpoints: tuple[str, ...]
