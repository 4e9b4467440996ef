"""What a document leaves open is found, checked, and put in without ever becoming code."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from unioneyes.runbook.documents.effects import effect_of
from unioneyes.runbook.documents.lint.checks import lint
from unioneyes.runbook.documents.markdown import read_document
from unioneyes.runbook.documents.model import Block, Document
from unioneyes.runbook.documents.parameters import filled, masked, parameters_of, shell_variables
from unioneyes.runbook.documents.shell import read_script
from unioneyes.runbook.documents.sql import read_statements
from unioneyes.runbook.documents.values import Kind, Parameter


def block(code: str, language: str = "bash") -> Block:
    (found,) = read_document(f"# A\n\n```{language}\n{code}\n```\n".encode(), "a.md").steps
    return found


def opened(code: str, language: str = "bash") -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in parameters_of((block(code, language),))}


def test_the_requirement_leaves_these_open(requirement: Document) -> None:
    assert {parameter.spoken: parameter.kind for parameter in parameters_of(requirement.steps)} == {
        "$PROD_DB_HOST": Kind.HOST,
        "$PROD_DB_USER": Kind.IDENTIFIER,
        "XXXX": Kind.NUMBER,
        "$VERSION": Kind.VERSION,
        "TIMESTAMP": Kind.MOMENT,
        "$SLACK_WEBHOOK_URL": Kind.SECRET,
        "$PAGE_ID": Kind.ID,
        "$TOKEN": Kind.SECRET,
        "[query]": Kind.QUERY,
        "YYYYMMDD": Kind.DATE,
        "$RESTORE_DB_HOST": Kind.HOST,
        "$RESTORE_DB_USER": Kind.IDENTIFIER,
        "$NEW_PASSWORD": Kind.SECRET,
        "$SECURITY_SLACK_WEBHOOK": Kind.SECRET,
        "$USER_ID": Kind.ID,
        "$USER_EMAIL": Kind.EMAIL,
        "<pod-name>": Kind.NAME,
    }


@pytest.mark.parametrize(
    "spoken",
    [
        *("$DB_PASS", "$PGPASS", "$SMTP_PASS_FILE_CONTENT", "$PASSPHRASE", "$SMTP_PWD", "$CREDENTIALS", "$AWS_CREDENTIAL", "$JWT", "$SIGNING_KEY_BASE64"),
        *("$DATABASE_DSN", "$SSH_KEY", "$APIKEY", "<db-pass>", "<passphrase>", "<smtp-pwd>", "<credentials>", "<signing-key>", "<jwt>"),
    ],
)
def test_what_is_called_like_a_secret_is_taken_from_a_file_alone(spoken: str) -> None:
    (parameter,) = opened(f'./login "{spoken}"').values()
    assert parameter.kind is Kind.SECRET
    assert parameter.refuses("hunter2hunter2") is not None
    assert parameter.refuses("@/run/secrets/one") is None


@pytest.mark.parametrize("spoken", ["$PASSENGERS", "$PASSED", "$KEYSPACE", "$MONKEY", "<compass>", "<feature-key>", "<secret-name>"])
def test_what_only_looks_a_little_like_a_secret_is_none(spoken: str) -> None:
    (parameter,) = opened(f'echo "{spoken}"').values()
    assert parameter.kind is not Kind.SECRET


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("A=1; echo $A $B", {"B"}),
        ("for i in 1 2; do echo $i; done", set()),
        ("read answer; echo $answer", set()),
        ("echo $HOME $1 $? $$ ${X:-default}", {"X"}),
        ("echo 'a $QUOTED' # a $COMMENT and <that>", set()),
        ("cat < in > out; echo [a-z]*; [ -f x ]; [[ -n x ]]; a[0]=1", set()),
        ("cat backup_TIMESTAMP.sql /b/x_YYYYMMDD.dump", {"TIMESTAMP", "YYYYMMDD"}),
        ("cat <<EOF\n$INSIDE\nEOF", {"INSIDE"}),
        ("cat <<'EOF'\n$INSIDE\nEOF", set()),
        ("kubectl exec <pod-name> -- ls", {"pod-name"}),
    ],
)
def test_a_bash_block_leaves_open_what_it_does_not_set(code: str, names: set[str]) -> None:
    assert opened(code).keys() == names


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("SELECT '$USER_ID', $LIMIT_ROWS", {"USER_ID", "LIMIT_ROWS"}),
        ("SELECT to_char(now(), 'YYYYMMDD')", set()),
        ("SELECT created_at::TIMESTAMP FROM a -- $NOT <this>", set()),
        ("DO $BODY$ BEGIN NULL; END $BODY$", set()),
        ("EXPLAIN [query]", {"query"}),
        ("SELECT a[1], '{a}'::text[] FROM t WHERE b < c AND d > e", set()),
    ],
)
def test_an_sql_block_leaves_open_what_looks_so(code: str, names: set[str]) -> None:
    assert opened(code, "sql").keys() == names


@pytest.mark.parametrize(
    ("spoken", "right", "wrong"),
    [
        ("$DB_HOST", ["db.example.org", "10.0.0.1", "::1"], ["-oProxyCommand=x", "a b", "a;b", ""]),
        ("$DB_USER", ["app_owner"], ["app-owner", "1a", "a'b"]),
        ("$VERSION", ["1.4.0", "v2", "1.2.0-rc.1"], ["latest;", "one"]),
        ("$USER_EMAIL", ["a.b+c@example.org"], ["a@b", "a b@c.de"]),
        ("$USER_ID", ["42", "user_2f"], ["a'b", "-1", "a b"]),
        ("$API_TOKEN", ["@/run/secrets/token"], ["hunter22", "@token", "@"]),
        ("$RELEASE_URL", ["https://a.example/x?y=1"], ["ftp://a", "https://a b", "https://a$(x)"]),
        ("$REPLICAS", ["3"], ["three", "-3"]),
        ("$NOTE", ["it's $(x)"], ["-rf", "--output=/etc/x", "two\nlines", ""]),
    ],
)
def test_a_value_is_held_to_what_its_name_says(spoken: str, right: list[str], wrong: list[str]) -> None:
    (parameter,) = opened(f'echo "{spoken}"').values()
    assert {value: parameter.refuses(value) for value in right} == dict.fromkeys(right)
    assert [value for value in wrong if parameter.refuses(value) is None] == []


AS_CODE = [
    """psql -d d -c "SELECT * FROM t WHERE a LIKE '%$NOTE%'\"""",
    """psql -d d -c "SELECT * FROM t WHERE n>$NOTE\"""",
    """psql -d d -c "$NOTE\"""",
    """PGPASSWORD=x psql -d d -c "SELECT '$NOTE'\"""",
    """sudo -u postgres psql -d d -c "SELECT '$NOTE'\"""",
    """kubectl exec p -- psql -c "SELECT '$NOTE'\"""",
    """docker compose exec -T db psql -c "SELECT '$NOTE'\"""",
    """echo "SELECT '$NOTE'" | psql -d d""",
    """echo "$NOTE" | psql -d d""",
    """printf '%s' "$NOTE" | tr a b | sudo bash""",
    """cd d && psql -d d <<EOF\nSELECT '$NOTE'\nEOF""",
    """cat <<EOF | psql -d d\nSELECT '$NOTE'\nEOF""",
    """kubectl apply -f - <<EOF\nname: $NOTE\nEOF""",
    """psql -d d <<< "SELECT '$NOTE'\"""",
    """{ echo "SELECT '$NOTE'"; } | psql -d d""",
    """psql -d d -c "$(echo "SELECT '$NOTE'")\"""",
    """Q="SELECT '$NOTE'"; psql -d d -c "$Q\"""",
    """A="$NOTE"; Q="SELECT '$A'"; echo "$Q" | psql -d d""",
    """for each in $NOTE; do psql -d d -c "SELECT '$each'"; done""",
    """[[ "$NOTE" -gt 5 ]]""",
    """[ -v "$NOTE" ]""",
    """(( $NOTE > 5 ))""",
    """echo "$NOTE" && (( NOTE > 5 ))""",
    """echo "$NOTE" && [[ NOTE -gt 5 ]]""",
    """echo $(( $NOTE + 1 ))""",
    """LIMIT=$NOTE; (( LIMIT > 5 ))""",
    """kubectl patch x -p "{'a': '$NOTE'}\"""",
    """ssh host "restart $NOTE\"""",
    """sed -i "s/a/$NOTE/" f""",
    """awk "$NOTE" f""",
    """python3 -c "print('$NOTE')\"""",
    """printf '%s' "$NOTE" | python3""",
    """kubectl exec p -- "$NOTE\"""",
    """kubectl exec p -- bash -ec "$NOTE\"""",
    """curl -f -H "a: b" -d "{'a': '$NOTE'}" https://a.example""",
    """kubectl exec p -- sh -c "restart $NOTE\"""",
    """"$NOTE" --now""",
    """psql -d d -v note="$NOTE" <<'EOF'\nSELECT :note\nEOF""",
    """psql -d d -v note="$NOTE" -f a.sql""",
]


