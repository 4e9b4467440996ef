"""What people do with our messages: buttons are pressed and modals filled in by whoever says so, and our app is told of it as Slack tells it, signed."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlencode

import httpx
from pydantic import BaseModel, ConfigDict, JsonValue, SecretStr, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from unioneyes.simulators.slack.elements import Block
from unioneyes.simulators.slack.schema import SlackError
from unioneyes.simulators.slack.views import Views, inputs, parse_view
from unioneyes.simulators.slack.workspace import TEAM, TEAM_NAME, Workspace

PATIENCE = 3.0
"""Seconds that an app has for its answer."""
_APP = "A0UNIONEYES"
AskedT = TypeVar("AskedT", bound=BaseModel)
User = Annotated[str, StringConstraints(pattern=r"^[UW][A-Z0-9]{2,20}$")]
_OK = 200


@dataclass(slots=True, kw_only=True)
class App:
    """Our app, as its settings page at Slack has it."""

    signing_secret: SecretStr
    request_url: str | None = None
    """*Interactivity & Shortcuts*, "Request URL"; None: nobody is told of anything."""
    certificate: Path | None = None
    """PEM: the one that the request URL's server shows under TLS; None: whom this machine trusts."""


class Press(BaseModel):
    """Somebody presses a button of a message."""

    model_config = ConfigDict(extra="forbid")

    user: User
    button: str
    """The words that its text begins with."""
    within: str = ""
    """What stands in the message's text, such as the run; the newest that has both is taken."""
    name: str = "somebody"
    """What their profile at Slack says."""


class Submit(BaseModel):
    """Somebody fills a modal in, and sends it off."""

    model_config = ConfigDict(extra="forbid")

    user: User
    view: str
    """Its identifier."""
    values: dict[str, str]
    """By the blocks' identifiers."""
    name: str = "somebody"


