"""The project's policy: which gates an environment waives, when nothing is deployed there, and whose yes what needs."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from dateutil.rrule import rrulestr
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NaiveDatetime, TypeAdapter, ValidationError, model_validator

from unioneyes.environments.setting_types import Duration, Text
from unioneyes.environments.settings import EnvironmentSettings
from unioneyes.kernel.access import Role
from unioneyes.kernel.calendar import Window
from unioneyes.kernel.problems import BadInput
from unioneyes.kernel.project import project_path
from unioneyes.ports.checklist import COMPUTED, ApprovalRule, Override
from unioneyes.runbook.definition import definitions

T = TypeVar("T")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        message = f"{name!r} is no time zone; write it as America/Toronto"
        raise ValueError(message) from None
    return name


_DAILY_OR_COARSER = {"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}
_OF_THE_CLOCK = {"BYHOUR", "BYMINUTE", "BYSECOND"}


def _rule(text: str) -> str:
    """Return a rule that can be followed: by days or coarser, at the time of day of its first time."""
    try:
        wrong = _wrong(dict(part.partition("=")[::2] for part in text.upper().split(";")))
        if wrong is None:
            rrulestr(text, dtstart=datetime.fromisoformat("2026-01-01"))
    except (ValueError, TypeError) as error:
        wrong = str(error)
    if wrong:
        message = f"{text!r} is no recurrence rule ({wrong}); write it as FREQ=WEEKLY;BYDAY=FR"
        raise ValueError(message)
    return text


def _wrong(parts: dict[str, str]) -> str | None:
    """Return what of a rule nobody could follow; None where nothing is."""
    if parts.get("FREQ") not in _DAILY_OR_COARSER:
        return "it must say FREQ=DAILY, WEEKLY, MONTHLY or YEARLY"
    if not _OF_THE_CLOCK.isdisjoint(parts):
        return "the time of day is that of `starts`"
    return "INTERVAL must be 1 or more" if int(parts.get("INTERVAL", "1")) < 1 else None


class FreezeRule(BaseModel):
    """One entry of `policy/freezes.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Text
    reason: Text
    time_zone: Annotated[str, AfterValidator(_zone)]
    starts: NaiveDatetime
    lasts: Duration
    repeats: Annotated[str, AfterValidator(_rule)] | None = None


class _SafeLoader(yaml.SafeLoader):
    """Names the line of a day that no calendar has, where the library's own loader fails, and of a key that stands there twice, where it takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:  # noqa: FBT001, FBT002 - the library's
        """Return the mapping. Raises: YAMLError."""
        seen: set[object] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} stands there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)

    def day(self, node: yaml.ScalarNode) -> object:
        """Return the day, or the moment. Raises: YAMLError."""
        try:
            return self.construct_yaml_timestamp(node)
        except ValueError as error:
            raise yaml.MarkedYAMLError(problem=f"{node.value} is no day: {error}", problem_mark=node.start_mark) from None


def _not_computed(gates: dict[str, ApprovalEntry]) -> dict[str, ApprovalEntry]:
    for gate in gates:
        if not gate.strip():
            message = "a gate has no name"
            raise ValueError(message)
        if gate in COMPUTED:
            message = f"{gate} is computed, and nobody can tick it; take another name for what people must say"
            raise ValueError(message)
    return gates


class ApprovalEntry(BaseModel):
    """One entry of `policy/approvals.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Text
    runbooks: tuple[Text, ...] = ()
    """Of this program."""
    own: tuple[Text, ...] = ()
    """Of the project's own, which come and go with their files."""
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    needed: Annotated[int, Field(ge=1, le=10)] = 1
    lasts: Duration = timedelta(hours=24)
    begins_within: Duration = timedelta(minutes=15)
    escalates_after: Duration | None = None
    only_with: Text | None = None
    override: Override = Override.TWO_PEOPLE

    @model_validator(mode="after")
    def _asks_for_something(self) -> ApprovalEntry:
        if not self.runbooks and not self.own:
            message = "it names at least one of `runbooks`, or of your `own`"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _asks_before_it_gives_up(self) -> ApprovalEntry:
        if self.escalates_after is not None and self.escalates_after >= self.lasts:
            message = "escalates_after must be shorter than lasts: nobody is asked any more then"
            raise ValueError(message)
        return self


