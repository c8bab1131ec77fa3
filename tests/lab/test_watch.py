"""Somebody else's pipeline: seen by stage, left as it was, and clear about misuse."""

import asyncio
import copy
import inspect
import json
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler

from kinowatt.errors import InputError, KinowattError
from kinowatt.lab.watch import watch
from twins import request_of, traces_of, twin


def image_pipeline() -> Any:
    """A tiny Stable Diffusion: not a video pipeline, and not one of ours."""
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )

    video = twin("animatediff-lightning").pipe
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 8),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        norm_num_groups=2,
        cross_attention_dim=32,
        attention_head_dim=4,
    )
    assert isinstance(video.vae, AutoencoderKL)
    found = StableDiffusionPipeline(
        vae=video.vae,
        text_encoder=video.text_encoder,
        tokenizer=video.tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    found.set_progress_bar_config(disable=True)
    return found


def test_a_video_pipeline_by_stage() -> None:
    built = twin("wan2.1-t2v-1.3b")
    built.generate(request_of(built))
    before = traces_of(built.pipe)
    with watch(built.pipe) as seen:
        assert isinstance(built.pipe, before[0])
        assert type(built.pipe).__name__ == "WanPipeline"
        built.generate(request_of(built))
        built.generate(request_of(built))
    assert traces_of(built.pipe) == before
    report = seen.report()
    assert report.calls == 2
    assert report.latency_s == pytest.approx(sum(report.calls_s) / 2)
    stages = {name: stage["latency_s"] for name, stage in report.stages.items()}
    assert sum(stages.values()) == pytest.approx(report.latency_s, rel=1e-6)
    assert report.stages["denoiser"]["calls"] == 4
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["provenance"] == {"kind": "measured"}
    for scope in ("gpu", "cpu", "ram"):
        assert (data["energy_wh"][scope] is None) == (scope in data["energy_null"])


def test_an_image_pipeline_too() -> None:
    pipe = image_pipeline()
    with watch(pipe) as seen:
        pipe("a cat", height=64, width=64, num_inference_steps=3)
    report = seen.report()
    assert report.pipeline == "StableDiffusionPipeline"
    assert report.stages["denoiser"]["calls"] == 3
    assert {"text_encoder", "vae_decoder", "other"} <= set(report.stages)


def test_nested_watches_of_one_pipeline_are_refused() -> None:
    built = twin("wan2.1-t2v-1.3b")
    with watch(built.pipe), pytest.raises(KinowattError, match="watched already"):
        watch(built.pipe).__enter__()
    with watch(built.pipe) as again:
        built.generate(request_of(built))
    assert again.report().calls == 1


def test_two_pipelines_at_once_are_told_apart() -> None:
    first, second = twin("wan2.1-t2v-1.3b"), twin("cogvideox-2b")
    with watch(first.pipe) as one, watch(second.pipe) as other:
        first.generate(request_of(first))
        second.generate(request_of(second))
    assert (one.report().pipeline, other.report().pipeline) == ("WanPipeline", "CogVideoXPipeline")
    assert (one.report().calls, other.report().calls) == (1, 1)


def test_concurrent_calls_of_one_pipeline_are_refused() -> None:
    built = twin("wan2.1-t2v-1.3b")
    inside, go_on = threading.Event(), threading.Event()
    built.pipe.transformer.register_forward_pre_hook(lambda *_: (inside.set(), go_on.wait(30))[:0])
    with watch(built.pipe) as seen:
        worker = threading.Thread(target=built.generate, args=(request_of(built),))
        worker.start()
        assert inside.wait(30)
        with pytest.raises(KinowattError, match="another thread"):
            built.generate(request_of(built))
        go_on.set()
        worker.join()
    assert seen.report().calls == 1


def test_an_error_in_the_block_leaves_nothing() -> None:
    built = twin("wan2.1-t2v-1.3b")
    built.generate(request_of(built))
    before = traces_of(built.pipe)
    with pytest.raises(RuntimeError, match="mine"), watch(built.pipe):
        raise RuntimeError("mine")
    assert traces_of(built.pipe) == before


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_call_that_is_broken_off_is_not_counted(error: type[BaseException]) -> None:
    built = twin("wan2.1-t2v-1.3b")
    built.generate(request_of(built))
    before = traces_of(built.pipe)

    def stop(*_: Any) -> None:
        raise error("enough")

    def use() -> None:
        built.generate(request_of(built))
        built.pipe(**SMALL, callback_on_step_end=stop)

    with pytest.raises(error, match="enough"), watch(built.pipe) as seen:
        use()
    assert traces_of(built.pipe) == before
    report = seen.report()
    assert report.calls == 1
    assert {"denoiser", "vae_decoder"} <= report.stages.keys()


SMALL = {"prompt": "a", "height": 32, "width": 32, "num_frames": 5, "num_inference_steps": 2}


def test_a_block_without_a_call() -> None:
    with watch(twin("wan2.1-t2v-1.3b").pipe) as seen:
        pass
    report = seen.report()
    assert (report.calls, report.latency_s, report.stages) == (0, None, {})
    assert set(report.energy_null.values()) == {"no call was made"}
    assert report.model_card() == "No call was made.\n"


def test_it_is_used_once() -> None:
    built = twin("wan2.1-t2v-1.3b")
    with watch(built.pipe) as seen:
        built.generate(request_of(built))
    with pytest.raises(KinowattError, match="a watch is used once"):
        seen.__enter__()
    assert seen.report().calls == 1


def test_parts_that_two_pipelines_share_are_watched_together_or_not_at_all() -> None:
    """Each watch would take off the other's hooks."""
    pipe = image_pipeline()
    before = traces_of(pipe)
    other = type(pipe)(**pipe.components, requires_safety_checker=False)
    with watch(pipe), pytest.raises(KinowattError, match=r"watch\(a, b\)") as caught:
        watch(other).__enter__()
    assert "of this StableDiffusionPipeline is watched already" in str(caught.value)
    with watch(pipe, other) as seen:
        pipe("a cat", height=64, width=64, num_inference_steps=2)
        other("a cat", height=64, width=64, num_inference_steps=3)
    report = seen.report()
    assert report.calls == 2
    assert report.stages["denoiser"]["calls"] == 2.5
    assert traces_of(pipe)[:2] == before[:2]


def test_the_same_pipeline_twice_is_one() -> None:
    built = twin("wan2.1-t2v-1.3b")
    with watch(built.pipe, built.pipe) as seen:
        built.generate(request_of(built))
    assert (seen.report().calls, seen.report().pipeline) == (1, "WanPipeline")


@pytest.mark.parametrize("take", [copy.deepcopy, copy.copy, pickle.dumps])
def test_a_watched_pipeline_is_not_copied(take: Callable[[Any], Any]) -> None:
    """A copy would keep the hooks for good."""
    pipe = twin("wan2.1-t2v-1.3b").pipe
    with watch(pipe), pytest.raises(KinowattError, match="neither copied nor pickled"):
        take(pipe)
    assert type(copy.copy(pipe)) is type(pipe)


def test_a_pipeline_that_moves_is_told_at_once() -> None:
    pipe = image_pipeline()
    with watch(pipe):
        pipe.to("meta")
        with pytest.raises(KinowattError, match="moved from cpu to meta"):
            pipe("a cat", height=64, width=64, num_inference_steps=2)


def test_what_it_answers_is_what_it_answers_unwatched() -> None:
    """Arguments, generators, callbacks and results pass through."""
    pipe = image_pipeline()
    steps: list[int] = []

    def heard(_: Any, step: int, __: Any, kept: dict[str, Any]) -> dict[str, Any]:
        steps.append(step)
        return kept

    def images(**more: Any) -> Any:
        asked = {"height": 64, "width": 64, "num_inference_steps": 3, "output_type": "np"}
        generator = torch.Generator().manual_seed(1)
        return pipe(["a cat", "a dog"], generator=generator, **asked, **more).images

    expected = images()
    signature = inspect.signature(pipe.__call__)
    with watch(pipe) as seen:
        assert inspect.signature(pipe.__call__) == signature
        found = images(callback_on_step_end=heard)
    assert (found == expected).all()
    assert found.shape[0] == 2
    assert steps == [0, 1, 2]
    assert seen.report().calls == 1


@pytest.mark.parametrize("ancestral", [True, False])
def test_what_is_drawn_at_each_step_is_drawn_from_the_same_generator(ancestral: bool) -> None:
    """diffusers looks at the signature of `step` to decide what to give it."""
    pipe = image_pipeline()
    if ancestral:
        pipe.scheduler = EulerAncestralDiscreteScheduler()

    def images() -> Any:
        asked = {"height": 64, "width": 64, "num_inference_steps": 3, "output_type": "np"}
        return pipe("a cat", generator=torch.Generator().manual_seed(1), eta=1.0, **asked).images

    expected = images()
    with watch(pipe):
        assert (images() == expected).all()


def test_a_subclass_with_a_call_of_its_own() -> None:
    """What it calls inside belongs to its own call."""
    pipe = image_pipeline()

    class Twice(type(pipe)):  # type: ignore[misc]
        def __call__(self, *given: Any, **more: Any) -> list[Any]:
            return [super(Twice, self).__call__(*given, **more) for _ in range(2)]

    twice = Twice(**pipe.components, requires_safety_checker=False)
    with watch(twice) as seen:
        assert len(twice("a cat", height=64, width=64, num_inference_steps=2)) == 2
    report = seen.report()
    assert (report.pipeline, report.calls, report.stages["denoiser"]["calls"]) == ("Twice", 1, 4)


def test_two_denoisers_are_one_stage() -> None:
    """As in Wan 2.2: the first for the noisy steps, the second for the rest."""
    one, two = twin("wan2.1-t2v-1.3b").pipe, twin("wan2.1-t2v-1.3b").pipe
    pipe = type(one)(**{**one.components, "transformer_2": two.transformer}, boundary_ratio=0.5)
    pipe.set_progress_bar_config(disable=True)
    with watch(pipe) as seen:
        pipe(**(SMALL | {"num_inference_steps": 4}))
    report = seen.report()
    assert report.stages["denoiser"]["calls"] == 8
    assert sum(s["latency_s"] for s in report.stages.values()) == pytest.approx(report.latency_s)


def test_a_denoiser_that_was_compiled() -> None:
    pipe = image_pipeline()
    pipe.unet = torch.compile(pipe.unet, backend="eager", fullgraph=True)
    with watch(pipe) as seen:
        pipe("a cat", height=64, width=64, num_inference_steps=3)
    assert seen.report().stages["denoiser"]["calls"] == 3


def test_parts_that_are_offloaded_between_their_calls() -> None:
    """The hooks of accelerate stay, and go where they would go."""
    pipe = image_pipeline()
    pipe.enable_model_cpu_offload(device="cpu")
    with watch(pipe) as seen:
        pipe("a cat", height=64, width=64, num_inference_steps=3)
    assert seen.report().stages["denoiser"]["calls"] == 3
    assert seen.report().stages["vae_decoder"]["calls"] == 1
    pipe.remove_all_hooks()
    pipe("a cat", height=64, width=64, num_inference_steps=2)


def test_calls_from_other_threads_one_after_the_other_are_counted() -> None:
    built = twin("wan2.1-t2v-1.3b")

    async def calls() -> None:
        for _ in range(2):
            await asyncio.to_thread(built.generate, request_of(built))

    with watch(built.pipe) as seen:
        asyncio.run(calls())
    assert seen.report().calls == 2


@pytest.mark.parametrize("wrong", [None, [], "wan2.1-t2v-1.3b"])
def test_only_pipelines_are_watched(wrong: Any) -> None:
    with pytest.raises(InputError, match="takes diffusers pipelines"):
        watch(wrong)


def test_a_report_before_the_block_is_one_line() -> None:
    with pytest.raises(KinowattError, match="nothing is watched yet"):
        watch(twin("wan2.1-t2v-1.3b").pipe).report()
