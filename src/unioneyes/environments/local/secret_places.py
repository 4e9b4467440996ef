"""Where each of the stack's secrets is kept, and whether it can be read; what they are is never said, nor how long they are."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from unioneyes.environments.local.audit import AUDIT_KEY
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.secrets import Secrets, is_made, secret_file, setting_of
from unioneyes.environments.secrets import resolve_at
from unioneyes.environments.settings import SecretsSettings, read_settings, references
from unioneyes.kernel.files import exposed
from unioneyes.kernel.problems import Problem, Refused
from unioneyes.ports.secrets import SecretReference


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretPlace:
    """One secret."""

    secret: str
    """Where the environment's file may say something of it: `secrets.slack_token`; the name of one that it says nothing of."""
    kept: str
    """The reference, or the path of the file that was made for it."""
    referred: bool
    """True when the environment's file says where it is kept."""
    made: bool
    """False while the stack has made no file for it."""
    problem: Problem | None
    """Why it can't be read; None when it can, or when it is not made yet."""


def secret_places(layout: Layout) -> tuple[SecretPlace, ...]:
    """Return every secret, those by reference first; each provider is asked. Raises: SettingsRefused."""
    settings = read_settings(layout.settings)
    referred = dict(references(settings))
    mine = [field.name for field in fields(Secrets) if is_made(field.name, elsewhere=settings.elsewhere)]
    own = [name for name in (*mine, AUDIT_KEY) if f"secrets.{setting_of(name)}" not in referred]
    return (
        *(_referred(place, reference) for place, reference in referred.items()),
        *(_made(name, secret_file(layout.secrets, name)) for name in own),
    )


def _referred(place: str, reference: SecretReference) -> SecretPlace:
    problem: Problem | None = None
    try:
        resolve_at(place, reference)
    except Problem as met:
        problem = met
    return SecretPlace(secret=place, kept=str(reference), referred=True, made=True, problem=problem)


def _made(name: str, path: Path) -> SecretPlace:
    secret = f"secrets.{name}" if name in SecretsSettings.model_fields else name
    problem: Problem | None = None
    try:
        found = path.stat()
    except FileNotFoundError:
        return SecretPlace(secret=secret, kept=str(path), referred=False, made=False, problem=None)
    except PermissionError:
        problem = UnreadableSecret(what=f"{path} can be read by its owner only", remedy="run ue as the user who started the stack")
    else:
        if how := exposed(found):
            problem = UnreadableSecret(what=f"{path} can be read or changed by others: {how}", remedy=f"chmod 0600 {path}; take a new one if others read it")
        elif not found.st_size:
            problem = UnreadableSecret(what=f"{path} is empty", remedy="put its text back; or remove the file, and `ue env up` makes a new one")
    return SecretPlace(secret=secret, kept=str(path), referred=False, made=True, problem=problem)


class UnreadableSecret(Refused):
    """A secret's own file can't be used."""
