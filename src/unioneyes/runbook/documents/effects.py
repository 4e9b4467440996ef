"""What a block does to the world, told conservatively: it reads only when each of its commands is known to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from unioneyes.runbook.documents.model import Block, Language
from unioneyes.runbook.documents.parameters import masked
from unioneyes.runbook.documents.shell import Command, Script, read_script
from unioneyes.runbook.documents.sql import read_statements, unended_at
from unioneyes.runbook.plan import Effect

RULE = (
    "A block reads only when every one of its commands is on the list of those that do, sets no variable and writes no file; an SQL block when every "
    "statement begins with SELECT, SHOW, EXPLAIN, TABLE, VALUES or WITH, holds no word that changes, and calls only functions known to change nothing. "
    "It then runs in a read-only transaction, so that PostgreSQL itself refuses what the rule overlooked. Every other block changes; it destroys when a "
    "command of it is known to have no way back."
)
"""The rule, in words: for the page and for people who ask."""

_CURL_READS = re.compile(r"-[sSfLIiv]+|--(silent|show-error|fail|fail-with-body|location|head|include|compressed)|https?://\S+|\$\w+|\$\{\w+\}")
_CURL_TAKES = {"-H", "--header", "-m", "--max-time", "--retry", "--connect-timeout"}
_DESTROYS_SQL = re.compile(r"^(DROP|TRUNCATE)\b|^DELETE\b(?!.*\bWHERE\b)", re.IGNORECASE | re.DOTALL)
_DESTROYS = re.compile(
    r"^(rm|shred|dropdb|pg_restore)\b|^kubectl delete\b|^find\b.*\s-delete\b|^psql\b.*<\s|^(terraform|helm)\s+(destroy|uninstall|delete)\b|anonymize|erase"
    r"|^psql\b.*\b(DROP|TRUNCATE|DELETE)\b"
)


def effect_of(block: Block) -> Effect:
    """Return what running the block does. Source: `RULE`."""
    if block.language is Language.SQL:
        statements = read_statements(block.code)
        if unended_at(block.code) is None and all(statement.only_reads for statement in statements):
            return Effect.READ
        return Effect.DESTROY if any(_DESTROYS_SQL.match(statement.text) for statement in statements) else Effect.CHANGE
    script = read_script(masked(block))
    if _only_reads(script):
        return Effect.READ
    return Effect.DESTROY if any(_DESTROYS.search(command.text) for command in script.commands) else Effect.CHANGE


def _only_reads(script: Script) -> bool:
    return script.broken_at is None and not script.own and all(_reads(command) for command in script.commands)


def _reads(command: Command) -> bool:
    written = [each for each in command.redirects if each.operator not in {"<", "<<<"} and each.target not in {"/dev/null", "&1", "&2", "1", "2"}]
    reads = _READING.get(command.name)
    return not written and reads is not None and reads(command.arguments)


def _whatever(words: Sequence[str]) -> bool:
    del words
    return True


def _kubectl(words: Sequence[str]) -> bool:
    plain = [word for word in words if not word.startswith("-")]
    return plain[:1] in (["get"], ["describe"], ["logs"], ["top"], ["version"]) or plain[:2] in (["rollout", "status"], ["rollout", "history"])


def _git(words: Sequence[str]) -> bool:
    writes = any(word.startswith(("--output", "-o", "--ext-diff", "--textconv")) for word in words)
    return not writes and list(words[:1]) in (["describe"], ["status"], ["log"], ["show"], ["rev-parse"], ["diff"])


def _curl(words: Sequence[str]) -> bool:
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in _CURL_TAKES and rest:
            rest.pop(0)
        elif not _CURL_READS.fullmatch(word):
            return False
    return True


def _psql(words: Sequence[str]) -> bool:
    asked = [after for word, after in pairwise(words) if word == "-c"]
    others = [word for word in words if word in {"-f", "-o", "-L", "-v"} or word.startswith(("--file", "--output", "--command", "--log"))]
    whole = [statement for text in asked for statement in read_statements(text)]
    meta = any(text.lstrip().startswith("\\") for text in asked)
    return bool(asked) and not others and not meta and all(statement.only_reads for statement in whole)


def _date(words: Sequence[str]) -> bool:
    return all(word.startswith("+") or word in {"-u", "--utc"} for word in words)


def _ue(words: Sequence[str]) -> bool:
    return "--dry-run" in words or list(words[:2]) in [
        *(["deploy", verb] for verb in ("status", "list", "explain")),
        *(["run", verb] for verb in ("list", "show", "watch", "logs")),
        *(["env", "status"], ["env", "doctor"], ["release", "list"], ["rollback", "plan"], ["runbook", "list"], ["runbook", "lint"], ["runbook", "plan"]),
    ]


_HARMLESS = ("cat", "echo", "grep", "head", "tail", "wc", "cut", "jq", "ls", "df", "du", "free", "uptime", "whoami", "id", "uname", "true", "false", "sleep")
_READING: Mapping[str, Callable[[Sequence[str]], bool]] = {
    **dict.fromkeys(_HARMLESS, _whatever),
    "curl": _curl,
    "date": _date,
    "git": _git,
    "kubectl": _kubectl,
    "psql": _psql,
    "ue": _ue,
}
