"""What a bash block does, as far as its syntax tells: commands with their words, variables, comments. By tree-sitter's grammar, which keeps the lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

_WORDS = {"word", "number", "string", "raw_string", "ansi_c_string", "concatenation", "simple_expansion", "expansion", "command_substitution"}
_SETS = {"variable_assignment", "for_statement"}
_SQL_WORDS = {"BEGIN", "COMMIT", "ROLLBACK", "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "GRANT", "EXPLAIN", "VACUUM", "TRUNCATE"}
_READS_INTO = {"read", "mapfile", "readarray", "export", "declare", "local", "typeset", "unset", "getopts", "printf"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Where a command reads from or writes to."""

    operator: str
    target: str


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
class Use:
    """One place where a variable's value is put in."""

    name: str
    line: int
    bare: bool
    """True outside double quotes: the shell splits the value at blanks, and expands `*` in it."""
    optional: bool
    """True where a default stands beside it: `${NAME:-default}`."""
    inside: str
    """The whole command that it stands in."""


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
    own: frozenset[str]
    """Variables that the block itself sets, and functions that it defines."""
    comments: tuple[Comment, ...]
    broken_at: int | None
    """The first line that is no bash; None when all is."""


@lru_cache(maxsize=512)
def read_script(code: str) -> Script:
    """Return what the block does."""
    root = Parser(_bash()).parse(code.encode()).root_node
    nodes = list(_all(root))
    broken = [node.start_point.row + 1 for node in nodes if node.is_error or node.is_missing]
    commands = [_command(node) for node in nodes if node.type == "command" and node.child_by_field_name("name") is not None]
    return Script(
        commands=tuple(commands),
        uses=tuple(_use(node) for node in nodes if node.type in {"simple_expansion", "expansion"} and _variable(node)),
        own=frozenset(_set_by(nodes, commands)),
        comments=tuple(Comment(text=_text(node).lstrip("# "), line=node.start_point.row + 1) for node in nodes if node.type == "comment"),
        broken_at=min(broken, default=None),
    )


@cache
def _bash() -> Language:
    return Language(tree_sitter_bash.language())


def _all(root: Node) -> Iterator[Node]:
    """Yield every node in the order of the text, however deeply it is nested."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.children)


def _command(node: Node) -> Command:
    statement = node.parent if node.parent is not None and node.parent.type == "redirected_statement" else node
    pipeline = _pipeline(statement)
    redirects = [child for child in statement.children if child.type in {"file_redirect", "herestring_redirect"}]
    documents = [child for child in statement.children if child.type == "heredoc_redirect"]
    before = pipeline.named_children.index(statement) if pipeline is not None else 0
    return Command(
        words=tuple(_unquoted(_text(child)) for child in node.children if child.type == "command_name" or child.type in _WORDS),
        text=" ".join(_text(statement).replace("\\\n", " ").split()),
        line=node.start_point.row + 1,
        last_line=node.end_point.row + 1,
        redirects=tuple(Redirect(operator=_text(child.children[0]), target=_unquoted(_text(child.children[-1]))) for child in redirects),
        fed=next((_text(part) for document in documents for part in document.children if part.type == "heredoc_body"), None),
        piped=before > 0,
        last=pipeline is None or before == len(pipeline.named_children) - 1,
        backgrounded=statement.next_sibling is not None and statement.next_sibling.type == "&",
    )


def _pipeline(statement: Node) -> Node | None:
    return statement.parent if statement.parent is not None and statement.parent.type == "pipeline" else None


def _use(node: Node) -> Use:
    command = node
    quoted = False
    while command.parent is not None and command.type not in {"command", "redirected_statement"}:
        quoted = quoted or command.type in {"string", "heredoc_body"}
        command = command.parent
    optional = any(child.type in {":-", "-", ":+", "+", ":=", "="} for child in node.children)
    return Use(name=_variable(node), line=node.start_point.row + 1, bare=not quoted, optional=optional, inside=_text(command))


def _variable(node: Node) -> str:
    return next((_text(child) for child in node.children if child.type == "variable_name"), "")


def _set_by(nodes: list[Node], commands: list[Command]) -> Iterator[str]:
    for node in nodes:
        if node.type in _SETS:
            yield _variable(node)
        if node.type == "function_definition" and (name := node.child_by_field_name("name")) is not None:
            yield _text(name)
        if node.type == "declaration_command":
            yield from (_variable(child) or _text(child) for child in node.children)
    for command in commands:
        if command.name in _READS_INTO:
            yield from (word.partition("=")[0] for word in command.arguments)


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def _unquoted(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"" else word
