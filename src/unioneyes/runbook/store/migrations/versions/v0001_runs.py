"""Runs, journal, decisions and the service lock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The first tables exist."""
    now = sa.text("clock_timestamp()")
    op.create_table(
        "runs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
        sa.Column("runbook", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("request", JSONB, nullable=False),
        sa.Column("plan", JSONB, nullable=False),
        sa.Column("plan_hash", sa.Text, nullable=False),
        sa.Column("parks", sa.Boolean, nullable=False),
        sa.Column("parent", sa.Text, sa.ForeignKey("ue.runs.id", ondelete="CASCADE")),
        sa.Column("took_over_from", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Column("enqueued_at", sa.DateTime(timezone=True)),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("step", sa.Text),
        sa.Column("worker", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
        sa.Column("token", sa.BigInteger),
        sa.Column("cancelled_by", sa.Text),
        sa.Column("cancel_reason", sa.Text),
        sa.Column("superseded_by", sa.Text),
        sa.Column("parking", sa.Integer, nullable=False, server_default="0"),
        sa.Column("choices", ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.Column("result", JSONB),
        sa.Column("problem", JSONB),
        schema="ue",
    )
    op.create_index("runs_status", "runs", ["status"], schema="ue", postgresql_where=sa.text("ended_at IS NULL"))
    op.create_index("runs_parent", "runs", ["parent"], schema="ue")
    op.create_table(
        "journal",
        sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("key", sa.Uuid, nullable=False, unique=True),
        sa.Column("run_id", sa.Text, sa.ForeignKey("ue.runs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("step", sa.Text),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("data", JSONB, nullable=False),
        schema="ue",
    )
    op.create_index("journal_run_id_seq", "journal", ["run_id", "seq"], schema="ue")
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("run_id", sa.Text, sa.ForeignKey("ue.runs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("parking", sa.Integer, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.UniqueConstraint("run_id", "parking"),
        schema="ue",
    )
    op.create_table(
        "service_locks",
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("since", sa.DateTime(timezone=True)),
        schema="ue",
    )


def downgrade() -> None:
    """The first tables are gone."""
    for table in ("service_locks", "decisions", "journal", "runs"):
        op.drop_table(table, schema="ue")
