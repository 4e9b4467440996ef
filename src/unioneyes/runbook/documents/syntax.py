"""Bash's syntax tree, as tree-sitter's grammar gives it: what stands around each node, from the outside in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from tree_sitter import Node

WORDS = {"word", "number", "string", "raw_string", "ansi_c_string", "concatenation", "simple_expansion", "expansion", "command_substitution"}
"""What the words of a command may be."""
EXPANSIONS = {"simple_expansion", "expansion"}
REDIRECTS = {"file_redirect", "herestring_redirect"}
_COMPOUNDS = {
    *{"compound_statement", "subshell", "if_statement", "while_statement", "for_statement", "c_style_for_statement", "case_statement"},
    *{"do_group", "elif_clause", "else_clause", "case_item"},
}
_COUNTS = {"arithmetic_expansion", "subscript", "expansion", "declaration_command", "unset_command"}


class Reach(StrEnum):
    """What becomes of a value that is put in."""

    WORD = "word"
    """A word of a command, or a part of one."""
    DOCUMENT = "document"
    """A piece of what a command reads: of its here-document, or of `<<< word`."""
    SET = "set"
    """Another variable's value."""
    COUNTED = "counted"
    """Bash reads it as an expression: in `[[ ]]`, `(( ))`, a subscript. `a[$(cmd)]` there runs `cmd`."""
    ELSE = "else"
    """Compared, gone through, or the name of a file that is read or written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What stands around a node."""

    redirects: tuple[Node, ...] = ()
    """Those that a command there has, wherever the grammar hangs them."""
    bodies: tuple[Node, ...] = ()
    """Of the here-documents that a command there reads."""
    alone: bool = True
    """True when nothing shares these redirects."""
    fed_by: tuple[tuple[int, int], ...] = ()
    """From where to where the commands stand whose output a command there reads."""
    last: bool = True
    minded: bool = False
    """True where somebody minds how it ends: before `||`, behind `!`, as a condition."""
    captured: bool = False
    reach: Reach = Reach.ELSE
    command: int | None = None
    """Where the command begins that gets what is put in."""
    sets: str | None = None
    """The variable that is set to it."""
    word: Node | None = None
    """The word, or the here-document, that it is a part of."""
    quoted: bool = False


_NOTHING = Around()
_CAPTURED = Around(captured=True)


def walk(root: Node) -> Iterator[tuple[Node, Around]]:
    """Yield every node in the order of the text, however deeply it is nested, with what stands around it."""
    waiting = [(root, _NOTHING)]
    while waiting:
        node, around = waiting.pop()
        yield node, around
        waiting += [(child, _around(child, node, around)) for child in reversed(node.children)]


def _around(child: Node, node: Node, around: Around) -> Around:  # noqa: PLR0911, PLR0912, C901 - one case per kind of node
    """Return what stands around a child of `node`.

    The grammar hangs a redirect onto the whole list or pipeline before it; bash gives it to the last command of these, and to every command of a compound.
    """
    match node.type:
        case "command_substitution" | "process_substitution":
            return _CAPTURED
        case "function_definition":
            return _NOTHING
        case "redirected_statement":
            return _redirected(child, node, around)
        case "heredoc_redirect":
            return _behind_document(child, node, around)
        case "file_redirect" if child != next((each for each in node.children if each.type in WORDS), None):
            return replace(around, reach=Reach.WORD, word=None)
        case "file_redirect":
            return replace(around, reach=Reach.ELSE, command=None, word=None)
        case "herestring_redirect":
            return replace(around, reach=Reach.DOCUMENT, word=None)
        case "pipeline":
            return _piped(child, node, around)
        case "list" if child != node.named_children[-1]:
            return replace(around, redirects=(), bodies=(), minded=around.minded or any(each.type == "||" for each in node.children))
        case "negated_command":
            return replace(around, minded=True)
        case "if_statement" | "while_statement" | "elif_clause" if child in node.children_by_field_name("condition") or child == node.named_children[0]:
            return replace(around, alone=False, minded=True, reach=Reach.ELSE, command=None, word=None)
        case "command":
            return replace(around, reach=Reach.DOCUMENT if child.type in REDIRECTS else Reach.WORD, command=node.start_byte, word=None)
        case "test_command":
            counts = node.children[0].type == "[[" or any(text_of(each) in {"-v", "-R"} for each in every(node) if each.type == "test_operator")
            return replace(around, reach=Reach.COUNTED if counts else Reach.ELSE, command=None, word=None)
        case "variable_assignment":
            return replace(around, reach=Reach.SET, sets=variable_of(node), command=None, word=None)
        case "for_statement" if child.type in WORDS:
            return replace(around, reach=Reach.SET, sets=variable_of(node), command=None, word=None)
        case "c_style_for_statement" if child.type != "do_group":
            return replace(around, reach=Reach.COUNTED, command=None, word=None)
        case kind if kind in _COUNTS or (kind == "compound_statement" and node.children[0].type == "(("):
            return replace(around, reach=Reach.COUNTED, command=None, word=around.word or node)
        case kind if kind in _COMPOUNDS:
            return replace(around, alone=False, reach=Reach.ELSE, command=None, word=None)
        case "string" | "heredoc_body":
            return replace(around, word=around.word or node, quoted=True)
        case "concatenation":
            return replace(around, word=around.word or node)
        case _:
            return around


