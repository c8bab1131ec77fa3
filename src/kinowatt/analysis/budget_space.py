"""Every setting of one model on one GPU as arrays: what it costs, and the most steps that fit.

Latency and energy are affine in steps within a recipe: two evaluations give both coefficients, and
the most steps within the limits are solved, not searched.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kinowatt.analysis.budget_ask import COSTS, Ask
from kinowatt.analysis.budget_ladder import frame_counts, sizes, step_range
from kinowatt.analysis.costs import Accounting
from kinowatt.analysis.predict import scenario
from kinowatt.errors import require_extra
from kinowatt.facts.gpus import GpuSpec
from kinowatt.facts.models import ModelSpec, Preset, Recipe
from kinowatt.facts.operator_tables import operator_table
from kinowatt.facts.profiles import GpuProfile
from kinowatt.theory.memory import peak_memory
from kinowatt.theory.predict import estimate, moved_of, reach_of
from kinowatt.theory.profile import Reach, interval
from kinowatt.theory.recipe import plan
from kinowatt.theory.workload import make_workload
from kinowatt.units import joules_to_wh

Array = Any
Settings = tuple[Array, Array, Array]  # heights, widths, frame counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One model on one GPU, and what is asked of it."""

    model: ModelSpec
    gpu: GpuSpec
    profile: GpuProfile
    recipe: Recipe
    ask: Ask
    accounting: Accounting

    @property
    def card(self) -> Preset:
        """The model card's settings, which settings are compared with."""
        return self.model.preset("default")

    def upper(self, quantity: str, reach: Reach, value: Array) -> Array:
        """Upper end of a predicted "latency" or "energy" at the confidence asked for."""
        if self.ask.confidence == 50:
            return value
        return interval(self.profile, reach, quantity, value)[str(self.ask.confidence)][1]

    @property
    def moved(self) -> Mapping[str, float]:
        """Seconds and Wh of each video in which offload moves weights."""
        if self.ask.offload == "none":
            return {}
        names = {"profile": self.profile.name, "recipe": self.recipe.name}
        chosen = scenario(self.model.name, self.gpu.name, offload=self.ask.offload, **names)
        return moved_of(chosen, operator_table)

    @property
    def memory_limit_gib(self) -> float:
        """What the GPU has, or less where asked."""
        return min(self.gpu.memory_gib, self.ask.number("max_memory_gib", self.gpu.memory_gib))


@dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    """Settings by row. `latency_s`, `energy_wh`: (constant, per step) of the predicted value;
    `call_bound`, `beyond`: what its interval depends on."""

    place: Place
    height_px: Array
    width_px: Array
    frames: Array
    tiling: Array
    latency_s: tuple[Array, Array]
    energy_wh: tuple[Array, Array]
    peak_memory_gib: Array
    call_bound: Array
    beyond: Array
    steps: tuple[int, int, int]  # least the pipeline takes, least wanted, most wanted

    def __len__(self) -> int:
        return len(self.frames)

    def reach(self, row: Any = ...) -> Reach:
        """Of one row, or of all."""
        return Reach(
            model=self.place.model.name,
            call_bound=self.call_bound[row],
            beyond=self.beyond[row],
            moved=self.place.moved,
        )

    @property
    def video_s(self) -> Array:
        return self.frames / self.place.card.fps

    @property
    def short_px(self) -> Array:
        np: Any = require_extra("numpy", "numpy")
        return np.minimum(self.height_px, self.width_px)

    @property
    def pixel_frames(self) -> Array:
        """Pixels of all frames of the video: the output."""
        return self.height_px * self.width_px * self.frames

    def as_asked(self) -> Array:
        """Where size and length are neither below a minimum nor above a maximum."""
        ask, most = self.place.ask, float("inf")
        size, length = self.short_px, self.video_s
        return (
            (size >= ask.number("min_height_px", 0))
            & (size <= ask.number("max_height_px", most))
            & (length >= ask.number("min_video_s", 0))
            & (length <= ask.number("max_video_s", most))
        )

    def cost(self, steps: Array) -> tuple[Array, Array]:
        """Predicted seconds and GPU Wh."""
        (a, b), (c, d) = self.latency_s, self.energy_wh
        return a + b * steps, c + d * steps

    def used(self, steps: Array) -> Mapping[str, Array]:
        """What each limit is held against, at the confidence asked for."""
        latency_s, energy_wh = self.cost(steps)
        reach = self.reach()
        latency_s = self.place.upper("latency", reach, latency_s)
        energy_wh = self.place.upper("energy", reach, energy_wh)
        found = {"max_latency_s": latency_s, "max_energy_wh": energy_wh}
        money = self.place.accounting
        if money.usd_per_gpu_hour is not None:
            found["max_cost_usd"] = money.cost_usd(latency_s)
        if money.g_per_kwh is not None:
            found["max_co2e_g"] = money.co2e_g(energy_wh, latency_s)
        return found

    def most_steps(self, cap_s: float | None = None) -> Array:
        """The most steps, up to the most wanted, within the limits; 0 and below where none are.

        `cap_s`: one more limit, on the predicted seconds.
        """
        np: Any = require_extra("numpy", "numpy")
        numbers = self.place.ask.numbers
        at_none, at_one = self.used(0), self.used(1)
        found = np.full(len(self), float(self.steps[2]))
        for name in COSTS:
            if name in numbers:
                fixed, per_step = at_none[name], at_one[name] - at_none[name]
                found = np.minimum(found, np.floor((numbers[name] - fixed) / per_step))
        if cap_s is not None:
            fixed, per_step = self.latency_s
            found = np.minimum(found, np.floor((cap_s - fixed) / per_step))
        return self._exact(found, cap_s)

    def _exact(self, steps: Array, cap_s: float | None) -> Array:
        """One step more or less where the division rounded the wrong way."""
        np: Any = require_extra("numpy", "numpy")
        more = np.minimum(steps + 1, self.steps[2])
        steps = np.where(self.within(more, cap_s), more, steps)
        return np.where(self.within(steps, cap_s), steps, steps - 1)

    def within(self, steps: Array, cap_s: float | None = None) -> Array:
        """Where time, energy, money and emissions keep to their limits."""
        np: Any = require_extra("numpy", "numpy")
        used, numbers = self.used(steps), self.place.ask.numbers
        fits = np.ones(len(self), bool)
        for name in COSTS:
            if name in numbers:
                fits &= used[name] <= numbers[name]
        return fits if cap_s is None else fits & (self.cost(steps)[0] <= cap_s)

    def shares(self, steps: Array) -> Array:
        """(3, settings): pixels, frames and steps over the model card's."""
        np: Any = require_extra("numpy", "numpy")
        return np.stack(np.broadcast_arrays(*self.shares_at(..., steps)))

    def shares_at(self, row: Any, steps: Array) -> tuple[Array, Array, Array]:
        """The three shares of one row, or of all."""
        card = self.place.card
        pixels = self.height_px[row] * self.width_px[row] / (card.height_px * card.width_px)
        return pixels, self.frames[row] / card.frames, steps / card.steps


def make_space(place: Place) -> Space:
    """The ladder, with tiled decoding where memory needs it and it could be an answer."""
    np: Any = require_extra("numpy", "numpy")
    rungs = sizes(place.model, place.recipe, place.ask)
    counts = frame_counts(place.model, place.recipe, place.ask)
    height, frames = np.meshgrid([float(r.height_px) for r in rungs], counts, indexing="ij")
    width, _ = np.meshgrid([float(r.width_px) for r in rungs], counts, indexing="ij")
    space = space_of(place, (height.ravel(), width.ravel(), frames.ravel()))
    return tiled(space, space.as_asked() & _may_fit(space), place.memory_limit_gib)


def space_of(place: Place, settings: Settings) -> Space:
    """Given heights, widths and frame counts; tiled only where that is asked or the card's."""
    np: Any = require_extra("numpy", "numpy")
    tiling = place.card.tiling if place.ask.tiling is None else place.ask.tiling
    steps = step_range(place.model, place.ask)
    found = _evaluated(place, settings, tiling, steps[0])
    return Space(
        place=place,
        height_px=settings[0],
        width_px=settings[1],
        frames=settings[2],
        tiling=np.full(len(settings[0]), tiling),
        latency_s=found[0],
        energy_wh=found[1],
        peak_memory_gib=found[2],
        call_bound=found[3],
        beyond=found[4],
        steps=steps,
    )


