"""What a document leaves open: found in its blocks, asked for, checked, and put in without ever becoming code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from unioneyes.runbook.documents.model import Block, Language
from unioneyes.runbook.documents.places import Held, held_of
from unioneyes.runbook.documents.shell import read_script
from unioneyes.runbook.documents.sql import NAME, Place, place_of
from unioneyes.runbook.documents.values import Kind, Parameter, kind_of

_SHELLS_OWN = re.compile(
    r"\d+|HOME|PATH|USER|LOGNAME|PWD|OLDPWD|HOSTNAME|UID|EUID|PPID|RANDOM|SECONDS|LINENO|SHELL|TMPDIR|LANG|IFS|OSTYPE|BASH.*|PIPESTATUS|REPLY"
)
_PLACEHOLDER = re.compile(
    r"""
      <(?P<angled>[a-z][a-z0-9]*(?:[-_ ][a-z0-9]+)*)>
    | (?<![\w$\])*?])\[(?P<bracketed>[A-Za-z]{2,}(?:[ _-][A-Za-z]+)*)\](?![\w*?(])
    | (?P<day>YYYY-MM-DD|YYYYMMDD)
    | (?P<moment>(?<=[_.-])TIMESTAMP\b|\bTIMESTAMP(?=[_.-]))
    | (?<![A-Za-z])(?P<crosses>X{3,})(?![A-Za-z])
    """,
    re.VERBOSE,
)
_SQL_VARIABLE = re.compile(r"(?<!\$)\$\{?(?P<name>[A-Z][A-Z0-9_]*)\b\}?(?!\$)")
_SECRET_PLACEHOLDER = re.compile(
    r"(password|passwd|passphrase|passcode|(^|[-_ ])pass|pwd|token|secret|credentials?|(api|private|signing|encryption)[-_ ]?key|dsn|jwt)$", re.IGNORECASE
)
"""Of a secret itself, not of its name: `<new-password>`, and not `<secret-name>`."""
_NAME_FOLLOWS = re.compile(
    r"\b(JOIN|INTO|(?<!FOR )UPDATE|TABLE|VIEW|INDEX|SEQUENCE|SCHEMA|DATABASE|ROLE|USER|VACUUM(\s+(FULL|ANALYZE|VERBOSE))*|REINDEX|CLUSTER|TRUNCATE)"
    r"\s+((CONCURRENTLY|ONLY|IF\s+EXISTS|IF\s+NOT\s+EXISTS)\s+)?$",
    re.IGNORECASE,
)
_FORMATS = re.compile(r"\bto_(?:char|date|timestamp)\s*\(", re.IGNORECASE)
"""Before a format, which looks like a day left open and is none."""


def parameters_of(blocks: Iterable[Block]) -> tuple[Parameter, ...]:
    """Return what `blocks` leave open, in the order in which they first name it."""
    found: dict[str, list[Parameter]] = {}
    for block in blocks:
        for parameter in _of_block(block):
            found.setdefault(parameter.name, []).append(parameter)
    return tuple(_joined(places) for places in found.values())


def masked(block: Block) -> str:
    """Return a bash block's code with plain words of the same length as placeholders, so that it can be read as bash: `_pod_name_` for `<pod-name>`."""
    return _replaced(block, lambda found: re.sub(r"\W", "_", found[0]))


def filled(block: Block, values: Mapping[str, str], known: Mapping[str, Parameter]) -> str:
    """Return the block's code with `values`, which were checked, put in: once, so that no value is looked through for others.

    A bash block's variables stay: the shell gets them as its environment.
    """
    code, parts, at = block.code, list[str](), 0
    for name, found in _open_places(block):
        value = values.get(name)
        if value is not None and found.start() >= at and known[name].kind is not Kind.SECRET:
            parts += [code[at : found.start()], _in_place(value, known[name], found) if block.language is Language.SQL else value]
            at = found.end()
    return "".join([*parts, code[at:]])


def _open_places(block: Block) -> Sequence[tuple[str, re.Match[str]]]:
    """Return every placeholder of the block with its name, and every variable where it is SQL, in the order of the text."""
    found = [(_placeholder_name(each), each) for each in _PLACEHOLDER.finditer(block.code) if _is_placeholder(block, each)]
    if block.language is Language.SQL:
        found += [(each["name"], each) for each in _SQL_VARIABLE.finditer(block.code) if _is_variable(each)]
    return sorted(found, key=lambda place: place[1].start())


def shell_variables(block: Block) -> frozenset[str]:
    """Return the variables that a bash block takes from its environment."""
    return frozenset(parameter.name for parameter in _of_block(block) if parameter.spoken.startswith("$")) if block.language is Language.BASH else frozenset()


@lru_cache(maxsize=512)
def _of_block(block: Block) -> tuple[Parameter, ...]:
    """Return every place of the block that is left open, each as a parameter of its own."""
    return tuple(_in_block(block))


def _in_block(block: Block) -> Iterator[Parameter]:
    code, sql = block.code, block.language is Language.SQL
    for name, found in _open_places(block):
        line = block.line + code.count("\n", 0, found.start())
        named = sql and _is_in_name(found)
        if found.re is _SQL_VARIABLE:
            kind = Kind.IDENTIFIER if kind_of(name) is Kind.TEXT and _name_belongs(found) else kind_of(name)
            strict = place_of(code, found.start()) is not Place.CODE
            yield Parameter(name=name, spoken=found[0], kind=kind, lines=(line,), strict=strict, named=named)
        else:
            kind = _placeholder_kind(block, found)
            yield Parameter(name=name, spoken=found[0], kind=kind, lines=(line,), bare=True, strict=kind is not Kind.QUERY, named=named)
    if sql:
        return
    script = read_script(masked(block))
    for use, how in zip(script.uses, held_of(script), strict=True):
        if use.name in script.own or _SHELLS_OWN.fullmatch(use.name):
            continue
        yield Parameter(
            name=use.name,
            spoken=f"${use.name}",
            kind=kind_of(use.name),
            lines=(block.line + use.line - 1,),
            bare=use.bare,
            strict=how is Held.WORD,
            part=how is Held.PART,
            optional=use.optional,
        )


def _is_in_name(found: re.Match[str]) -> bool:
    """Return True where what stands beside makes one name of it: `claims_YYYYMMDD`."""
    code = found.string
    beside = code[max(found.start() - 1, 0) : found.start()], code[found.end() : found.end() + 1]
    return place_of(code, found.start()) is Place.CODE and any(re.fullmatch(NAME, character) for character in beside)


def _name_belongs(found: re.Match[str]) -> bool:
    """Return True behind a word of SQL that a name follows: `VACUUM <claims>`."""
    return place_of(found.string, found.start()) is Place.CODE and _NAME_FOLLOWS.search(found.string[max(found.start() - 80, 0) : found.start()]) is not None


def _joined(places: Sequence[Parameter]) -> Parameter:
    """Return the one parameter that all these places name."""
    return replace(
        places[0],
        lines=tuple(sorted({line for place in places for line in place.lines})),
        bare=any(place.bare for place in places),
        strict=any(place.strict for place in places),
        part=any(place.part for place in places),
        named=any(place.named for place in places),
        optional=all(place.optional for place in places),
    )


def _replaced(block: Block, by: Callable[[re.Match[str]], str]) -> str:
    return _PLACEHOLDER.sub(lambda found: by(found) if _is_placeholder(block, found) else found[0], block.code)


def _is_placeholder(block: Block, found: re.Match[str]) -> bool:
    line = block.code[block.code.rfind("\n", 0, found.start()) + 1 : found.start()]
    if block.language is Language.SQL:
        return place_of(block.code, found.start()) is not Place.COMMENT and not found["moment"] and not _FORMATS.search(line)
    return not re.search(r"(^|\s)#", line)


def _is_variable(found: re.Match[str]) -> bool:
    """Return False in a comment, and in a name: PostgreSQL knows names such as `a$B`."""
    place = place_of(found.string, found.start())
    return place is not Place.COMMENT and (place is not Place.CODE or not re.match(NAME, found.string[found.start() - 1 : found.start()]))


def _placeholder_name(found: re.Match[str]) -> str:
    return found["angled"] or found["bracketed"] or found[0]


def _placeholder_kind(block: Block, found: re.Match[str]) -> Kind:
    name = _placeholder_name(found)
    if _SECRET_PLACEHOLDER.search(name):
        return Kind.SECRET
    if found["day"] or found["moment"]:
        return Kind.DATE if found["day"] else Kind.MOMENT
    if found["crosses"]:
        return Kind.NUMBER if "migrations/" in block.code[: found.start()].rpartition("\n")[2] else Kind.NAME
    if block.language is Language.SQL and re.fullmatch(r"(your )?(query|statement|sql)", name, re.IGNORECASE):
        return Kind.QUERY
    if block.language is Language.SQL and (_name_belongs(found) or kind_of(re.sub(r"\W", "_", name)) is Kind.IDENTIFIER):
        return Kind.IDENTIFIER
    return Kind.NUMBER if re.fullmatch(r"pid|port|count", name) else Kind.NAME


def _in_place(value: str, parameter: Parameter, found: re.Match[str]) -> str:
    """Return `value` as it stands in SQL: as it is where it is a plain word, a part of a name or a checked query, as a literal elsewhere."""
    if parameter.kind in {Kind.QUERY, Kind.IDENTIFIER, Kind.NUMBER} or place_of(found.string, found.start()) is not Place.CODE or _is_in_name(found):
        return value
    return "'{}'".format(value.replace("'", "''"))
