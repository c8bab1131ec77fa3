"""`predict_many` on one core: a grid of settings, settings that all differ, and its memory."""

import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
from benchmarks.row import Row

import kinowatt

MODEL = "wan2.1-t2v-1.3b"
FEW, MANY = 100_000, 400_000


def grid() -> dict[str, Any]:
    """A million workloads: 20 heights x 20 widths x 25 frame counts x 100 step counts."""
    axes = (256 + 32 * np.arange(20), 256 + 32 * np.arange(20), 1 + 4 * np.arange(25))
    names = ("height_px", "width_px", "frames", "steps")
    return dict(zip(names, np.ix_(*axes, np.arange(1, 101)), strict=True))


def distinct(count: int) -> dict[str, Any]:
    """`count` workloads that share no setting by design; no two are the same."""
    code = np.random.default_rng(3).permutation(64 * 64 * 40 * 100)[:count]
    code, height = np.divmod(code, 64)
    code, width = np.divmod(code, 64)
    steps, frames = np.divmod(code, 40)
    return {
        "height_px": 256 + 16 * height,
        "width_px": 256 + 16 * width,
        "frames": 1 + 4 * frames,
        "steps": 1 + steps,
    }


def per_second(settings: dict[str, Any], repeats: int = 3) -> float:
    """Predictions per second, intervals included; the best of a few runs."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        answer = kinowatt.predict_many(MODEL, **settings)
        best = min(best, time.perf_counter() - start)
    return float(np.size(answer["latency_s_95_low"]) / best)


def beyond_outputs_mib(settings: dict[str, Any]) -> float:
    """Peak of what was allocated during the call, less the arrays that it returns."""
    tracemalloc.start()
    answer = kinowatt.predict_many(MODEL, **settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    outputs = {id(_owner(array)): _owner(array).nbytes for array in answer.values()}
    return float((peak - sum(outputs.values())) / 2**20)


def _owner(array: Any) -> Any:
    while array.base is not None:
        array = array.base
    return array


def rows() -> Iterator[Row]:
    scalar = {"height_px": 480, "width_px": 832, "frames": 81, "steps": 50}
    kinowatt.predict(MODEL, **scalar)
    start = time.perf_counter()
    for steps in range(1, 51):
        kinowatt.predict(MODEL, **scalar | {"steps": steps})
    one = 50 / (time.perf_counter() - start)
    fast, free = per_second(grid()), per_second(distinct(FEW))
    yield Row(name="predict, one at a time", value=one, unit="/s")
    yield Row(name="predict_many, a grid of a million", value=fast, unit="/s", least=1e6)
    yield Row(name="predict_many, H, W, F, S all differ", value=free, unit="/s", least=1e5)
    yield Row(name="  distinct in one-at-a-times", value=free / one, unit="x")
    small, large = (beyond_outputs_mib(distinct(count)) for count in (FEW, MANY))
    yield Row(name=f"memory beyond the outputs, {FEW:,} distinct", value=small, unit="MiB")
    yield Row(name=f"memory beyond the outputs, {MANY:,} distinct", value=large, unit="MiB")
    yield Row(name="  growth for four times as many", value=large / small, unit="x", most=1.1)
