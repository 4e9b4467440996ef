"""The lint finds what the document gets wrong, where it does, and nothing where it is right."""

from __future__ import annotations

import json

import pytest
from pydantic import TypeAdapter

from unioneyes.runbook.documents.lint.checks import RULES, lint
from unioneyes.runbook.documents.lint.finding import Severity
from unioneyes.runbook.documents.markdown import read_document
from unioneyes.runbook.documents.model import Document
from unioneyes.runbook.documents.sarif import sarif


def rules(text: str) -> set[str]:
    return {finding.rule for finding in lint(read_document(text.encode(), "a.md"))}


def bash(code: str) -> set[str]:
    return rules(f"# A\n\n```bash\n{code}\n```\n")


def sql(code: str) -> set[str]:
    return rules(f"# A\n\n```sql\n{code}\n```\n")


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (54, "outage-before-deploy"),
        (60, "backup-not-proven"),
        (75, "wrong-ledger"),
        (188, "wrong-ledger"),
        (178, "dump-over-live"),
        (423, "wal-on-dump"),
        (449, "secret-gap"),
        (497, "erasure-not-verified"),
        (463, "blocks-nobody"),
        (399, "lag-by-replay-timestamp"),
        (221, "counter-as-threshold"),
        (228, "flat-business-threshold"),
        (244, "escalation-ends"),
        (210, "one-fault-two-pages"),
        (443, "destroys-evidence"),
        # What the table of the design does not name:
        *[(line, "broken-link") for line in (317, 318, 319)],
        *[(line, "garbled-text") for line in (130, 131, 132, 133, 253, 304, 453)],
        *[(line, "not-bash") for line in (70, 71, 72, 75, 423)],
        *[(line, "waits-for-a-person") for line in (67, 463, 545, 548)],
        *[(line, "never-ends") for line in (96, 542)],
        *[(line, "psql-goes-on") for line in (178, 181)],
        *[(line, "curl-cannot-fail") for line in (43, 116, 157, 251, 288, 289, 297, 453)],
        *[(line, "comment-does-nothing") for line in (476, 498)],
        *[(line, "psql-anywhere") for line in (497, 551, 554)],
        *[(line, "secret-on-command-line") for line in (251, 297, 450, 453)],
        (125, "grep-finds-nothing"),
        (376, "ends-every-idle-session"),
        (392, "explain-analyze-executes"),
        (411, "backup-never-restored"),
        (414, "retention-by-age"),
        (446, "logs-after-the-pods"),
        (497, "parameter-becomes-code"),
    ],
)
def test_the_requirement_is_found_to_be_wrong_there(requirement: Document, line: int, rule: str) -> None:
    assert (line, rule) in {(finding.line, finding.rule) for finding in lint(requirement)}


def test_every_finding_says_where_what_and_what_to_do(requirement: Document) -> None:
    lines = requirement.source.text.count("\n") + 1
    for finding in lint(requirement):
        assert 1 <= finding.line <= lines
        assert finding.what
        assert finding.do


def test_the_errors_of_the_requirement_are_these_and_no_others(requirement: Document) -> None:
    found: dict[str, list[int]] = {}
    for finding in lint(requirement):
        if finding.severity is Severity.ERROR:
            found.setdefault(finding.rule, []).append(finding.line)
    assert found == {
        "outage-before-deploy": [54],
        "backup-not-proven": [60],
        "waits-for-a-person": [67, 463, 545, 548],
        "not-bash": [70, 71, 72, 75, 423],
        "wrong-ledger": [75, 188],
        "never-ends": [96, 542],
        "dump-over-live": [178],
        "psql-goes-on": [178, 181],
        "counter-as-threshold": [221],
        "escalation-ends": [244],
        "lag-by-replay-timestamp": [399],
        "wal-on-dump": [423],
        "destroys-evidence": [443],
        "logs-after-the-pods": [446],
        "secret-gap": [449],
        "blocks-nobody": [463],
        "erasure-not-verified": [497],
    }


