"""What of a video is not the denoiser: text encoder, decoder, host, in time and in GPU energy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from statistics import fmean
from typing import Any

from kinowatt.analysis.own.counted import Counted
from kinowatt.analysis.own.models import by_model, described
from kinowatt.analysis.predict import predict
from kinowatt.analysis.tables import Table
from kinowatt.units import wh_to_joules

NAMED = ("text_encoder", "denoiser", "vae_decoder")
SMALL_PCT = 5.0  # what may be called negligible: about the noise between two laboratories


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """One measured video in parts. `seconds`: by part, `host` being all that is none of the three
    (scheduler, waiting, post-processing, an upsampler of latents). `wh`: of denoiser and decoder
    where they were metered in windows of their own or were long enough, None elsewhere."""

    model: str
    setting: str
    size: str
    guidance: float
    batch: int
    steps: int
    whole: bool
    latency_s: float
    gpu_wh: float | None
    idle_w: float | None
    seconds: dict[str, float]
    wh: dict[str, float | None]
    flops: float

    def share_pct(self, part: str) -> float:
        """Of the seconds."""
        return 100.0 * self.seconds[part] / self.latency_s

    @property
    def auxiliary_pct(self) -> float:
        """Of the seconds: all that is not the denoiser."""
        return 100.0 - self.share_pct("denoiser")

    @property
    def largest_auxiliary(self) -> str:
        """The part besides the denoiser that takes longest."""
        return max(self.seconds.keys() - {"denoiser"}, key=lambda part: self.seconds[part])

    def energy_pct(self, part: str) -> float | None:
        """Of the GPU's energy; None where it was not metered apart."""
        wh = self.wh[part]
        return None if wh is None or self.gpu_wh is None else 100.0 * wh / self.gpu_wh

    @property
    def rest_wh(self) -> float | None:
        """GPU energy of text encoder and host together, which are too short to be metered apart."""
        denoiser, decoder = self.wh["denoiser"], self.wh["vae_decoder"]
        if self.gpu_wh is None or denoiser is None or decoder is None:
            return None
        return self.gpu_wh - denoiser - decoder

    @property
    def rest_over_denoiser(self) -> float | None:
        """Mean power of text encoder and host over the denoiser's."""
        rest, denoiser = self.rest_wh, self.wh["denoiser"]
        if rest is None or denoiser is None:
            return None
        rest_s = self.seconds["text_encoder"] + self.seconds["host"]
        return rest / rest_s / (denoiser / self.seconds["denoiser"])

    @property
    def idle_pct(self) -> float | None:
        """Of the GPU's energy: what it would have drawn in the same seconds doing nothing."""
        if self.idle_w is None or self.gpu_wh is None:
            return None
        return 100.0 * self.idle_w * self.latency_s / wh_to_joules(self.gpu_wh)


def parts(rows: Iterable[Counted]) -> list[Parts]:
    """Of each row."""
    return [_parts(row) for row in rows]


def _parts(counted: Counted) -> Parts:
    row = counted.own.row
    stages, work = row["stages"], row["workload"]
    seconds = {name: stages[name]["latency_s"] for name in NAMED}
    size = f"{work['height_px']}×{work['width_px']}×{work['frames']}"
    batch = work["batch_size"]
    return Parts(
        model=row["model"],
        setting=described(work) + f", {batch} videos" * (batch > 1),
        size=size,
        guidance=work["guidance_scale"],
        batch=batch,
        steps=work["steps"],
        whole=not counted.own.composed,
        latency_s=row["latency_s"],
        gpu_wh=row["energy_wh"]["gpu"],
        idle_w=row["idle_power_w"],
        seconds=seconds | {"host": row["latency_s"] - sum(seconds.values())},
        wh={name: stages[name]["energy_wh"]["gpu"] for name in NAMED},
        flops=counted.flops,
    )


def nearest_to_cards(videos: Sequence[Parts]) -> list[Parts]:
    """Of each model the video whose counted work is nearest to its card's; where several are alike,
    the one of which most was metered."""
    return [_nearest(mine) for _, mine in by_model(videos)]


def _nearest(videos: Sequence[Parts]) -> Parts:
    card = predict(videos[0].model).flops["total"]

    def far(video: Parts) -> tuple[float, int]:
        unknown = (video.idle_pct, video.rest_wh, video.energy_pct("denoiser")).count(None)
        return round(abs(log(video.flops / card)), 6), unknown

    return min(videos, key=far)


def models_table(nearest: Sequence[Parts]) -> Table:
    rows = [_model(video) for video in nearest]
    return Table(
        name="auxiliary_models",
        title="Seven models near their cards' settings",
        rows=tuple(rows),
        notes=(
            "Time: of the pipeline call. Host: all that is none of the three stages (scheduler,"
            " post-processing, in a cascade what lies between its passes).",
            "Energy: of the GPU alone. Text encoder and host are too"
            " short to be metered apart: their energy stands together, as what is left; in composed"
            " rows it is their seconds at the power that was sampled in them.",
            "Idle: what the GPU drew before, powered up with the pipeline loaded, over the whole"
            " seconds. It is a part of all the others, not one more.",
            "–: not metered apart, because the video is too short, or no idle baseline was taken.",
        ),
    )


