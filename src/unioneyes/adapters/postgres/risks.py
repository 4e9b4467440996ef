"""What a migration's statements do to whoever is served meanwhile: which lock, whom it keeps waiting, what is rewritten. Pure, by the text alone.

What the text does not tell is said to be unknown, never to be harmless. Source: PostgreSQL 15-18, "Explicit Locking", "ALTER TABLE", Notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from unioneyes.adapters.postgres.backfill import asks_for_backfill
from unioneyes.adapters.postgres.statements import statements
from unioneyes.adapters.postgres.words import Token, behind, name, named, parts, spoken
from unioneyes.ports.database import Blocks, Migration, Risk

_IN_BATCHES = "in batches, each in a transaction of its own: only as long as that lasts"
_SHOWN_WORDS = 9
_STEADY: Final = frozenset({"NOW", "CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "LOCALTIMESTAMP", "LOCALTIME", "CURRENT_USER", "SESSION_USER", "USER"})
"""Functions that return the same throughout a statement: a default by one of them is kept once, in the catalogue."""
_RESTLESS: Final = frozenset({"GEN_RANDOM_UUID", "UUID_GENERATE_V4", "UUIDV4", "UUIDV7", "RANDOM", "CLOCK_TIMESTAMP", "TIMEOFDAY", "NEXTVAL"})
"""Functions that return another value for each row."""
_SERIAL: Final = frozenset({"SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL2", "SERIAL4", "SERIAL8"})
_PERHAPS_THE_SAME_BYTES: Final = frozenset({"TEXT", "VARCHAR", "NUMERIC", "DECIMAL", "CHARACTER", "CIDR", "INET", "TIMESTAMP", "TIMESTAMPTZ", "BIT", "VARBIT"})
"""Types to which some others are changed without a rewrite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effect:
    lock: str | None
    blocks: Blocks | None
    rewrites: bool | None = False
    scans: bool | None = False
    note: str = ""

    @property
    def weight(self) -> tuple[bool, ...]:
        """The more of it holds, the worse; what is unknown counts as bad."""
        return (self.blocks is None, self.blocks is Blocks.ALL, self.blocks is Blocks.WRITES, self.rewrites is not False, self.scans is not False)


_NO_TABLE = _Effect(lock="", blocks=Blocks.NOBODY)
_SHARED = _Effect(lock="ACCESS SHARE", blocks=Blocks.NOBODY)
_GENTLE = _Effect(lock="SHARE UPDATE EXCLUSIVE", blocks=Blocks.NOBODY)
_READS = replace(_GENTLE, scans=True)
_NO_WRITES = _Effect(lock="SHARE ROW EXCLUSIVE", blocks=Blocks.WRITES)
_BRIEF = _Effect(lock="ACCESS EXCLUSIVE", blocks=Blocks.ALL)
_HELD = replace(_BRIEF, scans=True)
_REWRITTEN = replace(_HELD, rewrites=True)
_UNKNOWN = _Effect(lock=None, blocks=None, rewrites=None, scans=None, note="what it does can't be told by its text")
_WRITTEN = _Effect(lock="ROW EXCLUSIVE", blocks=Blocks.ROWS, scans=True, note="on a large table in batches: `-- ue: backfill` above an UPDATE")

_PLAIN: Final[dict[tuple[str, ...], _Effect]] = {
    ("CREATE", "SCHEMA"): _NO_TABLE,
    ("CREATE", "TYPE"): _NO_TABLE,
    ("CREATE", "DOMAIN"): _NO_TABLE,
    ("CREATE", "SEQUENCE"): _NO_TABLE,
    ("CREATE", "EXTENSION"): _NO_TABLE,
    ("CREATE", "FUNCTION"): _NO_TABLE,
    ("CREATE", "PROCEDURE"): _NO_TABLE,
    ("CREATE", "ROLE"): _NO_TABLE,
    ("CREATE", "VIEW"): _SHARED,
    ("ALTER", "TYPE"): _NO_TABLE,
    ("ALTER", "SEQUENCE"): _NO_TABLE,
    ("ALTER", "FUNCTION"): _NO_TABLE,
    ("ALTER", "ROLE"): _NO_TABLE,
    ("ALTER", "DEFAULT", "PRIVILEGES"): _NO_TABLE,
    ("DROP", "FUNCTION"): _NO_TABLE,
    ("DROP", "TYPE"): _NO_TABLE,
    ("DROP", "VIEW"): _BRIEF,
    ("COMMENT", "ON"): _GENTLE,
    ("GRANT",): _NO_TABLE,
    ("REVOKE",): _NO_TABLE,
    ("SET",): _NO_TABLE,
    ("RESET",): _NO_TABLE,
    ("ANALYZE",): _READS,
}
"""Statements that are the same whatever they are about."""
_ON_TABLE: Final[dict[tuple[str, ...], _Effect]] = {
    ("CREATE", "TRIGGER"): _NO_WRITES,
    ("DROP", "TRIGGER"): _BRIEF,
    ("CREATE", "POLICY"): _BRIEF,
    ("ALTER", "POLICY"): _BRIEF,
    ("DROP", "POLICY"): _BRIEF,
    ("CREATE", "RULE"): _BRIEF,
    ("DROP", "RULE"): _BRIEF,
}
"""Statements whose table stands behind ON."""


