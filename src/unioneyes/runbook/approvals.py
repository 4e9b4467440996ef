"""Whose yes a run needs, who gave it, and whether what was approved is still what would be done. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import zip_longest

from pydantic import JsonValue

from unioneyes.kernel.access import NotAllowed, Person, Role, listed
from unioneyes.kernel.problems import BadInput
from unioneyes.kernel.units import format_duration
from unioneyes.ports.checklist import ApprovalRule, Override
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import Definition
from unioneyes.runbook.plan import Plan
from unioneyes.runbook.problems import AnotherPlan, OwnRequest
from unioneyes.runbook.views import Answer, Verdict

OVERRIDES_NEEDED = 2
"""People who must say that a run can't wait. The requester may be one of them: at night there may be no third. Source: decision 23."""
DRIFTS_TOLD, LONGEST_TOLD = 5, 80
"""Differences, and characters of a value."""


def plan_with_approvals(chosen: Definition, env: Environment, request: object) -> Plan:
    """Return what a run would do, and whose yes it needs. No way back waits for anybody; what destroys for good is overridden by nobody.

    Raises: the plan's own problems, and the policy's.
    """
    plan = chosen.plan(env, request)
    if chosen.waits_for_nobody:
        return plan
    asked = (rule for rule in env.checklist.approvals(chosen.name) if _applies(rule, chosen, plan))
    return replace(plan, approvals=tuple(replace(rule, override=Override.NEVER) if plan.destroys else rule for rule in asked))


def _applies(rule: ApprovalRule, chosen: Definition, plan: Plan) -> bool:
    if rule.only_with is None:
        return True
    if not hasattr(plan, rule.only_with):
        raise RuleMeaningless(
            what=f"the approval {rule.gate} is asked for only with {rule.only_with!r}, which no plan of {chosen.name} has",
            remedy="correct policy/approvals.yaml",
        )
    return bool(getattr(plan, rule.only_with))


def require_answerable(run_id: str, gate: str, roles: Sequence[Role], *, requested_by: str, by: Person) -> None:
    """Return when `by` may say yes or no for the gate. Raises: NotAllowed, OwnRequest."""
    require_one_person(by)
    if not by.roles.intersection(roles):
        raise NotAllowed(
            what=f"{by.name} may not answer for {gate}: it takes {listed(roles)}, and {listed(by.roles) or 'no role at all'} is not that",
            remedy=f"ask somebody who is {' or '.join(roles)}",
        )
    if by.name == requested_by:
        raise OwnRequest(what=f"{by.name} asked for {run_id}, and can't approve it as well", remedy=f"ask somebody else who is {' or '.join(roles)}")


def require_same_plan(run_id: str, read: str, signed: str) -> None:
    """Return when what somebody read is what they would sign. Raises: AnotherPlan."""
    if read != signed:
        raise AnotherPlan(what=f"what you read is not the plan of {run_id} that an answer signs", remedy=f"ue plan show {run_id}, and answer there")


def require_one_person(by: Person) -> None:
    """Return when nobody else can answer under the same token. Raises: NotAllowed."""
    if by.shared:
        raise NotAllowed(
            what="the environment's own token takes any name, so it is nobody's yes",
            remedy="ask an administrator for a token of your own: ue token create NAME",
        )


def counted(rule: ApprovalRule, answers: Iterable[Answer], at: datetime) -> tuple[Answer, ...]:
    """Return who said yes for the gate and still counts."""
    return tuple(each for each in answers if each.gate == rule.gate and each.verdict is Verdict.GRANTED and at - each.at < rule.lasts)


def overrides(answers: Iterable[Answer]) -> tuple[Answer, ...]:
    """Return who said that the run can't wait."""
    return tuple(each for each in answers if each.verdict is Verdict.OVERRIDDEN)


