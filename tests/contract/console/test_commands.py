"""Who may do what by the command line: every command that asks the server, as every role, ends with 4 exactly where the role does not bring the right."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.console.access import Access, access_to
from tests.stack import DRILL_SETTINGS, empty_stack, eventually
from unioneyes.cli import client, main
from unioneyes.cli.tree import VERBS, find
from unioneyes.environments.connecting import connected
from unioneyes.kernel.access import RIGHTS, Right, Role
from unioneyes.kernel.problems import ExitCode

pytestmark = pytest.mark.stack

SETTINGS = f"""
enforced = ["security-sign-off"]
{DRILL_SETTINGS}
"""


def bringing(right: Right) -> frozenset[Role]:
    return frozenset(role for role in Role if right in RIGHTS[role])


EVERYBODY = frozenset(Role)
SIGNS = frozenset({Role.SECURITY_APPROVER})
COMMANDS: dict[str, frozenset[Role]] = {
    "approval list": EVERYBODY,
    "approval show {awaiting}": EVERYBODY,
    "approval grant {awaiting} --note fine --gate security-sign-off": SIGNS,
    "approval refuse {awaiting} --note no --gate security-sign-off": SIGNS,
    "approval override {awaiting} --reason fire": bringing(Right.OPERATE),
    "audit list": bringing(Right.AUDIT),
    "audit export": bringing(Right.AUDIT),
    "audit proof 0": bringing(Right.AUDIT),
    "audit verify": bringing(Right.AUDIT),
    "app pods": EVERYBODY,
    "app status": EVERYBODY,
    "app image": EVERYBODY,
    "app describe": EVERYBODY,
    "app logs": bringing(Right.RESPOND),
    "app restart --yes --detach": bringing(Right.RESPOND),
    "app scale 2 --yes --detach": bringing(Right.RESPOND),
    "app shell --reason drill": bringing(Right.EXECUTE),
    "backup create --name by.{role} --no-verify --yes --detach": bringing(Right.RESPOND),
    "backup list": EVERYBODY,
    "backup show nosuch": EVERYBODY,
    "backup verify nosuch": bringing(Right.RESPOND),
    "backup prune --yes --detach": bringing(Right.OPERATE),
    "backup restore nosuch": bringing(Right.OPERATE),
    "backup schedule": EVERYBODY,
    "backup base --name a.b --yes --detach": bringing(Right.RESPOND),
    "backup wal": EVERYBODY,
    "backup pitr --to never --into x --yes --detach": bringing(Right.OPERATE),
    "edge status": EVERYBODY,
    "edge limit strict --yes --detach": bringing(Right.RESPOND),
    "edge deny 192.0.2.1 --yes --detach": bringing(Right.RESPOND),
    "edge allow 192.0.2.1 --yes --detach": bringing(Right.RESPOND),
    "db status": EVERYBODY,
    "db lag": EVERYBODY,
    "db connections": EVERYBODY,
    "db queries": EVERYBODY,
    "db locks": EVERYBODY,
    "db slow": EVERYBODY,
    "db explain 4711": bringing(Right.RESPOND),
    "db explain 4711 --analyze --reason drill": bringing(Right.EXECUTE),
    "db psql --reason drill": bringing(Right.EXECUTE),
    "db kill 1 --yes --detach": bringing(Right.RESPOND),
    "db failover-check": EVERYBODY,
    "db migrate status": EVERYBODY,
    "db migrate plan 1.0.0": EVERYBODY,
    "db migrate apply 1.0.0 --yes --detach": bringing(Right.OPERATE),
    "db migrate rollback --reason data-integrity --confirm unioneyes": bringing(Right.OPERATE),
    "deploy start 1.0.0 --migrate --yes --detach": bringing(Right.OPERATE),
    "deploy promote {ended deployment.start}": bringing(Right.OPERATE),
    "deploy smoke http://127.0.0.1:9": bringing(Right.RESPOND),
    "deploy verify --detach": bringing(Right.RESPOND),
    "deploy status": EVERYBODY,
    "deploy list": EVERYBODY,
    "deploy explain {awaiting}": EVERYBODY,
    "freeze list": EVERYBODY,
    "freeze start --reason drill": bringing(Right.RESPOND),
    "freeze end --reason drill": bringing(Right.OPERATE),
    "plan show {awaiting}": EVERYBODY,
    "plan diff {awaiting}": EVERYBODY,
    "release list": EVERYBODY,
    "rollback plan": EVERYBODY,
    "rollback traffic --reason drill --yes": bringing(Right.RESPOND),
    "rollback release --reason drill --yes": bringing(Right.RESPOND),
    "rollback rolling --reason drill --yes": bringing(Right.RESPOND),
    "rollback migration --reason data-integrity --confirm unioneyes": bringing(Right.OPERATE),
    "rollback restore --reason data-corruption --confirm unioneyes": bringing(Right.OPERATE),
    "run list": EVERYBODY,
    "run show {awaiting}": EVERYBODY,
    "run logs {awaiting}": EVERYBODY,
    "run watch {ended deployment.start}": EVERYBODY,
    "run cancel {awaiting} --reason drill": bringing(Right.OPERATE),
    "run cancel {ended rollback.traffic} --reason drill": bringing(Right.RESPOND),
    "run cancel {ended document.read} --reason drill": bringing(Right.EXECUTE),
    "run resume {ended deployment.start} --undo --reason drill": bringing(Right.OPERATE),
    "run resume {ended rollback.traffic} --retry --reason drill": bringing(Right.RESPOND),
    "run resume {ended document.run} --skip --reason drill": bringing(Right.EXECUTE),
    "runbook list": EVERYBODY,
    "runbook plan {document}": bringing(Right.EXECUTE),
    "runbook plan occupied.drill": EVERYBODY,
    "runbook run {document}": bringing(Right.EXECUTE),
    "runbook run occupied.drill": bringing(Right.OPERATE),
    "session list": bringing(Right.OVERSEE),
    "session end nobody": bringing(Right.ADMINISTER),
    "token create by.{role} --role viewer": bringing(Right.ADMINISTER),
    "token list": bringing(Right.OVERSEE),
    "token revoke nobody": bringing(Right.ADMINISTER),
    "whoami": EVERYBODY,
}
"""What is typed, and who may. The world is such that nothing but that stands in its way before the right is asked for, and that those who may do no harm."""
ASKS_NO_SERVER = {
    *("env up", "env down", "env status", "env reset", "env doctor", "env secrets", "env roles", "env add", "control migrate"),
    *("runbook lint", "runbook pages", "runbook document", "rehearse demo", "rehearse faults", "serve"),
}
"""Whoever has the environment's folder may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A stack whose service is held, with a migration that could be taken back and a backup that could be restored."""

    access: Access
    document: Path
    held_by: str
    """The run that holds the service."""

    def types(self, command: str, role: Role) -> int:
        """Return the exit code of the command, typed by somebody of that role."""
        with ExitStack() as closing, pytest.MonkeyPatch.context() as patch:
            words = [self._filled(word, role, closing) for word in _words(command)]
            patch.setattr(sys, "argv", ["ue", *words, "--home", str(self.access.stack.home)])
            patch.setenv("UE_TOKEN", self.access.of(role))
            patch.setattr(client, "connected", lambda *args, **named: closing.enter_context(connected(*args, **named)))  # as at the end of its process
            return main.main()

    def _filled(self, word: str, role: Role, closing: ExitStack) -> str:
        if word == "{awaiting}":
            return self.awaiting()
        if word == "{document}":
            return str(self.document)
        if word.startswith("{ended "):
            return closing.enter_context(self.access.ended_run(word.removeprefix("{ended ").removesuffix("}")))
        return word.replace("{role}", role)

    def awaiting(self) -> str:
        """Return a new run that waits for the security team, on a line that nobody stopped."""
        self.access.client.post("/line/lift", json={"reason": "the test goes on"})
        body = {"runbook": "deployment.start", "request": {"version": "1.0.0", "migrate": True}}
        started = self.access.client.post("/runs", json=body)
        assert started.status_code == 201, started.text
        return str(started.json()["id"])


