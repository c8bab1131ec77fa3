"""The dashboard as its user has it: pages, controls, keyboard, both themes, two widths."""

import os
from collections.abc import Callable
from statistics import median
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, expect

import kinowatt
from kinowatt.analysis.budget import budget
from kinowatt.app.serve.dashboard import plan
from kinowatt.units import format_seconds

Visit = Callable[..., Page]
MODEL = "wan2.1-t2v-1.3b"


def state(page: Page, name: str, value: str) -> dict[str, list[str]]:
    """What the address holds once it says this: it follows the answer that shows."""
    says = "([name, value]) => new URLSearchParams(location.search).getAll(name).includes(value)"
    page.wait_for_function(says, arg=[name, value])
    return parse_qs(page.evaluate("location.search.slice(1)"))


def seconds_shown(page: Page) -> str:
    return page.locator(".card .value").first.inner_text()


def fill(page: Page, label: str, value: object) -> None:
    page.get_by_label(label, exact=True).fill(str(value))


def answered(page: Page, name: str) -> None:
    """Waits until the address has a setting: what is typed meanwhile a busy page may overwrite."""
    page.wait_for_function("name => new URLSearchParams(location.search).has(name)", arg=name)


def choose(page: Page, label: str, value: str) -> None:
    """By keyboard alone: the control is focused, its name typed, Enter pressed."""
    box = page.get_by_label(label, exact=True)
    box.focus()
    box.press("ControlOrMeta+a")
    page.keyboard.type(value)
    page.get_by_role("option").filter(has_text=value).first.wait_for()  # a busy page lists it late
    page.keyboard.press("Enter")


def test_it_opens_with_a_sound_answer(visit: Visit) -> None:
    page = visit()
    wanted = kinowatt.predict(MODEL, grid="WORLD")
    assert seconds_shown(page) == format_seconds(wanted.latency_s)
    text = page.locator(".cards").inner_text()
    assert "95%: " in text
    assert "fits in" in text
    assert "Predicted by h100-sxm" in page.locator(".runs").inner_text()
    assert page.title() == "Kinowatt"


def test_a_change_answers_and_the_address_keeps_it(visit: Visit) -> None:
    page = visit()
    fill(page, "Denoising steps", 20)
    wanted = format_seconds(kinowatt.predict(MODEL, steps=20).latency_s)
    expect(page.locator(".card .value").first).to_have_text(wanted)
    assert state(page, "steps", "20")["steps"] == ["20"]
    expect(page.locator("pre").first).to_contain_text("--steps 20")
    expect(page.locator("pre").last).to_contain_text("steps=20")
    page.reload()
    page.wait_for_selector(".frame table")
    assert seconds_shown(page) == wanted
    assert page.get_by_label("Denoising steps", exact=True).input_value() == "20"


WATCH = """() => {
  window.taken = [];
  const shown = () => document.querySelector(".card .value").textContent;
  document.addEventListener("input", () => {
    const [start, before] = [performance.now(), shown()];
    const look = () => {
      if (shown() === before) return requestAnimationFrame(look);
      requestAnimationFrame(() => setTimeout(() => taken.push(performance.now() - start)));
    };
    look();
  }, true);
}"""


@pytest.mark.torture  # a figure of time; `make bench` has the server's
def test_a_change_answers_soon(visit: Visit) -> None:
    page = visit()
    page.evaluate(WATCH)  # from a key to the frame with the answer, as the page itself sees it
    for count, steps in enumerate(range(30, 44)):
        wanted = format_seconds(kinowatt.predict(MODEL, steps=steps).latency_s)
        fill(page, "Denoising steps", steps)
        expect(page.locator(".card .value").first).to_have_text(wanted)
        page.wait_for_function("count => taken.length > count", arg=count)
        expect(page.locator("#scaling-plot")).to_contain_text("Seconds along frames")
    taken = page.evaluate("taken")
    print("milliseconds per change:", [round(each) for each in taken])
    crowded = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # others at work here
    assert median(taken) < 150 * crowded


