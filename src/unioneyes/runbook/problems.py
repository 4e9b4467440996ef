"""What the engine itself finds wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from unioneyes.kernel.problems import BadInput, ExitCode, NotAuthorised, NotFound, Problem, Refused, Unavailable


class ControlDatabaseUnavailable(Unavailable):
    """The control plane's own database does not answer."""


class RequestMalformed(BadInput):
    """The request does not fit its runbook."""


class CannotBeKept(BadInput):
    """A text or a number was given that PostgreSQL has no room for."""


class UnknownRun(NotFound):
    """No run has this identifier."""


class CodeWrong(NotAuthorised):
    """What was typed says of nobody who they are."""

    http_status: ClassVar[int] = 403


class AccountTaken(Refused):
    """A chat's account stands for somebody else."""


class UnknownToken(NotFound):
    """No token that lets anybody in has this name."""


class NameTaken(Refused):
    """Another one has this name."""


class LineStopped(Refused):
    """Somebody stopped the line, and nothing changes the service until it goes on."""


class LineNotStopped(Refused):
    """There is nothing to let go on."""


class NotConfirmed(Refused):
    """What can't be brought back was not named by whoever wants it."""


class ServiceLocked(Refused):
    """Another run holds the service."""


class RunEnded(Refused):
    """The run has ended; there is nothing to cancel or to decide."""


class RunNotParked(Refused):
    """The run waits for nobody's decision."""


class ChoiceNotOffered(Refused):
    """The parked step does not leave this choice."""


class PartOfAnotherRun(Refused):
    """The run is a part of another one, which is in charge of it."""


class NotAsked(Refused):
    """Others must say yes first, and were not asked."""


class NotAwaited(Refused):
    """The run waits for nobody's approval."""


class UnknownGate(BadInput):
    """The run needs no approval of this name."""


class OwnRequest(Refused):
    """Nobody approves what they asked for themselves."""


class AnsweredAlready(Refused):
    """The same person has answered before."""


class AnotherPlan(Refused):
    """What somebody read is not what they would sign."""


class NeverOverridden(Refused):
    """The policy lets nobody say that the run can't wait."""


class ApprovalRefused(Refused):
    """Somebody who was asked said no."""


class ApprovalsExpired(Refused):
    """The yes that the run needed did not come in time, or came too long ago."""


class ApprovalVoid(Refused):
    """What was approved is not what would be done now."""


class UnplannedStep(Problem):
    """The run wanted to do something that its plan does not name."""


class StepTimedOut(Problem):
    """A step took longer than it may; whether it took effect is not known."""


class UnexpectedFailure(Problem):
    """Something failed in a way that nobody foresaw."""


class RunCancelled(Problem):
    """A person stopped the run."""


class RunSuperseded(Problem):
    """A rollback took the service over; the run stopped where it was."""


class ExecutorGaveUp(Problem):
    """The run could not be carried to its end; whether its changes were undone is not known."""

    exit_code: ClassVar[ExitCode] = ExitCode.UNDO_FAILED


@dataclass(kw_only=True, eq=False)
class UndoFailed(Problem):
    """The run failed, and what it had done could not be taken back: a person is needed."""

    exit_code: ClassVar[ExitCode] = ExitCode.UNDO_FAILED
