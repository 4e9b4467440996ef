"""The flow of a document, which is its blocks one after another."""

from __future__ import annotations

from unioneyes.kernel.access import Right
from unioneyes.kernel.problems import Refused
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.documents.plan import DocumentPlan, DocumentRequest, DocumentRun
from unioneyes.runbook.documents.planning import plan_document
from unioneyes.runbook.documents.steps import check_document, step_of
from unioneyes.runbook.plan import Effect


class ItChanges(Refused):
    """A document that should only be read has blocks that change something."""


@runbook(name="document.run", chapter="Your own runbooks", right=Right.EXECUTE)
class RunDocument:
    """Run the blocks of a document, in their order, one step each."""

    def plan(self, env: Environment, request: DocumentRequest) -> DocumentPlan:
        """Read the document and put the values in. Raises: what `plan_document` raises."""
        return _plan(env, request)

    def run(self, env: Environment, plan: DocumentPlan) -> DocumentRun:
        """Check first, then block after block."""
        return _run(env, plan)


@runbook(name="document.read", chapter="Your own runbooks", locks=False, right=Right.EXECUTE)
class ReadDocument:
    """Run blocks of a document that only read: nobody has to wait for it, and it waits for nobody."""

    def plan(self, env: Environment, request: DocumentRequest) -> DocumentPlan:
        """Read the document and put the values in. Raises: ItChanges, and what `plan_document` raises."""
        plan = _plan(env, request)
        changing = [block.line for block in plan.blocks if block.effect is not Effect.READ]
        if changing:
            raise ItChanges(what=f"the block in line {changing[0]} may change something", remedy="run it as document.run, which holds the service meanwhile")
        return plan

    def run(self, env: Environment, plan: DocumentPlan) -> DocumentRun:
        """Check first, then block after block."""
        return _run(env, plan)


def _plan(env: Environment, request: DocumentRequest) -> DocumentPlan:
    return plan_document(request, env.facts, missing=env.shell.missing, sql_by=env.queries.describe(), checked=check_document.planned())


def _run(env: Environment, plan: DocumentPlan) -> DocumentRun:
    programs = tuple(dict.fromkeys(program for block in plan.blocks for program in block.programs))
    check_document(env.shell, gates=plan.gates, programs=programs)
    hidden = tuple(dict.fromkeys(place for block in plan.blocks for place in block.secrets.values()))
    for block in plan.blocks:
        step_of(block)(env.shell, env.queries, env.secrets, block=block, hidden=hidden)
    return DocumentRun(document=plan.document, sha256=plan.sha256, blocks=len(plan.blocks))
