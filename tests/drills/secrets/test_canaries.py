"""No secret is found in anything that the product wrote, printed, or handed to a process: real work on a real stack, then everything is searched."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.certificates import Authority
from tests.drills.main_job.main_job import MainJob
from tests.drills.secrets.canaries import Canary, Flock, Found, Watcher, without
from tests.stack import DRILL_SETTINGS, RunningStack, Said, empty_stack
from unioneyes.adapters.postgres.bootstrap import DATABASE
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.environments import locate
from unioneyes.environments.local.members import run_members
from unioneyes.environments.local.parts import build_supervisor
from unioneyes.environments.local.stack import CONTROL_DATABASE, open_stack

pytestmark = pytest.mark.timeout(600)
VARIABLE = "OPS_CONTROL_PASSWORD"
PLANTED = {
    "slack": "xoxb-4711-canary-of-slack-93af",
    "slack-signing": "canary-by-which-slack-signs-c27e",
    "claims-app": 'canary/of the+claims=app&"role"\'é%41',
    "ue-control": "canary-of-the-engine-s-database-5e0b",
    "of-a-file": 'canary <of> a "document\'s" token/é+7a1c',
    "of-a-reference": "canary-of-a-document-s-webhook-b6d2",
    "typed": "canary-that-somebody-typed-1e9d",
    "in-an-address": "canary-in-an-address-44ce",
    "bearer": "canary-of-a-bearer-0d7f",
}
KEPT = {
    "secrets": "one private file for each secret that was made, and those by which it is handed to the replicas and to Slack's simulator",
    "postgres/replica/primary.pass": "libpq reads the replica's password from a file, so that it stands in no configuration",
}
"""Files of the home whose purpose is to hold a secret, and why."""
DOCUMENT = """\
# Leaks

## Show

```bash
echo "plain $API_TOKEN"
printf %s "$API_TOKEN" | base64 -w0; echo
printf %s "user:$API_TOKEN" | base64 -w0; echo
printf %s "$API_TOKEN" | od -An -v -tx1 | tr -d ' \\n'; echo
python3 -c 'import json, os, urllib.parse; t = os.environ["API_TOKEN"]; print(json.dumps(t), urllib.parse.quote(t), repr(t))'
echo "hook $HOOK_SECRET" >&2
cat KEPT/address KEPT/header KEPT/ops.example.key
env | sort
```

## Fail

