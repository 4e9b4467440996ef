"""What a document leaves open: found in its blocks, asked for, checked, and put in without ever becoming code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache

from unioneyes.runbook.documents.model import Block, Language
from unioneyes.runbook.documents.places import Held, held_of
from unioneyes.runbook.documents.shell import read_script
from unioneyes.runbook.documents.sql import Place, place_of, read_statements, unended_at


class Kind(StrEnum):
    """What a value may be."""

    HOST = "host"
    IDENTIFIER = "identifier"
    VERSION = "version"
    ADDRESS = "address"
    EMAIL = "email"
    ID = "id"
    NAME = "name"
    NUMBER = "number"
    DATE = "date"
    MOMENT = "moment"
    QUERY = "query"
    SECRET = "secret"  # noqa: S105 - the kind's name
    TEXT = "text"


_FORMS = {
    Kind.HOST: (r"[A-Za-z0-9:]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?", "a host name or an address"),
    Kind.IDENTIFIER: (r"[A-Za-z_][A-Za-z0-9_]{0,62}", "a name of letters, digits and _"),
    Kind.VERSION: (r"v?[0-9]+(\.[0-9]+){0,3}([-+][A-Za-z0-9.-]+)?", "a version, such as 1.4.0"),
    Kind.ADDRESS: (r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/%&=?@:+,-]*)?", "an http or https address"),
    Kind.EMAIL: (r"[A-Za-z0-9][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,}", "an e-mail address"),
    Kind.ID: (r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}", "an identifier: letters, digits, and _ . : @ -"),
    Kind.NAME: (r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?", "a name of letters, digits, and . _ -"),
    Kind.NUMBER: (r"[0-9]{1,18}", "digits"),
    Kind.DATE: (r"[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}", "a day"),
    Kind.MOMENT: (r"[0-9]{8}_[0-9]{6}", "a moment, such as 20260209_143000"),
    Kind.SECRET: (r"@/[^\x00-\x1f\x7f]{1,1000}", "a file that holds it, where the server runs: @/run/secrets/token"),
    Kind.TEXT: (r"(?!-)[^\x00-\x1f\x7f]{1,1000}", "one line that does not begin with -: it would be taken for an option"),
}
_BARE = re.compile(r"[^\s*?\[\]\\~{}-][^\s*?\[\]\\{}]*")
"""What the shell leaves as one word where it stands outside quotes."""
_PLAIN = re.compile(r"(?!.*--)[A-Za-z0-9_.@:+-]+")
"""What stays one word in whatever language it is put into; `--` begins a comment in SQL."""
_PART = re.compile(r"(?!.*(^|/)\.\.(/|$))[A-Za-z0-9_.@:+/%=,-]+")
"""What stays a part of one path, address or option."""
_KINDS = (
    (r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE|WEBHOOK|_KEY$", Kind.SECRET),
    (r"HOST", Kind.HOST),
    (r"(USER|ROLE|DATABASE|DB|SCHEMA|TABLE)(NAME)?$", Kind.IDENTIFIER),
    (r"VERSION|^TAG$", Kind.VERSION),
    (r"(URL|URI|ENDPOINT)$", Kind.ADDRESS),
    (r"E?MAIL$", Kind.EMAIL),
    (r"(^|_)(PORT|COUNT|LIMIT|PID|REPLICAS|SECONDS|MINUTES)$", Kind.NUMBER),
    (r"(^|_)(ID|UUID)$", Kind.ID),
)
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
_FORMATS = re.compile(r"\bto_(?:char|date|timestamp)\s*\(", re.IGNORECASE)
"""Before a format, which looks like a day left open and is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One thing that a document leaves open."""

    name: str
    """What `--set NAME=VALUE` calls it: `PROD_DB_HOST`, `pod-name`."""
    spoken: str
    """As the document has it: `$PROD_DB_HOST`, `<pod-name>`."""
    kind: Kind
    lines: tuple[int, ...]
    """Where it stands in the document."""
    bare: bool = False
    """True where the shell would split it, or expand `*` in it."""
    strict: bool = False
    """True where what it is put into is read as code once more: SQL in a shell command, `eval`, `ssh`."""
    part: bool = False
    """True where it is a part of a longer word, such as a path or an address."""
    optional: bool = False
    """True when the document has a default for it everywhere."""

    @property
    def wanted(self) -> str:
        """What its value has to be, in words."""
        return "one query that only reads" if self.kind is Kind.QUERY else _FORMS[self.kind][1]

    def refuses(self, value: str) -> str | None:
        """Return why `value` can't be it; None when it can."""
        if self.kind is Kind.QUERY:
            return None if _only_reads(value) else self.wanted
        if not re.fullmatch(_FORMS[self.kind][0], value):
            return self.wanted
        if (self.kind is Kind.DATE and not _is_day(value, self.spoken)) or (self.kind is Kind.MOMENT and not _is_moment(value)):
            return f"{self.wanted} of the calendar, written as {self.spoken}"
        return None if self.kind is Kind.SECRET else self._unfit(value)

    def _unfit(self, value: str) -> str | None:
        """Return why `value` can't stand where the document has it; None when it can."""
        if self.strict and not _PLAIN.fullmatch(value):
            return "of letters, digits, and _ . @ : + - alone, without --: what it is put into is read as code once more"
        if self.part and not _PART.fullmatch(value):
            return "of letters, digits, and _ . / @ : + % = , - alone, without ..: it is a part of a longer word"
        if self.bare and not _BARE.fullmatch(value):
            return "without blanks and * ? [ ] { } \\: the document does not quote it"
        return None


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
    """Return the block's code with `values`, which were checked, put in. A bash block's variables stay: the shell gets them as its environment."""

    def put_in(found: re.Match[str]) -> str:
        parameter = known[_placeholder_name(found)]
        value = values.get(parameter.name)
        return found[0] if value is None else _in_place(value, parameter, found) if block.language is Language.SQL else value

    def put_in_variable(found: re.Match[str]) -> str:
        value = values.get(found["name"])
        return found[0] if value is None or not _is_variable(found) else _in_place(value, known[found["name"]], found)

    code = _replaced(block, put_in)
    if block.language is Language.SQL:
        code = _SQL_VARIABLE.sub(put_in_variable, code)
    return code


