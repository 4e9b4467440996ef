"""What stops the line."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The table exists."""
    op.create_table(
        "line_stops",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("stopped_by", sa.Text, nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column("lifted_at", sa.DateTime(timezone=True)),
        sa.Column("lifted_by", sa.Text),
        sa.Column("lift_reason", sa.Text),
        schema="ue",
    )
    op.create_index("line_stops_service", "line_stops", ["service"], unique=True, schema="ue", postgresql_where=sa.text("lifted_at IS NULL"))


def downgrade() -> None:
    """The table is gone."""
    op.drop_table("line_stops", schema="ue")
