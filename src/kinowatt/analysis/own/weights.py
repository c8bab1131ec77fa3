"""What weights and activations do to a forward: variants of random ones, beside other laboratories."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from kinowatt.analysis.own.lines import Forward, Line, change_pct, comparable, forwards
from kinowatt.analysis.own.models import PAPER_GPU, matching
from kinowatt.analysis.own.rows import Group, OwnRow, as_shipped, grouped
from kinowatt.analysis.predict import predict
from kinowatt.analysis.tables import Table
from kinowatt.facts.data import data_path
from kinowatt.facts.loading import Row, number, read_csv
from kinowatt.units import MS_PER_S, wh_to_joules

# Weights of one kind: only the random numbers are others, or nothing is
ALIKE = ("default", "default again", "seed 1", "seed 2")
BLOCKS = ("first", "middle", "last")


@dataclass(frozen=True, kw_only=True, slots=True)
class Varied:
    """One model on one GPU: forwards by variant in order, and the mean of those that are alike."""

    gpu: str
    model: str
    found: tuple[Forward, ...]

    @property
    def alike(self) -> list[Forward]:
        return [each for each in self.found if each.variant in ALIKE]

    @property
    def usual_s(self) -> float:
        return fmean(each.seconds for each in self.alike)

    @property
    def usual_w(self) -> float:
        return fmean(each.power_w for each in self.alike)

    @property
    def usual_j(self) -> float:
        return fmean(each.joules for each in self.alike)

    @property
    def spread_pct(self) -> float:
        """Slowest over fastest of those that are alike."""
        seconds = [each.seconds for each in self.alike]
        return change_pct(max(seconds), min(seconds))

    def slower_pct(self, each: Forward) -> float:
        return change_pct(each.seconds, self.usual_s)

    def changed(self, noise_pct: float) -> list[Forward]:
        """Variants that differ by more than the noise, in time."""
        return [
            each
            for each in self.found
            if each.variant not in ALIKE and abs(self.slower_pct(each)) > noise_pct
        ]

    def unchanged(self, noise_pct: float) -> list[str]:
        """Variants that do not."""
        beyond = self.changed(noise_pct)
        return [e.variant for e in self.found if e.variant not in ALIKE and e not in beyond]

    def one(self, variant: str) -> Forward:
        return next(each for each in self.found if each.variant == variant)


def varied(lines: Iterable[Line]) -> list[Varied]:
    """By GPU and model, most variants first."""
    found = [
        Varied(gpu=on, model=model, found=tuple(mine))
        for (on, model), mine in comparable(forwards(lines))
    ]
    return sorted(found, key=lambda each: (each.gpu, -len(each.found)))


def noise_pct(models: Sequence[Varied]) -> float:
    """The largest spread of variants that are alike."""
    return max(each.spread_pct for each in models)


def variants_table(lines: Sequence[Line]) -> Table:
    """Time, power and what the middle block gave, by variant."""
    given = {_which(line): line.get("activations", {}) for line in lines}
    rows = [
        _row(model, each, given[model.gpu, model.model, each.variant]["middle"])
        for model in varied(lines)
        for each in model.found
    ]
    return Table(
        name="weights_variants",
        title="One forward by what its weights are",
        rows=tuple(rows),
        notes=(
            "Against the usual: the mean of defaults and other seeds, of the same GPU and model. sd: of"
            " single forwards.",
            "Middle block: spread of what it gives; kurtosis, 3 for a normal distribution; the"
            " largest over the spread. –: all are equal. All values of all blocks looked at are"
            f" finite{'' if all_finite(lines) else ' but for some'}.",
            "Default: normal weights of a spread that keeps the variance of what passes through a"
            " layer, biases 0 and norms 1. Outlier channels: one in a hundred of the residual stream"
            " 30 times as large in every layer that writes it. One bit of mantissa: weights rounded"
            " to it. Zero latents: the denoiser's input, not its weights.",
        ),
    )


def _which(line: Line) -> tuple[str, str, str]:
    return line["gpu"], line["model"], line["variant"]


def _row(model: Varied, each: Forward, block: Line) -> dict[str, Any]:
    return {
        "gpu": each.gpu,
        "model": each.model,
        "variant": each.variant,
        "forward_ms": MS_PER_S * each.seconds,
        "sd_ms": MS_PER_S * each.sd_s,
        "time_against_usual_pct": model.slower_pct(each),
        "energy_against_usual_pct": change_pct(each.joules, model.usual_j),
        "power_w": each.power_w,
        "clock_mhz": each.clock_mhz,
        "samples_at_the_limit_pct": 100.0 * each.capped,
        "spread_of_middle_block": block.get("sd"),
        "kurtosis": block.get("kurtosis"),
        "largest_over_spread": block.get("largest_over_sd"),
    }


def all_finite(lines: Iterable[Line]) -> bool:
    """Whether every activation of every block that was looked at is a number."""
    return all(
        line["activations"][block]["finite"] == 1.0
        for line in lines
        if "activations" in line
        for block in BLOCKS
    )


def laboratories_table(rows: Sequence[OwnRow]) -> Table:
    """Published figures on real weights beside ours of the same video on random ones."""
    groups = grouped(as_shipped(rows, PAPER_GPU))
    given = read_csv(data_path("paper/other_labs.csv"), ("model", "gpu", "latency_s"))
    found = [_laboratory(raw, groups) for raw in given if raw["gpu"] == PAPER_GPU]
    return Table(
        name="weights_laboratories",
        title="Another laboratory's figures on real weights",
        rows=tuple(found),
        notes=(
            "Real weights: published, ML.ENERGY leaderboard data, 2026-02, H100, its own software and"
            " machines (`data/paper/other_labs.csv`). Random weights: measured by us.",
        ),
    )


def _laboratory(raw: Row, groups: Sequence[Group]) -> dict[str, Any]:
    names = ("height_px", "width_px", "frames", "steps")
    asked = {name: int(number(raw, name, raw.where)) for name in names}
    latency_s, wh = (number(raw, name, raw.where) for name in ("latency_s", "gpu_energy_wh"))
    group = matching(groups, predict(raw["model"], PAPER_GPU, recipe="single", **asked))
    ours_s = group.latency_s.mean if group else None
    energy = group.gpu_wh if group else None
    size = "×".join(str(asked[name]) for name in names[:3])
    return {
        "model": raw["model"],
        "video": f"{size}, {asked['steps']} steps",
        "real_weights_s": latency_s,
        "real_weights_wh": wh,
        "real_weights_w": wh_to_joules(wh) / latency_s,
        "random_weights_s": ours_s,
        "random_weights_wh": energy.mean if energy else None,
        "random_weights_w": wh_to_joules(energy.mean) / ours_s if energy and ours_s else None,
    }
