"""A problem says what is wrong and what to do; each renders to stderr, to RFC 9457 JSON and to HTML alike."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import ClassVar

from typing_extensions import TypedDict  # pydantic reads no other one before Python 3.12


class ExitCode(IntEnum):
    """What `ue` tells the shell. Source: the command line's contract, README "Exit codes"."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    """Refused by a gate; nothing changed."""
    NOT_AUTHORISED = 4
    UNDONE = 5
    """Failed, and safely undone."""
    UNDO_FAILED = 6
    """Failed, and the undo failed too: a person is needed."""
    PENDING = 8
    """Still running, or waiting for a person."""
    DETACHED = 130
    """The person stopped watching; the run goes on."""


class ProblemDocument(TypedDict):
    """A problem as `application/problem+json` (RFC 9457); `remedy`, `exit_code` and `retryable` are our extension members."""

    type: str
    """Which problem it is: a name that stays, such as `urn:unioneyes:problem:unknown-run`."""
    title: str
    """The same, in words."""
    status: int
    """HTTP status."""
    detail: str
    """What is wrong."""
    remedy: str
    """What to do."""
    exit_code: int
    """What `ue` ends with that meets it."""
    retryable: bool
    """True when the same call may well succeed a moment later."""


@dataclass(kw_only=True, eq=False)
class Problem(Exception):  # noqa: N818 - its subclasses' names are titles that people read
    """Something is wrong, and there is a remedy. Raise a subclass whose name is the title."""

    what: str
    remedy: str

    http_status: ClassVar[int] = 500
    exit_code: ClassVar[ExitCode] = ExitCode.FAILED
    retryable: ClassVar[bool] = False
    """True when the same call may well succeed a moment later."""

    def __str__(self) -> str:
        """Return one line, for logs."""
        return f"{self.what} ({self.remedy})"

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling: `Exception` alone would call the class with positional arguments."""
        return _rebuild, (type(self), {field.name: getattr(self, field.name) for field in fields(self)})

    @property
    def code(self) -> str:
        """The class's name in kebab-case: `no-ready-replica`. Part of the API's contract."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", type(self).__name__).lower()

    def document(self) -> ProblemDocument:
        """Return the problem as RFC 9457 JSON."""
        return ProblemDocument(
            type=f"urn:unioneyes:problem:{self.code}",
            title=self.code.replace("-", " "),
            status=self.http_status,
            detail=self.what,
            remedy=self.remedy,
            exit_code=int(self.exit_code),
            retryable=self.retryable,
        )


def _rebuild(kind: type[Problem], values: dict[str, object]) -> Problem:
    return kind(**values)  # type: ignore[arg-type]  # the values come from the same class's own fields


@dataclass(kw_only=True, eq=False)
class BadInput(Problem):
    """What was asked for makes no sense; nothing was changed."""

    http_status: ClassVar[int] = 422
    exit_code: ClassVar[ExitCode] = ExitCode.USAGE


@dataclass(kw_only=True, eq=False)
class NotFound(BadInput):
    """What was named does not exist."""

    http_status: ClassVar[int] = 404


@dataclass(kw_only=True, eq=False)
class Refused(Problem):
    """A gate said no; nothing was changed."""

    http_status: ClassVar[int] = 409
    exit_code: ClassVar[ExitCode] = ExitCode.REFUSED


@dataclass(kw_only=True, eq=False)
class NotAuthorised(Problem):
    """Who asks may not do this, or did not say who they are."""

    http_status: ClassVar[int] = 401
    exit_code: ClassVar[ExitCode] = ExitCode.NOT_AUTHORISED


@dataclass(kw_only=True, eq=False)
class Unavailable(Problem):
    """Something outside does not answer at the moment; the same call may be tried again."""

    http_status: ClassVar[int] = 503
    retryable: ClassVar[bool] = True


@dataclass(kw_only=True, eq=False)
class ReportedProblem(Problem):
    """A problem that another process met and wrote down: what it was called there stays."""

    reported: ProblemDocument

    @classmethod
    def read(cls, document: ProblemDocument) -> ReportedProblem:
        """Return the problem that `document` describes."""
        return cls(what=document["detail"], remedy=document["remedy"], reported=document)

    @property
    def code(self) -> str:
        """The code it had where it was raised."""
        return self.reported["type"].rpartition(":")[2]

    def document(self) -> ProblemDocument:
        """Return the document as it was reported."""
        return self.reported
