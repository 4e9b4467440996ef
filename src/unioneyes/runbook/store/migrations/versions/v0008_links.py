"""Accounts of a chat that stand for somebody here, and the codes by which they come to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A session may be an account's, each account has one at a time, and codes can be kept."""
    op.add_column("sessions", sa.Column("account", sa.Text), schema="ue")
    op.create_index(
        "sessions_account",
        "sessions",
        ["account"],
        unique=True,
        schema="ue",
        postgresql_where=sa.text("account IS NOT NULL AND ended_at IS NULL"),
    )
    op.create_table(
        "link_codes",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("roles", ARRAY(sa.Text), nullable=False),
        sa.Column("token", sa.BigInteger, sa.ForeignKey("ue.tokens.number")),
        sa.Column("issuer", sa.Text),
        sa.Column("lasts_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        schema="ue",
    )


def downgrade() -> None:
    """Both are gone."""
    op.drop_table("link_codes", schema="ue")
    op.drop_index("sessions_account", "sessions", schema="ue")
    op.drop_column("sessions", "account", schema="ue")
