"""What a migration's text says, without a parser: its statements, and those that can't stand in a transaction.

A recogniser of keywords is enough here. It only has to find the few statements that PostgreSQL refuses inside a transaction, and those that would end it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SKIPPED = re.compile(
    r"""
      --[^\n]*                                             # to the end of the line
    | (?<![A-Za-z0-9_$])[eE]'(?:[^'\\]|''|\\.)*'           # a literal with backslashes
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"
    | (?<![A-Za-z0-9_$])\$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$   # dollar-quoted: the body of a function
    | /\*
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_WORD = re.compile(r"[A-Za-z_]\w*|;")

_ALONE = re.compile(
    r"""
      CREATE\ (UNIQUE\ )?INDEX\ CONCURRENTLY\b
    | DROP\ INDEX\ CONCURRENTLY\b
    | REINDEX\ (INDEX|TABLE)\ CONCURRENTLY\b
    | ALTER\ TABLE\b.*\bDETACH\ PARTITION\b.*\bCONCURRENTLY\b
    | VACUUM\b
    """,
    re.VERBOSE,
)
"""What PostgreSQL refuses in a transaction, and a migration may well need."""
_OUTSIDE_TRANSACTIONS = re.compile(
    r"""
      REINDEX\b.*\b(CONCURRENTLY|DATABASE|SYSTEM)\b
    | (CREATE|DROP)\ (DATABASE|TABLESPACE|SUBSCRIPTION)\b
    | ALTER\ DATABASE\b.*\bSET\ TABLESPACE\b
    | ALTER\ SYSTEM\b
    | CLUSTER(\ VERBOSE)?$
    | DISCARD\ ALL\b
    """,
    re.VERBOSE,
)
_ENDS_TRANSACTION = re.compile(r"(BEGIN|START TRANSACTION|COMMIT|END|ABORT|PREPARE TRANSACTION|ROLLBACK(?! (WORK |TRANSACTION )?TO))\b")
_COPIES = re.compile(r"COPY\b.*\b(FROM STDIN|TO STDOUT)\b")
_OF_TRANSACTIONS = re.compile(rf"{_ENDS_TRANSACTION.pattern}|SET (LOCAL |SESSION )?(TRANSACTION|CHARACTERISTICS)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement, as far as its keywords tell."""

    line: int
    """1-based, of its first word."""
    words: str
    """Its unquoted words in capitals, one blank between: `CREATE INDEX CONCURRENTLY ON CLAIMS STATUS`. Numbers, literals and quoted names are left out."""
    begin: int
    """Where in the script its text begins: behind the statement before it, so with the comments above it."""
    first: int
    """Where its first word stands."""
    end: int
    """Where its text ends, without the semicolon."""

    @property
    def alone(self) -> bool:
        """True when it can't run in a transaction, and runs by itself."""
        return _ALONE.match(self.words) is not None

    @property
    def unfit(self) -> bool:
        """True when it can't run in a transaction, or would end it."""
        return self.alone or self.refused

    @property
    def refused(self) -> bool:
        """True when no migration may hold it: it begins or ends a transaction of its own, or is not about this database."""
        return bool((_OUTSIDE_TRANSACTIONS.match(self.words) and not self.alone) or _ENDS_TRANSACTION.match(self.words))

    @property
    def of_transactions(self) -> bool:
        """True when it begins or ends a transaction, or says how one is."""
        return _OF_TRANSACTIONS.match(self.words) is not None

    @property
    def copies(self) -> bool:
        """True when it copies from or to whoever sends it."""
        return _COPIES.match(self.words) is not None


def statements(sql: str) -> tuple[Statement, ...]:
    """Return the statements of `sql`, in order."""
    return tuple(_split(blanked(sql)))


def first_unfit(sql: str) -> Statement | None:
    """Return the first statement of `sql` that can't run in a transaction; None when all can."""
    return next((statement for statement in statements(sql) if statement.unfit), None)


def first_refused(sql: str) -> Statement | None:
    """Return the first statement of `sql` that no migration may hold; None when all is well."""
    return next((statement for statement in statements(sql) if statement.refused), None)


def _split(text: str) -> Iterator[Statement]:
    words: list[str] = []
    line = depth = begin = first = 0
    for match in _WORD.finditer(text):
        word = match[0].upper()
        if word == ";" and depth == 0:
            if words:
                yield Statement(line=line, words=" ".join(words), begin=begin, first=first, end=match.start())
            words, begin = [], match.end()
            continue
        if not words:
            line, first = text.count("\n", 0, match.start()) + 1, match.start()
        # The body of a function in SQL's own syntax, BEGIN ATOMIC ... END, holds semicolons that end nothing.
        if (word == "ATOMIC" and words[-1:] == ["BEGIN"]) or (word == "CASE" and depth > 0):
            depth += 1
        elif word == "END" and depth > 0:
            depth -= 1
        words.append(word)
    if words:
        yield Statement(line=line, words=" ".join(words), begin=begin, first=first, end=len(text))


def blanked(sql: str, *, names: bool = False) -> str:
    """Return `sql` with blanks in place of comments, literals and, unless `names` are kept, quoted names; lines and columns stay where they are."""
    parts: list[str] = []
    at = 0
    while (match := _SKIPPED.search(sql, at)) is not None:
        end = _comment_end(sql, match.end()) if match[0] == "/*" else match.end()
        found = sql[match.start() : end]
        parts += [sql[at : match.start()], found if names and found.startswith('"') else re.sub(r"[^\n]", " ", found)]
        at = end
    return "".join([*parts, sql[at:]])


def _comment_end(sql: str, inside: int) -> int:
    """Return where the comment ends that began before `inside`. PostgreSQL's comments nest."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(sql, inside):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(sql)
