"""What doubling a dimension costs, measured: ratios between two published points."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from kinowatt.analysis.rows import PaperRow, paper_rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Growth:
    """The larger point over the smaller one: latency, GPU energy, and tokens that really ran."""

    latency: float
    energy: float
    tokens: float

    @property
    def exponent(self) -> float:
        """d log latency / d log tokens."""
        return math.log(self.latency) / math.log(self.tokens)

    @property
    def energy_exponent(self) -> float:
        return math.log(self.energy) / math.log(self.tokens)


def tokens_run(row: PaperRow) -> float:
    """Tokens of the latent grid that the pipeline runs for a row."""
    return (row.frames // 4 + 1) * row.height_px * row.width_px / 256


def point(sweep: str, **wanted: int) -> PaperRow:
    """The measured row of a sweep with these settings."""
    rows = paper_rows(sweep, "with_latency")
    return next(r for r in rows if all(getattr(r, key) == value for key, value in wanted.items()))


def growth(sweep: str, low: Mapping[str, int], high: Mapping[str, int]) -> Growth:
    small, large = point(sweep, **low), point(sweep, **high)
    return Growth(
        latency=large.seconds / small.seconds,
        energy=large.gpu_energy_wh / small.gpu_energy_wh,
        tokens=tokens_run(large) / tokens_run(small),
    )


def frames_doubled() -> Growth:
    """48 to 96 frames at 720p: 13 to 25 latent frames."""
    return growth("frames", {"frames": 48}, {"frames": 96})


def sides_doubled() -> Growth:
    """768x432 to 1536x864."""
    return growth(
        "resolution",
        {"width_px": 768, "height_px": 432},
        {"width_px": 1536, "height_px": 864},
    )


def small_sides_doubled() -> Growth:
    """256x256 to 512x512."""
    return growth(
        "resolution",
        {"width_px": 256, "height_px": 256},
        {"width_px": 512, "height_px": 512},
    )
