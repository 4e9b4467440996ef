"""A Chromium of the system, and the console of a stack of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from tests.contract.console.conftest import alone, standing
from tests.stack import RunningStack, running_stack
from unioneyes.environments import locate

__all__ = ["alone", "standing"]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-sandbox")
DESK: ViewportSize = {"width": 1280, "height": 900}
SETTINGS = """
bake = "5s"
[waivers]
current-version = "a browser test deploys whatever stands in the work tree"
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    assert path, "Chromium is missing: `make browser` installs it"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def console() -> Iterator[RunningStack]:
    """A stack with nothing deployed at first."""
    with running_stack(settings=SETTINGS) as stack:
        yield stack


@pytest.fixture
def deployed(console: RunningStack) -> str:
    """A run that deployed a release: the last one, or the first one, made now."""
    kept = json.loads(console.ue("run", "list", "--runbook", "deployment.start", "--status", "done", "-o", "json").out)
    if kept:
        return str(kept[0]["id"])
    done = console.ue("deploy", "start", "1.0.0", "--migrate", "-o", "json", within=150)
    assert done.code == 0, done.err
    return str(done.json()["id"])


@pytest.fixture(scope="session")
def url(console: RunningStack) -> str:
    return locate("local", console.home).url


@pytest.fixture(scope="session")
def token(console: RunningStack) -> str:
    return (Path(console.home) / "secrets" / "api-token").read_text()


def sign_in(page: Page, token: str) -> None:
    """The page's person is in the console, by a token that they typed."""
    page.goto("/login")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()


class Troubles(list[str]):
    """What a page's own console complains of: broken scripts, and what the content security policy refused."""

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.append(str(error)))
        page.on("console", lambda said: self.append(said.text) if said.type in {"error", "warning"} else None)


@pytest.fixture
def stranger(browser: Browser, url: str) -> Iterator[Page]:
    """A page of somebody who is not signed in."""
    context = browser.new_context(base_url=url, viewport=DESK)
    yield context.new_page()
    context.close()


@pytest.fixture
def context(browser: Browser, url: str, token: str) -> Iterator[BrowserContext]:
    """Somebody who is signed in; their pages complain of nothing."""
    troubles = Troubles()
    context = browser.new_context(base_url=url, viewport=DESK)
    context.on("page", troubles.watch)
    page = context.new_page()
    sign_in(page, token)
    yield context
    context.close()
    assert troubles == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.pages[0]
