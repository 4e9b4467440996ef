"""The service's own end-to-end flows, run as the program that it ships."""

from __future__ import annotations

import subprocess
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unioneyes.kernel.cancelling import group_ended_with_run
from unioneyes.kernel.redaction import Redactor
from unioneyes.kernel.units import format_duration
from unioneyes.kernel.variables import handed_on
from unioneyes.ports.service import SmokeCheck, SmokeReport, SmokeUnavailable

PASSED, FAILED = 0, 1
"""Exit codes of the smoke tests that come with a report; any other means that they could not run."""
_EXCERPT = 400
"""Characters of the program's complaint that a person is shown."""


class _Check(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    ok: bool
    took_ms: float = Field(ge=0)
    detail: str = ""


class _Report(BaseModel):
    model_config = ConfigDict(frozen=True)

    url: str
    version: str | None
    checks: tuple[_Check, ...]
    took_ms: float = Field(ge=0)

    def value(self) -> SmokeReport:
        return SmokeReport(
            url=self.url,
            version=self.version,
            checks=tuple(SmokeCheck(name=check.name, ok=check.ok, took=timedelta(milliseconds=check.took_ms), detail=check.detail) for check in self.checks),
            took=timedelta(milliseconds=self.took_ms),
        )


def run_smoke(command: tuple[str, ...], *, within: timedelta) -> SmokeReport:
    """Run `command` and return its report. Raises: SmokeUnavailable when it gives none, contradicts itself, or is not done in time.

    It ends early, with all that it started, when the run of the step must stop.
    """
    try:
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, env=handed_on())
    except OSError as error:
        raise _unavailable(f"{command[0]} can't be started: {error.strerror}") from error
    with program, group_ended_with_run(program):
        try:
            output, complaint = program.communicate(timeout=within.total_seconds())
        except subprocess.TimeoutExpired:
            raise _unavailable(f"they were not done within {format_duration(within)}") from None
        if program.returncode not in {PASSED, FAILED}:
            raise _unavailable(f"exit code {program.returncode}: {_excerpt(complaint)}")
    try:
        report = _Report.model_validate_json(output).value()
    except ValidationError as error:
        raise _unavailable(f"exit code {program.returncode}, but no report: {_excerpt(complaint or output)}") from error
    if report.passed != (program.returncode == PASSED):
        raise _unavailable(f"exit code {program.returncode} contradicts the report of {len(report.failures)} failed checks in {len(report.checks)}")
    return report


def _excerpt(output: bytes) -> str:
    text = Redactor()(output.decode(errors="replace")).strip()
    return text[-_EXCERPT:] or "it said nothing"


def _unavailable(reason: str) -> SmokeUnavailable:
    return SmokeUnavailable(what=f"the smoke tests could not be run: {reason}", remedy="run them by hand: ue deploy smoke URL")
