"""Why a forward takes what it takes: parts of other software versions put in, one at a time."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from kinowatt.analysis.own.auxiliary import Parts
from kinowatt.analysis.own.lines import Forward, Line, by_variant, change_pct, forwards
from kinowatt.analysis.rows import cross_model_rows, paper_rows
from kinowatt.analysis.tables import Table
from kinowatt.units import MS_PER_S, joules_to_wh, wh_to_joules

MODEL = "wan2.1-t2v-1.3b"
SIZE = {"height_px": 720, "width_px": 1280, "frames": 81}
STEPS = 50  # as the paper ran it
FORWARDS = 2 * STEPS  # with guidance
DEFAULTS = ("default", "default again")
TOGETHER = "as in 2025"
# What is known to have differed in mid 2025, and what each was
PARTS = {
    "flash attention": "FlashAttention-2 inside torch, its default kernel then, for cuDNN's",
    "separate RMSNorm": "queries' and keys' norm as separate operators in float32",
    "strided residual stream": "channels before tokens in memory, as the patch embedding leaves it",
    "complex128 rotation": "rotary embedding in complex double precision, for float32 pairs",
}
OTHERS = (
    "cudnn attention",
    "norms in bfloat16",
    "bfloat16 rotation",
    "float64 rotation of pairs",
    "efficient attention",
)
# Kinds of kernels by what their names have in them; the first that fits counts
KERNELS = (
    ("attention", r"sdpa|flash_fwd"),
    ("matrix products", r"nvjet|gemm|cutlass"),
    ("layer norms", r"layer_norm"),
    ("products in complex128", r"complex<double>"),
    ("squares of RMSNorm", r"pow_tensor"),
    ("activation", r"[Gg]elu"),
    ("sums", r"add"),
    ("products", r"Mul|BinaryFunctor"),
    ("copies and casts", r"copy"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """Forwards by variant; `today` is the mean of the default at the start and at the end."""

    found: Mapping[str, Forward]
    today: Forward

    @property
    def together(self) -> Forward:
        return self.found[TOGETHER]

    @property
    def drift_pct(self) -> float:
        """Of the default, from the start to the end of the experiment."""
        first, last = (self.found[name] for name in DEFAULTS)
        return change_pct(last.seconds, first.seconds)

    @property
    def slower_s(self) -> float:
        """All parts together over today."""
        return self.together.seconds - self.today.seconds

    def alone_s(self, part: str) -> float:
        """One part over today."""
        return self.found[part].seconds - self.today.seconds

    def share_pct(self, part: str) -> float:
        """One part alone, of all together."""
        return 100.0 * self.alone_s(part) / self.slower_s


def stack(lines: Sequence[Line]) -> Stack:
    found = by_variant(forwards(lines))
    first, last = (found[name] for name in DEFAULTS)
    means: dict[str, Any] = {
        name: fmean(getattr(each, name) for each in (first, last))
        for name in ("window_s", "seconds", "sd_s", "joules", "power_w", "clock_mhz", "capped")
    }
    today = replace(first, variant="today", **means)
    return Stack(found=found, today=today)


def parts_table(found: Stack) -> Table:
    """Each part alone, all together, and what else was tried."""
    rows = [_row("today (mean of both)", found.today, found)]
    rows += [_row(name, found.found[name], found, found.share_pct(name)) for name in PARTS]
    alone_s = sum(found.alone_s(name) for name in PARTS)
    total = {"one_forward": "the four, added up", "over_today_ms": MS_PER_S * alone_s}
    rows.append(total | {"of_the_difference_pct": 100.0 * alone_s / found.slower_s})
    rows.append(_row("as in 2025: the four together", found.together, found, 100.0))
    rows += [_row(name, found.found[name], found) for name in OTHERS if name in found.found]
    return Table(
        name="stack_parts",
        title="One forward with parts of other versions",
        rows=tuple(rows),
        notes=(
            *(f"{name[0].upper()}{name[1:]}: {what}." for name, what in PARTS.items()),
            "sd: of single forwards in the window, of which there are two for each variant. A part"
            " alone, of the difference between all four and today.",
        ),
    )


def _row(name: str, each: Forward, found: Stack, share: float | None = None) -> dict[str, Any]:
    return {
        "one_forward": name,
        "time_s": each.seconds,
        "sd_ms": MS_PER_S * each.sd_s,
        "over_today_ms": None
        if each is found.today
        else MS_PER_S * (each.seconds - found.today.seconds),
        "over_today_pct": None
        if each is found.today
        else change_pct(each.seconds, found.today.seconds),
        "of_the_difference_pct": share,
        "energy_j": each.joules,
        "power_w": each.power_w,
        "clock_mhz": each.clock_mhz,
    }


def kernels_table(lines: Sequence[Line]) -> Table:
    """Where the GPU's time goes, today and as in 2025, by kind of kernel."""
    profiled = {line["variant"]: line["kernels"] for line in lines if line.get("kernels")}
    today, before = (_kinds(profiled[name]) for name in (DEFAULTS[0], TOGETHER))
    rows = [
        _kernel(kind, today.get(kind), before.get(kind))
        for kind in [*(kind for kind, _ in KERNELS), "all others"]
    ]
    rows.sort(key=lambda row: (row["kernels"] == "all others", -abs(row["difference_s"])))
    both = [_sum(each) for each in (today, before)]
    return Table(
        name="stack_kernels",
        title="Where one forward's time goes, by kind of kernel",
        rows=(*rows, _kernel("all", *both)),
        notes=(
            "One forward each under torch's profiler, by name the sixteen longest kernels; the"
            " shorter ones stand together. Sums and products: of the residual stream, norms, scales"
            " and the rotation in float32; today's RMSNorm is one kernel, among the layer norms. –:"
            " no such kernel among the sixteen.",
        ),
    )


