"""Learned profiles: what a file must hold, and that a fit, a file and a prediction agree."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kinowatt
from kinowatt.analysis.bench_physics import physics_of_bench
from kinowatt.app.cli import main
from kinowatt.errors import FactsError
from kinowatt.facts.learned import read_learned
from kinowatt.theory.physics import Physics, physics_of, table_of

MODEL = "wan2.1-t2v-1.3b"


@pytest.fixture(scope="module")
def physics(root: Path) -> Physics:
    """Of an H100, from its microbench alone."""
    bench = json.loads((root / "data/microbench/h100-sxm.json").read_text("utf-8"))
    host_s = {"linear": 15e-6, "attention": 25e-6, "other": 11e-6}
    return replace(physics_of_bench(bench), host_s=host_s)


def profile_of(physics: Physics) -> dict[str, Any]:
    whole = {level: [0.8, 1.3] for level in ("80", "95")}
    by_scope = {"latency": whole, "energy": whole}
    return {
        "label": "a test",
        "kind": "learned",
        "stack": "torch of a test",
        "data": "data/microbench/h100-sxm.json",
        "host": {"seconds_per_video": 0.5},
        "spread": {"seen": by_scope, "unseen": by_scope},
        "physics": table_of(physics),
    }


@pytest.fixture
def stored(physics: Physics, user_facts: Path) -> None:
    """A profile where the user's facts are."""
    path = user_facts / "profiles" / "h100-sxm" / "mine.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(profile_of(physics)), "utf-8")


def test_a_file_gives_back_what_was_written(physics: Physics, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(profile_of(physics)), "utf-8")
    assert physics_of(read_learned(path)["physics"]) == physics


@pytest.mark.usefixtures("stored")
def test_a_prediction_by_a_learned_profile() -> None:
    found = kinowatt.predict(MODEL, profile="h100-sxm/mine")
    assert found.profile == "h100-sxm/mine"
    assert 55 < found.latency_s < 75  # measured: 68.6 s
    assert 600 < found.power_w <= 700  # measured: 693 W
    assert found.latency_s == pytest.approx(sum(s["latency_s"] for s in found.stages.values()))
    parts_s = sum(kind["latency_s"] for kind in found.operators.values())
    assert parts_s == pytest.approx(found.latency_s - 0.5, rel=0.01)


@pytest.mark.usefixtures("stored")
def test_what_a_learned_profile_does_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    main(["predict", MODEL, "--profile", "mine", "--explain"])
    shown = capsys.readouterr().out
    assert "the clock of a pass is the greatest at which its operators together keep to" in shown
    assert "linear 15 us" in shown


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("name", [n for n in kinowatt.models() if "published" not in n])
def test_arrays_are_answered_like_numbers(name: str) -> None:
    frames = np.array([9, 17, 25])
    many = kinowatt.predict_many(name, profile="h100-sxm/mine", frames=frames, height_px=512)
    for index, each in enumerate(frames):
        one = kinowatt.predict(name, profile="h100-sxm/mine", frames=int(each), height_px=512)
        assert many["latency_s"][index] == pytest.approx(one.latency_s, rel=1e-9)
        assert many["energy_wh_gpu"][index] == pytest.approx(one.energy_wh["gpu"], rel=1e-9)


def changed(profile: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one value set, or taken out for None."""
    copy: dict[str, Any] = json.loads(json.dumps(profile))
    *way, last = path.split("/")
    inner: Any = copy
    for name in way:
        inner = inner[name]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("physics/laws/linear", None, "physics.laws has no 'linear'"),
        ("physics/laws/linear/start_s", None, "law 'linear': field 'start_s' is missing"),
        ("physics/laws/linear/rate_flops", -1.0, "'rate_flops' must be above 0"),
        ("physics/laws/linear/bandwidth_bytes_per_s", 0.0, "must be above 0"),
        ("physics/laws/linear/anchors", [[1.0]], "an anchor has 2 sizes and an excess"),
        ("physics/power/static_w", 900.0, "static_w must be below limit_w"),
        ("physics/power/clock_share", 1.5, "clock_share must be above 0 and at most 1"),
        ("physics/power/joules", None, "'joules' is missing or no table"),
        ("physics/power/joules/linear", {"1": -1.0}, "joules of 'linear'"),
        ("physics/power/busy_w/other", None, "field 'other' is missing"),
        ("physics/power/byte_j", None, "field 'byte_j' is missing"),
        ("physics/gap_s", None, "field 'gap_s' is missing"),
        ("physics/host_s/other", None, "field 'other' is missing"),
        ("physics/factors", {"linear": 0.0}, "factors: field 'linear' must be above 0"),
        ("physics/laws/linear/start_s", "soon", "'start_s' is 'soon', not a number"),
        ("physics", None, "'physics' is missing"),
    ],
)
def test_a_wrong_file_is_one_line(
    physics: Physics, tmp_path: Path, path: str, value: Any, message: str
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(changed(profile_of(physics), path, value)), "utf-8")
    with pytest.raises(FactsError, match=message) as caught:
        read_learned(file)
    assert str(caught.value).startswith("mine.json: ")
    assert "\n" not in str(caught.value)
