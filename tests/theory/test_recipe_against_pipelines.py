"""Recipes against the real pipelines: which calls they make, of what batch and size."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from kinowatt.errors import InputError  # noqa: E402
from kinowatt.facts.models import model  # noqa: E402
from kinowatt.theory.recipe import plan  # noqa: E402
from kinowatt.theory.workload import make_workload  # noqa: E402

CASES = [
    ("wan2.1-t2v-1.3b", {"frames": 12, "steps": 2, "guidance_scale": 5.0}),
    ("wan2.1-t2v-1.3b", {"frames": 5, "steps": 3, "guidance_scale": 1.0, "batch_size": 2}),
    ("cogvideox-2b", {"frames": 13, "steps": 2, "guidance_scale": 6.0}),
    ("cogvideox-2b", {"frames": 9, "steps": 3, "guidance_scale": 1.0, "batch_size": 2}),
    ("ltx-video-0.9.7-dev", {"frames": 12, "steps": 2, "guidance_scale": 3.0}),
    ("ltx-video-0.9.7-dev", {"frames": 9, "steps": 1, "guidance_scale": 3.0, "batch_size": 2}),
    ("mochi-1-preview", {"frames": 8, "steps": 2, "guidance_scale": 4.5}),
    ("mochi-1-preview", {"frames": 13, "steps": 3, "guidance_scale": 1.0, "batch_size": 2}),
    ("animatediff-lightning", {"frames": 18, "steps": 2, "guidance_scale": 1.0}),
    ("animatediff-lightning", {"frames": 4, "steps": 2, "guidance_scale": 7.5}),
    ("animatediff-lightning", {"frames": 9, "steps": 1, "guidance_scale": 3.0, "batch_size": 2}),
]


@pytest.mark.parametrize(("name", "asked"), CASES)
def test_calls_of_the_running_pipeline(name: str, asked: dict) -> None:
    from twins import TWINS, watch

    pipe = TWINS[name]()
    calls = watch(pipe)
    size = 64
    prompts = ["a cat"] * int(asked.get("batch_size", 1))
    with torch.no_grad():
        output = pipe(
            prompt=prompts,
            negative_prompt=[""] * len(prompts) if asked["guidance_scale"] > 1 else None,
            height=size,
            width=size,
            num_frames=asked["frames"],
            num_inference_steps=asked["steps"],
            guidance_scale=asked["guidance_scale"],
            output_type="np",
        ).frames
    spec = model(name)
    workload = make_workload(spec, height_px=size, width_px=size, **asked)
    found = plan(spec, workload, spec.recipe("single"), tiling=False)
    for stage, seen in calls.items():
        passes = [item for item in found.passes if item.stage == stage and item.calls]
        assert len(seen) == sum(item.calls for item in passes), stage
        batches = [item.symbols["b"] for item in passes for _ in range(int(item.calls))]
        assert [call["b"] for call in seen] == batches, stage
    assert {call["l"] for call in calls["text_encoder"]} == {spec.max_sequence_length}
    assert len(output[0]) == found.effective.frames
    denoise = next(item for item in found.passes if item.stage == "denoiser").symbols
    decode = next(item for item in found.passes if item.stage == "vae_decoder").symbols
    shape = calls["denoiser"][0]["shape"]
    if name == "ltx-video-0.9.7-dev":  # LTX takes tokens, the others a latent grid
        assert shape[1] == found.effective.tokens
    else:
        assert denoise["f"] in shape
        assert shape[-2:] == (denoise["h"], denoise["w"])
    assert calls["vae_decoder"][0]["shape"][-2:] == (decode["h"], decode["w"])


def test_the_cascade_of_ltx() -> None:
    """Generate, upsample, refine 4 of 10 steps, as the model card's snippet and the paper do."""
    from twins import twin, watch

    name, size, frames, steps = "ltx-video-0.9.7-dev", {"height": 96, "width": 160}, 12, 3
    built = twin(name)
    pipe, upsample = built.pipe, built.extra["latent_upsampler"]
    calls, upsampled = watch(pipe), []
    upsample.latent_upsampler.register_forward_pre_hook(
        lambda _, args, kwargs: upsampled.append((args or tuple(kwargs.values()))[0].shape),
        with_kwargs=True,
    )
    spec = model(name)
    workload = make_workload(
        spec, height_px=size["height"], width_px=size["width"], frames=frames, steps=steps
    )
    found = plan(spec, workload, spec.recipe("card"), tiling=False)
    by_name = {item.name: item.symbols for item in found.passes}
    first, second = (
        {"height": int(32 * by_name[step]["h"]), "width": int(32 * by_name[step]["w"])}
        for step in ("generate", "refine")
    )
    asked = {"prompt": "a cat", "negative_prompt": "", "num_frames": frames}
    with torch.no_grad():
        latents = pipe(
            **asked, **first, num_inference_steps=steps, guidance_scale=3.0, output_type="latent"
        ).frames
        latents = upsample(latents=latents, **first, output_type="latent").frames
        video = pipe(
            **asked,
            **second,
            latents=latents,
            denoise_strength=0.4,
            num_inference_steps=10,
            guidance_scale=3.0,
            output_type="np",
        ).frames
    tokens = [call["shape"][:2] for call in calls["denoiser"]]
    expected = {
        step: (by_name[step]["b"], by_name[step]["f"] * by_name[step]["h"] * by_name[step]["w"])
        for step in ("generate", "refine")
    }
    assert tokens == [expected["generate"]] * steps + [expected["refine"]] * 4
    assert len(tokens) == found.effective.forward_passes
    encodes = next(item for item in found.passes if item.stage == "text_encoder")
    assert len(calls["text_encoder"]) == encodes.calls == 4
    assert [tuple(shape) for shape in upsampled] == [
        (1, 8, *(by_name["upsample"][axis] for axis in "fhw"))
    ]
    assert len(calls["vae_decoder"]) == 1
    effective = found.effective
    assert video.shape[1:4] == (effective.frames, effective.height_px, effective.width_px)
    assert (effective.height_px, effective.width_px) == (128, 192)


