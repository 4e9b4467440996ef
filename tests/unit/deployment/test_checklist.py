"""The pre-deployment checklist: what can't be evaluated blocks; only the policy waives, by name."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

import unioneyes.operations.deployment.runbook  # noqa: F401 - registers what is deployed by
from unioneyes.kernel.access import Role
from unioneyes.kernel.calendar import Window
from unioneyes.operations.deployment.checklist import (
    ChecklistBlocks,
    migration_reviewed,
    refuse_if_blocked,
    rollback_plan,
    sign_offs,
    waive,
)
from unioneyes.operations.deployment.model import DeployPlan
from unioneyes.ports.checklist import ApprovalRule, Gate, GateState
from unioneyes.ports.database import LintFinding, Loss, LossKind, Migration
from unioneyes.ports.traffic import Colour
from unioneyes.runbook.approvals import drift
from unioneyes.runbook.definition import definition
from unioneyes.runbook.pages.reading import named_steps
from unioneyes.runbook.plan import Effect


@dataclass
class Policy:
    """Waives what it is told to."""

    waivers: dict[str, str] = field(default_factory=dict)

    def release_contract(self) -> Gate:
        raise NotImplementedError

    def current_version(self) -> Gate:
        raise NotImplementedError

    def staging_health(self) -> Gate:
        raise NotImplementedError

    def change_freeze(self) -> Gate:
        raise NotImplementedError

    def freezes(self) -> tuple[Window, ...]:
        raise NotImplementedError

    def approvals(self, runbook: str) -> tuple[ApprovalRule, ...]:
        raise NotImplementedError

    def waived(self, gate: str) -> str | None:
        return self.waivers.get(gate)


def migration(*, rollback: str | None = "DROP TABLE t;") -> Migration:
    return Migration(tag="0002_more", sha256="0" * 64, when=1, sql="CREATE TABLE t ();", rollback_sql=rollback, transactional=True, needs_maintenance=False)


def finding(*, blocks: bool) -> LintFinding:
    return LintFinding(tag="0002_more", rule="require-concurrent-index-creation", line=3, message="creating an index blocks writes", blocks=blocks)


def test_sign_offs_that_nobody_can_give_block() -> None:
    with pytest.raises(ChecklistBlocks, match="Security team sign-off is unavailable"):
        refuse_if_blocked(sign_offs(()))


def test_a_sign_off_that_people_are_asked_for_blocks_nothing_yet_and_says_whose_it_is() -> None:
    rule = ApprovalRule(
        gate="security-sign-off",
        title="Security team sign-off",
        roles=(Role.SECURITY_APPROVER,),
        needed=1,
        lasts=timedelta(hours=24),
        begins_within=timedelta(minutes=15),
        escalates_after=None,
    )
    security, product = sign_offs((rule,))
    assert (security.state, product.state) == (GateState.AWAITED, GateState.UNAVAILABLE)
    assert not security.state.blocks
    assert "1 of security-approver" in security.detail


def test_a_waiver_opens_its_own_gate_only_and_its_reason_is_kept() -> None:
    gates = waive(sign_offs(()), Policy({"security-sign-off": "a rehearsal"}))
    waived = {gate.name: gate.detail for gate in gates if gate.state is GateState.WAIVED}
    assert list(waived) == ["security-sign-off"]
    assert "a rehearsal" in waived["security-sign-off"]


def test_the_file_behind_a_gate_that_is_waived_counts_for_nothing() -> None:
    red = Gate(name="release-contract", title="Release Contract CI passing", state=GateState.FAILED, detail="1 went wrong", read=("the report", "a" * 64))
    (waived,) = waive((red,), Policy({"release-contract": "a rehearsal"}))
    assert (waived.state, waived.read) == (GateState.WAIVED, None)
    assert waive((red,), Policy()) == (red,)


def test_a_gate_that_passed_is_not_waived() -> None:
    passed = migration_reviewed((migration(),), ())
    assert waive((passed,), Policy({"migration-reviewed": "never mind"})) == (passed,)


def test_a_lint_error_blocks_and_names_the_line() -> None:
    gate = migration_reviewed((migration(),), (finding(blocks=True),))
    assert gate.state is GateState.FAILED
    assert "0002_more.sql:3" in gate.detail


def test_a_lint_warning_does_not_block() -> None:
    assert migration_reviewed((migration(),), (finding(blocks=False),)).state is GateState.PASSED


def test_a_migration_without_a_way_back_blocks() -> None:
    assert migration_reviewed((migration(rollback=None),), ()).state is GateState.FAILED


def test_without_migrations_there_is_nothing_to_review() -> None:
    assert migration_reviewed((), ()).state is GateState.NOT_APPLICABLE


def test_a_rollback_plan_needs_a_ready_replica_of_the_previous_release() -> None:
    assert rollback_plan(previous="1.0.0", previous_ready=0, pending=()).state is GateState.FAILED
    assert rollback_plan(previous="1.0.0", previous_ready=2, pending=()).state is GateState.PASSED
    assert rollback_plan(previous=None, previous_ready=0, pending=()).state is GateState.PASSED


def test_a_release_whose_way_back_loses_data_says_so_before_it_goes_out() -> None:
    lost = (Loss(migration="0002_more", kind=LossKind.COLUMN, what="claims.deadline", rows=None),)
    gate = rollback_plan(previous="1.0.0", previous_ready=2, pending=(migration(),), losses=lost)
    assert gate.state is GateState.PASSED
    assert "taking 0002_more back drops claims.deadline: what members write there is lost" in gate.detail


def deployment(*, ready: int, state: GateState = GateState.PASSED) -> DeployPlan:
    """Return a plan whose gates tell how many replicas are ready just now."""
    return DeployPlan(
        summary="deploy 1.1.0 to green",
        steps=(),
        version="1.1.0",
        previous="1.0.0",
        colour=Colour.GREEN,
        replicas=2,
        ready_within=timedelta(minutes=1),
        configuration={},
        migrations=(),
        backup=False,
        maintenance=False,
        bake=timedelta(minutes=10),
        auto_rollback=True,
        gates=(replace(rollback_plan(previous="1.0.0", previous_ready=ready, pending=()), state=state),),
    )


def test_an_approval_signs_that_a_gate_is_open_and_not_what_its_words_count() -> None:
    assert deployment(ready=2).hash() == deployment(ready=3).hash()
    assert deployment(ready=2).hash() != deployment(ready=2, state=GateState.WAIVED).hash()


def test_nobody_is_asked_for_what_a_gate_keeps_from_beginning() -> None:
    deployment(ready=2).require_open()
    with pytest.raises(ChecklistBlocks):
        deployment(ready=0, state=GateState.FAILED).require_open()


def test_no_step_of_a_deployment_destroys_for_good_so_that_two_people_may_still_override_it() -> None:
    steps = {each.name: each.step.effect for each in named_steps(definition("deployment.start")) if not isinstance(each.step, str)}
    assert "apply_migrations" in steps
    assert Effect.DESTROY not in steps.values()


def test_the_report_that_opened_a_gate_is_signed_as_content_and_not_as_the_gate_s_words() -> None:
    green = Gate(name="release-contract", title="Release Contract CI passing", state=GateState.PASSED, detail="2 tests passed", read=("the report", "a" * 64))
    plan = replace(deployment(ready=2), gates=(green,), content={"the report": "a" * 64})
    assert plan.hash() == replace(plan, gates=(replace(green, detail="3 tests passed", read=None),)).hash()
    again = replace(plan, gates=(replace(green, read=("the report", "b" * 64)),), content={"the report": "b" * 64})
    assert drift(plan, again) == f"the report changed since it was approved ({'a' * 12} then, {'b' * 12} now)"
