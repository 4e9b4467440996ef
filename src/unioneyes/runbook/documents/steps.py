"""The steps of a document: each block is one, with its own name, effect, time limit and undo."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from enum import StrEnum

from unioneyes.kernel.fencing import FencedOff
from unioneyes.kernel.problems import Problem, Refused
from unioneyes.kernel.redaction import Redactor
from unioneyes.ports.checklist import Gate
from unioneyes.ports.queries import Queries
from unioneyes.ports.secrets import SCHEME, SecretProvider, SecretReference, SecretUnresolved
from unioneyes.ports.shell import Ran, Shell
from unioneyes.runbook.documents.model import Language
from unioneyes.runbook.documents.plan import PlannedBlock
from unioneyes.runbook.documents.typed import READ_ONLY
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.steps import Step, current_run, pause, progress, step, story
from unioneyes.runbook.views import EntryKind, JournalEntry

_GRACE = timedelta(seconds=30)
"""Beyond its own time limit, for a block to be ended with all that it started."""
_LOOK = timedelta(0)
_FILES = "file"
"""Who reads the files of this machine, as references name it."""
_TOLD_EVERY_SECONDS = 2.0
_NO_SCRIPT, _NO_SQL = ":", "SELECT"
"""What does nothing, and begins only when nothing of an earlier worker goes on."""


class NotReady(Refused):
    """A document is not run while something stands in its way."""


class SecretUnreadable(Refused):
    """What should hold a secret in one line can't be read where the worker runs."""


class BlockInterrupted(Problem):
    """A worker died while the block was under way; how far it got is not known."""


@step(effect=Effect.READ)
def check_document(shell: Shell, *, gates: tuple[Gate, ...], programs: tuple[str, ...]) -> None:
    """Everything that the document leaves open has a value, every command is installed here, and nothing in it is known to harm."""
    blocking = [gate for gate in gates if gate.state.blocks]
    if blocking:
        raise NotReady(what="; ".join(f"{gate.title}: {gate.detail}" for gate in blocking), remedy="; ".join(gate.remedy for gate in blocking))
    if absent := shell.missing(programs):
        raise NotReady(what=f"not installed where this worker runs: {', '.join(absent)}", remedy="install what is missing; the plan names what ue does instead")


def step_of(block: PlannedBlock) -> Step[..., None]:
    """Return the block as a step."""
    limit = block.within + _GRACE
    back = Step(function=undo_block, name=f"undo {block.step}", effect=Effect.CHANGE, undo=None, time_limit=limit, retries=0)
    return Step(function=run_block, name=block.step, effect=block.effect, undo=None if block.undo is None else back, time_limit=limit, retries=0)


def run_block(shell: Shell, queries: Queries, kept: SecretProvider, *, block: PlannedBlock, hidden: tuple[str, ...]) -> None:
    """Every command of the block ended well.

    `hidden` is where all the secrets of the run stand: a block may print what another one was given, and left behind.
    """
    run_id = current_run.get().run_id
    match Before.READS if block.effect is Effect.READ else before(story(run_id), run_id, block.step):
        case Before.DONE:
            progress("it was done before this worker took over")
        case Before.BEGUN:
            going_on = end_earlier(shell, queries, block)
            raise BlockInterrupted(
                what=f"a worker died while the block of line {block.line} was under way; how far it got is not known{going_on}",
                remedy="look; then start it anew from there with --from, or, with --park, decide retry or skip",
            )
        case Before.READS | Before.NOTHING:
            _carry_out(shell, queries, kept, block, code=block.code, hidden=hidden)


def undo_block(shell: Shell, queries: Queries, kept: SecretProvider, *, block: PlannedBlock, hidden: tuple[str, ...]) -> None:
    """What the block did is taken back, as the document says."""
    if block.undo is not None:
        _carry_out(shell, queries, kept, block, code=block.undo, hidden=hidden)


def end_earlier(shell: Shell, queries: Queries, block: PlannedBlock) -> str:
    """What an earlier worker began of the block does not go on, nor begin any more, while a person looks how far it got; return what to add where it may.

    The worker itself may only have been stopped. Raises: FencedOff, where this one is no longer in charge either.
    """
    try:
        if block.language is Language.SQL:
            queries.run(_NO_SQL, read_only=False, within=_GRACE, meanwhile=_on)
        else:
            shell.run(_NO_SCRIPT, variables={}, within=_GRACE, meanwhile=_on)
    except FencedOff:
        raise
    except Problem as problem:
        return f", and it may still go on: {problem.what}"
    return ""


