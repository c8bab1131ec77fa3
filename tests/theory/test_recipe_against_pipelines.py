"""Recipes against the real pipelines: which calls they make, of what batch and size."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from kinowatt.facts.models import model  # noqa: E402
from kinowatt.theory.recipe import plan  # noqa: E402
from kinowatt.theory.workload import make_workload  # noqa: E402

CASES = [
    ("wan2.1-t2v-1.3b", {"frames": 12, "steps": 2, "guidance_scale": 5.0}),
    ("wan2.1-t2v-1.3b", {"frames": 5, "steps": 3, "guidance_scale": 1.0, "batch_size": 2}),
    ("cogvideox-2b", {"frames": 13, "steps": 2, "guidance_scale": 6.0}),
    ("cogvideox-2b", {"frames": 9, "steps": 3, "guidance_scale": 1.0, "batch_size": 2}),
    ("ltx-video-0.9.7-dev", {"frames": 12, "steps": 2, "guidance_scale": 3.0}),
    ("mochi-1-preview", {"frames": 8, "steps": 2, "guidance_scale": 4.5}),
    ("animatediff-lightning", {"frames": 18, "steps": 2, "guidance_scale": 1.0}),
    ("animatediff-lightning", {"frames": 4, "steps": 2, "guidance_scale": 7.5}),
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
    tokens = next(item for item in found.passes if item.stage == "denoiser").symbols
    shape = calls["denoiser"][0]["shape"]
    if name != "ltx-video-0.9.7-dev":  # LTX takes tokens, the others a latent grid
        assert tokens["f"] in shape
        assert shape[-2:] == (tokens["h"], tokens["w"])
