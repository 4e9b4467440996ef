"""What a value may be that a document leaves open, by its name and by where it is put in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from unioneyes.ports.secrets import WRITTEN as SECRET_WRITTEN
from unioneyes.runbook.documents.sql import read_statements, unended_at


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
    Kind.SECRET: (
        rf"@/[^\x00-\x1f\x7f]{{1,1000}}|{SECRET_WRITTEN.pattern}",
        "a file that holds it, where the server runs: @/run/secrets/token; or a reference: secret://PROVIDER/PATH#KEY",
    ),
    Kind.TEXT: (r"(?!-)[^\x00-\x1f\x7f]{1,1000}", "one line that does not begin with -: it would be taken for an option"),
}
_BARE = re.compile(r"[^\s*?\[\]\\~{}-][^\s*?\[\]\\{}]*")
"""What the shell leaves as one word where it stands outside quotes."""
_PLAIN = re.compile(r"(?!.*--)[A-Za-z0-9_.@:+-]+")
"""What stays one word in whatever language it is put into; `--` begins a comment in SQL."""
_PART = re.compile(r"(?!.*(^|/)\.\.(/|$))[A-Za-z0-9_.@:+/%=,-]+")
"""What stays a part of one path, address or option."""
_NAMED = re.compile(r"[A-Za-z0-9_]+")
_KINDS = (
    (r"PASS(WORD|WD|PHRASE|CODE)|PASS(_|$)|PWD|SECRET|TOKEN|CREDENTIAL|API_?KEY|_KEY(_|$)|PRIVATE|WEBHOOK|DSN|JWT", Kind.SECRET),
    (r"HOST", Kind.HOST),
    (r"(USER|ROLE|DATABASE|DB|SCHEMA|TABLE|VIEW|INDEX|COLUMN)(_?NAME)?$", Kind.IDENTIFIER),
    (r"VERSION|^TAG$", Kind.VERSION),
    (r"(URL|URI|ENDPOINT)$", Kind.ADDRESS),
    (r"E?MAIL$", Kind.EMAIL),
    (r"(^|_)(PORT|COUNT|LIMIT|PID|REPLICAS|SECONDS|MINUTES)$", Kind.NUMBER),
    (r"(^|_)(ID|UUID)$", Kind.ID),
)


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
    named: bool = False
    """True where it is a part of a name in SQL: `claims_YYYYMMDD`."""
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
        if self.named and not _NAMED.fullmatch(value):
            return "of letters, digits and _ alone: it is a part of a name"
        if self.strict and not _PLAIN.fullmatch(value):
            return "of letters, digits, and _ . @ : + - alone, without --: what it is put into is read as code once more"
        if self.part and not _PART.fullmatch(value):
            return "of letters, digits, and _ . / @ : + % = , - alone, without ..: it is a part of a longer word"
        if self.bare and not _BARE.fullmatch(value):
            return "without blanks and * ? [ ] { } \\: the document does not quote it"
        return None


def kind_of(variable: str) -> Kind:
    """Return what a variable of this name is."""
    return next((kind for pattern, kind in _KINDS if re.search(pattern, variable.upper())), Kind.TEXT)


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
