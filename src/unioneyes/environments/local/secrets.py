"""The stack's own passwords and tokens: made once, one private file each."""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass, fields
from pathlib import Path

from pydantic import SecretStr

from unioneyes.kernel.files import replace_file
from unioneyes.kernel.problems import Refused

_BYTES = 32
_PREFIXES = {"api_token": "ue_", "slack_token": "xoxb-"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Every secret of one stack."""

    superuser: SecretStr
    """PostgreSQL's `postgres`, on all three servers."""
    claims_owner: SecretStr
    claims_app: SecretStr
    ue_replication: SecretStr
    ue_backup: SecretStr
    ue_control: SecretStr
    """Owns the engine's database on the control server."""
    api_token: SecretStr
    """Opens the server's API."""
    slack_token: SecretStr

    def values(self) -> tuple[str, ...]:
        """Return the plain values, for the redactor."""
        return tuple(value.get_secret_value() for value in (getattr(self, field.name) for field in fields(self)) if isinstance(value, SecretStr))


def secret_file(folder: Path, name: str) -> Path:
    """Return where the secret called `name` stands."""
    return folder / name.replace("_", "-")


def keep_secrets(folder: Path) -> Secrets:
    """Every secret stands in its file; those that were missing were made now. Raises: EmptySecret."""
    return Secrets(**{field.name: _keep(secret_file(folder, field.name), _PREFIXES.get(field.name, "")) for field in fields(Secrets)})


def _keep(path: Path, prefix: str) -> SecretStr:
    if not path.exists():
        replace_file(path, prefix + random.token_urlsafe(_BYTES))
    secret = path.read_text()
    if not secret:
        raise EmptySecret(what=f"{path} is empty", remedy="put its text back; or remove the file, and `ue env up` makes a new one")
    return SecretStr(secret)


class EmptySecret(Refused):
    """A secret that everybody knows."""
