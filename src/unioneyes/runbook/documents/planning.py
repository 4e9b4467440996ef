"""From a document, a choice and values to a plan. Pure: what is installed is told by whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from unioneyes.kernel.problems import BadInput, Refused
from unioneyes.ports.checklist import Gate, GateState
from unioneyes.ports.environment import Facts
from unioneyes.runbook.documents.choosing import chosen
from unioneyes.runbook.documents.effects import step_effect
from unioneyes.runbook.documents.equivalents import equivalent
from unioneyes.runbook.documents.lint.checks import lint
from unioneyes.runbook.documents.lint.finding import Finding
from unioneyes.runbook.documents.markdown import read_document, slug_of
from unioneyes.runbook.documents.model import Block, Document, DocumentUnreadable, Language
from unioneyes.runbook.documents.parameters import filled, masked, parameters_of, shell_variables
from unioneyes.runbook.documents.plan import Asked, DocumentPlan, DocumentRequest, PlannedBlock, Shown
from unioneyes.runbook.documents.shell import read_script
from unioneyes.runbook.documents.typed import typed_command
from unioneyes.runbook.documents.values import Kind, Parameter
from unioneyes.runbook.documents.words import time_limit, with_undos
from unioneyes.runbook.plan import Effect, PlannedStep

CHECK = "check_document"
"""The step that comes first."""
LONGEST_SLUG = 40
LARGEST_BLOCK = 100_000
"""Bytes of a block: Linux hands no longer argument over, and what reads shell and SQL takes longer than a block grows."""

Missing = Callable[[Iterable[str]], tuple[str, ...]]
"""Tells which programs are not installed where the blocks will run."""


def plan_document(request: DocumentRequest, facts: Facts, *, missing: Missing, sql_by: str, checked: PlannedStep) -> DocumentPlan:
    """Return the plan. Raises: DocumentUnreadable, UnknownHeading, NothingToRun, UnknownParameter, SecretTyped, PlanChanged."""
    document = read_document(request.text.encode(), request.name)
    _require_short(document)
    blocks = chosen(document, only=request.only, start=request.start)
    steps = with_undos(blocks)
    if not steps:
        raise NothingToRun(what=f"{request.name} has no bash or sql block there", remedy="choose another heading, or name a language behind the fence")
    used = [each for block, _, undo in steps for each in (block, undo) if each is not None]
    parameters = parameters_of(used)
    asked = _asked(parameters, request.values)
    good = {each.name: each.value for each in asked if each.value is not None and each.refused is None}
    planned = tuple(_planned(block, language, undo, good, parameters) for block, language, undo in steps)
    absent = missing(program for block in planned for program in block.programs)
    destroys = any(block.effect is Effect.DESTROY for block in planned)
    plan = DocumentPlan(
        summary=f"run {len(planned)} {'block' if len(planned) == 1 else 'blocks'} of {_where(request)}, in {facts.name}",
        steps=(checked, *(_step(block, absent, sql_by) for block in planned)),
        confirm=facts.name if destroys else None,
        document=request.name,
        sha256=document.source.sha256,
        blocks=planned,
        asked=asked,
        shown=tuple(Shown(line=block.line, language=block.info or "no language", section=block.section) for block in blocks if block.language is None),
        gates=(_readable(document, used), _values(asked), _programs(used, absent), _sound(lint(document), used)),
    )
    if request.planned is not None and plan.hash() != request.planned:
        raise PlanChanged(
            what=f"the plan that was looked at is {request.planned[:12]}, and now it is {plan.hash()[:12]}: the document, a value or the machine changed",
            remedy="look at the plan again, then run that one",
        )
    return plan


def _require_short(document: Document) -> None:
    """Return when no block is too long, also of those that are not chosen: the lint reads them. Raises: DocumentUnreadable."""
    for block in document.steps:
        if (size := len(block.code.encode())) > LARGEST_BLOCK:
            what = f"{document.name}, line {block.line}: the block has {size:,} bytes"
            raise DocumentUnreadable(what=what, remedy=f"split it: {LARGEST_BLOCK:,} bytes of one are run at most")


def _where(request: DocumentRequest) -> str:
    place = f" under {request.only}" if request.only else f" from {request.start} on" if request.start else ""
    return f"{request.name}{place}"


def _asked(parameters: Sequence[Parameter], values: Mapping[str, str]) -> tuple[Asked, ...]:
    known = {parameter.name for parameter in parameters}
    if strange := sorted(values.keys() - known):
        named = ", ".join(sorted(known)) or "nothing"
        raise UnknownParameter(what=f"the chosen part leaves no {', '.join(strange)} open", remedy=f"it leaves open: {named}")
    if typed := [parameter for parameter in parameters if parameter.kind is Kind.SECRET and (value := values.get(parameter.name)) and parameter.refuses(value)]:
        # What is no reference to a secret may be the secret itself: a plan, and the request that it comes from, would be kept.
        named = ", ".join(parameter.name for parameter in typed)
        raise SecretTyped(
            what=f"{named} must be {typed[0].wanted}; what was given instead is kept nowhere",
            remedy=f"write it into a file: --set {typed[0].name}=@FILE; or refer to where it is kept: --set {typed[0].name}=secret://PROVIDER/PATH#KEY",
        )
    return tuple(
        Asked(
            name=parameter.name,
            spoken=parameter.spoken,
            wanted=parameter.wanted,
            lines=parameter.lines,
            value=value,
            refused=None if value is None else parameter.refuses(value),
            optional=parameter.optional,
        )
        for parameter in parameters
        for value in (values.get(parameter.name),)
    )


def _planned(block: Block, language: Language, undo: Block | None, values: Mapping[str, str], parameters: Sequence[Parameter]) -> PlannedBlock:
    known = {parameter.name: parameter for parameter in parameters}
    both = [each for each in (block, undo) if each is not None]
    wanted = frozenset[str]().union(*(shell_variables(each) for each in both))
    given = {name: value for name, value in values.items() if name in wanted}
    secrets = {name: value.removeprefix("@") for name, value in given.items() if known[name].kind is Kind.SECRET}
    return PlannedBlock(
        step=f"{_short(slug_of(block.path[-1] if block.path else 'document'))}:{block.line}",
        section=block.section,
        line=block.line,
        language=language,
        effect=step_effect(block, undo),
        code=filled(block, values, known).rstrip("\n"),
        undo=None if undo is None else filled(undo, values, known).rstrip("\n"),
        variables={name: value for name, value in given.items() if name not in secrets},
        secrets=secrets,
        within=time_limit(block),
        programs=tuple(dict.fromkeys(program for each in both for program in _programs_of(each))),
    )


def _short(slug: str) -> str:
    return slug if len(slug) <= LONGEST_SLUG else slug[:LONGEST_SLUG].rpartition("-")[0] or slug[:LONGEST_SLUG]


def _programs_of(block: Block) -> tuple[str, ...]:
    if block.language is not Language.BASH:
        return ()
    script = read_script(masked(block))
    names = (command.name for command in script.commands if not command.foreign and command.name not in script.own and "$" not in command.name)
    return tuple(dict.fromkeys(names))


def _step(planned: PlannedBlock, absent: Sequence[str], sql_by: str) -> PlannedStep:
    lacking = [program for program in planned.programs if program in absent]
    told = f"; not installed: {', '.join(lacking)}" if lacking else ""
    return PlannedStep(
        step=planned.step,
        does=f"{planned.section}, line {planned.line}{told}" if planned.section else f"line {planned.line}{told}",
        effect=planned.effect,
        commands=(typed_command(planned, planned.code, sql_by=sql_by),),
        undo=() if planned.undo is None else (typed_command(planned, planned.undo, sql_by=sql_by),),
        detail=planned.language.value,
        no_return=planned.effect is Effect.DESTROY,
    )


def _readable(document: Document, used: Sequence[Block]) -> Gate:
    unended = [block.line - 1 for block in used if not block.closed]
    wrong = f"the fence in line {unended[0]} is never closed" if unended else ""
    return _gate("readable", "the document can be read to its end", wrong, remedy="close it", fine=f"{document.name}, {document.source.sha256[:12]}")


def _values(asked: Sequence[Asked]) -> Gate:
    wrong = [f"{each.name} must be {each.refused}" for each in asked if each.refused is not None]
    lacking = [each for each in asked if each.open and each.refused is None]
    told = [*wrong, *([f"{', '.join(each.name for each in lacking)} {'has' if len(lacking) == 1 else 'have'} no value"] if lacking else [])]
    remedy = f"--set NAME=VALUE for {', '.join(each.name for each in asked if each.open)}"
    return _gate("values", "everything that it leaves open has a value", "; ".join(told), remedy=remedy, fine=f"{len(asked)} asked for")


def _programs(used: Sequence[Block], absent: Sequence[str]) -> Gate:
    instead = {
        f"`{row.does}` -> {row.told}": None
        for block in used
        if block.language is Language.BASH
        for command in read_script(masked(block)).commands
        if command.name in absent and (row := equivalent(command.text)) is not None
    }
    remedy = f"install {'it' if len(absent) == 1 else 'them'}" + (f"; or start instead of the document: {'; '.join(instead)}" if instead else "")
    wrong = f"not installed where it runs: {', '.join(absent)}" if absent else ""
    return _gate("programs", "every command is installed", wrong, remedy=remedy, fine="all of them")


def _sound(findings: Sequence[Finding], used: Sequence[Block]) -> Gate:
    lines = {block.line for block in used}
    wrong = [f"line {finding.line}: {finding.rule}" for finding in findings if finding.blocks and finding.block in lines]
    remedy = "ue runbook lint says what to do; what must stay is accepted in the document: <!-- ue: accept RULE: why -->"
    return _gate("sound", "nothing in it is known to harm", "; ".join(wrong), remedy=remedy, fine="no errors in the chosen blocks")


def _gate(name: str, title: str, wrong: str, *, remedy: str, fine: str) -> Gate:
    if wrong:
        return Gate(name=name, title=title, state=GateState.FAILED, detail=wrong, remedy=remedy)
    return Gate(name=name, title=title, state=GateState.PASSED, detail=fine)


class NothingToRun(BadInput):
    """The document has no block to run there."""


class UnknownParameter(BadInput):
    """A value was given for what the document does not leave open."""


class SecretTyped(BadInput):
    """A secret's value stands where the file that holds it belongs."""


class PlanChanged(Refused):
    """The plan is not the one that was looked at."""