@pytest.mark.parametrize(
    ("rule", "wrong", "right"),
    [
        ("outage-before-deploy", "# Maintenance\nkubectl scale deployment web --replicas=0", "# Maintenance\nkubectl scale deployment web --replicas=10"),
        ("outage-before-deploy", "kubectl -n a scale --replicas 0 deployment/web\nkubectl -n a apply -f a.yaml", "kubectl scale deployment web --replicas=0"),
        ("outage-before-deploy", "# Release\nkubectl scale deploy/web --replicas=0", "# Release\nkubectl scale deploy/report-worker --replicas=0"),
        ("never-ends", "tail -f /var/log/x", "tail /var/log/x"),
        ("never-ends", "kubectl get pods --watch", "kubectl apply -f a.yaml"),
        ("never-ends", "kubectl -n a logs -f web", "kubectl get -f a.yaml"),
        ("never-ends", "docker compose logs -f", "docker compose -f a.yml ps"),
        ("never-ends", "sudo tail -fn5 x", "timeout 10 tail -f x"),
        ("never-ends", "top", "top -b -n1"),
        ("waits-for-a-person", "psql -h h -d d", 'psql -h h -d d -c "SELECT 1"'),
        ("waits-for-a-person", "psql -h h -d d", "echo 'SELECT 1' | psql -h h -d d"),
        ("waits-for-a-person", "kubectl exec -it pod -- ls", "kubectl exec pod -- ls"),
        ("waits-for-a-person", "vim a.yaml", "cat a.yaml"),
        ("waits-for-a-person", "kubectl exec -i pod -- psql", "cat f | kubectl exec -i pod -- psql"),
        ("waits-for-a-person", "kubectl exec pod -- bash", "kubectl exec pod -- nginx -t"),
        ("waits-for-a-person", "cat f; psql -d d", "cat <<SQL | psql -d d\nSELECT 1;\nSQL"),
        ("waits-for-a-person", "psql -d d && cd d", "cd d && psql -d d < f.sql"),
        ("waits-for-a-person", "ssh-keygen -f k", "ssh-keygen -q -N '' -f k"),
        ("psql-goes-on", "psql -d d -f a.sql", "psql -d d -v ON_ERROR_STOP=1 -f a.sql"),
        ("psql-goes-on", "psql -d d -fa.sql", "psql -d d -vON_ERROR_STOP=on -fa.sql"),
        ("psql-goes-on", "psql -d d -v ON_ERROR_STOP=0 --file=a.sql", "psql -d d --set=ON_ERROR_STOP=1 --file=a.sql"),
        ("psql-goes-on", "cat a.sql | psql -d d", "psql -d d <<SQL\n\\set ON_ERROR_STOP on\nSELECT 1;\nSQL"),
        ("psql-goes-on", "cat a.sql | kubectl exec -i pod -- psql -d d", "psql -d d -c 'SELECT 1'"),
        ("curl-cannot-fail", "curl https://a.example/health", "curl -fsS https://a.example/health"),
        ("curl-cannot-fail", "curl -sS https://a.example/health", "curl --fail-with-body https://a.example/health"),
        ("grep-finds-nothing", "kubectl logs x | grep ERROR", "kubectl logs x | grep Image"),
        ("grep-finds-nothing", "kubectl logs x | grep -c ERROR", "kubectl logs x | grep -c ERROR || true"),
        ("grep-finds-nothing", "grep ERROR x && date", "if grep -q ERROR x; then exit 1; fi"),
        ("dump-over-live", "psql -d d < backup_1.sql", "psql -d d < seed.sql"),
        ("dump-over-live", "cat backup_1.sql | psql -d d", "createdb beside\npsql -d beside < backup_1.sql"),
        ("backup-never-restored", "pg_dump d > b.sql", "pg_dump d > b.sql\ncreatedb beside\npsql -d beside < b.sql"),
        ("retention-by-age", "find /backups -mtime +3 -delete", "pg_restore -d scratch b.dump\nfind /backups -mtime +3 -delete"),
        ("wrong-ledger", "psql -d d <<SQL\nSELECT * FROM drizzle_migrations\nSQL", "psql -d d -c 'SELECT 1'"),
        ("ends-every-idle-session", 'psql -d d -c "SELECT pg_terminate_backend(pid) FROM s"', 'psql -d d -c "SELECT pg_terminate_backend(47)"'),
        ("explain-analyze-executes", 'psql -d d -c "EXPLAIN ANALYZE [query]"', 'psql -d d -c "EXPLAIN ANALYZE SELECT 1"'),
        ("lag-by-replay-timestamp", "echo 'SELECT pg_last_xact_replay_timestamp()' | psql -d d", "psql -d d -c 'SELECT pg_last_wal_replay_lsn()'"),
        ("backup-not-proven", 'pg_dump d > b.dump\npsql -d d -c "SELECT count(*) FROM t"', "pg_dump -Fc d > b.dump\npg_restore -d scratch b.dump"),
        ("secret-gap", "kubectl delete secret a\nkubectl create secret generic a", "kubectl delete secret a\nkubectl create secret generic b"),
        (
            "secret-gap",
            "kubectl -n x delete secret a\nkubectl -n x create secret generic a",
            "kubectl -n x delete secret a\nkubectl -n x create secret generic b",
        ),
        ("secret-gap", "kubectl delete secret/a -n x\nkubectl create -n x secret generic a", "kubectl create secret generic a\nkubectl delete secret a"),
        ("secret-as-placeholder", "./login <api-token>", "kubectl get secret <secret-name>"),
        (
            "secret-in-document",
            "psql postgresql://app:hunter22@db.example/claims -c 'SELECT 1'",
            'psql "postgresql://app:$PGPASSWORD@db.example/claims" -c "SELECT 1"',
        ),
        ("secret-in-document", "curl -f https://hooks.slack.com/services/T01/B01/abcdef", 'curl -f "https://hooks.slack.com/services/$HOOK_TOKEN"'),
        ("secret-in-document", "echo '-----BEGIN EC PRIVATE KEY-----' | ./login", "openssl genpkey -algorithm ed25519"),
        ("secret-in-document", "echo xoxb-4711-abcdefgh | ./login", "git clone git@github.example:ops/x.git"),
        ("service-held-already", "ue deploy start 1.4.0 --migrate", "ue deploy start 1.4.0 --dry-run"),
        ("service-held-already", "timeout 60 ue rollback traffic --reason x", "ue deploy status --watch"),
        ("not-bash", "SELECT 1;", "echo SELECT 1"),
        ("not-bash", "if true; then", "if true; then echo; fi"),
        ("parameter-becomes-code", """psql -d d -c "SELECT * FROM t WHERE id = '$ID'" """, 'psql -d "$DB" -c "SELECT 1"'),
        ("parameter-becomes-code", 'ssh host "restart $NAME"', 'echo "restart $NAME"'),
        ("psql-anywhere", 'psql -h h -U u -c "SELECT 1"', 'psql -h h claims -c "SELECT 1"'),
        ("psql-anywhere", 'psql -h h -c "SELECT 1"', 'PGDATABASE=claims psql -h h -c "SELECT 1"'),
        ("unquoted-parameter", "echo $NAME", 'echo "$NAME"'),
        ("secret-on-command-line", 'curl -f -H "Authorization: Bearer $TOKEN" https://a.example', "curl -f -H @/run/header https://a.example"),
        ("secret-on-command-line", "./login --token $TOKEN", "printf '%s' \"$TOKEN\" | ./login"),
        ("wrong-ledger", 'psql -d d -c "SELECT * FROM drizzle_migrations"', 'psql -d d -c "SELECT * FROM drizzle.__drizzle_migrations"'),
        ("comment-does-nothing", "date\n# now look at the dashboard", "# look at the clock\ndate"),
    ],
)
def test_a_rule_finds_what_is_wrong_and_leaves_what_is_right(rule: str, wrong: str, right: str) -> None:
    assert rule in bash(wrong)
    assert rule not in bash(right)


