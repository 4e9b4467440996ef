"""The HTTP surface: Slack's methods under `/api`, and our own switches beside them."""

from __future__ import annotations

import asyncio
import hmac
import json
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from enum import StrEnum
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from unioneyes.simulators.slack import schema
from unioneyes.simulators.slack.interactivity import App, Interactivity, doings
from unioneyes.simulators.slack.schema import Arguments, SlackError
from unioneyes.simulators.slack.workspace import BOT, BOT_NAME, BOT_USER, TEAM, TEAM_NAME, Channel, Workspace

MOST_PER_PAGE = 999
DEFAULT_PER_PAGE = 100


class FaultMode(StrEnum):
    """How Slack can be made to fail."""

    DOWN = "down"
    RATE_LIMITED = "ratelimited"
    SLOW = "slow"
    """The request is carried out, and the answer comes late: the client can't know."""


class Faults(BaseModel):
    """What the next requests meet."""

    model_config = ConfigDict(extra="forbid")

    mode: FaultMode | None
    times: int | None = Field(default=None, ge=1)
    """How many requests; until it is switched off when not given."""
    method: str | None = None
    """Which method's requests; all when not given."""
    seconds: int = Field(default=1, ge=0, le=120)
    """How late a slow answer comes; how long a rate-limited client is told to wait."""

    def take(self, method: str) -> FaultMode | None:
        """Return what this request meets, and count it."""
        mode = self.mode
        if mode is None or self.method not in {None, method}:
            return None
        if self.times is not None:
            self.times -= 1
            if self.times == 0:
                self.mode, self.times = None, None
        return mode


Method = Callable[[Workspace, Arguments], dict[str, JsonValue]]
Methods = Mapping[str, tuple[Method, frozenset[str]]]


def routes(workspace: Workspace, *, token: SecretStr | None, app: App) -> list[Route]:
    """Return the routes, to be mounted at `/slack`. Without a `token`, any that looks like a bot's is taken."""
    faults = Faults(mode=None)
    people = Interactivity(workspace=workspace, app=app)
    methods: Methods = {**_METHODS, "views.open": (lambda _, arguments: {"view": people.views.show(arguments)}, schema.VIEWS_OPEN_ARGUMENTS)}

    async def call(request: Request) -> Response:
        match faults.take(request.path_params["method"]):
            case FaultMode.DOWN:
                return PlainTextResponse("upstream connect error or disconnect/reset before headers", status_code=503)
            case FaultMode.RATE_LIMITED:
                return JSONResponse({"ok": False, "error": "ratelimited"}, status_code=429, headers={"Retry-After": str(faults.seconds)})
            case mode:
                answer = await _answer(request, workspace, token, methods)
                if mode is FaultMode.SLOW:
                    await asyncio.sleep(faults.seconds)
                return answer

    async def switch_faults(request: Request) -> Response:
        try:
            wanted = Faults.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"errors": [fault["msg"] for fault in error.errors()]}, status_code=422)
        faults.mode, faults.times, faults.method, faults.seconds = wanted.mode, wanted.times, wanted.method, wanted.seconds
        return JSONResponse(faults.model_dump(mode="json"))

    async def received(_: Request) -> Response:
        return JSONResponse(workspace.messages())

    async def violations(_: Request) -> Response:
        return JSONResponse(workspace.violations())

    return [
        Route("/api/{method}", call, methods=["GET", "POST"]),
        Route("/_faults", switch_faults, methods=["POST"]),
        *doings(people),
        Route("/_received", received, methods=["GET"]),
        Route("/_violations", violations, methods=["GET"]),
    ]


async def _answer(request: Request, workspace: Workspace, token: SecretStr | None, methods: Methods) -> Response:
    name: str = request.path_params["method"]
    try:
        _check_token(request.headers.get("authorization", ""), token)
        method, known_arguments = _method(methods, name)
        arguments = await _arguments(request)
        unknown = schema.unknown_arguments(arguments, known_arguments)
        if unknown:
            workspace.violate(method=name, error="superfluous_arguments", details=unknown)
        return JSONResponse({"ok": True, **method(workspace, arguments)})
    except SlackError as refused:
        if refused.error not in _NO_VIOLATIONS or refused.details:
            workspace.violate(method=name, error=refused.error, details=refused.details)
        metadata = {"response_metadata": {"messages": list(refused.details)}} if refused.details else {}
        return JSONResponse({"ok": False, "error": refused.error, **metadata})


_NO_VIOLATIONS = frozenset(
    {"not_authed", "invalid_auth", "channel_not_found", "not_in_channel", "is_archived", "message_not_found", "expired_trigger_id", "exchanged_trigger_id"}
)
"""Errors of requests that fit the schema: the token or the workspace is not what the client thought."""


def _check_token(authorization: str, token: SecretStr | None) -> None:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise SlackError("not_authed")
    expected = token.get_secret_value() if token is not None else given
    if not given.startswith("xoxb-") or not hmac.compare_digest(given.encode(), expected.encode()):
        raise SlackError("invalid_auth")


def _method(methods: Methods, name: str) -> tuple[Method, frozenset[str]]:
    try:
        return methods[name]
    except KeyError:
        raise SlackError("unknown_method") from None