def overridden_since(answers: Iterable[Answer]) -> datetime | None:
    """Return when the second person said that the run can't wait; None before. It opens every gate that the policy lets anybody override."""
    said = sorted(each.at for each in overrides(answers))
    return said[OVERRIDES_NEEDED - 1] if len(said) >= OVERRIDES_NEEDED else None


def approved_since(rules: Sequence[ApprovalRule], answers: Sequence[Answer], at: datetime) -> datetime | None:
    """Return when the last yes came that was needed; None while one is missing."""
    if not rules:
        return None
    complete: list[datetime] = []
    since = overridden_since(answers)
    if since is not None:
        complete.append(since)
        rules = [rule for rule in rules if rule.override is Override.NEVER]
    for rule in rules:
        given = sorted(each.at for each in counted(rule, answers, at))
        if len(given) < rule.needed:
            return None
        complete.append(given[rule.needed - 1])
    return max(complete)


def overdue(rules: Sequence[ApprovalRule], answers: Sequence[Answer], *, asked: datetime, at: datetime) -> str | None:
    """Return why a run that waits does not begin any more; None while it may."""
    since = approved_since(rules, answers, at)
    if since is not None:
        within = min(rule.begins_within for rule in rules)
        return f"it was approved, and did not begin within {format_duration(within)}" if at - since > within else None
    longest = max((rule.lasts for rule in rules), default=timedelta(0))
    if at - asked <= longest:
        return None
    missing = "a yes that it needs did not come" if any(each.verdict is Verdict.GRANTED for each in answers) else "nobody said yes"
    return f"{missing} within {format_duration(longest)}"


def escalates(rules: Sequence[ApprovalRule], answers: Sequence[Answer], *, asked: datetime, at: datetime) -> tuple[ApprovalRule, ...]:
    """Return the gates that nobody answered for too long."""
    return tuple(
        rule for rule in rules if rule.escalates_after is not None and at - asked > rule.escalates_after and len(counted(rule, answers, at)) < rule.needed
    )


def drift(then: Plan, now: Plan) -> str | None:
    """Return what is not any more as it was approved, in a few words; None when the hashes are the same."""
    if then.hash() == now.hash():
        return None
    found = [*_changed(then.content, now.content), *sorted(_differences("", _without_content(then), _without_content(now)), key=_follows)]
    more = f", and {len(found) - DRIFTS_TOLD} more" if len(found) > DRIFTS_TOLD else ""
    return "; ".join(found[:DRIFTS_TOLD]) + more


def _changed(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Yield what will be carried out and is another one by now, as people call it."""
    for name in {**then, **now}:
        old, new = then.get(name), now.get(name)
        if old is None or new is None:
            yield f"{name} {'is gone' if new is None else 'is new'} since it was approved"
        elif old != new:
            yield f"{name} changed since it was approved ({old[:12]} then, {new[:12]} now)"


def _without_content(plan: Plan) -> JsonValue:
    signed = plan.signed()
    return {name: value for name, value in signed.items() if name != "content"} if isinstance(signed, dict) else signed


def _follows(told: str) -> bool:
    """Return whether it only follows from the rest."""
    return told.startswith("steps")


class RuleMeaningless(BadInput):
    """The policy asks for an approval under a condition that can't be told."""


def _differences(path: str, then: JsonValue, now: JsonValue) -> Iterator[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        for name in {**then, **now}:
            yield from _differences(f"{path}.{name}" if path else name, then.get(name), now.get(name))
    elif isinstance(then, list) and isinstance(now, list):
        for number, (old, new) in enumerate(zip_longest(then, now), start=1):
            yield from _differences(f"{path}.{number}", old, new)
    elif then != now:
        yield f"{path}: {_short(then)} then, {_short(now)} now"


def _short(value: JsonValue) -> str:
    text = "nothing" if value is None else " ".join(str(value).split())
    return text if len(text) <= LONGEST_TOLD else f"{text[: LONGEST_TOLD - 1]}…"