def risks(migrations: tuple[Migration, ...]) -> tuple[Risk, ...]:
    """Return what each statement of `migrations` does to whoever is served meanwhile. A table that they make themselves is nobody's yet."""
    own: set[str] = set()
    found = []
    for migration in migrations:
        batched = {statement.line for statement in statements(migration.sql) if asks_for_backfill(migration.sql, statement)}
        for tokens in spoken(migration.sql):
            told = _told(migration.tag, tokens, own)
            found += [replace(risk, note=_IN_BATCHES) if risk.line in batched else risk for risk in told]
    return tuple(found)


def _told(tag: str, tokens: Sequence[Token], own: set[str]) -> Iterator[Risk]:
    words = [token.keyword for token in tokens]
    for table, effect in _effects(tokens, words):
        if words[:2] == ["CREATE", "TABLE"] and effect is _NO_TABLE and table is not None:
            own.add(table)
        elif table in own:
            effect = replace(_NO_TABLE, note="the table is new")  # noqa: PLW2901 - what it does to a table that nobody uses
        yield Risk(
            tag=tag,
            line=tokens[0].line,
            statement=_shown(tokens),
            table=table,
            lock=effect.lock,
            blocks=effect.blocks,
            rewrites=effect.rewrites,
            scans=effect.scans,
            note=effect.note,
        )


def _effects(tokens: Sequence[Token], words: Sequence[str]) -> Iterator[tuple[str | None, _Effect]]:
    """Yield the tables that a statement is about, with what it does to each."""
    match [*words]:
        case ["CREATE", "TABLE", *_]:
            yield from _table_made(tokens[2:])
        case ["DROP", "TABLE", *_]:
            yield from ((_joined(name(part)), _BRIEF) for part in parts(tokens[2:]))
        case ["TRUNCATE", *_]:
            yield from ((_joined(name(part)), _BRIEF) for part in parts(tokens[1:]))
        case ["ALTER", "TABLE", *_]:
            yield from _altered(tokens[2:])
        case ["UPDATE", *_]:
            yield _joined(name(tokens[1:])), _WRITTEN
        case ["DELETE", "FROM", *_]:
            yield _joined(name(tokens[2:])), _WRITTEN
        case ["INSERT", "INTO", *_]:
            yield _joined(name(tokens[2:])), replace(_WRITTEN, scans=False, note="")
        case _:
            yield from _indexed(tokens, words)


def _indexed(tokens: Sequence[Token], words: Sequence[str]) -> Iterator[tuple[str | None, _Effect]]:
    gently = "CONCURRENTLY" in words
    match [*words]:
        case ["CREATE", "INDEX", *_] | ["CREATE", "UNIQUE", "INDEX", *_]:
            yield _behind_on(tokens, words), _READS if gently else replace(_NO_WRITES, lock="SHARE", scans=True, note="CONCURRENTLY keeps nobody waiting")
        case ["DROP", "INDEX", *_]:
            yield None, _GENTLE if gently else replace(_BRIEF, note="of the index's table; CONCURRENTLY keeps nobody waiting")
        case ["REINDEX", *_]:
            yield None, _READS if gently else replace(_HELD, note="of the index; writes to its table wait; CONCURRENTLY keeps nobody waiting")
        case ["REFRESH", "MATERIALIZED", *_]:
            yield _joined(name(behind(tokens[3:], "CONCURRENTLY"))), replace(_NO_WRITES, lock="EXCLUSIVE") if gently else _REWRITTEN
        case ["VACUUM", *_] | ["CLUSTER", *_]:
            yield None, _REWRITTEN if "FULL" in words or words[0] == "CLUSTER" else _READS
        case _:
            yield _other(tokens, words)


