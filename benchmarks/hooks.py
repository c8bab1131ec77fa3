"""What watching costs: the same calls of a pipeline with and without hooks and sampler, in turn.

On a GPU: `python -m benchmarks.hooks cuda`; the promise of 0.5% is for GPUs. Two sizes at which the
host is the slower part or nearly so, where hooks cost most.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.row import Row

PAIRS = 16
LIMIT_PCT = 0.5
SMALL = {"height_px": 256, "width_px": 256, "frames": 17, "steps": 4}


def pairs(plain: Callable[[], object], watched: Callable[[], object]) -> list[float]:
    """Relative extra time of `watched`, pair by pair, the order turned round each time."""
    found = []
    for index in range(PAIRS):
        order = (plain, watched) if index % 2 == 0 else (watched, plain)
        seconds = {call: timed(call) for call in order}
        found.append(seconds[watched] / seconds[plain] - 1)
    return found


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(device: str, model: str, **size: Any) -> list[float]:
    """Extra time of a watched call on a device, in pairs; twins on a CPU."""
    from kinowatt.lab.conditions import source_of
    from kinowatt.lab.measure import twin_size
    from kinowatt.lab.meters.sampler import shared
    from kinowatt.lab.pipelines import build
    from kinowatt.lab.request import BuildOptions, VideoRequest
    from kinowatt.lab.stages import StageRecorder

    twin = device == "cpu"
    built = build(model, BuildOptions(device=device, twin=twin, dtype="float32" if twin else None))
    request = VideoRequest.of(built.spec, **(twin_size(built.spec) if twin else size))
    recorder = StageRecorder(built.pipes, built.device)
    source = source_of(built.device) or "fake:{}"

    def plain() -> None:
        recorder.line.wait()
        built.generate(request)
        recorder.line.wait()

    def watched() -> None:
        with recorder, recorder.call():
            built.generate(request)

    sampler = shared(source)
    plain()
    watched()
    try:
        return pairs(plain, watched)
    finally:
        sampler.release()


def figures(name: str, extra: list[float], limit_pct: float | None) -> Iterator[Row]:
    """Median of the pairs and its standard error (1.25 times that of the mean)."""
    error = 1.25 * statistics.stdev(extra) / len(extra) ** 0.5
    median = 100 * statistics.median(extra)
    yield Row(name=f"hooks: extra time, {name}", value=median, unit="%", most=limit_pct)
    yield Row(name="  standard error of it", value=100 * error, unit="%")


def rows() -> Iterator[Row]:
    """On a CPU, where a twin's steps take 3 ms: an upper bound, without a target."""
    yield from figures("twin on a CPU", compare("cpu", "wan2.1-t2v-1.3b"), None)


if __name__ == "__main__":
    for model, size in (("animatediff-lightning", {}), ("wan2.1-t2v-1.3b", SMALL)):
        for row in figures(model, compare(sys.argv[1], model, **size), LIMIT_PCT):
            print(row, flush=True)
