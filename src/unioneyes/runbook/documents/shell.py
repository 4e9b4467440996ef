"""What a bash block does, as far as its syntax tells: commands with their words, variables, comments. By tree-sitter's grammar, which keeps the lines."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from unioneyes.runbook.documents.syntax import REDIRECTS, WORDS, Around, document_of, flows_of, text_of, variable_of, walk
from unioneyes.runbook.documents.uses import Use, uses_of

_WIDE = re.compile("[^\x00-\xff]")
"""The grammar's scanner looks characters up in a table for those of Latin-1, and reads beyond its end for others: it may end the whole process."""
_NOWHERE = {"/dev/null", "&1", "&2", "1", "2"}
_SETS = {"variable_assignment", "for_statement"}
_SQL_WORDS = {"BEGIN", "COMMIT", "ROLLBACK", "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "GRANT", "EXPLAIN", "VACUUM", "TRUNCATE"}
_READS_INTO = {"read", "mapfile", "readarray", "export", "declare", "local", "typeset", "unset", "getopts"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Where a command reads from or writes to."""

    operator: str
    target: str
    also: tuple[str, ...] = ()
    """Words behind the target, which bash gives to the command: `curl 2>/dev/null -X DELETE`."""

    @property
    def writes(self) -> bool:
        """True when a file may come of it, or be overwritten."""
        return bool(self.also) or (self.operator not in {"<", "<<<"} and self.target not in _NOWHERE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One simple command."""

    words: tuple[str, ...]
    """Its name and its arguments; quotes around a whole word are taken off."""
    text: str
    """As it stands, on one line."""
    line: int
    """1-based, within the block."""
    last_line: int
    redirects: tuple[Redirect, ...]
    fed: str | None
    """The here-document that it reads."""
    piped: bool
    """True when it reads what another command writes."""
    last: bool
    """True when nothing reads what it writes: it is no pipeline's middle."""
    backgrounded: bool
    minded: bool = False
    """True where the block minds how it ends, by `||`, `!` or `if`."""
    at: int = 0
    """Where it begins in the block."""
    fed_by: tuple[tuple[int, int], ...] = ()
    """From where to where the commands stand whose output it reads."""
    captured: bool = False
    """True in `$(...)` and `<(...)`: another command gets what it writes."""

    @property
    def name(self) -> str:
        """The program, as it was typed."""
        return self.words[0]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The words after the name."""
        return self.words[1:]

    @property
    def foreign(self) -> bool:
        """True when bash knows no such command, whatever is installed: a line of SQL, of psql, or a setting."""
        return self.name in _SQL_WORDS or self.name.startswith("\\") or self.arguments[:1] == ("=",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One line for the reader."""

    text: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One block."""

    commands: tuple[Command, ...]
    uses: tuple[Use, ...]
    redirects: tuple[Redirect, ...]
    """Every one of the block, whatever it stands behind: a command, a list, a compound, a here-document, or nothing."""
    flows: Mapping[str, frozenset[str]]
    """Which variables each of its own ones is set from."""
    own: frozenset[str]
    """Variables that the block itself sets, and functions that it defines."""
    comments: tuple[Comment, ...]
    broken_at: int | None
    """The first line that is no bash; None when all is."""

    def feeding(self, command: Command) -> tuple[Command, ...]:
        """Return the commands whose output `command` reads."""
        found: list[Command] = []
        for start, end in command.fed_by:
            first = bisect_left(self.commands, start, key=lambda each: each.at)
            found += self.commands[first : bisect_left(self.commands, end, key=lambda each: each.at)]
        return tuple(found)


@lru_cache(maxsize=512)
def read_script(code: str) -> Script:
    """Return what the block does."""
    source = code.encode()
    nodes = list(walk(Parser(_bash()).parse(_WIDE.sub(_letters, code).encode()).root_node))
    broken = [node.start_point.row + 1 for node, _ in nodes if node.is_error or node.is_missing]
    commands = [_command(node, around, source) for node, around in nodes if node.type == "command" and node.child_by_field_name("name") is not None]
    return Script(
        commands=tuple(commands),
        uses=tuple(uses_of(nodes)),
        redirects=tuple(_redirect(node, source) for node, _ in nodes if node.type in REDIRECTS),
        flows=flows_of(nodes),
        own=frozenset(_set_by(nodes, commands)),
        comments=tuple(Comment(text=_original(node, source).lstrip("# "), line=node.start_point.row + 1) for node, _ in nodes if node.type == "comment"),
        broken_at=min(broken, default=None),
    )


@cache
def _bash() -> Language:
    return Language(tree_sitter_bash.language())


def _letters(found: re.Match[str]) -> str:
    """Return letters of Latin-1 with as many bytes as the character has."""
    size = len(found[0].encode())
    return "\u00e9" * (size // 2) + "e" * (size % 2)


def _original(node: Node, source: bytes) -> str:
    """Return what stands there in the block itself."""
    return source[node.start_byte : node.end_byte].decode()


def _command(node: Node, around: Around, source: bytes) -> Command:
    statement = node.parent if node.parent is not None and node.parent.type == "redirected_statement" else node
    redirects = tuple(_redirect(each, source) for each in (*around.redirects, *(child for child in node.children if child.type in REDIRECTS)))
    own = [child for child in node.children if child.type == "command_name" or child.type in WORDS]
    swallowed = [word for redirect in redirects for word in redirect.also] if around.alone else []
    return Command(
        words=(*(_unquoted(_original(child, source)) for child in own), *swallowed),
        text=" ".join(_original(statement, source).replace("\\\n", " ").split()),
        line=node.start_point.row + 1,
        last_line=node.end_point.row + 1,
        redirects=redirects,
        fed=next((document_of(body) for body in around.bodies), None),
        piped=bool(around.fed_by),
        last=around.last,
        backgrounded=statement.next_sibling is not None and statement.next_sibling.type == "&",
        minded=around.minded,
        at=node.start_byte,
        fed_by=around.fed_by,
        captured=around.captured,
    )


def _redirect(node: Node, source: bytes) -> Redirect:
    named = [child for child in node.children if child.type != "file_descriptor"]
    words = [_unquoted(_original(child, source)) for child in named[1:]]
    return Redirect(operator=text_of(named[0]), target=words[0] if words else "", also=tuple(words[1:]))


def _set_by(nodes: Iterable[tuple[Node, Around]], commands: Iterable[Command]) -> Iterator[str]:
    for node, _ in nodes:
        if node.type in _SETS:
            yield variable_of(node)
        if node.type == "function_definition" and (name := node.child_by_field_name("name")) is not None:
            yield text_of(name)
        if node.type == "declaration_command":
            yield from (variable_of(child) or text_of(child) for child in node.children)
    for command in commands:
        if command.name in _READS_INTO:
            yield from (word.partition("=")[0] for word in command.arguments)
        if command.name == "printf" and command.arguments[:1] == ("-v",):
            yield from command.arguments[1:2]


def _unquoted(word: str) -> str:
    if word[:1] == "$" and word[1:2] in {"'", '"'} and "\\" not in word:
        word = word[1:]
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"" else word