@pytest.mark.parametrize("code", AS_CODE)
def test_a_value_that_becomes_code_is_held_to_letters_and_digits(code: str) -> None:
    parameter = opened(code)["NOTE"]
    assert parameter.refuses("web-1.4") is None
    assert [value for value in ("x' OR '1", "a[$(cmd)]", "1 OR true", "1--", "a;b", "a/b") if parameter.refuses(value) is None] == []
    assert "parameter-becomes-code" in {finding.rule for finding in lint(read_document(f"```bash\n{code}\n```\n".encode(), "a.md"))}


@pytest.mark.parametrize(
    "code",
    [
        'echo "marking $NOTE" > "$PAGE"',
        'cat <<EOF > "$PAGE"\nhello $NOTE\nEOF',
        './announce.sh "$NOTE"',
        'kubectl annotate x "$NOTE"',
        '[ "$NOTE" = yes ]',
        'TEXT="it is $NOTE"; echo "$TEXT"',
        "psql -d d -v note=\"$NOTE\" <<'EOF'\nSELECT :'note', a::note\nEOF",
        'echo "$NOTE" | grep a',
        'bash announce.sh "$NOTE"',
        'python3 announce.py --text "$NOTE"',
        'printf "%s" "$NOTE" | python3 announce.py',
        'sed -n 5p "$NOTE"',
        'curl -f -H "X-Note: it is $NOTE" https://a.example',
    ],
)
def test_a_value_that_stays_one_word_is_free(code: str) -> None:
    assert opened(code)["NOTE"].refuses("it's $(x); a [1]") is None


