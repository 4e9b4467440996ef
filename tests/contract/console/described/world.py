"""A running server with something of everything behind it: runs of each status, approvals, tokens, a freeze, a deployment under way, a break-glass journal."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pydantic import JsonValue

from tests.stack import DRILL_SETTINGS, RunningStack, empty_stack, eventually
from unioneyes.environments import locate
from unioneyes.environments.local.parts import build_supervisor
from unioneyes.kernel.access import RIGHTS, Role
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.views import EntryKind

APPROVERS = (Role.SECURITY_APPROVER, Role.PRODUCT_APPROVER, Role.DATABASE_APPROVER)
WAITING = (RunStatus.AWAITING_APPROVAL, RunStatus.HELD, RunStatus.PARKED)
"""Runs that somebody can still do something about; a test that did finds new ones."""
HARMLESS = "harmless.drill"
GREETING = "# Greet\n\n```bash\necho hello\n```\n"
_CONTROL_PLANE = ("control", "postgres-control")


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Somebody who asks, or tries to."""

    name: str
    headers: dict[str, str]
    known: bool = True
    """Whether the server lets them in."""
    roles: frozenset[Role] = frozenset()

    def may(self, rights: set[str]) -> bool:
        """Return whether the roles bring every one of the rights."""
        return all(any(right in RIGHTS[role] for role in self.roles) for right in rights)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The server, who asks it, and what there is to ask for."""

    stack: RunningStack
    url: str
    owner: httpx.Client
    """With the environment's own token, as the engineer."""
    actors: tuple[Actor, ...]
    """Those who may least come first, so that what can be done once is done by somebody who may."""
    ended: dict[str, str] = field(default_factory=dict)
    """A run of each status that stays, and of some kinds."""

    def ask(self, method: str, path: str, body: JsonValue = None, *, by: Role | None = None) -> JsonValue:
        """Return what the server answers to the engineer, or to somebody of that role; it must be content."""
        headers = {} if by is None else next(actor.headers for actor in self.actors if actor.name == by)
        answer = self.owner.request(method, f"/api/v1{path}", json=body, headers=headers)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        found: JsonValue = answer.json()
        return found

    def start(self, runbook: str, request: dict[str, JsonValue], *, park: bool = False) -> str:
        """Return a new run."""
        started = self.ask("POST", "/runs", {"runbook": runbook, "request": request, "park": park})
        assert isinstance(started, dict)
        return str(started["id"])

    def until(self, run: str, *statuses: RunStatus, within: float = 60) -> str:
        """Return the run once it has one of the statuses."""
        assert eventually(lambda: self.status(run) in statuses, within=within), self.ask("GET", f"/runs/{run}")
        return run

    def status(self, run: str) -> str:
        found = self.ask("GET", f"/runs/{run}")
        assert isinstance(found, dict)
        return str(found["status"])

    def of_status(self, status: RunStatus) -> list[str]:
        """Return the newest runs that have it."""
        found = self.ask("GET", f"/runs?status={status}&limit=3")
        assert isinstance(found, list)
        return [str(run["id"]) for run in found if isinstance(run, dict)]

    def still(self, status: RunStatus) -> list[str]:
        """Return the newest run that has it, and keeps it: one that somebody has cancelled has it until its worker hears of that."""
        return [run for run in self.of_status(status) if not self._cancelled(run)][:1]

    def named(self, *, changing: bool) -> dict[str, list[JsonValue]]:
        """Return what there is for each name that a path asks for; for what changes something, what still waits for somebody, as often as needed anew."""
        self.open_the_line()
        waiting = [run for status in WAITING for run in self.still(status) or [self._waiting(status)]]
        ended = [self.ended["done"]] if changing else [*self.ended.values()]
        return {"run_id": [*ended, *waiting], "name": [self._token()], "index": [0], "pod": self._pods(), "backup": self._backups()}

    def runbooks(self) -> list[str]:
        """Return what can be run, by name."""
        found = self.ask("GET", "/runbooks")
        assert isinstance(found, list)
        return [str(each["name"]) for each in found if isinstance(each, dict) and each["broken"] is None]

    def last_change(self) -> JsonValue:
        """Return the newest entry of the audit log that tells of a person: whatever somebody changes appends one."""
        entries = self.ask("GET", "/audit/entries?limit=500")
        assert isinstance(entries, list)
        people = [each["entry"] for each in entries if isinstance(each, dict) and isinstance(each["entry"], dict)]
        return max((each for each in people if not re.fullmatch("engine|worker-.*", str(each["actor"]))), key=lambda each: str(each["at"]))

    def open_the_line(self) -> None:
        """Nothing is held by a line that somebody stopped."""
        freezes = self.ask("GET", "/freezes")
        assert isinstance(freezes, dict)
        if freezes["line"] is not None:
            self.ask("POST", "/line/lift", {"reason": "the test goes on"})

    def stop_the_line(self) -> None:
        """Somebody has stopped the line."""
        self.open_the_line()
        self.ask("POST", "/line/stop", {"reason": "payments fail"})

    def log(self) -> str:
        """Return what the server logged last."""
        return (self.stack.home / "logs" / "control.log").read_text()[-6000:]

    def _cancelled(self, run: str) -> bool:
        journal = self.ask("GET", f"/runs/{run}/journal")
        assert isinstance(journal, list)
        return any(isinstance(line, dict) and line["kind"] == EntryKind.DECIDED and " cancels: " in str(line["message"]) for line in journal)

    def _pods(self) -> list[JsonValue]:
        """Return the names of the pods that there are."""
        found = self.ask("GET", "/app/pods")
        assert isinstance(found, list)
        return [pod["name"] for pod in found if isinstance(pod, dict)]

    def _backups(self) -> list[JsonValue]:
        """Return the names of the backups that there are: the deployment made one before its migrations."""
        found = self.ask("GET", "/backups")
        assert isinstance(found, dict)
        assert isinstance(found["backups"], list)
        return [each["backup"]["name"] for each in found["backups"] if isinstance(each, dict) and isinstance(each["backup"], dict)]

    def _waiting(self, status: RunStatus) -> str:
        match status:
            case RunStatus.AWAITING_APPROVAL:
                serving = self.ask("GET", "/deployments/current")
                assert isinstance(serving, dict)
                version = "1.0.0" if serving["serving"] == "1.1.0" else "1.1.0"
                return self.start("deployment.start", {"version": version, "migrate": True, "bake": "PT1S"})
            case RunStatus.PARKED:
                return self.until(self.start(HARMLESS, {"ends": "badly"}, park=True), status)
            case _:
                return self.until(self.start(HARMLESS, {"ends": "asked"}), status)

    def _token(self) -> str:
        """Return the name of a token that nobody uses."""
        name = f"spare.{secrets.token_hex(4)}"
        self.ask("POST", "/tokens", {"name": name, "roles": ["viewer"]})
        return name


