"""`ue runbook`: the project's own documents and Python files."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import JsonValue

from unioneyes.cli.client import Api
from unioneyes.cli.launch import LAUNCH, SURE, Launch, Sure, launch, show_plan
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import Cell, Ink, result, table
from unioneyes.cli.own_files import NoSuchRunbook, find_file, read_file
from unioneyes.kernel.problems import BadInput, ExitCode, Refused
from unioneyes.kernel.status import Tone
from unioneyes.runbook.documents.choosing import chosen
from unioneyes.runbook.documents.effects import step_effect
from unioneyes.runbook.documents.markdown import read_document
from unioneyes.runbook.documents.model import Block, Document
from unioneyes.runbook.documents.parameters import parameters_of
from unioneyes.runbook.documents.values import Parameter as Open
from unioneyes.runbook.documents.words import with_undos
from unioneyes.runbook.own import Form, RunbookView
from unioneyes.runbook.plan import Effect

RUN, READ = "document.run", "document.read"


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which part is run, and with which values."""

    set: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = ()
    """NAME=VALUE, once for each value that the runbook asks for; of a secret, where it is kept: TOKEN=@/run/secrets/token, TOKEN=secret://PROVIDER/PATH#KEY."""
    only: str | None = None
    """Only what stands under this heading of the document."""
    start: Annotated[str | None, Parameter(name="--from")] = None
    """From this heading of the document on."""
    planned: str | None = None
    """The plan's hash, as it was looked at: another plan is refused."""


CHOICE = Choice()


