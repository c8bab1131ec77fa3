"""Our rows reach the report."""

import json
import re

import pytest

pytest.importorskip("matplotlib")

from kinowatt.app.render_reproduction import reproduction
from kinowatt.app.reproducing import own_rows


@pytest.fixture(scope="module")
def out(reproduced):
    return reproduced[0]


def read(out, name):
    return json.loads((out / "tables" / f"{name}.json").read_text())


def test_rows_of_both_folders() -> None:
    protocols = {row.row["protocol"] for row in own_rows()}
    assert protocols == {"full", "sampled"}
    assert len({row.file for row in own_rows()}) >= 2


def test_table4_and_table3_have_a_third_column(out) -> None:
    table4 = {row["model"]: row for row in read(out, "table4")}
    cog = table4["CogVideoX-2B"]
    # Offloaded, as the paper ran it, by whole videos; a composed row without its moves says 39.7
    assert cog["measured_2026_latency_s"] == pytest.approx(49.81, abs=0.01)
    assert cog["measured_2026_latency_sd_s"] == pytest.approx(0.74, abs=0.01)
    assert "nvml-counter" in cog["measured_2026"]
    point = next(row for row in read(out, "table3") if row["sweep"] == "resolution")
    assert point["measured_2026"].startswith("measured: ")
    assert point["measured_2026_published_signed_pct"] > 0
    ratio = next(row["mean_ratio"] for row in read(out, "measured_sweeps"))
    assert point["measured_2026_over_paper_pct"] == pytest.approx(100 * (ratio - 1))
    # The 95% interval of the profile is +-4.7%
    assert point["measured_2026_learned_pct"] < 4
    assert cog["latency_deviation_pct"] == pytest.approx(100 * (cog["latency_over_paper"] - 1))


def test_what_ifs_stand_in_no_column_beside_the_paper(out) -> None:
    """Wan at 480x832 with 33 frames was run with three kinds of attention and compiled."""
    every = read(out, "measured_rows")
    kernels = {(row["attention"], row["compiled"]) for row in every}
    assert {("flash", "none"), ("efficient", "none"), ("default", "blocks")} <= kernels
    seconds = {
        row["latency_s"]
        for row in every
        if (row["attention"], row["compiled"]) != ("default", "none")
    }
    beside = [row for name in ("measured_models", "table4") for row in read(out, name)]
    assert seconds.isdisjoint(row["measured_2026_latency_s"] for row in beside)
    figures = "".join((out / "data" / f"figure{n}.csv").read_text() for n in (2, 3, 4))
    assert not any(f",{value}\n" in figures for value in seconds)


def test_the_terminal_shows_our_tables_and_the_cost(out, reproduced, capsys) -> None:
    reproduction(json.loads(json.dumps(reproduced[1])))
    text = capsys.readouterr().out
    for row in read(out, "table3"):
        line = next(s for s in text.splitlines() if f"{row['sweep']}, {row['quantity']}" in s)
        assert f"{row['measured_2026_over_paper_pct']:+.1f}%" in line
        assert f"{row['measured_2026_learned_pct']:.2f}%" in line
    assert "animatediff-lightning" in text
    assert re.search(r"again\*? .* ± ", text)
    paper = [s.split()[1:4] for s in text.splitlines() if s.strip().startswith("paper  ")]
    assert ["649", "20,062", "334"] in paper
    assert "torch 2.11" in text


def test_our_points_are_in_the_data_of_a_figure(out) -> None:
    lines = (out / "data" / "figure2.csv").read_text().splitlines()
    ours = [line for line in lines if line.startswith("measured_2026,latency_s,")]
    assert len(ours) >= 1
    assert any(line.startswith("measured_2026,latency_s_sd,") for line in lines)


def test_the_page_says_what_is_there_and_what_is_not(out) -> None:
    page = (out / "report.html").read_text()
    assert "Measured by us in 2026" in page
    assert "not measured yet" in page
    assert (out / "figures" / "measured_steps.png").read_bytes()[:4] == b"\x89PNG"
