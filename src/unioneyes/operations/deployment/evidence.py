"""The numbers behind a verdict, rule by rule, as data: what `ue deploy explain` shows. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from unioneyes.kernel.units import format_duration
from unioneyes.operations.deployment.comparison import FEWEST_FAILURES, Comparison
from unioneyes.operations.deployment.model import RuleSeen
from unioneyes.operations.deployment.sequential import threshold
from unioneyes.operations.deployment.verdict import (
    ERROR_RATE_LIMIT,
    ERROR_RATE_WINDOW,
    FEWEST_ANSWERS,
    RESTARTS_LIMIT,
    SLOW_LIMIT_MS,
    UNHEALTHY_IN_A_ROW,
    Watch,
)

SUSPECTS_SHOWN = 10
"""Routes and tenants with the most evidence against them; a fault of all of them would fill the page."""


def evidence(watch: Watch) -> tuple[RuleSeen, ...]:
    """Return what each rule has seen, in the order in which they are asked; the suspects last."""
    return (*_rules(watch), *_suspects(watch))


def _rules(watch: Watch) -> Iterator[RuleSeen]:
    new, old = watch.whole, watch.whole_old
    beside = bool(watch.looks) and watch.looks[-1].old is not None
    yield _compared(
        "errors", watch.errors, new=_share(new.errors, new.answers), old=_share(old.errors, old.answers), beside=beside, unknown=_too_few(new.answers)
    )
    window, window_old = watch.window, watch.window_old
    yield RuleSeen(
        rule="errors over 5 minutes",
        counts=False,
        new=_share(window.errors, window.answers),
        old=_share(window_old.errors, window_old.answers),
        limit=ERROR_RATE_LIMIT,
        evidence=None,
        threshold=None,
        convicts=watch.exceeds_over_window(),
        note="" if watch.window_is_full() else f"not enough data: only {_seen_for(watch)} of {format_duration(ERROR_RATE_WINDOW)}",
    )
    slow = _compared(
        f"slower than {SLOW_LIMIT_MS:.0f} ms",
        watch.slow,
        new=_share(new.slow, new.answers),
        old=_share(old.slow, old.answers),
        beside=beside,
        unknown=_too_few(new.answers),
    )
    yield slow
    yield RuleSeen(
        rule="bad health reports in a row",
        counts=True,
        new=watch.new_unhealthy,
        old=None,
        limit=UNHEALTHY_IN_A_ROW - 1,
        evidence=None,
        threshold=None,
        convicts=watch.is_unhealthy(),
        note="; ".join(_about_health(watch, beside=beside)),
    )
    last = watch.looks[-1] if watch.looks else None
    yield RuleSeen(
        rule="restarts",
        counts=True,
        new=last.new.restarts if last else None,
        old=last.old.restarts if last and last.old else None,
        limit=RESTARTS_LIMIT - 1,
        evidence=None,
        threshold=None,
        convicts=watch.keeps_ending(),
        note="",
    )
    yield RuleSeen(
        rule="errors in the logs",
        counts=False,
        new=_share(watch.log_errors, new.answers),
        old=_share(watch.old_log_errors, old.answers),
        limit=ERROR_RATE_LIMIT,
        evidence=None,
        threshold=None,
        convicts=watch.logs_errors(),
        note=_too_few(new.answers),
    )


def _about_health(watch: Watch, *, beside: bool) -> Iterator[str]:
    bad, reports = watch.reports
    if bad:
        yield f"{bad} of {reports} reports were bad"
    if watch.new_unhealthy and beside:
        yield f"{watch.old_healthy} good ones of the old version since the first of those in a row"


def _suspects(watch: Watch) -> Iterator[RuleSeen]:
    """Yield the routes and tenants in which the new version failed, those with the most evidence against them first."""
    slices = watch.slices
    most = sorted(slices.suspects.items(), key=lambda item: -item[1].comparison.detector.magnitude)
    for each, suspect in most[:SUSPECTS_SHOWN]:
        old = suspect.beside if slices.split else slices.before.get(each, (0, 0))
        convicts = slices.convicts(each)
        excused = "" if convicts or not suspect.comparison.sure else "the old version does not do better in it, or was not heard; "
        few = "" if suspect.seen[0] >= FEWEST_FAILURES else f"{suspect.seen[0]} failures; {FEWEST_FAILURES} are the least that say anything; "
        yield RuleSeen(
            rule=str(each),
            counts=False,
            new=_share(*suspect.seen),
            old=_share(*old),
            limit=slices.limit,
            evidence=_rounded(suspect.comparison.detector.magnitude),
            threshold=_rounded(threshold(suspect.comparison.among)),
            convicts=convicts,
            note=f"{few}{excused}{slices.comparable(each)}",
        )


def _compared(rule: str, seen: Comparison, *, new: float | None, old: float | None, beside: bool, unknown: str) -> RuleSeen:
    convicts = seen.convicts(beside_old=beside)
    excused = "a fault outside, or the old version was not heard: it does not do better" if seen.sure and not convicts else ""
    return RuleSeen(
        rule=rule,
        counts=False,
        new=new,
        old=old,
        limit=seen.limit,
        evidence=_rounded(seen.detector.magnitude),
        threshold=_rounded(threshold(seen.among)),
        convicts=convicts,
        note=unknown or excused,
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _rounded(value: float) -> float:
    return round(value, 2)


def _too_few(answers: int) -> str:
    return "" if answers >= FEWEST_ANSWERS else f"not enough data: {answers} of {FEWEST_ANSWERS} answers"


def _seen_for(watch: Watch) -> str:
    return format_duration(watch.looks[-1].at - watch.looks[0].at) if watch.looks else "0 s"
