"""Lines of the experiments: what a variant of a model gave, or why it gave nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from kinowatt.facts.data import data_lines
from kinowatt.facts.gpus import gpu

Line = Mapping[str, Any]
H100, H200 = "h100-sxm", "h200-sxm"
BOTH = (H100, H200)


def committed_lines(name: str, gpus: Sequence[str] = (H100,)) -> Sequence[Line]:
    """All lines of one experiment on each GPU, which they name, in the order they were taken."""
    return [
        {"gpu": on, **line} for on in gpus for line in data_lines(f"experiments/{on}/{name}.jsonl")
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Forward:
    """Repeated forwards of a denoiser in one window: seconds and joules of one, what was sampled.

    `sd_s`: of single forwards on the device. `capped`: the share of NVML's samples in which the
    driver held the clock down for the power limit.
    """

    gpu: str
    model: str
    variant: str
    forwards: int
    window_s: float
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
        gpu=line["gpu"],
        model=line["model"],
        variant=line["variant"],
        forwards=line["forwards"],
        window_s=line["window_s"],
        seconds=line["forward_s"],
        sd_s=line["device_sd_s"],
        joules=line["gpu_j"] / line["forwards"],
        power_w=line["gpu_w"],
        clock_mhz=line["sampled"]["clock_mhz"]["mean"],
        capped=line["sampled"]["throttled"].get("power_cap", 0.0),
    )


class Of(Protocol):
    """Anything of one model on one kind of GPU."""

    @property
    def gpu(self) -> str: ...

    @property
    def model(self) -> str: ...


Each = TypeVar("Each", bound=Of)


def comparable(found: Iterable[Each]) -> list[tuple[tuple[str, str], list[Each]]]:
    """What may be compared: of one GPU and one model, in order of these."""
    together: dict[tuple[str, str], list[Each]] = {}
    for each in found:
        together.setdefault((each.gpu, each.model), []).append(each)
    return sorted(together.items(), key=lambda item: item[0])


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


def machines(lines: Sequence[Line]) -> str:
    """How many GPUs of each kind the lines were taken on: `1 H100 SXM and 2 H200 SXM`."""
    cards: dict[str, set[str]] = {}
    for line in filter(_known, lines):
        cards.setdefault(line["gpu"], set()).add(line["conditions"]["gpu_uuid"])
    return " and ".join(f"{len(each)} {short(on)}" for on, each in cards.items())


def short(name: str) -> str:
    """A GPU's name as prose has it: `H100 SXM`."""
    return gpu(name).label.removeprefix("NVIDIA ")


def versions(lines: Iterable[Line]) -> str:
    """The software of the lines, in words."""
    known = next(line["conditions"] for line in lines if _known(line))
    torch = known["torch"].partition("+")[0]
    return f"torch {torch}, cuDNN {known['cudnn']}, diffusers {known['diffusers']}"


def _known(line: Line) -> bool:
    return "gpu_uuid" in line["conditions"]
