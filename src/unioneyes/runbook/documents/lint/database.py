"""What a document believes about backups, migrations and PostgreSQL that is not so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unioneyes.runbook.documents.lint.finding import Finding, Rule, Severity, Typed, commands, statements
from unioneyes.runbook.documents.model import Block, Document, Language
from unioneyes.runbook.documents.parameters import parameters_of
from unioneyes.runbook.documents.programs import invocations
from unioneyes.runbook.documents.psql import fed_files_of, psql_of
from unioneyes.runbook.documents.shell import Command
from unioneyes.runbook.documents.sql import Statement, unended_at
from unioneyes.runbook.documents.values import Kind

COUNTED = Rule(
    id="backup-not-proven",
    severity=Severity.ERROR,
    title="believes a backup that nobody restored",
    wrong="counting rows in the live database proves nothing about the file that was written",
    do="restore it into a scratch server and compare: ue backup verify NAME; ue backup create and ue deploy start VERSION --migrate do it themselves",
)
NEVER_RESTORED = Rule(
    id="backup-never-restored",
    severity=Severity.WARNING,
    title="takes a backup that nothing restores",
    wrong="nothing shows that this file can be restored, and pg_dump that fails leaves a short one",
    do="restore it into a scratch server and compare the rows: ue backup create does",
)
RETENTION = Rule(
    id="retention-by-age",
    severity=Severity.WARNING,
    title="deletes backups by their age alone",
    wrong="when backups have stopped, this deletes the last good one",
    do="delete only while a newer backup was restored and compared: ue backup prune does",
)
LEDGER = Rule(
    id="wrong-ledger",
    severity=Severity.ERROR,
    title="looks at `drizzle_migrations`",
    wrong="Drizzle's ledger is drizzle.__drizzle_migrations, with a hash and milliseconds; this table is not there, or not kept",
    do="ue db migrate status reads the ledger, names the migrations, and says who applied each",
)
DUMP_OVER_LIVE = Rule(
    id="dump-over-live",
    severity=Severity.ERROR,
    title="restores a dump over the live schema",
    wrong="a plain dump read over what is there gives duplicates or errors, and loses what was written since without telling",
    do="restore into a database of its own (createdb NAME), compare, then swap: ue rollback restore",
)
WAL_ON_DUMP = Rule(
    id="wal-on-dump",
    severity=Severity.ERROR,
    title="applies write-ahead log to a restored dump",
    wrong="recovery_target_time replays the log onto a base backup; onto a database that pg_restore filled it is impossible",
    do="keep base backups and the log, and recover those to the time: ue backup base, ue backup pitr --to TIME",
)
TERMINATES = Rule(
    id="ends-every-idle-session",
    severity=Severity.WARNING,
    title="ends every idle session",
    wrong="it ends the pool's, the monitoring's and everybody's sessions in every database, and none that is idle in a transaction and holds locks",
    do="ue db connections --kill-idle --dry-run says of each why it stays; or name the database (datname) or the role (usename)",
)
ANALYZE = Rule(
    id="explain-analyze-executes",
    severity=Severity.WARNING,
    title="explains with ANALYZE what it does not know",
    wrong="EXPLAIN ANALYZE carries the query out, a slow one once more, a changing one for good",
    do="use EXPLAIN alone first; a block that only reads runs in a read-only transaction here, and values are held to queries that read",
)
REPLAY = Rule(
    id="lag-by-replay-timestamp",
    severity=Severity.ERROR,
    title="measures replication lag by the replay timestamp alone",
    wrong="on a replica that lost its primary it does not tell a stop from a pause, and on an idle primary it grows though nothing lags",
    do="ue db lag; or compare positions (pg_wal_lsn_diff), look at the receiver's state, and write a heartbeat",
)
UNENDED_SQL = Rule(
    id="unended-sql",
    severity=Severity.ERROR,
    title="opens a quote or a comment in SQL that is never ended",
    wrong="everything behind it is read as text",
    do="end it",
)
META = Rule(
    id="psql-command-in-sql",
    severity=Severity.ERROR,
    title="has psql's own commands in an SQL block",
    wrong="SQL blocks go to PostgreSQL itself, which knows no backslash commands",
    do="write it as SQL, or put it into a bash block as psql -c",
)
SECRET = Rule(
    id="secret-in-sql",
    severity=Severity.ERROR,
    title="puts a secret into SQL",
    wrong="a secret is never put into SQL, where the server's log and pg_stat_activity would show it: its name would be taken for it",
    do="set it by a tool that sends only its hash: psql's \\password, or createuser --pwprompt; no comment accepts this",
    acceptable=False,
)
RULES = (COUNTED, NEVER_RESTORED, RETENTION, LEDGER, DUMP_OVER_LIVE, WAL_ON_DUMP, TERMINATES, ANALYZE, REPLAY, UNENDED_SQL, META, SECRET)

_LEDGER = re.compile(r"(?<!_)\bdrizzle_migrations\b")
_BACKUP = re.compile(r"backup|dump")
_COUNTS = re.compile(r"\bcount\s*\(", re.IGNORECASE)
_OF_ANALYZE = re.compile(r"EXPLAIN\b.*\bANALYZE\b", re.IGNORECASE | re.DOTALL)
_LEFT_OPEN = re.compile(r"\[|\$\{?\w|\b_\w+_\b")
"""A placeholder or a variable, in SQL or in bash, where placeholders are masked."""
_NARROWED = re.compile(r"\bpg_backend_pid\b|\bdatname\b|\busename\b", re.IGNORECASE)
_POSITIONS = re.compile(r"lsn|pg_stat_wal_receiver", re.IGNORECASE)


def check(document: Document) -> Iterator[Finding]:
    """Yield what is wrong about the database."""
    for typed in commands(document):
        yield from _typed(typed)
    found = list(statements(document))
    measured = {block.line for block, statement, _ in found if _POSITIONS.search(statement.text)}
    for block, statement, line in found:
        yield from _asked(block, statement, line, measured=block.line in measured)
    for block in document.blocks:
        if block.language is Language.SQL:
            yield from _written(block)


def _typed(typed: Typed) -> Iterator[Finding]:
    command, run = typed.command, typed.run
    if run.program == "pg_dump" and not any(_restores(later, typed) for later in typed.after):
        counting = [later for later in typed.after if psql_of(later) is not None and _COUNTS.search(later.text)]
        if counting:
            yield COUNTED.at(typed.block.line + counting[0].line - 1, block=typed.block)
        else:
            yield NEVER_RESTORED.at(typed.line, block=typed.block)
    if run.program == "find" and "-delete" in run.words and _BACKUP.search(command.text) and not any(_restores(before, typed) for before in typed.before):
        yield RETENTION.at(typed.line, block=typed.block)
    if any(_BACKUP.search(file) for file in fed_files_of(command, typed.script)) and not _into_new(typed):
        yield DUMP_OVER_LIVE.at(typed.line, block=typed.block)
    if command.name.startswith("recovery_target"):
        yield WAL_ON_DUMP.at(typed.line, block=typed.block)


def _restores(command: Command, typed: Typed) -> bool:
    """Return True when the command restores a backup: a dump by pg_restore, a plain one by psql."""
    return any(run.program == "pg_restore" for run in invocations(command)) or bool(fed_files_of(command, typed.script))


def _into_new(typed: Typed) -> bool:
    """Return True when psql goes into a database that the block made just before."""
    psql = psql_of(typed.command)
    made = {name for before in typed.before for run in invocations(before) if run.program == "createdb" for name in run.operands}
    return psql is not None and bool(made & {*psql.values("-d", "--dbname"), *psql.operands[:1]})


def _asked(block: Block, statement: Statement, line: int, *, measured: bool) -> Iterator[Finding]:
    text = statement.text
    if _LEDGER.search(text):
        yield LEDGER.at(line, block=block)
    if "pg_terminate_backend" in text and re.search(r"\bFROM\b", text, re.IGNORECASE) and not _NARROWED.search(text):
        yield TERMINATES.at(line, block=block)
    if _OF_ANALYZE.match(text) and _LEFT_OPEN.search(text):
        yield ANALYZE.at(line, block=block)
    if "pg_last_xact_replay_timestamp" in text and not measured:
        yield REPLAY.at(line, block=block)
    if block.language is Language.SQL and re.match(r"\s*\\", text):
        yield META.at(line, block=block)


def _written(block: Block) -> Iterator[Finding]:
    if (unended := unended_at(block.code)) is not None:
        yield UNENDED_SQL.at(block.line + unended - 1, block=block)
    for parameter in parameters_of((block,)):
        if parameter.kind is Kind.SECRET:
            yield SECRET.at(parameter.lines[0], what=f"{parameter.spoken}: {SECRET.wrong}", block=block)
