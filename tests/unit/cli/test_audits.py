"""The audit log as people read it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import JsonValue

from unioneyes.cli.audits import about, entries_table, lag_warning, sealing_line, verification_text
from unioneyes.cli.output import Ink
from unioneyes.runbook.audit.checkpoints import sign_checkpoint
from unioneyes.runbook.audit.entry import Action, AuditEntry, Origin
from unioneyes.runbook.audit.merkle import EMPTY_ROOT
from unioneyes.runbook.audit.notes import Signer
from unioneyes.runbook.audit.verification import Fault, Verification
from unioneyes.runbook.audit.views import LONGEST_LAG, AuditItem, AuditStatus

INK = Ink(colour=False)
AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
SIGNER = Signer.of("unioneyes/test", bytes(32))
ENTRY = AuditEntry(at=AT, actor="member-1", action=Action.RUN_CANCELLED, run="r-1", reason="wrong day")
IN_ORDER = AuditStatus(key=str(SIGNER.verifier), sealed=1204, unsealed=1, covered=1203, checkpoint_at=AT, lag_seconds=0.4, late=False, trouble=None)
LATE = replace(IN_ORDER, lag_seconds=300.0, late=True)
FOUND = Verification(
    key=str(SIGNER.verifier),
    entries=1204,
    root=EMPTY_ROOT,
    promised=37,
    checkpoints=37,
    last=sign_checkpoint(SIGNER, size=1203, root=EMPTY_ROOT, at=AT),
    fault=None,
)


def test_a_list_says_who_did_what_when_and_why() -> None:
    shown = entries_table(INK, [AuditItem(index=None, entry=ENTRY), AuditItem(index=7, entry=ENTRY)])
    assert shown.splitlines() == [
        "ENTRY     AT                        BY        DID            RUN  WHAT AND WHY",
        "unsealed  2026-02-09T14:30:00.000Z  member-1  run-cancelled  r-1  wrong day",
        "7         2026-02-09T14:30:00.000Z  member-1  run-cancelled  r-1  wrong day",
    ]


@pytest.mark.parametrize(
    ("action", "data", "said"),
    [
        (Action.RUN_REQUESTED, {"summary": "deploy 1.1.0"}, "deploy 1.1.0: wrong day"),
        (Action.RUN_DECIDED, {"decision": "undo", "step": "smoke_test"}, "undo smoke_test: wrong day"),
        (Action.RUN_ENDED, {"status": "done"}, "done: wrong day"),
        (Action.RUN_TAKEN_OVER, {"from": "worker-1"}, "from worker-1: wrong day"),
        (Action.RUN_SUPERSEDED, {"superseded_by": "r-2"}, "by r-2: wrong day"),
        (
            Action.TOKEN_CREATED,
            {"name": "jane", "roles": ["viewer", "responder"], "expires_at": "2026-05-10T14:30:00.000Z"},
            "jane as viewer, responder until 2026-05-10T14:30:00.000Z: wrong day",
        ),
        (Action.TOKEN_REVOKED, {"name": "jane"}, "jane: wrong day"),
        (Action.SIGNED_IN, {"roles": ["operator", "viewer"], "by": "https://id.example.org"}, "as operator, viewer by https://id.example.org: wrong day"),
        (Action.SIGN_IN_REFUSED, {"by": "token from 10.0.0.7"}, "by token from 10.0.0.7: wrong day"),
        (Action.SIGNED_OUT, {"name": "jane"}, "jane: wrong day"),
        (
            Action.ACCOUNT_LINKED,
            {"account": "slack/T1/U1", "roles": ["viewer"], "expires_at": "2026-05-10T14:30:00.000Z"},
            "slack/T1/U1 as viewer until 2026-05-10T14:30:00.000Z: wrong day",
        ),
        (Action.ACCOUNT_UNLINKED, {"name": "jane", "accounts": "slack/T1/U1"}, "slack/T1/U1: wrong day"),
        (Action.APPROVAL_GRANTED, {"chat": "slack/T1/U1"}, "wrong day; from slack/T1/U1"),
        (Action.SHELL_OPENED, {"pod": "blue-1"}, "blue-1: wrong day"),
        (Action.QUERY_ANALYZED, {"query_id": None}, "wrong day"),
        (Action.QUERY_ANALYZED, {"query_id": "-47"}, "-47: wrong day"),
        (Action.DATABASE_ENTERED, {"session": "s-1", "write": True}, "s-1 to write: wrong day"),
        (Action.DATABASE_ENTERED, {"session": "s-1", "write": False}, "s-1: wrong day"),
        (Action.DATABASE_LEFT, {"session": "s-1", "seconds": 12.5, "exit_code": 0}, "s-1 after 12.5 s: wrong day"),
        (Action.SMOKE_TESTED, {"url": "http://127.0.0.1:8080"}, "http://127.0.0.1:8080: wrong day"),
        ("member-erased", {}, "wrong day"),
    ],
)
def test_each_kind_of_entry_says_what_is_to_be_known_of_it(action: str, data: dict[str, JsonValue], said: str) -> None:
    assert about(replace(ENTRY, action=action, data=data)) == said


def test_an_approval_and_an_import_are_told() -> None:
    assert about(replace(ENTRY, approval="approval-3", origin=Origin.LOCAL_JOURNAL)) == "wrong day; approved by approval-3; imported"


def test_whose_name_was_only_said_is_told() -> None:
    assert about(replace(ENTRY, data={"shared": True})).endswith("wrong day; by the environment's own token")


def test_one_screen_says_what_was_verified() -> None:
    lines = verification_text(INK, FOUND, IN_ORDER).splitlines()
    assert lines[0] == "✔ the log is what was sealed"
    assert lines[2] == "entries      1,204 verified, 1 of them after the last checkpoint, 1 appended and not sealed yet"
    assert lines[3].startswith("tree         1,204 leaves, root 47DEQpj8")
    assert lines[4] == "checkpoints  37 of 37 verified"
    assert lines[5].startswith("last         covers 1,203 entries, signed 2026-02-09T14:30:00.000Z (")
    assert lines[6] == f"key          {SIGNER.verifier}"
    assert lines[7] == "sealing lag  400 ms"


def test_what_is_wrong_stands_first_and_nothing_else_counts_as_verified() -> None:
    found = replace(FOUND, entries=12, checkpoints=2, fault=Fault(index=17, what="entry 17 is missing"))
    lines = verification_text(INK, found, None).splitlines()
    assert lines[0] == "✘ entry 17 is missing"
    assert lines[2] == "entries      the first 12 are what was sealed, as far as checkpoints show"
    assert lines[3] == "checkpoints  2 of 37 verified"


def test_sealing_that_is_behind_is_warned_of() -> None:
    assert lag_warning(IN_ORDER) is None
    assert "has waited 5 min" in (lag_warning(LATE) or "")
    assert sealing_line(INK, IN_ORDER) == "1,204 sealed, 1,203 covered by a checkpoint, 1 waiting"
    assert sealing_line(INK, LATE).endswith("1 waiting, the oldest for 5 min")
    assert sealing_line(INK, replace(LATE, trouble="the disk is full")) == "✘ the log is in trouble: the disk is full"
    assert timedelta(seconds=LATE.lag_seconds) > LONGEST_LAG