@dataclass(slots=True, kw_only=True)
class Interactivity:
    """One app in one workspace."""

    workspace: Workspace
    app: App
    views: Views = field(default_factory=Views)

    async def press(self, wanted: Press) -> dict[str, JsonValue]:
        """The app was told of it; return its answer's status, and the modal that it showed. Raises: LookupError, where there is no such button."""
        message, button = self._button(wanted)
        trigger = self.views.trigger(wanted.user)
        payload: dict[str, JsonValue] = {
            "type": "block_actions",
            **self._of(wanted.user, wanted.name),
            "container": {"type": "message", "message_ts": message["ts"], "channel_id": message["channel"], "is_ephemeral": False},
            "trigger_id": trigger,
            "channel": {"id": message["channel"], "name": message["channel_name"]},
            "message": {"type": "message", "ts": message["ts"], "text": message["text"], "blocks": message["blocks"]},
            "state": {"values": {}},
            "response_url": "https://hooks.slack.com/actions/none",
            "actions": [{**button, "action_ts": f"{time.time():.6f}"}],
        }
        status, _ = await self._tell("block_actions", payload)
        return {"status": status, "view": self.views.shown_by(trigger)}

    async def submit(self, wanted: Submit) -> dict[str, JsonValue]:
        """The app was told of it; return its answer, and the modal that is shown then. Raises: LookupError, where the user has no such modal."""
        found = self.views.open.get(wanted.view)
        if found is None or found.user != wanted.user:
            raise LookupError(f"{wanted.user} looks at no view {wanted.view}")
        fields = inputs(found.view)
        if missing := [block for block in fields if not wanted.values.get(block)]:
            raise LookupError(f"please complete {', '.join(missing)}")
        typed: dict[str, JsonValue] = {block: {action: {"type": "plain_text_input", "value": wanted.values[block]}} for block, action in fields.items()}
        payload: dict[str, JsonValue] = {
            "type": "view_submission",
            **self._of(wanted.user, wanted.name),
            "trigger_id": self.views.trigger(wanted.user),
            "view": {**found.view, "team_id": TEAM, "hash": "1.a", "state": {"values": typed}},
            "response_urls": [],
        }
        status, answer = await self._tell("view_submission", payload)
        if status == _OK:
            self._take(wanted.view, answer)
        left = self.views.open.get(wanted.view)
        return {"status": status, "answer": answer, "view": left.view if left else None}

    def sign(self, body: bytes, timestamp: int) -> str:
        """Return the signature that Slack would send with `body`."""
        signed = f"v0:{timestamp}:".encode() + body
        return f"v0={hmac.new(self.app.signing_secret.get_secret_value().encode(), signed, hashlib.sha256).hexdigest()}"

    def _of(self, user: str, name: str) -> dict[str, JsonValue]:
        return {
            "user": {"id": user, "username": name, "name": name, "team_id": TEAM},
            "team": {"id": TEAM, "domain": TEAM_NAME.lower()},
            "api_app_id": _APP,
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def _button(self, wanted: Press) -> tuple[dict[str, JsonValue], Block]:
        for message in reversed(self.workspace.messages()):
            blocks = message["blocks"]
            if wanted.within in str(message["text"]) and isinstance(blocks, list):
                for number, block in enumerate(blocks):
                    elements = block.get("elements") if isinstance(block, dict) and block.get("type") == "actions" else None
                    for element in elements if isinstance(elements, list) else ():
                        if isinstance(element, dict) and isinstance(text := element.get("text"), dict) and str(text["text"]).startswith(wanted.button):
                            return message, {**element, "block_id": f"b{number}"}
        raise LookupError(f"no message has a button {wanted.button!r}")

    async def _tell(self, what: str, payload: dict[str, JsonValue]) -> tuple[int | None, JsonValue]:
        """Return the status and the body that the app answers with; None for a status where it gives none in time."""
        if self.app.request_url is None:
            raise LookupError("the app has no request URL")
        body, timestamp = urlencode({"payload": json.dumps(payload)}).encode(), int(time.time())
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": str(timestamp),
            "X-Slack-Signature": self.sign(body, timestamp),
        }
        try:
            async with httpx.AsyncClient(timeout=PATIENCE, verify=_trusted(self.app.certificate), trust_env=False) as client:
                answer = await client.post(self.app.request_url, content=body, headers=headers)
        except httpx.HTTPError:
            return None, None
        if answer.status_code != _OK or not answer.content:
            return answer.status_code, None
        try:
            return answer.status_code, answer.json()
        except ValueError:
            self.workspace.violate(method=what, error="invalid_json", details=())
            return answer.status_code, None

    def _take(self, number: str, answer: JsonValue) -> None:
        """The modal is what the app answered; without an answer, it is closed."""
        match answer:
            case {"response_action": "errors", "errors": dict(errors)} if errors:
                if strange := set(errors) - inputs(self.views.open[number].view).keys():
                    self.workspace.violate(method="view_submission", error="unknown_block", details=sorted(strange))
            case {"response_action": "update", "view": view}:
                try:
                    self.views.open[number].view = parse_view(view) | {"id": number}
                except SlackError as refused:
                    self.workspace.violate(method="view_submission", error=refused.error, details=refused.details)
            case None | {"response_action": "clear"}:
                del self.views.open[number]
            case _:
                self.workspace.violate(method="view_submission", error="unknown_response_action", details=())


def doings(people: Interactivity) -> list[Route]:
    """Return the routes by which somebody does something in the workspace."""

    async def press(request: Request) -> Response:
        return await _done(request, Press, people.press)

    async def submit(request: Request) -> Response:
        return await _done(request, Submit, people.submit)

    return [Route("/_press", press, methods=["POST"]), Route("/_submit", submit, methods=["POST"])]


async def _done(request: Request, kind: type[AskedT], do: Callable[[AskedT], Awaitable[dict[str, JsonValue]]]) -> Response:
    """Answer with what came of something that somebody does in the workspace."""
    try:
        return JSONResponse(await do(kind.model_validate_json(await request.body())))
    except ValidationError as error:
        return JSONResponse({"errors": [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]}, status_code=422)
    except LookupError as error:
        return JSONResponse({"errors": [str(error)]}, status_code=404)


def _trusted(certificate: Path | None) -> ssl.SSLContext | bool:
    if certificate is None:
        return True
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False  # whom its file vouches for, by whatever name it is reached
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
