"""Signing in by an identity provider and approving, as people do it. The provider stands at another site than the console: `localhost` is not `127.0.0.1`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DESK, Troubles
from tests.browser.test_console import CONTRASTS, PHONE_WIDTH, WCAG_AA
from tests.contract.console.conftest import Alone
from tests.npm import installed
from tests.provider import SECRET, register, running_provider
from tests.waiting import waiting_run
from unioneyes.simulators.oidc import Provider

pytestmark = pytest.mark.stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server whose console people sign in to by a provider."""

    alone: Alone
    provider: Provider
    url: str
    browser: Browser

    @contextmanager
    def visited(self) -> Iterator[Page]:
        """A browser of somebody's own. Its pages complain of nothing but refusals, of which Chromium tells."""
        troubles = Troubles()
        context = self.browser.new_context(base_url=self.url, viewport=DESK)
        context.on("page", troubles.watch)
        yield context.new_page()
        context.close()
        assert [each for each in troubles if "status of 403" not in each] == []


@pytest.fixture(scope="module")
def place(browser: Browser, alone: Alone) -> Iterator[Place]:
    with pytest.MonkeyPatch.context() as patched, running_provider("localhost") as provider:
        patched.setenv("OIDC_SECRET", SECRET)
        with alone.app(settings=lambda url: register(provider, url)) as url:
            yield Place(alone=alone, provider=provider, url=url, browser=browser)
    assert provider.violations == []


def sign_in(page: Page, person: str) -> None:
    page.get_by_role("link", name="Sign in with localhost").click()
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    page.get_by_role("button", name=person, exact=True).click()


def test_somebody_signs_in_where_they_wanted_to_go_and_out_again(place: Place) -> None:
    with place.visited() as page:
        page.goto("/runs")
        expect(page).to_have_url(re.compile(r"/login\?to=%2Fruns$"))
        sign_in(page, "u-jane")
        expect(page).to_have_url(f"{place.url}/runs")
        expect(page.get_by_role("heading", name="Runs")).to_be_visible()
        expect(page.locator(".band .person")).to_have_text("jane")
        page.reload()
        expect(page.locator(".band .person")).to_have_text("jane")
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(f"{place.url}/login")
        assert place.provider.signed_out == ["u-jane"]
        page.goto("/runs")
        expect(page.get_by_role("link", name="Sign in with localhost")).to_be_visible()


def test_whoever_has_no_role_is_told_whom_to_ask(place: Place) -> None:
    with place.visited() as page:
        page.goto("/")
        page.get_by_role("link", name="Sign in with localhost").click()
        with page.expect_response(re.compile("/login/callback")) as answered:
            page.get_by_role("button", name="u-otto").click()
        assert answered.value.status == 403
        expect(page.get_by_role("alert")).to_contain_text("ask the platform team, #platform")


def test_a_run_is_approved_by_who_is_asked_and_by_nobody_else(place: Place) -> None:
    run = waiting_run(place.alone.stack.control_database_url)
    with place.visited() as page:
        page.goto("/approvals")
        sign_in(page, "u-jane")
        expect(page.locator("#approvals")).to_contain_text("Security team sign-off")
        expect(page.locator("#approvals")).not_to_contain_text("asks you")
        page.get_by_role("link", name="deploy 1.1.0 to green").click()
        expect(page.locator("#approval")).to_contain_text("jane may not answer for security-sign-off")
        expect(page.locator("#approval form")).to_have_count(0)
    with place.visited() as page:
        page.goto(f"/runs/{run}")
        sign_in(page, "u-sam")
        expect(page).to_have_url(f"{place.url}/runs/{run}")
        page.get_by_label(re.compile("^Why")).fill("read the plan, and the migrations")
        page.wait_for_timeout(2500)  # two rounds of polling: what was typed stays
        page.get_by_role("button", name="Approve").click()
        expect(page.locator("#approval")).to_contain_text("✔ sam says yes")
        expect(page.locator("#approval")).to_contain_text("read the plan, and the migrations")
        expect(page.locator("#approval form")).to_have_count(0)
        expect(page.locator(".journal tbody tr").first).to_contain_text("sam approves security-sign-off")


def test_a_token_for_the_command_line_is_shown_once(place: Place) -> None:
    with place.visited() as page:
        page.goto("/me")
        sign_in(page, "u-adam")
        page.get_by_role("button", name="Make a token").click()
        expect(page.locator("#own-token pre")).to_have_text(re.compile(r"^export UE_TOKEN=ue_[\w-]{43}$"))
        page.reload()
        expect(page.get_by_role("button", name="Make a token")).to_be_visible()
        expect(page.locator("#own-token pre")).to_have_count(0)


def test_an_answer_that_is_refused_says_why_in_its_place_and_what_was_typed_stays(place: Place) -> None:
    run = waiting_run(place.alone.stack.control_database_url)
    with place.visited() as page:
        page.goto(f"/runs/{run}")
        sign_in(page, "u-sam")
        page.get_by_label(re.compile("^Why")).fill("no way")
        page.locator("[name=gate]").evaluate("(gate) => { gate.value = 'product-approval' }")
        page.get_by_role("button", name="Refuse").click()
        expect(page.get_by_role("alert")).to_contain_text("sam may not answer for product-approval")
        expect(page.get_by_label(re.compile("^Why"))).to_have_value("no way")
        page.get_by_role("button", name="Refuse").click()
        expect(page.locator("#approval")).to_contain_text("✘ sam says no")
        expect(page.locator("#run")).to_contain_text("sam refuses security-sign-off: no way")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_and_on_a_phone_nothing_hangs_out(place: Place, scheme: str) -> None:
    run = waiting_run(place.alone.stack.control_database_url)
    with place.visited() as page:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
        page.goto("/approvals")
        assert page.evaluate(CONTRASTS.replace("LIMIT", str(WCAG_AA))) == []
        sign_in(page, "u-sam")
        expect(page.locator("#approvals")).to_contain_text("asks you")
        for path in ("/approvals", f"/runs/{run}", "/me"):
            page.goto(path)
            page.wait_for_timeout(1200)
            assert page.evaluate(CONTRASTS.replace("LIMIT", str(WCAG_AA))) == []
        page.set_viewport_size({"width": PHONE_WIDTH, "height": 740})
        for path in ("/approvals", f"/runs/{run}"):
            page.goto(path)
            page.wait_for_timeout(1200)
            assert page.evaluate("document.documentElement.scrollWidth") == PHONE_WIDTH


def test_axe_finds_nothing_that_keeps_anybody_out(place: Place) -> None:
    axe = (installed(Path(__file__).parent / "axe") / "node_modules" / "axe-core" / "axe.min.js").read_text()
    run = waiting_run(place.alone.stack.control_database_url)

    def look(page: Page) -> None:
        page.evaluate(axe)
        found = page.evaluate("() => axe.run().then((told) => told.violations.map((each) => [each.id, each.nodes.map((node) => node.html)]))")
        assert found == [], page.url

    with place.visited() as page:
        page.goto("/approvals")
        look(page)
        sign_in(page, "u-sam")
        for path in ("/approvals", f"/runs/{run}", "/me", "/runs", "/"):
            page.goto(path)
            page.wait_for_timeout(1200)
            look(page)
    with place.visited() as page:
        page.goto("/login")
        sign_in(page, "u-otto")
        expect(page.get_by_role("alert")).to_be_visible()
        look(page)
