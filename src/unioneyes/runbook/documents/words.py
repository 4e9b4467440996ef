"""What may stand behind a fence's language: how long the block may take, and that it takes the step above it back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import zip_longest

from unioneyes.kernel.problems import BadInput
from unioneyes.kernel.units import parse_duration
from unioneyes.runbook.documents.model import Block, Language

USUAL = timedelta(minutes=5)
"""How long a block may take where it does not say."""
LONGEST = timedelta(hours=1)

_UNDO = "undo"
_TIMEOUT = "timeout="


def time_limit(block: Block) -> timedelta:
    """Return how long the block may take."""
    named = [_duration(word) for word in block.words if word.startswith(_TIMEOUT)]
    return next((duration for duration in named if duration is not None), USUAL)


def is_undo(block: Block) -> bool:
    """Return True when the block takes the step before it back."""
    return _UNDO in block.words


def strange_words(block: Block) -> tuple[str, ...]:
    """Return the words behind the language that mean nothing."""
    return tuple(word for word in block.words if word != _UNDO and not (word.startswith(_TIMEOUT) and _duration(word) is not None))


def with_undos(blocks: Sequence[Block]) -> tuple[tuple[Block, Language, Block | None], ...]:
    """Return the steps among `blocks` in their order, each with its language, and with the undo that stands below it in the same language and section."""
    steps = [(block, block.language) for block in blocks if block.language is not None]
    found: list[tuple[Block, Language, Block | None]] = []
    for (block, language), after in zip_longest(steps, [block for block, _ in steps[1:]]):
        if not is_undo(block):
            undo = after if after is not None and is_undo(after) and (after.heading, after.language) == (block.heading, language) else None
            found.append((block, language, undo))
    return tuple(found)


def idle_undos(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Return the undos that follow no step."""
    taken = {undo.line for _, _, undo in with_undos(blocks) if undo is not None}
    return tuple(block for block in blocks if block.language is not None and is_undo(block) and block.line not in taken)


def _duration(word: str) -> timedelta | None:
    try:
        duration = parse_duration(word.removeprefix(_TIMEOUT))
    except BadInput:
        return None
    return duration if timedelta(0) < duration <= LONGEST else None
