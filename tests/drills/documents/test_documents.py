"""Own runbooks on the embedded stack: planned, run, undone, cut off, cancelled, refused."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

import httpx

from tests.drills.documents.conftest import Own
from tests.samples import python_runbook
from tests.stack import eventually
from unioneyes.environments import locate

REQUIREMENT = Path(__file__).parents[2] / "unit" / "documents" / "data" / "PRODUCTION_RUNBOOKS.md"
MARK = """\
# Marks

## Look

```sql
SELECT count(*) AS marks FROM own_marks WHERE what = '$MARK';
```

## Mark

```bash
echo "marking $NOTE" > "$PAGE"
cat "$PAGE"
```

```bash undo
rm -f "$PAGE"
```

```sql
INSERT INTO own_marks VALUES ($NOTE);
```

## Fail

```bash
ls /nowhere > /dev/null
```

## Wait

```bash timeout=2m
echo begun >> "$PAGE"
sleep 90
```

```sql
INSERT INTO own_marks VALUES ('after');
```
"""


def test_blocks_run_with_values_that_stay_values_and_show_what_they_printed(own: Own, tmp_path: Path) -> None:
    own.write("marks.md", MARK)
    page, note = tmp_path / "page", "it's $(touch pwned); -- DROP"
    ran = own.run("marks", "--only", "Mark", "--set", f"NOTE={note}", "--set", f"PAGE={page}")
    assert ran.code == 0, ran.err
    assert f"marking {note}" in ran.out
    assert "INSERT 0 1" in ran.out
    assert page.read_text() == f"marking {note}\n"
    assert own.operated("SELECT what FROM own_marks") == [(note,)]
    own.operated("DELETE FROM own_marks")


def test_a_block_that_only_reads_holds_nobody_up(own: Own, tmp_path: Path) -> None:
    own.write("marks.md", MARK)
    waiting = own.started("marks", "--only", "Wait", "--set", f"PAGE={tmp_path / 'page'}")
    assert eventually((tmp_path / "page").exists)
    assert own.run("marks", "--only", "Look", "--set", "MARK=a").code == 0
    held = own.run("marks", "--only", "Mark", "--set", "NOTE=a", "--set", f"PAGE={tmp_path / 'other'}")
    assert held.code == 3
    assert waiting in held.err
    # Cancelling ends the block that is under way, not only the run's place in the queue.
    assert own.stack.ue("run", "cancel", waiting, "--reason", "enough").code in {1, 8}
    own.until(waiting, "cancelled", within=20)
    assert own.operated("SELECT what FROM own_marks WHERE what = 'after'") == []


def test_a_failure_takes_back_what_the_document_knows_to_take_back(own: Own, tmp_path: Path) -> None:
    own.write("marks.md", MARK)
    ran = own.run("marks", "--from", "Mark", "--set", "NOTE=a", "--set", f"PAGE={tmp_path / 'page'}")
    assert ran.code == 5, ran.err
    assert "line 27: the block ended with 2" in ran.err
    assert not (tmp_path / "page").exists()
    own.operated("DELETE FROM own_marks")


def test_a_block_that_was_cut_off_waits_for_a_person_who_can_skip_it(own: Own, tmp_path: Path) -> None:
    own.write("marks.md", MARK)
    page = tmp_path / "page"
    run = own.started("marks", "--only", "Wait", "--park", "--set", f"PAGE={page}")
    assert eventually(page.exists)
    os.kill(own.stack.pid("control"), signal.SIGKILL)
    assert eventually(lambda: own.stack.ue("run", "show", run).code == 8 and own.view(run)["status"] == "parked", within=60)
    assert page.read_text() == "begun\n", "it was not begun a second time"
    assert "a worker died while the block of line 33 was under way" in str(own.journal(run))
    assert own.stack.ue("run", "resume", run, "--skip", "--reason", "looked: it had begun").code == 8
    own.until(run, "done")
    assert own.operated("SELECT what FROM own_marks WHERE what = 'after'") == [("after",)]
    own.operated("DELETE FROM own_marks")


def test_a_secret_reaches_the_block_and_nothing_that_is_kept(own: Own, tmp_path: Path) -> None:
    canary = "canary-hunter22-canary"
    secret = tmp_path / "token"
    secret.touch(mode=0o600)
    secret.write_text(f"{canary}\n")
    own.write("secret.md", '```bash\necho "length ${#API_TOKEN} of $API_TOKEN"\nls "/nowhere/$API_TOKEN"\n```\n')
    plan = own.stack.ue("runbook", "plan", "secret", "--set", f"API_TOKEN=@{secret}")
    assert plan.code == 0, plan.err
    ran = own.run("secret", "--set", f"API_TOKEN=@{secret}")
    assert ran.code == 1, ran.err
    assert "length 22 of [redacted]" in ran.err
    assert canary not in plan.out + plan.err + ran.out + ran.err
    assert own.kept_of("[redacted]"), "the search finds what stands there"
    assert own.kept_of(canary) == []
    typed = own.run("secret", "--set", f"API_TOKEN={canary}")
    assert typed.code == 2, typed.err
    assert "API_TOKEN must be a file that holds it" in typed.err
    assert canary not in typed.out + typed.err
    assert own.kept_of(canary) == [], "what was typed by mistake is kept nowhere"
    kept = own.kept_of("length ${#API_TOKEN} of")
    assert "ue.runs" in kept, kept
    assert "ue.audit_entries" not in kept, "the sealed entry has the document's hash, not its text"
    assert "ue.audit_entries" in own.kept_of(hashlib.sha256((own.folder / "secret.md").read_bytes()).hexdigest())


def test_only_the_plan_that_was_looked_at_is_run(own: Own) -> None:
    own.write("echo.md", "# Echo\n\n```bash\necho one\n```\n")
    looked_at = own.stack.ue("runbook", "plan", "echo", "-o", "json").json()
    own.write("echo.md", "# Echo\n\n```bash\necho two\n```\n")
    refused = own.run("echo", "--planned", str(looked_at["hash"]))
    assert refused.code == 3
    assert "the document, a value or the machine changed" in refused.err
    again = own.stack.ue("runbook", "plan", "echo", "-o", "json").json()
    assert own.run("echo", "--planned", str(again["hash"])).code == 0


def test_the_requirement_itself_loads_and_plans_and_is_not_run_as_it_is(own: Own) -> None:
    plan = own.stack.ue("runbook", "plan", str(REQUIREMENT))
    assert plan.code == 3
    assert "run 23 blocks of PRODUCTION_RUNBOOKS.md" in plan.out
    assert "`pnpm tsx scripts/scan-rls-usage-v2.ts` -> ue check rls" in plan.out
    assert "? will be asked" in plan.out
    refused = own.run(str(REQUIREMENT), "--only", "3. Deploy Application", "--set", "VERSION=1.0.0")
    assert refused.code == 3
    assert "never-ends" in refused.err


def test_what_destroys_needs_the_environments_name(own: Own, tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    own.write("tidy.md", f"# Tidy\n\n```bash\nrm -f {tmp_path}/old\n```\n")
    assert own.run("tidy", "--yes").code == 3
    assert (tmp_path / "old").exists()
    assert own.run("tidy", "--confirm", "local").code == 0
    assert not (tmp_path / "old").exists()


def test_nobody_without_the_token_sees_or_starts_anything(own: Own) -> None:
    url = locate("local", own.stack.home).url
    with httpx.Client(base_url=f"{url}/api/v1", trust_env=False) as stranger:
        assert stranger.get("/runbooks").status_code == 401
        assert stranger.post("/runs", json={"runbook": "document.run", "request": {"name": "a", "text": "```bash\ndate\n```"}}).status_code == 401


def test_a_python_file_runs_like_the_built_in_ones_and_a_broken_one_harms_nobody(own: Own) -> None:
    own.write("greet.py", python_runbook("own.greet"))
    own.write("broken.py", "import os\n\ndef x(:\n")
    listed = own.stack.ue("runbook", "list")
    assert listed.code == 1
    assert "broken.py: line 3: SyntaxError" in listed.out
    ran = own.run("own.greet", "--set", "times=3")
    assert ran.code == 0, ran.err
    assert "unioneyes-web: hello everybody, 3 times" in ran.out
    assert own.run("greet.py").code == 0
    refused = own.run("broken.py")
    assert refused.code == 2
    assert "line 3: SyntaxError" in refused.err
    own.write("greet.py", f"{python_runbook('own.greet')}\n1 / 0\n")
    gone_bad = own.run("own.greet")
    assert gone_bad.code == 2
    assert "ZeroDivisionError" in gone_bad.err
    (own.folder / "greet.py").unlink()
    (own.folder / "broken.py").unlink()
    assert own.stack.ue("runbook", "list").code == 0
