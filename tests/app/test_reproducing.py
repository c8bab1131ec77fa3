"""Our rows reach the report."""

import json

import pytest

pytest.importorskip("matplotlib")

from kinowatt.app.reproducing import own_rows, run


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reproduction")
    run(str(folder), lambda text: None)
    return folder


def read(out, name):
    return json.loads((out / "tables" / f"{name}.json").read_text())


def test_rows_of_both_folders() -> None:
    protocols = {row.row["protocol"] for row in own_rows()}
    assert protocols == {"full", "sampled"}
    assert len({row.file for row in own_rows()}) >= 2


def test_table4_and_table3_have_a_third_column(out) -> None:
    table4 = {row["model"]: row for row in read(out, "table4")}
    cog = table4["CogVideoX-2B"]
    assert cog["measured_2026_latency_s"] == pytest.approx(35.9, abs=1.0)
    assert "nvml-counter" in cog["measured_2026"]
    point = next(row for row in read(out, "table3") if row["sweep"] == "resolution")
    assert point["measured_2026"].startswith("measured: ")
    assert point["measured_2026_published_signed_pct"] > 0


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
