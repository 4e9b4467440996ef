"""Saying yes or no in Slack, and being somebody there."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx
import pytest

from tests.contract.console.chat.slack import REFUSE, Place, code_of, filled_in, text_of
from tests.waiting import PLAN
from unioneyes.environments.listening import CHAT_HOOK
from unioneyes.kernel.access import Role

pytestmark = pytest.mark.stack


def test_somebody_with_a_token_links_their_account_and_says_yes(place: Place) -> None:
    run = place.asked()
    who = place.press("U0SAM", run)
    assert who["callback_id"] == "approval.code"
    assert "counts for nothing here" in text_of(who)
    assert f"{place.url}/me" in text_of(who)
    code = place.code_by_token(place.token("sam", Role.SECURITY_APPROVER))
    why = place.submit("U0SAM", who, f" {code.lower()} ")
    assert why["callback_id"] == "approval.why"
    for told in (PLAN.summary, run, "jane", "Security team sign-off", "as sam", PLAN.hash()):
        assert told in text_of(why), told
    said = place.submit("U0SAM", why, "read the <b>diff</b>")
    assert "You said yes to Security team sign-off. It still waits for Product owner approval (product-approver)." in text_of(said)
    assert place.answers(run) == [("sam", "security-sign-off", "granted", "read the <b>diff</b>")]
    entry = place.audited("approval-granted")
    assert (entry.actor, entry.run, entry.reason) == ("sam", run, "read the <b>diff</b>")
    assert (entry.data["chat"], entry.data["plan_hash"]) == ("slack/T0UNIONEYES/U0SAM", PLAN.hash())
    linked = place.audited("account-linked")
    assert (linked.actor, linked.data["account"], linked.data["by"], linked.data["chat"]) == (
        *("sam", "slack/T0UNIONEYES/U0SAM", "token"),
        "slack/T0UNIONEYES/U0SAM",
    )
    listed = {each["account"]: each for each in place.own("GET", "/sessions").json() if each["account"]}
    assert listed["slack/T0UNIONEYES/U0SAM"]["name"] == "sam"
    assert listed["slack/T0UNIONEYES/U0SAM"]["expires_at"] == next(
        each["expires_at"] for each in place.own("GET", "/tokens").json() if (each["name"], each["revoked_at"]) == ("sam", None)
    )


def test_a_no_ends_the_run(place: Place) -> None:
    place.linked("U0PAULA", "paula", Role.PRODUCT_APPROVER)
    run = place.asked()
    why = place.press("U0PAULA", run, "Refuse: Product")
    assert "has ended, and nothing was changed" in text_of(place.submit("U0PAULA", why, "not this week"))
    assert place.own("GET", f"/runs/{run}").json()["status"] == "refused"
    assert "is refused, and waits for nobody's approval" in text_of(place.press("U0PAULA", run, "Approve: Product"))


def test_whoever_the_provider_knows_links_and_the_link_ends_with_what_they_are(place: Place) -> None:
    run = place.asked()
    why = place.submit("U0OIDC", place.press("U0OIDC", run), place.code_by_provider("u-sam"))
    assert "as sam" in text_of(why)
    assert place.audited("account-linked").data["by"] == place.provider.url
    before = place.provider.people
    place.provider.people = tuple(replace(each, claims=each.claims | {"groups": ["platform"]}) if each.subject == "u-sam" else each for each in before)
    place.code_by_provider("u-sam")
    place.provider.people = before
    again = place.submit("U0OIDC", why, "as before")
    assert again["callback_id"] == "approval.code", "a sign-in brought other roles"
    assert place.answers(run) == []


def test_a_link_by_a_provider_that_was_taken_out_of_the_settings_stands_for_nobody(place: Place) -> None:
    run = place.asked()
    assert "as sam" in text_of(place.submit("U0GONE", place.press("U0GONE", run), place.code_by_provider("u-sam")))
    body, headers = place.signed(filled_in("U0GONE", run, "still me"))
    with place.alone.app() as without:
        answer = httpx.post(f"{without}{CHAT_HOOK}", content=body, headers=headers, timeout=30, trust_env=False).json()
    assert answer["view"]["callback_id"] == "approval.code"
    assert place.answers(run) == []


def test_a_name_at_slack_is_nobody(place: Place) -> None:
    run = place.asked()
    assert place.press("U0LIAR", run, name="sam")["callback_id"] == "approval.code"
    answer = place.sent(*place.signed(filled_in("U0LIAR", run, "I am sam"))).json()
    assert answer["view"]["callback_id"] == "approval.code"
    assert place.answers(run) == []


def test_the_same_account_in_another_workspace_is_another_one(place: Place) -> None:
    place.linked("U0TWICE", "tim", Role.SECURITY_APPROVER)
    run = place.asked()
    there = place.sent(*place.signed(filled_in("U0TWICE", run, "x", team="T0OTHER")))
    assert there.json()["view"]["callback_id"] == "approval.code"
    assert "You said yes" in place.sent(*place.signed(filled_in("U0TWICE", run, "x"))).text
    assert len(place.answers(run)) == 1


def test_the_requester_s_own_yes_and_a_wrong_role_are_refused_where_they_are_read(place: Place) -> None:
    place.linked("U0JANE", "jane", Role.OPERATOR, Role.SECURITY_APPROVER)
    place.linked("U0VERA", "vera", Role.VIEWER)
    run = place.asked()
    assert f"jane asked for {run}, and can't approve it as well" in text_of(place.press("U0JANE", run))
    assert "vera may not answer for security-sign-off: it takes security-approver" in text_of(place.press("U0VERA", run))
    for user, words in (("U0JANE", "can't approve it as well"), ("U0VERA", "may not answer")):
        assert words in place.sent(*place.signed(filled_in(user, run, "x"))).json()["errors"]["approval.why"], "nor by leaving the modal out"
    assert place.answers(run) == []


def test_what_was_read_must_be_what_is_signed(place: Place) -> None:
    place.linked("U0OLD", "olga", Role.SECURITY_APPROVER)
    run = place.asked(plan="0" * 64)
    assert f"what you read is not the plan of {run}" in text_of(place.press("U0OLD", run))
    fresh = place.asked()
    why = place.press("U0OLD", fresh)
    place.database("UPDATE ue.runs SET plan_hash = %s WHERE id = %s", "1" * 64, fresh)
    assert "what you read is not the plan" in str(place.submit("U0OLD", why, "looks right")["said"])
    assert place.answers(fresh) == []


def test_a_reason_that_says_nothing_is_asked_for_again(place: Place) -> None:
    place.linked("U0BRIEF", "bo", Role.SECURITY_APPROVER)
    why = place.press("U0BRIEF", run := place.asked())
    assert "the reason is empty" in str(place.submit("U0BRIEF", why, "   ")["said"])
    assert "line breaks" in str(place.submit("U0BRIEF", why, "a\nb")["said"])
    assert place.answers(run) == []


def test_twice_is_once(place: Place) -> None:
    place.linked("U0DOUBLE", "dora", Role.SECURITY_APPROVER)
    run = place.asked()
    first, second = place.press("U0DOUBLE", run), place.press("U0DOUBLE", run)
    assert "You said yes" in text_of(place.submit("U0DOUBLE", first, "once"))
    assert "dora has answered for security-sign-off" in str(place.submit("U0DOUBLE", second, "twice")["said"])
    assert "dora has said yes to Security team sign-off" in text_of(place.press("U0DOUBLE", run))
    assert [each[3] for each in place.answers(run)] == ["once"]
    assert "has ended" in text_of(place.submit("U0DOUBLE", place.press("U0DOUBLE", run, REFUSE), "on second thoughts")), "a no takes the place of a yes"


@pytest.mark.parametrize("ends", ["revoked", "over", "by an administrator", "by themselves"])
def test_a_link_ends(place: Place, ends: str) -> None:
    user = f"U0E{ends[:4].upper().replace(' ', 'X')}{len(ends)}"
    place.linked(user, "eve", Role.SECURITY_APPROVER)
    why = place.press(user, run := place.asked())
    match ends:
        case "revoked":
            place.own("POST", "/tokens/eve/revoke").raise_for_status()
        case "over":
            place.database("UPDATE ue.sessions SET expires_at = clock_timestamp() WHERE account = %s AND ended_at IS NULL", f"slack/T0UNIONEYES/{user}")
        case "by an administrator":
            assert place.own("POST", "/sessions/eve/end").json()["ended"] == 2, "the browser that made the code, and the account"
        case _:
            with place.browser() as client:
                client.post("/login", data={"token": place.token("eve", Role.SECURITY_APPROVER)})
                place.submit(user, place.press(user, run), code_of(client))
                page = client.get("/me").text
                assert f"slack/T0UNIONEYES/{user}" in page
                token = re.search(r'"X-CSRF-Token": "([0-9a-f]{64})"', page)
                assert token
                client.post("/me/chat/end", headers={"X-CSRF-Token": token[1], "Sec-Fetch-Site": "same-origin"}).raise_for_status()
            assert place.audited("account-unlinked").data["accounts"] == f"slack/T0UNIONEYES/{user}"
    assert place.submit(user, why, "still me")["callback_id"] == "approval.code"
    assert place.answers(run) == []


def test_a_code_works_once_for_ten_minutes_and_a_new_one_takes_its_place(place: Place) -> None:
    token = place.token("cora", Role.SECURITY_APPROVER)
    run = place.asked()
    who = place.press("U0CORA", run)
    former, code = place.code_by_token(token), place.code_by_token(token)
    for wrong in (former, "AAAAA-AAAAA-AAAAA-AAAAA", "x"):
        assert "no code of this server" in str(place.submit("U0CORA", who, wrong)["said"])
    refused = place.audited("sign-in-refused")
    assert (refused.actor, refused.data["by"], refused.data["chat"]) == ("nobody", "code from slack/T0UNIONEYES/U0CORA", "slack/T0UNIONEYES/U0CORA")
    assert place.submit("U0CORA", who, code)["callback_id"] == "approval.why"
    other = place.press("U0THIEF", run)
    assert "no code of this server" in str(place.submit("U0THIEF", other, code)["said"]), "it was used"
    late = place.code_by_token(token)
    place.database("UPDATE ue.link_codes SET expires_at = clock_timestamp() WHERE name = 'cora'")
    assert "no code of this server" in str(place.submit("U0THIEF", other, late)["said"])
    revoked = place.code_by_token(token)
    place.own("POST", "/tokens/cora/revoke").raise_for_status()
    assert "no code of this server" in str(place.submit("U0THIEF", other, revoked)["said"])


def test_a_code_of_another_person_takes_no_account_away(place: Place) -> None:
    run = place.asked()
    who = place.press("U0ANNA", run)
    code = place.code_by_token(place.token("anna", Role.SECURITY_APPROVER))
    stale = place.press("U0ANNA", run)
    place.submit("U0ANNA", who, code)
    foreign = place.code_by_token(place.token("berta", Role.SECURITY_APPROVER))
    said = place.submit("U0ANNA", stale, foreign)
    assert "this account is anna here, and the code is somebody else's" in str(said["said"])
    assert "as anna" in text_of(place.press("U0ANNA", run))
    assert place.submit("U0BERTA", place.press("U0BERTA", run), foreign)["said"] is None, "the code was not spent"


def test_a_code_is_no_way_into_the_console_and_stands_in_no_table(place: Place) -> None:
    code = place.code_by_token(place.token("carl", Role.SECURITY_APPROVER))
    assert httpx.get(f"{place.url}/api/v1/me", headers={"Cookie": f"ue_session={code}"}, trust_env=False).status_code == 401
    kept = str(place.database("SELECT row_to_json(c)::text FROM ue.link_codes c WHERE name = 'carl'"))
    assert code not in kept
    place.submit("U0CARL", place.press("U0CARL", place.asked()), code)
    for shown in (code, code.replace("-", "")):
        assert httpx.get(f"{place.url}/api/v1/me", headers={"Cookie": f"ue_session={shown}"}, trust_env=False).status_code == 401


def test_the_environment_s_own_token_has_no_account(place: Place) -> None:
    with place.browser() as client:
        client.post("/login", data={"token": place.alone.token})
        page = client.get("/me").text
        assert "its yes is nobody" in page
        token = re.search(r'"X-CSRF-Token": "([0-9a-f]{64})"', page)
        assert token
        refused = client.post("/me/chat", headers={"X-CSRF-Token": token[1], "Sec-Fetch-Site": "same-origin"})
    assert refused.status_code == 403
    bearer = httpx.post(f"{place.url}/me/chat", headers={"Authorization": f"Bearer {place.alone.token}", "UE-User": "sam"}, trust_env=False)
    assert bearer.status_code == 403


def test_no_other_page_makes_a_code(place: Place) -> None:
    with place.browser() as client:
        client.post("/login", data={"token": place.token("mia", Role.VIEWER)})
        assert client.post("/me/chat").status_code == 403
        assert client.post("/me/chat/end").status_code == 403
