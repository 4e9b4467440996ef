"""What blocks consist of: texts, buttons and inputs. Pure. Source: Slack's Block Kit reference."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import JsonValue

LONGEST_ACTION_ID = 255
LONGEST_BUTTON = 75
LONGEST_VALUE = 2000
LONGEST_URL = 3000
LONGEST_INPUT = 3000
LONGEST_PLACEHOLDER = 150
PLAIN = frozenset({"plain_text"})
ANY_TEXT = PLAIN | {"mrkdwn"}
Block = dict[str, JsonValue]


def check_button(element: JsonValue, where: str) -> Iterator[str]:
    """Yield what is wrong with a button."""
    if not isinstance(element, dict) or element.get("type") != "button":
        yield complaint("unsupported type: a button is all that is simulated", where)
        return
    yield from check_members(element, {"text", "action_id", "url", "value", "style", "accessibility_label"}, where)
    yield from check_text(element.get("text"), f"{where}/text", longest=LONGEST_BUTTON, kinds=PLAIN)
    for name, longest in (("action_id", LONGEST_ACTION_ID), ("value", LONGEST_VALUE), ("url", LONGEST_URL), ("accessibility_label", LONGEST_BUTTON)):
        yield from _check_string(element, name, longest, where)
    url = element.get("url")
    if isinstance(url, str) and urlsplit(url).scheme not in {"http", "https"}:
        yield complaint("must be a valid URL", f"{where}/url")
    if element.get("style", "primary") not in {"primary", "danger"}:
        yield complaint("must be primary or danger", f"{where}/style")


def check_text_input(element: JsonValue, where: str) -> Iterator[str]:
    """Yield what is wrong with a field for text."""
    if not isinstance(element, dict) or element.get("type") != "plain_text_input":
        yield complaint("unsupported type: plain_text_input is all that is simulated", where)
        return
    known = {"action_id", "initial_value", "multiline", "min_length", "max_length", "placeholder", "focus_on_load", "dispatch_action_config"}
    yield from check_members(element, known, where)
    yield from _check_string(element, "action_id", LONGEST_ACTION_ID, where)
    yield from _check_string(element, "initial_value", LONGEST_INPUT, where)
    for name, least in (("min_length", 0), ("max_length", 1)):
        length = element.get(name, least)
        if not isinstance(length, int) or not least <= length <= LONGEST_INPUT:
            yield complaint(f"must be between {least} and {LONGEST_INPUT}", f"{where}/{name}")
    if "placeholder" in element:
        yield from check_text(element["placeholder"], f"{where}/placeholder", longest=LONGEST_PLACEHOLDER, kinds=PLAIN)


def check_text(text: JsonValue, where: str, *, longest: int, kinds: frozenset[str]) -> Iterator[str]:
    """Yield what is wrong with a text."""
    if not isinstance(text, dict):
        yield complaint("missing required field: text", where)
        return
    if text.get("type") not in kinds:
        yield complaint(f"unsupported type: {text.get('type')}", f"{where}/type")
    yield from check_members(text, {"text", "emoji" if text.get("type") == "plain_text" else "verbatim"}, where)
    words = text.get("text")
    if not isinstance(words, str) or not words:
        yield complaint("must be more than 0 characters", f"{where}/text")
    elif len(words) > longest:
        yield complaint(f"must be less than {longest + 1} characters", f"{where}/text")


def check_members(thing: Block, allowed: set[str], where: str) -> Iterator[str]:
    """Yield what no such thing has."""
    for name in sorted(set(thing) - allowed - {"type", "block_id"}):
        yield complaint(f"invalid additional property: {name}", where)


def complaint(what: str, where: str) -> str:
    """Return it as Slack words it."""
    return f"[ERROR] {what} [json-pointer:{where}]"


def _check_string(thing: Block, name: str, longest: int, where: str) -> Iterator[str]:
    if name in thing:
        value = thing[name]
        if not isinstance(value, str) or not 1 <= len(value) <= longest:
            yield complaint(f"must be a string of at most {longest} characters", f"{where}/{name}")
