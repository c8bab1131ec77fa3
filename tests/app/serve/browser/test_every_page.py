"""What holds of every page: anybody can use it, tables download, code runs; nothing leaks."""

import base64
import csv
import io
import shlex
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from kinowatt.app.cli import main

GRAVE = ("serious", "critical")


def violations(page: Page) -> dict[str, str]:
    """What axe finds serious or critical, by rule."""
    found = Axe().run(page).response["violations"]
    return {v["id"]: v["nodes"][0]["html"][:160] for v in found if v["impact"] in GRAVE}


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (375, "light"),
        (1440, "dark"),
        pytest.param(375, "dark", marks=pytest.mark.torture),
        pytest.param(1440, "light", marks=pytest.mark.torture),
    ],
)
def test_anybody_can_use_it(opened: Page, width: int, scheme: Any) -> None:
    opened.set_viewport_size({"width": width, "height": 900})
    opened.emulate_media(color_scheme=scheme)
    dark = "document.body.classList.contains('dark')"
    opened.wait_for_function(dark if scheme == "dark" else f"!{dark}")
    opened.wait_for_timeout(300)  # colours fade
    assert violations(opened) == {}
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.elsewhere == []  # type: ignore[attr-defined]


def test_tables_download_what_they_show(opened: Page) -> None:
    assert opened.locator(".frame").count() >= 1
    shown = opened.locator(".frame").evaluate_all(
        "frames => frames.map(f => [f.querySelectorAll('tbody tr').length, f.nextSibling.href,"
        " f.nextSibling.download])"
    )
    for count, href, name in shown:
        assert href.startswith("data:text/csv;base64,")
        text = base64.b64decode(href.partition("base64,")[2]).decode()
        assert len(list(csv.DictReader(io.StringIO(text)))) == count
        assert name.endswith(".csv")


def test_every_plot_has_its_table_and_every_page_its_code(opened: Page) -> None:
    if "/paper" in opened.url:
        assert opened.locator("figure + a.csv").count() >= 5
        return
    plots = opened.locator(".js-plotly-plot").count()
    assert 1 <= plots <= opened.locator(".frame table").count()
    code = opened.locator("pre").all_inner_texts()
    assert [text.split()[0] for text in code] == ["kinowatt", "import"]
    exec(code[1], {})  # both run as they stand
    main([*shlex.split(code[0])[1:], "--json"])


def test_axe_would_find_something(tab: Page) -> None:
    tab.set_content("<html lang=en><title>x</title><main><h1>x <img src='data:,'></h1></main>")
    assert set(violations(tab)) == {"image-alt"}


def test_nothing_of_the_machine_is_served(url: str) -> None:
    for path in ("/etc/passwd", "C:/Windows/win.ini", "pyproject.toml"):
        assert httpx.get(f"{url}/gradio_api/file={path}").status_code in (403, 404)
    file = {"files": ("x.txt", b"0123456789")}
    assert httpx.post(f"{url}/gradio_api/upload", files=file).status_code >= 400
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert "swagger" not in httpx.get(f"{url}{path}").text.lower()


def test_rest_is_beside_it(url: str) -> None:
    assert httpx.get(f"{url}/v1/health").json()["status"] == "ok"
    assert httpx.get(f"{url}/v1/predict").status_code == 405
    assert "did you mean" in httpx.get(f"{url}/v1/predct").json()["detail"]
