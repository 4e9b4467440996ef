"""What people do with our messages in Slack, and what they are shown for it. Implements `ports.chat.Chat`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, StringConstraints, TypeAdapter, ValidationError
from slack_sdk import WebClient
from slack_sdk.signature import SignatureVerifier

from unioneyes.adapters.slack.answers import Opened, read
from unioneyes.adapters.slack.forms import ANSWER, CODE, FIELD, LONGEST_COMPLAINT, WHY, modal
from unioneyes.adapters.slack.text import shortened
from unioneyes.kernel.problems import BadInput
from unioneyes.ports.chat import Answering, Coded, Doing, NotOfChat, Pressed, Reasoned, Shown

TIME_LIMIT = timedelta(seconds=2)
"""For showing a modal: whoever pressed may be shown one for three seconds, and waits for our answer as long."""
_Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,32}$")]
_Text = Annotated[str, StringConstraints(max_length=4000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Team(_Part):
    id: _Identifier


class _User(_Part):
    """Nothing else of it is read: what somebody is called at Slack they choose themselves."""

    id: _Identifier
    team_id: _Identifier | None = None


class _Action(_Part):
    action_id: str = ""
    value: _Text = ""


class _Typed(_Part):
    value: _Text | None = None


class _State(_Part):
    values: dict[str, dict[str, _Typed]]


class _View(_Part):
    callback_id: str = ""
    private_metadata: _Text = ""
    state: _State


class _Press(_Part):
    type: Literal["block_actions"]
    user: _User
    team: _Team | None = None
    trigger_id: str
    actions: tuple[_Action, ...]


class _Submission(_Part):
    type: Literal["view_submission"]
    user: _User
    team: _Team | None = None
    view: _View


_PAYLOAD: TypeAdapter[_Press | _Submission] = TypeAdapter(Annotated[_Press | _Submission, Field(discriminator="type")])
_ANSWERING: TypeAdapter[Answering] = TypeAdapter(Answering)
_KINDS = {"block_actions", "view_submission"}


class SlackChat:
    """Believes what is signed with `signing_secret`, and shows modals as the bot that `token` belongs to."""

    place = "Slack"

    def __init__(self, *, token: SecretStr, signing_secret: SecretStr, base_url: str | None = None, time_limit: timedelta = TIME_LIMIT) -> None:
        """Talk to `base_url` (it ends in `/api/`), to slack.com when not given."""
        self._verifier = SignatureVerifier(signing_secret.get_secret_value())
        self._client = WebClient(
            token=token.get_secret_value(),
            base_url=base_url or WebClient.BASE_URL,
            timeout=max(1, round(time_limit.total_seconds())),
            retry_handlers=[],  # there is no time for a second try
        )
        self._client.proxy = None  # as for announcing

    def read(self, body: bytes, headers: Mapping[str, str]) -> Doing | None:
        """Return what somebody did; None for what asks nothing of us, such as a press that opens a page.

        Raises: NotOfChat, where Slack did not sign these very bytes within the last five minutes; StrangePayload.
        """
        if not self._is_signed(body, headers):
            raise NotOfChat(what="Slack has not signed this, or longer than five minutes ago", remedy="look at the signing secret, and at this machine's clock")
        try:
            payload: JsonValue = json.loads(parse_qs(body.decode(), strict_parsing=True)["payload"][0])
            if not isinstance(payload, dict) or payload.get("type") not in _KINDS:
                return None
            match _PAYLOAD.validate_python(payload):
                case _Press() as press:
                    return _pressed(press)
                case _Submission() as submission:
                    return _filled_in(submission)
        except (ValidationError, ValueError, KeyError):
            raise StrangePayload(what="what Slack sends can't be read", remedy="answer in the console; an earlier release may have asked") from None

    def show(self, pressed: Pressed, form: Shown) -> None:
        """Whoever pressed sees the form as a modal. Raises: NotifierUnavailable, NotifierRefused."""
        read(Opened, self._client.views_open, trigger_id=pressed.ticket, view=modal(form))

    def next(self, form: Shown) -> JsonValue:
        """Return the answer that puts `form` in the place of the modal that was filled in."""
        return {"response_action": "update", "view": modal(form)}

    def complaint(self, doing: Reasoned | Coded, text: str) -> JsonValue:
        """Return the answer that leaves the modal as it is, and says below its field what is wrong."""
        return {"response_action": "errors", "errors": {CODE if isinstance(doing, Coded) else WHY: shortened(text, LONGEST_COMPLAINT)}}

    def _is_signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        timestamp, signature = headers.get("x-slack-request-timestamp"), headers.get("x-slack-signature")
        try:
            return self._verifier.is_valid(body, timestamp, signature)
        except (ValueError, TypeError):  # the SDK takes a number, UTF-8 and ASCII for granted
            return False


def _account(user: _User, team: _Team | None) -> str:
    """Return Slack's name for who did it: within their own workspace, which may be another one in a channel that is shared."""
    own = user.team_id or (team.id if team else "none")
    return f"slack/{own}/{user.id}"


def _pressed(press: _Press) -> Pressed | None:
    action = next((each for each in press.actions if each.action_id in ANSWER), None)
    if action is None:
        return None
    return Pressed(account=_account(press.user, press.team), answering=_ANSWERING.validate_json(action.value), ticket=press.trigger_id)


def _filled_in(submission: _Submission) -> Reasoned | Coded | None:
    view, account = submission.view, _account(submission.user, submission.team)
    typed = (view.state.values.get(view.callback_id, {}).get(FIELD) or _Typed()).value or ""
    match view.callback_id:
        case code if code == WHY:
            return Reasoned(account=account, answering=_ANSWERING.validate_json(view.private_metadata), reason=typed)
        case code if code == CODE:
            return Coded(account=account, answering=_ANSWERING.validate_json(view.private_metadata), code=typed)
        case _:
            return None


class StrangePayload(BadInput):
    """Slack signed what it does not send."""