def test_a_batch_in_the_cascade_fails_as_noted() -> None:
    """When this stops failing, `max_batch` of the recipe can go."""
    from twins import TWINS

    pipe = TWINS["ltx-video-0.9.7-dev"]()
    pipe.set_progress_bar_config(disable=True)
    asked = {"prompt": ["a cat"] * 2, "negative_prompt": [""] * 2, "height": 128, "width": 128}
    with pytest.raises(RuntimeError, match="must match the size"), torch.no_grad():
        pipe(
            **asked,
            num_frames=9,
            latents=torch.zeros(2, 8, 2, 4, 4),
            denoise_strength=0.4,
            num_inference_steps=10,
        )


def test_the_prompt_tokens_that_mochi_sees() -> None:
    """Each sequence of a guided batch attends to its own: the symbol is their mean."""
    from twins import TWINS, watch

    pipe = TWINS["mochi-1-preview"]()
    calls = watch(pipe)
    with torch.no_grad():
        pipe(
            prompt="a cat walks",
            height=64,
            width=64,
            num_frames=7,
            num_inference_steps=2,
            output_type="latent",
        )
    prompt = 4  # three words and the end token
    assert [sorted(call["valid"]) for call in calls["denoiser"]] == [[1, prompt]] * 2
    spec = model("mochi-1-preview")
    workload = make_workload(
        spec, height_px=64, width_px=64, frames=7, steps=2, prompt_tokens=prompt
    )
    found = plan(spec, workload, spec.recipe(None), tiling=False)
    denoise = next(item for item in found.passes if item.stage == "denoiser")
    assert denoise.symbols["v"] == (1 + prompt) / 2


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("mochi-1-preview", {"num_inference_steps": 1}),
        ("cogvideox-2b", {"num_inference_steps": 1001}),
        ("animatediff-lightning", {"num_frames": 33}),
        ("wan2.1-t2v-1.3b", {"num_frames": 4097, "height": 16, "width": 16}),
        ("cogvideox-2b", {"height": 72}),
        ("mochi-1-preview", {"height": 72}),
        ("ltx-video-0.9.7-dev", {"height": 48}),
    ],
)
def test_the_pipeline_fails_where_we_refuse(name: str, asked: dict) -> None:
    from twins import TWINS

    pipe = TWINS[name]()
    pipe.set_progress_bar_config(disable=True)
    small = {"height": 64, "width": 64, "num_frames": 7, "num_inference_steps": 1}
    settings = {"prompt": "a cat", "guidance_scale": 1.0, "output_type": "latent", **small, **asked}
    with pytest.raises((RuntimeError, ValueError, ZeroDivisionError)), torch.no_grad():
        pipe(**settings)
    names = {"num_frames": "frames", "num_inference_steps": "steps", "height": "height_px"}
    with pytest.raises(InputError):
        make_workload(model(name), **{names[k]: v for k, v in asked.items() if k in names})