def _redirected(child: Node, statement: Node, around: Around) -> Around:
    first = statement.children[0]
    if child == first and child.type not in {*REDIRECTS, "heredoc_redirect"}:
        documents = [each for each in statement.children if each.type == "heredoc_redirect"]
        nested = [part for document in documents for part in document.children]
        redirects = (part for part in (*statement.children, *nested) if part.type in REDIRECTS)
        return replace(
            around,
            redirects=(*around.redirects, *redirects),
            bodies=(*around.bodies, *(part for part in nested if part.type == "heredoc_body")),
            alone=True,
            last=around.last and not any(_begins_with_pipe(part) for part in nested),
        )
    return replace(around, reach=Reach.DOCUMENT, command=_command_of(first), word=None)


def _behind_document(child: Node, document: Node, around: Around) -> Around:
    """Return what stands around what follows `<<SQL` in its line, which the grammar keeps there."""
    if child.type in {"heredoc_body", *REDIRECTS}:
        return around
    before = document.parent
    fed = before is not None and _begins_with_pipe(child)
    return replace(around, redirects=(), bodies=(), fed_by=((before.start_byte, document.start_byte),) if before is not None and fed else around.fed_by)


def _piped(child: Node, pipeline: Node, around: Around) -> Around:
    at_end = child == pipeline.named_children[-1]
    kept = around if at_end else replace(around, redirects=(), bodies=(), last=False)
    return kept if child.start_byte == pipeline.start_byte else replace(kept, fed_by=(*around.fed_by, (pipeline.start_byte, child.start_byte)))


def _begins_with_pipe(node: Node) -> bool:
    return node.type == "pipeline" and node.children[0].type in {"|", "|&"}


def _command_of(statement: Node) -> int | None:
    """Return where the command begins that a here-document behind `statement` is given to; None for a compound."""
    node = statement
    while node.type != "command":
        if node.type not in {"redirected_statement", "negated_command", "list", "pipeline"} or not node.named_children:
            return None
        node = node.named_children[0 if node.type == "redirected_statement" else -1]
    return node.start_byte


def every(root: Node) -> Iterator[Node]:
    """Yield every node below `root`."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.children)


def text_of(node: Node) -> str:
    """Return what stands there."""
    return (node.text or b"").decode()


def document_of(body: Node) -> str:
    """Return the text of a here-document. The grammar takes a backslash at its beginning, as psql's commands have, for words of the line above."""
    whole = body.parent
    first = next((child for child in whole.children if child.start_byte < body.start_byte and text_of(child).startswith("\n")), None) if whole else None
    if whole is None or first is None:
        return text_of(body)
    return (whole.text or b"")[first.start_byte - whole.start_byte + 1 : body.end_byte - whole.start_byte].decode()


def variable_of(node: Node) -> str:
    """Return the variable that `node` names; empty where it names none."""
    return next((text_of(child) for child in node.children if child.type == "variable_name"), "")


def flows_of(nodes: list[tuple[Node, Around]]) -> Mapping[str, frozenset[str]]:
    """Return which variables each one that the block sets is set from."""
    found: dict[str, set[str]] = {}
    for node, around in nodes:
        if node.type in EXPANSIONS and around.sets and (used := variable_of(node)):
            found.setdefault(around.sets, set()).add(used)
    return {name: frozenset(used) for name, used in found.items()}
