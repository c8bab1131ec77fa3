"""Why today's stack is faster than the paper's at 720p: one forward with parts of other versions."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch

from kinowatt.lab.pipelines import Built, denoiser_of
from taking import stack_parts as parts
from taking.desk import Desk, Pace, Values

SECONDS = 600.0  # what is left
MODEL = "wan2.1-t2v-1.3b"
SIZE = {"height_px": 720, "width_px": 1280, "frames": 81}
# One forward that is not counted, then two: 2.5 s each on an H100
PACE = Pace(window_s=4.7, warm_s=0.0)
PROFILED = ("default", "as in 2025")
TWIN_PACE = Pace(window_s=0.05, warm_s=0.0)
COMPILE_NEEDS_S = 55.0
TOP_KERNELS = 16
Context = Callable[[], AbstractContextManager[None]]


def take(desk: Desk) -> None:
    built = desk.built(MODEL)
    args, kwargs = desk.inputs(built, desk.request(MODEL, **SIZE)).denoiser
    denoiser = denoiser_of(built.pipe)

    def once() -> Any:
        return denoiser(*args, **kwargs)

    for variant, needs_s, context in variants(denoiser, desk.options.device):
        if variant == "decoder":
            _decoders(desk, built, kwargs["hidden_states"])
            continue
        desk.attempt(
            ("stack", MODEL),
            {"variant": variant, "size": SIZE},
            partial(_one, desk, context, once, variant in PROFILED),
            needs_s,
        )
    desk.attempt(
        ("stack", MODEL),
        {"variant": "compiled blocks", "size": SIZE},
        lambda: _compiled(desk, denoiser, once),
        COMPILE_NEEDS_S,
    )


def variants(denoiser: Any, device: str) -> Iterator[tuple[str, float, Context]]:
    """Name, seconds it may take on an H100, and what to run the forward in."""
    flash = "FLASH_ATTENTION"
    paper_kernel = flash if device != "cpu" else None
    yield "default", 12, nullcontext
    yield "flash attention", 11, partial(parts.attention, flash)
    yield "complex128 rotation", 9, partial(parts.complex_rotation, denoiser)
    yield "separate RMSNorm", 9, partial(parts.separate_norms, denoiser)
    yield "strided residual stream", 9, partial(parts.strided_stream, denoiser)
    yield "as in 2025", 16, partial(parts.as_in_2025, denoiser, paper_kernel)
    yield "cudnn attention", 9, partial(parts.attention, "CUDNN_ATTENTION")
    yield "decoder", 0, nullcontext
    yield "norms in bfloat16", 9, partial(parts.norms_as_stored, denoiser)
    yield "bfloat16 rotation", 9, partial(parts.rotation_in, denoiser, torch.bfloat16)
    yield "float64 rotation of pairs", 11, partial(parts.rotation_in, denoiser, torch.float64)
    yield "efficient attention", 20, partial(parts.attention, "EFFICIENT_ATTENTION")
    yield "default again", 9, nullcontext


def _one(desk: Desk, context: Context, once: Callable[[], Any], profiled: bool) -> Values:
    with context():
        found = desk.window(once, TWIN_PACE if desk.options.twin else PACE)
        return found | (_profiled(once, desk.options.device) if profiled else {})


def _profiled(once: Callable[[], Any], device: str) -> Values:
    """The kernels of a forward, or why there are none: its time counts without them."""
    try:
        return {"kernels": kernels(once, device)}
    except Exception as error:  # noqa: BLE001 (a profiler needs rights and libraries of its own)
        return {"kernels": None, "why_no_kernels": f"{type(error).__name__}: {error}"[:400]}


@torch.no_grad()
def kernels(once: Callable[[], Any], device: str) -> list[Values]:
    """Where the device's time goes in one forward: the longest kernels by name."""
    from torch.profiler import ProfilerActivity, profile

    on_gpu = device != "cpu"
    activity = ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU
    with profile(activities=[activity]) as profiled:
        once()
        if on_gpu:
            torch.cuda.synchronize()
    rows = [
        {
            "kernel": event.key[:160],
            "calls": event.count,
            "seconds": (event.self_device_time_total if on_gpu else event.self_cpu_time_total)
            / 1e6,
        }
        for event in profiled.key_averages()
    ]
    ordered = sorted(rows, key=lambda row: -row["seconds"])
    rest = ordered[TOP_KERNELS:]
    return [
        *ordered[:TOP_KERNELS],
        {
            "kernel": "all others",
            "calls": sum(row["calls"] for row in rest),
            "seconds": sum(row["seconds"] for row in rest),
        },
    ]


def _decoders(desk: Desk, built: Built, latents: torch.Tensor) -> None:
    """The decoder in float32, as the paper loads it, and in bfloat16."""
    vae = built.pipe.vae
    own = next(vae.parameters()).dtype
    for dtype, needs_s in ((own, 20.0), (torch.bfloat16, 15.0)):
        vae.to(dtype)
        about = {"variant": f"decoder in {str(dtype).removeprefix('torch.')}", "size": SIZE}
        desk.attempt(
            ("stack", MODEL),
            about,
            partial(_decoded, desk, vae, latents.to(dtype)),
            needs_s,
        )
    vae.to(own)


@torch.no_grad()
def _decoded(desk: Desk, vae: Any, latents: torch.Tensor) -> Values:
    """One decode, after one of the first frames alone (which meet every kernel)."""
    vae.decode(latents[:, :, :3], return_dict=False)
    desk.line.wait()
    start_s = time.perf_counter()
    vae.decode(latents, return_dict=False)
    desk.line.wait()
    stop_s = time.perf_counter()
    return {"decode_s": stop_s - start_s, "shape": list(latents.shape)} | desk.metered(
        start_s, stop_s
    )


def _compiled(desk: Desk, denoiser: Any, once: Callable[[], Any]) -> Values:
    """The last variant of all: what is compiled stays so."""
    denoiser.compile_repeated_blocks()
    start_s = time.perf_counter()
    with torch.no_grad():
        once()
    desk.line.wait()
    first_s = time.perf_counter() - start_s
    found = desk.window(once, TWIN_PACE if desk.options.twin else PACE)
    return found | {"first_call_s": first_s}