def _other(tokens: Sequence[Token], words: Sequence[str]) -> tuple[str | None, _Effect]:
    plain = [word for word in words if word not in {"OR", "REPLACE", "UNIQUE", "CONSTRAINT"}]
    for length in (1, 2, 3):
        start = tuple(plain[:length])
        if start in _ON_TABLE:
            return _behind_on(tokens, words), _ON_TABLE[start]
        if start in _PLAIN:
            return None, _PLAIN[start]
    return None, _UNKNOWN


def _table_made(tokens: Sequence[Token]) -> Iterator[tuple[str | None, _Effect]]:
    """Yield the new table, and those that it refers to or is a part of."""
    table, rest = named(tokens)
    yield _joined(table), _NO_TABLE
    words = [token.keyword for token in rest]
    if words[:2] == ["PARTITION", "OF"]:
        yield _joined(name(rest[2:])), replace(_BRIEF, note="the parent's; where it has a DEFAULT partition, that is read: make the table apart, and ATTACH it")
    for at, word in enumerate(words):
        if word == "REFERENCES":
            yield _joined(name(rest[at + 1 :])), replace(_NO_WRITES, note="the table that is referred to")


def _altered(tokens: Sequence[Token]) -> Iterator[tuple[str | None, _Effect]]:
    """Yield what the actions of ALTER TABLE come to together, and the tables that they refer to; `tokens` begin behind these two words."""
    table, rest = named(tokens)
    actions = [(part, [token.keyword for token in part]) for part in parts(rest)]
    found = [_action(words) for _, words in actions]
    worst = max(found, key=lambda effect: effect.weight, default=_UNKNOWN)
    notes = dict.fromkeys(effect.note for effect in found if effect.note)
    yield (
        _joined(table),
        replace(worst, rewrites=_any(effect.rewrites for effect in found), scans=_any(effect.scans for effect in found), note="; ".join(notes)),
    )
    for part, words in actions:
        if "REFERENCES" in words:
            yield _joined(name(part[words.index("REFERENCES") + 1 :])), replace(_NO_WRITES, note="the table that is referred to")
        elif words[:2] == ["ATTACH", "PARTITION"]:
            yield _joined(name(part[2:])), replace(_HELD, note="read whole, unless a CHECK proves that its rows fit")


def _action(words: Sequence[str]) -> _Effect:  # noqa: C901, PLR0911, PLR0912 - a table of PostgreSQL's manual, one line each
    match [*words]:
        case ["ADD", "CONSTRAINT", *_] | ["ADD", "CHECK" | "FOREIGN" | "PRIMARY" | "UNIQUE" | "EXCLUDE", *_]:
            return _constraint(words)
        case ["ADD", *rest]:
            return _column(rest)
        case ["DROP", "CONSTRAINT", *_]:
            return replace(_BRIEF, note="of a foreign key, the other table's too")
        case ["DROP", *_] | ["RENAME", *_] | ["OWNER", *_] | ["SET", "SCHEMA", *_]:
            return _BRIEF
        case ["ALTER", *rest] if "TYPE" in rest:
            kind = rest[rest.index("TYPE") + 1 : rest.index("TYPE") + 2]
            if "USING" not in rest and kind and kind[0] in _PERHAPS_THE_SAME_BYTES:
                return replace(_BRIEF, rewrites=None, scans=None, note="rewritten, with its indexes, unless the old type is kept in the same bytes")
            return replace(_REWRITTEN, note="a new column, filled in batches, keeps nobody waiting")
        case ["ALTER", *rest] if rest[-3:] == ["SET", "NOT", "NULL"]:
            return replace(_HELD, note="not read where a valid CHECK (... IS NOT NULL) stands already")
        case ["ALTER", *rest] if "STATISTICS" in rest or " SET (" in " ".join(rest):
            return _GENTLE
        case ["ALTER", *_]:
            return _BRIEF
        case ["VALIDATE", "CONSTRAINT", *_]:
            return _READS
        case ["ATTACH", "PARTITION", *_]:
            return _GENTLE
        case ["DETACH", "PARTITION", *rest]:
            return _GENTLE if {"CONCURRENTLY", "FINALIZE"} & {*rest} else replace(_BRIEF, note="CONCURRENTLY keeps nobody waiting")
        case ["ENABLE" | "DISABLE", *rest] if "TRIGGER" in rest:
            return _NO_WRITES
        case ["ENABLE" | "DISABLE" | "FORCE" | "NO", *_]:
            return _BRIEF
        case ["SET", "LOGGED" | "UNLOGGED" | "TABLESPACE" | "ACCESS", *_]:
            return _REWRITTEN
        case ["SET" | "RESET", "(", *_] | ["CLUSTER", "ON", *_] | ["SET", "WITHOUT", *_]:
            return _GENTLE
        case _:
            return _UNKNOWN


