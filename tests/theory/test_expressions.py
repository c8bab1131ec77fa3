from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinowatt.errors import InputError
from kinowatt.theory.expressions import evaluate, where


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("S * (1 + G)", 100),
        ("(F - 1) // 4 + 1", 21),
        ("where(F % 2 == 1, 4 * F - 3, 4 * F)", 321),
        ("ceil(F / 4)", 21),
        ("floor(F / 4)", 20),
        ("min(F, 16) + max(S, 60)", 76),
        ("F >= 3 and F % 2 == 1", 1),
        ("F < 3 or S == 50", 1),
        ("3 <= F < 81", 0),
        ("50 <= S < F", 1),
        ("not F", 0),
        ("not (F < 3)", 1),
        ("S and 0.5", 1),
        ("-F", -81),
        (7, 7),
    ],
)
def test_values(text: str, expected: float) -> None:
    assert evaluate(text, {"S": 50, "G": 1, "F": 81}) == expected


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "F.real",
        "[1]",
        "lambda: 1",
        "open('x')",
        "'a'",
        "F +",
        "print(F)",
        "F[0]",
        "min(1, 2, 3)",
        "where(F)",
        "2.0 ** 100000",
        "+" * 5000 + "1",
        ["F"],
    ],
)
def test_refuses_everything_else(text: str) -> None:
    with pytest.raises(InputError):
        evaluate(text, {"F": 1})


def test_unknown_name_and_division() -> None:
    with pytest.raises(InputError, match="known: F"):
        evaluate("X + 1", {"F": 1})
    with pytest.raises(InputError, match="division by zero"):
        evaluate("1 / F", {"F": 0})


@given(st.lists(st.integers(1, 200), min_size=1, max_size=20))
def test_the_same_on_arrays(frames: list[int]) -> None:
    for text in (
        "where(F % 2 == 1, 4 * F - 3, 4 * F)",
        "ceil(F / 8) + min(F, 9)",
        "F >= 3 and F % 2 == 1",
        "F < 3 or F > 100",
        "3 < F <= 100",
        "not (F % 4 == 1) or F < 9",
    ):
        array = evaluate(text, {"F": np.array(frames, float)})
        assert [float(v) for v in array] == [float(evaluate(text, {"F": f})) for f in frames]


@pytest.mark.parametrize("kind", [bool, int, float, np.bool_, np.int64, np.float64, np.asarray])
def test_where_takes_the_one_or_the_other_whatever_kind_of_number_decides(kind: Any) -> None:
    assert where(kind(1), 3, 4.5) == 3
    assert where(kind(0), 3, 4.5) == 4.5


def test_where_decides_element_by_element() -> None:
    assert where(np.array([1, 0]) > 0, 3, np.array([4.5, 5.5])).tolist() == [3.0, 5.5]