@pytest.mark.parametrize(
    ("rule", "wrong", "right"),
    [
        ("lag-by-replay-timestamp", "SELECT now() - pg_last_xact_replay_timestamp();", "SELECT pg_wal_lsn_diff(a, b), pg_last_xact_replay_timestamp() FROM x;"),
        ("ends-every-idle-session", "SELECT pg_terminate_backend(pid) FROM s;", "SELECT pg_terminate_backend(pid) FROM s WHERE pid <> pg_backend_pid();"),
        (
            "lag-by-replay-timestamp",
            "SELECT pg_last_xact_replay_timestamp();",
            "SELECT pg_last_xact_replay_timestamp(); SELECT status FROM pg_stat_wal_receiver;",
        ),
        (
            "ends-every-idle-session",
            "SELECT pg_terminate_backend(pid) FROM s WHERE state = 'idle';",
            "SELECT pg_terminate_backend(pid) FROM s WHERE datname = 'a' AND usename = 'b' AND state = 'idle in transaction';",
        ),
        ("explain-analyze-executes", "EXPLAIN (ANALYZE) [query];", "EXPLAIN [query];"),
        ("unended-sql", "SELECT 'a;", "SELECT 'a';"),
        ("psql-command-in-sql", "\\d claims", "SELECT 1;"),
        ("secret-in-sql", "ALTER ROLE a PASSWORD '$NEW_PASSWORD';", "ALTER ROLE a LOGIN;"),
    ],
)
def test_a_rule_for_sql_finds_what_is_wrong_and_leaves_what_is_right(rule: str, wrong: str, right: str) -> None:
    assert rule in sql(wrong)
    assert rule not in sql(right)


@pytest.mark.parametrize(
    ("rule", "wrong", "right"),
    [
        ("counter-as-threshold", "| Deadlocks | > 0 |", "| Deadlocks | > 0 in 5 minutes |"),
        ("counter-as-threshold", "| Restarts | >= 1 |", "| Restarts, increase over 1h | >= 1 |"),
        ("flat-business-threshold", "| Claims/hour | < 10 |", "| Claims/hour | < 50% of the same hour of earlier weeks |"),
    ],
)
def test_a_threshold_that_is_mended_as_told_is_right(rule: str, wrong: str, right: str) -> None:
    head = "| Metric | Threshold |\n|---|---|\n"
    assert rule in rules(f"{head}{wrong}\n")
    assert rule not in rules(f"{head}{right}\n")


