"""The embedded stack's audit log: who signs its checkpoints, where they stand, and how it is doing."""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
from pydantic import TypeAdapter, ValidationError

from unioneyes.adapters.files import CheckpointFile
from unioneyes.environments.local.address import NeverStarted
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.stack import Stack
from unioneyes.environments.model import AuditEvidence
from unioneyes.kernel.files import replace_file
from unioneyes.runbook.audit.notes import Signer
from unioneyes.runbook.audit.sealing import Sealing
from unioneyes.runbook.audit.views import AuditStatus

LOG_NAME = "unioneyes/local"
"""Under which the checkpoints are signed (their origin)."""
_PUBLIC_KEY, _CHECKPOINTS = "public-key", "checkpoints"
_ANSWER_SECONDS = 2.0
_STATUS = TypeAdapter(AuditStatus)


def build_sealing(stack: Stack) -> Sealing:
    """Return who signs and keeps the checkpoints; the public key stands beside them, to be handed on."""
    signer = Signer.of(LOG_NAME, base64.urlsafe_b64decode(f"{stack.secrets.audit_key.get_secret_value()}="))
    folder = stack.layout.audit
    folder.mkdir(mode=0o700, exist_ok=True)  # a stack of an earlier release has none
    public_key = folder / _PUBLIC_KEY
    if not public_key.exists() or public_key.read_text() != f"{signer.verifier}\n":
        replace_file(public_key, f"{signer.verifier}\n")
    return Sealing(signer=signer, witness=CheckpointFile(folder / _CHECKPOINTS))


def evidence(home: Path) -> AuditEvidence:
    """Return what the stack's log is verified by. Raises: NeverStarted, WitnessUnavailable."""
    folder = Layout(home).audit
    try:
        key = (folder / _PUBLIC_KEY).read_text()
    except FileNotFoundError:
        raise NeverStarted.at(home) from None
    return AuditEvidence(key=key, checkpoints=CheckpointFile(folder / _CHECKPOINTS).all())


def audit_status(stack: Stack) -> AuditStatus | None:
    """Return where the log is, as the server says; None when it does not answer."""
    headers = {"Authorization": f"Bearer {stack.secrets.api_token.get_secret_value()}"}
    try:
        answer = httpx.get(f"{stack.control_url}/api/v1/audit/status", headers=headers, timeout=_ANSWER_SECONDS, trust_env=False)
        return _STATUS.validate_json(answer.raise_for_status().content)
    except (httpx.HTTPError, ValidationError):
        return None