def shell_variables(block: Block) -> frozenset[str]:
    """Return the variables that a bash block takes from its environment."""
    return frozenset(parameter.name for parameter in _of_block(block) if parameter.spoken.startswith("$")) if block.language is Language.BASH else frozenset()


@lru_cache(maxsize=512)
def _of_block(block: Block) -> tuple[Parameter, ...]:
    """Return every place of the block that is left open, each as a parameter of its own."""
    return tuple(_in_block(block))


def _in_block(block: Block) -> Iterator[Parameter]:
    code = block.code
    for found in _PLACEHOLDER.finditer(code):
        if _is_placeholder(block, found):
            line = block.line + code.count("\n", 0, found.start())
            kind = _placeholder_kind(block, found)
            yield Parameter(name=_placeholder_name(found), spoken=found[0], kind=kind, lines=(line,), bare=True, strict=kind is not Kind.QUERY)
    if block.language is Language.SQL:
        for found in _SQL_VARIABLE.finditer(code):
            if _is_variable(found):
                named = _variable(found["name"], found[0], block.line + code.count("\n", 0, found.start()))
                yield replace(named, strict=place_of(code, found.start()) is not Place.CODE)
        return
    script = read_script(masked(block))
    for use, how in zip(script.uses, held_of(script), strict=True):
        if use.name in script.own or _SHELLS_OWN.fullmatch(use.name):
            continue
        named = _variable(use.name, f"${use.name}", block.line + use.line - 1)
        yield replace(named, bare=use.bare, strict=how is Held.WORD, part=how is Held.PART, optional=use.optional)


def _variable(name: str, spoken: str, line: int) -> Parameter:
    kind = next((kind for pattern, kind in _KINDS if re.search(pattern, name.upper())), Kind.TEXT)
    return Parameter(name=name, spoken=spoken, kind=kind, lines=(line,))


def _joined(places: Sequence[Parameter]) -> Parameter:
    """Return the one parameter that all these places name."""
    return replace(
        places[0],
        lines=tuple(sorted({line for place in places for line in place.lines})),
        bare=any(place.bare for place in places),
        strict=any(place.strict for place in places),
        part=any(place.part for place in places),
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
    return place is not Place.COMMENT and (place is not Place.CODE or not re.match(r"\w", found.string[found.start() - 1 : found.start()]))


def _placeholder_name(found: re.Match[str]) -> str:
    return found["angled"] or found["bracketed"] or found[0]


def _placeholder_kind(block: Block, found: re.Match[str]) -> Kind:
    name = _placeholder_name(found)
    if found["day"]:
        return Kind.DATE
    if found["moment"]:
        return Kind.MOMENT
    if found["crosses"]:
        return Kind.NUMBER if "migrations/" in block.code[: found.start()].rpartition("\n")[2] else Kind.NAME
    if block.language is Language.SQL and re.fullmatch(r"(your )?(query|statement|sql)", name, re.IGNORECASE):
        return Kind.QUERY
    return Kind.NUMBER if re.fullmatch(r"pid|port|count", name) else Kind.NAME


def _in_place(value: str, parameter: Parameter, found: re.Match[str]) -> str:
    """Return `value` as it stands in SQL: as it is where it is a plain word or a checked query, as a literal elsewhere."""
    if parameter.kind is Kind.SECRET:
        return found[0]
    if parameter.kind in {Kind.QUERY, Kind.IDENTIFIER, Kind.NUMBER} or place_of(found.string, found.start()) is not Place.CODE:
        return value
    return "'{}'".format(value.replace("'", "''"))


def _only_reads(query: str) -> bool:
    """Return True for one query that changes nothing, and that holds nothing which would hide what follows it."""
    statements = read_statements(query)
    one = len(statements) == 1 and statements[0].only_reads and statements[0].verb != "EXPLAIN"
    return one and unended_at(query) is None and "--" not in query and "/*" not in query


def _is_day(value: str, written: str) -> bool:
    if ("-" in written) is not ("-" in value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_moment(value: str) -> bool:
    try:
        datetime.strptime(value, "%Y%m%d_%H%M%S")  # noqa: DTZ007 - only whether there is such a moment
    except ValueError:
        return False
    return True
