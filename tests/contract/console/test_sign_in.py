"""Coming in by an identity provider, staying in, and going out again: over HTTP, on the server's own database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import httpx
import psycopg
import pytest
from pydantic import JsonValue

from tests.contract.console.conftest import Alone
from tests.provider import SECRET, register, running_provider
from unioneyes.console.attempts import begin, begun, own_page
from unioneyes.console.limits import WRONG_TOKENS, Limits, RateLimit
from unioneyes.environments.local.secrets import secret_file
from unioneyes.environments.sign_in import NoWayBack
from unioneyes.kernel.clock import now
from unioneyes.ports.secrets import SecretUnresolved
from unioneyes.runbook.audit.entry import AuditEntry, read_entry
from unioneyes.runbook.store.sessions import IDLE, LASTS
from unioneyes.simulators import oidc
from unioneyes.simulators.oidc.lies import Lie

pytestmark = pytest.mark.stack

GENEROUS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server, the provider that it sends people to, and its database."""

    url: str
    alone: Alone
    provider: oidc.Provider

    @contextmanager
    def browser(self) -> Iterator[Browser]:
        with httpx.Client(base_url=self.url, timeout=60, trust_env=False) as client:
            yield Browser(client=client, place=self)

    def database(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.alone.stack.control_database_url.get_secret_value(), autocommit=True) as connection:
            done = connection.execute(statement, values)
            return done.fetchall() if done.description else []

    def audited(self, action: str) -> tuple[AuditEntry, ...]:
        """Return the entries of this kind, oldest first."""
        rows = self.database("SELECT entry FROM ue.audit_entries WHERE entry::jsonb ->> 'action' = %s ORDER BY id", action)
        return tuple(read_entry(str(row[0])) for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """Somebody's."""

    client: httpx.Client
    place: Place

    def leave(self, to: str = "") -> str:
        """Return the address at the provider where the browser is sent."""
        sent = self.client.get("/login/provider", params={"to": to} if to else {})
        assert sent.status_code == 303, sent.text
        return sent.headers["location"]

    def choose(self, there: str, person: str) -> str:
        """Return where the provider sends the browser back to, after somebody signed in there."""
        page = httpx.get(there, trust_env=False)
        number = re.search('name="request" value="([^"]+)"', page.text)
        assert number, page.text
        sent = httpx.post(f"{self.place.provider.url}/choose", data={"request": number[1], "person": person}, trust_env=False)
        return sent.headers["location"]

    def sign_in(self, person: str, to: str = "") -> httpx.Response:
        return self.client.get(self.choose(self.leave(to), person))

    def me(self) -> httpx.Response:
        return self.client.get("/api/v1/me")

    def headers(self) -> dict[str, str]:
        """Return what a page of ours sends along with its changes."""
        shown = re.search(r"""hx-headers='\{"X-CSRF-Token": "([0-9a-f]{64})"\}'""", self.client.get("/runs").text)
        assert shown
        return {"X-CSRF-Token": shown[1], "Sec-Fetch-Site": "same-origin"}


@contextmanager
def groups_of(place: Place, subject: str, *groups: JsonValue) -> Iterator[None]:
    """The provider says meanwhile that somebody belongs to these."""
    before = place.provider.people
    place.provider.people = tuple(replace(each, claims=each.claims | {"groups": [*groups]}) if each.subject == subject else each for each in before)
    yield
    place.provider.people = before


@pytest.fixture(scope="module")
def place(alone: Alone) -> Iterator[Place]:
    limits = Limits(failures=RateLimit(count=GENEROUS), sign_ins=RateLimit(count=GENEROUS))
    with pytest.MonkeyPatch.context() as patched, running_provider() as provider:
        patched.setenv("OIDC_SECRET", SECRET)
        with alone.app(limits, settings=lambda url: register(provider, url)) as url:
            yield Place(url=url, alone=alone, provider=provider)


@pytest.fixture(autouse=True)
def honest(place: Place) -> Iterator[None]:
    place.provider.lie = None
    yield
    assert place.provider.violations == []


@pytest.fixture
def browser(place: Place) -> Iterator[Browser]:
    with place.browser() as made:
        yield made


def test_whoever_the_provider_knows_is_in_with_a_name_and_the_roles_of_their_groups(place: Place, browser: Browser) -> None:
    assert browser.sign_in("u-jane").status_code == 200
    me = browser.me().json()
    assert (me["name"], me["roles"]) == ("jane", ["operator", "release-approver"])
    entry = place.audited("signed-in")[-1]
    assert (entry.actor, entry.data["by"], entry.data["subject"]) == ("jane", place.provider.url, "u-jane")


def test_the_page_that_answers_leads_on_by_itself_to_where_somebody_wanted_to_go(browser: Browser) -> None:
    asked = browser.client.get("/runs/some-run?x=1")
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?to=%2Fruns%2Fsome-run%3Fx%3D1")
    form = browser.client.get(asked.headers["location"])
    assert 'href="/login/provider?to=%2Fruns' in form.text.replace("to=/", "to=%2F")
    led = browser.sign_in("u-jane", to="/runs/some-run?x=1")
    assert '<meta http-equiv="refresh" content="0;url=/runs/some-run?x=1">' in led.text
    assert "location" not in led.headers, "a redirect in this chain would come without the session"


@pytest.mark.parametrize(
    "elsewhere", ["https://attacker.example/", "//attacker.example/", "/\\attacker.example", "javascript:alert(1)", "/\tx", "/login", "x", ""]
)
def test_nobody_is_led_elsewhere(browser: Browser, elsewhere: str) -> None:
    assert own_page(elsewhere) == "/"
    assert 'content="0;url=/"' in browser.sign_in("u-jane", to=elsewhere).text


def test_the_cookies_are_what_they_must_be(browser: Browser) -> None:
    browser.leave()
    there = browser.client.get("/login/provider")
    kept = there.headers["set-cookie"].lower()
    assert {"httponly", "samesite=lax", "path=/login", "max-age=600"} <= {part.strip() for part in kept.split(";")}
    led = browser.client.get(browser.choose(there.headers["location"], "u-jane"))
    session, gone = led.headers.get_list("set-cookie")
    assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= {part.strip() for part in session.lower().split(";")}
    assert gone.startswith('ue_sign_in=""')
    assert "max-age=0" in gone.lower()


def test_what_the_provider_is_shown_is_not_what_the_browser_keeps(place: Place) -> None:
    token = place.alone.stack.secrets.api_token
    kept = begin("/", token, now()).kept
    found = begun(kept, token, now())
    assert found
    for secret in (found.attempt.state, found.attempt.nonce, found.attempt.verifier):
        assert secret not in kept
    assert len({found.attempt.state, found.attempt.nonce, found.attempt.verifier}) == 3
    assert begun(kept, token, now() + timedelta(minutes=11)) is None
    assert begun(kept[:-1] + ("0" if kept[-1] != "0" else "1"), token, now()) is None
    for nonsense in ("", ".", "...", "9999999999.x.y.z"):
        assert begun(nonsense, token, now()) is None


def test_whoever_has_no_role_comes_in_nowhere_and_is_told_whom_to_ask(place: Place, browser: Browser) -> None:
    refused = browser.sign_in("u-otto")
    assert refused.status_code == 403
    assert "you are otto, and have no role here" in refused.text
    assert "sales, staff" in refused.text
    assert "ask the platform team, #platform" in refused.text
    assert "ue_session" not in str(refused.headers)
    assert browser.me().status_code == 401
    entry = place.audited("sign-in-refused")[-1]
    assert (entry.actor, str(entry.reason).startswith("you are otto")) == ("otto", True)


def test_a_name_belongs_to_the_account_that_had_it_first(browser: Browser) -> None:
    assert browser.sign_in("u-jane").status_code == 200
    browser.client.cookies.clear()
    refused = browser.sign_in("u-other-jane")
    assert refused.status_code == 409
    assert "the name jane belongs to another account" in refused.text
    assert browser.me().status_code == 401


def test_a_new_provider_s_people_have_their_names(place: Place, browser: Browser) -> None:
    assert browser.sign_in("u-jane").status_code == 200
    place.database("UPDATE ue.people SET issuer = 'https://before.example.org', subject = 'another' WHERE name = 'jane'")
    browser.client.cookies.clear()
    assert browser.sign_in("u-jane").status_code == 200
    assert place.database("SELECT issuer, subject FROM ue.people WHERE name = 'jane'") == [(place.provider.url, "u-jane")]


def test_nobody_comes_in_under_the_program_s_own_name(browser: Browser) -> None:
    assert browser.sign_in("u-engine").status_code == 422
    assert browser.me().status_code == 401


def test_another_browser_s_answer_is_none(place: Place, browser: Browser) -> None:
    with place.browser() as attacker:
        sent = attacker.choose(attacker.leave(), "u-adam")
        for begun_too in (False, True):
            if begun_too:
                browser.leave()
            forced = browser.client.get(sent)
            assert forced.status_code == 403
            assert "not begun in this browser" in forced.text
            assert f"begin once more at {place.url}, and stay there" in forced.text, "who began at another name of this machine finds out"
            assert browser.me().status_code == 401
        assert attacker.client.get(sent).status_code == 200, "it was good where it was begun"


def test_an_answer_is_good_once(browser: Browser) -> None:
    sent = browser.choose(browser.leave(), "u-jane")
    assert browser.client.get(sent).status_code == 200
    assert browser.client.get(sent).status_code == 403


@pytest.mark.parametrize(("lie", "status"), [(Lie.REFUSED, 401), (Lie.OTHER_STATE, 403), (Lie.OTHER_SENDER, 401), (Lie.OTHER_NONCE, 401), (Lie.ALG_NONE, 401)])
def test_a_lying_provider_lets_nobody_in_and_it_stands_in_the_audit_log(place: Place, browser: Browser, lie: Lie, status: int) -> None:
    before = len(place.audited("sign-in-refused"))
    there = browser.leave()
    place.provider.lie = lie
    refused = browser.client.get(browser.choose(there, "u-jane"))
    assert refused.status_code == status, refused.text
    assert 'role="alert"' in refused.text
    assert browser.me().status_code == 401
    refusals = place.audited("sign-in-refused")
    assert len(refusals) == before + 1
    assert refusals[-1].data["by"] == f"{place.provider.url} from 127.0.0.1"


def test_while_the_provider_is_away_a_token_still_signs_in(place: Place, browser: Browser) -> None:
    sent = browser.choose(browser.leave(), "u-jane")
    place.provider.lie = Lie.DOWN
    away = browser.client.get(sent)
    assert away.status_code == 503
    assert "a token signs you in too" in away.text
    assert browser.client.post("/login", data={"token": place.alone.token}).status_code == 303
    assert browser.me().json()["name"] == "console"


def test_no_other_site_begins_a_sign_in(browser: Browser) -> None:
    sent = browser.client.get("/login/provider", headers={"Sec-Fetch-Site": "cross-site"})
    assert sent.status_code == 200
    assert "set-cookie" not in sent.headers


def test_the_way_back_is_the_configured_one_whatever_the_request_says(browser: Browser) -> None:
    sent = browser.client.get("/login/provider", headers={"Host": "localhost", "X-Forwarded-Host": "attacker.example"})
    assert f"redirect_uri={browser.place.url.replace(':', '%3A').replace('/', '%2F')}%2Flogin%2Fcallback&" in sent.headers["location"]


def test_cookies_stay_under_tls_where_browsers_come_by_it(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that speaks TLS stands before the server, and passes the host's name along."""
    monkeypatch.setenv("OIDC_SECRET", SECRET)

    def settings(provider: oidc.Provider) -> str:
        return '[control]\nname = "ops.example.org"\n' + register(provider, "https://ops.example.org")

    with running_provider() as provider, alone.app(settings=lambda _: settings(provider)) as url, httpx.Client(base_url=url, trust_env=False) as client:
        sent = client.get("/login/provider")
        assert "redirect_uri=https%3A%2F%2Fops.example.org%2Flogin%2Fcallback&" in sent.headers["location"]
        assert "; Secure" in sent.headers["set-cookie"]
        assert "; Secure" in client.post("/login", data={"token": alone.token}).headers["set-cookie"], "by a token, too"


def test_signing_in_makes_a_new_session_and_ends_the_old_one(browser: Browser) -> None:
    browser.sign_in("u-jane")
    before = browser.client.cookies["ue_session"]
    browser.sign_in("u-sam")
    assert browser.me().json()["name"] == "sam"
    assert browser.client.cookies["ue_session"] != before
    with browser.place.browser() as thief:
        thief.client.cookies.set("ue_session", before)
        assert thief.me().status_code == 401


def test_signing_out_ends_the_session_here_and_there(place: Place, browser: Browser) -> None:
    browser.sign_in("u-jane")
    kept, headers = browser.client.cookies["ue_session"], browser.headers()
    assert browser.client.post("/logout").status_code == 403, "no other page signs anybody out"
    out = browser.client.post("/logout", headers=headers)
    assert out.status_code == 204
    there = out.headers["HX-Redirect"]
    assert there.startswith(f"{place.provider.url}/end-session?")
    back = httpx.get(there, trust_env=False)
    assert (back.status_code, back.headers["location"]) == (303, f"{place.url}/login")
    assert place.provider.signed_out[-1] == "u-jane"
    browser.client.cookies.set("ue_session", kept)
    assert browser.me().status_code == 401
    entry = place.audited("signed-out")[-1]
    assert entry.actor == "jane"


def test_whoever_came_in_by_a_token_signs_out_here(place: Place, browser: Browser) -> None:
    browser.client.post("/login", data={"token": place.alone.token})
    kept = browser.client.cookies["ue_session"]
    assert browser.client.post("/logout", headers=browser.headers()).headers["HX-Redirect"] == "/login"
    browser.client.cookies.set("ue_session", kept)
    assert browser.me().status_code == 401


OLDER = {
    "expires_at": "UPDATE ue.sessions SET expires_at = expires_at - %s WHERE name = 'sam' AND ended_at IS NULL",
    "last_used_at": "UPDATE ue.sessions SET last_used_at = last_used_at - %s WHERE name = 'sam' AND ended_at IS NULL",
}


@pytest.mark.parametrize(
    ("column", "ago", "in_still"),
    [
        ("expires_at", LASTS - timedelta(minutes=1), True),
        ("expires_at", LASTS + timedelta(seconds=1), False),
        ("last_used_at", IDLE - timedelta(minutes=1), True),
        ("last_used_at", IDLE + timedelta(seconds=1), False),
    ],
)
def test_a_session_ends_after_twelve_hours_and_after_one_without_a_page(place: Place, browser: Browser, column: str, ago: timedelta, *, in_still: bool) -> None:
    browser.sign_in("u-sam")
    place.database(OLDER[column], ago)
    assert (browser.me().status_code == 200) == in_still


def test_that_a_session_is_used_is_noted_to_the_minute(place: Place, browser: Browser) -> None:
    browser.sign_in("u-sam")
    for ago, noted in ((timedelta(seconds=50), False), (timedelta(seconds=70), True)):
        place.database("UPDATE ue.sessions SET last_used_at = clock_timestamp() - %s WHERE name = 'sam' AND ended_at IS NULL", ago)
        browser.me()
        found = place.database("SELECT max(last_used_at) > clock_timestamp() - interval '9 seconds' FROM ue.sessions WHERE name = 'sam' AND ended_at IS NULL")
        assert found == [(noted,)]


def test_an_administrator_ends_somebody_s_sessions_at_once(place: Place, browser: Browser) -> None:
    browser.sign_in("u-jane")
    token = {"Authorization": f"Bearer {place.alone.token}", "UE-User": "boss"}
    listed = httpx.get(f"{place.url}/api/v1/sessions", headers=token, trust_env=False).json()
    assert listed[0]["name"] == "jane"
    assert listed[0]["by"] == place.provider.url
    assert browser.client.cookies["ue_session"] not in str(listed)
    ended = httpx.post(f"{place.url}/api/v1/sessions/jane/end", headers=token, trust_env=False).json()
    assert ended["ended"] >= 1
    assert browser.me().status_code == 401
    entry = place.audited("signed-out")[-1]
    assert (entry.actor, entry.data["name"]) == ("boss", "jane")


def test_the_database_holds_nothing_that_lets_anybody_in(place: Place, browser: Browser) -> None:
    browser.sign_in("u-jane")
    kept = str(place.database("SELECT row_to_json(sessions)::text FROM ue.sessions"))
    assert browser.client.cookies["ue_session"] not in kept
    browser.client.post("/logout", headers=browser.headers())
    assert place.database("SELECT count(*) FROM ue.sessions WHERE ended_at IS NOT NULL AND proof IS NOT NULL") == [(0,)]


def test_servers_beside_each_other_share_their_sessions_and_a_provider_that_was_taken_out_signs_nobody_in(place: Place, browser: Browser) -> None:
    browser.sign_in("u-jane")
    session = {"Cookie": f"ue_session={browser.client.cookies['ue_session']}"}
    with place.alone.app(settings=lambda _: register(place.provider, place.url)) as beside:
        assert httpx.get(f"{beside}/api/v1/me", headers=session, trust_env=False).json()["name"] == "jane"
    with place.alone.app() as without:
        assert httpx.get(f"{without}/api/v1/me", headers=session, trust_env=False).status_code == 401
        assert httpx.get(f"{without}/login/provider", trust_env=False).status_code == 404
        assert "Sign in with" not in httpx.get(f"{without}/login", trust_env=False).text


def not_begun(alone: Alone) -> int:
    """Return how many answers stand in the audit log that no browser waited for."""
    with psycopg.connect(alone.stack.control_database_url.get_secret_value()) as connection:
        (found,) = connection.execute("SELECT count(*) FROM ue.audit_entries WHERE entry::jsonb ->> 'reason' LIKE 'this sign-in was not begun%'").fetchall()
    return int(found[0])


def test_wrong_answers_make_slow_as_wrong_tokens_do(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_SECRET", SECRET)
    with running_provider() as provider, alone.app(settings=lambda url: register(provider, url)) as url:
        before = not_begun(alone)
        kept = {"Cookie": f"ue_sign_in={begin('/', alone.stack.secrets.api_token, now()).kept}"}
        tried = [
            httpx.get(f"{url}/login/callback?state=x&code=guess-{number}", headers=kept, trust_env=False).status_code for number in range(WRONG_TOKENS + 3)
        ]
        after = not_begun(alone)
    assert tried == [403] * WRONG_TOKENS + [429] * 3
    assert after - before == WRONG_TOKENS, "who has to wait fills no audit log"


def test_a_page_that_lets_its_visitors_ask_for_the_way_back_locks_none_of_them_out(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_SECRET", SECRET)
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    with running_provider() as provider, alone.app(settings=lambda url: register(provider, url)) as url:
        place = Place(url=url, alone=alone, provider=provider)
        before = len(place.audited("sign-in-refused"))
        with place.browser() as browser:
            sent = browser.choose(browser.leave(), "u-jane")
            asked = [browser.client.get(f"/login/callback?state={number}", headers=image).status_code for number in range(WRONG_TOKENS + 3)]
            with place.browser() as stranger:
                asked += [stranger.client.get(f"/login/callback?state={number}").status_code for number in range(WRONG_TOKENS + 3)]
            assert set(asked) == {403}
            assert len(place.audited("sign-in-refused")) == before
            assert browser.client.get(sent).status_code == 200


def test_a_client_begins_a_sign_in_so_often_a_minute(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_SECRET", SECRET)
    limits = Limits(sign_ins=RateLimit(count=3))
    with running_provider() as provider, alone.app(limits, settings=lambda url: register(provider, url)) as url:
        begun = [httpx.get(f"{url}/login/provider", trust_env=False) for _ in range(4)]
        assert [each.status_code for each in begun] == [303, 303, 303, 429]
        assert int(begun[-1].headers["retry-after"]) > 0


def test_whoever_came_in_by_the_provider_makes_a_token_for_the_command_line(place: Place, browser: Browser) -> None:
    browser.sign_in("u-jane")
    headers = browser.headers()
    assert "Make a token" in browser.client.get("/me").text
    assert browser.client.post("/me/token").status_code == 403, "no other page makes one"
    made = [browser.client.post("/me/token", headers=headers) for _ in range(2)]
    first, second = (re.search(r"export UE_TOKEN=(ue_[A-Za-z0-9_-]{43})", each.text) for each in made)
    assert first
    assert second
    answers = [httpx.get(f"{place.url}/api/v1/me", headers={"Authorization": f"Bearer {found[1]}"}, trust_env=False) for found in (first, second)]
    assert [answer.status_code for answer in answers] == [401, 200], "the last one made the one before end"
    assert (answers[1].json()["name"], answers[1].json()["roles"]) == ("jane", ["operator", "release-approver"])
    refused = httpx.post(f"{place.url}/me/token", headers={"Authorization": f"Bearer {second[1]}"}, trust_env=False)
    assert refused.status_code == 409
    assert "whoever came in by a token has one" in refused.text
    assert place.audited("token-revoked")[-1].actor == "jane"


def made_token(browser: Browser) -> dict[str, str]:
    """Return what a command line shows that somebody just made a token for."""
    made = re.search(r"ue_[A-Za-z0-9_-]{43}", browser.client.post("/me/token", headers=browser.headers()).text)
    assert made
    return {"Authorization": f"Bearer {made[0]}"}


def test_a_token_of_one_s_own_making_ends_with_the_session_that_made_it(place: Place, browser: Browser) -> None:
    browser.sign_in("u-sam")
    place.database(OLDER["expires_at"], LASTS - timedelta(minutes=5))
    kept = made_token(browser)
    assert httpx.get(f"{place.url}/api/v1/me", headers=kept, trust_env=False).json()["name"] == "sam"
    same = """SELECT ue.tokens.expires_at = ue.sessions.expires_at FROM ue.tokens JOIN ue.sessions USING (name)
        WHERE name = 'sam' AND revoked_at IS NULL AND ended_at IS NULL ORDER BY ue.sessions.number DESC LIMIT 1"""
    assert place.database(same) == [(True,)]


def test_a_token_of_one_s_own_making_and_what_it_began_end_with_the_provider_that_vouched_for_it(place: Place, browser: Browser) -> None:
    browser.sign_in("u-jane")
    kept = made_token(browser)
    with place.browser() as by_it:
        assert by_it.client.post("/login", data={"token": kept["Authorization"].split()[1]}).status_code == 303
        began = {"Cookie": f"ue_session={by_it.client.cookies['ue_session']}"}
        for shown in (kept, began):
            assert httpx.get(f"{place.url}/api/v1/me", headers=shown, trust_env=False).json()["name"] == "jane"
        with place.alone.app() as without:
            for shown in (kept, began):
                assert httpx.get(f"{without}/api/v1/me", headers=shown, trust_env=False).status_code == 401


def test_whoever_signs_in_with_other_roles_is_nobody_by_the_former_ones(place: Place, browser: Browser) -> None:
    browser.sign_in("u-jane")
    kept, former = made_token(browser), {"Cookie": f"ue_session={browser.client.cookies['ue_session']}"}
    with place.browser() as second:
        second.sign_in("u-jane")
        for shown in (kept, former):
            assert httpx.get(f"{place.url}/api/v1/me", headers=shown, trust_env=False).status_code == 200, "the same roles change nothing"
    for group, status in (("admins", 200), ("sales", 403)):
        with groups_of(place, "u-jane", group), place.browser() as third:
            assert third.sign_in("u-jane").status_code == status
            for shown in (kept, former):
                assert httpx.get(f"{place.url}/api/v1/me", headers=shown, trust_env=False).status_code == 401
        browser.sign_in("u-jane")
        kept, former = made_token(browser), {"Cookie": f"ue_session={browser.client.cookies['ue_session']}"}


def test_another_account_without_a_role_takes_nothing_from_whose_name_it_has(place: Place, browser: Browser) -> None:
    browser.sign_in("u-jane")
    kept = made_token(browser)
    with groups_of(place, "u-other-jane"), place.browser() as other:
        assert other.sign_in("u-other-jane").status_code == 403
    assert browser.me().status_code == 200
    assert httpx.get(f"{place.url}/api/v1/me", headers=kept, trust_env=False).status_code == 200


def test_a_session_that_the_environment_s_own_token_began_ends_when_that_is_another_one(alone: Alone) -> None:
    path = secret_file(alone.stack.layout.secrets, "api_token")
    before = path.read_text()
    with alone.app() as url, httpx.Client(base_url=url, trust_env=False) as client:
        assert client.post("/login", data={"token": alone.token}).status_code == 303
        began = {"Cookie": f"ue_session={client.cookies['ue_session']}"}
    with alone.app() as again:
        assert httpx.get(f"{again}/api/v1/me", headers=began, trust_env=False).json()["name"] == "console", "a restart ends none"
    path.write_text("ue_" + "another" * 6)
    try:
        with alone.app() as changed:
            assert httpx.get(f"{changed}/api/v1/me", headers=began, trust_env=False).status_code == 401
    finally:
        path.write_text(before)


def test_whose_sessions_are_ended_has_no_token_of_their_own_making_either(place: Place, browser: Browser) -> None:
    browser.sign_in("u-jane")
    made = re.search(r"ue_[A-Za-z0-9_-]{43}", browser.client.post("/me/token", headers=browser.headers()).text)
    assert made
    own = {"Authorization": f"Bearer {place.alone.token}", "UE-User": "boss"}
    httpx.post(f"{place.url}/api/v1/sessions/jane/end", headers=own, trust_env=False).raise_for_status()
    assert httpx.get(f"{place.url}/api/v1/me", headers={"Authorization": f"Bearer {made[0]}"}, trust_env=False).status_code == 401
    entry = place.audited("token-revoked")[-1]
    assert (entry.actor, entry.data) == ("boss", {"name": "jane", "shared": True})


def test_the_audit_log_tells_whose_name_was_only_said(place: Place, browser: Browser) -> None:
    own = {"Authorization": f"Bearer {place.alone.token}", "UE-User": "jane"}
    asked = {"name": "program", "roles": ["admin"], "lasts": "PT1H"}
    made = httpx.post(f"{place.url}/api/v1/tokens", headers=own, json=asked, trust_env=False).json()
    said = place.audited("token-created")[-1]
    assert (said.actor, said.data.get("shared")) == ("jane", True)
    held = {"Authorization": f"Bearer {made['secret']}", "UE-User": "jane"}
    httpx.post(f"{place.url}/api/v1/tokens/program/revoke", headers=held, trust_env=False).raise_for_status()
    revoked = place.audited("token-revoked")[-1]
    assert (revoked.actor, "shared" in revoked.data) == ("program", False)
    browser.client.post("/login", data={"token": place.alone.token})
    browser.client.post("/logout", headers=browser.headers())
    assert place.audited("signed-out")[-1].data["shared"] is True
    browser.sign_in("u-jane")
    browser.client.post("/logout", headers=browser.headers())
    known = place.audited("signed-out")[-1]
    assert (known.actor, "shared" in known.data) == ("jane", False)


def test_a_token_that_an_administrator_made_is_not_taken_away(place: Place, browser: Browser) -> None:
    own = {"Authorization": f"Bearer {place.alone.token}", "UE-User": "boss"}
    httpx.post(f"{place.url}/api/v1/tokens/sam/revoke", headers=own, trust_env=False)
    assert httpx.post(f"{place.url}/api/v1/tokens", headers=own, json={"name": "sam", "roles": ["viewer"]}, trust_env=False).status_code == 201
    browser.sign_in("u-sam")
    refused = browser.client.post("/me/token", headers=browser.headers())
    assert refused.status_code == 409
    assert "there is a token called sam already" in refused.text


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"environment/OIDC_SECRET": "environment/NOT_THERE"}, SecretUnresolved),
        ({"environment/OIDC_SECRET": "file/nowhere"}, SecretUnresolved),
        ({'url = "http://127.0.0.1:1"': 'url = "https://ops.example.org"'}, NoWayBack),
    ],
)
def test_a_server_does_not_start_where_the_settings_let_nobody_in(
    alone: Alone, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str], problem: type[Exception]
) -> None:
    monkeypatch.setenv("OIDC_SECRET", SECRET)
    provider = oidc.Provider(url="http://127.0.0.1:9/oidc", client=oidc.Client(client_id="x", secret=None, redirect_uris=()), people=())
    settings = register(provider, "http://127.0.0.1:1")
    for right, other in wrong.items():
        assert right in settings
        settings = settings.replace(right, other)
    with pytest.raises(problem), alone.app(settings=lambda _: settings):
        pass
