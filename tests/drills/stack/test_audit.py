"""The audit log of a running stack, as its users see it: sealed by itself, verified by `ue`, and found out when somebody changed it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.stack import RunningStack, eventually, running_stack
from unioneyes.environments import locate
from unioneyes.environments.local.stack import open_stack
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import ExitCode
from unioneyes.kernel.redaction import Redactor
from unioneyes.runbook.audit.entry import Action, AuditEntry
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.database import ControlDatabase

pytestmark = pytest.mark.stack


@pytest.fixture
def own() -> Iterator[RunningStack]:
    with running_stack() as stack:
        yield stack


def append(stack: RunningStack, *reasons: str) -> None:
    database = ControlDatabase(open_stack(stack.home).control_database_url, name="drill")
    for reason in reasons:
        with database.transaction() as connection:
            entry = AuditEntry(at=now(), actor="member-1", action=Action.RUN_CANCELLED, run="some-run", reason=reason)
            AuditTrail(Redactor()).append(connection, entry)
    database.close()


def covered(stack: RunningStack) -> int:
    audit = stack.status().audit
    return audit.covered if audit else 0


def change_behind_the_triggers(stack: RunningStack) -> None:
    with psycopg.connect(open_stack(stack.home).control_database_url.get_secret_value()) as owner:
        owner.execute("ALTER TABLE ue.audit_entries DISABLE TRIGGER USER")
        owner.execute("UPDATE ue.audit_entries SET entry = replace(entry, 'wrong day', 'right day')")
        owner.execute("ALTER TABLE ue.audit_entries ENABLE TRIGGER USER")


def test_what_is_done_is_sealed_shown_proven_and_no_change_of_it_stays_unseen(own: RunningStack, tmp_path: Path) -> None:
    append(own, "too early", "wrong day", "third\u2028thing")
    assert eventually(lambda: covered(own) == 3)
    assert "3 sealed, 3 covered by a checkpoint, 0 waiting" in own.ue("env", "status").out

    listed = own.ue("audit", "list", "--limit", "2")
    assert [line.split()[0] for line in listed.out.rstrip("\n").split("\n")] == ["ENTRY", "2", "1"]
    assert "wrong day" in listed.out
    assert json.loads(own.ue("audit", "list", "--before", "1", "-o", "json").out)[0]["entry"]["reason"] == "too early"
    assert own.ue("audit", "list", "--run", "another").out == "nothing was done yet\n"

    verified = own.ue("audit", "verify")
    assert (verified.code, verified.err) == (0, "")
    key = (own.layout.audit / "public-key").read_text().strip()
    for said in ("✔ the log is what was sealed", "3 verified", "tree         3 leaves, root ", "covers 3 entries, signed ", f"key          {key}"):
        assert said in verified.out

    export, proof = tmp_path / "audit.jsonl", tmp_path / "1.tlog-proof"
    assert own.ue("audit", "export", "--to", str(export)).code == 0
    assert own.ue("audit", "export").out == export.read_text()
    assert own.ue("audit", "proof", "1", "--to", str(proof)).code == 0
    checkpoints = tmp_path / "checkpoints"
    shutil.copy(own.layout.audit / "checkpoints", checkpoints)

    change_behind_the_triggers(own)

    found = own.ue("audit", "verify")
    assert found.code == ExitCode.FAILED
    assert "✘ the audit log was changed: entry 1 is not what was sealed" in found.err
    document = own.ue("audit", "verify", "-o", "json").json()
    assert (document["verified"], document["entries"]) == (False, 0)
    assert own.ue("audit", "proof", "1").code == ExitCode.FAILED

    own.ue("env", "down")
    offline = own.ue("audit", "verify", "--export", str(export), "--key", key, "--checkpoints", str(checkpoints))
    assert (offline.code, offline.err) == (0, "")
    assert own.ue("audit", "verify", "--proof", str(proof), "--key", key).code == 0
    export.write_text(export.read_text().replace("too early", "too late"))
    assert "entry 0 is not what was sealed" in own.ue("audit", "verify", "--export", str(export), "--key", key).err
    proof.write_text(proof.read_text().replace("index 1", "index 0"))
    assert own.ue("audit", "verify", "--proof", str(proof), "--key", key).code == ExitCode.FAILED


@pytest.mark.campaign
def test_a_log_of_which_a_part_is_gone_is_not_signed_any_more_and_the_lag_grows(own: RunningStack) -> None:
    append(own, "a", "b")
    assert eventually(lambda: covered(own) == 2)
    with psycopg.connect(open_stack(own.home).control_database_url.get_secret_value()) as owner:
        owner.execute("ALTER TABLE ue.audit_leaves DISABLE TRIGGER USER")
        owner.execute("DELETE FROM ue.audit_leaves WHERE index = 1")
    append(own, "c")

    address = locate("local", own.home)
    with httpx.Client(headers={"Authorization": f"Bearer {address.token.get_secret_value()}"}, trust_env=False) as scraper:
        assert eventually(lambda: "the log is in trouble: the database holds 1 sealed entries, and 2 were sealed" in own.ue("env", "status").out)
        assert "ue_audit_trouble 1.0" in scraper.get(f"{address.url}/metrics").text
        first = lag(scraper.get(f"{address.url}/metrics"))
        assert eventually(lambda: lag(scraper.get(f"{address.url}/metrics")) > first)
        assert httpx.get(f"{address.url}/metrics", trust_env=False).status_code == 401
    assert own.ue("audit", "verify").code == ExitCode.FAILED


def lag(scraped: httpx.Response) -> float:
    (line,) = (line for line in scraped.raise_for_status().text.splitlines() if line.startswith("ue_audit_sealing_lag_seconds "))
    return float(line.split()[1])
