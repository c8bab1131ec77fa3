"""The paper's own data, given only the labels as published: what the audit must find in it."""

import csv
import json
import math
from pathlib import Path

import pytest

from kinowatt.analysis.audit.flags import Audit, Flag
from kinowatt.analysis.audit.run import audit

TRUTH = (
    *("height_run", "width_run", "frames_run", "steps_run", "latent_frames"),
    *("height_paper", "width_paper", "num_frames_paper", "steps_paper"),
)
WAN = ("wan2.1-t2v-1.3b", "wan2.1-t2v-14b")


def as_published(source: Path, target: Path, drop: tuple[str, ...] = (), **claimed: str) -> Path:
    """The real CSV without the columns that tell what ran; `claimed` replaces a column."""
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name not in (*TRUTH, *drop)]
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**row, **claimed} for row in rows)
    return target


def of_kind(found: Audit, kind: str) -> list[Flag]:
    return [flag for flag in found.flags if flag.kind == kind]


@pytest.fixture(scope="module")
def cross_model(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    target = tmp_path_factory.mktemp("paper") / "cross_model.csv"
    return audit(as_published(root / "data/paper/cross_model.csv", target))


def test_no_column_of_the_truth_is_read(cross_model: Audit) -> None:
    assert not any(name.startswith("ran.") for name in cross_model.mapping)
    assert of_kind(cross_model, "labels") == []


def test_ltx_draws_1179_w_by_table_4(cross_model: Audit, root: Path, tmp_path: Path) -> None:
    (flag,) = of_kind(cross_model, "stages")
    assert flag.evidence["power_w"] == pytest.approx(1179, abs=1)
    assert flag.evidence["power_over_whole_w"] == pytest.approx(639.5, abs=1)
    assert len(flag.lines) == 49
    assert "generate alone" in flag.what
    source = as_published(root / "data/paper/cross_model.csv", tmp_path / "rows.csv")
    mapped = audit(source, ["latency_s=latency_as_in_paper_table4_s"])
    (above,) = of_kind(mapped, "power-above-limit")
    assert above.lines == flag.lines
    assert above.evidence["power_w"] == pytest.approx(1179, abs=1)
    (sums,) = of_kind(mapped, "stages")
    assert sums.suggestion == "use the sum of the stages"
    assert sums.evidence["stages_s"] == pytest.approx(17.8, abs=0.1)


def test_table_4_as_printed(root: Path, tmp_path: Path) -> None:
    printed = json.loads((root / "data/paper/published.json").read_text("utf-8"))
    path = tmp_path / "table4.csv"
    names = ("model", "latency_s", "gpu_wh", "cpu_wh", "ram_wh")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(printed["table4_cross_model"])
    (flag,) = of_kind(audit(path, gpu="h100-sxm"), "power-above-limit")
    assert flag.evidence["power_w"] == pytest.approx(3.16 * 3600 / 9.7)
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert [rows[line - 2]["model"] for line in flag.lines] == ["LTX-Video-0.9.7-dev"]


@pytest.mark.parametrize("model", WAN)
def test_the_true_size_and_steps_of_wan_are_ranked_first(cross_model: Audit, model: str) -> None:
    (flag,) = [f for f in of_kind(cross_model, "settings") if f.evidence["model"] == model]
    first = flag.causes[0]
    ran = {name: first.settings.get(name) for name in ("height_px", "width_px", "steps")}
    assert ran == {"height_px": 720, "width_px": 1280, "steps": 50}
    assert first.measured_s / first.predicted_s == pytest.approx(1.0, abs=0.06)
    assert first.log_odds > 3  # 20 times as likely as the labels
    assert len(flag.lines) == {"wan2.1-t2v-1.3b": 49, "wan2.1-t2v-14b": 41}[model]


def test_only_wan_is_mislabelled(cross_model: Audit) -> None:
    assert {flag.evidence["model"] for flag in of_kind(cross_model, "settings")} == set(WAN)


def test_the_ram_is_a_constant(cross_model: Audit, root: Path, tmp_path: Path) -> None:
    (flag,) = of_kind(cross_model, "constant")
    assert flag.what.startswith("RAM")
    assert flag.evidence["power_w"] == pytest.approx(38.0, abs=0.01)
    assert flag.evidence["window_longer_s"] == pytest.approx(0.102, abs=0.01)
    for name in ("resolution", "frames", "steps"):
        path = as_published(root / f"data/paper/wan_{name}.csv", tmp_path / f"{name}.csv")
        (flag,) = of_kind(audit(path), "constant")
        assert flag.evidence["power_w"] == pytest.approx(38.0, abs=0.05), name


@pytest.mark.parametrize(("claimed", "asked"), [("81", 81), ("50", 50)])
def test_the_frames_of_the_steps_sweep(
    claimed: str, asked: int, root: Path, tmp_path: Path
) -> None:
    source = root / "data/paper/wan_steps.csv"
    found = audit(as_published(source, tmp_path / "steps.csv", num_frames=claimed))
    flags = of_kind(found, "settings")
    if asked == 50:  # runs as 49: the labels are what the script asked for
        assert flags == []
        return
    (flag,) = flags
    assert flag.causes[0].settings == {"frames": 49.0}
    assert len(flag.lines) == 200


def test_the_frames_sweep_has_three_clock_states(root: Path, tmp_path: Path) -> None:
    found = audit(as_published(root / "data/paper/wan_frames.csv", tmp_path / "frames.csv"))
    states = of_kind(found, "states")
    asked = [[line - 1 for line in flag.lines] for flag in states]  # frames 1 to 100 in order
    assert sorted(asked) == [[32, 36, 40, 44], [48, 52, 56, 60]]
    powers = sorted(flag.evidence["power_w"] for flag in states)
    assert powers == pytest.approx([634.5, 689.5], abs=1)
    assert states[0].evidence["usual_power_w"] == pytest.approx(667.6, abs=1)  # the rest
    assert all(
        (f.evidence["time_over_expected"] < 1) is (f.evidence["power_w"] > 680) for f in states
    )


def test_the_frames_sweep_is_a_staircase(root: Path) -> None:
    (flag,) = of_kind(audit(root / "data/paper/wan_frames.csv"), "staircase")
    assert (flag.evidence["labels"], flag.evidence["distinct"]) == (100, 26)
    assert math.log(1 + flag.evidence["spread_inside"]) < 0.01


def test_the_files_own_columns_contradict_its_labels(root: Path) -> None:
    flags = of_kind(audit(root / "data/paper/cross_model.csv"), "labels")
    assert {flag.lines[0]: len(flag.lines) for flag in flags} == {247: 90, 149: 49}