@pytest.mark.parametrize(
    "code", ['touch "/srv/$NOTE"', 'cat a > "$NOTE.txt"', 'kubectl logs "deployment/$NOTE" --tail=10', 'curl -f "https://a.example/$NOTE"']
)
def test_a_value_that_is_a_part_of_a_path_or_an_option_stays_one(code: str) -> None:
    parameter = opened(code)["NOTE"]
    assert parameter.refuses("a/b-c.d") is None
    assert [value for value in ("a b", "../b", "a/../b", "a;b", "a&b=c", "$(x)") if parameter.refuses(value) is None] == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("code", ["echo $A | " * 3000 + "cat", "echo $A && " * 6000 + "date", "$(" * 3000, "{ " * 3000, "A=$A; " * 6000 + "echo $A"])
def test_no_block_is_too_long_or_too_deep_to_be_looked_at(code: str) -> None:
    lint(read_document(f"```bash\n{code}\n```\n".encode(), "a.md"))
    effect_of(block(code))


def test_a_day_and_a_moment_must_be_ones_of_the_calendar() -> None:
    day, moment = opened("cat x_YYYYMMDD y_TIMESTAMP.sql").values()
    assert day.refuses("20260209") is None
    assert moment.refuses("20260209_143000") is None
    assert [value for value in ("20260230", "2026-02-09", "20261301") if day.refuses(value) is None] == []
    assert moment.refuses("20260209_253000") is not None


@pytest.mark.parametrize("query", ["DELETE FROM claims", "SELECT 1; SELECT 2", "SELECT 1 --", "SELECT pg_terminate_backend(1)", "SELECT '", "SELECT 1 /* x"])
def test_a_query_that_is_put_in_only_reads_and_hides_nothing(query: str) -> None:
    (parameter,) = opened("EXPLAIN ANALYZE [query];", "sql").values()
    assert parameter.refuses("SELECT id FROM claims WHERE status = 'it''s'") is None
    assert parameter.refuses(query) is not None


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)


@given(VALUES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_accepted_reaches_the_shell_as_one_word_and_runs_nothing(value: str) -> None:
    for code in ('printf "%s|" a "$NOTE" b', "printf '%s|' a $NOTE b", "printf '%s|' a <note> b"):
        given_block = block(code)
        (parameter,) = parameters_of((given_block,))
        if parameter.refuses(value) is not None:
            continue
        script = filled(given_block, {parameter.name: value}, {parameter.name: parameter})
        variables = {parameter.name: value} if parameter.name in shell_variables(given_block) else {}
        ran = subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=variables, capture_output=True, timeout=20, check=True, stdin=subprocess.DEVNULL)
        assert ran.stdout.decode() == f"a|{value}|b|"


@given(VALUES)
def test_whatever_is_accepted_stays_a_literal_in_sql(value: str) -> None:
    for code in ("SELECT $NOTE, 1 -- it's\n;", "SELECT 'a $NOTE b', 1 /* it's /* */ */;", "/* it's */ SELECT E'$NOTE';", 'SELECT "a$NOTE";'):
        given_block = block(code, "sql")
        (parameter,) = parameters_of((given_block,))
        if parameter.refuses(value) is None:
            put = filled(given_block, {"NOTE": value}, {"NOTE": parameter})
            assert len(read_statements(put)) == 1
            assert [statement.only_reads for statement in read_statements(put)] == [True]


