"""Which of the settings that fit: near the model card's, quick, large, or not dominated.

No quality is scored here. The model card's settings are the one published point of reference, so a
setting is judged by its shares of the card's pixels, frames and steps, and by what it costs.
"""

from collections.abc import Mapping
from typing import Any

from kinowatt.analysis.budget_space import Array, Space
from kinowatt.errors import require_extra

PRESET_SHARES: Mapping[str, float] = {"balanced": 1 / 2, "draft": 1 / 8}
LEAST_SHARE = 1 / 4  # of the card's pixels, frames and steps, for the quicker presets


def wanted(space: Space, steps: Array) -> Array:
    """Where memory, size, length and steps are as required."""
    fits = space.peak_memory_gib <= space.place.memory_limit_gib
    return fits & space.as_asked() & (steps >= space.steps[1])


def pick(space: Space) -> dict[str, tuple[int, int]]:
    """(row, steps) by preset; empty where nothing fits.

    `final` is nearest to the model card's settings: the smallest of its three shares is as large as
    the limits allow, then the other two, then it is the quickest. `balanced` and `draft` are the
    same for at most a half and an eighth of the predicted time of `final`, or the least time that
    keeps to the minimums and to a quarter of the card's (or what `final` has, if that is less).
    `largest` has the most pixels x frames of what has no less of anything than `final`.
    """
    final = _nearest_card(space, 0.0, None)
    if final is None:
        return {}
    row, steps = final
    shares = space.shares(steps)[:, row]
    seconds = float(space.cost(steps)[0][row])
    least = shares.clip(max=LEAST_SHARE)
    quickest = _quickest_s(space, least)
    found = {"final": final}
    for name, share in PRESET_SHARES.items():
        found[name] = _nearest_card(space, least, max(share * seconds, quickest)) or final
    found["largest"] = _largest(space, shares)
    return found


def _nearest_card(space: Space, least: Array, cap_s: float | None) -> tuple[int, int] | None:
    np: Any = require_extra("numpy", "numpy")
    steps = space.most_steps(cap_s)
    rows = np.flatnonzero(wanted(space, steps) & _at_least(space, steps, least))
    if not len(rows):
        return None
    shares = np.minimum(np.sort(space.shares(steps)[:, rows], axis=0), 1).round(9)
    row = rows[np.lexsort((space.cost(steps)[0][rows], *-shares[::-1]))[0]]
    return int(row), int(steps[row])


def _at_least(space: Space, steps: Array, shares: Array) -> Array:
    np: Any = require_extra("numpy", "numpy")
    least = np.asarray(shares) - 1e-12
    return (least <= space.shares(steps).T).all(axis=1)


def _quickest_s(space: Space, least: Array) -> float:
    """Predicted seconds, and a hair, of the quickest setting with these shares of the card's."""
    np: Any = require_extra("numpy", "numpy")
    fewest = max(space.steps[1], int(np.ceil(least[2] * space.place.card.steps - 1e-9)))
    steps = np.full(len(space), fewest)
    fits = wanted(space, steps) & space.within(steps) & _at_least(space, steps, least)
    return float(space.cost(steps)[0][fits].min()) * (1 + 1e-12)


def _largest(space: Space, least: Array) -> tuple[int, int]:
    np: Any = require_extra("numpy", "numpy")
    steps = space.most_steps()
    rows = np.flatnonzero(wanted(space, steps) & _at_least(space, steps, least))
    order = np.lexsort((space.cost(steps)[0][rows], -space.pixel_frames[rows]))
    row = rows[order[0]]
    return int(row), int(steps[row])


AT_ONCE = 32  # rows that the others are held against in one step


def front(objectives: Array) -> Array:
    """Indices of rows that no other row dominates; `objectives`: (rows, k), less is better."""
    np: Any = require_extra("numpy", "numpy")
    order = np.lexsort(objectives.T[::-1])
    left = np.ascontiguousarray(objectives[order].T)
    done = 0
    while done < len(order):  # only what comes later in this order can be dominated
        rivals, later = left[:, done : done + AT_ONCE], left[:, done:]
        better = (later[:, None, :] < rivals[:, :, None]).any(axis=0)
        here = better[:, : rivals.shape[1]]
        here |= np.tri(len(here), dtype=bool)  # by itself, and by what comes after it: not at all
        kept = np.flatnonzero(better.all(axis=0))
        left = np.concatenate([left[:, :done], later[:, kept]], axis=1)
        order = np.concatenate([order[:done], order[done:][kept]])
        done += int((kept < len(here)).sum())
    return np.sort(order)
