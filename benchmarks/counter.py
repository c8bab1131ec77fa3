"""The other way to learn a workload's FLOPs: run the real modules on `meta` and count."""

import time
from collections.abc import Iterator
from typing import Any

from benchmarks.row import Row

import kinowatt
from kinowatt.facts.components import component

MODEL = "wan2.1-t2v-1.3b"
SETTINGS = {"height_px": 480, "width_px": 832, "frames": 81, "steps": 50, "prompt_tokens": 40}
FORWARDS, FRAMES, TEXT = 100, 21, 512


def counted(module: Any, *inputs: Any, **more: Any) -> int:
    """FLOPs of one forward (or decode) on `meta`, by PyTorch's own counter."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    call = getattr(module, "decode", module)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call(*inputs, **more)
    return int(counter.get_total_flops())


def by_counting() -> int:
    """FLOPs of text encoder, denoiser and decoder; one forward stands for all."""
    import torch
    from diffusers import AutoencoderKLWan, WanTransformer3DModel
    from transformers import UMT5Config, UMT5EncoderModel

    with torch.device("meta"):
        encoder = UMT5EncoderModel(UMT5Config(**component("umt5-xxl").config))
        denoiser = WanTransformer3DModel(**component("wan2.1-t2v-1.3b-denoiser").config)
        decoder = AutoencoderKLWan(**component("wan2.1-vae").config)
        ids = torch.zeros(1, TEXT, dtype=torch.long)
        latents = torch.zeros(1, 16, FRAMES, 60, 104)
        text, step = torch.zeros(1, TEXT, 4096), torch.zeros(1, dtype=torch.long)
        forward = counted(denoiser, latents, step, text)
        return 2 * counted(encoder, ids) + FORWARDS * forward + counted(decoder, latents)


def predicted() -> float:
    return float(kinowatt.predict(MODEL, **SETTINGS).flops["total"])


def timed(function: Any) -> tuple[float, float]:
    start = time.perf_counter()
    value = function()
    return time.perf_counter() - start, float(value)


def rows() -> Iterator[Row]:
    by_counting()
    slow, counted_flops = timed(by_counting)
    quick, flops = timed(predicted)
    yield Row(name="FlopCounterMode on meta, warm", value=slow, unit="s")
    yield Row(name="kinowatt.predict, warm, same workload", value=quick, unit="s")
    yield Row(name="  counting in predictions", value=slow / quick, unit="x")
    difference = 100 * abs(flops / counted_flops - 1)
    yield Row(name="  difference of the FLOPs", value=difference, unit="%", most=1.0)
