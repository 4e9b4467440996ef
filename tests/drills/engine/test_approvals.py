"""Runs that wait for others to say yes: who may, what is void, what ends by itself, and that none of it changes anything before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.drills.engine.conftest import Drill, drill_on
from tests.drills.engine.runbooks import Behaviour, Move, Script
from unioneyes.adapters.postgres.server import PostgresServer
from unioneyes.environments.policy import PolicyUnreadable
from unioneyes.kernel.access import NotAllowed, Person, Role
from unioneyes.kernel.status import RunStatus
from unioneyes.ports.checklist import Override
from unioneyes.runbook.audit.entry import ENGINE, Action
from unioneyes.runbook.problems import AnsweredAlready, NeverOverridden, NotAwaited, OwnRequest, RunEnded, UnknownGate
from unioneyes.runbook.views import EntryKind, RunView, Verdict

REQUESTER = "member-1@example.org"
SECURITY = Person(name="officer-1@example.org", roles=frozenset({Role.SECURITY_APPROVER}))
SECURITY_TOO = Person(name="officer-2@example.org", roles=frozenset({Role.SECURITY_APPROVER}))
PRODUCT = Person(name="owner-1@example.org", roles=frozenset({Role.PRODUCT_APPROVER}))
OPERATOR = Person(name=REQUESTER, roles=frozenset({Role.OPERATOR}))
OPERATOR_TOO = Person(name="operator-2@example.org", roles=frozenset({Role.OPERATOR}))
RULES: dict[str, dict[str, object]] = {
    "security": {"title": "Security signs", "own": ["drill.script", "drill.rescue", "drill.aside"], "roles": ["security-approver"]},
    "product": {"title": "Product agrees", "own": ["drill.script"], "roles": ["product-approver"]},
    "waived-gate": {"title": "Waived here", "own": ["drill.script"], "roles": ["auditor"]},
}


class Policy:
    """The file that the drill's engines read."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.say()

    def say(self, **changed: object) -> None:
        """From now on the security gate's rule says this as well."""
        self._write(RULES | {"security": RULES["security"] | changed})

    def say_of_each(self, **changed: object) -> None:
        """From now on every gate's rule says this as well."""
        self._write({gate: rule | changed for gate, rule in RULES.items()})

    def _write(self, rules: Mapping[str, Mapping[str, object]]) -> None:
        self._file.write_text(yaml.safe_dump(rules, sort_keys=False))

    def spoil(self) -> None:
        """From now on nobody can tell what the policy says."""
        self._file.write_text("security: [")


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Policy:
    monkeypatch.setenv("DRILL_APPROVALS", str(tmp_path / "approvals.yaml"))
    return Policy(tmp_path / "approvals.yaml")


@pytest.fixture
def asked(server: PostgresServer, policy: Policy) -> Iterator[Drill]:
    """A drill with a worker, where runs wait for approval."""
    del policy
    with drill_on(server) as drill:
        drill.work()
        yield drill


def requested(drill: Drill) -> RunView:
    run = drill.start(Move(key="a"))
    assert run.status is RunStatus.AWAITING_APPROVAL
    return run


def grant(drill: Drill, run: RunView, *people: Person) -> None:
    for person in people:
        drill.engine.approvals.answer(run.id, None, Verdict.GRANTED, by=person, note="looked at it")


def test_a_run_begins_when_the_last_yes_is_there_and_holds_nothing_before(asked: Drill) -> None:
    run = requested(asked)
    assert asked.engine.lock() is None
    assert [rule.gate for rule in asked.engine.planned(run.id).approvals] == ["security", "product"]
    grant(asked, run, SECURITY)
    assert asked.engine.run(run.id).status is RunStatus.AWAITING_APPROVAL
    assert asked.effects("did") == []
    grant(asked, run, PRODUCT)
    assert asked.ended(run.id).status is RunStatus.DONE
    assert asked.effects("did") == ["did a"]
    assert asked.kinds(run.id)[:4] == ["awaited", "answered", "answered", "run-started"]


def test_people_are_asked_once_and_again_when_the_chat_was_away(asked: Drill) -> None:
    first = requested(asked)
    asked.until(lambda: asked.effects("told"), lambda told: len(told) == 1)
    second = requested(asked)
    asked.until(lambda: asked.effects("told"), lambda told: len(told) == 2)
    grant(asked, first, SECURITY, PRODUCT)
    assert asked.ended(first.id).status is RunStatus.DONE
    assert asked.effects("told") == ["told AWAITING APPROVAL: drill a"] * 2
    assert asked.engine.run(second.id).status is RunStatus.AWAITING_APPROVAL


