"""One setting with its cost: as `budget` answers it, checked against `predict`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kinowatt.analysis.budget_space import Place, Space
from kinowatt.analysis.predict import predict
from kinowatt.analysis.prediction import Prediction
from kinowatt.theory.profile import interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What to ask of the pipeline, and what it is predicted to cost.

    `share_of_card`: pixels, frames and steps over the model card's. `intervals`: low and high ends
    by level, as of `Prediction`. `score` is the user's own; None where none was given.
    """

    model: str
    gpu: str
    recipe: str
    height_px: int
    width_px: int
    frames: int
    steps: int
    tiling: bool
    offload: str
    fps: float
    video_s: float
    pixel_frames: int
    latency_s: float
    energy_wh_gpu: float
    peak_memory_gib: float
    cost_usd: float | None
    co2e_g: float | None
    intervals: Mapping[str, Mapping[str, tuple[float, float]]]
    share_of_card: Mapping[str, float]
    score: float | None = None

    @property
    def short_px(self) -> int:
        """As in 480p."""
        return min(self.height_px, self.width_px)

    @property
    def beyond_card(self) -> bool:
        """Whether it is over a tenth larger or longer than what the model card shows."""
        return max(self.share_of_card["pixels"], self.share_of_card["frames"]) > 1.1

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        found = asdict(self)
        found["intervals"] = {
            quantity: {level: list(ends) for level, ends in levels.items()}
            for quantity, levels in self.intervals.items()
        }
        return {**found, "short_px": self.short_px, "beyond_card": self.beyond_card}


def setting_at(space: Space, row: int, steps: int, score: float | None = None) -> Setting:
    """A setting by its row in the arrays."""
    place = space.place
    latency_s, energy_wh = (
        float(constant[row] + per_step[row] * steps)
        for constant, per_step in (space.latency_s, space.energy_wh)
    )
    reach = space.reach(row)
    spread = {
        "latency_s": interval(place.profile, reach, "latency", latency_s),
        "energy_wh_gpu": interval(place.profile, reach, "energy", energy_wh),
    }
    height_px, width_px, frames = (
        int(column[row]) for column in (space.height_px, space.width_px, space.frames)
    )
    shares = space.shares_at(row, steps)
    return Setting(
        model=place.model.name,
        gpu=place.gpu.name,
        recipe=place.recipe.name,
        height_px=height_px,
        width_px=width_px,
        frames=frames,
        steps=int(steps),
        tiling=bool(space.tiling[row]),
        offload=place.ask.offload,
        fps=place.card.fps,
        video_s=frames / place.card.fps,
        pixel_frames=height_px * width_px * frames,
        latency_s=latency_s,
        energy_wh_gpu=energy_wh,
        peak_memory_gib=float(space.peak_memory_gib[row]),
        cost_usd=place.accounting.cost_usd(latency_s),
        co2e_g=place.accounting.co2e_g(energy_wh, latency_s),
        intervals=spread,
        share_of_card=dict(zip(("pixels", "frames", "steps"), map(float, shares), strict=True)),
        score=score,
    )


def predicted(place: Place, setting: Setting) -> Prediction:
    """What `predict` says of a setting."""
    return predict(
        setting.model,
        setting.gpu,
        profile=place.profile.name,
        recipe=setting.recipe,
        tiling=setting.tiling,
        offload=setting.offload,
        height_px=setting.height_px,
        width_px=setting.width_px,
        frames=setting.frames,
        steps=setting.steps,
    )


def keeps(place: Place, found: Prediction) -> bool:
    """Whether a prediction keeps to every limit, held as the arrays hold them."""
    numbers, money = place.ask.numbers, place.accounting
    latency_s, energy_wh = found.latency_s, found.energy_wh["gpu"] or 0.0
    if place.ask.confidence != 50:
        level = str(place.ask.confidence)
        latency_s, energy_wh = (
            found.intervals[name][level][1] for name in ("latency_s", "energy_wh_gpu")
        )
    used = {
        "max_latency_s": latency_s,
        "max_energy_wh": energy_wh,
        "max_cost_usd": money.cost_usd(latency_s),
        "max_co2e_g": money.co2e_g(energy_wh, latency_s),
    }
    within = all(
        value <= numbers[name]
        for name, value in used.items()
        if value is not None and name in numbers
    )
    return within and (found.peak_memory_gib or 0.0) <= place.memory_limit_gib


def checked(space: Space, row: int, steps: int) -> tuple[Setting, Prediction]:
    """A setting that `predict` confirms: a step less where rounding put it past a limit."""
    setting = setting_at(space, row, steps)
    found = predicted(space.place, setting)
    if not keeps(space.place, found) and steps > space.steps[1]:
        setting = setting_at(space, row, steps - 1)
        found = predicted(space.place, setting)
    return setting, found
