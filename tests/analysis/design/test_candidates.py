"""What may be known of a row before it is measured."""

import json
from typing import Any

import pytest

from kinowatt.analysis.design.candidates import MOST, Candidates, blind, candidates
from kinowatt.errors import InputError
from kinowatt.theory.physics import Physics

MEASURED = ("latency_s", "energy_wh", "power_w", "clock_mhz", "stability", "runs", "steps_s")


def test_a_blind_row_holds_nothing_measured(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert any(name in json.dumps(row) for name in MEASURED)
        assert not any(name in json.dumps(blind(row)) for name in MEASURED)


def test_rows_of_one_configuration_are_alike_whatever_their_steps(
    rows: list[dict[str, Any]], physics: Physics
) -> None:
    workload = rows[0]["workload"]
    longer = {**rows[0], "workload": {**workload, "steps": workload["steps"] + 1}}
    found = candidates([rows[0], longer, rows[1], rows[-1]], physics)
    assert list(found.configuration) == [0, 0, 1, 2]
    assert list(found.model) == [0, 0, 0, 1]


def test_too_many_or_no_rows_are_refused(of: Candidates, physics: Physics) -> None:
    with pytest.raises(InputError, match="0 rows to choose from"):
        candidates([], physics)
    with pytest.raises(InputError, match="2,001 rows to choose from; from 1 to 2,000"):
        candidates([of.rows[0]] * (MOST + 1), physics)
