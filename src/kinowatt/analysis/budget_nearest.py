"""Where nothing fits: which requirement would have to give, and how far."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kinowatt.analysis.budget_ask import COSTS
from kinowatt.analysis.budget_pick import pick
from kinowatt.analysis.budget_setting import Setting, setting_at
from kinowatt.analysis.budget_space import Array, Place, Space, offloaded, tiled
from kinowatt.errors import require_extra
from kinowatt.units import round_down, round_up

GPU_MEMORY = "gpu_memory_gib"  # no requirement of the user's: what the GPU has


@dataclass(frozen=True, kw_only=True, slots=True)
class Relaxation:
    """Requirements as asked and as needed, and the setting that then fits.

    `needed` is rounded to the side on which it works.
    """

    changes: Mapping[str, tuple[Any, Any]]
    setting: Setting

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        changes = {
            name: {"asked": asked, "needed": needed}
            for name, (asked, needed) in self.changes.items()
        }
        return {"changes": changes, "setting": self.setting.to_dict()}


def nearest(space: Space) -> tuple[Relaxation, ...]:
    """One requirement at a time, nearest first; several at once where that is nearer still."""
    np: Any = require_extra("numpy", "numpy")
    if not len(space):
        return ()
    space = tiled(space, np.ones(len(space), bool))
    steps = min(space.steps[1], space.steps[2])
    ratios = _ratios(space, steps)
    found = [_one(space, ratios, name, steps) for name in ratios]
    found.append(_fewer_steps(space, ratios))
    singles = sorted((item for item in found if item), key=lambda item: item[0])
    worst, several = _several(space, ratios, steps)
    if not singles or (len(several.changes) > 1 and worst < singles[0][0]):
        singles.insert(0, (worst, several))
    return (*(relaxation for _, relaxation in singles), *_offloaded(space))


def _ratios(space: Space, steps: int) -> dict[str, Array]:
    """How far each row misses each requirement at the least steps: above 1 is missed."""
    ask, place = space.place.ask, space.place
    used = space.used(steps)
    found = {name: used[name] / ask.numbers[name] for name in COSTS if name in ask.numbers}
    found[_memory_name(place)] = space.peak_memory_gib / place.memory_limit_gib
    if "min_height_px" in ask.numbers:
        found["min_height_px"] = ask.numbers["min_height_px"] / space.short_px
    if "min_video_s" in ask.numbers:
        found["min_video_s"] = ask.numbers["min_video_s"] / space.video_s
    return found


def _memory_name(place: Place) -> str:
    asked = place.ask.number("max_memory_gib", math.inf)
    return "max_memory_gib" if asked < place.gpu.memory_gib else GPU_MEMORY


def _one(
    space: Space, ratios: Mapping[str, Array], name: str, steps: int
) -> tuple[float, Relaxation] | None:
    """The row that misses one requirement by the least, all others kept."""
    np: Any = require_extra("numpy", "numpy")
    if steps < space.steps[1]:
        return None
    fits = _below_most(space)
    for other, ratio in ratios.items():
        if other != name:
            fits = fits & (ratio <= 1)
    rows = np.flatnonzero(fits)
    if not len(rows):
        return None
    row = int(rows[np.lexsort((space.cost(steps)[0][rows], ratios[name][rows]))[0]])
    return float(ratios[name][row]), _relaxation(space, ratios, (name,), (row, steps))


def _below_most(space: Space) -> Array:
    """Where size and length keep to their maximums."""
    ask = space.place.ask
    return (space.short_px <= ask.number("max_height_px", math.inf)) & (
        space.video_s <= ask.number("max_video_s", math.inf)
    )


def _fewer_steps(space: Space, ratios: Mapping[str, Array]) -> tuple[float, Relaxation] | None:
    """The most steps with which anything keeps to every other requirement."""
    np: Any = require_extra("numpy", "numpy")
    fits = _below_most(space)
    for name, ratio in ratios.items():
        if name not in COSTS:
            fits = fits & (ratio <= 1)
    steps = space.most_steps()
    rows = np.flatnonzero(fits & (steps >= space.steps[0]))
    if not len(rows):
        return None
    row = int(rows[np.lexsort((space.cost(steps)[0][rows], -steps[rows]))[0]])
    most = int(steps[row])
    changes = {"min_steps": (space.steps[1], most)}
    return space.steps[1] / most, _best(space, changes, (row, most))


def _several(space: Space, ratios: Mapping[str, Array], steps: int) -> tuple[float, Relaxation]:
    """The row whose worst miss is the least, with all that it misses."""
    np: Any = require_extra("numpy", "numpy")
    worst = np.where(_below_most(space), np.max(np.stack(list(ratios.values())), axis=0), np.inf)
    row = int(np.lexsort((space.cost(steps)[0], worst))[0])
    missed = tuple(name for name, ratio in ratios.items() if ratio[row] > 1)
    found = _relaxation(space, ratios, missed, (row, steps))
    if steps < space.steps[1]:
        changes = {**found.changes, "min_steps": (space.steps[1], steps)}
        found = _best(space, changes, (row, steps))
    return float(worst[row]), found


def _relaxation(
    space: Space, ratios: Mapping[str, Array], names: tuple[str, ...], at: tuple[int, int]
) -> Relaxation:
    row, place = at[0], space.place
    changes: dict[str, tuple[Any, Any]] = {}
    for name in names:
        asked = place.ask.number(name, place.gpu.memory_gib)
        if name == "min_height_px":
            changes[name] = (asked, int(space.short_px[row]))
        elif name == "min_video_s":
            changes[name] = (asked, round_down(float(space.video_s[row])))
        else:
            changes[name] = (asked, round_up(float(ratios[name][row]) * asked))
    more_gib = changes.get("max_memory_gib", (0, 0))[1]
    if more_gib > place.gpu.memory_gib:
        del changes["max_memory_gib"]
        changes[GPU_MEMORY] = (place.gpu.memory_gib, more_gib)
    return _best(space, changes, at)


def _best(space: Space, changes: Mapping[str, tuple[Any, Any]], at: tuple[int, int]) -> Relaxation:
    """With the setting that is then the best; the row itself where the GPU is too small."""
    needed = {name: value for name, (_, value) in changes.items()}
    ask = space.place.ask
    relaxed = replace(ask, numbers={**ask.numbers, **needed})
    place = replace(space.place, ask=relaxed)
    floor = needed.get("min_steps", space.steps[1])
    eased = replace(space, place=place, steps=(space.steps[0], floor, space.steps[2]))
    row, steps = pick(eased).get("final", at) if GPU_MEMORY not in needed else at
    return Relaxation(changes=changes, setting=setting_at(eased, row, steps))


def _offloaded(space: Space) -> tuple[Relaxation, ...]:
    """Offloading, where memory alone is missing at every size and length asked for."""
    place = space.place
    fits = space.as_asked() & (space.peak_memory_gib <= place.memory_limit_gib)
    if place.ask.offload == "model" or fits.any():
        return ()
    moved = offloaded(space)
    found = pick(moved)
    if not found:
        return ()
    setting = setting_at(moved, *found["final"])
    return (Relaxation(changes={"offload": ("none", "model")}, setting=setting),)