_SafeLoader.add_constructor("tag:yaml.org,2002:timestamp", _SafeLoader.day)
_APPROVALS: TypeAdapter[dict[str, ApprovalEntry]] = TypeAdapter(Annotated[dict[str, ApprovalEntry], AfterValidator(_not_computed)])
_FREEZES = TypeAdapter(dict[str, tuple[FreezeRule, ...]])
_WAIVERS = TypeAdapter(dict[str, dict[str, Text]])


def waivers(environment: str, settings: EnvironmentSettings) -> dict[str, str]:
    """Return gate to reason: what the policy waives in `environment`, then what its own file adds, without what the file enforces. Raises: PolicyUnreadable."""
    waived = policy_waivers(environment) | settings.waivers
    return {gate: reason for gate, reason in waived.items() if gate not in settings.enforced}


def policy_waivers(environment: str) -> dict[str, str]:
    """Return what `policy/waivers.yaml` waives in `environment`: gate to reason. Raises: PolicyUnreadable."""
    return read_policy(project_path("policy/waivers.yaml"), _WAIVERS, "environment -> gate -> reason").get(environment, {})


def freeze_windows(environment: str) -> tuple[Window, ...]:
    """Return what `policy/freezes.yaml` keeps still in `environment`. Raises: PolicyUnreadable."""
    return read_freezes(project_path("policy/freezes.yaml"), environment)


def read_freezes(path: Path, environment: str) -> tuple[Window, ...]:
    """Return the rules for `environment` that stand in a file. Raises: PolicyUnreadable."""
    rules = read_policy(path, _FREEZES, "environment -> freezes").get(environment, ())
    return tuple(
        Window(name=rule.name, reason=rule.reason, time_zone=rule.time_zone, starts=rule.starts, lasts=rule.lasts, repeats=rule.repeats) for rule in rules
    )


def approval_rules(runbook: str) -> tuple[ApprovalRule, ...]:
    """Return whose yes a run of `runbook` needs by `policy/approvals.yaml`. Raises: PolicyUnreadable."""
    return read_approvals(project_path("policy/approvals.yaml"), runbook)


def read_approvals(path: Path, runbook: str) -> tuple[ApprovalRule, ...]:
    """Return the rules for `runbook` that stand in a file. Raises: PolicyUnreadable, also where one is for a runbook that there is not: it may be this one."""
    entries = read_policy(path, _APPROVALS, "gate -> whose yes is needed for which runbooks")
    known = {each.name: each.built_in for each in definitions()}
    built_in = sorted(name for name, ships in known.items() if ships)
    _require_known(path, {gate: entry.runbooks for gate, entry in entries.items()}, built_in, "this program has none of that name")
    if not known.get(runbook, True):
        own = sorted(known.keys() - set(built_in))
        _require_known(path, {gate: entry.own for gate, entry in entries.items()}, own, "no file has it, and none of your own begins until that is clear")
    return tuple(
        ApprovalRule(gate=gate, **entry.model_dump(exclude={"runbooks", "own"})) for gate, entry in entries.items() if runbook in (*entry.runbooks, *entry.own)
    )


def _require_known(path: Path, named: Mapping[str, tuple[str, ...]], known: Sequence[str], why: str) -> None:
    """Return when each runbook that a gate names is known. Raises: PolicyUnreadable."""
    for gate, names in named.items():
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                meant = f"; did you mean {near[0]}?" if near else ""
                raise PolicyUnreadable(
                    what=f"{path}: {gate} is for the runbook {name}, and {why}, so nobody would be asked{meant}",
                    remedy="correct the name: one of this program under `runbooks`, one of your own under `own`; ue runbook list shows both",
                )


def read_policy(path: Path, kind: TypeAdapter[T], form: str) -> T:
    """Return what a file of the policy says, which has the `form`. Raises: PolicyUnreadable, with the line or the key that makes no sense."""
    try:
        return kind.validate_python(yaml.load(path.read_text(encoding="utf-8"), Loader=_SafeLoader) or {})  # noqa: S506 - it is the safe one
    except OSError as error:
        raise PolicyUnreadable(what=f"{path} can't be read: {error.strerror}", remedy="restore it from the repository") from None
    except yaml.YAMLError as error:
        raise PolicyUnreadable(what=f"{path} is not {form}: {error}", remedy="correct it, or restore it from the repository") from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg']}" for each in error.errors(include_url=False, include_input=False))
        raise PolicyUnreadable(what=f"{path} is not {form}: {wrong}", remedy="correct these keys, or restore it from the repository") from None


class PolicyUnreadable(BadInput):
    """A file of the policy can't be read; nothing is waived on a guess."""
