"""`ue audit`: who did what, when and why; and that nobody changed it since."""

from __future__ import annotations

import base64
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from unioneyes.cli.client import Api
from unioneyes.cli.options import HERE, PRINTED, Format, Output, Where
from unioneyes.cli.output import report, result, say, write
from unioneyes.cli.spoken import require_limit
from unioneyes.environments import audit_evidence, audit_key, kept_checkpoints
from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.problems import BadInput, ExitCode
from unioneyes.runbook.audit.problems import AuditFileMalformed, AuditLogChanged
from unioneyes.runbook.audit.views import AuditItem, AuditProof, AuditStatus

if TYPE_CHECKING:
    from pydantic import JsonValue

    from unioneyes.environments.model import RemoteCheckpoints
    from unioneyes.runbook.audit.notes import VerifierKey
    from unioneyes.runbook.audit.verification import Verification

MOST_ENTRIES = 500
"""What the API gives in one page."""
_CHANGED = "keep the database, the checkpoints and the exports as they are, and find out who could write there"

Key = Annotated[str | None, Parameter(help="The log's public key, or a file that holds it; the environment's own when not given.")]


def list_entries(
    *,
    limit: int = 20,
    before: int | None = None,
    run: str | None = None,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """List the audit entries, newest first.

    Args:
        limit: How many at most.
        before: Only those before this entry: the next page.
        run: Only those of this run; they stay when the run itself is forgotten.
    """
    require_limit(limit, most=MOST_ENTRIES)
    from unioneyes.cli.audits import entries_table  # noqa: PLC0415 - `ue audit --help` pays nothing for it

    found = Api(where).get("audit/entries", tuple[AuditItem, ...], {"limit": limit, "before": before, "run": run})
    result(output, found.document, lambda ink: entries_table(ink, found.value))
    return ExitCode.DONE


def verify(
    *,
    export: Annotated[Path | None, Parameter(help="Verify this export, and ask no server.")] = None,
    proof: Annotated[Path | None, Parameter(help="Verify this proof of one entry, and ask no server.")] = None,
    key: Key = None,
    checkpoints: Annotated[
        str | None, Parameter(help="Also hold the log against the checkpoints in this file, one that was copied away earlier; or at s3://BUCKET/PREFIX/.")
    ] = None,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """Verify that the audit log is what was sealed: every entry, every checkpoint.

    The entries come from the server, key and checkpoints from the environment's own folder; where [audit.s3] names a bucket, what it keeps is held against
    both. Exit code 1 when anything was changed, with the first entry
    that is wrong.
    """
    if export is not None and proof is not None:
        raise OneFile(what="both --export and --proof were given", remedy="give one of them")
    if proof is not None:
        return _verify_proof(proof, _key(key, where), output)
    kept = _kept(checkpoints)
    if export is not None:
        found, status, remote = _verify_export(export, kept, _key(key, where)), None, None
    else:
        found, status, remote = _verify_server(kept, key, where)
    return _told(found, status, remote, where, output)


def export(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Write the sealed log as JSON lines that are verified without a server.

    Verify it with `ue audit verify --export FILE --key KEY`, on any machine.
    """
    with Api(where).lines("audit/export") as lines:
        if output.to is None:
            sys.stdout.writelines(lines)
            return ExitCode.DONE
        write(output.to, lines)
    say(f"written: {output.to}")
    say(f"to verify it elsewhere: ue audit verify --export {output.to} --key '{audit_key(where.env, where.home).strip()}'")
    return ExitCode.DONE


def proof(entry: int, /, *, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Print the proof that one entry is in the sealed log.

    It holds the entry, its path to the root, and the signed checkpoint, in the form of c2sp.org/tlog-proof.

    Args:
        entry: The entry's number, as `ue audit list` shows it.
    """
    found = Api(where).get(f"audit/entries/{entry}/proof", AuditProof)
    result(output, found.document, lambda _: found.value.proof.removesuffix("\n"))
    return ExitCode.DONE


def _verify_server(kept: Sequence[str], key: str | None, where: Where) -> tuple[Verification, AuditStatus, RemoteCheckpoints | None]:
    """Return how the log of a running environment stands: its entries against what its witnesses keep, and these against each other."""
    from unioneyes.runbook.audit.export import read_export  # noqa: PLC0415 - `ue audit --help` pays nothing for it
    from unioneyes.runbook.audit.verification import compare  # noqa: PLC0415 - the same
    from unioneyes.runbook.audit.verification import verify as verified  # noqa: PLC0415 - the same

    api = Api(where)
    evidence = audit_evidence(where.env, where.home)  # before the entries: whatever was promised by then must be among them; and from no server
    remote = evidence.remote.checkpoints if evidence.remote else ()
    alone = set(remote).difference(evidence.checkpoints)
    with api.lines("audit/export") as lines:
        _, leaves = read_export(lines)
        found = verified(leaves, (*evidence.checkpoints, *(note for note in remote if note in alone), *kept), _key(key or evidence.key, where))
    if evidence.remote and found.fault is None:
        found = replace(found, fault=compare(evidence.checkpoints, remote))
    return found, api.get("audit/status", AuditStatus).value, evidence.remote


def _verify_export(path: Path, kept: Sequence[str], key: VerifierKey) -> Verification:
    from unioneyes.runbook.audit.export import read_export  # noqa: PLC0415 - `ue audit --help` pays nothing for it
    from unioneyes.runbook.audit.verification import verify as verified  # noqa: PLC0415 - the same

    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            header, leaves = read_export(lines)
            return verified(leaves, (*header.checkpoints, *kept), key)
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None


def _verify_proof(path: Path, key: VerifierKey, output: Output) -> ExitCode:
    from unioneyes.cli.output import facts  # noqa: PLC0415 - `ue audit --help` pays nothing for it
    from unioneyes.runbook.audit.proof import read_proof  # noqa: PLC0415 - the same

    try:
        shown = read_proof(path.read_text(encoding="utf-8"), key)
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None
    if shown is None:
        raise AuditLogChanged(what=f"{path} proves nothing under the key {key}: it was changed, or is of another log", remedy="ask for the proof again")
    signed = rfc3339(shown.checkpoint.at) if shown.checkpoint.at else None
    document: JsonValue = {"index": shown.index, "entry": shown.entry, "size": shown.checkpoint.size, "checkpoint_at": signed, "key": str(key)}
    fields = (
        ("entry", f"{shown.index} of {shown.checkpoint.size:,}"),
        ("sealed", f"signed {signed}" if signed else ""),
        ("key", str(key)),
        ("text", shown.entry),
    )
    result(output, document, lambda ink: f"✔ the entry is in the sealed log\n\n{facts(ink, fields)}")
    return ExitCode.DONE


def _told(found: Verification, status: AuditStatus | None, remote: RemoteCheckpoints | None, where: Where, output: Output) -> ExitCode:
    """Show what was verified; return the exit code."""
    from unioneyes.cli.audits import lag_warning, verification_text  # noqa: PLC0415 - `ue audit --help` pays nothing for it

    last = found.last
    document: JsonValue = {
        "verified": found.fault is None,
        "fault": {"index": found.fault.index, "what": found.fault.what} if found.fault else None,
        "entries": found.entries,
        "root": base64.b64encode(found.root).decode() if found.fault is None else None,
        "checkpoints": found.promised,
        "checkpoints_verified": found.checkpoints,
        "covered": last.size if last else 0,
        "remote": {"place": remote.place, "checkpoints": len(remote.checkpoints)} if remote else None,
        "checkpoint_at": rfc3339(last.at) if last and last.at else None,
        "key": found.key,
        "unsealed": status.unsealed if status else None,
        "lag_seconds": status.lag_seconds if status else None,
        "late": status.late if status else None,
    }
    result(output, document, lambda ink: verification_text(ink, found, status, remote))
    if status is not None and (warning := lag_warning(status)):
        say(warning)
    if status is not None and status.trouble:
        say(f"warning: the log is in trouble: {status.trouble}")
    if found.fault is None:
        return ExitCode.DONE
    problem = AuditLogChanged(what=f"the audit log was changed: {found.fault.what}", remedy=_CHANGED)
    return report(problem, as_json=output.output is not Format.TABLE, flags=where.flags)


def _key(given: str | None, where: Where) -> VerifierKey:
    """Return the public key. Raises: AuditKeyMalformed, NeverStarted."""
    from unioneyes.runbook.audit.notes import VerifierKey  # noqa: PLC0415 - `ue audit --help` pays nothing for it

    if given is None:
        return VerifierKey.read(audit_key(where.env, where.home))
    if "+" in given and not Path(given).is_file():
        return VerifierKey.read(given)
    try:
        return VerifierKey.read(Path(given).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(Path(given), error) from None


def _kept(path: str | None) -> tuple[str, ...]:
    if path is None:
        return ()
    kept = kept_checkpoints(path)
    if not kept:
        raise AuditFileMalformed(what=f"{path} holds no checkpoints", remedy="name a copy of the file that the checkpoints are kept in")
    return kept


def _unreadable(path: Path, error: OSError | UnicodeDecodeError) -> AuditFileMalformed:
    why = error.strerror if isinstance(error, OSError) else "it is no text"
    return AuditFileMalformed(what=f"{path} can't be read: {why}", remedy="name a file that can")


class OneFile(BadInput):
    """One thing is verified at a time."""
