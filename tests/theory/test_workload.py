import math

import numpy as np
import pytest

from kinowatt.errors import InputError
from kinowatt.facts.models import model
from kinowatt.theory.recipe import plan
from kinowatt.theory.workload import make_workload


def effective(name: str, preset: str = "default", **asked: float):
    spec = model(name)
    workload = make_workload(spec, preset, **asked)
    chosen = spec.preset(preset)
    return plan(spec, workload, spec.recipe(None, chosen), chosen.tiling)


@pytest.mark.parametrize(
    ("name", "asked", "runs", "latents"),
    [
        ("wan2.1-t2v-1.3b", 12, 13, 4),
        ("wan2.1-t2v-1.3b", 8, 9, 3),
        ("wan2.1-t2v-1.3b", 81, 81, 21),
        ("cogvideox-2b", 5, 8, 2),
        ("cogvideox-2b", 13, 16, 4),
        ("cogvideox-2b", 10, 9, 3),
        ("ltx", 12, 9, 2),
        ("mochi", 84, 79, 14),
        ("animatediff", 7, 7, 7),
    ],
)
def test_frames_that_run(name: str, asked: int, runs: int, latents: int) -> None:
    found = effective(name, frames=asked)
    assert (found.effective.frames, found.effective.latent_frames) == (runs, latents)
    codes = [code for code, _ in found.notes]
    assert ("frames_rounded" in codes) == (asked != runs)


@pytest.mark.parametrize(
    ("name", "passes", "sequences", "tokens"),
    [
        ("wan2.1-t2v-1.3b", 100, 1, 32760),
        ("cogvideox-2b", 50, 2, 17550),
        ("mochi", 64, 2, 6360),
        ("animatediff", 4, 1, 65536),
        ("ltx", 34, 2, 8960),
    ],
)
def test_passes(name: str, passes: int, sequences: int, tokens: int) -> None:
    found = effective(name).effective
    assert found.forward_passes == passes
    assert found.sequences_per_pass == sequences
    assert found.tokens == tokens


def test_guidance_of_one_is_none() -> None:
    assert effective("wan2.1-t2v-1.3b", guidance_scale=1.0).effective.forward_passes == 50
    assert effective("cogvideox-5b", guidance_scale=1.0).effective.sequences_per_pass == 1


def test_ltx_cascade_as_the_paper_ran_it() -> None:
    found = effective("ltx", "paper")
    by_name = {item.name: item for item in found.passes}
    assert found.recipe == "paper"
    assert (by_name["generate"].symbols["h"], by_name["generate"].symbols["w"]) == (10, 14)
    assert (by_name["refine"].symbols["h"], by_name["refine"].symbols["w"]) == (20, 28)
    assert (by_name["generate"].calls, by_name["refine"].calls) == (30, 4)
    assert by_name["encode"].calls == 4
    assert (found.effective.height_px, found.effective.width_px) == (640, 896)


def test_animatediff_decodes_sixteen_frames_at_a_time() -> None:
    found = {item.name: item for item in effective("animatediff", frames=24).passes}
    assert (found["decode"].calls, found["decode"].symbols["b"]) == (1, 16)
    assert (found["decode_rest"].calls, found["decode_rest"].symbols["b"]) == (1, 8)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"height_px": 481}, "multiple of 16 for wan2.1-t2v-1.3b, not 481; nearest: 480"),
        ({"height_px": 0}, "from 1 to 16384, not 0; nearest: 1"),
        ({"steps": -3}, "steps must be from 1"),
        ({"frames": 1.5}, "whole number, not 1.5; nearest: 2"),
        ({"frames": math.nan}, "finite number"),
        ({"width_px": math.inf}, "finite number"),
        ({"steps": 10**9}, "nearest: 100000"),
        ({"steps": "ten"}, "must be a number, not 'ten'"),
        ({"steps": True}, "must be a number, not True"),
        ({"guidance_scale": -1}, "from 0"),
        ({"hight": 1}, "unknown setting 'hight'"),
    ],
)
def test_refuses_in_one_line(asked: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        make_workload(model("wan2.1-t2v-1.3b"), **asked)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_the_pipeline_checks_and_what_it_needs() -> None:
    with pytest.raises(InputError, match="checks only 8 and then fails"):
        make_workload(model("cogvideox-2b"), height_px=24)
    with pytest.raises(InputError, match="at most 32"):
        make_workload(model("animatediff"), frames=33)


@pytest.mark.parametrize(
    ("name", "asked", "message"),
    [
        ("mochi", {"steps": 1}, "steps must be at least 2 for mochi-1-preview, not 1; nearest: 2"),
        ("cogvideox-5b", {"steps": 1001}, "steps must be at most 1000 for cogvideox-5b, not 1001"),
        ("wan2.1-t2v-14b", {"frames": 4096}, "frames must be at most 4095 for wan2.1-t2v-14b"),
        ("ltx", {"height_px": 32}, "height_px must be at least 64 for recipe card of ltx-video"),
    ],
)
def test_refuses_what_the_pipeline_cannot_run(name: str, asked: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        effective(name, **asked)
    assert message in str(caught.value)


def test_what_is_just_within_the_limits_runs() -> None:
    assert effective("mochi", steps=2).effective.forward_passes == 2
    assert effective("cogvideox-5b", steps=1000).effective.forward_passes == 1000
    assert effective("wan2.1-t2v-1.3b", frames=4095).effective.latent_frames == 1024
    small = effective("ltx", height_px=64, width_px=64)
    assert small.effective.tokens == 16 * 2 * 2
    assert "size_differs" not in [code for code, _ in small.notes]


def test_arrays_name_the_first_offender() -> None:
    spec = model("wan2.1-t2v-1.3b")
    with pytest.raises(InputError, match=r"height_px\[1\] must be .*, not 100; nearest"):
        make_workload(spec, height_px=np.array([480, 100, 7]))
    with pytest.raises(InputError, match=r"frames\[1,0\] must be a finite"):
        make_workload(spec, frames=np.array([[5.0, 9.0], [np.nan, 1.0]]))
    with pytest.raises(InputError, match="array of numbers"):
        make_workload(spec, steps=np.array(["a"]))
    with pytest.raises(InputError, match="whole"):
        make_workload(spec, steps=np.array([1.0, 2.5]))


def test_long_prompts_are_cut_and_said_so() -> None:
    found = effective("mochi", prompt_tokens=300)
    assert ("prompt_truncated", "300 prompt tokens are cut to 256") in found.notes
    denoise = next(item for item in found.passes if item.stage == "denoiser")
    assert denoise.symbols["v"] == (256 + 1) / 2  # the empty negative prompt has one token


def test_a_batch_that_the_cascade_cannot_refine_is_said_so() -> None:
    assert "batch_fails" in [code for code, _ in effective("ltx", batch_size=2).notes]
    spec = model("ltx")
    single = plan(spec, make_workload(spec, batch_size=2), spec.recipe("single"), tiling=False)
    assert "batch_fails" not in [code for code, _ in single.notes]
