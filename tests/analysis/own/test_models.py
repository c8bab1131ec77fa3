"""The seven models beside Table 4."""

import pytest

from kinowatt.analysis.own.models import AGAIN, NOTHING, model_rows, models_table
from kinowatt.analysis.own.rows import grouped


def table(rows):
    return {(row["model"], row["setting"][:5]): row for row in model_rows(grouped(rows))}


def test_what_is_missing_is_said() -> None:
    rows = model_rows([])
    assert len({row["model"] for row in rows}) == 7
    assert {row["measured_2026"] for row in rows} == {NOTHING}
    assert all(row["measured_2026_latency_s"] is None for row in rows)
    assert (
        models_table(rows, [])
        .notes[0]
        .startswith("As the paper ran them: 0 of 7 models measured, 7 not measured yet")
    )


def test_a_row_of_the_papers_workload_stands_beside_it(make) -> None:
    row = make(runs=(205.02,), height_px=720, width_px=1280, frames=81)
    found = table([row])["wan2.1-t2v-1.3b", "as th"]
    assert found["latency_over_paper"] == pytest.approx(0.5, abs=1e-4)
    assert found["gpu_wh_over_paper"] == pytest.approx(41.004 / 78.811, abs=1e-4)
    seconds = found["measured_2026_latency_s"] / found["measured_2026_s_per_video_s"]
    assert seconds == pytest.approx(row.row["workload"]["video_s"])
    assert found["measured_2026"] == "full; GPU by nvml-counter; 1 run; h100-sxm"


@pytest.mark.parametrize("other", [{"steps": 49}, {"frames": 77}, {"batch_size": 2}])
def test_another_workload_does_not(make, other) -> None:
    rows = [make(**{"height_px": 720, "width_px": 1280, "frames": 81} | other)]
    assert table(rows)["wan2.1-t2v-1.3b", "as th"]["measured_2026"] == NOTHING


def test_committed_rows(rows) -> None:
    found = table(rows)
    wan = found["wan2.1-t2v-1.3b", "model"]
    assert wan["measured_2026_latency_s"] == pytest.approx(68.76, abs=0.5)
    assert wan["measured_2026_latency_sd_s"] < 0.5
    assert wan["latency_over_paper"] is None  # the paper ran another size
    cog = found["cogvideox-2b", "as th"]
    assert cog["latency_over_paper"] < 1
    if "offload none" in cog["differs_from_the_paper"]:
        assert "paper model" in cog["differs_from_the_paper"]


def test_the_refined_recipe_of_ltx_is_told_from_the_single_pass(rows) -> None:
    row = table(rows)["ltx-video-0.9.7-dev", "as th"]
    assert row["measured_2026_latency_s"] < 17  # a single pass at 512x704 takes 22 s


def test_another_gpu_stands_below_only_where_it_ran_as_the_paper_did(rows) -> None:
    assert not [
        r for r in model_rows(grouped(rows)) if "GPU h200-sxm" in r["differs_from_the_paper"]
    ]
    moved = [
        row for row in rows if row.row["gpu"] == "h100-sxm" and row.conditions["offload"] != "none"
    ]
    assert len(moved) == 9
    others = [row for row in rows if row not in moved]
    found = [row for row in model_rows(grouped(others)) if row["paper_latency_s"]]
    elsewhere = [row for row in found if "GPU h200-sxm" in row["differs_from_the_paper"]]
    said = {(row["model"], row["setting"]): row["differs_from_the_paper"] for row in elsewhere}
    assert {model for model, _ in said} == {"mochi-1-preview", "cogvideox-2b", "cogvideox-5b"}
    assert set(said.values()) == {"GPU h200-sxm (paper h100-sxm)"}
    assert {model for model, setting in said if setting == AGAIN} == {
        "cogvideox-2b",
        "cogvideox-5b",
    }