def test_the_words_behind_a_fence_are_held_to_those_that_mean_something() -> None:
    assert "unknown-word" in rules("```bash timeout=never\ndate\n```\n")
    assert "unknown-word" in rules("```bash timeout=2h\ndate\n```\n")
    assert "undo-without-step" in rules("```bash undo\ndate\n```\n")
    assert rules('```bash timeout=10m\ntouch "/tmp/a"\n```\n\n```bash undo\nrm -f /tmp/a\n```\n') == set()


def test_a_last_level_that_begins_again_is_right() -> None:
    assert "escalation-ends" not in rules("```yaml\nescalation_policy:\n  - level: 1\n    timeout: 5 minutes\n  - level: 2\n    repeat: 1\n```\n")


@pytest.mark.parametrize(
    ("policy", "line"),
    [
        ("- timeout: 5 minutes\n  level: 1\n- contacts: [a]\n  level: 2", 4),
        ("escalation_policy: [{level: 1, timeout: 5m}, {level: 2}]", 2),
        ("escalation_policy: [{level: 1, timeout: 5m},\n  {level: 2}]", 3),
        ("since: 2026-02-30\nescalation_policy:\n  - level: 1", 4),
    ],
)
def test_an_escalation_that_ends_is_found_however_it_is_written(policy: str, line: int) -> None:
    found = lint(read_document(f"```yaml\n{policy}\n```\n".encode(), "a.md"))
    assert [(finding.rule, finding.line) for finding in found] == [("escalation-ends", line)]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        "date: 2026-02-30",
        "[" * 5000,
        "{a: " * 5000,
        "- " * 5000 + "a",
        "a: &a [1, 1]\n" + "".join(f"{chr(98 + at)}: &{chr(98 + at)} [*{chr(97 + at)}, *{chr(97 + at)}]\n" for at in range(24)) + "escalation_policy: *y",
        "&a [*a]",
        "&a\nlevel: 1\n<<: *a",
        "escalation_policy: []",
        "- !!python/object:os.system x",
        "? [level]\n: 1",
        "- [level]",
        "a: 1\n---\nb: 2",
        "0x_: !!int x",
    ],
)
def test_no_yaml_stops_the_lint(text: str) -> None:
    assert "escalation-ends" not in rules(f"```yaml\n{text}\n```\n")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        "<!-- ue: accept a: " * 20_000,
        "<div>\n" + "<a b " * 50_000,
        "# a\n\n" * 10_000,
        "```sql\n" + " ".join(f"$t{at}$" for at in range(20_000)) + "\n```\n",
        "```bash\n" + 'psql -d d -c "SELECT $A" | grep $TOKEN\n' * 3_000 + "```\n",
    ],
    ids=["comments", "anchors", "headings", "dollars", "commands"],
)
def test_what_a_document_repeats_does_not_hold_the_lint_up(text: str) -> None:
    lint(read_document(text.encode(), "a.md"))


def test_a_dollar_quote_that_is_never_ended_is_found() -> None:
    assert "unended-sql" in sql("SELECT $a$ ; DELETE FROM b ; $b$")
    assert "unended-sql" not in sql("DO $a$ BEGIN NULL; END $a$")


def test_what_an_alias_merges_into_the_last_level_counts() -> None:
    assert "escalation-ends" not in rules("```yaml\nusual: &usual\n  timeout: 5m\nescalation_policy:\n  - level: 1\n    <<: *usual\n```\n")


def test_every_rule_has_its_own_name() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_sarif_names_every_finding_with_its_line_and_its_rule(requirement: Document) -> None:
    log = TypeAdapter(dict[str, object]).validate_python(sarif(lint(requirement), "docs/a b.md"))
    assert log["version"] == "2.1.0"
    text = json.dumps(log)
    for finding in lint(requirement):
        assert json.dumps({"startLine": finding.line}) in text
        assert f'"ruleId": "{finding.rule}", "level": "{finding.severity}"' in text


def test_sarif_suppresses_what_the_document_accepts() -> None:
    accepted = read_document(b"<!-- ue: accept never-ends: why -->\n```bash\nwatch date\n```\n", "a.md")
    assert '"suppressions": [{"kind": "inSource", "justification": "why"}]' in json.dumps(sarif(lint(accepted), "a.md"))


@pytest.mark.timeout(60)
def test_a_large_document_is_read_to_its_end() -> None:
    assert "unquoted-parameter" in bash("psql -h $HOST_A -d d -c \"SELECT '$X'\" | grep ERROR\n" * 2000)
    assert sql("SELECT '$X', [query] FROM t;\n" * 2000) == set()
    assert "not-bash" in bash("$(" * 3000)
