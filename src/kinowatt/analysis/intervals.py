"""How far a new model or configuration is missed: intervals from what was left out.

Quantiles of the errors of rows that the fit did not see, each group (a model) with the same weight.
A handful of models does not tell a quantile well: other models might have been measured. Models are
therefore drawn again and again, with replacement (a bootstrap), and the interval is as wide as the
quantile of most such draws. `kinowatt validate` tells how many of another model's rows it holds.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from kinowatt.errors import require_extra

LEVELS = {"80": 0.80, "95": 0.95}
DRAWS = 400
# Share of the draws whose quantile an interval reaches: with these 80% and 95% hold what they say. Of
# six models the 80% quantile is one model's, and is told less well than how far the worst is missed
MOST = {"80": 0.85, "95": 0.7}
SEED = 0
Pair = tuple[float, float]


def spread(errors: Mapping[str, Sequence[float]]) -> dict[str, Pair]:
    """Measured over predicted at the ends of the intervals, symmetric in logarithms.

    `errors`: logarithms of measured over predicted by group.
    """
    np: Any = require_extra("learn", "numpy")
    groups = [group for group in errors.values() if group]
    sizes = np.abs(np.concatenate([np.asarray(group, float) for group in groups]))
    share = np.concatenate([np.full(len(group), 1.0 / len(group)) for group in groups])
    group_of = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    order = np.argsort(sizes)
    weights = _drawn(len(groups))[:, group_of[order]] * share[order]
    reached = np.cumsum(weights, axis=1) / len(groups)
    return {
        level: _ends(float(np.quantile(_quantiles(reached, sizes[order], wanted, np), MOST[level])))
        for level, wanted in LEVELS.items()
    }


@lru_cache(maxsize=64)
def _drawn(groups: int) -> Any:
    """How often each group is in each draw, (draws, groups): the same for as many groups."""
    np: Any = require_extra("learn", "numpy")
    drawn = np.random.default_rng(SEED).multinomial(groups, np.full(groups, 1.0 / groups), DRAWS)
    drawn.setflags(write=False)  # shared by all that ask
    return drawn


def _quantiles(reached: Any, ordered: Any, wanted: float, np: Any) -> Any:
    """Of each draw: the least size with at least the wanted share of the weight up to it."""
    return ordered[np.argmax(reached >= wanted - 1e-9, axis=1)]


def _ends(reach: float) -> Pair:
    return math.exp(-reach), math.exp(reach)
