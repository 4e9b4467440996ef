"""Who said yes or no to a run before it began."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The table exists, and runs count how often people were asked."""
    op.add_column("runs", sa.Column("asked", sa.Integer, nullable=False, server_default="0"), schema="ue")
    op.create_table(
        "approvals",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("run_id", sa.Text, sa.ForeignKey("ue.runs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("gate", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.UniqueConstraint("run_id", "gate", "by", name="approvals_run_id_gate_by_key"),
        schema="ue",
    )


def downgrade() -> None:
    """The table is gone."""
    op.drop_table("approvals", schema="ue")
    op.drop_column("runs", "asked", schema="ue")
