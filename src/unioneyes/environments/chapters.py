"""The chapters that this release has a program for. Importing it registers their runbooks."""

from __future__ import annotations

import unioneyes.operations.rollback.migration
import unioneyes.operations.rollback.release
import unioneyes.operations.rollback.restore
import unioneyes.operations.rollback.runbook
import unioneyes.runbook.documents.runbook  # noqa: F401 - importing a flow registers its runbooks
from unioneyes.operations.deployment.page import PAGE as DEPLOYMENT
from unioneyes.operations.rollback.page import PAGE as ROLLBACK

CHAPTERS = (DEPLOYMENT, ROLLBACK)
"""Each with its page."""
