"""`kinowatt serve` under load, over loopback, client and server on the cores of one machine."""

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.client import Load, closed_loop, encoded, open_loop
from benchmarks.row import Row
from benchmarks.throughput import distinct

MODELS = ("wan2.1-t2v-1.3b", "mochi-1-preview", "cogvideox-5b", "wan2.1-t2v-14b")
CONNECTIONS, RATE, SECONDS = 300, 300, 60
PEAK_REQUESTS, PEAK_CONNECTIONS = 12_000, 16
BATCH, BATCHES = 50_000, 6


@contextlib.contextmanager
def server(*options: str) -> Iterator[tuple[int, Any]]:
    """A server of its own process on a free port; yields the port and the process."""
    command = [sys.executable, "-m", "kinowatt", "serve", "--port", "0", "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(json.loads(process.stdout.readline())["url"].rpartition(":")[2]), process
    finally:
        process.terminate()
        process.wait(timeout=30)


def predictions(count: int, seed: int) -> Iterator[bytes]:
    """Requests of which no two are alike: model, size, frames and steps all vary."""
    rng = random.Random(seed)
    seen = set()
    while len(seen) < count:
        height, width = 32 * rng.randrange(8, 30), 32 * rng.randrange(8, 40)
        asked = (rng.choice(MODELS), height, width, rng.randrange(9, 130), rng.randrange(10, 80))
        if asked in seen:
            continue
        seen.add(asked)
        names = ("model", "height_px", "width_px", "frames", "steps")
        yield encoded("/v1/predict", dict(zip(names, asked, strict=True)))


def batches(count: int) -> list[bytes]:
    """Batches in which height, width, frames and steps all differ; made before any clock runs, since
    drawing that many takes the client as long as the server takes to answer."""
    columns = {name: column.tolist() for name, column in distinct(BATCH).items()}
    wanted = ["latency_s", "latency_s_95_low", "latency_s_95_high", "energy_wh_gpu"]
    body = {"model": "wan2.1-t2v-1.3b", "columns": wanted, **columns}
    return [encoded("/v1/predict/batch", body)] * count


def resident_mib(process: Any) -> float:
    import psutil

    return float(psutil.Process(process.pid).memory_info().rss / 2**20)


def rows(seconds: float = SECONDS) -> Iterator[Row]:
    began = time.perf_counter()
    with server() as (port, process):
        yield Row(
            name="serve, ready with its dashboard",
            value=time.perf_counter() - began,
            unit="s",
            most=8,
        )
        asyncio.run(closed_loop(port, predictions(2000, 1), 8))  # warm
        peak = asyncio.run(closed_loop(port, predictions(PEAK_REQUESTS, 2), PEAK_CONNECTIONS))
        before = resident_mib(process)
        yield from _peak(peak)
        wanted = predictions(int(RATE * seconds), 3)
        yield from _steady(asyncio.run(open_loop(port, wanted, RATE, CONNECTIONS)), seconds)
        grown = resident_mib(process) - before
        yield Row(name="  memory grown meanwhile", value=grown, unit="MiB", most=16)
        many = asyncio.run(closed_loop(port, iter(batches(BATCHES)), 2))
        each = BATCH * BATCHES / many.elapsed_s
        yield Row(name="serve, batches as columns, all distinct", value=each, unit="/s", least=1e5)


def _peak(load: Load) -> Iterator[Row]:
    each = len(load.seconds) / load.elapsed_s
    yield Row(name="serve, distinct predictions at most", value=each, unit="/s", least=1500)
    yield Row(name="  answers that were errors", value=load.errors, unit="", most=0)


def _steady(load: Load, seconds: float) -> Iterator[Row]:
    name = f"serve, {RATE}/s over {CONNECTIONS} connections, {seconds:g} s"
    yield Row(name=f"{name}: p99", value=load.percentile_ms(0.99), unit="ms", most=100)
    yield Row(name="  p50", value=load.percentile_ms(0.5), unit="ms")
    yield Row(name="  answers that were errors", value=load.errors, unit="", most=0)
