"""Saying yes or no on a page of the console: over HTTP, on the server's own database. Nothing carries the runs out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import psycopg
import pytest

from tests.contract.console.conftest import Alone
from tests.waiting import PLAN, waiting_run
from unioneyes.kernel.access import Role

pytestmark = pytest.mark.stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Somebody:
    """Signed in, with a browser."""

    client: httpx.Client

    def see(self, path: str) -> str:
        shown = self.client.get(path)
        assert shown.status_code == 200, shown.text
        return shown.text

    def answer(self, run: str, **form: str) -> httpx.Response:
        token = re.search(r'"X-CSRF-Token": "([0-9a-f]{64})"', self.see(f"/runs/{run}"))
        assert token
        return self.client.post(f"/runs/{run}/approval", data=form, headers={"X-CSRF-Token": token[1], "Sec-Fetch-Site": "same-origin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server whose database can be written to."""

    url: str
    alone: Alone

    @contextmanager
    def signed_in(self, name: str, *roles: Role) -> Iterator[Somebody]:
        own = {"Authorization": f"Bearer {self.alone.token}", "UE-User": "boss"}
        with httpx.Client(base_url=self.url, timeout=60, trust_env=False) as client:
            secret = client.post("/api/v1/tokens", json={"name": name, "roles": [*roles]}, headers=own).json()["secret"] if roles else self.alone.token
            try:
                assert client.post("/login", data={"token": secret}).status_code == 303
                yield Somebody(client=client)
            finally:
                client.post(f"/api/v1/tokens/{name}/revoke", headers=own)

    def waiting(self) -> str:
        """Return a run of jane's that waits for approval."""
        return waiting_run(self.alone.stack.control_database_url)


@pytest.fixture(scope="module")
def place(alone: Alone) -> Iterator[Place]:
    with alone.app() as url:
        yield Place(url=url, alone=alone)


def test_the_run_s_page_shows_what_is_signed_and_who_is_asked_and_until_when(place: Place) -> None:
    run = place.waiting()
    with place.signed_in("vera", Role.VIEWER) as viewer:
        page = viewer.see(f"/runs/{run}")
    assert f"plan {PLAN.hash()[:12]}" in page
    assert PLAN.hash() in page
    for told in ("Security team sign-off", "security-approver", "Product owner approval", "0 of 1", "waits until", "shift_traffic", "jane"):
        assert told in page, told
    assert "<form hx-post" not in page, "a viewer answers nothing"
    assert "vera may not answer for security-sign-off: it takes security-approver, and viewer is not that" in page


def test_who_is_asked_says_yes_with_a_reason_and_it_stands_there(place: Place) -> None:
    run = place.waiting()
    with place.signed_in("sam", Role.SECURITY_APPROVER) as sam:
        page = sam.see(f"/runs/{run}")
        assert page.count("<form hx-post") == 1
        assert 'name="gate" value="security-sign-off"' in page
        said = sam.answer(run, gate="security-sign-off", verdict="granted", note="  read the <b>diff</b>  ")
        assert said.status_code == 200
        assert said.headers["UE-Told"] == "answered"
        assert "sam says yes" in said.text
        assert "read the &lt;b&gt;diff&lt;/b&gt;" in said.text
        assert "<form hx-post" not in said.text, "once is enough"
        assert "you have said yes" in said.text
        found = sam.client.get(f"/api/v1/runs/{run}/approvals").json()
    assert [(each["by"], each["gate"], each["verdict"], each["note"]) for each in found["answers"]] == [
        ("sam", "security-sign-off", "granted", "read the <b>diff</b>")
    ]


def test_a_no_ends_the_run(place: Place) -> None:
    run = place.waiting()
    with place.signed_in("paula", Role.PRODUCT_APPROVER) as paula:
        assert "paula says no" in paula.answer(run, gate="product-approval", verdict="refused", note="not this week").text
        assert paula.client.get(f"/api/v1/runs/{run}").json()["status"] == "refused"
        assert "<form hx-post" not in paula.see(f"/runs/{run}")


