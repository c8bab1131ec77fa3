"""The whole prediction: golden rows, properties, and the paper to the letter."""

import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinowatt import Prediction, predict, predict_many
from kinowatt.errors import InputError
from kinowatt.facts.models import models
from kinowatt.theory import paper
from kinowatt.theory.predict import STAGES

MODELS = [name for name, spec in models().items() if spec.form == "traced"]

# PFLOP at the paper's settings: shared by the real modules, closed forms and the tables
GOLDEN_PFLOP = {
    "animatediff-lightning": 0.111,
    "cogvideox-2b": 12.45,
    "cogvideox-5b": 33.67,
    "ltx-video-0.9.7-dev": 5.60,
    "mochi-1-preview": 69.4,
    "wan2.1-t2v-1.3b": 125.6,
    "wan2.1-t2v-14b": 653.0,
}


@pytest.mark.parametrize(("name", "pflop"), GOLDEN_PFLOP.items())
def test_totals_at_the_papers_settings(name: str, pflop: float) -> None:
    found = predict(name, preset="paper").flops
    assert found["total"] == pytest.approx(pflop * 1e15, rel=4e-3)
    assert sum(v for k, v in found.items() if k != "total") == pytest.approx(found["total"])


def test_the_paper_to_the_letter() -> None:
    found = predict("wan2.1-t2v-1.3b-as-published", profile="h100-sxm/paper")
    assert found.latency_s == pytest.approx(paper.latency_s(720, 1280, 81, 50), rel=1e-12)
    assert found.energy_wh["gpu"] == pytest.approx(paper.energy_wh(720, 1280, 81, 50), rel=1e-12)
    assert found.power_w == pytest.approx(700)
    assert found.peak_memory_gib is None
    assert all(row["bytes"] is None for row in found.operators.values())


def test_the_corrected_profile_where_the_paper_measured() -> None:
    found = predict("wan2.1-t2v-1.3b", preset="paper", profile="paper-corrected")
    assert found.latency_s == pytest.approx(410.04, rel=0.03)
    assert found.energy_wh["gpu"] == pytest.approx(78.81, rel=0.03)
    low, high = found.intervals["latency_s"]["95"]
    assert low < 397.9 < high
    assert low < 417.3 < high


@pytest.mark.parametrize("name", MODELS)
def test_shape_of_the_answer(name: str) -> None:
    about = {"preset": "paper", "profile": "paper-corrected", "grid": "FRA", "price": 2.0}
    found = predict(name, **about).to_dict()
    assert set(found["stages"]) >= {"text_encoder", "denoiser", "vae_decoder", "other"}
    assert math.isclose(
        sum(stage["latency_s"] for stage in found["stages"].values()), found["latency_s"]
    )
    assert math.isclose(
        sum(stage["energy_wh"] for stage in found["stages"].values()), found["energy_wh"]["gpu"]
    )
    denoiser = found["stages"]["denoiser"]
    first = next(item for item in found["passes"] if item["stage"] == "denoiser")
    assert denoiser["forward_s"] == pytest.approx(first["latency_s"] / first["calls"])
    assert found["energy_wh"]["cpu"] is None
    assert found["energy_wh"]["ram"] is None
    assert found["provenance"]["kind"] == "predicted"
    assert found["co2e_g"] == pytest.approx(found["energy_wh"]["gpu"] * 0.056, rel=0.01)
    assert found["cost_usd"] == pytest.approx(found["latency_s"] / 1800)
    for low, high in found["intervals"]["latency_s"].values():
        assert low <= found["latency_s"] <= high
    assert any("2025 stack" in w["message"] for w in found["warnings"])
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("name", [*MODELS, "wan2.1-t2v-1.3b-as-published"])
def test_round_trips_are_exact(name: str) -> None:
    found = predict(name)
    assert Prediction.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert pickle.loads(pickle.dumps(found)) == found


