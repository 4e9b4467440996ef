"""The chapters that this release has a program for, and what of them was drilled. Importing it registers their runbooks."""

from __future__ import annotations

import unioneyes.operations.app.restart
import unioneyes.operations.app.scale
import unioneyes.operations.database.backups.create
import unioneyes.operations.database.backups.prune
import unioneyes.operations.database.backups.restore
import unioneyes.operations.database.backups.verify
import unioneyes.operations.database.end_idle
import unioneyes.operations.database.end_session
import unioneyes.operations.database.migrating
import unioneyes.operations.database.recovery.base
import unioneyes.operations.database.recovery.pitr
import unioneyes.operations.deployment.runbook
import unioneyes.operations.rollback.migration
import unioneyes.operations.rollback.release
import unioneyes.operations.rollback.restore
import unioneyes.operations.rollback.rolling
import unioneyes.operations.rollback.runbook
import unioneyes.operations.security.deny
import unioneyes.operations.security.limit
import unioneyes.runbook.documents.runbook  # noqa: F401 - importing a flow registers its runbooks
from unioneyes.kernel.project import project_path
from unioneyes.operations.deployment.page import PAGE as DEPLOYMENT
from unioneyes.operations.rollback.page import PAGE as ROLLBACK
from unioneyes.runbook.freshness import Drilled, read_drills

CHAPTERS = (DEPLOYMENT, ROLLBACK)
"""Each with its page."""


def drilled() -> dict[str, Drilled]:
    """Return which runbooks passed their drills last, with which code, as the release carries it. Raises: DrillsUnreadable."""
    return read_drills(project_path("docs/measured/drills.json"))
