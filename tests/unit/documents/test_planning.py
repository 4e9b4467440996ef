"""A plan shows exactly what will run, asks for what is open, and says what stands in the way."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from datetime import timedelta

import pytest

from tests.samples import PRODUCTION
from unioneyes.ports.checklist import GateState
from unioneyes.runbook.codec import decode, encode
from unioneyes.runbook.documents.model import Document, DocumentUnreadable
from unioneyes.runbook.documents.plan import DocumentPlan, DocumentRequest
from unioneyes.runbook.documents.planning import LARGEST_BLOCK, Missing, NothingToRun, PlanChanged, SecretTyped, UnknownParameter, plan_document
from unioneyes.runbook.documents.steps import check_document
from unioneyes.runbook.plan import Effect

READS = "PGOPTIONS='-c default_transaction_read_only=on'"
TEXT = """\
# Ours

## Mark

```bash timeout=20s
echo "$NOTE" > "$FILE"
```

```bash undo
rm -f "$FILE"
```

```sql
SELECT count(*) FROM claims WHERE id = '$CLAIM_ID';
```

```yaml
shown: only
```
"""


def nothing_missing(programs: Iterable[str]) -> tuple[str, ...]:
    del programs
    return ()


def no_pnpm(programs: Iterable[str]) -> tuple[str, ...]:
    return tuple(program for program in programs if program in {"pnpm", "kubectl"})


def planned(text: str = TEXT, *, only: str | None = None, missing: Missing = nothing_missing, expected: str | None = None, **values: str) -> DocumentPlan:
    request = DocumentRequest(name="ours.md", text=text, only=only, values=values, planned=expected)
    return plan_document(request, PRODUCTION, missing=missing, sql_by="psql 'dbname=unioneyes'", checked=check_document.planned())


def gates(plan: DocumentPlan) -> dict[str, GateState]:
    return {gate.name: gate.state for gate in plan.gates}


def test_a_plan_shows_every_step_with_its_exact_command_and_its_undo() -> None:
    plan = planned(NOTE="it's $(x)", FILE="/srv/a b", CLAIM_ID="42")
    check, mark, look = plan.steps
    assert check.step == "check_document"
    assert (mark.step, mark.effect, mark.detail) == ("mark:6", Effect.CHANGE, "bash")
    assert mark.commands == ("set -euo pipefail\nexport NOTE='it'\"'\"'s $(x)' FILE='/srv/a b'\necho \"$NOTE\" > \"$FILE\"",)
    assert mark.undo == ("set -euo pipefail\nexport NOTE='it'\"'\"'s $(x)' FILE='/srv/a b'\nrm -f \"$FILE\"",)
    assert look.commands == (
        f"{READS} psql -X -v ON_ERROR_STOP=1 --single-transaction 'dbname=unioneyes' <<'SQL'\nSELECT count(*) FROM claims WHERE id = '42';\nSQL",
    )
    assert [block.within for block in plan.blocks] == [timedelta(seconds=20), timedelta(minutes=5)]
    assert [(shown.line, shown.language) for shown in plan.shown] == [(18, "yaml")]
    assert set(gates(plan).values()) == {GateState.PASSED}
    assert plan.confirm is None
    assert not plan.destroys


def test_the_command_that_is_shown_is_the_one_that_is_run() -> None:
    reads, begins = planned("```bash\npsql -d d -c 'SELECT 1'\n```\n\n```sql\nBEGIN; DELETE FROM a WHERE b = 1; COMMIT;\n```\n").steps[1:]
    assert reads.commands == (f"set -euo pipefail\nexport {READS}\npsql -d d -c 'SELECT 1'",)
    assert begins.commands[0].startswith("psql -X -v ON_ERROR_STOP=1 'dbname=unioneyes' <<'SQL'\n")


def test_what_is_open_is_asked_for_and_blocks_until_it_is_given_rightly() -> None:
    plan = planned(NOTE="x", FILE="/srv/a", CLAIM_ID="o'hara")
    assert {asked.name: asked.open for asked in plan.asked} == {"NOTE": False, "FILE": False, "CLAIM_ID": True}
    assert gates(plan)["values"] is GateState.FAILED
    assert gates(planned(NOTE="x"))["values"] is GateState.FAILED
    assert "o'hara" not in str(plan.blocks)


def test_a_secret_that_is_typed_where_its_file_belongs_ends_the_plan_and_stands_in_no_message() -> None:
    with pytest.raises(SecretTyped) as refused:
        planned("```bash\ncurl -f -H @/run/x https://a.example/$API_TOKEN\n```\n", API_TOKEN="hunter22")
    assert "API_TOKEN" in refused.value.what
    assert "hunter22" not in f"{refused.value.what}{refused.value.remedy}"


@pytest.mark.parametrize("above", ["", "**To take it back:**\n\n"])
def test_a_part_that_is_chosen_by_its_label_keeps_what_takes_it_back(above: str) -> None:
    text = f"# Ours\n\n## Part\n\n**One:**\n\n```bash\ntouch /srv/a\n```\n\n{above}```bash undo\nrm -f /srv/a\n```\n\n**Two:**\n\n```bash\ndate\n```\n"
    assert [(block.code, block.undo) for block in planned(text, only="One").blocks] == [("touch /srv/a", "rm -f /srv/a")]
    assert [(block.code, block.undo) for block in planned(text, only="Two").blocks] == [("date", None)]


def test_what_has_an_undo_changes_something_whatever_it_looks_like() -> None:
    (block,) = planned("```bash\nkubectl get pods\n```\n\n```bash undo\ndate\n```\n").blocks
    assert block.effect is Effect.CHANGE


def test_a_secret_is_no_placeholder_whose_value_would_be_kept_in_the_plan() -> None:
    text = "<!-- ue: accept secret-as-placeholder: it is short -->\n```bash\n./login <token>\n```\n"
    with pytest.raises(SecretTyped):
        planned(text, token="hunter22")
    plan = planned(text, token="@/run/secrets/token")
    assert gates(plan)["sound"] is GateState.FAILED
    assert plan.blocks[0].code == "./login <token>"


def test_no_comment_accepts_a_secret_in_sql_which_would_be_set_to_its_own_name() -> None:
    text = "<!-- ue: accept secret-in-sql: it is only a test -->\n```sql\nALTER ROLE a PASSWORD '$NEW_PASSWORD';\n```\n"
    plan = planned(text, NEW_PASSWORD="@/run/secrets/password")
    assert gates(plan)["sound"] is GateState.FAILED


def test_a_secret_is_a_file_that_the_worker_reads() -> None:
    plan = planned('```bash\necho "$API_TOKEN" | ./login\n```\n', API_TOKEN="@/run/secrets/token")
    (block,) = plan.blocks
    assert block.secrets == {"API_TOKEN": "/run/secrets/token"}
    assert block.variables == {}
    assert plan.steps[1].commands[0].startswith('set -euo pipefail\nexport API_TOKEN="$(cat /run/secrets/token)"\n')


def test_a_secret_is_what_a_reference_leads_to_and_whoever_types_the_command_is_asked_for_it() -> None:
    plan = planned('```bash\necho "$API_TOKEN" | ./login\n```\n', API_TOKEN="secret://kubernetes/ops/login#token")
    (block,) = plan.blocks
    assert block.secrets == {"API_TOKEN": "secret://kubernetes/ops/login#token"}
    assert block.variables == {}
    typed = plan.steps[1].commands[0]
    assert typed.startswith('set -euo pipefail\n: "${API_TOKEN:?is secret://kubernetes/ops/login#token}"\n')
    done = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, check=False, env={})
    assert (done.returncode != 0, "API_TOKEN: is secret://kubernetes/ops/login#token" in done.stderr) == (True, True)


@pytest.mark.parametrize("typed", ["secret://kubernetes", "secret://a/$(id)", "secrets://kubernetes/a/b#c", "secret://a/b hunter22"])
def test_what_is_no_reference_may_be_the_secret_itself(typed: str) -> None:
    with pytest.raises(SecretTyped) as refused:
        planned('```bash\necho "$API_TOKEN" | ./login\n```\n', API_TOKEN=typed)
    assert typed not in str(refused.value)


def test_what_is_not_installed_is_named_with_the_command_of_ue(requirement: Document) -> None:
    plan = planned(requirement.source.text, only="Environment Verification", missing=no_pnpm)
    (gate,) = (gate for gate in plan.gates if gate.name == "programs")
    assert gate.state is GateState.FAILED
    assert gate.detail == "not installed where it runs: pnpm"
    assert "`pnpm tsx scripts/scan-rls-usage-v2.ts` -> ue check rls (comes with the chapter release contract)" in gate.remedy
    assert plan.steps[1].does.endswith("; not installed: pnpm")


def test_the_whole_requirement_loads_and_plans_and_its_errors_block(requirement: Document) -> None:
    plan = planned(requirement.source.text)
    assert len(plan.blocks) == 23
    assert len({step.step for step in plan.steps}) == 24
    assert gates(plan) == {"readable": GateState.PASSED, "values": GateState.FAILED, "programs": GateState.PASSED, "sound": GateState.FAILED}
    assert plan.confirm == "production"
    assert plan.destroys


def test_an_error_blocks_until_the_document_accepts_it() -> None:
    assert gates(planned("```bash\nwatch date\n```\n"))["sound"] is GateState.FAILED
    assert gates(planned("<!-- ue: accept never-ends: bounded by its timeout -->\n```bash\nwatch date\n```\n"))["sound"] is GateState.PASSED


def test_an_error_elsewhere_does_not_block_the_chosen_part() -> None:
    text = "# A\n\n## B\n\n```bash\nwatch date\n```\n\n## C\n\n```bash\ndate\n```\n"
    assert gates(planned(text, only="C"))["sound"] is GateState.PASSED


def test_a_fence_that_is_never_closed_blocks() -> None:
    assert gates(planned("```bash\ndate\n"))["readable"] is GateState.FAILED


@pytest.mark.timeout(20)
@pytest.mark.parametrize("block", ["```bash\n{}\n```\n", "```sql\n{}\n```\n", "```bash undo\n{}\n```\n"])
def test_a_block_that_is_too_long_is_refused_before_anything_reads_it_also_where_it_was_not_chosen(block: str) -> None:
    text = f"# A\n\n## B\n\n```bash\ndate\n```\n\n## C\n\n```bash\ntrue\n```\n\n{block}"
    assert planned(text.format("#" * (LARGEST_BLOCK - 1)), only="B").blocks
    with pytest.raises(DocumentUnreadable, match="line 16: the block has 100,001 bytes"):
        planned(text.format("<ab> " * (LARGEST_BLOCK // 5)), only="B")


def test_a_plan_that_is_not_the_one_that_was_looked_at_is_refused() -> None:
    looked_at = planned(NOTE="x", FILE="/srv/a", CLAIM_ID="1").hash()
    assert planned(NOTE="x", FILE="/srv/a", CLAIM_ID="1", expected=looked_at).hash() == looked_at
    with pytest.raises(PlanChanged):
        planned(NOTE="y", FILE="/srv/a", CLAIM_ID="1", expected=looked_at)
    with pytest.raises(PlanChanged):
        planned(f"{TEXT}\nmore\n", NOTE="x", FILE="/srv/a", CLAIM_ID="1", expected=looked_at)


def test_a_value_that_nothing_asks_for_is_refused() -> None:
    with pytest.raises(UnknownParameter, match="NOTTE"):
        planned(NOTTE="x")


def test_a_part_without_a_step_is_refused() -> None:
    with pytest.raises(NothingToRun):
        planned("# A\n\ntext\n")


def test_a_plan_is_kept_as_it_is() -> None:
    plan = planned(NOTE="x", FILE="/srv/a", CLAIM_ID="1")
    assert decode(encode(plan, DocumentPlan), DocumentPlan) == plan