def test_money_and_emissions_only_when_asked() -> None:
    found = predict("wan-1.3b")
    assert found.co2e_g is None
    assert found.cost_usd is None
    base = predict("wan-1.3b", intensity=100).co2e_g
    assert predict("wan-1.3b", intensity=100, pue=1.5).co2e_g == pytest.approx(1.5 * base)
    embodied = predict("wan-1.3b", intensity=100, embodied=True)
    assert embodied.co2e_g > base
    assert embodied.options["co2e_scope"].startswith("GPU energy + embodied share of an H100")


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=12, deadline=None)
@given(steps=st.integers(2, 200), factor=st.integers(2, 5))
def test_linear_in_steps(name: str, steps: int, factor: int) -> None:
    recipe = {"recipe": "single"}
    denoiser = [
        predict(name, steps=s, **recipe).stages["denoiser"] for s in (steps, steps * factor)
    ]
    assert denoiser[1]["latency_s"] == pytest.approx(factor * denoiser[0]["latency_s"])
    assert denoiser[1]["energy_wh"] == pytest.approx(factor * denoiser[0]["energy_wh"])


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(2, 60), columns=st.integers(2, 60), frames=st.integers(1, 120))
def test_never_below_the_roofline_and_monotone(rows: int, columns: int, frames: int) -> None:
    size = {"height_px": 16 * rows, "width_px": 16 * columns}
    found = predict("wan-1.3b", frames=frames, **size)
    assert found.latency_s >= found.flops["total"] / 989.4e12
    bigger = predict("wan-1.3b", frames=frames + 4, **size)
    assert bigger.latency_s > found.latency_s
    assert bigger.peak_memory_gib >= found.peak_memory_gib
    assert 120 < found.power_w <= 700


def test_attention_is_quadratic_in_tokens() -> None:
    one = predict("wan-1.3b", frames=41).flops["self_attention"]
    two = predict("wan-1.3b", frames=85).flops["self_attention"]  # 11 and 22 latent frames
    linear = 2 * 8 * 1536**2 / (4 * 1536)  # where the linear part would equal it
    tokens = 11 * 60 * 104 // 4
    assert two / one == pytest.approx(4 * (tokens + linear / 2) / (tokens + linear), rel=0.2)
    assert two / one > 3


def test_many_equals_one() -> None:
    rng = np.random.default_rng(1)
    for name in MODELS:
        step = models()[name].rules.size_multiple
        asked = {
            "height_px": rng.integers(4, 30, 9) * step,
            "width_px": rng.integers(4, 30, 9) * step,
            "frames": rng.integers(1, 32, 9),
            "steps": rng.integers(1, 60, 9),
        }
        many = predict_many(name, preset="paper", **asked)
        for i in range(9):
            one = predict(name, preset="paper", **{k: int(v[i]) for k, v in asked.items()})
            assert many["latency_s"][i] == pytest.approx(one.latency_s, rel=1e-9)
            assert many["energy_wh_gpu"][i] == pytest.approx(one.energy_wh["gpu"], rel=1e-9)
            assert many["peak_memory_gib"][i] == pytest.approx(one.peak_memory_gib, rel=1e-9)
            assert many["flops"][i] == pytest.approx(one.flops["total"], rel=1e-9)
            low, high = one.intervals["latency_s"]["95"]
            assert many["latency_s_95_low"][i] == pytest.approx(low)
            assert many["latency_s_95_high"][i] == pytest.approx(high)


def test_a_grid_is_answered_from_its_axes() -> None:
    frames, steps = np.array([17, 33, 81])[:, None], np.arange(1, 6)[None, :]
    grid = predict_many("wan-1.3b", frames=frames, steps=steps)
    assert grid["latency_s"].shape == (3, 5)
    one = predict("wan-1.3b", frames=33, steps=4)
    assert grid["latency_s"][1, 3] == pytest.approx(one.latency_s, rel=1e-9)
    assert grid["peak_memory_gib"][1, 3] == pytest.approx(one.peak_memory_gib)


