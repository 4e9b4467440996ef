"""Who is in the console, and whose the names are that an identity provider gave."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables exist, and a token says which provider knows whom it stands for."""
    op.add_column("tokens", sa.Column("issuer", sa.Text), schema="ue")
    op.create_table(
        "sessions",
        sa.Column("number", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("roles", ARRAY(sa.Text), nullable=False),
        sa.Column("shared", sa.Boolean, nullable=False),
        sa.Column("token", sa.BigInteger, sa.ForeignKey("ue.tokens.number")),
        sa.Column("own_token", sa.LargeBinary),
        sa.Column("issuer", sa.Text),
        sa.Column("proof", sa.Text),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("ended_by", sa.Text),
        schema="ue",
    )
    op.create_index("sessions_name", "sessions", ["name"], schema="ue", postgresql_where=sa.text("ended_at IS NULL"))
    op.create_table(
        "people",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")),
        schema="ue",
    )


def downgrade() -> None:
    """The tables are gone."""
    op.drop_table("people", schema="ue")
    op.drop_table("sessions", schema="ue")
    op.drop_column("tokens", "issuer", schema="ue")