def _sum(kinds: Mapping[str, tuple[int, float]]) -> tuple[int, float]:
    found = kinds.values()
    return sum(calls for calls, _ in found), sum(seconds for _, seconds in found)


def _kinds(kernels: Sequence[Line]) -> dict[str, tuple[int, float]]:
    """Calls and seconds by kind."""
    found: dict[str, tuple[int, float]] = {}
    for each in kernels:
        kind = kind_of(each["kernel"])
        calls, seconds = found.get(kind, (0, 0.0))
        found[kind] = calls + each["calls"], seconds + each["seconds"]
    return found


def kind_of(kernel: str) -> str:
    """What a kernel does, by its name; `all others` where no name tells."""
    return next((kind for kind, found in KERNELS if re.search(found, kernel)), "all others")


def _kernel(
    kind: str, today: tuple[int, float] | None, before: tuple[int, float] | None
) -> dict[str, Any]:
    return {
        "kernels": kind,
        "calls_today": today[0] if today else None,
        "today_s": today[1] if today else None,
        "calls_as_in_2025": before[0] if before else None,
        "as_in_2025_s": before[1] if before else None,
        "difference_s": (before[1] if before else 0.0) - (today[1] if today else 0.0),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Whole:
    """A whole video: seconds, GPU Wh, and whose figure it is."""

    name: str
    latency_s: float
    gpu_wh: float
    how: str


def besides(videos: Sequence[Parts]) -> tuple[float, float]:
    """Seconds and GPU Wh of a video of this size that are not the denoiser's."""
    mine = [video for video in videos if _here(video)]
    metered = [v for v in mine if v.gpu_wh is not None and v.wh["denoiser"] is not None]
    return (
        fmean(video.latency_s - video.seconds["denoiser"] for video in mine),
        fmean((video.gpu_wh or 0.0) - (video.wh["denoiser"] or 0.0) for video in metered),
    )


def _here(video: Parts) -> bool:
    size = f"{SIZE['height_px']}×{SIZE['width_px']}×{SIZE['frames']}"
    return (video.model, video.size, video.batch) == (MODEL, size, 1)


def wholes(found: Stack, videos: Sequence[Parts]) -> list[Whole]:
    """Ours, put together from forwards and what a video has besides; the paper's three."""
    rest_s, rest_wh = besides(videos)
    names = {"today": found.today, TOGETHER: found.together}
    ours = [
        Whole(
            name=name,
            latency_s=FORWARDS * each.seconds + rest_s,
            gpu_wh=FORWARDS * joules_to_wh(each.joules) + rest_wh,
            how="ours: 100 forwards and the rest of a video",
        )
        for name, each in names.items()
    ]
    whole = [
        Whole(
            name="today, measured as a video",
            latency_s=video.latency_s,
            gpu_wh=video.gpu_wh,
            how=f"ours: {'one video' if video.whole else 'protocol `sampled`'}, another day",
        )
        for video in videos
        if _here(video) and video.steps == STEPS and video.gpu_wh is not None
    ]
    return [*ours, *whole, *published()]


def published() -> list[Whole]:
    """The paper's three measurements of this very video."""
    found = [
        Whole(
            name=f"paper, sweep of {'resolutions' if row.sweep == 'resolution' else row.sweep}",
            latency_s=row.seconds,
            gpu_wh=row.gpu_energy_wh,
            how="published",
        )
        for sweep in ("resolution", "frames")
        for row in paper_rows(sweep, "with_latency")
        if (row.height_px, row.width_px, row.frames // 4 * 4 + 1) == tuple(SIZE.values())
        and row.frames == SIZE["frames"]
    ]
    row = next(each for each in cross_model_rows() if each.model == MODEL)
    name = f"paper, {row.prompts} prompts"
    wh = row.energy_wh["gpu"]
    return [*found, Whole(name=name, latency_s=row.latency_s, gpu_wh=wh, how="published")]


def wholes_table(videos: Sequence[Whole]) -> Table:
    today, before = videos[0], next(each for each in videos if each.name == TOGETHER)
    rows = [
        {
            "video": each.name,
            "time_s": each.latency_s,
            "gpu_energy_wh": each.gpu_wh,
            "mean_power_w": power_of(each),
            "over_today": each.latency_s / today.latency_s,
            "explained_pct": explained_pct(today, before, each) if is_published(each) else None,
            "what_it_is": each.how,
        }
        for each in videos
    ]
    return Table(
        name="stack_videos",
        title="The paper's video: 720×1280×81, 50 steps, guidance",
        rows=tuple(rows),
        notes=(
            "Explained: of the difference in time between this published figure and today, what the"
            " four parts together make up; over 100% where they make up more.",
        ),
    )


def is_published(video: Whole) -> bool:
    return video.how == "published"


def power_of(video: Whole) -> float:
    """Mean watts."""
    return wh_to_joules(video.gpu_wh) / video.latency_s


def explained_pct(today: Whole, before: Whole, paper: Whole) -> float:
    return 100.0 * (before.latency_s - today.latency_s) / (paper.latency_s - today.latency_s)


def decoders_table(lines: Sequence[Line]) -> Table:
    """The decoder of the same video in the precisions that were tried."""
    rows = [
        {
            "decoder": line["variant"].removeprefix("decoder in "),
            "time_s": line["decode_s"],
            "energy_wh": joules_to_wh(line["gpu_j"]),
            "power_w": line["gpu_w"],
            "clock_mhz": line["sampled"]["clock_mhz"]["mean"],
        }
        for line in lines
        if "decode_s" in line
    ]
    return Table(
        name="stack_decoders",
        title="The decoder of the same video",
        rows=tuple(rows),
        notes=("One decode each, today's decoder: how that of 2025 decoded was not tried.",),
    )