def _on(_line: str = "") -> None:
    """Nobody ends it."""


class Before(StrEnum):
    """What came of a block before this time."""

    NOTHING = "nothing"
    READS = "reads"
    """It does not matter: the block only reads."""
    BEGUN = "begun"
    """It was begun; how far it got is not known, or it failed and nobody decided that it be done again."""
    DONE = "done"


def before(journal: Sequence[JournalEntry], run_id: str, step: str) -> Before:
    """Return what came of the block before this time, whose beginning stands in the journal too: since a person decided about it last, where one did.

    The journal knows more than the durable engine, which keeps what came of a step after the step has told it.
    """
    marks = {EntryKind.STEP_STARTED, EntryKind.STEP_DONE, EntryKind.DECIDED}
    own = [entry.kind for entry in journal if entry.run_id == run_id and entry.step == step and entry.kind in marks]
    decided = max((at for at, kind in enumerate(own) if kind is EntryKind.DECIDED), default=-1)
    since = own[decided + 1 :]
    if EntryKind.STEP_DONE in since:
        return Before.DONE
    return Before.BEGUN if since.count(EntryKind.STEP_STARTED) > 1 else Before.NOTHING


def _carry_out(shell: Shell, queries: Queries, kept: SecretProvider, block: PlannedBlock, *, code: str, hidden: Iterable[str]) -> None:
    secrets = {name: _secret(kept, name, place) for name, place in block.secrets.items()}
    redact = Redactor([*secrets.values(), *_readable(kept, set(hidden) - set(block.secrets.values()))])
    reads = block.effect is Effect.READ and code == block.code
    teller = _Teller(redact)
    try:
        if block.language is Language.SQL:
            ran = queries.run(code, read_only=reads, within=block.within, meanwhile=teller.look)
        else:
            variables = {**(READ_ONLY if reads else {}), **block.variables, **secrets}
            ran = shell.run(code, variables=variables, within=block.within, meanwhile=teller.look)
    except Problem as problem:
        problem.what = redact(f"line {block.line}: {problem.what}")
        raise
    _tell(ran, redact)


def _tell(ran: Ran, redact: Redactor) -> None:
    output = redact(ran.output).strip()
    lines = output.splitlines()
    progress(lines[-1] if lines else "it printed nothing", output=output, took_s=ran.took.total_seconds())


def _readable(kept: SecretProvider, places: Iterable[str]) -> Iterator[str]:
    """Return the secrets of other blocks. One that is not there, or not yet, keeps nobody from going on: its own block is refused."""
    for place in places:
        with suppress(Problem):
            yield _secret(kept, "a secret", place)


def _secret(kept: SecretProvider, name: str, place: str) -> str:
    """Return what stands in the file on this machine, or what the reference leads to. Raises: SecretUnreadable, ProviderUnavailable.

    A file is read like any other that holds a secret: not where others can read it, never more than a secret has, and nothing is waited for.
    """
    reference = SecretReference.parse(place) if place.startswith(SCHEME) else SecretReference(provider=_FILES, path=place.lstrip("/"))
    try:
        value = kept.resolve(reference).get_secret_value()
    except SecretUnresolved as problem:
        raise SecretUnreadable(what=f"{name}: {problem.what}", remedy=problem.remedy) from None
    if not value or "\n" in value or "\0" in value:
        raise SecretUnreadable(what=f"{place}, which should hold {name} in one line, can't be read", remedy="write it there, readable for the server alone")
    return value


class _Teller:
    """Tells now and then what a block printed last, and ends the block when the run is stopped."""

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        self._told = ""
        self._next = time.monotonic() + _TOLD_EVERY_SECONDS

    def look(self, line: str = "") -> None:
        """Raises: RunStopped when the run was cancelled or superseded."""
        pause(_LOOK)
        if line and line != self._told and time.monotonic() >= self._next:
            self._told = line
            self._next = time.monotonic() + _TOLD_EVERY_SECONDS
            progress(self._redact(line))
