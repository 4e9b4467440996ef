"""Which blocks Slack accepts, in messages and in views. Pure. Source: Slack's Block Kit reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydantic import JsonValue

from unioneyes.simulators.slack.elements import ANY_TEXT, PLAIN, Block, check_button, check_members, check_text, check_text_input, complaint

MOST_BLOCKS = 50
"""In a message."""
LONGEST_HEADER = 150
LONGEST_SECTION = 3000
MOST_FIELDS = 10
LONGEST_FIELD = 2000
MOST_CONTEXT_ELEMENTS = 10
MOST_ACTIONS = 25
LONGEST_LABEL = 2000
LONGEST_BLOCK_ID = 255
IN_MESSAGES = frozenset({"actions", "context", "divider", "header", "section"})
IN_VIEWS = IN_MESSAGES | {"input"}


def check_blocks(blocks: list[JsonValue], *, most: int, kinds: frozenset[str]) -> Iterator[str]:
    """Yield what is wrong, as Slack words it in `response_metadata.messages`."""
    if len(blocks) > most:
        yield f"no more than {most} items allowed [json-pointer:/blocks]"
    for number, block in enumerate(blocks):
        where = f"/blocks/{number}"
        if not isinstance(block, dict):
            yield complaint("must be an object", where)
            continue
        block_id = block.get("block_id", "-")
        if not isinstance(block_id, str) or not 1 <= len(block_id) <= LONGEST_BLOCK_ID:
            yield complaint(f"must be a string of at most {LONGEST_BLOCK_ID} characters", f"{where}/block_id")
        if block.get("type") in kinds:
            yield from _CHECKS[str(block["type"])](block, where)
        else:
            yield complaint(f"unsupported type: {block.get('type')}", f"{where}/type")


def _check_header(block: Block, where: str) -> Iterator[str]:
    yield from check_members(block, {"text"}, where)
    yield from check_text(block.get("text"), f"{where}/text", longest=LONGEST_HEADER, kinds=PLAIN)


def _check_context(block: Block, where: str) -> Iterator[str]:
    yield from check_members(block, {"elements"}, where)
    yield from _check_texts(block.get("elements"), f"{where}/elements", most=MOST_CONTEXT_ELEMENTS, longest=LONGEST_SECTION)


def _check_divider(block: Block, where: str) -> Iterator[str]:
    yield from check_members(block, set(), where)


def _check_actions(block: Block, where: str) -> Iterator[str]:
    yield from check_members(block, {"elements"}, where)
    elements = block.get("elements")
    if not isinstance(elements, list) or not elements:
        yield complaint("must be a list of at least 1 item", f"{where}/elements")
        return
    if len(elements) > MOST_ACTIONS:
        yield complaint(f"no more than {MOST_ACTIONS} items allowed", f"{where}/elements")
    named = [element["action_id"] for element in elements if isinstance(element, dict) and "action_id" in element]
    if len(set(map(str, named))) < len(named):
        yield complaint("`action_id` must be unique within a block", f"{where}/elements")
    for number, element in enumerate(elements):
        yield from check_button(element, f"{where}/elements/{number}")


def _check_input(block: Block, where: str) -> Iterator[str]:
    yield from check_members(block, {"label", "element", "hint", "optional", "dispatch_action"}, where)
    yield from check_text(block.get("label"), f"{where}/label", longest=LONGEST_LABEL, kinds=PLAIN)
    if "hint" in block:
        yield from check_text(block["hint"], f"{where}/hint", longest=LONGEST_LABEL, kinds=PLAIN)
    yield from check_text_input(block.get("element"), f"{where}/element")


def _check_section(block: Block, where: str) -> Iterator[str]:
    yield from check_members(block, {"text", "fields", "expand"}, where)
    if "text" not in block and "fields" not in block:
        yield complaint("missing required field: text or fields", where)
    if "text" in block:
        yield from check_text(block["text"], f"{where}/text", longest=LONGEST_SECTION, kinds=ANY_TEXT)
    if "fields" in block:
        yield from _check_texts(block["fields"], f"{where}/fields", most=MOST_FIELDS, longest=LONGEST_FIELD)


def _check_texts(texts: JsonValue, where: str, *, most: int, longest: int) -> Iterator[str]:
    if not isinstance(texts, list) or not texts:
        yield complaint("must be a list of at least 1 item", where)
        return
    if len(texts) > most:
        yield complaint(f"no more than {most} items allowed", where)
    for number, text in enumerate(texts):
        yield from check_text(text, f"{where}/{number}", longest=longest, kinds=ANY_TEXT)


_CHECKS: dict[str, Callable[[Block, str], Iterator[str]]] = {
    "actions": _check_actions,
    "context": _check_context,
    "divider": _check_divider,
    "header": _check_header,
    "input": _check_input,
    "section": _check_section,
}