def tiled(space: Space, rows: Array, most_gib: float = math.inf) -> Space:
    """Tiled decoding in those of `rows` that are too large without it, and smaller with it.

    `most_gib`: only where the peak is then no more.
    """
    if space.place.ask.tiling is not None or not len(space):
        return space
    rows = rows & ~space.tiling & (space.peak_memory_gib > space.place.memory_limit_gib)
    if not rows.any():
        return space
    memory_gib = _memory_gib(space, True)
    rows &= (memory_gib < space.peak_memory_gib) & (memory_gib <= most_gib)
    settings = (space.height_px[rows], space.width_px[rows], space.frames[rows])
    found = _evaluated(space.place, settings, True, space.steps[0])
    columns = []
    for old, new in zip(
        (*space.latency_s, *space.energy_wh, space.peak_memory_gib),
        (*found[0], *found[1], found[2]),
        strict=True,
    ):
        column = old.copy()
        column[rows] = new
        columns.append(column)
    return replace(
        space,
        tiling=space.tiling | rows,
        latency_s=(columns[0], columns[1]),
        energy_wh=(columns[2], columns[3]),
        peak_memory_gib=columns[4],
    )


def offloaded(space: Space) -> Space:
    """The same settings with each component on the GPU only while it runs: while weights move, the
    GPU waits."""
    np: Any = require_extra("numpy", "numpy")
    place = replace(space.place, ask=replace(space.place.ask, offload="model"))
    found, moved = replace(space, place=place), place.moved
    memory_gib = np.where(space.tiling, _memory_gib(found, True), _memory_gib(found, False))
    (first_s, step_s), (first_wh, step_wh) = space.latency_s, space.energy_wh
    return replace(
        found,
        latency_s=(first_s + moved["latency"], step_s),
        energy_wh=(first_wh + moved["energy"], step_wh),
        peak_memory_gib=memory_gib,
    )


def _may_fit(space: Space) -> Array:
    """Where the denoising steps alone keep to the limits."""
    np: Any = require_extra("numpy", "numpy")
    none = np.zeros(len(space))
    steps_alone = replace(
        space, latency_s=(none, space.latency_s[1]), energy_wh=(none, space.energy_wh[1])
    )
    return steps_alone.within(space.steps[1])


def _memory_gib(space: Space, tiling: bool) -> Array:
    """Peak memory alone, without evaluating any operator."""
    model, place = space.place.model, space.place
    workload = make_workload(
        model, height_px=space.height_px, width_px=space.width_px, frames=space.frames
    )
    resolved = plan(model, workload, place.recipe, tiling)
    return peak_memory(model, resolved, operator_table, place.ask.offload).peak_gib


def _evaluated(
    place: Place, settings: Settings, tiling: bool, steps: int
) -> tuple[tuple[Array, Array], tuple[Array, Array], Array, Array, Array]:
    """(constant, per step) of seconds and of Wh, from two counts of steps; peak memory; reach."""
    np: Any = require_extra("numpy", "numpy")
    height, width, frames = settings
    chosen = scenario(
        place.model.name,
        place.gpu.name,
        profile=place.profile.name,
        recipe=place.recipe.name,
        tiling=tiling,
        offload=place.ask.offload,
        height_px=height,
        width_px=width,
        frames=frames,
        steps=np.array([[steps], [steps + 1]]),
    )
    found = estimate(chosen, operator_table)
    columns = []
    for pair in (found.latency_s, joules_to_wh(found.energy_j)):
        first, second = np.broadcast_to(pair, (2, len(frames)))
        columns.append((first - (second - first) * steps, second - first))
    assert found.memory is not None  # no model that is only a formula comes here
    memory_gib = np.broadcast_to(found.memory.peak_gib, len(frames)).copy()
    reach = reach_of(chosen, found)
    call_bound, beyond = (
        np.broadcast_to(each, (2, len(frames)))[0].copy()
        for each in (reach.call_bound, reach.beyond)
    )
    return columns[0], columns[1], memory_gib, call_bound, beyond
