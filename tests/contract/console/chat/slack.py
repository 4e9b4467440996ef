"""A server on its own database, and Slack's simulator, which shows modals and signs what people do in it. Nothing carries the runs out."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

import httpx
import psycopg
import pytest
from pydantic import JsonValue

from tests.contract.console.conftest import Alone
from tests.provider import SECRET, register, running_provider
from tests.waiting import PLAN, waiting_run
from unioneyes.adapters.slack import SlackNotifier
from unioneyes.console.limits import Limits, RateLimit
from unioneyes.environments.listening import CHAT_HOOK
from unioneyes.environments.local.ports import keep_ports
from unioneyes.kernel.access import Role
from unioneyes.ports.notifier import Announcement, Question
from unioneyes.runbook.audit.entry import AuditEntry, read_entry
from unioneyes.simulators import oidc
from unioneyes.simulators import slack as simulated
from unioneyes.simulators.serving import served
from unioneyes.simulators.slack.interactivity import Interactivity
from unioneyes.simulators.vendors import application

Json = dict[str, JsonValue]
STANDING = 0.0
GATES = tuple((rule.gate, rule.title) for rule in PLAN.approvals)
APPROVE, REFUSE = "Approve: Security", "Refuse: Security"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server that Slack reaches, and the workspace."""

    url: str
    slack: str
    app: simulated.App
    alone: Alone
    provider: oidc.Provider

    def asked(self, *, plan: str | None = None) -> str:
        """Return a run of jane's that waits for approval, and of which the channel was told."""
        run = waiting_run(self.alone.stack.control_database_url)
        question = Question(run=run, plan=plan or PLAN.hash(), gates=GATES, page=f"{self.url}/runs/{run}#approval")
        notifier = SlackNotifier(token=self.alone.stack.secrets.slack_token, base_url=f"{self.slack}/slack/api/")
        notifier.announce(Announcement(channel="#incidents", title="AWAITING APPROVAL", facts=(("Run", run),), key=f"{run}-asked", question=question))
        return run

    def does(self, what: str, **words: JsonValue) -> Json:
        done = httpx.post(f"{self.slack}/slack/_{what}", json=words, timeout=30, trust_env=False)
        assert done.status_code == 200, done.text
        return dict(done.json())

    def press(self, user: str, run: str, button: str = APPROVE, name: str = "somebody") -> Json:
        """Return the modal that is shown to the user."""
        done = self.does("press", user=user, button=button, within=run, name=name)
        assert done["status"] == 200, done
        view = done["view"]
        assert isinstance(view, dict), done
        return view

    def submit(self, user: str, view: Json, text: str) -> Json:
        """Return the modal after the user filled it in, with what is said of the field, if anything."""
        done = self.does("submit", user=user, view=view["id"], values={str(view["callback_id"]): text})
        assert done["status"] == 200, done
        assert isinstance(done["view"], dict)
        errors = done["answer"].get("errors", {}) if isinstance(done["answer"], dict) else {}
        assert isinstance(errors, dict)
        return {**done["view"], "said": errors.get(str(view["callback_id"]))}

    def own(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Ask the API as an administrator."""
        headers = {"Authorization": f"Bearer {self.alone.token}", "UE-User": "boss"}
        return httpx.request(method, f"{self.url}/api/v1{path}", json=body, headers=headers, timeout=30, trust_env=False)

    def token(self, name: str, *roles: Role, lasts: float = 3600) -> str:
        self.own("POST", f"/tokens/{name}/revoke")
        made = self.own("POST", "/tokens", {"name": name, "roles": list(roles), "lasts": lasts})
        assert made.status_code == 201, made.text
        return str(made.json()["secret"])

    @contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as client:
            yield client

    def code_by_token(self, token: str) -> str:
        with self.browser() as client:
            assert client.post("/login", data={"token": token}).status_code == 303
            return code_of(client)

    def code_by_provider(self, subject: str) -> str:
        with self.browser() as client:
            there = client.get("/login/provider").headers["location"]
            number = re.search('name="request" value="([^"]+)"', httpx.get(there, trust_env=False).text)
            assert number
            back = httpx.post(f"{self.provider.url}/choose", data={"request": number[1], "person": subject}, trust_env=False).headers["location"]
            assert client.get(back).status_code == 200
            return code_of(client)

    def linked(self, user: str, name: str, *roles: Role) -> None:
        """The user's account stands for `name`, by a token."""
        view = self.press(user, self.asked())
        assert view["callback_id"] == "approval.code", "a user stands for one person in these tests"
        assert self.submit(user, view, self.code_by_token(self.token(name, *roles)))["said"] is None

    def answers(self, run: str) -> list[tuple[str, str, str, str]]:
        found = self.own("GET", f"/runs/{run}/approvals").json()["answers"]
        return [(each["by"], each["gate"], each["verdict"], each["note"]) for each in found]

    def database(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.alone.stack.control_database_url.get_secret_value(), autocommit=True) as connection:
            done = connection.execute(statement, values)
            return done.fetchall() if done.description else []

    def audited(self, action: str) -> AuditEntry:
        """Return the last entry of this kind."""
        rows = self.database("SELECT entry FROM ue.audit_entries WHERE entry::jsonb ->> 'action' = %s ORDER BY id DESC LIMIT 1", action)
        return read_entry(str(rows[0][0]))

    def signed(self, payload: JsonValue, *, at: int | None = None) -> tuple[bytes, dict[str, str]]:
        """Return a request as Slack signs it."""
        body, timestamp = urlencode({"payload": json.dumps(payload)}).encode(), at or int(time.time())
        signature = Interactivity(workspace=simulated.Workspace(self.alone.home / "signing"), app=self.app).sign(body, timestamp)
        return body, {"X-Slack-Request-Timestamp": str(timestamp), "X-Slack-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}

    def sent(self, body: bytes, headers: Mapping[str, str | bytes]) -> httpx.Response:
        return httpx.post(
            f"{self.url}{CHAT_HOOK}",
            content=body,
            headers=[(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers.items()],
            timeout=30,
            trust_env=False,
        )


def code_of(client: httpx.Client) -> str:
    """Return the code that the page behind somebody's name makes."""
    page = client.get("/me").text
    token = re.search(r'"X-CSRF-Token": "([0-9a-f]{64})"', page)
    assert token, page
    made = client.post("/me/chat", headers={"X-CSRF-Token": token[1], "Sec-Fetch-Site": "same-origin"})
    assert made.status_code == 201, made.text
    code = re.search(r"<pre>([A-Z2-9-]{23})</pre>", made.text)
    assert code, made.text
    return code[1]


def filled_in(user: str, run: str, text: str, *, form: str = "approval.why", team: str = "T0UNIONEYES") -> Json:
    """Return what Slack tells of a modal that the user filled in, whether we showed them one or not."""
    kept = json.dumps({"run": run, "gate": "security-sign-off", "plan": PLAN.hash(), "yes": True})
    view: Json = {"callback_id": form, "private_metadata": kept, "state": {"values": {form: {"text": {"value": text}}}}}
    return {"type": "view_submission", "user": {"id": user, "name": "sam", "team_id": team}, "team": {"id": "T0UNIONEYES"}, "view": view}


def text_of(view: Json) -> str:
    return json.dumps(view["blocks"], ensure_ascii=False)


@contextmanager
def chatting(alone: Alone, folder: Path) -> Iterator[Place]:
    """The server and the workspace are there, and the identity provider that people sign in by."""
    secrets, ports = alone.stack.secrets, alone.stack.ports
    app = simulated.App(signing_secret=secrets.slack_signing_secret)
    generous = Limits(failures=RateLimit(count=10_000), sign_ins=RateLimit(count=10_000))
    with (
        pytest.MonkeyPatch.context() as patched,
        running_provider() as provider,
        served(lambda url: application(folder, url=url, slack_token=secrets.slack_token, slack_app=app)) as vendors,
    ):
        patched.setenv("OIDC_SECRET", SECRET)
        keep_ports(alone.stack.layout.ports, replace(ports, vendors=int(vendors.rpartition(":")[2])))
        try:
            with alone.app(generous, settings=lambda url: register(provider, url)) as url:
                app.request_url = f"{url}{CHAT_HOOK}"
                yield Place(url=url, slack=vendors, app=app, alone=alone, provider=provider)
        finally:
            keep_ports(alone.stack.layout.ports, ports)
