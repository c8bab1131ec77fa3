"""`budget` against brute force, against `predict`, and on what it says where nothing fits."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kinowatt
from kinowatt.analysis.budget import Answer, Budget, budget
from kinowatt.analysis.budget_ask import read_ask
from kinowatt.analysis.budget_front import POINTS
from kinowatt.analysis.budget_ladder import frame_counts, sizes, step_range
from kinowatt.analysis.budget_nearest import GPU_MEMORY
from kinowatt.analysis.budget_pick import front
from kinowatt.analysis.budget_setting import Setting
from kinowatt.errors import InputError

TRACED = [name for name, spec in kinowatt.models().items() if spec.form != "paper"]
FEW = ("wan2.1-t2v-1.3b", "ltx-video-0.9.7-dev", "animatediff-lightning")  # in the gate
ASK = {"max_latency_s": 60, "max_energy_wh": 10, "min_height_px": "480p", "min_video_s": 5}


def again(
    setting: Setting, steps: int | None = None, profile: str | None = None
) -> kinowatt.Prediction:
    """What `predict` says of a setting."""
    return kinowatt.predict(
        setting.model,
        setting.gpu,
        profile=profile,
        recipe=setting.recipe,
        height_px=setting.height_px,
        width_px=setting.width_px,
        frames=setting.frames,
        steps=steps or setting.steps,
        tiling=setting.tiling,
        offload=setting.offload,
    )


def every_setting(found: Budget) -> Iterator[Setting]:
    for answer in found.answers:
        yield from (pick.setting for pick in answer.picks.values())
        yield from (item.setting for item in answer.nearest)
        yield from answer.front.settings


@pytest.fixture(scope="module")
def asked() -> Budget:
    return budget(gpus="l40s", **ASK)


def test_the_question_of_the_manual(asked: Budget) -> None:
    fitting = [answer.model for answer in asked.answers if answer.fits]
    assert fitting == ["ltx-video-0.9.7-dev", "cogvideox-2b"]
    final = asked.answers[1].picks["final"].setting
    assert (final.short_px, final.frames, final.steps) == (480, 40, 39)
    assert asked.answers[1].picks["final"].gives_up == ("6.12 → 5 s", "50 → 39 steps")
    assert len(asked.answers) == len(TRACED)


def test_every_number_is_what_predict_says(asked: Budget) -> None:
    for setting in every_setting(asked):
        one = again(setting)
        assert setting.latency_s == pytest.approx(one.latency_s, rel=1e-9), setting
        assert setting.energy_wh_gpu == pytest.approx(one.energy_wh["gpu"], rel=1e-9)
        assert setting.peak_memory_gib == pytest.approx(one.peak_memory_gib, rel=1e-12)
        assert setting.video_s == pytest.approx(one.workload["video_s"])
        assert one.workload["effective"]["frames"] == setting.frames  # nothing is rounded
        low, high = one.intervals["latency_s"]["95"]
        assert setting.intervals["latency_s"]["95"] == pytest.approx((low, high))


def test_picks_keep_to_everything_and_one_step_more_would_not(asked: Budget) -> None:
    for answer in asked.answers:
        for name, pick in answer.picks.items():
            setting = pick.setting
            assert setting.short_px >= 480
            assert setting.video_s >= 5
            assert setting.latency_s <= 60
            assert setting.energy_wh_gpu <= 10
            assert setting.peak_memory_gib <= kinowatt.gpu("l40s").memory_gib
            if name == "final" and setting.share_of_card["steps"] < 1:
                assert again(setting, setting.steps + 1).latency_s > 60


@pytest.mark.parametrize("model", TRACED)
def test_steps_are_affine_also_in_tiles(model: str) -> None:
    for gpu, limit in (("h100-sxm", 12), ("l40s", 50)):
        found = budget(model, gpu, max_memory_gib=limit, offload="model")
        for setting in itertools.islice(every_setting(found), 0, None, 9):
            assert setting.latency_s == pytest.approx(again(setting).latency_s, rel=1e-9)


def brute(model: str, gpu: str, limits: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Every rung, frame count and step count that fits, one prediction array per tiling."""
    spec, ask = kinowatt.model(model), read_ask(limits)
    card = spec.preset("default")
    recipe = spec.recipe(None, card)
    least, floor, most = step_range(spec, ask)
    assert least <= floor
    grid = [
        (size.height_px, size.width_px, frames)
        for size in sizes(spec, recipe, ask)
        for frames in frame_counts(spec, recipe, ask)
        if size.short_px >= ask.number("min_height_px", 0)
        and frames / card.fps >= ask.number("min_video_s", 0)
    ]
    height, width, frames = np.array(grid, float).T[:, :, None]
    steps = np.arange(floor, most + 1)
    memory = min(kinowatt.gpu(gpu).memory_gib, ask.number("max_memory_gib", 1e9))
    runs = [
        kinowatt.predict_many(
            model, gpu, height_px=height, width_px=width, frames=frames, steps=steps, tiling=tiling
        )
        for tiling in ([True] if card.tiling else [False, True])
    ]
    found = []
    for i, (h, w, f) in enumerate(grid):
        fitting = [run for run in runs if run["peak_memory_gib"][i, 0] <= memory]
        for run in fitting[:1]:  # in tiles only where it does not fit otherwise
            for j, s in enumerate(steps):
                seconds, wh = run["latency_s"][i, j], run["energy_wh_gpu"][i, j]
                if ask.number("max_latency_s", 1e9) >= seconds and (
                    ask.number("max_energy_wh", 1e9) >= wh
                ):
                    shares = (
                        h * w / card.height_px / card.width_px, f / card.frames, s / card.steps,
                    )  # fmt: skip
                    found.append((h, w, f, int(s), seconds, wh, shares))
    return found


