"""A real Chromium before a real server. Without a Chromium these tests are skipped, but not in CI."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    found = found or shutil.which("google-chrome")
    if found is None:
        reason = "no Chromium here: apt-get install chromium (as root: scripts/get_chromium.sh)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=QUIET)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "kinowatt", "serve", "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["url"]
    process.terminate()
    assert process.wait(timeout=30) == 0


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Callable[..., Page]]:
    """Opens a page of the dashboard and waits for its answer; notes requests to elsewhere."""
    contexts = []

    def visit_page(path: str = "", width: int = 1440, scheme: Any = "light") -> Page:
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.elsewhere = []  # type: ignore[attr-defined]
        page.on("request", lambda request: _note(page, url, request.url))
        page.goto(f"{url}/{path}")
        page.wait_for_selector(".frame table", state="attached", timeout=3 * PATIENCE_MS)
        if path != "paper":
            page.wait_for_selector(
                ".js-plotly-plot .trace, .js-plotly-plot .bars, #front-plot", state="attached"
            )
        return page

    yield visit_page
    for context in contexts:
        context.close()


def _note(page: Any, url: str, asked: str) -> None:
    if not asked.startswith((url, "data:", "blob:")):
        page.elsewhere.append(asked)
