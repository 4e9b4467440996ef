"""The numbers behind a verdict, as people read them."""

from __future__ import annotations

from collections.abc import Iterator

from unioneyes.cli.output import Cell, Ink, table
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_share
from unioneyes.operations.deployment.explanation import Explanation, WatchExplained
from unioneyes.operations.deployment.model import RuleSeen

_TONES = {"keep": Tone.GOOD, "roll-back": Tone.BAD, "not-enough-data": Tone.WARN}
COLUMNS = ("", "rule", "new", "old", "limit", "evidence", "note")


def explanation_text(ink: Ink, found: Explanation) -> str:
    """Return every watch with its rules."""
    return "\n\n".join("\n".join(_watch(ink, watch)) for watch in found.watches)


def _watch(ink: Ink, watch: WatchExplained) -> Iterator[str]:
    verdict = ink.tone(_TONES[watch.verdict], watch.verdict) if watch.verdict else ink.tone(Tone.BUSY, "no verdict yet")
    yield f"{ink.bold(f'At {watch.share} % of the requests')}: {verdict}, {watch.reason}"
    yield table(ink, COLUMNS, [_rule(rule) for rule in watch.rules], empty="it has seen nothing yet")


def _rule(rule: RuleSeen) -> tuple[str | Cell, ...]:
    state = Cell("✘ rolls back", Tone.BAD) if rule.convicts else Cell("· does not", Tone.QUIET)
    weighed = "-" if rule.evidence is None or rule.threshold is None else f"10^{rule.evidence:.1f} of 10^{rule.threshold:.1f}"
    return (state, rule.rule, _figure(rule.new, rule), _figure(rule.old, rule), _figure(rule.limit, rule), weighed, rule.note)


def _figure(value: float | None, rule: RuleSeen) -> str | Cell:
    if value is None:
        return Cell("none seen", Tone.QUIET)
    return f"{value:.0f}" if rule.counts else format_share(value)