def list_runbooks(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """List the runbooks: your own, broken ones with their line, and the built-in ones.

    Of the built-in ones, when they passed a drill last, and whether they changed since.
    Ends with 1 when a file of your own is broken.
    """
    found = Api(where).get("runbooks", tuple[RunbookView, ...])
    result(output, found.document, lambda ink: _table(ink, found.value))
    return ExitCode.FAILED if any(each.broken for each in found.value) else ExitCode.DONE


def plan(file: str, /, *, choice: Choice = CHOICE, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show every step of a runbook: its exact command, what is missing, and what will be asked.

    Ends with 3 while something stands in its way. Changes nothing.

    Args:
        file: A Markdown file, the name of one in the folder of the project's own runbooks, or a runbook's name.
    """
    values, found = _given(choice), _document(file, where)
    if found is None:
        return show_plan(Api(where), _by_name(file, choice, where), {**values}, output)
    return show_plan(Api(where), RUN, _request(found, choice, values), output)


def run(
    file: str,
    /,
    *,
    choice: Choice = CHOICE,
    how: Launch = LAUNCH,
    sure: Sure = SURE,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """Run a document's blocks, or a Python runbook, with plan, journal and gates.

    Asks for what the document leaves open, where somebody is there to ask. Blocks that only read hold nobody up; others hold the service.

    Args:
        file: A Markdown file, the name of one in the folder of the project's own runbooks, or a runbook's name.
    """
    values, found = _given(choice), _document(file, where)
    if found is None:
        return launch(_by_name(file, choice, where), {**values}, how, where, output, sure=sure)
    steps = with_undos(chosen(found.document, only=choice.only, start=choice.start))
    values = _asked_for([each for block, _, undo in steps for each in (block, undo) if each is not None], values, ask=not how.dry_run)
    reads = all(step_effect(block, undo) is Effect.READ for block, _, undo in steps)
    return launch(READ if reads else RUN, _request(found, choice, values), how, where, output, sure=sure)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A document, and its whole text as it stands in its file."""

    document: Document
    text: str


def _document(file: str, where: Where) -> _Found | None:
    """Return the document; None for a Python file, and for a runbook that is called by its name. Raises: NoSuchRunbook, DocumentUnreadable."""
    path = find_file(file, where)
    if path.suffix == ".py" if path is not None else not ("/" in file or file.endswith(".md")):
        return None
    path, content = read_file(file, where)
    return _Found(document=read_document(content, path.name), text=content.decode("utf-8"))


def _request(found: _Found, choice: Choice, values: Mapping[str, str]) -> JsonValue:
    """Return what is asked of the document's runbook."""
    given: dict[str, JsonValue] = {**values}
    return {
        "name": found.document.name,
        "text": found.text,
        "only": choice.only,
        "start": choice.start,
        "values": given,
        "planned": choice.planned,
    }


def _by_name(named: str, choice: Choice, where: Where) -> str:
    """Return the runbook that `named` is, or that its Python file registers. Raises: NoSuchRunbook, WrongSet."""
    if choice.only or choice.start or choice.planned:
        raise WrongSet(what="--only, --from and --planned are for documents", remedy="leave them out for a Python runbook")
    path = find_file(named, where)
    if path is None:
        return named  # the server knows whether there is one
    known = Api(where).get("runbooks", tuple[RunbookView, ...]).value
    mine = [each for each in known if each.file is not None and Path(each.file).resolve() == path.resolve()]
    if broken := [each.broken for each in mine if each.broken]:
        raise NoSuchRunbook(what=broken[0], remedy="correct the file; it is read again the next time")
    if len(mine) != 1:
        own = ", ".join(each.name for each in (mine or known) if each.form is Form.PYTHON) or "there is none"
        what = f"{path} registers {len(mine)} runbooks" if mine else f"{path} is not in the folder that the server loads its Python files from"
        raise NoSuchRunbook(what=what, remedy=f"name one of: {own}; ue runbook list")
    return mine[0].name


def _given(choice: Choice) -> dict[str, str]:
    given: dict[str, str] = {}
    for each in choice.set:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise WrongSet(what=f"--set {each} names no value", remedy="write --set NAME=VALUE")
        given[name] = value
    return given


def _asked_for(blocks: Sequence[Block], values: dict[str, str], *, ask: bool) -> dict[str, str]:
    """Return the values, with those that a person was asked for. Raises: ValueMissing where nobody is there to ask."""
    lacking = [parameter for parameter in parameters_of(blocks) if parameter.name not in values and not parameter.optional]
    if not lacking or not ask:
        return values
    if not sys.stdin.isatty():
        told = "; ".join(f"{parameter.name} ({parameter.wanted})" for parameter in lacking)
        remedy = " ".join(f"--set {parameter.name}=..." for parameter in lacking)
        raise ValueMissing(what=f"nobody is here to ask for {told}", remedy=f"add {remedy}")
    return {**values, **{parameter.name: _ask(parameter) for parameter in lacking}}


def _ask(parameter: Open) -> str:
    """Return what the person typed, once it is what it has to be."""
    while True:
        print(f"{parameter.name} ({parameter.wanted}; lines {', '.join(map(str, parameter.lines))}): ", end="", file=sys.stderr, flush=True)  # noqa: T201 - a question
        typed = sys.stdin.readline()
        if not typed:
            raise ValueMissing(what=f"{parameter.name} was not given", remedy=f"add --set {parameter.name}=...")
        refused = parameter.refuses(typed.strip())
        if refused is None:
            return typed.strip()
        print(f"it must be {refused}", file=sys.stderr)  # noqa: T201 - an answer


def _table(ink: Ink, runbooks: tuple[RunbookView, ...]) -> str:
    rows = [
        (
            each.name,
            each.form.value,
            Cell(f"✘ {each.broken}", Tone.BAD) if each.broken else Cell(each.note or "-", Tone.QUIET if not each.note else None),
            _drilled(each),
            ", ".join(each.asks),
            each.title,
        )
        for each in runbooks
    ]
    return table(ink, ("runbook", "form", "state", "last drilled", "asks for", "title"), rows, empty="no runbooks")


def _drilled(each: RunbookView) -> Cell:
    if each.form is not Form.BUILT_IN:
        return Cell("-", Tone.QUIET)
    if each.drilled is None:
        return Cell("never", Tone.WARN)
    return Cell(f"{each.drilled.on}, unchanged since") if each.drilled.unchanged else Cell(f"{each.drilled.on}, changed since", Tone.WARN)


class WrongSet(BadInput):
    """What was chosen or set makes no sense for this runbook."""


class ValueMissing(Refused):
    """The document leaves something open, and nobody said what it is."""
