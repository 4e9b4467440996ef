"""The tables. `migrations/` makes them; a test holds that both say the same."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB

SCHEMA = "ue"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    },
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("number", BigInteger, Identity(always=True), nullable=False, unique=True),  # the order of creation
    Column("runbook", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("plan", JSONB, nullable=False),
    Column("plan_hash", Text, nullable=False),
    Column("parks", Boolean, nullable=False),  # a failed step waits for a person, instead of being undone at once
    Column("parent", Text, ForeignKey(f"{SCHEMA}.runs.id", ondelete="CASCADE")),
    Column("took_over_from", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("enqueued_at", DateTime(timezone=True)),
    Column("started_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("step", Text),
    Column("worker", Text),
    Column("attempt", Integer, nullable=False, server_default="0"),  # rises with each worker that takes the run up
    Column("token", BigInteger),  # the service lock's, when this run got it
    Column("cancelled_by", Text),
    Column("cancel_reason", Text),
    Column("superseded_by", Text),
    Column("parking", Integer, nullable=False, server_default="0"),  # how often the run was parked
    Column("choices", ARRAY(Text), nullable=False, server_default="{}"),  # what the parked step leaves to decide
    Column("asked", Integer, nullable=False, server_default="0"),  # how often people were told that their approval is awaited
    Column("result", JSONB(none_as_null=True)),
    Column("problem", JSONB(none_as_null=True)),
    Index(None, "status", postgresql_where=text("ended_at IS NULL")),
    Index(None, "parent"),
    Index(None, "runbook", "number"),
    Index(None, "status", "number"),
)

journal = Table(
    "journal",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("key", Uuid, nullable=False, unique=True),  # a write that is tried again leaves one line
    Column("run_id", Text, ForeignKey(runs.c.id, ondelete="CASCADE"), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("kind", Text, nullable=False),
    Column("step", Text),
    Column("message", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Index(None, "run_id", "seq"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", Text, ForeignKey(runs.c.id, ondelete="CASCADE"), nullable=False),
    Column("parking", Integer, nullable=False),
    Column("decision", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    UniqueConstraint("run_id", "parking"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", Text, ForeignKey(runs.c.id, ondelete="CASCADE"), nullable=False),
    Column("gate", Text, nullable=False),  # empty for an override, which opens all of them
    Column("verdict", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    UniqueConstraint("run_id", "gate", "by"),
)

service_locks = Table(
    "service_locks",
    metadata,
    Column("service", Text, primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("run_id", Text),  # nobody's: the row stays, so that the token never falls
    Column("reason", Text),
    Column("since", DateTime(timezone=True)),
)

tokens = Table(
    "tokens",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),  # SHA-256; what was hashed is told once, and kept nowhere
    Column("roles", ARRAY(Text), nullable=False),
    Column("issuer", Text),  # the identity provider by which somebody made it for themselves
    Column("created_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("last_used_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column("revoked_by", Text),
    Index(None, "name", unique=True, postgresql_where=text("revoked_at IS NULL")),
)

sessions = Table(
    "sessions",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),  # SHA-256, as a token's
    Column("name", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("token", BigInteger, ForeignKey(tokens.c.number)),  # that it was begun with, and lasts no longer than
    Column("own_token", LargeBinary),  # or an HMAC by the environment's own, where that is what it was begun with
    Column("issuer", Text),  # the identity provider that it was begun by
    Column("proof", Text),  # what that provider signed; gone when the session has ended
    Column("account", Text),  # of a chat, that it is: no browser has it then, and its secret is nobody's
    Column("begun_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("last_used_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("ended_at", DateTime(timezone=True)),
    Column("ended_by", Text),
    Index(None, "name", postgresql_where=text("ended_at IS NULL")),
    Index(None, "account", unique=True, postgresql_where=text("account IS NOT NULL AND ended_at IS NULL")),
)

link_codes = Table(
    "link_codes",
    metadata,
    Column("name", Text, primary_key=True),  # whose account whoever types the code is: somebody has one at a time
    Column("secret_hash", LargeBinary, nullable=False, unique=True),  # SHA-256, as a token's
    Column("roles", ARRAY(Text), nullable=False),
    Column("token", BigInteger, ForeignKey(tokens.c.number)),  # that they came in by, where it was one
    Column("issuer", Text),  # or the identity provider
    Column("lasts_until", DateTime(timezone=True), nullable=False),  # the link
    Column("expires_at", DateTime(timezone=True), nullable=False),  # the code
)

people = Table(
    "people",
    metadata,
    Column("name", Text, primary_key=True),
    Column("issuer", Text, nullable=False),  # with its subject: whose name it is, for good
    Column("subject", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
)

line_stops = Table(
    "line_stops",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("service", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("stopped_by", Text, nullable=False),
    Column("stopped_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("lifted_at", DateTime(timezone=True)),
    Column("lifted_by", Text),
    Column("lift_reason", Text),
    Index(None, "service", unique=True, postgresql_where=text("lifted_at IS NULL")),
)

audit_entries = Table(  # takes inserts only, as audit_leaves does: triggers refuse the rest
    "audit_entries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("xid", BigInteger, nullable=False, server_default=text("(pg_current_xact_id()::text)::bigint")),  # the transaction that appended it
    Column("appended_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("entry", Text, nullable=False),  # its bytes are the leaf; what else stands in the row is for finding it
    Column("run_id", Text, Computed("(entry::jsonb) ->> 'run'", persisted=True)),
    Index(None, "xid", "id"),
    Index(None, "run_id"),
)

audit_leaves = Table(
    "audit_leaves",
    metadata,
    Column("index", BigInteger, primary_key=True, autoincrement=False),  # the leaf's place in the tree: from 0, without gaps
    Column("entry_id", BigInteger, nullable=False, unique=True),  # no foreign key: it would lock, and so write, each entry again
    Column("leaf_hash", BYTEA, nullable=False),
    Column("sealed_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
)
