"""Somebody else's pipeline: seen by stage, left as it was, and clear about misuse."""

import json
import threading
from typing import Any

import pytest

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


def test_the_model_card_block_says_what_it_is() -> None:
    built = twin("cogvideox-2b")
    with watch(built.pipe) as seen:
        built.generate(request_of(built))
    card = seen.report().model_card()
    assert card.startswith("### Time and energy of one generation")
    assert "1 call of `CogVideoXPipeline`" in card
    assert "| denoiser |" in card
    assert "GPU energy: not given" in card


def test_prometheus_reads_the_metrics() -> None:
    from prometheus_client.parser import text_string_to_metric_families

    built = twin("cogvideox-2b")
    with watch(built.pipe) as seen:
        built.generate(request_of(built))
    report = seen.report()
    found = {f.name: f for f in text_string_to_metric_families(report.metrics())}
    seconds = {s.labels["stage"]: s.value for s in found["kinowatt_stage_duration_seconds"].samples}
    assert seconds["denoiser"] == pytest.approx(report.stages["denoiser"]["latency_s"])
    duration = {s.name: s.value for s in found["kinowatt_video_duration_seconds"].samples}
    assert duration["kinowatt_video_duration_seconds_count"] == 1


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


@pytest.mark.parametrize("wrong", [None, [], "wan2.1-t2v-1.3b"])
def test_only_pipelines_are_watched(wrong: Any) -> None:
    with pytest.raises(InputError, match="takes diffusers pipelines"):
        watch(wrong)


def test_a_report_before_the_block_is_one_line() -> None:
    with pytest.raises(KinowattError, match="nothing is watched yet"):
        watch(twin("wan2.1-t2v-1.3b").pipe).report()
