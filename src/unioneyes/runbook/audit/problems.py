"""What can be wrong with an audit log, and with what is said of it."""

from __future__ import annotations

from unioneyes.kernel.problems import BadInput, NotFound, Problem, Refused


class AuditKeyMalformed(BadInput):
    """What was given as the log's public key is none."""


class AuditFileMalformed(BadInput):
    """What was given as an export, a proof or checkpoints is none."""


class UnknownEntry(NotFound):
    """No entry has this number."""


class EntryNotCovered(Refused):
    """No checkpoint covers the entry yet."""


class EntryUnreadable(Refused):
    """The entry is what was written, in a form that this release does not know."""


class AuditLogChanged(Problem):
    """The audit log is not what was sealed."""


def changed(what: str) -> AuditLogChanged:
    """Return what ends sealing and signing."""
    return AuditLogChanged(
        what=what, remedy="nothing is sealed or signed any more: ue audit verify says what is wrong; keep the database and the checkpoints as they are"
    )