def test_a_secret_is_never_put_into_sql() -> None:
    given_block = block("ALTER ROLE a PASSWORD '$NEW_PASSWORD'", "sql")
    (parameter,) = parameters_of((given_block,))
    assert "/run" not in filled(given_block, {"NEW_PASSWORD": "@/run/secret"}, {"NEW_PASSWORD": parameter})


@pytest.mark.parametrize(
    ("code", "given", "put"),
    [
        ("SELECT * FROM claims_YYYYMMDD", {"YYYYMMDD": "20260209"}, "SELECT * FROM claims_20260209"),
        ("SELECT * FROM a WHERE day = YYYYMMDD", {"YYYYMMDD": "20260209"}, "SELECT * FROM a WHERE day = '20260209'"),
        ("VACUUM <table>", {"table": "claims"}, "VACUUM claims"),
        ("VACUUM (ANALYZE) <table-name>", {"table-name": "claims"}, "VACUUM (ANALYZE) claims"),
        ("REINDEX INDEX CONCURRENTLY <which>", {"which": "claims_pkey"}, "REINDEX INDEX CONCURRENTLY claims_pkey"),
        ("UPDATE $WHAT SET a = $WHY", {"WHAT": "claims", "WHY": "it's"}, "UPDATE claims SET a = 'it''s'"),
        ("SELECT * FROM $TABLE_NAME", {"TABLE_NAME": "claims"}, "SELECT * FROM claims"),
        ("CREATE TABLE ${PART}_old ()", {"PART": "claims"}, "CREATE TABLE claims_old ()"),
        ("SELECT * FROM a WHERE b IS DISTINCT FROM $NOTE", {"NOTE": "c"}, "SELECT * FROM a WHERE b IS DISTINCT FROM 'c'"),
        ("EXPLAIN [query]; SELECT $NOTE", {"query": "SELECT '$NOTE'", "NOTE": "x' OR '"}, "EXPLAIN SELECT '$NOTE'; SELECT 'x'' OR '''"),
    ],
)
def test_a_value_in_sql_is_a_name_where_a_name_belongs_and_is_looked_through_for_no_other(code: str, given: dict[str, str], put: str) -> None:
    parameters = opened(code, "sql")
    assert {name: parameters[name].refuses(value) for name, value in given.items()} == dict.fromkeys(given)
    assert filled(block(code, "sql"), given, parameters).rstrip("\n") == put


@pytest.mark.parametrize(("code", "value"), [("CREATE TABLE a_<name> ()", "b.c"), ("VACUUM <table>", "a;b"), ("SELECT * FROM $TABLE_NAME", "a b")])
def test_what_becomes_a_name_in_sql_is_held_to_one(code: str, value: str) -> None:
    (parameter,) = opened(code, "sql").values()
    assert parameter.refuses(value) is not None


def test_a_placeholder_does_not_move_what_stands_around_it() -> None:
    code = "kubectl exec <pod-name> -- ls\necho $X"
    assert len(masked(block(code)).rstrip("\n")) == len(code)
    (first, _) = read_script(masked(block(code))).commands
    assert first.redirects == ()


def test_characters_that_the_grammar_can_not_look_up_end_no_process() -> None:
    for _ in range(6):  # what lies beyond the table differs from process to process
        ran = subprocess.run([sys.executable, "-c", READS], capture_output=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr.decode()[-500:]
    (command,) = read_script("印刷 'größe 🚨' > 漢").commands
    assert command.words == ("印刷", "größe 🚨")
    assert command.redirects[0].target == "漢"


READS = """
from unioneyes.runbook.documents.shell import read_script
for point in range(0x10000, 0x110000, 0x355):
    read_script(f"`{chr(point)}${{{chr(point ^ 0x333)}<<{chr(point)}'a[{chr(point)}")
"""


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader_of_bash(code: str) -> None:
    assume("```" not in code)
    script = read_script(code.encode(errors="ignore").decode())
    assert all(command.line >= 1 for command in script.commands)


def test_a_default_of_the_document_makes_a_value_optional_only_where_it_is_everywhere() -> None:
    assert opened("echo ${A:-1}")["A"].optional
    assert not opened("echo ${A:-1} $A")["A"].optional


def test_an_accepted_value_needs_no_quotes_where_it_is_pasted() -> None:
    (parameter,) = opened("kubectl delete pod <pod-name>").values()
    assert [value for value in ("a;b", "a b", "$(x)", "`x`", "a|b", "-n", "a\nb", "a'b", "*") if parameter.refuses(value) is None] == []
    assert shlex.quote("web-7d9-x2x") == "web-7d9-x2x"
    assert parameter.refuses("web-7d9-x2x") is None
