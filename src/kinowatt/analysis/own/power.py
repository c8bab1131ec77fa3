"""Power against load: what each video drew, and how far the limit times seconds is from its energy."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean
from typing import Any

from kinowatt.analysis.own.counted import Counted
from kinowatt.analysis.own.models import by_model, described
from kinowatt.analysis.tables import Table
from kinowatt.units import TERA, joules_to_wh, wh_to_joules

BANDS_W = ((0, 300), (300, 450), (450, 600), (600, 650), (650, 700))
# By what one forward of the denoiser computes, in TFLOP: the same scale for every model
SIZES = {
    "under_5_tflop_pct": (0.0, 5.0),
    "5_to_20_tflop_pct": (5.0, 20.0),
    "20_to_100_tflop_pct": (20.0, 100.0),
    "over_100_tflop_pct": (100.0, inf),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """One measured video: `power_w` is its mean, `capped` the share of NVML's samples in which the
    driver held the clock down for the power limit."""

    model: str
    setting: str
    latency_s: float
    gpu_wh: float
    limit_w: float
    clock_mhz: float
    capped: float
    flops: float
    forward_flops: float

    @property
    def power_w(self) -> float:
        return wh_to_joules(self.gpu_wh) / self.latency_s

    @property
    def error_pct(self) -> float:
        """Limit times measured seconds over measured energy, less one."""
        return 100.0 * (joules_to_wh(self.limit_w * self.latency_s) / self.gpu_wh - 1.0)

    @property
    def tflop_per_s(self) -> float:
        return self.flops / self.latency_s / TERA


def drawn(rows: Iterable[Counted]) -> list[Drawn]:
    """Of the rows whose GPU was metered."""
    return [_drawn(row) for row in rows if row.own.meter is not None]


def _drawn(row: Counted) -> Drawn:
    known = row.own.conditions
    return Drawn(
        model=row.own.row["model"],
        setting=described(row.own.row["workload"]),
        latency_s=row.own.row["latency_s"],
        gpu_wh=row.own.row["energy_wh"]["gpu"],
        limit_w=known["power_limit_w"],
        clock_mhz=known["clock_mhz"]["mean"],
        capped=known["throttled"].get("power_cap", 0.0),
        flops=row.flops,
        forward_flops=row.forward_flops,
    )


def bands_table(videos: Sequence[Drawn]) -> Table:
    """How much is too much, by the power that was really drawn."""
    rows = []
    for low, high in BANDS_W:
        within = [video for video in videos if low <= video.power_w < high]
        if within:
            rows.append(_band(f"{low} to {high} W" if low else f"under {high} W", within))
    return Table(
        name="power_bands",
        title="Limit times seconds over measured energy, by measured mean power",
        rows=(*rows, _band("all", videos)),
        notes=(
            "Error: positive where the formula gives too much. Clock and share at the limit: of"
            " NVML's samples in the metered windows, means over rows.",
        ),
    )


def _band(name: str, videos: Sequence[Drawn]) -> dict[str, Any]:
    return {
        "mean_power": name,
        "rows": len(videos),
        "models": len({video.model for video in videos}),
        "mean_error_pct": _mean(videos, lambda video: video.error_pct),
        "worst_error_pct": max((video.error_pct for video in videos), key=abs),
        "achieved_tflop_per_s": _mean(videos, lambda video: video.tflop_per_s),
        "clock_mhz": _mean(videos, lambda video: video.clock_mhz),
        "samples_at_the_limit_pct": _mean(videos, lambda video: 100.0 * video.capped),
    }


def _mean(videos: Sequence[Drawn], value: Callable[[Drawn], float]) -> float:
    return fmean(value(video) for video in videos)


def sizes_table(videos: Sequence[Drawn]) -> Table:
    """The same by model and by how much one forward computes."""
    rows = [_sizes(name, mine) for name, mine in by_model(videos)]
    return Table(
        name="power_sizes",
        title="The same by model and by the size of one forward of the denoiser",
        rows=tuple(rows),
        notes=(
            "Mean errors. A forward's FLOPs are counted from its operators; guidance that runs as a"
            " batch is in them, guidance that runs as a second forward is not. –: no row.",
        ),
    )


def _sizes(name: str, videos: Sequence[Drawn]) -> dict[str, Any]:
    found: dict[str, Any] = {"model": name, "rows": len(videos)}
    for column, (low, high) in SIZES.items():
        within = [video for video in videos if low <= video.forward_flops / TERA < high]
        found[column] = _mean(within, lambda video: video.error_pct) if within else None
    powers = [video.power_w for video in videos]
    return found | {"least_power_w": min(powers), "most_power_w": max(powers)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Constant:
    """The one power that does best for all rows at once: watts and mean absolute error."""

    power_w: float
    mae_pct: float


def best_constant(videos: Sequence[Drawn]) -> Constant:
    """Of the powers that were drawn: the least mean of |constant / drawn - 1| lies at one of them."""
    powers = [video.power_w for video in videos]

    def mae(power_w: float) -> float:
        return 100.0 * fmean(abs(power_w / each - 1.0) for each in powers)

    best = min(powers, key=mae)
    return Constant(power_w=best, mae_pct=mae(best))


def total_error_pct(videos: Sequence[Drawn]) -> float:
    """Of all rows together, where long videos weigh most."""
    formula = sum(joules_to_wh(video.limit_w * video.latency_s) for video in videos)
    return 100.0 * (formula / sum(video.gpu_wh for video in videos) - 1.0)
