"""The audit log: its entries, and the order in which they were sealed. Both only grow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_REFUSE_CHANGE = """
CREATE FUNCTION ue.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END;
$$
"""
_TRIGGERS = (
    "CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE ON ue.audit_entries FOR EACH ROW EXECUTE FUNCTION ue.refuse_change()",
    "CREATE TRIGGER audit_entries_keep_all BEFORE TRUNCATE ON ue.audit_entries FOR EACH STATEMENT EXECUTE FUNCTION ue.refuse_change()",
    "CREATE TRIGGER audit_leaves_append_only BEFORE UPDATE OR DELETE ON ue.audit_leaves FOR EACH ROW EXECUTE FUNCTION ue.refuse_change()",
    "CREATE TRIGGER audit_leaves_keep_all BEFORE TRUNCATE ON ue.audit_leaves FOR EACH STATEMENT EXECUTE FUNCTION ue.refuse_change()",
)


def upgrade() -> None:
    """The audit tables exist, and take inserts only."""
    now = sa.text("clock_timestamp()")
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("xid", sa.BigInteger, nullable=False, server_default=sa.text("(pg_current_xact_id()::text)::bigint")),
        sa.Column("appended_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Column("entry", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, sa.Computed("(entry::jsonb) ->> 'run'", persisted=True)),
        schema="ue",
    )
    op.create_index("audit_entries_xid_id", "audit_entries", ["xid", "id"], schema="ue")
    op.create_index("audit_entries_run_id", "audit_entries", ["run_id"], schema="ue")
    op.create_table(
        "audit_leaves",
        sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("entry_id", sa.BigInteger, nullable=False, unique=True),
        sa.Column("leaf_hash", BYTEA, nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        schema="ue",
    )
    op.execute(_REFUSE_CHANGE)
    for trigger in _TRIGGERS:
        op.execute(trigger)


def downgrade() -> None:
    """The audit tables are gone, with all that they held."""
    for table in ("audit_leaves", "audit_entries"):
        op.drop_table(table, schema="ue")
    op.execute("DROP FUNCTION ue.refuse_change()")
