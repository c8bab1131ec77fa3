"""How far a new model or configuration is missed: intervals from what was left out.

Quantiles of the errors of rows that the fit did not see, each group (a model) with the same weight.
`kinowatt validate` tells how many of another model's rows such intervals hold.
"""

import math
from collections.abc import Mapping, Sequence

LEVELS = {"80": 0.80, "95": 0.95}
Pair = tuple[float, float]


def spread(errors: Mapping[str, Sequence[float]]) -> dict[str, Pair]:
    """Measured over predicted at the ends of the intervals, symmetric in logarithms.

    `errors`: logarithms of measured over predicted by group.
    """
    sizes = [(abs(error), 1.0 / len(group)) for group in errors.values() for error in group]
    return {level: _ends(_quantile(sorted(sizes), share)) for level, share in LEVELS.items()}


def _ends(reach: float) -> Pair:
    return math.exp(-reach), math.exp(reach)


def _quantile(ordered: Sequence[tuple[float, float]], share: float) -> float:
    total = sum(weight for _, weight in ordered)
    seen = 0.0
    for size, weight in ordered:
        seen += weight
        if seen >= share * total - 1e-9:
            return size
    return ordered[-1][0]