async def _arguments(request: Request) -> Arguments:
    """Return the arguments, from wherever the content type says that they are."""
    if request.method == "GET":
        return dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if kind == "application/json":
        return _json_arguments(body)
    if kind == "application/x-www-form-urlencoded":
        return _form_arguments(body)
    if kind or body:
        raise SlackError("invalid_post_type" if kind else "missing_post_type", kind)
    return {}


def _json_arguments(body: bytes) -> Arguments:
    try:
        arguments: JsonValue = json.loads(body)
    except ValueError:
        raise SlackError("invalid_json") from None
    if not isinstance(arguments, dict):
        raise SlackError("json_not_object")
    return arguments


def _form_arguments(body: bytes) -> Arguments:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body)))
    except ValueError:
        raise SlackError("invalid_form_data") from None


def _auth_test(_workspace: Workspace, _arguments: Arguments) -> dict[str, JsonValue]:
    return {"team": TEAM_NAME, "team_id": TEAM, "user": BOT_NAME, "user_id": BOT_USER, "bot_id": BOT, "is_enterprise_install": False}


def _post_message(workspace: Workspace, arguments: Arguments) -> dict[str, JsonValue]:
    message = schema.parse_message(arguments)
    channel = _found(workspace.channel(message.channel))
    if channel.archived:
        raise SlackError("is_archived")
    posted = workspace.post(channel, message)
    return {"channel": channel.id, "ts": posted["ts"], "message": _shown(posted, metadata=True)}


def _delete(workspace: Workspace, arguments: Arguments) -> dict[str, JsonValue]:
    channel, ts = _found(workspace.channel_by_id(str(arguments.get("channel", "")))), str(arguments.get("ts", ""))
    if not workspace.delete(channel, ts):
        raise SlackError("message_not_found")
    return {"channel": channel.id, "ts": ts}


def _history(workspace: Workspace, arguments: Arguments) -> dict[str, JsonValue]:
    channel = _found(workspace.channel_by_id(str(arguments.get("channel", ""))))
    oldest, latest = _number(arguments, "oldest", 0), _number(arguments, "latest", math.inf)
    inclusive, metadata = _is_true(arguments.get("inclusive")), _is_true(arguments.get("include_all_metadata"))
    found = [
        _shown(message, metadata=metadata)
        for message in reversed(workspace.messages(channel))
        if oldest < (ts := float(str(message["ts"]))) < latest or (inclusive and ts in {oldest, latest})
    ]
    messages, cursor = _page(found, arguments)
    return {"messages": messages, "has_more": bool(cursor), "pin_count": 0, "response_metadata": {"next_cursor": cursor}}


def _list(workspace: Workspace, arguments: Arguments) -> dict[str, JsonValue]:
    hidden = _is_true(arguments.get("exclude_archived"))
    channels, cursor = _page([_listed(channel) for channel in workspace.channels if not (channel.archived and hidden)], arguments)
    return {"channels": channels, "response_metadata": {"next_cursor": cursor}}


def _found(channel: Channel | None) -> Channel:
    if channel is None:
        raise SlackError("channel_not_found")
    if not channel.member:
        raise SlackError("not_in_channel")
    return channel


def _listed(channel: Channel) -> JsonValue:
    return {"id": channel.id, "name": channel.name, "is_channel": True, "is_archived": channel.archived, "is_member": channel.member, "is_private": False}


def _shown(message: dict[str, JsonValue], *, metadata: bool) -> JsonValue:
    hidden = {"channel", "channel_name"} | (set() if metadata and message["metadata"] is not None else {"metadata"})
    return {name: value for name, value in message.items() if name not in hidden}


def _page(things: list[JsonValue], arguments: Arguments) -> tuple[list[JsonValue], str]:
    """Return one page and the cursor of the next, empty at the end."""
    limit = int(_number(arguments, "limit", DEFAULT_PER_PAGE))
    if not 1 <= limit <= MOST_PER_PAGE:
        raise SlackError("invalid_limit", f"limit is between 1 and {MOST_PER_PAGE}")
    cursor = str(arguments.get("cursor", ""))
    try:
        start = int(urlsafe_b64decode(cursor)) if cursor else 0
    except ValueError:
        raise SlackError("invalid_cursor") from None
    following = start + limit
    return things[start:following], urlsafe_b64encode(str(following).encode()).decode() if following < len(things) else ""


def _number(arguments: Arguments, name: str, default: float) -> float:
    try:
        return float(str(arguments.get(name, default)))
    except ValueError:
        raise SlackError("invalid_arguments", f"must be a number [json-pointer:/{name}]") from None


def _is_true(value: JsonValue) -> bool:
    return value in {True, "1", "true"} if isinstance(value, bool | str) else False


_METHODS: Methods = {
    "auth.test": (_auth_test, schema.AUTH_TEST_ARGUMENTS),
    "chat.postMessage": (_post_message, schema.POST_MESSAGE_ARGUMENTS),
    "chat.delete": (_delete, schema.DELETE_ARGUMENTS),
    "conversations.history": (_history, schema.HISTORY_ARGUMENTS),
    "conversations.list": (_list, schema.LIST_ARGUMENTS),
}