def nearest_card(points: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    def order(point: tuple[Any, ...]) -> tuple[Any, ...]:
        shares = [round(min(share, 1), 9) for share in sorted(point[6])]
        return (*(-share for share in shares), point[4])

    return min(points, key=order)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    model=st.sampled_from(["wan2.1-t2v-1.3b", "cogvideox-5b", "ltx-video-0.9.7-dev", "mochi"]),
    gpu=st.sampled_from(["h100-sxm", "l40s", "rtx-4090"]),
    latency_s=st.floats(3, 600),
    energy_wh=st.floats(0.3, 60),
    height=st.sampled_from([240, 320, 480, 600]),
    seconds=st.sampled_from([1.0, 2.0, 3.7]),
)
def test_final_and_largest_are_those_of_brute_force(
    model: str, gpu: str, latency_s: float, energy_wh: float, height: int, seconds: float
) -> None:
    limits = {
        "max_latency_s": latency_s,
        "max_energy_wh": energy_wh,
        "min_height_px": height,
        "max_height_px": height + 100,
        "min_video_s": seconds,
        "max_video_s": seconds + 1.5,
    }
    (answer,) = budget(model, gpu, **limits).answers
    points = brute(answer.model, gpu, limits)
    assert answer.fits == bool(points)
    if not points:
        return
    final, best = answer.picks["final"].setting, nearest_card(points)
    assert (final.height_px, final.width_px, final.frames, final.steps) == best[:4]
    larger = [p for p in points if all(a >= b - 1e-12 for a, b in zip(p[6], best[6], strict=True))]
    largest = answer.picks["largest"].setting
    assert largest.pixel_frames == max(p[0] * p[1] * p[2] for p in larger)
    for point in points:  # nothing of the front is beaten in every respect
        for setting in answer.front.settings[::3]:
            assert not (
                point[4] < setting.latency_s - 1e-9
                and point[5] < setting.energy_wh_gpu - 1e-9
                and point[0] * point[1] * point[2] >= setting.pixel_frames
                and point[2] >= setting.frames
                and point[3] >= setting.steps
            )


def test_nothing_of_another_model_beats_the_joint_front_either() -> None:
    limits = {
        "max_latency_s": 45.0, "min_height_px": 320, "max_height_px": 420, "min_video_s": 2.0,
        "max_video_s": 3.5,
    }  # fmt: skip
    names = ["wan2.1-t2v-1.3b", "cogvideox-2b", "ltx-video-0.9.7-dev"]
    found = budget(names, "l40s", **limits)
    assert len({setting.model for setting in found.front.settings}) > 1
    for name in names:
        fps = kinowatt.model(name).preset("default").fps
        for height, width, frames, _, seconds, wh, shares in brute(name, "l40s", limits):
            for setting in found.front.settings[::3]:
                assert not (
                    seconds < setting.latency_s - 1e-9
                    and wh < setting.energy_wh_gpu - 1e-9
                    and height * width * frames >= setting.pixel_frames
                    and frames / fps >= setting.video_s
                    and shares[2] >= setting.share_of_card["steps"]
                )


