"""Whether the embedded stack's control plane is there: its server, and the database behind it."""

from __future__ import annotations

import time
from datetime import timedelta
from http import HTTPStatus

import httpx

from unioneyes.environments.local.stack import Stack
from unioneyes.environments.model import ControlState
from unioneyes.kernel.clock import Deadline

AWAY_FOR = timedelta(seconds=2)
"""How long nobody may answer before the server counts as gone: one that was killed is started again sooner."""
_ANSWER_SECONDS = 10.0
"""The server itself waits for its database for half as long."""
_POLL_SECONDS = 0.2


def control_state(stack: Stack) -> ControlState:
    """Return how the server is, by a question that it can answer only out of its database."""
    gone_at = Deadline.after(AWAY_FOR)
    headers = {"Authorization": f"Bearer {stack.secrets.api_token.get_secret_value()}"}
    while True:
        try:
            answer = httpx.get(f"{stack.control_url}/api/v1/lock", headers=headers, timeout=_ANSWER_SECONDS, trust_env=False)
        except httpx.ConnectError:
            if gone_at.passed:
                return ControlState(alive=False, found=f"the server at {stack.control_url} is gone")
            time.sleep(_POLL_SECONDS)
        except httpx.TransportError as error:
            return ControlState(alive=False, found=f"the server at {stack.control_url} gives no answer ({type(error).__name__})")
        else:
            return _as_answered(stack, answer)


def _as_answered(stack: Stack, answer: httpx.Response) -> ControlState:
    if answer.is_success:
        return ControlState(alive=True, found=f"the server at {stack.control_url} answers, and so does its database")
    if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        return ControlState(alive=False, found=f"the server at {stack.control_url} answers, but its database does not")
    return ControlState(alive=False, found=f"what listens at {stack.control_url} answers {answer.status_code}: the server does not work")
