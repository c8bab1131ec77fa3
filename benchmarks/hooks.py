"""What watching costs: the same calls of a pipeline with and without hooks, in turn.

On a GPU: `python -m benchmarks.hooks cuda`; the promise of 0.5% is for GPUs. Two figures a model:

- the difference of pairs of calls, with its standard error: on a machine whose host has good and
  bad moments the error is about as large as the promise;
- the host seconds inside the hooks by a clock around each, less the waiting at the edges of
  stages, in relation to a call. Where the host is the slower part, that is all they can add.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.row import Row

LIMIT_PCT = 0.5
# A host-bound pipeline at its default size, and the GPU at its power limit
CASES: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("animatediff-lightning", {}, 24),
    ("wan2.1-t2v-1.3b", {"frames": 33, "steps": 4}, 8),
)
HOOKS = ("_enter", "_leave", "_stepped")  # what the hooks of a recorder call


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


class Clocked:
    """Host seconds inside the methods of a recorder that its hooks call, without its waiting."""

    def __init__(self, recorder: Any) -> None:
        self.recorder = recorder
        self.inside_s = 0.0
        self.calls = 0

    def __enter__(self) -> "Clocked":
        self.was = {name: getattr(self.recorder, name) for name in HOOKS}
        for name, method in self.was.items():
            setattr(self.recorder, name, self._around(method))
        self.line, self.recorder.line = self.recorder.line, _Waiting(self.recorder.line, self)
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.was:
            delattr(self.recorder, name)
        self.recorder.line = self.line

    def _around(self, method: Callable[..., object]) -> Callable[..., object]:
        def clocked(*args: object) -> object:
            start = time.perf_counter()
            try:
                return method(*args)
            finally:
                self.inside_s += time.perf_counter() - start
                self.calls += 1

        return clocked


class _Waiting:
    """A timeline whose waiting is not counted."""

    def __init__(self, line: Any, clocked: Clocked) -> None:
        self._line = line
        self._clocked = clocked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._line, name)

    def wait(self) -> None:
        self._clocked.inside_s -= timed(self._line.wait)


def compare(device: str, model: str, size: dict[str, Any], pairs: int) -> Iterator[Row]:
    """Extra time of a watched call on a device, in pairs and by the clock; twins on a CPU."""
    from kinowatt.lab.measure import twin_size
    from kinowatt.lab.pipelines import build
    from kinowatt.lab.request import BuildOptions, VideoRequest
    from kinowatt.lab.stages import StageRecorder

    twin = device == "cpu"
    built = build(model, BuildOptions(device=device, twin=twin, dtype="float32" if twin else None))
    request = VideoRequest.of(built.spec, **(twin_size(built.spec) if twin else size))
    recorder = StageRecorder(built.pipes, built.device)

    def plain() -> None:
        recorder.line.wait()
        built.generate(request)
        recorder.line.wait()

    def watched() -> None:
        with recorder, recorder.call():
            built.generate(request)

    for call in (plain, watched):
        call()
    name = "twin on a CPU" if twin else model
    extra = []
    for index in range(pairs):
        order = (plain, watched) if index % 2 == 0 else (watched, plain)
        seconds = {call: timed(call) for call in order}
        extra.append(seconds[watched] / seconds[plain] - 1)
    error = 1.25 * statistics.stdev(extra) / len(extra) ** 0.5  # of a median
    yield Row(name=f"hooks: pairs, {name}", value=100 * statistics.median(extra), unit="%")
    yield Row(name="  standard error of it", value=100 * error, unit="%")
    with Clocked(recorder) as clocked:
        whole_s = sum(timed(watched) for _ in range(3))
    share = clocked.inside_s / (whole_s - clocked.inside_s)
    yield Row(name="  inside the hooks, by the clock", value=100 * share, unit="%", most=LIMIT_PCT)
    yield Row(name="  one hook", value=1e6 * clocked.inside_s / clocked.calls, unit="us")


def rows() -> Iterator[Row]:
    """On a CPU, where a twin's steps take 3 ms: an upper bound."""
    yield from compare("cpu", "wan2.1-t2v-1.3b", {}, 16)


if __name__ == "__main__":
    for case in CASES:
        for row in compare(sys.argv[1], *case):
            print(row, flush=True)