@contextmanager
def seeded_world() -> Iterator[World]:
    """Give a world with everything in it."""
    enforced = 'enforced = ["security-sign-off", "product-approval", "migration-review"]\n'
    with empty_stack(settings="") as stack:
        own = stack.home.parent / "own"
        own.mkdir(mode=0o700)
        (own / "harmless.py").write_text(Path(__file__).with_name("harmless.py").read_text())
        (own / "greet.md").write_text(GREETING)
        (own / "broken.py").write_text("import os\n\ndef x(:\n")
        (stack.home / "environment.toml").write_text(f'{enforced}[runbooks]\nfolder = "{own}"\n{DRILL_SETTINGS}')
        started = stack.start()
        assert started.code == 0, started.err
        address = locate("local", stack.home)
        token = address.token.get_secret_value()
        with httpx.Client(base_url=address.url, headers={"Authorization": f"Bearer {token}", "UE-User": "engineer"}, timeout=60, trust_env=False) as owner:
            world = World(stack=stack, url=address.url, owner=owner, actors=_actors(owner, address.url))
            _seed(world)
            _come_in(world)
            yield world


def _actors(owner: httpx.Client, url: str) -> tuple[Actor, ...]:
    def made(name: str, *roles: Role, lasts: float = 7200) -> str:
        answer = owner.post("/api/v1/tokens", json={"name": name, "roles": list(roles), "lasts": lasts}).raise_for_status()
        return str(answer.json()["secret"])

    def bearer(secret: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {secret}"}

    revoked = made("revoked", Role.OPERATOR)
    owner.post("/api/v1/tokens/revoked/revoke").raise_for_status()
    both = made("both", Role.OPERATOR, Role.ADMIN)
    return (
        Actor(name="nobody", headers={}, known=False),
        Actor(name="who was revoked", headers=bearer(revoked), known=False),
        Actor(name="whose token ended", headers=bearer(made("brief", Role.OPERATOR, lasts=0.001)), known=False),
        *(Actor(name=role, headers=bearer(made(f"{role}.one", role)), roles=frozenset({role})) for role in Role),
        Actor(name="a browser", headers=_signed_in(url, both), roles=frozenset({Role.OPERATOR, Role.ADMIN})),
    )


def _signed_in(url: str, token: str) -> dict[str, str]:
    """Return what a page of the console sends along."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as browser:
        session = browser.post("/login", data={"token": token}).cookies["ue_session"]
        shown = re.search(r'"X-CSRF-Token": "([0-9a-f]{64})"', browser.get("/runs").text)
    assert shown is not None
    return {"Cookie": f"ue_session={session}", "X-CSRF-Token": shown[1], "Sec-Fetch-Site": "same-origin"}


def _seed(world: World) -> None:
    ended = world.ended
    ended["done"] = world.start(HARMLESS, {})
    ended["undone"] = world.start(HARMLESS, {"ends": "badly"})
    ended["document"] = world.start("document.read", {"text": GREETING, "name": "greet.md"})
    cancelled = world.until(world.start(HARMLESS, {"ends": "asked"}), RunStatus.HELD)
    world.ask("POST", f"/runs/{cancelled}/cancel", {"reason": "not today"})
    ended["cancelled"] = cancelled
    refused = world.start("deployment.start", {"version": "1.0.0", "migrate": True})
    world.ask("POST", f"/runs/{refused}/approvals", {"verdict": "refused", "note": "not today"}, by=Role.SECURITY_APPROVER)
    ended["refused"] = refused
    world.ask("POST", "/line/stop", {"reason": "payments fail"})
    world.ask("POST", "/line/lift", {"reason": "they work again"})
    ended["deployment"] = world.until(_deploy(world, {"version": "1.0.0", "bake": "PT1S"}), RunStatus.DONE, within=120)
    held = _deploy(world, {"version": "1.1.0", "canary": [10], "canary_bake": "PT1S", "hold": True, "no_data": "hold"})
    ended["superseded"] = world.until(held, RunStatus.HELD, within=120)
    build_supervisor(world.stack.layout).stop(*_CONTROL_PLANE)
    gone_back = world.stack.ue("rollback", "traffic", "--direct", "--reason", "the control plane is gone")
    started = world.stack.start()
    assert (gone_back.code, started.code) == (0, 0), gone_back.err + started.err
    world.until(held, RunStatus.SUPERSEDED)
    ended["break-glass"] = next(iter(world.of_status(RunStatus.DONE)))
    assert eventually(lambda: not {world.status(run) for run in ended.values()} & {"pending", "running", "undoing"})


def _deploy(world: World, request: dict[str, JsonValue]) -> str:
    run = world.start("deployment.start", request | {"migrate": True})
    for role in APPROVERS:
        world.ask("POST", f"/runs/{run}/approvals", {"verdict": "granted", "note": "looked at it"}, by=role)
    return run


def _come_in(world: World) -> None:
    """Everybody has come in once, so that those who guess tokens keep nobody else out."""
    for actor in world.actors:
        if actor.known:
            httpx.get(f"{world.url}/api/v1/me", headers=actor.headers, timeout=60, trust_env=False).raise_for_status()
