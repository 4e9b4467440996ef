"""What the pages are made of."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

from unioneyes.console import pages
from unioneyes.console.pages import shortened
from unioneyes.console.rendering import fragment, static_url
from unioneyes.kernel.status import RunStatus
from unioneyes.operations.deployment.explanation import Explanation, WatchExplained
from unioneyes.operations.deployment.model import RuleSeen
from unioneyes.runbook.views import Decision, EntryKind, JournalEntry, RunView

CONSOLE = Path(pages.__file__).parent
VENDOR = CONSOLE / "static" / "vendor"


def line(seq: int, kind: EntryKind, step: str) -> JournalEntry:
    return JournalEntry(seq=seq, run_id="r", at=datetime(2026, 2, 9, tzinfo=UTC), kind=kind, step=step, message="", data={})


def test_what_others_wrote_is_unchanged_and_comes_with_its_licence() -> None:
    listed = {name: digest for digest, name in (entry.split() for entry in (VENDOR / "CHECKSUMS").read_text().splitlines())}
    kept = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir() if path.suffix in {".js", ".css", ".LICENSE"}}
    assert kept == listed
    assert {name for name in kept if name.endswith(".LICENSE")} == {"htmx.LICENSE", "uPlot.LICENSE"}


def test_no_page_loads_anything_from_elsewhere_or_runs_code_in_its_text() -> None:
    texts = {path.name: path.read_text() for path in (CONSOLE / "templates").iterdir()}
    assert texts
    assert {name: found for name, text in texts.items() if (found := re.findall(r"""(?:src|href|action)=["'](?:https?:)?//""", text))} == {}
    assert {name: found for name, text in texts.items() if (found := re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on", text))} == {}
    assert {name: found for name, text in texts.items() if (found := re.findall(r"\|\s*safe\b", text))} == {}


def test_the_address_of_a_static_file_changes_with_the_file() -> None:
    digest = hashlib.sha256((CONSOLE / "static" / "console.css").read_bytes()).hexdigest()[:8]
    assert static_url("console.css") == f"/static/console.css?{digest}"


def test_of_a_stretch_of_progress_the_last_line_is_shown() -> None:
    journal = (
        line(1, EntryKind.STEP_STARTED, "watch"),
        line(2, EntryKind.STEP_PROGRESS, "watch"),
        line(3, EntryKind.STEP_PROGRESS, "watch"),
        line(4, EntryKind.STEP_DONE, "watch"),
        line(5, EntryKind.STEP_PROGRESS, "other"),
    )
    assert [entry.seq for entry in shortened(journal)] == [1, 3, 4, 5]
    assert shortened(()) == ()


def test_a_run_s_page_shows_the_numbers_behind_its_verdict_and_what_a_held_one_waits_for() -> None:
    rule = RuleSeen(rule="tenant org_a", counts=False, new=1.0, old=None, limit=0.05, evidence=9.3, threshold=8.1, convicts=True, note="never asked <before>")
    explained = Explanation(run_id="r", watches=(WatchExplained(share=10, verdict="roll-back", reason="tenant org_a: 100.0 %", rules=(rule,)),))
    at = datetime(2026, 2, 9, tzinfo=UTC)
    run = RunView(
        id="r",
        runbook="deployment.start",
        summary="deploy",
        status=RunStatus.HELD,
        requested_by="engineer",
        created_at=at,
        started_at=at,
        ended_at=None,
        step="hold",
        choices=(Decision.GO, Decision.RETRY, Decision.SKIP, Decision.UNDO),
        worker=None,
        parent=None,
        request={},
        plan_hash="",
        result=None,
        problem=None,
    )
    text = fragment("_run.html", {"run": run, "explained": explained, "phases": (), "entries": (), "seen": ""}, unchanged=False).body
    assert isinstance(text, bytes)
    shown = " ".join(re.sub(r"<[^>]+>", " ", text.decode()).split())
    assert "At 10 % of the requests: roll-back , tenant org_a: 100.0 %" in shown
    assert "tenant org_a 100.0 % none seen 5.0 % 10^9.3 of 10^8.1 ✘ rolls back never asked &lt;before&gt;" in shown
    assert "It waits for a person: ue deploy promote r , or ue run resume r --go|--retry|--skip|--undo" in shown
