"""The audit log in the HTTP API: read, exported and proven. Nothing here changes it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from starlette.responses import StreamingResponse

from unioneyes.console.api import PREFIX, VersionedJson
from unioneyes.console.control import Parts
from unioneyes.console.failures import RESPONSES
from unioneyes.console.guard import Auditor, Reader
from unioneyes.runbook.audit.views import AuditItem, AuditProof, AuditStatus

MOST_ENTRIES = 500
_LARGEST_INDEX = 2**53 - 1
"""What every reader of JSON takes for a whole number."""
_LINES_AT_ONCE = 500
JSON_LINES = "application/jsonl"

router = APIRouter(prefix=f"{PREFIX}/audit", default_response_class=VersionedJson, responses=RESPONSES)


@router.get("/entries")
def list_audit_entries(
    *,
    control: Parts,
    by: Auditor,
    limit: Annotated[int, Query(ge=1, le=MOST_ENTRIES)] = 50,
    before: Annotated[int | None, Query(ge=0, le=_LARGEST_INDEX)] = None,
    run: Annotated[str | None, Query(max_length=200)] = None,
) -> tuple[AuditItem, ...]:
    """Return entries, newest first: those that are not sealed yet, then by their place. The next page is `before` the last one's index."""
    del by
    return control.engine.audit.page(limit=limit, before=before, run=run)


@router.get("/entries/{index}/proof")
def prove_audit_entry(index: Annotated[int, InPath(ge=0, le=_LARGEST_INDEX)], control: Parts, by: Auditor) -> AuditProof:
    """Return the proof that the entry is below the last signed checkpoint; it is verified without this server."""
    del by
    return control.engine.audit.proof(index)


@router.get("/status")
def show_audit_status(control: Parts, by: Reader) -> AuditStatus:
    """Return how much is sealed, and how long the oldest entry without a checkpoint has waited."""
    del by
    return control.engine.audit.status()


@router.get("/export", response_class=StreamingResponse, responses={200: {"content": {JSON_LINES: {}}}})
def export_audit_log(control: Parts, by: Auditor) -> StreamingResponse:
    """Return everything that is sealed, with the checkpoints: what is needed to verify the log, but for the public key."""
    del by
    lines = control.engine.audit.export()
    first = next(lines)  # what can't be exported is a problem document, not a broken stream
    return StreamingResponse(_chunks(first, lines), media_type=JSON_LINES)


def _chunks(first: str, lines: Iterator[str]) -> Iterator[str]:
    whole = chain((first,), lines)
    while some := "".join(islice(whole, _LINES_AT_ONCE)):
        yield some