def _model(video: Parts) -> dict[str, Any]:
    rest = video.rest_wh
    return {
        "model": video.model,
        "setting": video.setting,
        "text_encoder_time_pct": video.share_pct("text_encoder"),
        "decoder_time_pct": video.share_pct("vae_decoder"),
        "host_time_pct": video.share_pct("host"),
        "all_three_time_pct": video.auxiliary_pct,
        "decoder_energy_pct": video.energy_pct("vae_decoder"),
        "rest_energy_pct": None if rest is None else 100.0 * rest / _known(video.gpu_wh),
        "all_three_energy_pct": _but(video.energy_pct("denoiser")),
        "idle_energy_pct": video.idle_pct,
    }


def _but(pct: float | None) -> float | None:
    return None if pct is None else 100.0 - pct


def _known(value: float | None) -> float:
    assert value is not None
    return value


def range_table(videos: Sequence[Parts]) -> Table:
    """Where the share is least and where it is most, by model."""
    rows = [_range(name, mine) for name, mine in by_model(videos)]
    return Table(
        name="auxiliary_range",
        title="The share of time that is not the denoiser's, least and most",
        rows=tuple(rows),
    )


def _range(name: str, videos: Sequence[Parts]) -> dict[str, Any]:
    ordered = sorted(videos, key=lambda video: video.auxiliary_pct)
    least, most = ordered[0], ordered[-1]
    return {
        "model": name,
        "rows": len(videos),
        "least_pct": least.auxiliary_pct,
        "at": least.setting,
        "median_pct": ordered[len(ordered) // 2].auxiliary_pct,
        "most_pct": most.auxiliary_pct,
        "at_": most.setting,
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class StepsLadder:
    """Whole videos of one model and size that differ in steps alone, fewest first."""

    model: str
    size: str
    videos: tuple[Parts, ...]

    @property
    def auxiliary_s(self) -> float:
        """Seconds of a video that are not the denoiser's: the mean, they do not grow with steps."""
        return fmean(video.latency_s - video.seconds["denoiser"] for video in self.videos)

    @property
    def step_s(self) -> float:
        """Of the video of most steps, where the clock has settled."""
        last = self.videos[-1]
        return last.seconds["denoiser"] / last.steps

    @property
    def steps_for_small(self) -> float:
        """Steps from which the share is below `SMALL_PCT`."""
        return self.auxiliary_s * (100.0 / SMALL_PCT - 1.0) / self.step_s


def steps_ladders(videos: Sequence[Parts]) -> list[StepsLadder]:
    """Of whole videos only; sizes with at least two step counts, of each the first row."""
    found: dict[tuple[str, str, float, int], dict[int, Parts]] = {}
    for video in videos:
        if video.whole:
            alike = (video.model, video.size, video.guidance, video.batch)
            found.setdefault(alike, {}).setdefault(video.steps, video)
    return [
        StepsLadder(model=model, size=size, videos=tuple(by[steps] for steps in sorted(by)))
        for (model, size, *_), by in found.items()
        if len(by) > 1
    ]


def steps_table(found: Sequence[StepsLadder]) -> Table:
    rows = [
        {
            "model": ladder.model,
            "size": ladder.size,
            "steps": ", ".join(str(video.steps) for video in ladder.videos),
            "besides_the_denoiser_s": ladder.auxiliary_s,
            "per_step_s": ladder.step_s,
            "fewest_steps_pct": ladder.videos[0].auxiliary_pct,
            "most_steps_pct": ladder.videos[-1].auxiliary_pct,
            "steps_until_5_percent": round(ladder.steps_for_small),
        }
        for ladder in found
    ]
    return Table(
        name="auxiliary_steps",
        title="The same share against steps, whole videos",
        rows=tuple(rows),
        notes=("The last column is computed from the two columns of seconds.",),
    )


def powers_table(videos: Sequence[Parts]) -> Table:
    """Mean power of each part, by model, over rows in which all of them are known."""
    known = [video for video in videos if video.rest_wh is not None]
    rows = [_powers(name, mine) for name, mine in by_model(known)]
    return Table(
        name="auxiliary_powers",
        title="Mean power of the parts",
        rows=tuple(rows),
        notes=("Means over rows whose denoiser and decoder were metered in windows of their own.",),
    )


def _powers(name: str, videos: Sequence[Parts]) -> dict[str, Any]:
    by_part = {
        part: fmean(wh_to_joules(_known(video.wh[part])) / video.seconds[part] for video in videos)
        for part in ("denoiser", "vae_decoder")
    }
    return {
        "model": name,
        "rows": len(videos),
        "denoiser_w": by_part["denoiser"],
        "decoder_w": by_part["vae_decoder"],
        "text_encoder_and_host_w": fmean(_rest_w(video) for video in videos),
    }


def _rest_w(video: Parts) -> float:
    seconds = video.seconds["text_encoder"] + video.seconds["host"]
    return wh_to_joules(_known(video.rest_wh)) / seconds