def _words(command: str) -> Iterator[str]:
    """Yield the words; what stands in braces is one."""
    rest = command
    while rest:
        end = rest.index("}") + 1 if rest.startswith("{") else (rest + " ").index(" ")
        yield rest[:end]
        rest = rest[end:].lstrip()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with empty_stack(settings="") as stack:
        own = stack.home.parent / "own"
        own.mkdir(mode=0o700)
        (own / "occupied.py").write_text(Path(__file__).with_name("occupied.py").read_text())
        document = own / "greet.md"
        document.write_text("# Greet\n\n```bash\necho hello\n```\n")
        (stack.home / "environment.toml").write_text(SETTINGS + f'[runbooks]\nfolder = "{own}"\n')
        started = stack.start()
        assert started.code == 0, started.err
        ports = stack.environment
        ports.migrations.apply(ports.migrations.folder("1.0.0"))
        ports.backups.create("before")
        ports.backups.verify("before")
        ports.backups.discard_scratch("before")
        with access_to(stack) as access:
            held = access.client.post("/runs", json={"runbook": "occupied.drill", "request": {}}).json()["id"]
            assert eventually(lambda: access.client.get(f"/runs/{held}").json()["status"] == "held", within=60)
            yield World(access=access, document=document, held_by=held)


def test_every_command_is_typed_here() -> None:
    assert {verb.words for command in COMMANDS if (verb := find(command.split())) is not None} | ASKS_NO_SERVER == {verb.words for verb in VERBS}
    assert all(find(command.split()) for command in COMMANDS), "none that is gone"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_not_authorised_exactly_where_the_role_does_not_bring_it(world: World, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    for role in Role:
        code = world.types(command, role)
        said = capsys.readouterr().err
        assert (code == ExitCode.NOT_AUTHORISED) == (role not in COMMANDS[command]), f"{role}: {code}\n{said}"
        if role in EVERYBODY - COMMANDS[command]:
            assert "may not" in said, said


def test_the_service_was_held_all_the_time(world: World) -> None:
    """Else somebody who may would have changed something, and what was refused might have been refused for that."""
    assert world.access.client.get("/lock").json()["run_id"] == world.held_by
