"""The upkeep of the runbook document, as `policy/document.yaml` says it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from unioneyes.environments.policy import read_policy
from unioneyes.environments.setting_types import Text
from unioneyes.kernel.project import project_path
from unioneyes.kernel.upkeep import Frequency, Upkeep


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Review(_Strict):
    frequency: Annotated[Frequency, Field(strict=False)]
    last: date
    next: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        """Refuse days that contradict each other."""
        latest = self.frequency.after(self.last)
        if self.next <= self.last:
            message = f"next: {self.next} is not after last: {self.last}"
            raise ValueError(message)
        if self.next > latest:
            message = f"next: {self.next} is later than a {self.frequency} review may be: {latest}, for last: {self.last}"
            raise ValueError(message)
        return self


class _Document(_Strict):
    """`policy/document.yaml`."""

    version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$")]
    status: Text
    updated: date
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{7,40}$")]
    owner: Text
    review: _Review


_DOCUMENT = TypeAdapter(_Document)


def document_upkeep() -> Upkeep:
    """Return what `policy/document.yaml` says. Raises: PolicyUnreadable."""
    return read_upkeep(project_path("policy/document.yaml"))


def read_upkeep(path: Path) -> Upkeep:
    """Return what a file says. Raises: PolicyUnreadable, with the key that makes no sense."""
    read = read_policy(path, _DOCUMENT, "the document's version, status, updated, commit, owner and review")
    return Upkeep(
        version=read.version,
        status=read.status,
        updated=read.updated,
        commit=read.commit,
        owner=read.owner,
        frequency=read.review.frequency,
        last_review=read.review.last,
        next_review=read.review.next,
    )
