"""The settings that `budget` searches: sizes, frame counts and steps that the pipeline takes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.budget_ask import ASPECTS, Ask
from kinowatt.errors import InputError, require_extra
from kinowatt.facts.models import ModelSpec, Recipe
from kinowatt.theory.recipe import plan
from kinowatt.theory.workload import limits, make_workload

LEAST_SHORT_PX = 128  # below it no model here was shown to make a picture
MOST_SHORT_PX = 1080
LEAST_VIDEO_S, MOST_VIDEO_S = 1.0, 10.0
STEPS_SHARE = 4  # without min_steps no fewer than the card's steps over this
FINE_PX, FINE_UP_TO_PX, COARSE_PX = 16, 512, 32  # how far rungs are apart, at least
USUAL_PX = (480, 540, 576, 720, 768, 1080)  # rungs that people ask for by name
RATIO_TOLERANCE = 0.04  # 832x480 passes for 16:9, as in the models' own papers


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """One rung: height and width asked of the pipeline."""

    height_px: int
    width_px: int

    @property
    def short_px(self) -> int:
        return min(self.height_px, self.width_px)


def sizes(spec: ModelSpec, recipe: Recipe, ask: Ask) -> list[Size]:
    """Rungs of one aspect ratio, smallest first; a preset's own size takes its rung.

    The longer side is the nearest multiple that the pipeline takes; rungs where that is off the
    ratio by more than 4% are left out.
    """
    card = spec.preset("default")
    wide, high = ASPECTS[ask.aspect] if ask.aspect else (card.width_px, card.height_px)
    ratio = max(wide, high) / min(wide, high)
    most = limits(spec, "height_px", recipe)[1]
    multiple = spec.rules.size_multiple
    found = {}
    for short in _rungs(spec, recipe, ask):
        long = int(short * ratio / multiple + 0.5) * multiple
        if long <= most and abs(long / short / ratio - 1) <= RATIO_TOLERANCE:
            found[short] = Size(
                height_px=long if high > wide else short, width_px=short if high > wide else long
            )
    found |= {size.short_px: size for size in _own(spec, wide / high) if size.short_px in found}
    return [found[short] for short in sorted(found)]


def _rungs(spec: ModelSpec, recipe: Recipe, ask: Ask) -> list[int]:
    """Shorter sides, smallest first: multiples that the pipeline takes, not all of the large ones.

    The least that keeps to a minimum, and the most that keeps to a maximum, are among them.
    """
    multiple, least = spec.rules.size_multiple, limits(spec, "height_px", recipe)[0]
    wanted = ask.number("min_height_px", LEAST_SHORT_PX)
    own = {min(preset.height_px, preset.width_px) for preset in spec.presets.values()}
    top = ask.number("max_height_px", max(MOST_SHORT_PX, *own, wanted) + multiple - 1)
    low = max(least, min(LEAST_SHORT_PX, wanted, top))
    named = {-(-px // multiple) * multiple for px in (*USUAL_PX, low, wanted)}
    named |= {*own, top // multiple * multiple}
    fine = math.lcm(multiple, FINE_PX)
    coarse = math.lcm(multiple, COARSE_PX)
    regular = {*range(0, FINE_UP_TO_PX, fine), *range(0, int(top) + 1, coarse)}
    return sorted(int(px) for px in regular | named if low <= px <= top)


def _own(spec: ModelSpec, ratio: float) -> Iterator[Size]:
    """Sizes of the presets, the card's last; turned where the other orientation is asked for."""
    for name in sorted(spec.presets, key="default".__eq__):
        preset = spec.presets[name]
        height, width = preset.height_px, preset.width_px
        if (width > height) != (ratio > 1):
            height, width = width, height
        if abs(width / height / ratio - 1) <= RATIO_TOLERANCE:
            yield Size(height_px=height, width_px=width)


def frame_counts(spec: ModelSpec, recipe: Recipe, ask: Ask) -> list[int]:
    """Counts that the pipeline generates as asked, without rounding, from 1 s to 10 s or as asked."""
    np: Any = require_extra("numpy", "numpy")
    card = spec.preset("default")
    least, most = limits(spec, "frames")
    low = min(LEAST_VIDEO_S, ask.number("min_video_s", LEAST_VIDEO_S)) * card.fps
    top = ask.number("max_video_s", 0) * card.fps
    reach = top or max(
        MOST_VIDEO_S * card.fps, card.frames, ask.number("min_video_s", 0) * card.fps
    )
    counts = np.arange(max(least, np.ceil(low)), min(most, reach + (0 if top else 16)) + 1)
    if not len(counts):
        return []
    workload = make_workload(spec, frames=counts)
    runs = np.broadcast_to(plan(spec, workload, recipe, False).effective.frames, counts.shape)
    found = [int(count) for count in counts[runs == counts]]
    enough = [index for index, count in enumerate(found) if count >= reach]
    return found if top or not enough else found[: enough[0] + 1]


def step_range(spec: ModelSpec, ask: Ask) -> tuple[int, int, int]:
    """(least the pipeline takes, least wanted, most wanted); a distilled model has its one count.

    The least wanted may be above the most: then nothing fits, and the answer says so.
    """
    card = spec.preset("default").steps
    least, most = limits(spec, "steps")
    if spec.rules.distilled_steps:
        only = spec.rules.distilled_steps
        return only, max(only, int(ask.number("min_steps", only))), only
    high = int(min(most, ask.number("max_steps", max(card, ask.number("min_steps", card)))))
    floor = min(max(least, -(-card // STEPS_SHARE)), max(high, least))
    return int(least), int(ask.number("min_steps", floor)), high


def checked_model(spec: ModelSpec) -> ModelSpec:
    """`InputError` for a model that is only the paper's formulas: it has no memory to keep to."""
    if spec.form == "paper":
        raise InputError(
            f"{spec.name} is the paper's formula, without memory or frame rules; "
            f"nearest: {spec.name.removesuffix('-as-published')}"
        )
    return spec
