"""The console, as people see it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import sign_in
from tests.stack import RunningStack

pytestmark = pytest.mark.stack

PHONE_WIDTH = 360
WCAG_AA = 4.5
CONTRASTS = """
() => {
  const channel = (value) => { value /= 255; return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; };
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour[3] > 200) return colour;
    }
    return [255, 255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const box = element.getBoundingClientRect();
    if (!own || box.width < 2 || box.height < 2) continue;
    const [one, other] = [luminance(rgb(getComputedStyle(element).color)), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < LIMIT) low.push(`${element.tagName}.${element.className} "${element.textContent.trim().slice(0, 30)}" ${ratio.toFixed(2)}`);
  }
  return low;
}
"""


def test_a_stranger_is_asked_for_the_token(stranger: Page, token: str) -> None:
    stranger.goto("/runs")
    expect(stranger).to_have_url(re.compile(r"/login\?to=%2Fruns$"))
    stranger.get_by_label("Token").fill("not the token")
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger.get_by_role("alert")).to_contain_text("not the token of this server")
    stranger.get_by_label("Token").fill(token)
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger.get_by_role("heading", name="Runs")).to_be_visible()
    assert token not in stranger.url


def test_a_deployment_is_followed_without_a_reload(page: Page, console: RunningStack) -> None:
    version = "1.1.0" if console.ue("deploy", "status", "-o", "json").json()["serving"] == "1.0.0" else "1.0.0"
    page.goto("/")
    expect(page.locator("#current")).to_contain_text(re.compile("Nothing was deployed yet|DEPLOYED"))
    page.evaluate("window.since = 'the first load'")
    started = console.ue("deploy", "start", version, "--migrate", "--detach", "-o", "json")
    assert started.code == 8, started.err
    expect(page.locator(".deployment h2")).to_contain_text("▶ DEPLOYING", timeout=30_000)
    expect(page.locator(".phases li.running")).to_have_count(1)
    expect(page.locator(".deployment h2")).to_contain_text("✔ DEPLOYED", timeout=90_000)
    expect(page.locator(".colour.live")).to_contain_text(version)
    expect(page.locator("#runs tbody tr").first).to_contain_text("done")
    assert page.evaluate("window.since") == "the first load"


def test_each_chart_has_a_sentence_and_a_table(page: Page, deployed: str) -> None:
    page.goto("/")
    assert deployed
    for chart in page.locator("[data-chart]").all():
        expect(chart.locator(".sentence")).to_have_text(re.compile(r"^blue: .+; green: .+\.$"), timeout=10_000)
        expect(chart.locator("canvas")).to_have_count(1)
        chart.locator("summary").click()
        expect(chart.locator(".figures tbody tr").first).to_be_visible()
    expect(page.locator("#link")).to_have_text("● live")


def test_a_run_shows_its_journal_and_its_plan_with_the_commands(page: Page, deployed: str) -> None:
    page.goto(f"/runs/{deployed}")
    expect(page.locator("#run")).to_contain_text("✔ done")
    expect(page.locator(".journal tbody tr").first).to_contain_text("run-ended")
    step = page.locator(".plan li", has_text="shift_traffic").locator("details")
    step.locator("summary").click()
    expect(step.locator("pre").first).to_contain_text("$ ")
    page.wait_for_timeout(2500)  # two rounds of polling: what was opened stays open
    expect(step.locator("pre").first).to_be_visible()


def test_what_is_not_there_is_told_with_a_remedy(context: BrowserContext) -> None:
    answer = context.request.get("/runs/no-such-run")
    assert answer.status == 404
    assert "Remedy: ue run list" in answer.text()


def test_keys_lead_to_the_pages(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("deployments")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()


def test_what_can_t_be_opened_yet_says_why(page: Page) -> None:
    page.goto("/")
    for later in page.locator(".rail .later").all():
        expect(later).to_have_attribute("aria-disabled", "true")
        expect(later.locator("small")).not_to_be_empty()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(page: Page, deployed: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    for path in ("/", "/runs", f"/runs/{deployed}"):
        page.goto(path)
        page.wait_for_timeout(1200)
        assert page.evaluate(CONTRASTS.replace("LIMIT", str(WCAG_AA))) == []


@pytest.mark.parametrize("path", ["/", "/runs", "/runs/RUN"])
def test_on_a_phone_nothing_hangs_out(page: Page, deployed: str, path: str) -> None:
    page.set_viewport_size({"width": PHONE_WIDTH, "height": 740})
    page.goto(path.replace("RUN", deployed))
    page.wait_for_timeout(1200)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE_WIDTH


def test_a_server_that_goes_away_is_told(page: Page) -> None:
    page.goto("/runs")
    page.evaluate("document.dispatchEvent(new Event('htmx:sendError'))")
    expect(page.locator("#link")).to_contain_text("the server does not answer")


BY_HTMX = """
() => new Promise((told) => {
  document.addEventListener("htmx:afterRequest", (event) => event.detail.requestConfig.verb === "post" && told(event.detail.xhr.status));
  htmx.ajax("post", "/api/v1/tokens", { swap: "none" });
})
"""
BY_FORM = """
(there) => document.body.appendChild(Object.assign(document.createElement("form"), { method: "post", action: there })).submit()
"""
NEIGHBOUR = "http://127.0.0.1:9"


def test_a_page_may_change_something_and_one_on_another_port_may_not(stranger: Page, url: str, token: str) -> None:
    sign_in(stranger, token)
    stranger.wait_for_url(f"{url}/")  # and for its scripts
    assert stranger.evaluate(BY_HTMX) == 422, "let in, and told that a token needs a name"
    stranger.route(f"{NEIGHBOUR}/**", lambda route: route.fulfill(content_type="text/html", body="<title>a neighbour</title>"))
    stranger.goto(f"{NEIGHBOUR}/")
    with stranger.expect_response(f"{url}/api/v1/tokens") as answered:
        stranger.evaluate(BY_FORM, f"{url}/api/v1/tokens")
    assert "ue_session=" in answered.value.request.all_headers().get("cookie", ""), "the browser takes it for the same site, or this shows nothing"
    assert answered.value.status == 403