def test_nobody_answers_who_is_not_asked_or_asked_for_it_or_has_answered(asked: Drill) -> None:
    run = requested(asked)
    approvals = asked.engine.approvals
    with pytest.raises(NotAllowed, match="nothing of"):
        grant(asked, run, OPERATOR)
    with pytest.raises(NotAllowed, match="it takes product-approver"):
        approvals.answer(run.id, "product", Verdict.GRANTED, by=SECURITY, note="mine too")
    with pytest.raises(UnknownGate, match="no approval called 'waived-gate'"):
        approvals.answer(run.id, "waived-gate", Verdict.GRANTED, by=SECURITY, note="x")
    with pytest.raises(OwnRequest, match="can't approve it as well"):
        grant(asked, run, Person(name=REQUESTER, roles=frozenset({Role.SECURITY_APPROVER})))
    with pytest.raises(UnknownGate, match="more than one gate"):
        grant(asked, run, Person(name="both@example.org", roles=frozenset({Role.SECURITY_APPROVER, Role.PRODUCT_APPROVER})))
    grant(asked, run, SECURITY)
    with pytest.raises(AnsweredAlready):
        grant(asked, run, SECURITY)
    with pytest.raises(NotAllowed, match="nobody's yes"):
        grant(asked, run, replace(SECURITY_TOO, shared=True))
    with pytest.raises(NotAllowed, match="nobody's yes"):
        approvals.override(run.id, by=replace(OPERATOR, shared=True), reason="it burns")
    assert asked.engine.run(run.id).status is RunStatus.AWAITING_APPROVAL
    assert len(approvals.of(run.id).answers) == 1


def test_two_of_several_must_say_yes_where_the_policy_wants_two(server: PostgresServer, policy: Policy) -> None:
    policy.say(needed=2)
    with drill_on(server) as drill:
        drill.work()
        run = requested(drill)
        grant(drill, run, SECURITY, PRODUCT)
        (gate, _) = drill.engine.approvals.of(run.id).gates
        assert (gate.granted, gate.needed) == (1, 2)
        assert drill.engine.run(run.id).status is RunStatus.AWAITING_APPROVAL
        grant(drill, run, SECURITY_TOO)
        assert drill.ended(run.id).status is RunStatus.DONE


def test_whoever_said_yes_may_still_say_no_while_the_run_waits(asked: Drill) -> None:
    run = requested(asked)
    grant(asked, run, SECURITY)
    asked.engine.approvals.answer(run.id, None, Verdict.REFUSED, by=SECURITY, note="I overlooked something")
    assert asked.engine.run(run.id).status is RunStatus.REFUSED
    assert [answer.verdict for answer in asked.engine.approvals.of(run.id).answers] == [Verdict.REFUSED]
    assert asked.kinds(run.id) == ["awaited", "answered", "answered", "run-ended"]


def test_what_reached_a_worker_without_the_yes_that_it_needs_ends_as_refused(asked: Drill) -> None:
    run = requested(asked)
    asked.in_control("UPDATE ue.runs SET status = 'pending' WHERE id = %s", run.id)
    ended = asked.ended(run.id)
    assert ended.status is RunStatus.REFUSED
    assert ended.problem is not None
    assert "a yes that it needs is missing" in ended.problem["detail"]
    assert asked.effects("began", "did") == []


def test_what_others_must_say_yes_to_is_no_part_of_another_run(server: PostgresServer, policy: Policy) -> None:
    policy.say(own=["drill.part"])
    with drill_on(server) as drill:
        drill.work()
        run = drill.start_script(Script(moves=(Move(key="a"),), child=(Move(key="b"),)))
        grant(drill, run, PRODUCT)
        ended = drill.ended(run.id)
        assert ended.status is RunStatus.UNDONE
        assert ended.problem is not None
        assert ended.problem["type"] == "urn:unioneyes:problem:not-asked"
        assert "did b" not in drill.effects("did")


