"""A real Chromium before a real server. Without a Chromium these tests are skipped, but not in CI."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE_MS = 20_000
WIDE = {"width": 1440, "height": 900}
TWO = "models=wan2.1-t2v-1.3b&models=mochi-1-preview"  # a search of all of them takes seconds
PAGES = ("", "compare", f"budget?{TWO}", "normal?latency_s=214", "measurements", "paper")
expect.set_options(timeout=PATIENCE_MS)


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    found = found or shutil.which("google-chrome")
    if found is None:
        reason = "no Chromium here: apt-get install chromium (as root: scripts/get_chromium.sh)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return found


@pytest.fixture(scope="package")
def context(url: str) -> Iterator[BrowserContext]:
    """One browser for all of these tests: what it fetched of a page once it need not again."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        context = browser.new_context()
        context.set_default_timeout(PATIENCE_MS)
        yield context
        browser.close()


@pytest.fixture(scope="package")
def url() -> Iterator[str]:
    chromium()  # or skip, before a server is started for nothing
    command = [sys.executable, "-m", "kinowatt", "serve", "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["url"]
    process.terminate()
    assert process.wait(timeout=30) == 0


@pytest.fixture(scope="package")
def tab(context: BrowserContext, url: str) -> Page:
    return watched(context, url)


@pytest.fixture
def visit(tab: Page, url: str) -> Callable[..., Page]:
    """Opens a page of the dashboard and waits for its answer."""
    return lambda path="": go(tab, f"{url}/{path}")


@pytest.fixture(scope="module", params=PAGES)
def opened(request: pytest.FixtureRequest, context: BrowserContext, url: str) -> Iterator[Page]:
    """Each page in turn, opened once for all tests that only look at it."""
    page = watched(context, url)
    yield go(page, f"{url}/{request.param}")
    page.close()


def go(page: Page, url: str) -> Page:
    page.elsewhere.clear()  # type: ignore[attr-defined]
    page.goto("about:blank")  # what shows next is of this visit
    page.goto(url)
    page.wait_for_selector(".frame table", state="attached", timeout=3 * PATIENCE_MS)
    if "/paper" not in url:
        drawn = ".js-plotly-plot .trace, .js-plotly-plot .bars, #front-plot"
        page.wait_for_selector(drawn, state="attached")
    return page


def watched(context: BrowserContext, url: str) -> Page:
    """A page that notes requests to elsewhere."""
    page = context.new_page()
    page.set_viewport_size(WIDE)
    page.elsewhere = []  # type: ignore[attr-defined]
    page.on("request", lambda request: _note(page, url, request.url))
    return page


def _note(page: Any, url: str, asked: str) -> None:
    if not asked.startswith((url, "data:", "blob:", "about:")):
        page.elsewhere.append(asked)
