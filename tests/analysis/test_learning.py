"""Learning a profile: factors that made the rows are found again; what may not teach is left out."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kinowatt.analysis.bench_physics import physics_of_bench
from kinowatt.analysis.factors import PRIOR_SIGMA, fit_factors
from kinowatt.analysis.features import STAGES, features
from kinowatt.analysis.learning import learn
from kinowatt.analysis.predict import scenario
from kinowatt.errors import InputError
from kinowatt.facts.operator_tables import operator_table
from kinowatt.theory.physics import PhysicalClock, Physics, physics_of
from kinowatt.theory.predict import estimate

TRUE = {
    "linear": 1.04,
    "attention": 0.97,
    "convolution": 1.1,
    "convolution.tf32": 0.95,
    "norm": 1.2,
    "memory": 1.1,
    "memory.uneven": 1.3,
    "power.compute": 0.95,
    "power.convolution": 1.1,
    "power.memory": 1.1,
    "power.clock": 1.05,
    "gap": 1.5,
}
EFFECTIVE = ("height_px", "width_px", "frames", "tokens", "sequences_per_pass")
MADE = (
    ("wan2.1-t2v-1.3b", {}),
    ("wan2.1-t2v-1.3b", {"frames": 33}),
    ("wan2.1-t2v-14b", {"frames": 17}),
    ("cogvideox-2b", {}),
    ("cogvideox-5b", {"frames": 25}),
    ("mochi-1-preview", {"frames": 31}),
    ("animatediff-lightning", {"frames": 32, "guidance_scale": 7.5}),
    ("ltx-video-0.9.7-dev", {"recipe": "single"}),
)


@pytest.fixture(scope="module")
def bench(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "data/microbench/h100-sxm.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def physics(bench: dict[str, Any]) -> Physics:
    return physics_of_bench(bench)


def row(physics: Physics, bench: dict[str, Any], model: str, asked: dict[str, Any]) -> Any:
    """What a GPU of these physics, with other factors, would have measured."""
    chosen = scenario(model, "h100-sxm", **asked)
    resolved = estimate(chosen, operator_table)
    operators, effective = resolved.operators, resolved.plan.effective
    timer = PhysicalClock(replace(physics, factors=TRUE))
    stages: dict[str, Any] = {"other": {"latency_s": 0.4, "energy_wh": {"gpu": None}}}
    for stage in STAGES:
        time = timer.stage([o for o in operators if o.stage == stage])
        stages[stage] = {"latency_s": time.latency_s, "energy_wh": {"gpu": time.energy_j / 3600}}
    latency_s = sum(stage["latency_s"] for stage in stages.values())
    rest_j = 0.4 * physics.power.static_w
    joules = sum(3600 * (stage["energy_wh"]["gpu"] or 0) for stage in stages.values()) + rest_j
    same = ("gpu_name", "torch", "cudnn", "power_limit_w")
    return {
        "model": model,
        "gpu": "h100-sxm",
        "recipe": asked.get("recipe", chosen.recipe.name),
        "workload": {
            **{
                name: getattr(chosen.workload, name)
                for name in ("height_px", "width_px", "frames", "steps", "guidance_scale", "fps")
            },
            "batch_size": 1,
            "effective": {name: getattr(effective, name) for name in EFFECTIVE},
        },
        "stages": stages,
        "latency_s": latency_s,
        "energy_wh": {"gpu": joules / 3600},
        "conditions": {name: bench["conditions"][name] for name in same}
        | {"compile": "none", "offload": "none", "twin": False, "tiling": chosen.tiling},
    }


@pytest.fixture(scope="module")
def rows(physics: Physics, bench: dict[str, Any]) -> list[Any]:
    return [row(physics, bench, model, asked) for model, asked in MADE]


def test_features_add_up_to_what_the_physics_says(physics: Physics, rows: list[Any]) -> None:
    found = features(rows, physics).stages(physics, TRUE)
    for index, made in enumerate(rows):
        for place, stage in enumerate(STAGES):
            assert found.seconds[index, place] == pytest.approx(made["stages"][stage]["latency_s"])
            wh = made["stages"][stage]["energy_wh"]["gpu"]
            assert found.joules[index, place] == pytest.approx(wh * 3600)
            assert 0.25 <= found.clock[index, place] <= 1


def test_some_rows_are_those_rows_alone(physics: Physics, rows: list[Any]) -> None:
    whole = features(rows, physics)
    some = whole.only([5, 2])
    assert [r["model"] for r in some.rows] == ["mochi-1-preview", "wan2.1-t2v-14b"]
    expected = whole.stages(physics, TRUE).seconds
    found = some.stages(physics, TRUE).seconds
    assert found.tolist() == expected[[5, 2]].tolist()


def test_factors_are_found_again(physics: Physics, rows: list[Any]) -> None:
    found = {factor.name: factor for factor in fit_factors(features(rows, physics), physics)}
    for name, value in TRUE.items():
        if found[name].determined:
            assert found[name].low * 0.97 < value < found[name].high * 1.03, found[name]
    assert sum(found[name].determined for name in TRUE) >= 5
    assert not found["host"].determined  # no row waits for its host
    assert found["host"].value == pytest.approx(1.0, abs=0.05)


def test_one_wild_row_does_not_drag_the_rest(physics: Physics, rows: list[Any]) -> None:
    wild = json.loads(json.dumps(rows[0]))
    wild["stages"]["denoiser"]["latency_s"] *= 1.5
    wild["stages"]["denoiser"]["energy_wh"]["gpu"] *= 1.5
    before = {f.name: f.value for f in fit_factors(features(rows, physics), physics)}
    after = {f.name: f.value for f in fit_factors(features([*rows, wild], physics), physics)}
    for name in ("linear", "attention"):
        assert after[name] == pytest.approx(before[name], abs=PRIOR_SIGMA[name])


def test_a_profile_of_rows_predicts_a_model_left_out(
    bench: dict[str, Any], rows: list[Any]
) -> None:
    others = [made for made in rows if made["model"] != "mochi-1-preview"]
    learned = learn(bench, others)
    assert learned.used == len(others)
    assert "mochi-1-preview" not in learned.profile["seen"]
    mochi = next(made for made in rows if made["model"] == "mochi-1-preview")
    physics = physics_of(learned.profile["physics"])
    chosen = scenario("mochi-1-preview", "h100-sxm", frames=31)
    operators = [o for o in estimate(chosen, operator_table).operators if o.stage == "denoiser"]
    found = PhysicalClock(physics).stage(operators)
    assert found.latency_s == pytest.approx(mochi["stages"]["denoiser"]["latency_s"], rel=0.05)
    low, high = learned.profile["spread"]["unseen"]["latency"]["95"]
    assert 0.7 < low <= 1 <= high < 1.4


def test_a_microbench_alone_says_so(bench: dict[str, Any]) -> None:
    learned = learn(bench)
    assert learned.factors == ()
    assert "no video was measured" in learned.profile["warning"]
    assert learned.profile["fingerprint"]["torch"] == bench["conditions"]["torch"]


OTHER_CONDITIONS = (
    ("torch", "2.5.0", "torch 2.5.0, the microbench has 2.11.0"),
    ("gpu_name", "NVIDIA H200", "gpu_name NVIDIA H200, the microbench has NVIDIA H100"),
    ("compile", "blocks", "compile blocks"),
    ("attention_backend", "math", "attention math"),
    ("twin", True, "twin True"),
)


def test_rows_under_other_conditions_are_left_out_with_the_reason(
    bench: dict[str, Any], rows: list[Any]
) -> None:
    other = [
        rows[0] | {"conditions": rows[0]["conditions"] | {name: value}}
        for name, value, _ in OTHER_CONDITIONS
    ]
    learned = learn(bench, [*other, *rows[1:]])
    assert learned.used == len(rows) - 1
    assert [index for index, _ in learned.left_out] == list(range(len(other)))
    for (_, told), (_, _, reason) in zip(learned.left_out, OTHER_CONDITIONS, strict=True):
        assert reason in told


def test_nothing_is_learned_from_rows_of_other_software_alone(
    bench: dict[str, Any], rows: list[Any]
) -> None:
    other = rows[0] | {"conditions": rows[0]["conditions"] | {"torch": "2.5.0"}}
    with pytest.raises(InputError, match="no row is of the microbench's GPU") as caught:
        learn(bench, [other])
    assert "\n" not in str(caught.value)


def test_a_microbench_of_a_cpu_is_refused(bench: dict[str, Any]) -> None:
    cpu = bench | {"conditions": {"torch": "2.11.0"}}
    with pytest.raises(InputError, match="take it on a GPU"):
        learn(cpu)