def test_a_no_ends_the_run_and_says_by_whom_and_why(asked: Drill) -> None:
    run = requested(asked)
    grant(asked, run, SECURITY)
    asked.engine.approvals.answer(run.id, None, Verdict.REFUSED, by=PRODUCT, note="not on a Friday")
    ended = asked.engine.run(run.id)
    assert ended.status is RunStatus.REFUSED
    assert ended.problem is not None
    assert ended.problem["detail"] == "owner-1@example.org refuses product: not on a Friday"
    (refused,) = asked.audited(Action.APPROVAL_REFUSED, run=run.id)
    assert (refused.actor, refused.reason) == ("owner-1@example.org", "not on a Friday")
    assert refused.data == {"gate": "product", "plan_hash": run.plan_hash, "roles": ["product-approver"]}
    (told,) = asked.audited(Action.RUN_ENDED, run=run.id)
    assert (told.actor, told.data["status"]) == ("owner-1@example.org", "refused")
    with pytest.raises(RunEnded):
        grant(asked, run, SECURITY_TOO)
    assert asked.effects() == ["told AWAITING APPROVAL: drill a"] or asked.effects() == []


def test_a_plan_that_drifts_after_it_was_approved_voids_the_approval_and_says_what_drifted(server: PostgresServer, policy: Policy) -> None:
    with drill_on(server) as drill:
        run = requested(drill)
        grant(drill, run, SECURITY, PRODUCT)
        policy.say(title="Security signs, and means it")
        drill.work()
        ended = drill.ended(run.id)
        assert ended.status is RunStatus.REFUSED
        assert ended.problem is not None
        assert "approvals.1.title: Security signs then, Security signs, and means it now" in ended.problem["detail"]
        assert drill.effects("began", "did") == []
        assert drill.engine.lock() is None


def test_a_yes_counts_for_a_time_and_can_be_given_again(server: PostgresServer, policy: Policy) -> None:
    policy.say(lasts="2s")
    with drill_on(server) as drill:
        drill.work()
        run = requested(drill)
        grant(drill, run, SECURITY)
        drill.until(lambda: drill.engine.approvals.of(run.id).gates[0].granted, lambda granted: granted == 0)
        assert drill.engine.run(run.id).status is RunStatus.AWAITING_APPROVAL  # the other gate's day is not over
        grant(drill, run, SECURITY)
        assert drill.engine.approvals.of(run.id).gates[0].granted == 1
        grant(drill, run, PRODUCT)
        assert drill.ended(run.id).status is RunStatus.DONE


def test_a_run_that_nobody_answers_ends_by_itself_and_so_does_one_that_lacks_a_yes(server: PostgresServer, policy: Policy) -> None:
    policy.say_of_each(lasts="2s")
    with drill_on(server) as drill:
        drill.work()
        unanswered, half_answered = requested(drill), requested(drill)
        grant(drill, half_answered, SECURITY)
        for run, missing in ((unanswered, "nobody said yes"), (half_answered, "a yes that it needs did not come")):
            ended = drill.ended(run.id)
            assert ended.status is RunStatus.REFUSED
            assert ended.problem is not None
            assert ended.problem["type"] == "urn:unioneyes:problem:approvals-expired"
            assert ended.problem["detail"] == f"{run.id}: {missing} within 2.0 s; nothing was changed"
            (entry,) = drill.audited(Action.RUN_ENDED, run=run.id)
            assert (entry.actor, entry.data["status"]) == (ENGINE, "refused")
            with pytest.raises(RunEnded):
                grant(drill, run, SECURITY_TOO)
        assert drill.effects("began", "did") == []
        assert drill.engine.lock() is None


def test_what_is_approved_and_does_not_begin_in_time_ends_and_what_nobody_answers_is_asked_again(server: PostgresServer, policy: Policy) -> None:
    policy.say(begins_within="2s", escalates_after="1s")
    with drill_on(server) as drill:
        drill.work()
        run = requested(drill)
        drill.until(lambda: drill.effects("told"), lambda told: len(told) == 2)
        assert drill.effects("told") == ["told AWAITING APPROVAL: drill a", "told STILL AWAITING APPROVAL: drill a"]
        drill.engine.line.stop(reason="payments fail", by=REQUESTER)
        grant(drill, run, SECURITY, PRODUCT)
        ended = drill.ended(run.id)
        assert ended.status is RunStatus.REFUSED
        assert ended.problem is not None
        assert "did not begin within 2.0 s" in ended.problem["detail"]


