"""Lines of the experiments: what a variant of a model gave, or why it gave nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.facts.data import data_lines

Line = Mapping[str, Any]
NAMES = ("weights", "prompts", "stack", "codecarbon", "traces")


def committed_lines(name: str) -> Sequence[Line]:
    """All lines of one experiment, in the order in which they were taken."""
    return data_lines(f"experiments/h100-sxm/{name}.jsonl")


@dataclass(frozen=True, kw_only=True, slots=True)
class Forward:
    """Repeated forwards of a denoiser in one window: seconds and joules of one, what was sampled.

    `sd_s`: of single forwards on the device. `capped`: the share of NVML's samples in which the
    driver held the clock down for the power limit.
    """

    model: str
    variant: str
    forwards: int
    seconds: float
    sd_s: float
    joules: float
    power_w: float
    clock_mhz: float
    capped: float


def forwards(lines: Iterable[Line]) -> list[Forward]:
    """Of the lines that have one, in order."""
    return [_forward(line) for line in lines if "forward_s" in line]


def _forward(line: Line) -> Forward:
    return Forward(
        model=line["model"],
        variant=line["variant"],
        forwards=line["forwards"],
        seconds=line["forward_s"],
        sd_s=line["device_sd_s"],
        joules=line["gpu_j"] / line["forwards"],
        power_w=line["gpu_w"],
        clock_mhz=line["sampled"]["clock_mhz"]["mean"],
        capped=line["sampled"]["throttled"].get("power_cap", 0.0),
    )


def by_variant(found: Sequence[Forward]) -> dict[str, Forward]:
    """Of one model; each variant was taken once."""
    return {each.variant: each for each in found}


def change_pct(value: float, before: float) -> float:
    return 100.0 * (value / before - 1.0)


def not_taken(lines: Iterable[Line]) -> list[str]:
    """Variants of which there is no result, by model and by the reason that their lines have."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        for why in ("error", "skipped"):
            if why in line:
                reason = f"{'failed' if why == 'error' else why}: {line[why]}"
                found.setdefault((line["model"] or "", reason), []).append(line["variant"])
    return [
        f"{model} {', '.join(variants)} ({reason})".lstrip()
        for (model, reason), variants in found.items()
    ]


def machines(lines: Iterable[Line]) -> int:
    """How many GPUs the lines were taken on."""
    return len({line["conditions"]["gpu_uuid"] for line in lines if _known(line)})


def versions(lines: Iterable[Line]) -> str:
    """The software of the lines, in words."""
    known = next(line["conditions"] for line in lines if _known(line))
    torch = known["torch"].partition("+")[0]
    return f"torch {torch}, cuDNN {known['cudnn']}, diffusers {known['diffusers']}"


def _known(line: Line) -> bool:
    return "gpu_uuid" in line["conditions"]
