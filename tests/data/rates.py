"""What physics allows the points of a microbenchmark to say. A check yields what is wrong."""

from collections.abc import Callable, Iterator, Mapping
from itertools import permutations
from typing import Any

from data.physics import FASTER, IDLE_W, OVER_LIMIT
from kinowatt.facts.gpus import GpuSpec, gpu

Bench = Mapping[str, Any]
Point = Mapping[str, Any]
Check = Callable[[Bench], Iterator[str]]

CACHED_BYTES = 200e6  # four times the level-two cache: more than that comes from memory
ALIKE_WORK = 1.1
SHORT_S = 100e-6  # bursts of shorter calls scatter by what the host does between them
# A head size or the taps of a convolution choose another kernel: they are no measure of size
KINDS = frozenset({"head", "kt", "kh", "kw"})
# Of the greatest clock that the driver names: light kernels were seen 4% above it
SLOWEST, ABOVE = 0.4, 1.06
OVER_IN_TURNS = 1.06  # where work and rest take turns: the limit follows them with a lag


def _device(bench: Bench) -> GpuSpec:
    return gpu(bench["device"])


def _seconds(point: Point) -> Iterator[tuple[str, float]]:
    for part in ("burst", "sustained"):
        if point[part]:
            yield part, point[part]["seconds_per_call"]


def _named(point: Point) -> str:
    return f"{point['op']} {point['params']} {point['dtype']} {point['backend'] or ''}".rstrip()


def rates(bench: Bench) -> Iterator[str]:
    """No operator computes faster than the dense peak of its dtype."""
    peaks = _device(bench).peak_flops
    for point in (point for point in bench["points"] if point["flops"]):
        for part, seconds in _seconds(point):
            if point["flops"] / seconds >= peaks[point["dtype"]]:
                yield f"{_named(point)}: {point['flops'] / seconds / 1e12:.0f} TFLOP/s ({part})"


def bandwidth(bench: Bench) -> Iterator[str]:
    """Nothing too large for the caches moves faster than memory does."""
    limit = _device(bench).bandwidth_bytes_per_s
    for point in (point for point in bench["points"] if point["bytes"] > CACHED_BYTES):
        for part, seconds in _seconds(point):
            if point["bytes"] / seconds >= limit:
                yield f"{_named(point)}: {point['bytes'] / seconds / 1e12:.2f} TB/s ({part})"


def power(bench: Bench) -> Iterator[str]:
    """Mean power from idle to the limit; idle itself above nothing."""
    limit, idle_w = bench["conditions"]["power_limit_w"], bench["idle"]["power_w"]["mean"]
    if not IDLE_W <= idle_w <= limit / 3:
        yield f"idle at {idle_w:.0f} W, of {limit:.0f}"
    sustained = [(_named(p), p["sustained"]) for p in bench["points"] if p["sustained"]]
    for name, found in (*sustained, *((_named(load), load) for load in bench["loads"])):
        watts, over = found["power_w"]["mean"], OVER_IN_TURNS if found["duty"] < 1 else OVER_LIMIT
        if not idle_w <= watts <= over * limit:
            yield f"{name}: {watts:.0f} W, not from {idle_w:.0f} to {limit:.0f}"


def clocks(bench: Bench) -> Iterator[str]:
    """No clock at length above the maximum; the driver's readings around a burst tell little."""
    highest = bench["conditions"]["max_sm_clock_mhz"]
    for point in bench["points"]:
        found = point["sustained"] and point["sustained"]["clock_mhz"]
        if found and not found["min"] <= found["max"] <= highest:
            yield f"{_named(point)}: {found['max']:.0f} MHz, of {highest:.0f}"
        read = point["burst"] and point["burst"].get("sm_clock_mhz")
        if read and not SLOWEST * highest <= read <= ABOVE * highest:
            yield f"{_named(point)}: a burst at {read:.0f} MHz, of {highest:.0f}"


def load_order(bench: Bench) -> Iterator[str]:
    """Of one operator, more of the time at work takes more power."""
    for a, b in permutations(bench["loads"], 2):
        if (
            _named(a) == _named(b)
            and a["duty"] < b["duty"]
            and a["power_w"]["mean"] >= b["power_w"]["mean"]
        ):
            yield f"{_named(a)}: {a['duty']:g} of the time takes more than {b['duty']:g}"


def order(bench: Bench) -> Iterator[str]:
    """Within a kernel, more work takes more time: at the clock of each, or counted in cycles."""
    groups: dict[str, list[Point]] = {}
    for point in bench["points"]:
        if point["burst"] and point["burst"]["seconds_per_call"] >= SHORT_S:
            groups.setdefault(_kernel(point), []).append(point)
    for alike in groups.values():
        for small, large in permutations(alike, 2):
            if _larger(small, large) and _faster(small, large):
                yield f"{_named(large)} is faster than {_named(small)}"


def _kernel(point: Point) -> str:
    kind = {name: value for name, value in point["params"].items() if name in KINDS}
    names = (point["op"], point["dtype"], point["backend"], point["data"], point["burst"]["graph"])
    return repr((*names, sorted(kind.items())))


def _larger(small: Point, large: Point) -> bool:
    """As large in every direction, and a tenth more bytes or FLOPs."""
    if small["params"].keys() != large["params"].keys():
        return False  # rows of a width that is said, and of the usual one
    sizes = [(small["params"][name], large["params"][name]) for name in small["params"]]
    more = max(large[name] / max(small[name], 1) for name in ("flops", "bytes"))
    return all(b >= a for a, b in sizes) and more >= ALIKE_WORK


def _faster(small: Point, large: Point) -> bool:
    a, b = small["burst"], large["burst"]
    ratio = b["seconds_per_call"] / a["seconds_per_call"]
    return max(ratio, ratio * _clock(b) / _clock(a)) < FASTER


def _clock(burst: Mapping[str, Any]) -> float:
    """As a kernel read it, or as the driver did in early benches; the same for all in others."""
    driver = burst.get("clock_mhz")
    return float(burst.get("sm_clock_mhz") or (driver["mean"] if driver else 1.0))


CHECKS: dict[str, Check] = {
    check.__name__: check for check in (rates, bandwidth, power, clocks, load_order, order)
}


def failing(bench: Bench) -> dict[str, list[str]]:
    """By check, what is wrong with a microbenchmark; empty where nothing is."""
    found = {name: list(check(bench)) for name, check in CHECKS.items()}
    return {name: wrong for name, wrong in found.items() if wrong}