def test_what_cannot_be_used_hides_the_figures_until_it_can(visit: Visit) -> None:
    page = visit()
    fill(page, "Denoising steps", 0)
    expect(page.locator(".notice.error")).to_contain_text("steps must be from 1 to 100000")
    for name in ("stages-plot", "scaling-plot"):
        expect(page.locator(f"#{name}")).to_be_hidden()
    fill(page, "Denoising steps", 20)
    expect(page.locator("#stages-plot .bars").first).to_be_visible()
    expect(page.locator("#scaling-plot .trace").first).to_be_visible()


def test_another_model_brings_its_own_settings(visit: Visit) -> None:
    page = visit()
    choose(page, "Model", "mochi-1-preview")
    wanted = kinowatt.predict("mochi-1-preview")
    expect(page.locator(".card .value").first).to_have_text(format_seconds(wanted.latency_s))
    frames = page.get_by_label("Frames", exact=True).input_value()
    assert frames == str(wanted.workload["frames"])


def test_choices_of_plan(visit: Visit) -> None:
    page, asked = visit(), {}
    for label, value, more in (
        ("GPU", "rtx-4090", {"gpu": "rtx-4090"}),
        ("Attention kernel", "math", {"what_if": {"attention": "math"}}),
    ):
        choose(page, label, value)
        asked |= more
        wanted = format_seconds(kinowatt.predict(MODEL, **asked).latency_s)
        expect(page.locator(".card .value").first).to_have_text(wanted)


def test_numbers_of_plan(visit: Visit) -> None:
    page = visit()
    page.get_by_role("button", name="Guidance, tiling, grid, price").press("Enter")
    given = {
        "height_px": ("Height (px)", 512),
        "width_px": ("Width (px)", 768),
        "frames": ("Frames", 33),
        "guidance_scale": ("Guidance scale", 1),
        "price": ("Price (USD per GPU-hour)", 2.5),
    }
    for name, (label, value) in given.items():
        fill(page, label, value)
        answered(page, name)
    for name, label, choice in (
        ("tiling", "Tiled decoding", "on"),
        ("grid", "Grid", "France (FRA)"),
    ):
        choose(page, label, choice)
        answered(page, name)
    wanted = kinowatt.predict(
        MODEL, height_px=512, width_px=768, frames=33, guidance_scale=1.0, price=2.5,
        tiling=True, grid="FRA",
    )  # fmt: skip
    expect(page.locator(".card .value").first).to_have_text(format_seconds(wanted.latency_s))
    expect(page.locator(".cards")).to_contain_text(f"${wanted.cost_usd:.4f}")
    expect(page.locator("pre").first).to_contain_text("--tiling on")
    assert {"grid", "price", "tiling"} <= set(state(page, "tiling", "on"))


def test_the_curve_along_each_axis(visit: Visit) -> None:
    page = visit()
    for axis in reversed(plan.AXES):  # the first is what it opens with
        page.get_by_label(axis, exact=True).press("Space")
        table = page.get_by_role("region", name=f"Along {axis} (predicted)")
        points = kinowatt.scaling(MODEL, axis)
        expect(table.locator("tbody tr")).to_have_count(len(points))
        expect(page.locator("#scaling-plot")).to_contain_text("you are here")


def test_what_cannot_run_is_one_line_with_the_nearest(visit: Visit) -> None:
    page = visit()
    fill(page, "Height (px)", 481)
    line = page.locator(".notice.error")
    expect(line).to_contain_text("height_px must be a multiple of 16")
    expect(line).to_contain_text("nearest: 480")
    assert line.get_attribute("role") == "status"
    fill(page, "Height (px)", 480)
    expect(page.locator(".card .value").first).to_be_visible()
    expect(line).to_have_count(0)


def test_an_address_that_makes_no_sense_is_no_fault(visit: Visit) -> None:
    page = visit("?model=nope&steps=many&gpu=l4&frames=33&odd=1")
    wanted = kinowatt.predict(MODEL, gpu="l4", frames=33)
    assert seconds_shown(page) == format_seconds(wanted.latency_s)


def test_headers_sort_by_keyboard(visit: Visit) -> None:
    page = visit("compare")
    header = page.get_by_role("button", name="Time", exact=True)
    column = page.locator("tbody tr td:nth-child(4)")

    def order() -> list[float]:
        return [float(str(cell.get_attribute("data-order"))) for cell in column.all()]

    header.press("Enter")
    assert order() == sorted(order())
    header.press("Enter")
    assert order() == sorted(order(), reverse=True)
    assert page.locator("th[aria-sort=descending]").count() == 1


