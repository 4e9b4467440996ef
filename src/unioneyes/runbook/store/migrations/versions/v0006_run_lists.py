"""The newest runs of a runbook, or with a status, are found without looking at all the others."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Both lists have their index."""
    op.create_index("runs_runbook_number", "runs", ["runbook", "number"], schema="ue")
    op.create_index("runs_status_number", "runs", ["status", "number"], schema="ue")


def downgrade() -> None:
    """Neither has."""
    op.drop_index("runs_status_number", "runs", schema="ue")
    op.drop_index("runs_runbook_number", "runs", schema="ue")
