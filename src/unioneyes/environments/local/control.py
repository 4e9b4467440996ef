"""Whether the embedded stack's control plane is there: its server, and the database behind it."""

from __future__ import annotations

import time
from datetime import timedelta
from http import HTTPStatus

import httpx

from unioneyes.environments.connecting import connected, is_distrusted
from unioneyes.environments.listening import listening
from unioneyes.environments.local.stack import Stack
from unioneyes.environments.model import ControlState
from unioneyes.kernel.clock import Deadline

AWAY_FOR = timedelta(seconds=2)
"""How long nobody may answer before the server counts as gone: one that was killed is started again sooner."""
_ANSWER_SECONDS = 10.0
"""The server itself waits for its database for half as long."""
_POLL_SECONDS = 0.2


def control_state(stack: Stack, *, token_read: bool = True, away_for: timedelta = AWAY_FOR) -> ControlState:
    """Return how the server is, by a question that it can answer only out of its database, to whoever has a token: `token_read` says whether we have."""
    gone_at = Deadline.after(away_for)
    address = listening(stack.settings.control, stack.ports.control).address(stack.secrets.api_token)
    with connected(address, timeout=httpx.Timeout(_ANSWER_SECONDS)) as client:
        while True:
            try:
                answer = client.get("/api/v1/lock")
            except httpx.ConnectError as error:
                if is_distrusted(error):  # it lives: what it shows is not the certificate that stands in the settings
                    return ControlState(alive=True, found=f"what answers at {address.url} shows another certificate than [control] tls_certificate")
                if gone_at.passed:
                    return ControlState(alive=False, found=f"the server at {address.url} is gone")
                time.sleep(_POLL_SECONDS)
            except httpx.TransportError as error:
                return ControlState(alive=False, found=f"the server at {address.url} gives no answer ({type(error).__name__})")
            else:
                return _as_answered(address.url, answer, token_read=token_read)


def _as_answered(url: str, answer: httpx.Response, *, token_read: bool) -> ControlState:
    if answer.is_success:
        return ControlState(alive=True, found=f"the server at {url} answers, and so does its database")
    if answer.status_code == HTTPStatus.UNAUTHORIZED and not token_read:  # it lives: whether its database does, it tells nobody whom it does not know
        return ControlState(alive=True, found=f"the server at {url} answers, and its token can't be read here")
    if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        return ControlState(alive=False, found=f"the server at {url} answers, but its database does not")
    return ControlState(alive=False, found=f"what listens at {url} answers {answer.status_code}: the server does not work")
