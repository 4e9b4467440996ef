"""Modals: which Slack accepts, and who has which open."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import JsonValue

from unioneyes.simulators.slack.blocks import IN_VIEWS, check_blocks
from unioneyes.simulators.slack.elements import PLAIN, Block, check_members, check_text, complaint
from unioneyes.simulators.slack.schema import Arguments, SlackError, decoded

MOST_BLOCKS = 100
LONGEST_TITLE = 24
"""Characters of a modal's title and of its buttons."""
LONGEST_METADATA = 3000
LONGEST_CALLBACK = 255
TRIGGER_LASTS = 3.0
"""Seconds."""


@dataclass(slots=True, kw_only=True)
class OpenView:
    """A modal that somebody looks at."""

    user: str
    view: Block


@dataclass(slots=True)
class Views:
    """Who may be shown a modal, and who is."""

    open: dict[str, OpenView] = field(default_factory=dict)
    """By the views' identifiers."""
    _triggers: dict[str, tuple[str, float]] = field(default_factory=dict)
    """What a press brought along -> by whom it was, and until when it is good."""
    _used: set[str] = field(default_factory=set)

    def trigger(self, user: str) -> str:
        """Return what lets one modal be shown to `user`, for a moment."""
        trigger = f"{time.time_ns()}.{secrets.token_hex(8)}"
        self._triggers[trigger] = (user, time.monotonic() + TRIGGER_LASTS)
        return trigger

    def show(self, arguments: Arguments) -> Block:
        """The user of the trigger sees the view; return it as `views.open` does. Raises: SlackError."""
        trigger = arguments.get("trigger_id")
        if not isinstance(trigger, str) or trigger not in self._triggers:
            raise SlackError("invalid_trigger_id")
        user, until = self._triggers[trigger]
        if trigger in self._used:
            raise SlackError("exchanged_trigger_id")
        if time.monotonic() > until:
            raise SlackError("expired_trigger_id")
        view = parse_view(arguments.get("view"))
        self._used.add(trigger)
        number = f"V{secrets.token_hex(5).upper()}"
        self.open[number] = OpenView(user=user, view=view | {"id": number})
        return self.open[number].view

    def shown_by(self, trigger: str) -> Block | None:
        """Return the modal that is shown because of the trigger's press; None when there is none."""
        user = self._triggers[trigger][0]
        found = [each.view for each in self.open.values() if each.user == user]
        return found[-1] if trigger in self._used and found else None


def parse_view(value: JsonValue) -> Block:
    """Return the modal, if Slack would show it. Raises: SlackError."""
    view = decoded(value)
    if not isinstance(view, dict):
        raise SlackError("invalid_arguments", "missing required field: view")
    if complaints := tuple(_wrong(view)):
        raise SlackError("invalid_arguments", *complaints)
    return view


def inputs(view: Block) -> dict[str, str]:
    """Return the modal's fields: block -> action."""
    blocks = view.get("blocks")
    found = [block for block in blocks if isinstance(block, dict) and block["type"] == "input"] if isinstance(blocks, list) else []
    return {str(block["block_id"]): str(block["element"]["action_id"]) for block in found if isinstance(block["element"], dict)}


def _wrong(view: Block) -> Iterator[str]:
    if view.get("type") != "modal":
        yield complaint(f"unsupported type: {view.get('type')}", "/view/type")
    yield from check_members(view, {"title", "blocks", "submit", "close", "private_metadata", "callback_id", "clear_on_close", "notify_on_close"}, "/view")
    yield from check_text(view.get("title"), "/view/title", longest=LONGEST_TITLE, kinds=PLAIN)
    for name in ("submit", "close"):
        if name in view:
            yield from check_text(view[name], f"/view/{name}", longest=LONGEST_TITLE, kinds=PLAIN)
    for name, longest in (("private_metadata", LONGEST_METADATA), ("callback_id", LONGEST_CALLBACK)):
        text = view.get(name, "")
        if not isinstance(text, str) or len(text) > longest:
            yield complaint(f"must be a string of at most {longest} characters", f"/view/{name}")
    blocks = view.get("blocks")
    if not isinstance(blocks, list):
        yield complaint("missing required field: blocks", "/view")
        return
    yield from check_blocks(blocks, most=MOST_BLOCKS, kinds=IN_VIEWS)
    asking = [block for block in blocks if isinstance(block, dict) and block.get("type") == "input"]
    if asking and "submit" not in view:
        yield complaint("a view with an input block needs submit", "/view/submit")
    if any("block_id" not in block or not isinstance(block.get("element"), dict) or "action_id" not in json.dumps(block["element"]) for block in asking):
        yield complaint("an input without names can't be read", "/view/blocks")
