"""The stack's passwords and tokens: made once, one private file each; or read from where the environment's file says."""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass, fields, replace
from pathlib import Path

from pydantic import SecretStr

from unioneyes.environments.secrets import SecretByReference
from unioneyes.environments.settings import SecretsSettings
from unioneyes.kernel.files import replace_file
from unioneyes.kernel.problems import Problem, Refused

_BYTES = 32
_OF_DATABASES = frozenset({"superuser", "claims_owner", "claims_app", "ue_replication", "ue_backup", "ue_operator", "ue_control"})
"""What databases let in by, and so theirs to choose: none is made where somebody else runs them."""
NOBODYS = SecretStr("")
"""In place of a password that there is none of: it opens nothing."""
_PREFIXES = {"api_token": "ue_", "slack_token": "xoxb-"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Every secret of one stack. One that is read by reference is read when it is used first, and kept from then on."""

    superuser: SecretStr
    """PostgreSQL's `postgres`, on all three servers; that of `[database] restore_role` where somebody else runs them."""
    claims_owner: SecretStr
    claims_app: SecretStr
    ue_replication: SecretStr
    ue_backup: SecretStr
    ue_operator: SecretStr
    ue_control: SecretStr
    """Owns the engine's database on the control server."""
    api_token: SecretStr
    """Opens the server's API."""
    slack_token: SecretStr
    slack_signing_secret: SecretStr

    def values(self) -> tuple[str, ...]:
        """Return the plain values, for the redactor. Raises: SecretUnresolved."""
        values = (getattr(self, field.name).get_secret_value() for field in fields(self))
        return tuple(value for value in values if value)

    def as_far_as_there(self) -> tuple[Secrets, dict[str, Problem]]:
        """Return those that can be read, what opens nothing in place of the others, and why those can't: for when there is no time to wait for them."""
        problems: dict[str, Problem] = {}
        for field in fields(self):
            try:
                getattr(self, field.name).get_secret_value()
            except Problem as problem:
                problems[field.name] = problem
        return replace(self, **{name: SecretStr(random.token_urlsafe(_BYTES)) for name in problems}), problems


def secret_file(folder: Path, name: str) -> Path:
    """Return where the secret called `name` stands."""
    return folder / name.replace("_", "-")


def setting_of(name: str) -> str:
    """Return by which name `[secrets]` may refer to the secret called `name`."""
    return "restore" if name == "superuser" else name


def is_made(name: str, *, elsewhere: bool) -> bool:
    """Return whether the secret is made here, where nothing says where it is kept: not the passwords of databases that are `elsewhere`."""
    return not (elsewhere and name in _OF_DATABASES)


def keep_secrets(folder: Path, settings: SecretsSettings | None = None, *, elsewhere: bool = False) -> Secrets:
    """Every secret that the settings do not refer to stands in its file; those that were missing were made now.

    Where the databases are `elsewhere`, none of their passwords is. Raises: EmptySecret.
    """

    def kept(name: str) -> SecretStr:
        return _by_reference(name, settings) or (_keep(folder, name) if is_made(name, elsewhere=elsewhere) else NOBODYS)

    return Secrets(**{field.name: kept(field.name) for field in fields(Secrets)})


def read_api_token(folder: Path, settings: SecretsSettings) -> SecretStr | None:
    """Return the token that opens the server's API; None when none was made yet. Raises: SecretUnresolved, PermissionError."""
    if given := _by_reference("api_token", settings):
        return given
    path = secret_file(folder, "api_token")
    return SecretStr(path.read_text()) if path.exists() else None


def _by_reference(name: str, settings: SecretsSettings | None) -> SecretByReference | None:
    reference = getattr(settings, setting_of(name), None)
    return SecretByReference(f"secrets.{setting_of(name)}", reference) if reference else None


def _keep(folder: Path, name: str) -> SecretStr:
    path = secret_file(folder, name)
    if not path.exists():
        replace_file(path, _PREFIXES.get(name, "") + random.token_urlsafe(_BYTES))
    secret = path.read_text()
    if not secret:
        raise EmptySecret(what=f"{path} is empty", remedy="put its text back; or remove the file, and `ue env up` makes a new one")
    return SecretStr(secret)


class EmptySecret(Refused):
    """A secret that everybody knows."""
