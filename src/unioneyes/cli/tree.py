"""The commands, as a table: enough for `ue --help`, which loads nothing else.

A command's summary is its function's first line; a test holds the two together.
"""

from __future__ import annotations

from typing import NamedTuple


class Verb(NamedTuple):
    """One command."""

    words: str
    """`deploy start`."""
    takes: str
    """Its positional arguments, as a person reads them: `VERSION`, `[RUN]`."""
    function: str
    """`module:function` under `unioneyes.cli`."""
    does: str
    """The first line of its help."""

    @property
    def noun(self) -> str:
        """The first word."""
        return self.words.partition(" ")[0]


NOUNS = {
    "env": "The environment: for `local`, the embedded stack",
    "control": "The engine's own database",
    "release": "Releases: what can be deployed",
    "app": "The service's pods: looked at, restarted, made more or fewer, and gone into",
    "edge": "The edge: how much each client's address may ask, and who is kept out",
    "backup": "Backups of the database: made, proven, kept and restored; and recovery to the second",
    "deploy": "Deployments: a release reaches its users",
    "rollback": "Rollbacks: the members get the good release back",
    "db": "The operated database: what it does now, ending what should not be there, and its schema",
    "plan": "Plans: what a run was to do, and what it would do now",
    "run": "Runs: what was started, by whom, and where it is",
    "approval": "Approvals: whose yes is awaited",
    "freeze": "Freezes: when nothing is deployed",
    "token": "Tokens: who may come in, and as what",
    "session": "Sessions: who is in, by the console or from a chat",
    "whoami": "Who you are to the server",
    "runbook": "Runbooks: your own documents and Python files, run like the built-in ones",
    "audit": "The audit log: who did what, when and why, sealed so that no change stays unseen",
    "rehearse": "Rehearsals: the runbooks for real, on the embedded stack, with faults",
    "serve": "The server: API, console and worker",
}