def test_quicker_presets(asked: Budget) -> None:
    (answer,) = budget("wan-1.3b").answers
    final, balanced, draft = (answer.picks[name] for name in ("final", "balanced", "draft"))
    card = kinowatt.model("wan-1.3b").preset("default")
    assert (final.setting.height_px, final.setting.width_px) == (card.height_px, card.width_px)
    assert (final.setting.frames, final.setting.steps) == (card.frames, card.steps)
    assert final.gives_up == ()
    assert 0.4 < balanced.time_factor <= 0.5
    assert 0.1 < draft.time_factor <= 0.125
    assert min(draft.setting.share_of_card.values()) >= 0.25
    assert answer.picks["largest"].setting.beyond_card
    assert not balanced.setting.beyond_card


def test_a_distilled_model_keeps_its_steps() -> None:
    (answer,) = budget("animatediff", max_latency_s=3).answers
    assert {pick.setting.steps for pick in answer.picks.values()} == {4}
    (answer,) = budget("animatediff", min_steps=8).answers
    assert not answer.fits
    assert [dict(item.changes) for item in answer.nearest] == [{"min_steps": (8, 4)}]


@pytest.mark.parametrize(
    "model", [m if m in FEW else pytest.param(m, marks=pytest.mark.torture) for m in TRACED]
)
@pytest.mark.parametrize(
    "limits",
    [
        ASK,
        {"max_latency_s": 2, "min_video_s": 3},
        {"max_energy_wh": 0.2, "min_steps": 20, "min_height_px": 720},
        {"max_memory_gib": 15, "min_height_px": 480},
        {"max_cost_usd": 0.001, "price": 2.0, "min_height_px": 400},
        {"max_co2e_g": 0.05, "grid": "FRA", "pue": 1.3, "embodied": True, "min_video_s": 2},
    ],
)
def test_what_would_have_to_give_works(model: str, limits: dict[str, Any]) -> None:
    (answer,) = budget(model, "l40s", **limits).answers
    assert answer.fits != bool(answer.nearest)
    for item in answer.nearest:
        if GPU_MEMORY in item.changes:
            assert item.changes[GPU_MEMORY][1] > kinowatt.gpu("l40s").memory_gib
            continue
        needed = {name: value for name, (_, value) in item.changes.items()}
        (eased,) = budget(model, "l40s", **{**limits, **needed}).answers
        assert eased.fits, needed
        assert eased.picks["final"].setting.latency_s <= item.setting.latency_s * 1.5
        for name, (was, now) in item.changes.items():
            if name != "offload":
                tighter = now * (0.98 if name.startswith("max") else 1.05)  # past the rounding
                if name in ("min_steps", "min_height_px"):
                    tighter = now + (1 if name == "min_steps" else 33)  # rungs are up to 32 apart
                if len(item.changes) == 1 and min(was, now) < tighter < max(was, now):
                    (still,) = budget(model, "l40s", **{**limits, name: tighter}).answers
                    assert not still.fits, (name, tighter)


@pytest.mark.parametrize(
    ("model", "most", "why"),
    [("mochi", 1, "takes no fewer than 2"), ("animatediff", 3, "was distilled for 4")],
)
def test_fewer_steps_than_the_pipeline_takes_are_refused(model: str, most: int, why: str) -> None:
    with pytest.raises(InputError, match=f"max_steps {most}: .* {why}"):
        budget(model, max_steps=most)
    problems = [answer.problem for answer in budget([model, "wan-1.3b"], max_steps=most).answers]
    assert [why in (problem or "") for problem in problems].count(True) == 1


@pytest.mark.parametrize("model", TRACED)
def test_without_limits_final_is_the_model_card(model: str) -> None:
    card = kinowatt.model(model).preset("default")
    (answer,) = budget(model, "h200-sxm").answers
    final = answer.picks["final"].setting
    assert (final.height_px, final.width_px) == (card.height_px, card.width_px)
    assert (final.frames, final.steps) == (card.frames, card.steps)
    assert answer.picks["final"].gives_up == ()