def test_compare(visit: Visit) -> None:
    page = visit("compare")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(len(kinowatt.compare((), ("h100-sxm",))))
    choose(page, "GPUs", "rtx-4090")
    expect(rows).to_have_count(2 * len(kinowatt.compare((), ("h100-sxm",))))
    page.get_by_label("Wh", exact=True).press("Space")
    expect(page.locator("#compare-plot")).to_contain_text("Wh per second of video")
    page.get_by_role("button", name="The same settings for all of them").press("Enter")
    fill(page, "Denoising steps", 4)
    expect(page.locator(".notice.warning")).to_have_count(0)
    fill(page, "Frames", 70)
    expect(page.locator(".notice.warning")).to_contain_text(
        "animatediff-lightning on rtx-4090 is left out"
    )
    asked = state(page, "frames", "70")
    assert (asked["gpus"], asked["unit"], asked["frames"]) == (
        ["h100-sxm", "rtx-4090"],
        ["Wh"],
        ["70"],
    )
    page.reload()
    expect(page.locator("pre").first).to_contain_text(
        "--gpu h100-sxm --gpu rtx-4090 --frames 70 --steps 4"
    )


def test_budget(visit: Visit) -> None:
    page = visit("budget")
    asked: dict[str, Any] = {"max_energy_wh": 10, "min_height_px": "480p", "min_video_s": 5}

    def picks(**limits: Any) -> int:
        return sum(len(one.picks) for one in budget(None, ["l40s"], **asked, **limits).answers)

    rows = page.get_by_role("region", name="Best settings (predicted)").locator("tbody tr")
    expect(rows).to_have_count(picks(max_latency_s=60))
    expect(page.locator(".notice.plain")).to_contain_text("Quality is not scored")
    fill(page, "At most seconds", 90)
    expect(rows).to_have_count(picks(max_latency_s=90))
    expect(page.locator("pre").first).to_contain_text("--max-latency-s 90")
    fill(page, "At most seconds", 1)
    expect(page.locator(".notice.warning")).to_contain_text("no model keeps these limits")
    assert state(page, "max_latency_s", "1")["max_latency_s"] == ["1"]


def test_the_paper(visit: Visit) -> None:
    page = visit("paper")
    assert page.locator("figure img").count() >= 5
    for image in page.locator("figure img").all():
        assert len(str(image.get_attribute("alt"))) > 30
    tables = page.locator("details > summary")
    assert [f"Table {n}." in " ".join(tables.all_inner_texts()) for n in range(1, 8)] == [True] * 7
    tables.first.press("Enter")
    expect(page.locator("details[open] table")).to_have_count(1)


def test_the_keyboard_reaches_every_control_and_downloads_a_table(visit: Visit) -> None:
    page = visit()
    page.get_by_role("button", name="Guidance, tiling, grid, price").press("Enter")
    wanted = {
        *("Model", "GPU", "Attention kernel", "Height (px)", "Width (px)", "Frames"),
        *(
            "Denoising steps",
            "Guidance scale",
            "Tiled decoding",
            "Grid",
            "Price (USD per GPU-hour)",
        ),
    }
    links = {"Download stages.csv", "Download levers.csv", "Plan", "Compare", "Paper"}
    reached: set[str] = set()
    for _ in range(120):
        if wanted | links <= reached:
            break
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "() => { const e = document.activeElement; return e.ariaLabel || "
                "(e.labels && e.labels[0] ? e.labels[0].innerText : e.innerText || '').trim(); }"
            )
        )
    assert (wanted | links) - reached == set()
    with page.expect_download() as download:
        page.get_by_text("Download stages.csv").press("Enter")
    assert download.value.suggested_filename == "stages.csv"


def test_compare_says_what_is_missing(visit: Visit) -> None:
    page = visit("compare?models=wan2.1-t2v-1.3b&gpus=l4")
    page.get_by_label("GPUs", exact=True).press("Backspace")
    expect(page.locator(".notice.error")).to_contain_text("choose at least one")
