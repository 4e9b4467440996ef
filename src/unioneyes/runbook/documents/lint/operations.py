"""What a document does to a running service that harms it, or that nobody needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unioneyes.runbook.documents.lint.finding import Finding, Rule, Severity, Typed, commands
from unioneyes.runbook.documents.model import Block, Document
from unioneyes.runbook.documents.programs import Invocation, invocation, invocations

OUTAGE = Rule(
    id="outage-before-deploy",
    severity=Severity.ERROR,
    title="scales to 0 before a deployment",
    wrong="it is an outage that a blue-green deployment does not need, and members get connection errors instead of an answer",
    do="leave the old colour serving; where a migration needs it: ue deploy start VERSION --maintenance",
)
EVIDENCE = Rule(
    id="destroys-evidence",
    severity=Severity.ERROR,
    title="scales to 0 when data was breached",
    wrong="the pods go, with their memory, their files and their logs: the evidence is destroyed before it was captured",
    do="capture first, then isolate by a network policy and a label, and leave the pods running",
)
LATE_LOGS = Rule(
    id="logs-after-the-pods",
    severity=Severity.ERROR,
    title="saves logs after their pods were ended",
    wrong="the pods whose logs it wants are gone by then",
    do="save the logs before anything is scaled or deleted",
)
SECRET_GAP = Rule(
    id="secret-gap",
    severity=Severity.ERROR,
    title="deletes a secret, then creates it",
    wrong="in between, whatever starts finds no secret; and connections that were opened with the old one live on",
    do="rotate between two roles: create the new one, move everything over, then end the old one",
)
NGINX = Rule(
    id="blocks-nobody",
    severity=Severity.ERROR,
    title="blocks an attacker by reloading nginx",
    wrong="a reload of the same configuration blocks nobody; and ingress-nginx was retired in March 2026 and gets no security fixes",
    do="put the address on a list at the edge, by `ue edge deny`; it refuses your own ranges",
)
ERASURE = Rule(
    id="erasure-not-verified",
    severity=Severity.ERROR,
    title="verifies an erasure by the identifier that was erased",
    wrong="after the erasure it finds nothing, erased or not, and it looks at one table only",
    do="find the tombstone by the erasure's own record, and scan every column for what remains",
)
RULES = (OUTAGE, EVIDENCE, LATE_LOGS, SECRET_GAP, NGINX, ERASURE)

_BREACH = re.compile(r"breach|isolat|security incident|forensic", re.IGNORECASE)
_DEPLOYS = re.compile(r"deploy|release|rollout|maintenance|migrat", re.IGNORECASE)
_NO_ANSWERS = re.compile(r"worker|batch|cron|job|queue|consumer|report|import|export", re.IGNORECASE)
"""In the names of what no member waits for."""
_BY_ID = re.compile(r"WHERE\s+\w*id\w*\s*=", re.IGNORECASE)
_ERASES = re.compile(r"anonymi[sz]e|erase|erasure|forget", re.IGNORECASE)


def check(document: Document) -> Iterator[Finding]:
    """Yield what harms the service."""
    for typed in commands(document):
        yield from _scaled(typed)
        yield from _secured(typed)


def _scaled(typed: Typed) -> Iterator[Finding]:
    run = typed.run
    if run.program != "kubectl" or run.verb != "scale" or run.values("--replicas") != ("0",):
        return
    if _about_breach(typed.block):
        yield EVIDENCE.at(typed.line, block=typed.block)
        for later in typed.after:
            saved = invocation(later.words)
            if saved.program == "kubectl" and saved.verb == "logs":
                yield LATE_LOGS.at(typed.block.line + later.line - 1, block=typed.block)
    elif _about_deployment(typed) and not _NO_ANSWERS.search(" ".join(run.operands[1:])):
        yield OUTAGE.at(typed.line, block=typed.block)


def _secured(typed: Typed) -> Iterator[Finding]:
    command, run = typed.command, typed.run
    if run.program == "kubectl" and set(_secrets(run, "delete")) & {name for later in typed.after for name in _secrets(invocation(later.words), "create")}:
        yield SECRET_GAP.at(typed.line, block=typed.block)
    if any(each.program == "nginx" and re.search(r"-s reload\b", " ".join(each.words)) for each in invocations(command)):
        yield NGINX.at(typed.line, block=typed.block)
    if run.program == "psql" and _BY_ID.search(command.text) and any(_ERASES.search(before.text) for before in typed.before):
        yield ERASURE.at(typed.line, block=typed.block)


def _secrets(run: Invocation, verb: str) -> tuple[str, ...]:
    """Return the secrets that kubectl deletes, or the one that it creates."""
    if run.program != "kubectl" or run.verb != verb:
        return ()
    named = run.operands[1:]
    if named[:1] in {("secret",), ("secrets",)}:
        return named[1:] if verb == "delete" else named[2:3]
    return tuple(name.partition("/")[2] for name in named if name.startswith(("secret/", "secrets/")))


def _about_breach(block: Block) -> bool:
    return _BREACH.search(f"{block.section}\n{block.code}") is not None


def _about_deployment(typed: Typed) -> bool:
    """Return True under a heading about deployments, below a comment that says so, and where the block deploys or migrates."""
    said = "\n".join(comment.text for comment in typed.script.comments)
    later = [invocation(each.words) for each in typed.after]
    deploys = any(run.program == "kubectl" and (run.verb in {"apply", "set"} or run.operands[:2] == ("rollout", "status")) for run in later)
    return deploys or _DEPLOYS.search(f"{typed.block.section}\n{said}") is not None