def test_confidence_keeps_the_upper_end() -> None:
    by = {}
    for level in (50, 80, 95):
        (answer,) = budget("wan-1.3b", "l40s", max_latency_s=300, confidence=level).answers
        by[level] = answer.picks["final"].setting
    assert by[50].latency_s <= 300
    assert by[50].intervals["latency_s"]["80"][1] > 300
    for level in (80, 95):
        assert by[level].intervals["latency_s"][str(level)][1] <= 300
    assert by[95].latency_s < by[80].latency_s < by[50].latency_s


def test_aspect_ratios_are_on_the_ladder_of_the_pipeline() -> None:
    for model, (text, ratio) in itertools.product(
        TRACED, {"16:9": 16 / 9, "9:16": 9 / 16, "4:3": 4 / 3, "1:1": 1.0}.items()
    ):
        spec, ask = kinowatt.model(model), read_ask({"aspect": text})
        rungs = sizes(spec, spec.recipe(None), ask)
        assert len(rungs) > 15
        for size in rungs:
            assert size.height_px % spec.rules.size_multiple == 0
            assert size.width_px % spec.rules.size_multiple == 0
            assert abs(size.width_px / size.height_px / ratio - 1) <= 0.04
        assert [size.short_px for size in rungs] == sorted({size.short_px for size in rungs})
    spec = kinowatt.model("wan-1.3b")
    wide = {size.short_px: size for size in sizes(spec, spec.recipe(None), read_ask({}))}
    assert wide[480].width_px == 832
    tall = sizes(spec, spec.recipe(None), read_ask({"aspect": "9:16"}))
    assert (832, 480) in [(size.height_px, size.width_px) for size in tall]


def test_frame_counts_are_those_that_the_pipeline_generates() -> None:
    def counts(model: str, **limits: Any) -> list[int]:
        spec = kinowatt.model(model)
        return frame_counts(spec, spec.recipe(None), read_ask(limits))

    assert counts("cogvideox-2b", max_video_s=4) == [8, 9, 16, 17, 24, 25, 32]
    assert counts("mochi", min_video_s=2.5)[:3] == [19, 25, 31]  # from the card's on
    assert 81 in counts("wan-1.3b")
    assert all(count % 4 == 1 for count in counts("wan-1.3b"))
    assert counts("animatediff")[-1] == 32
    assert counts("ltx", min_video_s=20)[-1] == 481


@pytest.mark.parametrize("columns", [3, 6])  # few are left, and more than are held against at once
def test_front_is_what_is_left_of_all_pairs(columns: int) -> None:
    generator = np.random.default_rng(5)
    points = generator.integers(0, 12, (300, columns)).astype(float)
    dominated = [
        any((other <= point).all() and (other < point).any() for other in points)
        for point in points
    ]
    kept = {tuple(points[i]) for i in front(points)}
    assert kept == {tuple(p) for p, worse in zip(points, dominated, strict=True) if not worse}


def test_the_front_is_spread_and_counted() -> None:
    found = budget(["wan-1.3b", "ltx"], max_latency_s=120)
    assert found.front.size > len(found.front.settings) > 10
    assert len(found.front.settings) <= POINTS
    seconds = [setting.latency_s for setting in found.front.settings]
    assert seconds == sorted(seconds)
    assert {setting.model for setting in found.front.settings} == {
        "wan2.1-t2v-1.3b",
        "ltx-video-0.9.7-dev",
    }


SCORES = [
    {"model": "wan-1.3b", "height": 480, "width": 832, "frames": 81, "steps": 50, "score": 83},
    {"model": "wan-1.3b", "height": 480, "width": 832, "frames": 81, "steps": 25, "score": 82},
    {"model": "wan-1.3b", "height": 320, "width": 560, "frames": 81, "steps": 25, "score": 70},
    {"model": "wan-1.3b", "height": 320, "width": 560, "frames": 81, "steps": 50, "score": 69},
    {"model": "wan-1.3b", "height": 320, "width": 560, "frames": 81, "steps": 8, "score": 30},
]