def test_one_that_is_approved_waits_for_the_service_and_cancelling_it_is_at_once(asked: Drill) -> None:
    holder = asked.start_script(Script(moves=(Move(key="w", step="look", behaviour=Behaviour.WAITS),)))
    grant(asked, holder, SECURITY, PRODUCT)
    asked.until(lambda: asked.engine.run(holder.id).step, lambda step: step == "look")
    second, third = requested(asked), requested(asked)
    grant(asked, second, SECURITY, PRODUCT)
    asked.engine.cancel(third.id, by=REQUESTER, reason="changed my mind")
    assert asked.engine.run(third.id).status is RunStatus.CANCELLED
    with pytest.raises(RunEnded):
        grant(asked, third, SECURITY)
    assert asked.engine.run(second.id).status is RunStatus.AWAITING_APPROVAL
    asked.side.mark("go w")
    assert asked.ended(holder.id).status is RunStatus.DONE
    assert asked.ended(second.id).status is RunStatus.DONE


def test_two_people_can_say_that_it_cannot_wait_and_everybody_is_told_also_when_the_chat_was_away(asked: Drill) -> None:
    asked.side.mark("chat is away")
    run = requested(asked)
    with pytest.raises(NotAllowed):
        asked.engine.approvals.override(run.id, by=SECURITY, reason="it burns")
    asked.engine.approvals.override(run.id, by=OPERATOR, reason="it burns")
    with pytest.raises(AnsweredAlready):
        asked.engine.approvals.override(run.id, by=OPERATOR, reason="it burns still")
    assert asked.engine.run(run.id).status is RunStatus.AWAITING_APPROVAL
    asked.engine.approvals.override(run.id, by=OPERATOR_TOO, reason="I see it too")
    assert asked.ended(run.id).status is RunStatus.DONE
    forced = asked.audited(Action.APPROVAL_OVERRIDDEN, run=run.id)
    assert [(each.actor, each.reason) for each in forced] == [(OPERATOR.name, "it burns"), (OPERATOR_TOO.name, "I see it too")]
    assert [each.data for each in forced] == [{"gate": None, "plan_hash": run.plan_hash, "roles": ["operator"]}] * 2
    (begun,) = asked.audited(Action.RUN_BEGUN, run=run.id)
    assert begun.approval == "override by member-1@example.org, override by operator-2@example.org"
    assert "told APPROVALS OVERRIDDEN: drill a" not in asked.effects("told")
    asked.side.unmark("chat is away")
    asked.until(lambda: asked.effects("told APPROVALS"), lambda told: told == ["told APPROVALS OVERRIDDEN: drill a"], within=60)
    with pytest.raises(RunEnded):
        asked.engine.approvals.override(run.id, by=OPERATOR_TOO, reason="again")


def test_what_nobody_may_override_stays_needed_and_opens_with_its_own_yes(server: PostgresServer, policy: Policy) -> None:
    policy.say(override="never")
    with drill_on(server) as drill:
        drill.work()
        run = requested(drill)
        drill.engine.approvals.override(run.id, by=OPERATOR, reason="it burns")
        drill.engine.approvals.override(run.id, by=OPERATOR_TOO, reason="I see it too")
        drill.until(lambda: drill.effects("told APPROVALS"), lambda told: told == ["told APPROVALS OVERRIDDEN: drill a"])
        shown = drill.engine.approvals.of(run.id)
        assert not shown.approved
        assert [gate.override for gate in shown.gates] == [Override.NEVER, Override.TWO_PEOPLE]
        assert drill.engine.run(run.id).status is RunStatus.AWAITING_APPROVAL
        grant(drill, run, SECURITY)
        assert drill.ended(run.id).status is RunStatus.DONE
        assert drill.engine.approvals.of(run.id).approved


def test_what_nothing_but_its_own_yes_opens_can_not_be_overridden_at_all(server: PostgresServer, policy: Policy) -> None:
    policy.say(override="never", own=["drill.part"])
    with drill_on(server) as drill:
        run = drill.start(Move(key="a"), runbook="drill.part")
        with pytest.raises(NeverOverridden, match="needs security, which nobody may override"):
            drill.engine.approvals.override(run.id, by=OPERATOR, reason="it burns")
        assert drill.engine.approvals.of(run.id).answers == ()


