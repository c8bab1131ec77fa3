"""What physics allows a metered line of the experiments to say. A check yields what is wrong.

Lines are plain JSON; those without a window (a pipeline built, a variant skipped) say nothing that
could be judged here.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from data.physics import EXACT, IDLE_W, OVER_LIMIT
from kinowatt import predict
from kinowatt.facts.gpus import gpu

Line = Mapping[str, Any]
Check = Callable[[Line], Iterator[str]]
SAMPLED = 0.10  # mean of few samples in a window of seconds against the counter's
STEPS = 4  # of the counter, below which a window has too few samples for a mean


def metered(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line.get("window_s")]


def power(line: Line) -> Iterator[str]:
    """From idle to the limit, and the same by counter and by samples."""
    watts, high = line["gpu_w"], OVER_LIMIT * line["conditions"]["power_limit_w"]
    if not IDLE_W <= watts <= high:
        yield f"{watts:.0f} W, not from {IDLE_W:.0f} to {high:.0f}"
    mean = line.get("sampled", {}).get("power_w", {}).get("mean")
    enough = line["window_s"] >= STEPS * line.get("counter_step_s", 0.0)
    if enough and mean is not None and abs(mean / watts - 1) > SAMPLED:
        yield f"sampled at {mean:.0f} W, counted {watts:.0f} W"


def energy_is_power_times_time(line: Line) -> Iterator[str]:
    product = line["gpu_w"] * line["window_s"]
    if abs(product / line["gpu_j"] - 1) > EXACT:
        yield f"{line['gpu_w']:.4g} W x {line['window_s']:.4g} s is not {line['gpu_j']:.5g} J"


def window(line: Line) -> Iterator[str]:
    """Forwards of a window fill it, and one takes as long on the device as it does on the clock."""
    if "forwards" not in line:
        return
    filled = line["forwards"] * line["forward_s"]
    if not 0.98 <= filled / line["window_s"] <= 1 + EXACT:
        yield f"{line['forwards']} forwards take {filled:.3f} s of {line['window_s']:.3f} s"
    if abs(line["device_mean_s"] / line["forward_s"] - 1) > 0.02:
        yield f"{line['device_mean_s']:.4f} s on the device, {line['forward_s']:.4f} s on the clock"


def flops(line: Line) -> Iterator[str]:
    """No forward computes faster than the dense peak."""
    if "forwards" not in line:
        return
    achieved = forward_flops(line["model"], **line["size"]) / line["forward_s"]
    peak = gpu("h100-sxm").peak_flops["bfloat16"]
    if achieved >= peak:
        yield f"{achieved / 1e12:.0f} TFLOP/s, of {peak / 1e12:.0f}"


@cache
def forward_flops(model: str, **size: int) -> float:
    plan = predict(model, gpu="h100-sxm", profile="h100-sxm/datasheet", **size)
    stage = plan.stages["denoiser"]
    found: float = stage["flops"] / plan.workload["effective"]["forward_passes"]
    return found


def clocks(line: Line) -> Iterator[str]:
    highest = line.get("sampled", {}).get("clock_mhz", {}).get("max", 0.0)
    if highest > line["conditions"]["max_sm_clock_mhz"]:
        yield f"{highest:.0f} MHz"


CHECKS: dict[str, Check] = {
    check.__name__: check for check in (power, energy_is_power_times_time, window, flops, clocks)
}


def failing(line: Line) -> dict[str, list[str]]:
    """By check, what is wrong with a line; empty where nothing is."""
    found = {name: list(check(line)) for name, check in CHECKS.items()}
    return {name: wrong for name, wrong in found.items() if wrong}