def test_many_refuses_in_one_line() -> None:
    with pytest.raises(InputError, match="do not broadcast"):
        predict_many("wan-1.3b", frames=np.arange(1, 4), steps=np.arange(1, 5))
    with pytest.raises(InputError, match="multiple of 16"):
        predict_many("wan-1.3b", height_px=np.array([480, 481]))
    with pytest.raises(InputError, match="must be numbers"):
        predict_many("wan-1.3b", steps=np.array(["x"]))
    with pytest.raises(InputError, match="predict_many arrays"):
        predict("wan-1.3b", steps=np.array([1, 2]))


def test_recipes() -> None:
    card, single = predict("ltx"), predict("ltx", recipe="single")
    assert card.workload["effective"]["height_px"] == 640
    assert "latent_upsampler" in card.stages
    assert single.workload["effective"]["height_px"] == 512
    with pytest.raises(InputError, match="unknown recipe"):
        predict("wan-1.3b", recipe="card")


def test_out_of_memory_is_said_with_a_way_out() -> None:
    found = predict("mochi", gpu="a100", frames=163)
    warning = next(w for w in found.warnings if w["code"] == "out_of_memory")
    assert "tiling on" in warning["message"]
    assert not found.memory["fits"]


def test_tiling_costs_work_and_saves_memory() -> None:
    whole = predict("mochi", frames=85, tiling=False)
    tiled = predict("mochi", frames=85, tiling=True)
    assert tiled.flops["vae_decoder"] / whole.flops["vae_decoder"] == pytest.approx(1.65, abs=0.03)
    assert (
        tiled.stages["vae_decoder"]["peak_memory_gib"]
        < whole.stages["vae_decoder"]["peak_memory_gib"]
    )
    assert tiled.stages["vae_decoder"]["calls"] > 10 * whole.stages["vae_decoder"]["calls"]


def test_offload_keeps_one_component_resident() -> None:
    found = predict("wan-14b", offload="model")
    weights = found.memory["weights_gib"]
    assert found.stages["denoiser"]["peak_memory_gib"] < sum(weights.values())


def test_offload_takes_the_host_time_stage_by_stage() -> None:
    """Weights go up before their component runs, after the ones before came down."""
    plain, moved = predict("wan-14b"), predict("wan-14b", offload="model")
    more = {
        name: moved.stages[name]["latency_s"] - plain.stages[name]["latency_s"] for name in STAGES
    }
    up, down = 3.15e9, 1.22e9
    text, denoiser, decoder = (
        gib * 2**30 for gib in (moved.memory["weights_gib"][name] for name in STAGES[:3])
    )
    expected = (
        text / up,
        text / down + denoiser / up,
        denoiser / down + decoder / up,
        decoder / down,
    )
    assert [more[name] for name in STAGES] == pytest.approx(expected)
    assert [moved.stages[name]["moving_s"] for name in STAGES] == pytest.approx(expected)
    assert moved.stages["denoiser"]["forward_s"] == plain.stages["denoiser"]["forward_s"]
    waiting_w = joules(moved, plain) / sum(expected)
    assert waiting_w == pytest.approx(116.2, abs=2.0)  # an H100 that waits
    assert any(w["code"] == "offload_of_one_host" for w in moved.warnings)


def joules(one: Prediction, other: Prediction) -> float:
    return 3600 * ((one.energy_wh["gpu"] or 0.0) - (other.energy_wh["gpu"] or 0.0))


def test_moves_have_a_spread_of_their_own() -> None:
    plain, moved = predict("cogvideox-5b"), predict("cogvideox-5b", offload="model")
    moves_s = moved.latency_s - plain.latency_s
    for level, (least, most) in {"80": (0.5, 2.2), "95": (0.2, 3.0)}.items():
        low, high = plain.intervals["latency_s"][level]
        expected = (low + least * moves_s, high + most * moves_s)
        assert moved.intervals["latency_s"][level] == pytest.approx(expected)


def test_a_published_model_states_no_weights_to_move() -> None:
    found = predict("wan2.1-t2v-1.3b-as-published", offload="model")
    assert any(w["code"] == "offload_not_timed" for w in found.warnings)
