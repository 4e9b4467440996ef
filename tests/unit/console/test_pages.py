"""What the pages are made of."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

from unioneyes.console import pages
from unioneyes.console.pages import shortened, static_url
from unioneyes.runbook.views import EntryKind, JournalEntry

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
