"""The linear algebra of a choice, against the same by brute force; and that it is blind."""

import math
from typing import Any

import numpy as np
import pytest

from kinowatt.analysis.design.belief import (
    CONFIGURATION_SIGMA,
    FLOOR_PCT,
    LEFT_SIGMA,
    MODEL_SIGMA,
    Belief,
    believe,
)
from kinowatt.analysis.design.candidates import Candidates, candidates
from kinowatt.analysis.design.pace import Host, gpu_paced
from kinowatt.analysis.factors import PRIOR_SIGMA
from kinowatt.analysis.features import GROUPS
from kinowatt.theory.physics import Physics

NO_ROW = dict.fromkeys(GROUPS, 1.0)


def by_hand(belief: Belief, given: tuple[int, ...]) -> float:
    """Mean variance of the judged rows, with every shared error a parameter of its own."""
    _, q, p = belief.slopes.shape
    own = [(label, sigma) for label, sigma in (
        (belief.of.model, MODEL_SIGMA), (belief.of.configuration, CONFIGURATION_SIGMA))]  # fmt: skip
    sizes = [q * (int(label.max()) + 1) for label, _ in own]
    precision = np.diag(
        [PRIOR_SIGMA[name] ** -2 for name in GROUPS]
        + [sigma**-2 for (_, sigma), size in zip(own, sizes, strict=True) for _ in range(size)]
    )
    for row in given:
        for quantity in range(q):
            line = np.zeros(len(precision))
            line[:p] = belief.slopes[row, quantity]
            for (label, _), start in zip(own, (p, p + sizes[0]), strict=True):
                line[start + int(label[row]) * q + quantity] = 1.0
            precision += np.outer(line, line) / belief.noise[row, quantity] ** 2
    covariance = np.linalg.inv(precision)[:p, :p]
    goal = belief.goal[belief.judged]
    return float(np.einsum("np,pq,nq->n", goal, covariance, goal).mean())


@pytest.mark.parametrize("given", [(), (2,), (0, 1, 6)])
def test_gains_are_what_one_more_row_takes_off_the_variance(
    of: Candidates, given: tuple[int, ...]
) -> None:
    belief = believe(of, under_way=given)
    before = by_hand(belief, given)
    for row, gain in enumerate(belief.gains()):
        if row in given:
            assert gain == 0.0
        else:
            after = by_hand(belief, (*given, row))
            assert gain == pytest.approx(before - after, rel=1e-6)


def test_the_expected_error_falls_with_every_row_and_never_below_its_floor(of: Candidates) -> None:
    found = [believe(of, under_way=range(n)).expected_error_pct() for n in range(len(of) + 1)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 1.5 * found[-1]
    assert found[-1] > FLOOR_PCT == pytest.approx(100 * math.sqrt(2 / math.pi) * LEFT_SIGMA)


def test_a_second_row_of_a_configuration_tells_less_than_one_of_another(
    rows: list[dict[str, Any]], physics: Physics
) -> None:
    found = candidates([rows[2], rows[2], rows[3]], physics)
    gains = believe(found, under_way=[0]).gains()
    assert gains[1] < 0.5 * believe(found).gains()[1]


def test_a_belief_is_blind_to_what_is_not_measured(
    rows: list[dict[str, Any]], physics: Physics
) -> None:
    """Values of other rows made ten times as large change nothing."""
    wrong = [times(row, 10.0) for row in rows]
    beliefs = [
        believe(candidates(pool, physics), {0: rows[0], 5: rows[5]}) for pool in (rows, wrong)
    ]
    assert beliefs[0].factors == beliefs[1].factors
    np.testing.assert_array_equal(beliefs[0].gains(), beliefs[1].gains())
    seen = believe(candidates(rows, physics), {0: rows[0], 5: wrong[5]})
    assert seen.factors != beliefs[0].factors  # what is measured does count


def times(row: dict[str, Any], factor: float) -> dict[str, Any]:
    stages = {
        name: {k: v * factor if k.endswith("_s") and isinstance(v, float) else v for k, v in s.items()}
        for name, s in row["stages"].items()
    }  # fmt: skip
    return {**row, "latency_s": row["latency_s"] * factor, "stages": stages}


def test_a_slower_host_paces_more(of: Candidates) -> None:
    fast, slow = (gpu_paced(of, NO_ROW, Host(value=v, sigma=0.2)) for v in (1.0, 4.0))
    assert (slow <= fast).all()
    assert slow[:, 1].min() < 0.1 < 0.9 < fast[:, 1].max()


def test_a_measured_row_settles_who_paces_its_configuration(
    of: Candidates, rows: list[dict[str, Any]]
) -> None:
    belief = believe(of, {0: rows[0], 1: rows[1]})
    assert set(belief.paced[:2].ravel()) <= {0.0, 1.0}
    assert 0 < belief.paced[4:, 1].min() < 1
