"""The embedded stack's audit log: who signs its checkpoints, where they stand, and how it is doing."""

from __future__ import annotations

import base64
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from pydantic import SecretStr, TypeAdapter, ValidationError

from unioneyes.adapters.files import CheckpointFile
from unioneyes.environments.connecting import NoAuthorities, connected
from unioneyes.environments.local.address import NeverStarted, NotYours
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.secrets import secret_file
from unioneyes.environments.local.stack import Stack
from unioneyes.environments.model import AuditEvidence
from unioneyes.environments.remote_witness import begin_remote, build_remote, remote_checkpoints
from unioneyes.environments.settings import EnvironmentSettings, read_settings
from unioneyes.kernel.clock import now
from unioneyes.kernel.files import replace_file
from unioneyes.kernel.problems import BadInput, Refused
from unioneyes.ports.secrets import SecretUnresolved
from unioneyes.ports.witness import Witness, WitnessOvertaken
from unioneyes.runbook.audit.checkpoints import empty_checkpoint, promises_something
from unioneyes.runbook.audit.notes import Signer
from unioneyes.runbook.audit.sealing import Sealing
from unioneyes.runbook.audit.views import AuditStatus

if TYPE_CHECKING:
    from unioneyes.adapters.s3 import CheckpointObjects

LOG_NAME = "unioneyes/local"
"""Under which the checkpoints are signed (their origin)."""
AUDIT_KEY = "audit_key"
"""The name of the private key that signs them."""
_PUBLIC_KEY, _CHECKPOINTS, _REMOTE = "public-key", "checkpoints", "remote"
_KEY_BYTES = 32
_ANSWER_SECONDS = 2.0
_STATUS = TypeAdapter(AuditStatus)


def keep_audit_key(layout: Layout, given: SecretStr | None = None) -> SecretStr:
    """Return the private key, its 32 bytes as base64url: the one `given` by reference, else its file's.

    A file that was missing was made now, where no log was begun before, and the log with it. To begin a log is to keep the checkpoint
    of an empty one: from then on, a witness that keeps nothing has lost something. Raises: AuditKeyLost, BadAuditKey.
    """
    if given is not None:
        return _begun_with(given, layout)
    private, public = secret_file(layout.secrets, AUDIT_KEY), layout.audit / _PUBLIC_KEY
    if not private.exists():
        layout.audit.mkdir(mode=0o700, exist_ok=True)  # a stack of an earlier release has none
        witness = checkpoint_file(layout)
        if public.exists() or any(promises_something(note) for note in witness.all()):
            raise AuditKeyLost(
                what=f"{private} is gone, and {layout.audit} holds what was signed with it",
                remedy=f"put the key back; or, to begin a new log, keep the old evidence elsewhere: mv {layout.audit} WHERE",
            )
        witness.path.unlink(missing_ok=True)  # of a beginning that was cut off
        made = secrets.token_urlsafe(_KEY_BYTES)
        witness.keep(empty_checkpoint(_signer(made), now()).note)
        replace_file(private, made)
    return SecretStr(private.read_text())


def _begun_with(given: SecretStr, layout: Layout) -> SecretStr:
    """Return the key; where no log was begun in this folder, it was begun now, by whichever of several servers was the first."""
    try:
        signer = _signer(given.get_secret_value())
    except ValueError:
        raise BadAuditKey(
            what="secrets.audit_key is no key that checkpoints are signed with: 32 bytes as base64url",
            remedy="make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        ) from None
    if not (layout.audit / _PUBLIC_KEY).exists():
        with suppress(WitnessOvertaken):
            checkpoint_file(layout).keep(empty_checkpoint(signer, now()).note)
    return given


def keep_remote_witness(layout: Layout, settings: EnvironmentSettings) -> CheckpointObjects | None:
    """Return the second witness that the settings name, begun; None where they name none.

    Raises: SettingsRefused, StoreMisconfigured, PackageMissing, RemoteWitnessMoved, ForeignCheckpoints; where it was not begun before, also
    WitnessUnavailable, WitnessChanged.
    """
    remote = build_remote(settings.audit)
    begin_remote(remote, checkpoint_file(layout), layout.audit / _REMOTE)
    return remote


def kept_audit_key(layout: Layout, given: SecretStr | None = None) -> tuple[str, ...]:
    """Return the private key, for whoever only must not print it; nothing where there is none, or where it can't be read."""
    if given is not None:
        with suppress(SecretUnresolved):
            return (given.get_secret_value(),)
        return ()
    private = secret_file(layout.secrets, AUDIT_KEY)
    return (private.read_text(),) if private.exists() else ()


def build_sealing(layout: Layout, key: SecretStr, remote: Witness | None = None) -> Sealing:
    """Return who signs and keeps the checkpoints, `remote` beside the file; the public key stands beside the file, to be handed on.

    Raises: AuditKeyLost where another one does.
    """
    signer = _signer(key.get_secret_value())
    public = layout.audit / _PUBLIC_KEY
    if not public.exists():
        layout.audit.mkdir(mode=0o700, exist_ok=True)
        replace_file(public, f"{signer.verifier}\n")
    elif public.read_text().strip() != str(signer.verifier):
        raise AuditKeyLost(
            what=f"{secret_file(layout.secrets, AUDIT_KEY)} is not the key that {public} belongs to",
            remedy=f"put the right key back; or, to begin a new log, keep the old evidence elsewhere: mv {layout.audit} WHERE, and move the key away too",
        )
    return Sealing(signer=signer, witness=checkpoint_file(layout), remote=remote)


def checkpoint_file(layout: Layout) -> CheckpointFile:
    """Return the first witness."""
    return CheckpointFile(layout.audit / _CHECKPOINTS)


def public_key(home: Path) -> str:
    """Return the key that the stack's log is verified by, as text. Raises: NeverStarted, NotYours."""
    try:
        return (Layout(home).audit / _PUBLIC_KEY).read_text()
    except FileNotFoundError:
        raise NeverStarted.at(home) from None
    except PermissionError:
        raise NotYours.at(home) from None


def evidence(home: Path) -> AuditEvidence:
    """Return what the stack's log is verified by. Raises: NeverStarted, NotYours, SettingsRefused, WitnessUnavailable, WitnessChanged."""
    layout, key = Layout(home), public_key(home)
    remote = remote_checkpoints(read_settings(layout.settings).audit)  # before the file: whatever was brought by then must be in it
    return AuditEvidence(key=key, checkpoints=checkpoint_file(layout).all(), remote=remote)


def audit_status(stack: Stack) -> AuditStatus | None:
    """Return where the log is, as the server says; None when it does not answer."""
    try:
        with connected(stack.listening.address(stack.secrets.api_token), timeout=httpx.Timeout(_ANSWER_SECONDS)) as client:
            return _STATUS.validate_json(client.get("/api/v1/audit/status").raise_for_status().content)
    except (httpx.HTTPError, ValidationError, NoAuthorities, SecretUnresolved):
        return None


def _signer(key: str) -> Signer:
    return Signer.of(LOG_NAME, base64.urlsafe_b64decode(f"{key}="))


class BadAuditKey(BadInput):
    """What is given as the audit log's key is none."""


class AuditKeyLost(Refused):
    """The key that signs the audit log is not the one that it was begun with; nothing is signed with another."""
