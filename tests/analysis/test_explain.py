"""`explain`: verdicts on our own rows, and whether the true cause is ranked first."""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from kinowatt.analysis.audit.forecasts import Forecaster
from kinowatt.analysis.causes import cause, causes, effects
from kinowatt.analysis.explain import Explanation, explain, explain_row, same_stack
from kinowatt.analysis.predict import predict, scenario
from kinowatt.analysis.regime import device_bound
from kinowatt.errors import InputError
from kinowatt.facts.gpus import gpu
from kinowatt.facts.profiles import profile

WAN = "wan2.1-t2v-1.3b"
MODELS = (WAN, "cogvideox-2b", "cogvideox-5b", "mochi-1-preview", "wan2.1-t2v-14b")
FEW = MODELS[2:4]  # in the gate
NOISE = 0.02


def rank(found: Explanation, kind: str, word: str = "") -> int | None:
    """Place of the first cause of a kind whose words hold `word`, from 1."""
    for place, each in enumerate(found.causes, 1):
        if each.kind == kind and word in each.words:
            return place
    return None


def test_our_own_rows_are_normal(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """55 of 58 when written: what a 95% interval should hold."""
    monkeypatch.setattr("kinowatt.analysis.explain._ranked", lambda about: ())
    rows = [
        json.loads(line)
        for file in sorted((root / "data/measurements").glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    bound = [row for row in rows if device_bound(row["stages"]["denoiser"])]
    verdicts = [explain_row(row).verdict for row in bound]
    assert len(bound) >= 58
    assert verdicts.count("normal") / len(verdicts) >= 0.93


@pytest.fixture
def one_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What rows of one model are held against is predicted once for all of them."""
    forecaster = Forecaster()
    monkeypatch.setattr("kinowatt.analysis.explain.Forecaster", lambda: forecaster)


def synthetic(models: Sequence[str]) -> dict[str, list[int | None]]:
    """Ranks of the true cause, by cause, of predicted rows with 2% noise in time and energy."""
    found: dict[str, list[int | None]] = {}
    for model in models:
        for effect in effects(scenario(model)):
            random = Random(f"{model} {effect.words}")  # of its own: another cause changes no other
            if effect.energy_wh is None or effect.kind == "warm-up":
                continue  # a second more does not show beside a minute
            seconds = effect.latency_s * random.gauss(1, NOISE)
            energy = effect.energy_wh * random.gauss(1, NOISE)
            said = explain(model, latency_s=seconds, energy_wh=energy)
            found.setdefault(effect.kind, []).append(rank(said, effect.kind))
        steps = 2 * predict(model).workload["steps"]
        for kind, changes in (
            ("frames-or-steps", {"steps": steps}),
            ("guidance", {"guidance_scale": 1.0}),
        ):
            random = Random(f"{model} {kind}")
            truth = predict(model, **changes)
            seconds = truth.latency_s * random.gauss(1, NOISE)
            energy = (truth.energy_wh["gpu"] or 0.0) * random.gauss(1, NOISE)
            said = explain(model, latency_s=seconds, energy_wh=energy)
            word = "without guidance" if kind == "guidance" else f"{steps} steps"
            found.setdefault(kind, []).append(rank(said, "settings", word))
    return found


# Least shares in the first place and in the first three, as obtained. Twice the steps costs what
# twice the batch does: those two cannot be told apart, so steps are often behind. The software of
# 2025 was slower for its flash attention above all (docs/experiments/stack.md), and looks like it.
OBTAINED = {
    "attention": (0.8, 1.0),
    "compiled": (1.0, 1.0),
    "float32": (1.0, 1.0),
    "software": (0.5, 1.0),
    "tiling": (0.0, 1.0),
    "throttling": (0.8, 1.0),
    "offload": (0.8, 0.93),
    "frames-or-steps": (0.0, 0.5),
    "guidance": (1.0, 1.0),
}


@pytest.mark.usefixtures("one_memory")
@pytest.mark.parametrize("models", [FEW, pytest.param(MODELS, marks=pytest.mark.torture)], ids=len)
def test_the_true_cause_of_synthetic_rows(models: Sequence[str]) -> None:
    found = synthetic(models)
    assert set(found) == set(OBTAINED)
    for kind, ranks in found.items():
        first = sum(place == 1 for place in ranks) / len(ranks)
        three = sum(place is not None and place <= 3 for place in ranks) / len(ranks)
        print(f"{kind}: first {first:.0%}, in three {three:.0%} of {len(ranks)}")
        assert (first, three) >= OBTAINED[kind], kind
        assert three >= OBTAINED[kind][1], kind


def test_a_first_call_of_a_short_video() -> None:
    expected = predict("animatediff-lightning")
    waited_wh = 120 / 3600  # a second of an idle H100
    energy_wh = (expected.energy_wh["gpu"] or 0.0) + waited_wh
    seconds = expected.latency_s + 1.0
    said = explain("animatediff-lightning", latency_s=seconds, energy_wh=energy_wh)
    assert rank(said, "warm-up") == 1


def test_a_cause_is_registered_once() -> None:
    kinds = {
        "attention",
        "compiled",
        "float32",
        "offload",
        "software",
        "tiling",
        "throttling",
        "warm-up",
    }
    assert set(causes()) == kinds
    with pytest.raises(ValueError, match="twice"):
        cause("tiling")(lambda chosen, believed: iter(()))


def test_offload_moves_all_weights_both_ways_at_the_measured_rates() -> None:
    usual, *others = (each for each in effects(scenario(WAN)) if each.kind == "offload")
    weights = sum(predict(WAN).memory["weights_gib"].values()) * 2**30
    expected_s = weights / 3.15e9 + weights / 1.22e9
    assert usual.latency_s - predict(WAN).latency_s == pytest.approx(expected_s)
    took = [(each.latency_s - predict(WAN).latency_s) / expected_s for each in others]
    assert took == pytest.approx([0.5, 2.2])


def test_weights_that_stayed_are_a_cause_where_offload_is_believed() -> None:
    stayed = predict("cogvideox-5b")
    asked = {"latency_s": stayed.latency_s, "energy_wh": stayed.energy_wh["gpu"]}
    said = explain("cogvideox-5b", offload="model", **asked)
    assert rank(said, "offload", "stayed") == 1


def test_unknown_or_other_software_widens() -> None:
    mine = profile("h100-sxm/torch-2.11", gpu("h100-sxm"))
    software = {"torch": "2.11.0+cu130", "diffusers": "0.42.1"}
    assert same_stack(mine, software) is True
    assert same_stack(mine, {"torch": "2.6.0"}) is False
    assert same_stack(mine, None) is None
    narrow = explain(WAN, latency_s=69, software=software).intervals["latency_s"]["95"]
    wide = explain(WAN, latency_s=69).intervals["latency_s"]["95"]
    assert wide == pytest.approx((narrow[0] / 1.08, narrow[1] * 1.08))


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True])
def test_what_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="latency_s must be"):
        explain(WAN, latency_s=seconds)