def _column(words: Sequence[str]) -> _Effect:
    """Return what ADD COLUMN does; `words` begin behind ADD."""
    called = {word for word, behind_it in zip(words, [*words[1:], ""], strict=True) if behind_it == "("}
    rewrites: bool | None = False
    note = ""
    if "DEFAULT" in words:
        given = words[words.index("DEFAULT") + 1 :]
        by = {word for word in given if word in _RESTLESS or word in called} - _STEADY - {"CHECK", "REFERENCES", "VARCHAR", "NUMERIC", "CHAR"}
        rewrites = True if by & _RESTLESS else (None if by else False)
        note = "the default is another one for each row" if by & _RESTLESS else ("rewritten if the default's function is volatile" if by else "")
    if "IDENTITY" in words or "STORED" in words or _SERIAL & {*words}:
        rewrites, note = True, "each row gets a value"
    if {"REFERENCES", "CHECK", "UNIQUE", "PRIMARY"} & {*words}:
        note = "; ".join(filter(None, (note, "its constraint is checked on every row: add it apart")))
        return replace(_HELD, rewrites=rewrites, note=note)
    return replace(_BRIEF, rewrites=rewrites, scans=rewrites, note=note)


def _constraint(words: Sequence[str]) -> _Effect:
    unchecked = " NOT VALID" in f" {' '.join(words)}"
    if "USING" in words and "INDEX" in words and "EXCLUDE" not in words:
        return _BRIEF
    if "FOREIGN" in words:
        return replace(
            _NO_WRITES, scans=not unchecked, note="" if unchecked else "NOT VALID, and VALIDATE CONSTRAINT in a later migration, keeps nobody waiting"
        )
    if {"UNIQUE", "PRIMARY", "EXCLUDE"} & {*words}:
        return replace(_HELD, note="an index is built: CREATE UNIQUE INDEX CONCURRENTLY, and ADD CONSTRAINT ... USING INDEX, keeps nobody waiting")
    return replace(_BRIEF, scans=not unchecked, note="" if unchecked else "NOT VALID, and VALIDATE CONSTRAINT in a later migration, keeps nobody waiting")


def _any(known: Iterator[bool | None]) -> bool | None:
    """Return True where one is, None where none is and one is unknown."""
    found = [*known]
    return True if True in found else (None if None in found else False)


def _behind_on(tokens: Sequence[Token], words: Sequence[str]) -> str | None:
    return _joined(name(tokens[words.index("ON") + 1 :])) if "ON" in words else None


def _joined(spelled: tuple[str, ...]) -> str | None:
    return ".".join(spelled) or None


def _shown(tokens: Sequence[Token]) -> str:
    """Return the statement's first words, as people type them: keywords in capitals are not told from names, so all stand as they are kept."""
    shown = ""
    for token in tokens[:_SHOWN_WORDS]:
        word = (token.keyword if token.keyword in _SPOKEN else token.name) or '""'
        shown += word if word in {".", ",", ")"} or shown.endswith((".", "(")) or not shown else f" {word}"
    return shown


_SPOKEN: Final = frozenset(
    [
        "ADD",
        "ALTER",
        "AND",
        "AS",
        "ATTACH",
        "BY",
        "CHECK",
        "CLUSTER",
        "COLUMN",
        "COMMENT",
        "CONCURRENTLY",
        "CONSTRAINT",
        "CREATE",
        "DATA",
        "DEFAULT",
        "DELETE",
        "DETACH",
        "DISABLE",
        "DO",
        "DROP",
        "ENABLE",
        "EXISTS",
        "EXTENSION",
        "FORCE",
        "FOREIGN",
        "FROM",
        "FUNCTION",
        "GRANT",
        "IF",
        "INDEX",
        "INSERT",
        "INTO",
        "IS",
        "KEY",
        "LEVEL",
        "MATERIALIZED",
        "NOT",
        "NULL",
        "OF",
        "ON",
        "ONLY",
        "OR",
        "PARTITION",
        "POLICY",
        "PRIMARY",
        "REFERENCES",
        "REINDEX",
        "RENAME",
        "REPLACE",
        "REVOKE",
        "ROW",
        "SCHEMA",
        "SECURITY",
        "SELECT",
        "SEQUENCE",
        "SET",
        "TABLE",
        "TO",
        "TRIGGER",
        "TRUNCATE",
        "TYPE",
        "UNIQUE",
        "UPDATE",
        "USING",
        "VACUUM",
        "VALID",
        "VALIDATE",
        "VALUES",
        "VIEW",
        "WHERE",
        "WITH",
    ]
)
"""Keywords that are shown in capitals."""