```bash
echo "it failed for $API_TOKEN at $(cat KEPT/address)"
echo "$HOOK_SECRET" >&2
exit 3
```
"""


@dataclass(slots=True, kw_only=True)
class Work:
    """What was done, and what it said."""

    stack: RunningStack
    folder: Path
    flock: Flock
    watcher: Watcher
    said: list[tuple[str, Said]] = field(default_factory=list)
    answers: list[tuple[str, str]] = field(default_factory=list)
    """Of the API and of the console."""
    shown_once: str = ""
    """The token that `ue token create` printed, as it is meant to."""

    def ue(self, *words: str, code: int | None = 0, token: str | None = None, within: float = 120) -> Said:
        said = self.stack.ue(*words, token=token, within=within)
        self.said.append((f"ue {shlex.join(words)}", said))
        assert code is None or said.code == code, (words, said)
        return said


def kept(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(f"{text}\n")
    return path


def settings_of(folder: Path) -> str:
    files = {name: kept(folder / "kept" / name, PLANTED[name]) for name in ("slack", "slack-signing", "claims-app", "of-a-file", "of-a-reference")}
    referred = f'slack_token = "secret://file{files["slack"]}"\nslack_signing_secret = "secret://file{files["slack-signing"]}"\nclaims_app = "secret://file{folder}/kept#claims-app"\n'
    own = f'[runbooks]\nfolder = "{folder}/runbooks"\n'
    return f'{DRILL_SETTINGS}\n[secrets]\n{referred}ue_control = "secret://environment/{VARIABLE}"\n{own}'


@pytest.fixture(scope="module")
def work() -> Iterator[Work]:
    """Everything that could leak was done once."""
    with tempfile.TemporaryDirectory(prefix="ue-", dir="/tmp") as name, pytest.MonkeyPatch.context() as patched:
        folder = Path(name)
        for each in ("kept", "runbooks", "tmp"):
            (folder / each).mkdir(mode=0o700)
        patched.setenv(VARIABLE, PLANTED["ue-control"])
        patched.setenv("TMPDIR", str(folder / "tmp"))
        with empty_stack(settings=settings_of(folder)) as stack:
            yield done_on(stack, folder)


def done_on(stack: RunningStack, folder: Path) -> Work:
    watcher = Watcher(Flock(tuple(Canary(*each) for each in PLANTED.items())))
    work = Work(stack=stack, folder=folder, flock=watcher.flock, watcher=watcher)
    with watcher.watching():
        work.said.append(("ue env up", started := stack.start()))
        assert started.code == 0, started.err
        made = [Canary(file.name, file.read_text()) for file in stack.layout.secrets.iterdir() if file.name not in HANDED_OVER]
        assert len(made) == 7, [each.name for each in made]
        watcher.flock = work.flock = Flock((*work.flock.canaries, *made))
        job = MainJob(stack=stack)
        deploy_and_go_back(work, job)
        run_documents(work)
        say_secrets(work)
        look_at_pages(work)
        without_its_databases(work, job)
        look_at_everything(work)
    return work


HANDED_OVER = {"service-database-url", "rehearsal-database-url", "slack-token-by-reference", "slack-signing-secret-by-reference"}
"""They hold what is planted, or made, elsewhere."""


def deploy_and_go_back(work: Work, job: MainJob) -> None:
    """Releases went out, and a faulty one was taken back."""
    work.ue("deploy", "start", "1.0.0", "--migrate", "--bake", "1s")
    work.ue("deploy", "start", "1.1.0", "--migrate", "--bake", "1s", "-o", "json")
    with run_members(work.stack.home, rate=30):
        work.ue("deploy", "start", "1.2.0-errors", "--bake", "60s", code=5)
    assert job.announced(), "Slack's simulator took the token that the reference leads to"


def run_documents(work: Work) -> None:
    """A document printed its secrets, and failed with them; one that somebody typed was refused."""
    issued = Authority(work.folder / "kept", "authority").issue("ops.example")
    work.flock = work.watcher.flock = Flock((*work.flock.canaries, Canary("private-key", issued.key.read_text().splitlines()[1])))
    kept(work.folder / "kept" / "address", f"postgresql://app:{PLANTED['in-an-address']}@db.example/claims")
    kept(work.folder / "kept" / "header", f"Authorization: Bearer {PLANTED['bearer']}")
    (work.folder / "runbooks" / "leaks.md").write_text(DOCUMENT.replace("KEPT", f"{work.folder}/kept"))
    given = ("--set", f"API_TOKEN=@{work.folder}/kept/of-a-file", "--set", f"HOOK_SECRET=secret://file{work.folder}/kept/of-a-reference")
    work.ue("runbook", "plan", "leaks", *given)
    ran = work.ue("runbook", "run", "leaks", "--only", "Show", *given)
    assert ran.out.count("[redacted]") >= 11, ran.out
    failed = work.ue("runbook", "run", "leaks", "--only", "Fail", *given, code=None)
    assert failed.code in {1, 5}, failed.err
    work.ue("runbook", "run", "leaks", "--only", "Fail", "--set", f"API_TOKEN={PLANTED['typed']}", "--set", "HOOK_SECRET=@/x", code=2)


def say_secrets(work: Work) -> None:
    """People typed a secret where it does not belong, and somebody got a token of her own."""
    work.ue("freeze", "start", "--reason", f"the token {PLANTED['slack']} is known to everybody")
    work.ue("freeze", "list", "-o", "json")
    work.ue("freeze", "end", "--reason", f"{PLANTED['slack']} is revoked", code=None)
    work.ue("deploy", "start", PLANTED["slack"], code=None)
    made = work.ue("token", "create", "jane", "--role", "responder", "-o", "json")
    work.shown_once = str(made.json()["secret"])
    work.flock = work.watcher.flock = Flock((*work.flock.canaries, Canary("jane's token", work.shown_once)))
    work.ue("whoami", token=work.shown_once)
    work.ue("token", "list")


def look_at_pages(work: Work) -> None:
    """The console was signed in to and looked at, and asked for what makes no sense."""
    address = locate("local", work.stack.home)
    token = address.token.get_secret_value()
    with httpx.Client(base_url=address.url, timeout=60, trust_env=False) as browser:
        entered = browser.post("/login", data={"token": token})
        session = browser.cookies.get("ue_session")
        assert session, entered.headers
        work.flock = work.watcher.flock = Flock((*work.flock.canaries, Canary("session", session)))
        front = browser.get("/", follow_redirects=True).text
        work.answers.append(("/", front))
        links = {link for link in re.findall(r'href="(/[^"#?]*)"', front) if not link.startswith(("/static", "/login", "/logout"))}
        runs = [str(run["id"]) for run in browser.get("/api/v1/runs", headers={"Authorization": f"Bearer {token}"}).json()]
        pages = {*links, *(f"/runs/{run}" for run in runs), *(f"/deployments/{run}" for run in runs)}
        work.answers += [(page, browser.get(page).text) for page in sorted(pages)]
        work.answers.append(("login", browser.post("/login", data={"token": PLANTED["typed"]}).text))
        browser.cookies.clear()
        asked = {"Authorization": f"Bearer {token}"}
        for path in (
            "/metrics",
            "/api/v1/audit",
            "/api/v1/lock",
            "/api/v1/tokens",
            "/api/v1/nothing",
            *(f"/api/v1/runs/{run}{part}" for run in runs for part in ("", "/journal", "/plan")),
        ):
            work.answers.append((path, browser.get(path, headers=asked).text))
        body = {"runbook": "deployment.start", "request": {"version": [PLANTED["slack"]]}, PLANTED["slack"]: 1}
        work.answers.append(("a body that makes no sense", browser.post("/api/v1/runs", json=body, headers=asked).text))
        work.answers.append(("a wrong token", browser.get("/api/v1/runs", headers={"Authorization": f"Bearer {PLANTED['typed']}"}).text))
    assert any("leaks" in text for _, text in work.answers)


@contextmanager
def gone(work: Work, *processes: str) -> Iterator[None]:
    build_supervisor(work.stack.layout).stop(*processes)
    yield
    started = work.stack.start()
    work.said.append(("ue env up", started))
    assert started.code == 0, started.err


def without_its_databases(work: Work, job: MainJob) -> None:
    """Everything was asked while a database was gone, and the members were sent back by break-glass."""
    with gone(work, "postgres-primary"):
        work.ue("deploy", "start", "1.0.0", "--migrate", "--bake", "1s", code=None)
        work.ue("rollback", "plan", code=None)
    run = job.started("1.0.0", "--bake", "10m")
    job.wait_for_step(run, "watch_release")
    with gone(work, "postgres-control"):
        work.ue("run", "list", code=None)
        work.ue("rollback", "traffic", "--direct", "--reason", f"nobody can revoke {PLANTED['slack']}")
    job.ended(run)


def look_at_everything(work: Work) -> None:
    """Every command that shows something showed it."""
    for words in (
        ("env", "status"),
        ("env", "secrets"),
        ("env", "doctor"),
        ("run", "list"),
        ("deploy", "list"),
        ("approval", "list"),
        ("runbook", "list"),
        ("deploy", "status"),
        ("audit", "list", "--limit", "500"),
        ("rollback", "plan"),
    ):
        work.ue(*words, code=None)
        work.ue(*words, "-o", "json", code=None)
    runs = [str(run.id) for run in work.stack.runs()]
    assert len(runs) > 5
    for run in runs[:6]:
        work.ue("run", "logs", run)
        work.ue("plan", "show", run, code=None)
    work.ue("audit", "verify")
    work.ue("audit", "export", "--to", str(work.folder / "tmp" / "export"))


def listed(found: list[Found]) -> str:
    return "\n".join(f"{each.canary} as {each.form}... in {each.where}" for each in found)


def test_what_was_printed_holds_no_secret(work: Work) -> None:
    said = [(f"{command} {name}", text) for command, each in work.said for name, text in (("stdout", each.out), ("stderr", each.err))]

    found = [
        each for where, text in said for each in work.flock.in_text(where, text) if each.canary != "jane's token" or not where.startswith("ue token create")
    ]
    assert not found, listed(found)


def test_what_the_server_answered_holds_no_secret(work: Work) -> None:
    found = [each for where, text in work.answers for each in work.flock.in_text(where, text)]
    assert not found, listed(found)


def test_no_process_was_handed_a_secret_in_its_arguments(work: Work) -> None:
    typed = {"typed", "slack"}
    by_a_person = [line for found, line in work.watcher.arguments.items() if found.canary in typed and "/ue " in line]

    assert {"initdb", "pg_basebackup", "bash", "envoy", "pg_dump"} <= work.watcher.programs, work.watcher.programs
    assert by_a_person, "the watcher sees what people type"
    found = [each for each, line in work.watcher.arguments.items() if line not in by_a_person]
    assert not found, listed(found)


def test_no_process_was_handed_a_secret_that_it_does_not_need_in_its_environment(work: Work) -> None:
    """The variable that the settings refer to is in whoever types `ue` and in the server; a block has the two that it was given."""
    reads_settings = re.compile(r"/ue |-m unioneyes\.(cli\.main serve|console) |pytest")

    def needed(found: Found, line: str) -> bool:
        if found.canary in {"ue-control", "jane's token"}:
            return bool(reads_settings.search(line))
        return found.canary in {"of-a-file", "of-a-reference"} and line.endswith("[a block]")

    assert any(found.canary == "of-a-file" for found in work.watcher.environments), "the watcher sees what a block has"
    found = {each: line for each, line in work.watcher.environments.items() if not needed(each, line)}
    assert not found, "\n".join(f"{listed([each])}: {line}" for each, line in found.items())


def test_no_table_of_either_database_holds_a_secret(work: Work) -> None:
    stack = open_stack(work.stack.home)
    superuser = stack.secrets.superuser
    urls = [
        server.url(role=SUPERUSER, password=superuser, database=database)
        for server, database in ((stack.control_server, CONTROL_DATABASE), (stack.primary, DATABASE))
    ]

    found = [each for url in urls for each in work.flock.in_database(url.get_secret_value())]
    assert not found, listed(found)


def test_no_file_holds_a_secret_but_those_that_are_there_to(work: Work) -> None:
    """The last one: the stack is ended, so that everything stands in files; what its databases keep too, as it is kept on the disk."""
    ended = work.stack.ue("env", "down")
    found = work.flock.in_files(work.stack.home, work.folder)
    elsewhere = [each for each in without(found, KEPT, work.stack.home) if not Path(each.where).is_relative_to(work.folder / "kept")]

    assert ended.code == 0, ended.err
    assert {Path(each.where).name for each in found} >= {"api-token", "slack", "primary.pass"}, "the search finds what is there"
    assert not elsewhere, listed(elsewhere)
    assert work.flock.in_text("ended", f"{ended.out}{ended.err}") == []
    assert [path.name for path in (work.folder / "tmp").iterdir()] == ["export"]