VERBS = (
    Verb("env up", "", "env:up", "Start the environment; it runs on after the terminal is closed."),
    Verb("env add", "FILE", "env:add", "Make an environment of a file, or give the one of its name new settings."),
    Verb("env down", "", "env:down", "Stop the environment; nothing of it is left running."),
    Verb("env status", "", "env:status", "Show addresses, processes and colours of the environment."),
    Verb("env reset", "", "env:reset", "Stop the environment and delete its data."),
    Verb("env doctor", "", "env:doctor", "Find what stands in the way of a running environment, and say what to do."),
    Verb("env secrets", "", "env_secrets:secrets", "Show where each secret of the environment is kept, and whether it can be read; never the secret."),
    Verb("env roles", "", "env:roles", "Print the SQL that makes the operated database's roles where somebody else runs it; needs no server."),
    Verb("control migrate", "", "control:migrate", "Bring the engine's own database to this release's tables, and start no server."),
    Verb("release list", "", "release:list_releases", "List the releases that can be deployed."),
    Verb("app pods", "", "app:pods", "List the pods of both colours: state, restarts, age, image, CPU and memory, and how each ended last."),
    Verb("app status", "", "app:status", "Show how the service's pods stand, and what is wrong with which."),
    Verb("app logs", "[POD]", "app:logs", "Print what the pods logged last, all of them in the order of time."),
    Verb("app restart", "", "app:restart", "Start each pod of the service anew, one by one, without a lost request."),
    Verb("app scale", "[COUNT]", "app:scale", "Run more or fewer pods of what serves, without a lost request."),
    Verb("app shell", "[POD]", "app:shell", "Open a shell in a pod; that you did, and why, stands in the audit log."),
    Verb(
        "app describe",
        "[POD]",
        "app:describe",
        "Show everything of one pod that is no secret: command, settings, readiness, how it ended last, and what happened to it.",
    ),
    Verb("app image", "", "app:image", "Show which image each pod was started from, by its digest."),
    Verb("edge status", "", "edge:status", "Show how much each client's address may ask, and who is kept out."),
    Verb("edge limit", "LIMIT", "edge:limit", "Let each client's address make so many requests, and answer 429 to more."),
    Verb("edge deny", "NETWORKS...", "edge:deny", "Keep addresses out of the service: their requests are answered with 403."),
    Verb("edge allow", "NETWORKS...", "edge:allow", "Let addresses in again that were kept out."),
    Verb("backup create", "", "backups:create", "Back the database up, and prove the backup by restoring it."),
    Verb("backup list", "", "backups:list_backups", "List the backups, newest first: how each stands, and whether it is kept."),
    Verb("backup show", "NAME", "backups:show", "Show everything of one backup: what is in it, where it is kept, and how it was proven."),
    Verb("backup verify", "NAME", "backups:verify", "Prove a backup: restore it into a scratch server, and compare every table."),
    Verb("backup prune", "", "backups:prune", "Remove backups that need not be kept any more; never the last proven one."),
    Verb("backup restore", "NAME", "backups:restore", "Restore a backup into a new database beside the live one; or, confirmed, in its place."),
    Verb("backup schedule", "", "backups:schedule", "Show when a backup is made by itself, and what became of the last ones."),
    Verb("backup base", "", "recovery:base", "Copy the database server's files, from which one recovers to any moment since."),
    Verb("backup wal", "", "recovery:wal", "Show how the database's log is kept, and what can be recovered to."),
    Verb("backup pitr", "", "recovery:pitr", "Bring back what was committed up to a moment, or before a transaction, beside the live database."),
    Verb("deploy start", "VERSION", "deploy:start", "Deploy a release: checked, backed up, smoke-tested, switched, watched, verified."),
    Verb("deploy promote", "RUN", "deploy:promote", "Let a held deployment go on: the new release gets its next share of the requests."),
    Verb("deploy status", "", "deploy:status", "Show the current deployment, both colours' traffic and errors, and how long a rollback would take."),
    Verb("deploy explain", "RUN", "deploy:explain", "Show the numbers behind a deployment's verdict, rule by rule."),
    Verb("deploy list", "", "deploy:list_deployments", "List the deployments, newest first."),
    Verb("deploy verify", "[RUN]", "deploy:verify", "Verify what serves now, or show how an earlier deployment was verified."),
    Verb("deploy smoke", "URL", "deploy:smoke", "Run the service's end-to-end flows against an address."),
    Verb("rollback traffic", "", "rollback:traffic", "Send the members back to the colour that served before."),
    Verb("rollback release", "", "rollback:release", "Start the previous release again, with its own configuration, and send the members there."),
    Verb("rollback rolling", "", "rollback:rolling", "Put replicas of the version that served before back, one after the other."),
    Verb("rollback migration", "", "rollback:migration", "Take the newest migration back by its rollback file, after a verified backup."),
    Verb("rollback restore", "", "rollback:restore", "Put a verified backup in the live database's place; the database that was live is kept."),
    Verb("rollback plan", "", "rollback:plan", "Show which ways back are open now, how long each takes and what it loses, best first."),
    Verb("db status", "", "db:status", "Show how the database is: what it does, what it is behind with, and what is wrong."),
    Verb("db connections", "", "db:connections", "Show who is connected, against how many may be; with --kill-idle, end what has been idle for long."),
    Verb("db queries", "", "db:queries", "Show what runs now, longest first, without the values that stand in it."),
    Verb("db locks", "", "db:locks", "Show who waits for whom: at the top of each tree, the session that holds all the others up."),
    Verb("db slow", "", "dbslow:slow", "Show what runs for longer than --over, and which queries took longer before, with their percentiles."),
    Verb("db explain", "STATEMENT", "dbexplain:explain", "Show a statement's plan, what costs most and what would help; with --analyze, how it ran."),
    Verb("db psql", "", "dbpsql:psql", "Open psql on the operated database; that you did, why and for how long stands in the audit log."),
    Verb("db lag", "", "db:lag", "Show how far the replicas are behind, from both ends, in bytes and seconds; what is not connected is never 0."),
    Verb("db kill", "PID", "db:kill", "End one session, whatever it does; with --cancel, only stop the query that it runs."),
    Verb(
        "db failover-check",
        "",
        "recovery:failover_check",
        "Show what would be lost if the primary were gone this moment, and how long promoting its replica takes.",
    ),
    Verb("db migrate status", "[VERSION]", "migrate:status", "Show what was applied, when and by whom, what a release lacks, and all drift."),
    Verb("db migrate plan", "VERSION", "migrate:plan", "Show what each statement would do: lock, who waits, lint, and the way back."),
    Verb("db migrate apply", "VERSION", "migrate:apply", "Apply a release's migrations beneath whoever serves, without deploying it."),
    Verb("db migrate rollback", "", "migrate:rollback", "Take the newest migrations back, as `ue rollback migration` does."),
    Verb("plan show", "RUN", "plan:show", "Show what a run was to do: every step, its exact command, its undo, and how long it takes."),
    Verb("plan diff", "RUN", "plan:diff", "Plan a run's request once more, and show what would be different now."),
    Verb("run list", "", "run:list_runs", "List the runs, newest first."),
    Verb("run show", "RUN", "run:show", "Show a run: its plan, where it is, and its result."),
    Verb("run watch", "RUN", "run:watch", "Follow a run live until it ends."),
    Verb("run logs", "RUN", "run:logs", "Print the journal of a run."),
    Verb("run cancel", "RUN", "run:cancel", "Stop a run, in the middle of a step that lasts, and undo what it did."),
    Verb("run resume", "RUN", "run:resume", "Decide for a parked run: retry what failed, skip it, undo or leave it; or for a held one."),
    Verb("approval list", "", "approval:list_approvals", "Show the runs that wait for others to say yes, and whose yes is missing."),
    Verb("approval show", "RUN", "approval:show", "Show whose yes a run needs or needed, and what each said."),
    Verb("approval grant", "RUN", "approval:grant", "Say yes to a run. What you sign is its plan."),
    Verb("approval refuse", "RUN", "approval:refuse", "Say no to a run: it ends, and nothing was changed."),
    Verb("approval override", "RUN", "approval:override", "Say that a run can't wait for those who should be asked. Two people must."),
    Verb("freeze list", "", "freeze:list_freezes", "Show what holds changes now, and what the calendar will hold."),
    Verb("freeze start", "", "freeze:start", "Stop the line: no run but a rollback changes the service, from its next step on."),
    Verb("freeze end", "", "freeze:end", "Let what was stopped go on."),
    Verb("token create", "NAME", "token:create", "Make a token for a person or a program, and show it once."),
    Verb("token list", "", "token:list_tokens", "List the tokens, newest first: who holds them, as what, until when, and when they were last used."),
    Verb("token revoke", "NAME", "token:revoke", "Let nobody in any more by a token, from the next request on."),
    Verb("session list", "", "session:list_sessions", "List who is in, by the console or from a chat: by what they came in, since when, and until when."),
    Verb("session end", "NAME", "session:end", "Let somebody's browsers in no more, and their accounts of a chat, from the next request on."),
    Verb("whoami", "", "token:whoami", "Show who you are to the server, and what you may do."),
    Verb("runbook list", "", "runbook:list_runbooks", "List the runbooks: your own, broken ones with their line, and the built-in ones."),
    Verb("runbook lint", "FILE", "lint:lint_document", "Find what is dangerous or meaningless in a document; needs no server."),
    Verb("runbook plan", "FILE", "runbook:plan", "Show every step of a runbook: its exact command, what is missing, and what will be asked."),
    Verb("runbook run", "FILE", "runbook:run", "Run a document's blocks, or a Python runbook, with plan, journal and gates."),
    Verb("runbook pages", "", "pages:pages", "Write the pages of the runbook document from the program; needs no server."),
    Verb("runbook document", "", "pages:document", "Show the runbook document's upkeep: its version, its owner, and its next review; needs no server."),
    Verb("audit list", "", "audit:list_entries", "List the audit entries, newest first."),
    Verb("audit verify", "", "audit:verify", "Verify that the audit log is what was sealed: every entry, every checkpoint."),
    Verb("audit export", "", "audit:export", "Write the sealed log as JSON lines that are verified without a server."),
    Verb("audit proof", "ENTRY", "audit:proof", "Print the proof that one entry is in the sealed log."),
    Verb("rehearse demo", "", "rehearse:demo", "Show the main job: deploy under load, then roll a faulty release back."),
    Verb("rehearse faults", "", "rehearse:faults", "Roll out every faulty release and measure the time from fault to good."),
    Verb("serve", "", "serve:serve", "Serve the API, the console and the worker until told to stop."),
)

