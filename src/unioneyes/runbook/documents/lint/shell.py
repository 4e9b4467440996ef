"""What a bash block can't do as a step, or does in another way than it seems."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from unioneyes.runbook.documents.equivalents import equivalent
from unioneyes.runbook.documents.lint.finding import Finding, Rule, Severity, Typed, scripts
from unioneyes.runbook.documents.model import Block, Document
from unioneyes.runbook.documents.parameters import parameters_of
from unioneyes.runbook.documents.programs import Invocation, invocations
from unioneyes.runbook.documents.psql import ECHOES, asked_of, psql_of
from unioneyes.runbook.documents.shell import Command, Script
from unioneyes.runbook.documents.syntax import Reach
from unioneyes.runbook.documents.values import Kind

NOT_BASH = Rule(
    id="not-bash",
    severity=Severity.ERROR,
    title="has lines in a bash block that bash does not know",
    wrong="bash knows no such command",
    do="move SQL into a block of its own, or give it to psql by -c or a here-document; put settings into the file that they belong to",
)
INTERACTIVE = Rule(
    id="waits-for-a-person",
    severity=Severity.ERROR,
    title="opens a session that waits for a person",
    wrong="it waits for somebody who types, and the lines below are not given to it",
    do="say what is to be done there: psql -c, kubectl exec POD -- COMMAND without -it",
)
ENDLESS = Rule(
    id="never-ends",
    severity=Severity.ERROR,
    title="starts what never ends by itself",
    wrong="it never ends by itself, so nothing after it is done",
    do="look once, or wait for a state with a time limit: kubectl wait --timeout=10m, ue deploy status --watch",
)
CURL = Rule(
    id="curl-cannot-fail",
    severity=Severity.WARNING,
    title="checks with a curl that can't fail",
    wrong="curl ends with 0 also when the server answers 500: the check passes whatever it finds",
    do="add --fail --silent --show-error --max-time 10",
)
GREP = Rule(
    id="grep-finds-nothing",
    severity=Severity.WARNING,
    title="ends with a grep for what should not be there",
    wrong="grep ends with 1 when it finds nothing: the step fails just when all is well, and passes when there are errors",
    do="count instead: grep -c ... || true, and compare the number with what is allowed",
)
PSQL = Rule(
    id="psql-goes-on",
    severity=Severity.ERROR,
    title="gives psql a file or a here-document without ON_ERROR_STOP",
    wrong="psql goes on after an error, COMMIT turns into ROLLBACK, and it ends with 0: half of it, or nothing, is done and nobody sees it",
    do="add -v ON_ERROR_STOP=1 --single-transaction",
)
NOWHERE = Rule(
    id="psql-anywhere",
    severity=Severity.WARNING,
    title="asks psql without saying which database",
    wrong="without a database's name psql asks whichever the machine's defaults name: the answer may be another system's",
    do="name the host and the database with -h and -d",
)
COMMENT_ONLY = Rule(
    id="comment-does-nothing",
    severity=Severity.WARNING,
    title="says in a comment what nobody does",
    wrong="it ends with words that no command carries out or checks",
    do="write the command, or compare what came with what should have come",
)
SECRET_SHOWN = Rule(
    id="secret-on-command-line",
    severity=Severity.WARNING,
    title="hands a secret over on the command line",
    wrong="the secret stands in the process list while the command runs, and in the history of whoever types it",
    do="hand it over by a file or by standard input: --from-file, curl -H @FILE",
)
SECRET_PASTED = Rule(
    id="secret-as-placeholder",
    severity=Severity.ERROR,
    title="leaves a secret open as a placeholder",
    wrong="a placeholder's value becomes a part of the text, which is shown and kept; so a secret is never put in",
    do='name a variable instead, "$API_TOKEN": it is read from a file when the block begins; no comment accepts this',
    acceptable=False,
)
READ_AGAIN = Rule(
    id="parameter-becomes-code",
    severity=Severity.WARNING,
    title="puts a parameter into text that is read as code",
    wrong="the value is pasted into SQL or into another shell: a quote in it changes what is done",
    do="bind it: psql -v id=\"$USER_ID\" <<'SQL' with :'id' in the text, for -c knows no variables; values are held to letters, digits and _ . @ : + - here",
)
UNQUOTED = Rule(
    id="unquoted-parameter",
    severity=Severity.NOTE,
    title="uses a parameter without quotes",
    wrong="the shell splits the value at blanks and expands * in it",
    do='put it in quotes: "$NAME"',
)
KNOWN = Rule(
    id="ue-does-it",
    severity=Severity.NOTE,
    title="types what a `ue` command does",
    wrong="ue does this with a plan, a journal and a way back",
    do="start the command of ue instead of the document: within one, the service is held already",
)
HELD = Rule(
    id="service-held-already",
    severity=Severity.ERROR,
    title="calls a `ue` command that needs the service for itself",
    wrong="the document's own run holds the service meanwhile: a deployment is refused, and a rollback takes the service over and ends the document",
    do="end the document before it, and start the command by itself; --dry-run and the commands that only look can stay",
)
RULES = (NOT_BASH, INTERACTIVE, ENDLESS, CURL, GREP, PSQL, NOWHERE, COMMENT_ONLY, SECRET_SHOWN, SECRET_PASTED, READ_AGAIN, UNQUOTED, KNOWN, HELD)

_TALKS = ("-c", "-f", "-l", "-V", "--command", "--file", "--list", "--version", "--help")
_SHELLS = {"bash", "sh", "zsh", "ash", "python", "python3", "mysql"}
_EDITORS = {"vi", "vim", "nano", "emacs", "less", "more", "man"}
_NEEDS_SERVICE = {("deploy", "start"), *(("rollback", verb) for verb in ("traffic", "release", "migration", "restore"))}
_FOLLOWS = ("-f", "-F", "--follow")
_WATCHES = ("-w", "--watch", "--watch-only")


def check(document: Document) -> Iterator[Finding]:
    """Yield what is wrong with the bash blocks."""
    for block, script in scripts(document):
        given = _given_words(script)
        for typed in (Typed(command=command, block=block, script=script) for command in script.commands):
            yield from _cannot(typed)
            yield from _misleads(typed, given.get(typed.command.at, set()))
            if any(run.program == "ue" and run.words[:2] in _NEEDS_SERVICE and "--dry-run" not in run.words for run in invocations(typed.command)):
                yield HELD.at(typed.line, what=f"`{typed.shown}`: {HELD.wrong}", block=block)
            if (row := equivalent(typed.command.text)) is not None:
                yield KNOWN.at(typed.line, what=f"`{row.does}`: {row.told}: {row.why}", block=block)
    for block, script in scripts(document):
        if script.broken_at is not None:
            yield NOT_BASH.at(block.line + script.broken_at - 1, what="bash can't read this line", block=block)
        last = max((command.last_line for command in script.commands), default=0)
        trailing = [comment for comment in script.comments if comment.line > last]
        if trailing:
            yield COMMENT_ONLY.at(block.line + trailing[0].line - 1, what=f"'{trailing[0].text}': {COMMENT_ONLY.wrong}", block=block)
    for block, _ in scripts(document):
        yield from _given(block)


def _given(block: Block) -> Iterator[Finding]:
    """Yield how the block treats what it is given."""
    for parameter in parameters_of((block,)):
        if parameter.kind is Kind.SECRET and not parameter.spoken.startswith("$"):
            yield SECRET_PASTED.at(parameter.lines[0], what=f"{parameter.spoken}: {SECRET_PASTED.wrong}", block=block)
    named = [parameter for parameter in parameters_of((block,)) if parameter.spoken.startswith("$")]
    bare: dict[int, list[str]] = {}
    for parameter in named:
        if parameter.bare:
            bare.setdefault(parameter.lines[0], []).append(parameter.spoken)
        if parameter.strict:
            yield READ_AGAIN.at(parameter.lines[-1], what=f"{parameter.spoken}: {READ_AGAIN.wrong}", block=block)
    for line, spoken in bare.items():
        yield UNQUOTED.at(line, what=f"{', '.join(spoken)}: {UNQUOTED.wrong}", block=block)


def _cannot(typed: Typed) -> Iterator[Finding]:
    command = typed.command
    if command.foreign:
        setting = command.arguments[:1] == ("=",)
        what = f"`{command.name} = ...` is a setting of a file, not a command" if setting else f"`{command.name}` is SQL or psql's: {NOT_BASH.wrong}"
        yield NOT_BASH.at(typed.line, what=what, block=typed.block)
    if _waits(typed):
        yield INTERACTIVE.at(typed.line, what=f"`{typed.shown}`: {INTERACTIVE.wrong}", block=typed.block)
    if _is_endless(typed.run):
        yield ENDLESS.at(typed.line, what=f"`{typed.shown}`: {ENDLESS.wrong}", block=typed.block)


def _is_endless(run: Invocation) -> bool:
    match run.program:
        case "watch" | "htop":
            endless = True
        case "top":
            endless = not run.has("-n")
        case "kubectl":
            endless = (run.verb == "logs" and run.has(*_FOLLOWS)) or (run.verb == "get" and run.has(*_WATCHES))
        case "docker":
            endless = "logs" in run.operands[:2] and run.has(*_FOLLOWS)
        case program:
            endless = program in {"tail", "journalctl"} and run.has(*_FOLLOWS)
    return endless and "timeout" not in run.before


def _waits(typed: Typed) -> bool:
    runs = invocations(typed.command)
    fed = _is_fed(typed.command)
    match runs[0].program:
        case "psql":
            return not fed and not runs[0].has(*_TALKS)
        case "kubectl" | "docker" if len(runs) > 1 and "exec" in runs[0].operands[:2]:
            inner = runs[1]
            asks = (inner.program in _SHELLS and not inner.words) or (inner.program == "psql" and not inner.has(*_TALKS))
            return runs[0].has("-t", "--tty") or (not fed and (asks or runs[0].has("-i", "--stdin", "--interactive")))
        case "ssh-keygen":
            return not (runs[0].has("-N") and runs[0].has("-f")) and not runs[0].has("-l", "-y", "-R", "-F")
        case program:
            return program in _EDITORS


def _is_fed(command: Command) -> bool:
    """Return True when the command reads what the block gives it."""
    return command.fed is not None or command.piped or any(each.operator.startswith("<") for each in command.redirects)


@lru_cache(maxsize=256)
def _secrets_of(block: Block) -> tuple[str, ...]:
    return tuple(parameter.name for parameter in parameters_of((block,)) if parameter.kind is Kind.SECRET)


def _given_words(script: Script) -> dict[int, set[str]]:
    """Return which variables each command gets as a word, or as a part of one, by where the command begins."""
    found: dict[int, set[str]] = {}
    for use in script.uses:
        if use.command is not None and use.reach is Reach.WORD:
            found.setdefault(use.command, set()).add(use.name)
    return found


def _misleads(typed: Typed, given: set[str]) -> Iterator[Finding]:
    command, run = typed.command, typed.run
    words = run.words
    if run.program == "curl" and not any(word.startswith("--fail") or re.fullmatch(r"-[A-Za-z]*f[A-Za-z]*", word) for word in words):
        yield CURL.at(typed.line, block=typed.block)
    if run.program == "grep" and command.last and not command.minded and re.search(r"ERROR|FATAL|Exception|panic", " ".join(words)):
        yield GREP.at(typed.line, block=typed.block)
    if (psql := psql_of(command)) is not None and (_is_fed(command) or psql.has("-f", "--file")) and not _stops(typed, psql):
        yield PSQL.at(typed.line, block=typed.block)
    if run.program == "psql" and not (run.has("-d", "--dbname", "-l", "--list") or run.operands or _names_elsewhere(typed)):
        yield NOWHERE.at(typed.line, block=typed.block)
    if run.program not in ECHOES:  # bash's own: no process list shows what they are told
        secrets = [name for name in _secrets_of(typed.block) if name in given]
        if secrets:
            yield SECRET_SHOWN.at(typed.line, what=f"${secrets[0]}: {SECRET_SHOWN.wrong}", block=typed.block)


def _stops(typed: Typed, psql: Invocation) -> bool:
    """Return True when psql is told to stop at the first error, by an option or by what it reads."""
    told = [*psql.values("-v", "--set", "--variable"), *(asked.text for asked in asked_of(typed.command, typed.script))]
    return any(re.search(r"ON_ERROR_STOP(\s*=\s*|\s+)(1|on|true|yes)\b", text, re.IGNORECASE) for text in told)


def _names_elsewhere(typed: Typed) -> bool:
    """Return True when psql's environment names the database."""
    return not {"PGDATABASE", "PGSERVICE"}.isdisjoint(typed.script.own) or any(word.startswith(("PGDATABASE=", "PGSERVICE=")) for word in typed.run.before)
