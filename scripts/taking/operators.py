"""What each operator takes inside a forward, by torch's profiler: its calls, shapes and kernels."""

import gzip
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from kinowatt.lab.pipelines import Built, denoiser_of
from kinowatt.units import US_PER_S
from taking.desk import Desk, Pace, Values

SECONDS = 300.0
NEEDS_S = 12.0
PACE = Pace(window_s=1.0, warm_s=0.5)
TWIN_PACE = Pace(window_s=0.05, warm_s=0.0)
Once = Callable[[], object]
# Sizes of which a forward takes a few tenths of a second on an H100
MODELS: tuple[tuple[str, Values], ...] = (
    ("wan2.1-t2v-1.3b", {"height_px": 480, "width_px": 832, "frames": 33}),
    ("cogvideox-2b", {"frames": 25}),
    ("mochi-1-preview", {"frames": 19}),
    ("animatediff-lightning", {"height_px": 768, "width_px": 768}),
    ("ltx-video-0.9.7-dev", {}),
    ("cogvideox-5b", {"frames": 9}),
    ("wan2.1-t2v-14b", {"height_px": 480, "width_px": 832, "frames": 17}),
)
DECODED = ("wan2.1-t2v-1.3b", "cogvideox-2b", "animatediff-lightning", "mochi-1-preview")


def take(desk: Desk) -> None:
    for name, size in desk.wanted(MODELS):
        if desk.left_s() < 2 * NEEDS_S:
            desk.write("operators", {"variant": "denoiser", "size": size, "skipped": "time"}, name)
            continue
        built = desk.built(name)
        for variant, once in _calls(desk, built, name, size):
            about = {"variant": variant, "size": size}
            desk.attempt(("operators", name), about, partial(_one, desk, once), NEEDS_S)
        desk.drop(name)


def _calls(desk: Desk, built: Built, name: str, size: Values) -> Iterator[tuple[str, Once]]:
    """A forward of the denoiser, and a decode of latents as the denoiser got them."""
    args, kwargs = desk.inputs(built, desk.request(name, **size)).denoiser
    denoiser = denoiser_of(built.pipe)
    yield "denoiser", lambda: denoiser(*args, **kwargs)
    if name in DECODED:
        latents = kwargs.get("hidden_states", args[0] if args else None)
        yield "vae_decoder", _decode(built.pipe, latents)


def _decode(pipe: Any, latents: torch.Tensor) -> Once:
    """As the pipeline hands latents over: CogVideoX with frames after channels, Stable Diffusion
    frame by frame, guidance's second half left away."""
    one = latents[:1].to(next(pipe.vae.parameters()).dtype)
    if "CogVideoX" in type(pipe).__name__:
        one = one.transpose(1, 2)
    if "AnimateDiff" in type(pipe).__name__:
        one = one[0].transpose(0, 1)
    return lambda: pipe.vae.decode(one, return_dict=False)


@torch.no_grad()
def _one(desk: Desk, once: Once) -> Values:
    """Seconds without the profiler, then kernels without and with the calls that queued them."""
    found = desk.window(once, TWIN_PACE if desk.options.twin else PACE)
    on_gpu = desk.options.device != "cpu"
    bare = _traced(once, on_gpu, with_calls=not on_gpu)
    told = _traced(once, on_gpu, with_calls=True)
    return found | {"bare": gaps(bare), "calls": by_call(told)}


def _traced(once: Once, on_gpu: bool, with_calls: bool) -> list[Values]:
    """Events of one call, as the profiler writes them."""
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CUDA] if on_gpu else []
    activities += [ProfilerActivity.CPU] if with_calls else []
    with profile(activities=activities, record_shapes=with_calls) as profiled:
        once()
        if on_gpu:
            torch.cuda.synchronize()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json.gz"
        profiled.export_chrome_trace(str(file))
        found: list[Values] = json.loads(gzip.decompress(file.read_bytes()))["traceEvents"]
    return found


def _kernels(events: list[Values]) -> list[Values]:
    """What ran on the device, in the order of its start; nothing on a CPU."""
    kinds = ("kernel", "gpu_memcpy", "gpu_memset")
    found = [event for event in events if event.get("cat") in kinds]
    return sorted(found, key=lambda event: event["ts"])


def gaps(events: list[Values]) -> Values:
    """Seconds of kernels in all, from the first to the last, and of what lies between two."""
    kernels = _kernels(events)
    if not kernels:
        return {"kernels": 0}
    between = sorted(
        max(0.0, b["ts"] - a["ts"] - a["dur"]) / US_PER_S for a, b in pairwise(kernels)
    )
    last = kernels[-1]
    return {
        "kernels": len(kernels),
        "busy_s": sum(event["dur"] for event in kernels) / US_PER_S,
        "span_s": (last["ts"] + last["dur"] - kernels[0]["ts"]) / US_PER_S,
        "between_s": {
            "sum": sum(between),
            "median": between[len(between) // 2] if between else None,
            "90%": between[len(between) * 9 // 10] if between else None,
        },
    }


def by_call(events: list[Values]) -> list[Values]:
    """Calls alike (operator, dtypes and sizes of its operands) with the seconds of their kernels."""
    calls = {
        event["args"]["External id"]: event
        for event in events
        if event.get("cat") == "cpu_op" and "External id" in event.get("args", {})
    }
    queued: dict[int, list[Values]] = defaultdict(list)
    for event in _kernels(events):
        queued[event["args"].get("External id", 0)].append(event)
    found: dict[str, Values] = {}
    for number, kernels in queued.items():
        about = _about(calls.get(number))
        about["kernels"] = [kernel["name"][:60] for kernel in kernels]
        line = found.setdefault(json.dumps(about), about | {"calls": 0, "seconds": 0.0})
        line["calls"] += 1
        line["seconds"] += sum(kernel["dur"] for kernel in kernels) / US_PER_S
    return sorted(found.values(), key=lambda line: -line["seconds"])


def _about(call: Mapping[str, Any] | None) -> Values:
    if call is None:
        return {"op": None, "dims": [], "types": []}
    facts = call["args"]
    return {
        "op": call["name"].removeprefix("aten::"),
        "dims": facts.get("Input Dims", []),
        "strides": facts.get("Input Strides", []),
        "types": facts.get("Input type", []),
    }