def test_the_requester_s_own_yes_is_refused_with_the_words_of_the_command_line(place: Place) -> None:
    run = place.waiting()
    with place.signed_in("jane", Role.OPERATOR, Role.SECURITY_APPROVER) as jane:
        page = jane.see(f"/runs/{run}")
        assert "<form hx-post" not in page
        words = f"jane asked for {run}, and can&#39;t approve it as well"
        assert words in page
        refused = jane.answer(run, gate="security-sign-off", verdict="granted", note="trust me")
        assert refused.status_code == 409
        assert refused.headers["UE-Told"] == "refused"
        assert f"<strong>✘ {words}</strong>" in refused.text
        by_program = jane.client.post(
            f"/api/v1/runs/{run}/approvals",
            json={"gate": "security-sign-off", "verdict": "granted", "note": "trust me"},
            headers={"Authorization": f"Bearer {place.alone.token}", "UE-User": "jane"},
        )
        assert by_program.status_code == 403, "nor by the environment's own token"


def test_the_environment_s_own_token_answers_nothing(place: Place) -> None:
    run = place.waiting()
    with place.signed_in("nobody") as console:
        assert "the environment&#39;s own token takes any name" in console.see(f"/runs/{run}")
        assert console.answer(run, gate="security-sign-off", verdict="granted", note="x").status_code == 403


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"verdict": "granted"},
        {"verdict": "granted", "note": "   "},
        {"verdict": "granted", "note": "x" * 1001},
        {"verdict": "granted", "note": "two\nlines"},
        {"verdict": "granted", "note": "x", "gate": "nothing"},
        {"verdict": "overridden", "note": "x"},
        {"verdict": "granted", "note": "x" * 40_000},
    ],
)
def test_what_says_nothing_answers_nothing(place: Place, form: dict[str, str]) -> None:
    run = place.waiting()
    with place.signed_in("sam", Role.SECURITY_APPROVER) as sam:
        refused = sam.answer(run, **{"gate": "security-sign-off"} | form)
        assert refused.status_code in {404, 422}, refused.text
        assert 'role="alert"' in refused.text
        assert sam.client.get(f"/api/v1/runs/{run}/approvals").json()["answers"] == []


def test_the_list_says_what_is_missing_and_whether_it_asks_you(place: Place) -> None:
    run = place.waiting()
    with place.signed_in("sam", Role.SECURITY_APPROVER) as sam, place.signed_in("vera", Role.VIEWER) as vera:
        row = re.search(rf'<tr>\s*<td class="wide"><a href="/runs/{run}#approval">.*?</tr>', sam.see("/approvals"), re.DOTALL)
        assert row
        assert "Security team sign-off" in row[0]
        assert "asks you" in row[0]
        assert "asks you" not in vera.see("/approvals")
        sam.answer(run, gate="security-sign-off", verdict="granted", note="fine")
        row = re.search(rf'<a href="/runs/{run}#approval">.*?</tr>', sam.see("/approvals"), re.DOTALL)
        assert row
        assert "Security team sign-off" not in row[0]
        assert "Product owner approval" in row[0]


def test_a_page_that_shows_it_already_is_left_as_it_is(place: Place) -> None:
    run = place.waiting()
    with place.signed_in("sam", Role.SECURITY_APPROVER) as sam:
        for path, shows in (("/approvals", "/fragments/approvals"), (f"/runs/{run}", f"/fragments/runs/{run}/approval")):
            seen = re.search(rf'hx-get="{shows}\?seen=([0-9a-f]+)"', sam.see(path))
            assert seen, path
            assert sam.client.get(f"{shows}?seen={seen[1]}").status_code == 204
            assert sam.client.get(shows).status_code == 200


def test_what_needs_nobody_s_yes_shows_no_approvals(place: Place) -> None:
    run = place.waiting()
    with psycopg.connect(place.alone.stack.control_database_url.get_secret_value(), autocommit=True) as connection:
        connection.execute("UPDATE ue.runs SET plan = plan - 'approvals', status = 'done', ended_at = now() WHERE id = %s", (run,))
    with place.signed_in("vera", Role.VIEWER) as viewer:
        assert 'id="approval"' not in viewer.see(f"/runs/{run}")
