"""What somebody is shown in Slack, as modals and as buttons of a message. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from pydantic import JsonValue

from unioneyes.adapters.slack.text import escaped, shortened
from unioneyes.ports.chat import Answering, AskCode, AskWhy, Shown, Tell
from unioneyes.ports.notifier import Question

ANSWER = ("approval.grant", "approval.refuse")
"""What a press of our buttons is called."""
WHY, CODE = "approval.why", "approval.code"
"""What a modal that was filled in is called, and its one field."""
FIELD = "text"
LONGEST_TITLE = 24
LONGEST_BUTTON = 75
LONGEST_VALUE = 2000
LONGEST_URL = 3000
LONGEST_FACT = 1000
LONGEST_TEXT = 3000
LONGEST_COMPLAINT = 500
MOST_FACTS = 10
MOST_GATES = 20
"""Each has a block of its own, of which a message has fifty. Whoever needs more looks at the run's page."""

View = dict[str, JsonValue]


def buttons(question: Question) -> Iterator[View]:
    """Return the blocks by which the question is answered: a yes and a no for each gate, and the way to the run's page."""
    for number, (gate, title) in enumerate(question.gates[:MOST_GATES]):
        answers: list[JsonValue] = [
            _button(f"{word}: {title}", action, style, _kept(Answering(run=question.run, gate=gate, plan=question.plan, yes=yes)))
            for word, action, style, yes in (("Approve", ANSWER[0], "primary", True), ("Refuse", ANSWER[1], "danger", False))
        ]
        if all(isinstance(each, dict) and len(str(each["value"])) <= LONGEST_VALUE for each in answers):
            yield {"type": "actions", "block_id": f"gate-{number}", "elements": answers}
    if question.page is not None and len(question.page) <= LONGEST_URL:
        look: View = {"type": "button", "text": _plain("Look at the run", LONGEST_BUTTON), "action_id": "approval.look", "url": question.page}
        yield {"type": "actions", "block_id": "look", "elements": [look]}


def modal(form: Shown) -> View:
    """Return the modal that is the form."""
    match form:
        case AskWhy(answering=answering):
            word = "Approve" if answering.yes else "Refuse"
            facts: list[JsonValue] = [_text(f"*{escaped(name)}*\n{escaped(value)}", LONGEST_FACT) for name, value in form.facts[:MOST_FACTS]]
            blocks: list[JsonValue] = [
                {"type": "section", "text": _plain(form.title, LONGEST_TEXT)},
                {"type": "section", "fields": facts},
                _input(WHY, "Why; it stands in the journal and in the audit log", form.longest),
            ]
            return {**_asking(word, WHY, answering), "blocks": blocks}
        case AskCode(answering=answering):
            how: View = {"type": "section", "text": _plain(form.how, LONGEST_TEXT)}
            return {**_asking("Who are you here?", CODE, answering), "blocks": [how, _input(CODE, "The code from your page in the console", 100)]}
        case Tell():
            said: View = {"type": "section", "text": _plain(form.text, LONGEST_TEXT)}
            return {"type": "modal", "title": _plain(form.title, LONGEST_TITLE), "close": _plain("Close", LONGEST_TITLE), "blocks": [said]}


def _asking(title: str, called: str, answering: Answering) -> View:
    return {
        "type": "modal",
        "callback_id": called,
        "title": _plain(title, LONGEST_TITLE),
        "submit": _plain("Go on" if called == CODE else title, LONGEST_TITLE),
        "close": _plain("Cancel", LONGEST_TITLE),
        "private_metadata": _kept(answering),
    }


def _input(block: str, label: str, longest: int) -> View:
    element: View = {"type": "plain_text_input", "action_id": FIELD, "max_length": longest, "focus_on_load": True}
    return {"type": "input", "block_id": block, "label": _plain(label, LONGEST_TEXT), "element": element}


def _button(text: str, action: str, style: str, value: str) -> View:
    return {"type": "button", "text": _plain(text, LONGEST_BUTTON), "action_id": action, "style": style, "value": value}


def _kept(answering: Answering) -> str:
    """Return what Slack keeps for us, and brings back with what somebody does."""
    return json.dumps(asdict(answering), separators=(",", ":"))


def _plain(text: str, longest: int) -> View:
    return {"type": "plain_text", "text": shortened(text, longest) or "-"}


def _text(text: str, longest: int) -> View:
    return {"type": "mrkdwn", "text": shortened(text, longest)}
