"""What a block does to the world, told conservatively: it reads only when each of its commands is known to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from unioneyes.runbook.documents.model import Block, Language
from unioneyes.runbook.documents.parameters import masked
from unioneyes.runbook.documents.programs import Invocation, invocation, invocations
from unioneyes.runbook.documents.psql import asked_of, fed_files_of
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
_PSQL_READS = {
    *(f"-{letter}" for letter in "1AbcdehnpqtUwxX"),
    *("--command", "--dbname", "--host", "--port", "--username", "--no-psqlrc", "--no-align", "--tuples-only", "--expanded", "--quiet", "--csv"),
}
"""Options with which psql does nothing but what it is asked by -c."""
_CURL_TAKES = {"-H", "--header", "-m", "--max-time", "--retry", "--connect-timeout"}
_DESTROYS_SQL = re.compile(
    r"^(DROP|TRUNCATE)\b|^DELETE\b(?!.*\bWHERE\b)|^ALTER\b.*\bDROP\s+(?!(CONSTRAINT|DEFAULT|NOT\s+NULL|EXPRESSION|IDENTITY)\b)", re.IGNORECASE | re.DOTALL
)
_DESTROYS = {"rm", "unlink", "shred", "dd", "truncate", "dropdb", "dropuser", "pg_restore"}
_DESTROYING_VERBS = {
    "kubectl": {"delete"},
    "terraform": {"destroy"},
    "helm": {"uninstall", "delete"},
    "docker": {"rm", "rmi", "prune"},
}
_ERASES = re.compile(r"anonymi[sz]e|erase")


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
    return Effect.DESTROY if any(_destroys(command, script) for command in script.commands) else Effect.CHANGE


def step_effect(block: Block, undo: Block | None) -> Effect:
    """Return what a step does: what is taken back was a change, whatever it looks like."""
    effect = effect_of(block)
    return Effect.CHANGE if effect is Effect.READ and undo is not None else effect


def _only_reads(script: Script) -> bool:
    if script.broken_at is not None or script.own or any(redirect.writes for redirect in script.redirects):
        return False
    return all(_reads(invocation(command.words)) for command in script.commands)


def _reads(run: Invocation) -> bool:
    reads = _READING.get(run.program)
    return not run.before and reads is not None and reads(run)


def _destroys(command: Command, script: Script) -> bool:
    """Return True when something that the command runs, here or elsewhere, is known to have no way back."""
    if _ERASES.search(command.text):
        return True
    runs = invocations(command)
    asked = (statement for text in asked_of(command, script) for statement in text.statements)
    return any(_loses(run) for run in runs) or any(_DESTROYS_SQL.match(statement.text) for statement in asked) or bool(fed_files_of(command, script))


def _loses(run: Invocation) -> bool:
    verbs = _DESTROYING_VERBS.get(run.program, set())
    told = run.operands[:1] if run.program == "kubectl" and run.certain else run.operands[:3]
    return run.program in _DESTROYS or run.program.startswith("mkfs") or not verbs.isdisjoint(told) or (run.program == "find" and "-delete" in run.words)


def _whatever(run: Invocation) -> bool:
    del run
    return True


def _kubectl(run: Invocation) -> bool:
    plain = run.operands[: run.certain]
    return plain[:1] in {("get",), ("describe",), ("logs",), ("top",), ("version",)} or plain[:2] in {("rollout", "status"), ("rollout", "history")}


def _git(run: Invocation) -> bool:
    writes = any(word.startswith(("--output", "-o", "--ext-diff", "--textconv")) for word in run.words)
    return not writes and run.words[:1] in {("describe",), ("status",), ("log",), ("show",), ("rev-parse",), ("diff",)}


def _curl(run: Invocation) -> bool:
    rest = list(run.words)
    while rest:
        word = rest.pop(0)
        if word in _CURL_TAKES and rest:
            rest.pop(0)
        elif not _CURL_READS.fullmatch(word):
            return False
    return True


def _psql(run: Invocation) -> bool:
    asked = run.values("-c", "--command")
    whole = [statement for text in asked for statement in read_statements(text)]
    meta = any(text.lstrip().startswith("\\") for text in asked)
    return bool(asked) and {name for name, _ in run.options} <= _PSQL_READS and not meta and all(statement.only_reads for statement in whole)


def _date(run: Invocation) -> bool:
    return all(word.startswith("+") or word in {"-u", "--utc"} for word in run.words)


def _ue(run: Invocation) -> bool:
    return "--dry-run" in run.words or list(run.words[:2]) in [
        *(["deploy", verb] for verb in ("status", "list", "explain")),
        *(["run", verb] for verb in ("list", "show", "watch", "logs")),
        *(["env", "status"], ["env", "doctor"], ["release", "list"], ["rollback", "plan"], ["runbook", "list"], ["runbook", "lint"], ["runbook", "plan"]),
    ]


_HARMLESS = ("cat", "echo", "grep", "head", "tail", "wc", "cut", "jq", "ls", "df", "du", "free", "uptime", "whoami", "id", "uname", "true", "false", "sleep")
_READING: Mapping[str, Callable[[Invocation], bool]] = {
    **dict.fromkeys(_HARMLESS, _whatever),
    "curl": _curl,
    "date": _date,
    "git": _git,
    "kubectl": _kubectl,
    "psql": _psql,
    "ue": _ue,
}
