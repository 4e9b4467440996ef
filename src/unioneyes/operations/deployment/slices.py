"""One broken route, or one broken tenant, that the average hides: each is compared by itself, with as much more evidence as there are of them. Pure.

What the old version would do with the same requests is seen while both get members. Afterwards it is not asked for them any more: then what it did before
the switch speaks for it, and its probes of the same seconds say whether something outside is at fault; more can't be known, and the verdict says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from unioneyes.operations.deployment.comparison import FEWEST_FAILURES, Comparison, Counts, share
from unioneyes.operations.deployment.sequential import lower_bound, spared
from unioneyes.ports.replicas import SliceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The requests of one route, or of one tenant."""

    kind: SliceKind
    name: str

    def __str__(self) -> str:
        """Return it as people read it: `route POST /api/claims`."""
        return f"{self.kind} {self.name}"


@dataclass(slots=True, kw_only=True)
class Suspect:
    """A slice in which the new version has failed at least once."""

    comparison: Comparison
    """Of the slice with all that the old version was asked in the same seconds."""
    beside: Counts = (0, 0)
    """The old version's same slice since the suspicion."""
    seen: Counts = (0, 0)
    """The new version's slice since the watch began."""

    def hear(self, beside: Counts) -> None:
        """Take what the old version did in the same slice into account."""
        if self.comparison.detector.suspicious:
            self.beside = _plus(self.beside, beside)

    def see(self, *, new: Counts, whole: Counts) -> None:
        """Take one more reading into account. Of the old version only what it did while the slice was asked: how it fares when nobody asks excuses nobody."""
        suspected = self.comparison.detector.suspicious
        whole = whole if new[1] else (0, 0)
        self.comparison.see(new=new, old=whole)
        self.seen = _plus(self.seen, new)
        if not (suspected and self.comparison.detector.suspicious):
            self.beside = (0, 0)


@dataclass(slots=True, kw_only=True)
class Slices:
    """Every route and every tenant."""

    limit: float
    """Share of failures, 0-1, that is allowed in each."""
    suspects: dict[Slice, Suspect] = field(default_factory=dict)
    known: set[Slice] = field(default_factory=set)
    """Those of which the new version was asked anything."""
    before: dict[Slice, Counts] = field(default_factory=dict)
    """What the old version did in each before the watch began."""
    alone: bool = False
    """True where there is no old version."""
    split: bool = False
    unread: Counts = (0, 0)
    """All that the old version was asked since the last reading of the new one's slices."""

    def see(
        self, *, new: Mapping[Slice, Counts] | None, beside: Mapping[Slice, Counts], before: Mapping[Slice, Counts], whole: Counts | None, split: bool
    ) -> None:
        """Take one more look into account; `new` is None where its slices were not read, and `whole` all that the old version was asked, None without one."""
        self.before |= before
        self.alone, self.split = whole is None, split
        self.unread = _plus(self.unread, whole or (0, 0))
        for each, counts in beside.items():
            if each in self.suspects:
                self.suspects[each].hear(counts)
        if new is None:
            return
        self.known |= new.keys()
        for each, (failures, _) in new.items():
            if failures and each not in self.suspects:
                self.suspects[each] = Suspect(comparison=Comparison(limit=self.limit))
        for each, suspect in self.suspects.items():
            suspect.comparison.among = len(self.known)
            suspect.see(new=new.get(each, (0, 0)), whole=self.unread)
        self.unread = (0, 0)

    def convicted(self) -> Iterator[str]:
        """Yield why each slice in which the new version fails too often, and the old one does not, speaks against it."""
        for each, suspect in self.suspects.items():
            if self.convicts(each):
                yield f"{each}: {share(*suspect.comparison.new)} of the new version's answers failed; {self.comparable(each)}"

    def convicts(self, each: Slice) -> bool:
        """Whether the new version fails too often in the slice, and nothing that is known of the old one excuses it."""
        suspect = self.suspects[each]
        if not suspect.comparison.convicts(beside_old=not self.alone):
            return False
        if self.alone:
            return True
        failures, answers = suspect.beside if self.split else self.before.get(each, (0, 0))
        if not self.split and failures < FEWEST_FAILURES:
            return True  # a handful of old failures excuses nothing
        return spared(failures=failures, answers=answers, fine=self.limit, failing=lower_bound(*suspect.comparison.new))

    def comparable(self, each: Slice) -> str:
        """Return what is known of the old version in the same slice, and what is not."""
        if self.alone:
            return "no version served before it"
        if self.split:
            return f"{share(*self.suspects[each].beside)} of the old one's in the same seconds"
        failures, answers = self.before.get(each, (0, 0))
        if not answers:
            return "the old one was never asked for it, so it can't be compared"
        return f"{share(failures, answers)} of the old one's {answers} before the switch; what it would answer now can't be known, its probes are fine"


def _plus(one: Counts, other: Counts) -> Counts:
    return one[0] + other[0], one[1] + other[1]
