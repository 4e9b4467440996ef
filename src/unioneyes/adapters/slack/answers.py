"""Slack's answers, read at the edge; and its refusals, as problems with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPException
from typing import ParamSpec, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from unioneyes.kernel.problems import Problem
from unioneyes.ports.notifier import NotifierRefused, NotifierUnavailable

P = ParamSpec("P")
AnswerT = TypeVar("AnswerT", bound=BaseModel)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Cursor(_Answer):
    next_cursor: str = ""


class Page(_Answer):
    """One page of a list."""

    response_metadata: _Cursor = _Cursor()

    @property
    def next_cursor(self) -> str | None:
        """Where the next page begins; None after the last."""
        return self.response_metadata.next_cursor or None


class Channel(_Answer):
    """One channel that our bot can see."""

    id: str
    name: str


class Channels(Page):
    """A page of `conversations.list`."""

    channels: tuple[Channel, ...]


class _Metadata(_Answer):
    event_type: str
    event_payload: dict[str, JsonValue]


class HistoricMessage(_Answer):
    """One message of a channel."""

    ts: str
    """Its identifier within the channel."""
    metadata: _Metadata | None = None

    def carries(self, event_type: str, key: str) -> bool:
        """Return whether it was posted with this event and this idempotency key."""
        return self.metadata is not None and self.metadata.event_type == event_type and self.metadata.event_payload.get("key") == key


class History(Page):
    """A page of `conversations.history`."""

    messages: tuple[HistoricMessage, ...]


class Posted(_Answer):
    """What `chat.postMessage` answers."""

    channel: str
    ts: str


class _View(_Answer):
    id: str


class Opened(_Answer):
    """What `views.open` answers."""

    view: _View


def read(kind: type[AnswerT], call: Callable[P, SlackResponse], *args: P.args, **kwargs: P.kwargs) -> AnswerT:
    """Return what `call` answers. Raises: NotifierUnavailable, NotifierRefused."""
    try:
        return kind.model_validate(call(*args, **kwargs).data)
    except SlackApiError as refusal:
        raise _problem(refusal.response) from refusal
    except (OSError, HTTPException) as error:  # no connection, cut, or no answer in time
        raise NotifierUnavailable(what=f"Slack gives no answer: {type(error).__name__}", remedy=_AGAIN) from error
    except ValidationError as error:
        raise NotifierUnavailable(what=f"Slack answers what is no {kind.__name__}", remedy=_AGAIN) from error


_AGAIN = "try again; look at https://slack-status.com"
_TOKEN = "put the bot token (xoxb-...) of the installed app where the environment expects it"  # noqa: S105 - says where it belongs
_SCOPES = "give the app the scopes chat:write, channels:read and channels:history, and install it again"
_REMEDIES = {
    "account_inactive": _TOKEN,
    "invalid_auth": _TOKEN,
    "not_authed": _TOKEN,
    "token_expired": _TOKEN,
    "token_revoked": _TOKEN,
    "missing_scope": _SCOPES,
    "expired_trigger_id": "press the button once more: whoever pressed it is shown nothing after three seconds",
    "channel_not_found": "create the channel, or name another in the environment's settings",
    "is_archived": "unarchive the channel, or name another in the environment's settings",
    "not_in_channel": "invite the app: /invite @unioneyes in the channel",
}
_PASSING = frozenset({"fatal_error", "internal_error", "ratelimited", "rate_limited", "request_timeout", "service_unavailable"})
"""Codes with which the same call may well succeed a moment later. Source: Slack's method reference, common errors."""
_SERVER_ERROR = 500
_TOO_MANY_REQUESTS = 429


def _problem(answer: SlackResponse) -> Problem:
    """Return the problem. It quotes Slack's code only: the rest of a refusal may repeat what was sent."""
    status: int = answer.status_code
    if status >= _SERVER_ERROR:
        return NotifierUnavailable(what=f"Slack answers {status}", remedy=_AGAIN)
    code = str(answer.get("error", "unknown_error"))
    if status == _TOO_MANY_REQUESTS or code in _PASSING:
        return NotifierUnavailable(what=f"Slack answers {code}", remedy=_AGAIN)
    return NotifierRefused(what=f"Slack refuses: {code}", remedy=_REMEDIES.get(code, f"look {code} up in Slack's method reference"))
