"""Measurements and Is my time normal?, as their user has them."""

import base64
import csv
import io
import math
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlparse

import httpx
import pytest
from playwright.sync_api import Page, expect

import kinowatt
from kinowatt.units import format_seconds

from .test_pages import choose, fill, seconds_shown, state

Visit = Callable[..., Page]
WAN = "wan2.1-t2v-1.3b"


@pytest.fixture(scope="module")
def rows() -> list[Any]:
    """The committed rows, in the order of the page."""
    return kinowatt.load_measurements("committed")


def ids(page: Page) -> list[int]:
    cells = page.get_by_role("region", name="predicted beside them").locator("td:first-child")
    return [int(text) for text in cells.all_inner_texts()]


def shown(page: Page) -> list[dict[str, str]]:
    """The table of rows as its CSV has it."""
    href = str(page.locator("a[download='measurements.csv']").get_attribute("href"))
    text = base64.b64decode(href.partition("base64,")[2]).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_rows_with_predictions_and_flags_beside_them(visit: Visit, rows: list[Any]) -> None:
    page = visit("measurements?limit=100")
    assert ids(page) == list(range(1, 101))
    region = page.get_by_role("region", name=f"100 of {len(rows)} rows of the committed")
    expect(region).to_have_count(1)
    expect(page.get_by_text("being audited")).to_have_count(0, timeout=60_000)
    flags = page.get_by_role("region", name="What the audit says of these rows")
    expect(flags).to_contain_text("off the line in steps")
    found = shown(page)
    for row, cells in zip(rows, found, strict=False):
        assert (cells["model"], float(cells["latency_s"])) == (row.model, row.latency_s)
        predicted = float(cells["predicted_latency_s"])
        assert math.isclose(float(cells["ratio"]), row.latency_s / predicted, rel_tol=1e-9)
        assert cells["latency_kind"] in ("measured", "composed")
    assert {cells["audit"] for cells in found} == {"nothing found", "warning: nonlinear-steps"}


def test_filters_and_pages_by_keyboard(visit: Visit, url: str, rows: list[Any]) -> None:
    page = visit("measurements?limit=10")
    forward = page.get_by_role("button", name="Next page")
    back = page.get_by_role("button", name="Previous page")
    expect(back).to_be_disabled()
    forward.press("Enter")
    expect(page.locator(".frame td").first).to_have_text("11")
    assert state(page, "after", "10") == {"limit": ["10"], "after": ["10"]}
    forward.press("Enter")
    expect(page.locator(".frame td").first).to_have_text("21")
    page.reload()
    expect(page.locator(".frame td").first).to_have_text("21")
    back.press("Enter")
    expect(page.locator(".frame td").first).to_have_text("11")
    choose(page, "Model", "mochi-1-preview")
    mochi = [row for row in rows if row.model == "mochi-1-preview"]
    caption = page.locator(".frame caption").first
    expect(caption).to_contain_text(f"of {len(mochi)} rows")
    expect(back).to_be_disabled()
    asked = state(page, "model", "mochi-1-preview")
    assert asked == {"limit": ["10"], "model": ["mochi-1-preview"]}
    expect(page.locator("pre").first).to_contain_text("--where model=mochi-1-preview")
    link = str(page.get_by_text("These rows as JSON").get_attribute("href"))
    by_rest = httpx.get(url + link, timeout=60).json()
    assert [row["id"] for row in by_rest["rows"]] == ids(page)
    assert by_rest["count"] == len(mochi)


def test_an_address_of_rows_that_are_none_is_one_line(visit: Visit, url: str, tab: Page) -> None:
    tab.goto(f"{url}/measurements?model=mochi")
    expect(tab.locator(".frame caption").first).to_contain_text("rows of the committed")
    for query, line in (
        ("model=wan2.1-t2v-1.3", f"did you mean '{WAN}'"),
        ("after=x", "is no cursor"),
        ("gpu=l4", "no rows are left"),
    ):
        tab.goto("about:blank")
        tab.goto(f"{url}/measurements?{query}")
        expect(tab.locator(".notice")).to_contain_text(line)


def test_a_time_is_judged_and_explained(visit: Visit) -> None:
    page = visit("normal")
    wanted = kinowatt.predict(WAN)
    assert seconds_shown(page) == format_seconds(wanted.latency_s)
    expect(page.locator(".notice.plain")).to_contain_text("Type the seconds")
    fill(page, "Seconds that it took", 70)
    verdict = re.compile(r"Normal: 1 min 10 s is 1\.0\d times")
    expect(page.locator(".notice.plain")).to_contain_text(verdict)
    expect(page.get_by_role("region", name="What would explain it")).to_have_count(0)
    fill(page, "Seconds that it took", 214)
    slow = page.locator(".notice.warning")
    expect(slow).to_contain_text(
        re.compile(r"Slow: 3 min 34 s is 3\.\d\d times the predicted time")
    )
    causes = page.get_by_role("region", name="What would explain it").locator("tbody tr")
    found = kinowatt.explain(WAN, latency_s=214)
    expect(causes).to_have_count(len(found.causes))
    expect(causes.first).to_contain_text(found.causes[0].words)
    fill(page, "Wh of the GPU (if known)", 34)
    expect(slow).to_contain_text("GPU energy high: 34.0 Wh")
    asked = parse_qs(urlparse(page.url).query)
    assert (asked["latency_s"], asked["energy_wh"]) == (["214"], ["34"])
    expect(page.locator("pre").first).to_contain_text("kinowatt explain")
    choose(page, "Attention kernel", "math")
    expect(page.locator(".notice")).to_contain_text("Normal: ")


def test_settings_of_a_time_and_what_cannot_be(visit: Visit) -> None:
    page = visit("normal?latency_s=30&steps=20&gpu=h200-sxm")
    found = kinowatt.explain(WAN, "h200-sxm", latency_s=30, steps=20)
    expect(page.locator(".cards")).to_contain_text(f"{found.ratio:.2f} times the predicted")
    page.get_by_role("button", name="Settings of the run").press("Enter")
    fill(page, "Height (px)", 481)
    expect(page.locator(".notice.error")).to_contain_text("nearest: 480")