_LEFT = 22
"""Characters of a command with its arguments; where a noun has longer ones, all of its lines give them room."""
GLOBAL_OPTIONS = {
    "--env NAME": "Environment to operate, `local` by default (UE_ENV)",
    "--home DIR": "Folder of the environment (UE_HOME)",
    "-o, --output": "table, json or jsonl",
    "--to PATH": "Write the result to a file",
}


def find(words: list[str]) -> Verb | None:
    """Return the command that `words` begin with; None when there is none."""
    for length in (3, 2, 1):
        named = " ".join(words[:length])
        for verb in VERBS:
            if verb.words == named:
                return verb
    return None


def overview() -> str:
    """Return the help of `ue` itself."""
    parts = ["ue: the UnionEyes production runbooks, as a program.", "", "Usage: ue <noun> <verb> [options]"]
    for noun in NOUNS:
        parts += ["", _section(noun)]
    parts += ["", "Options of every command", *_lines(GLOBAL_OPTIONS), "", "`ue <noun> <verb> --help` says more. `ue --version` says which release this is."]
    return "\n".join(parts)


def overviewed(words: list[str]) -> bool:
    """Return whether `words` are a noun, or the first two words of commands that have three."""
    named = " ".join(words)
    return named in NOUNS or any(verb.words.startswith(f"{named} ") for verb in VERBS if words)


def noun_overview(noun: str) -> str:
    """Return the help of one noun, or of what stands under its first word: `db migrate`."""
    return f"Usage: ue {noun} <verb> [options]\n\n{_section(noun)}\n\n`ue {noun} <verb> --help` says more."


def _section(noun: str) -> str:
    verbs = {f"{verb.words} {verb.takes}".rstrip(): verb.does for verb in VERBS if f"{verb.words} ".startswith(f"{noun} ")}
    return "\n".join([NOUNS[noun.partition(" ")[0]], *_lines(verbs)])


def _lines(entries: dict[str, str]) -> list[str]:
    width = max(_LEFT, *(len(left) for left in entries)) if entries else _LEFT
    return [f"  {left:<{width}} {right}" for left, right in entries.items()]
