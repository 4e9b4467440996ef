"""The plan of a document: which blocks run, exactly as they will, what is asked for, and what stands in the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from unioneyes.ports.checklist import Gate
from unioneyes.runbook.codec import BY_HASH
from unioneyes.runbook.documents.model import Language
from unioneyes.runbook.plan import Effect, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRequest:
    """Which part of a document is run, and with which values."""

    name: str
    """The document's name."""
    text: str = field(metadata=BY_HASH)
    """The whole document: what was read is what is run."""
    only: str | None = None
    """Only what stands under this heading, or this bold line."""
    start: str | None = None
    """From this heading on, to the document's end."""
    values: dict[str, str] = field(default_factory=dict)
    """What the document leaves open, by name."""
    planned: str | None = None
    """The hash of the plan that was looked at: refused when the plan is another one by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBlock:
    """One block, as it runs."""

    step: str
    """The step's name: `option-a-blue-green-rollback:153`."""
    section: str
    line: int
    language: Language
    effect: Effect
    code: str
    """With its values put in; what a bash block gets as its environment stands in `variables`."""
    undo: str | None
    """What takes it back; None when the document does not say."""
    variables: dict[str, str]
    secrets: dict[str, str]
    """Variables whose values are read when the block begins: name to the path of a file where the worker runs, or to a reference (`secret://...`)."""
    within: timedelta
    programs: tuple[str, ...]
    """What must be installed for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One thing that the chosen blocks leave open."""

    name: str
    spoken: str
    """As the document has it: `$VERSION`, `<pod-name>`."""
    wanted: str
    """What it has to be, in words."""
    lines: tuple[int, ...]
    value: str | None
    """What was given; for a secret, where it is kept."""
    refused: str | None
    """Why that can't be; None when it can, or when nothing was given."""
    optional: bool

    @property
    def open(self) -> bool:
        """True while the run can't begin for want of it."""
        return self.refused is not None or (self.value is None and not self.optional)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A block that is shown, and not run."""

    line: int
    language: str
    section: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPlan(Plan):
    """A part of a document."""

    document: str
    sha256: str
    """Of the document, as it was read."""
    blocks: tuple[PlannedBlock, ...]
    asked: tuple[Asked, ...]
    shown: tuple[Shown, ...]
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRun:
    """What came of it."""

    document: str
    sha256: str
    blocks: int
    """How many were run."""