def test_what_erases_for_good_is_overridden_by_nobody_whatever_the_policy_says_and_a_swap_can_be(asked: Drill) -> None:
    erasure, swap = asked.start(Move(key="e", step="erase")), asked.start(Move(key="s", step="swap"))
    assert [rule.override for rule in asked.engine.planned(erasure.id).approvals] == [Override.NEVER] * 2
    with pytest.raises(NeverOverridden, match="needs security, product, which nobody may override"):
        asked.engine.approvals.override(erasure.id, by=OPERATOR, reason="it burns")
    for by in (OPERATOR, OPERATOR_TOO):
        asked.engine.approvals.override(swap.id, by=by, reason="it burns")
    assert asked.ended(swap.id).status is RunStatus.DONE
    assert asked.engine.run(erasure.id).status is RunStatus.AWAITING_APPROVAL
    assert asked.effects("swapped", "erased") == ["swapped s"]
    grant(asked, erasure, SECURITY, PRODUCT)
    assert asked.ended(erasure.id).status is RunStatus.DONE
    assert asked.effects("swapped", "erased") == ["swapped s", "erased e"]


def test_a_rule_for_a_runbook_that_is_not_there_lets_none_of_its_kind_begin(asked: Drill, policy: Policy) -> None:
    policy.say(own=["drill.scripts"])
    with pytest.raises(PolicyUnreadable, match=r"security is for the runbook drill\.scripts.*did you mean drill\.script\?"):
        asked.start(Move(key="a"))
    policy.say(runbooks=["drill.script"])
    with pytest.raises(PolicyUnreadable, match="this program has none of that name"):
        asked.start(Move(key="a"))
    assert asked.start(Move(key="r"), runbook="drill.rescue").status is RunStatus.PENDING


def waits(drill: Drill, run: RunView) -> list[str]:
    return [line.message for line in drill.engine.journal(run.id) if line.kind is EntryKind.STEP_PROGRESS]


def test_what_is_away_for_a_moment_ends_no_run_that_was_approved(server: PostgresServer, policy: Policy) -> None:
    del policy
    with drill_on(server) as drill:
        run = requested(drill)
        drill.side.mark("the world is away")
        grant(drill, run, SECURITY, PRODUCT)
        drill.work()
        drill.until(lambda: waits(drill, run), lambda said: said == ["the world is away; it begins when it can be planned again"])
        assert drill.engine.run(run.id).status is RunStatus.RUNNING
        assert drill.effects("began") == []
        drill.side.unmark("the world is away")
        assert drill.ended(run.id).status is RunStatus.DONE
        assert len(waits(drill, run)) == 1, "it is said once"


def test_what_stays_away_ends_it_when_it_may_not_begin_any_more(server: PostgresServer, policy: Policy) -> None:
    policy.say(begins_within="3s")
    with drill_on(server) as drill:
        drill.work()
        run = requested(drill)
        drill.side.mark("the world is away")
        grant(drill, run, SECURITY, PRODUCT)
        ended = drill.ended(run.id)
        assert ended.status is RunStatus.REFUSED
        assert ended.problem is not None
        assert "did not begin within 3.0 s" in ended.problem["detail"]
        assert drill.effects("began") == []


def test_a_rollback_and_what_holds_no_service_wait_for_nobody_and_a_policy_in_disorder_lets_nothing_else_begin(asked: Drill, policy: Policy) -> None:
    policy.spoil()
    with pytest.raises(PolicyUnreadable):
        asked.start(Move(key="a"))
    assert asked.start(Move(key="r"), runbook="drill.rescue").status is RunStatus.PENDING
    assert asked.ended(asked.start(Move(key="s", step="look"), runbook="drill.aside").id).status is RunStatus.DONE


def test_who_approved_stands_in_the_audit_log_with_the_plan(asked: Drill) -> None:
    run = requested(asked)
    grant(asked, run, SECURITY, PRODUCT)
    assert asked.ended(run.id).status is RunStatus.DONE
    granted = asked.audited(Action.APPROVAL_GRANTED, run=run.id)
    assert [(each.actor, each.reason, each.data["gate"]) for each in granted] == [
        (SECURITY.name, "looked at it", "security"),
        (PRODUCT.name, "looked at it", "product"),
    ]
    assert {each.data["plan_hash"] for each in granted} == {run.plan_hash}
    (begun,) = asked.audited(Action.RUN_BEGUN, run=run.id)
    assert begun.approval == "security by officer-1@example.org, product by owner-1@example.org"
    assert asked.line(run.id, EntryKind.ANSWERED).data["verdict"] == "granted"


def test_what_waits_for_nobody_can_not_be_answered(asked: Drill) -> None:
    run = asked.start(Move(key="r"), runbook="drill.rescue")
    asked.ended(run.id)
    with pytest.raises((NotAwaited, RunEnded)):
        grant(asked, run, SECURITY)
