"""A block reads only when it is known to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.runbook.documents.effects import effect_of
from unioneyes.runbook.documents.markdown import read_document
from unioneyes.runbook.documents.model import Document
from unioneyes.runbook.documents.sql import Place, place_of, read_statements, unended_at
from unioneyes.runbook.plan import Effect


def effect(code: str, language: str = "bash") -> Effect:
    (block,) = read_document(f"```{language}\n{code}\n```\n".encode(), "a.md").steps
    return effect_of(block)


@pytest.mark.parametrize(
    "code",
    [
        "kubectl get pods -n production | grep Running | wc -l",
        "kubectl logs -l app=web --tail=100 2>/dev/null",
        "curl -fsS -H 'Accept: text/plain' --max-time 5 https://a.example/health",
        'psql -h h -d d -c "SELECT count(*) FROM pg_stat_activity"',
        "git describe --tags && date -u +%Y && echo done",
        "ue deploy status && ue deploy start 1.0.0 --dry-run",
        "kubectl -n production --context=a get pods 2>&1 | grep Running",
        "kubectl --request-timeout 5s rollout status deployment/web",
        "cat <<EOF\na\nEOF",
        "kubectl logs web 2>/dev/null && date >/dev/null",
    ],
)
def test_what_is_known_to_read_reads(code: str) -> None:
    assert effect(code) is Effect.READ


@pytest.mark.parametrize(
    "code",
    [
        "kubectl apply -f a.yaml",
        "kubectl get pods > pods.txt",
        "kubectl exec pod -- ls",
        "curl -X POST https://a.example",
        "curl -o /etc/x https://a.example",
        "curl -sSd @x https://a.example",
        'psql -d d -c "SELECT pg_terminate_backend(1)"',
        'psql -d d -c "SELECT 1" -o /tmp/x',
        'psql -d d -c "\\! touch x"',
        "psql -d d -f a.sql",
        "psql -d d",
        "echo $(touch x)",
        "echo `touch x`",
        "cat <(touch x)",
        "PATH=/tmp kubectl get pods",
        "grep() { touch x; }; grep a",
        "date -s 2020-01-01",
        "git log --output=x",
        "git clean -fdx",
        "find . -name x",
        "sort -o x y",
        "if true; then",
        "./scripts/look.sh",
        "ue deploy start 1.0.0",
        "ue run cancel x",
        "echo x | tee y",
        "eval ls",
        "cat <<EOF > /etc/x\na\nEOF",
        "cat <<EOF >> /etc/x\na\nEOF",
        "date && echo y > f",
        "date | cat > f",
        "{ echo a; } > f",
        "(echo a) >| f",
        "if true; then echo a; fi > f",
        "> /var/log/app.log",
        "echo a >& f",
        "cat 3<> f",
        "curl 2>/dev/null -X DELETE https://a.example",
        "date && curl 2>/dev/null -X DELETE https://a.example",
        "kubectl -n logs delete pods --all",
        "kubectl --unknown get delete pods",
        "kubectl rollout --unknown status restart",
        "kubectl config get",
        'psql -c "SELECT 1" -fdrop.sql',
        'psql -c "SELECT 1" --file=drop.sql',
        'psql -c "SELECT 1" --fil drop.sql',
        'psql -Xo /etc/x -c "SELECT 1"',
        "psql -c $'\\x44ROP TABLE a'",
        "sudo kubectl get pods",
        "./kubectl get pods",
    ],
)
def test_what_is_not_known_to_read_changes(code: str) -> None:
    assert effect(code) is not Effect.READ


@pytest.mark.parametrize(
    "code",
    [
        "rm -rf /x",
        "kubectl delete secret a",
        "pg_restore -d d x",
        "psql -d d < backup.sql",
        'psql -d d -c "DROP TABLE a"',
        "kubectl -n production delete deployment web",
        "kubectl --namespace production --unknown delete deployment web",
        'PGPASSWORD=x psql -c "DROP TABLE a"',
        "psql -XAtcTRUNCATE\\ a",
        "psql -d d -c 'ALTER TABLE a DROP COLUMN b'",
        "psql -d d -c 'ALTER TABLE a DROP b'",
        "sudo -u postgres rm -rf /x",
        "/bin/rm /x",
        "\\rm /x",
        "env A=b nice -n 5 timeout 10 rm /x",
        "kubectl exec p -- rm -rf /x",
        "kubectl -n a exec -i p -- sh -c 'date; rm /x'",
        "ssh -p 22 host rm -rf /x",
        "bash -ec 'rm /x'",
        "docker compose -f x.yml exec -T db psql -c 'DROP TABLE a'",
        "find . -name x -exec rm {} +",
        "kubectl get pods -o name | xargs -n 1 kubectl delete",
        "psql -d d <<EOF\nDROP TABLE a;\nEOF",
        "cd d && psql -d d <<EOF\nDROP TABLE a;\nEOF",
        "cat <<EOF | psql -d d\nDROP TABLE a;\nEOF",
        "psql -d d <<< 'DROP TABLE a'",
        "echo 'DROP TABLE a' | psql -d d",
        "cd d && psql -d d < backup.sql",
        "cat backup.sql | psql -d d",
    ],
)
def test_what_has_no_way_back_destroys(code: str) -> None:
    assert effect(code) is Effect.DESTROY


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("SELECT datname, count(*) FROM pg_stat_activity GROUP BY datname", Effect.READ),
        ("SELECT 'DELETE; it''s' -- DROP\n; SHOW max_connections;", Effect.READ),
        ("WITH a AS (SELECT 1) SELECT * FROM a WHERE x IN (SELECT 2)", Effect.READ),
        ("EXPLAIN (ANALYZE) SELECT 1", Effect.READ),
        ("EXPLAIN ANALYZE UPDATE a SET b = 1", Effect.CHANGE),
        ("WITH a AS (DELETE FROM b RETURNING *) SELECT * FROM a", Effect.CHANGE),
        ("SELECT * INTO a FROM b", Effect.CHANGE),
        ("SELECT * FROM a FOR UPDATE", Effect.CHANGE),
        ("SELECT nextval('a')", Effect.CHANGE),
        ('SELECT "pg_terminate_backend"(1)', Effect.CHANGE),
        ("SELECT /* x */ pg_terminate_backend /* y */ (1)", Effect.CHANGE),
        ("SELECT 1; UPDATE a SET b = 1", Effect.CHANGE),
        ("SELECT 'open; DELETE FROM a", Effect.CHANGE),
        ("SELECT 1 /* open", Effect.CHANGE),
        ("SELECT $$ DROP $$", Effect.READ),
        ("SELECT écount(1)", Effect.CHANGE),
        ("SELECT a$count(1)", Effect.CHANGE),
        ("SELECT é$$ ; DELETE FROM b ; --$$", Effect.DESTROY),
        ("SELECT €$a$ ; DELETE FROM b ; --$a$", Effect.DESTROY),
        ("SELECT éE'\\' ; DELETE FROM b ; --'", Effect.DESTROY),
        ('SELECT "DROP" FROM a', Effect.READ),
        ("DROP TABLE a", Effect.DESTROY),
        ("DELETE FROM a", Effect.DESTROY),
        ("DELETE FROM a WHERE b = 1", Effect.CHANGE),
        ("ALTER TABLE a DROP COLUMN b", Effect.DESTROY),
        ("ALTER TABLE a\n  ALTER b DROP NOT NULL", Effect.CHANGE),
        ("ALTER TABLE a DROP CONSTRAINT c", Effect.CHANGE),
    ],
)
def test_sql_reads_only_when_nothing_in_it_can_change(code: str, expected: Effect) -> None:
    assert effect(code, "sql") is expected


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_no_literal_and_no_comment_makes_a_statement_of_another_one(inside: str) -> None:
    literal = inside.replace("'", "''")
    (statement,) = read_statements(f"SELECT '{literal}'")
    assert statement.only_reads
    commented = inside.replace("/*", "").replace("*/", "").strip("*/")
    assert all(each.verb == "SELECT" for each in read_statements(f"/* {commented} */ SELECT 1"))


def test_comments_nest_and_what_is_never_ended_is_told() -> None:
    code = "/* a /* b */ c */ SELECT 'x'"
    assert place_of(code, code.index("c */")) is Place.COMMENT
    assert place_of(code, code.index("SELECT")) is Place.CODE
    assert place_of(code, code.index("x'")) is Place.LITERAL
    assert unended_at("SELECT 1;\nSELECT 'a") == 2
    assert unended_at("/* /* */") == 1
    assert unended_at(code) is None


def test_the_blocks_of_the_requirement_do_this(requirement: Document) -> None:
    found = {block.line: effect_of(block) for block in requirement.steps}
    assert {line for line, each in found.items() if each is Effect.READ} == {280, 385, 398}
    assert {line for line, each in found.items() if each is Effect.DESTROY} == {177, 410, 419, 442, 493}
