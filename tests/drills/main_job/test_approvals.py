"""A deployment that others must approve: asked for, answered by those whose it is, begun by itself, and void when the world moved on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from tests.drills.main_job.main_job import JsonObject, MainJob
from tests.stack import DRILL_SETTINGS, Said, eventually, running_stack
from unioneyes.kernel.problems import ExitCode

SETTINGS = f"""
enforced = ["security-sign-off", "product-approval", "migration-review"]
{DRILL_SETTINGS}
"""
APPROVERS = ("security-approver", "product-approver", "database-approver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A stack where nothing is deployed before three people said yes."""

    job: MainJob
    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, role: str) -> str:
        if role not in self.tokens:
            made = self.job.stack.ue("token", "create", role.replace("-approver", ".one"), "--role", role, "-o", "json")
            assert made.code == 0, made.err
            self.tokens[role] = str(made.json()["secret"])
        return self.tokens[role]

    def requested(self, version: str) -> str:
        """Return a deployment that waits for approval."""
        said = self.job.deploy(version, "--migrate", "--bake", "1s")
        assert said.code == ExitCode.PENDING, said.err
        assert self.job.run(said)["status"] == "awaiting-approval"
        return str(self.job.run(said)["id"])

    def answer(self, run: str, role: str, verb: str = "grant") -> Said:
        return self.job.stack.ue("approval", verb, run, "--note", "looked at the plan", token=self.token(role))

    def approve(self, run: str, *roles: str) -> None:
        for role in roles:
            said = self.answer(run, role)
            assert said.code == 0, said.err


@pytest.fixture(scope="module")
def approved() -> Iterator[Approved]:
    with running_stack(settings=SETTINGS) as stack:
        yield Approved(job=MainJob(stack=stack))


def another(job: MainJob) -> str:
    """Return a version that does not serve, whatever the test before left."""
    return "1.0.0" if job.serving_nothing() or job.serving().version == "1.1.0" else "1.1.0"


def titles(messages: list[JsonObject], word: str) -> int:
    return sum(word in str(message) for message in messages)


def test_a_deployment_begins_when_the_last_of_three_said_yes_and_one_that_the_world_overtook_is_void(approved: Approved) -> None:
    job = approved.job
    first = approved.requested("1.0.0")
    assert eventually(lambda: titles(job.announced(), "AWAITING APPROVAL") == 1)
    own = job.stack.ue("approval", "grant", first, "--gate", "security-sign-off", "--note", "mine")
    assert own.code == ExitCode.NOT_AUTHORISED, own.err
    approved.approve(first, "security-approver", "product-approver")
    assert job.serving_nothing()
    approved.approve(first, "database-approver")
    assert job.ended(first).code == 0
    assert job.serving().version == "1.0.0"

    second, third = approved.requested("1.1.0"), approved.requested("1.2.0-errors")
    approved.approve(second, *APPROVERS)
    assert job.ended(second).code == 0
    approved.approve(third, *APPROVERS)
    void = job.ended(third)
    assert void.code == ExitCode.REFUSED, void.err
    problem = job.run(void)["problem"]
    assert isinstance(problem, dict)
    assert "is not what would be done now" in str(problem["detail"])
    assert "previous: 1.0.0 then, 1.1.0 now" in str(problem["detail"])
    assert job.serving().version == "1.1.0"


@pytest.mark.campaign
def test_a_deployment_that_two_would_not_let_wait_is_followed_to_its_end(approved: Approved) -> None:
    job = approved.job
    run = approved.requested(another(job))
    for name in ("night.one", "night.two"):
        token = str(job.stack.ue("token", "create", name, "--role", "operator", "-o", "json").json()["secret"])
        said = job.stack.ue("approval", "override", run, "--reason", "members can't sign in", token=token)
        assert said.code == 0, said.err
    followed = job.ended(run)  # at once, before it begins
    assert followed.code == 0, followed.err
    assert eventually(lambda: titles(job.announced(), "APPROVALS OVERRIDDEN") == 1)


def test_settings_that_change_after_the_yes_void_it_by_name(approved: Approved) -> None:
    job, settings = approved.job, approved.job.stack.layout.settings
    run = approved.requested(another(job))
    needed = [role for role in APPROVERS if role in job.stack.ue("approval", "show", run).out]
    assert "Content (SHA-256" in job.stack.ue("plan", "show", run).out
    kept = settings.read_text()
    try:
        settings.write_text(f"{kept}\n[service]\npool_size = 3\n")
        assert job.stack.start().code == 0
        approved.approve(run, *needed)
        void = job.ended(run)
    finally:
        settings.write_text(kept)
        assert job.stack.start().code == 0
    assert void.code == ExitCode.REFUSED, void.err
    problem = job.run(void)["problem"]
    assert isinstance(problem, dict)
    assert "configuration.CLAIMS_POOL_SIZE" in str(problem["detail"])


def test_two_people_say_yes_in_the_chat_and_the_deployment_begins_by_itself(approved: Approved) -> None:
    job, chat = approved.job, f"http://127.0.0.1:{approved.job.parts.ports.vendors}/slack"
    run = approved.requested(another(job))
    needed = [role for role in APPROVERS if role in job.stack.ue("approval", "show", run).out]
    assert eventually(lambda: titles(job.announced(), run) > 0)
    for role in needed:
        user, own = f"U0{role[:4].upper()}", {"Authorization": f"Bearer {approved.token(role)}"}
        title = {"security-approver": "Security", "product-approver": "Product", "database-approver": "Database"}[role]
        pressed = httpx.post(f"{chat}/_press", json={"user": user, "button": f"Approve: {title}", "within": run}, timeout=30, trust_env=False).json()
        code = re.search("<pre>(.*)</pre>", httpx.post(f"{job.parts.control_url}/me/chat", headers=own, timeout=30, trust_env=False).text)
        assert code
        said = pressed
        for values in ({"approval.code": code[1]}, {"approval.why": "read the plan in the chat"}):
            sent = {"user": user, "view": pressed["view"]["id"], "values": values}
            said = httpx.post(f"{chat}/_submit", json=sent, timeout=30, trust_env=False).json()
        assert "You said yes" in str(said["view"]), said
    assert job.ended(run).code == 0
    assert httpx.get(f"{chat}/_violations", trust_env=False).json() == []


def test_a_no_is_final_and_nothing_was_changed(approved: Approved) -> None:
    run = approved.requested("1.0.0" if approved.job.serving().version == "1.1.0" else "1.1.0")
    refused = approved.answer(run, "security-approver", "refuse")
    assert refused.code == 0, refused.err
    shown = approved.job.shown(run)
    assert shown["status"] == "refused"
    assert approved.answer(run, "product-approver").code == ExitCode.REFUSED