def test_scores_join_the_front() -> None:
    found = budget(
        ["wan-1.3b", "mochi"], max_latency_s=90, scores=SCORES, profile="paper-corrected"
    )
    assert [(s.steps, s.score) for s in found.front.settings] == [
        (8, 30),
        (25, 70),
        (50, 69),  # more steps of the card's: not beaten, though its score is lower
        (25, 82),
    ]
    wan = next(answer for answer in found.answers if answer.model == "wan2.1-t2v-1.3b")
    assert wan.picks["best_scored"].setting.score == 82
    assert wan.picks["best_scored"].setting.latency_s == pytest.approx(
        again(wan.picks["best_scored"].setting, profile="paper-corrected").latency_s
    )
    mochi = next(answer for answer in found.answers if answer.model == "mochi-1-preview")
    assert "best_scored" not in mochi.picks
    assert all(setting.score is None for setting in mochi.front.settings)


def test_several_gpus_have_their_own_prices() -> None:
    found = budget(
        "wan-1.3b", ["h100", "l40s"], max_cost_usd=0.05, price={"h100-sxm": 3, "l40s": 1}
    )
    for answer in found.answers:
        setting = answer.picks["final"].setting
        usd = {"h100-sxm": 3, "l40s": 1}[setting.gpu]
        assert setting.cost_usd == pytest.approx(setting.latency_s / 3600 * usd)
        assert setting.cost_usd <= 0.05


def test_a_gpu_that_cannot_run_a_model_says_so() -> None:
    found = budget(gpus="tpu-v6e")
    problems = {answer.model: answer.problem for answer in found.answers}
    assert "float32" in str(problems["wan2.1-t2v-14b"])
    assert problems["cogvideox-5b"] is None
    with pytest.raises(InputError, match="float32"):
        budget("wan-14b", "tpu-v6e")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"max_latency": 3}, "did you mean 'max_latency_s'"),
        ({"max_latency_s": 0}, "max_latency_s must be above 0"),
        ({"max_latency_s": True}, "finite number"),
        ({"max_energy_wh": float("nan")}, "finite number"),
        ({"min_height_px": "tall"}, "like 480p"),
        ({"min_steps": 2.5}, "whole number"),
        ({"min_height_px": 720, "max_height_px": 480}, "above max_height_px 480"),
        ({"aspect": "2:1"}, "unknown aspect"),
        ({"confidence": 90}, "one of 50, 80, 95"),
        ({"offload": "disk"}, "unknown offload"),
        ({"tiling": "on"}, "tiling must be True or False"),
        ({"max_cost_usd": 1}, "published once, not defaults"),
        ({"max_co2e_g": 1}, "needs grid"),
        ({"models": "wan2.1-t2v-1.3b-as-published"}, "nearest: wan2.1-t2v-1.3b"),
        ({"models": "nothing"}, "unknown model"),
        ({"gpus": []}, "at least one"),
        ({"gpus": ["h100", "l40s"], "price": {"l40s": 1.0}}, "price of h100-sxm is missing"),
        ({"scores": "nothere.csv"}, "nothere.csv"),
        ({"scores": []}, "there is no row"),
        ({"scores": [SCORES[0], SCORES[0]]}, r"scores\[1\]: this setting"),
        ({"scores": [{**SCORES[0], "height": 481}]}, "multiple of 16"),
        ({"scores": [{**SCORES[0], "score": "good"}]}, "score must be a finite number"),
        ({"scores": [{"model": "wan-1.3b"}]}, "needs model, height"),
    ],
)
def test_bad_input_is_one_line(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        budget(**asked)
    assert "\n" not in str(raised.value)


def test_json_is_plain(asked: Budget) -> None:
    import json

    data = json.loads(json.dumps(asked.to_dict(), allow_nan=False))
    assert data["asked"]["limits_kept_by"].startswith("the predicted value")
    assert data["quality"].startswith("Quality is not scored")
    assert {answer["model"] for answer in data["answers"]} == set(TRACED)


def test_models_are_ordered_by_what_they_keep_of_their_card() -> None:
    def worst(answer: Answer) -> float:
        return min(1.0, *answer.picks["final"].setting.share_of_card.values())

    found = budget(max_latency_s=40)
    shares = [worst(answer) for answer in found.answers if answer.fits]
    assert shares == sorted(shares, reverse=True)
    assert len(shares) > 3
