"""Code out of a function of numbers: the same answers, guards where it looked, dead ends refused."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from kinowatt.theory.expressions import ceil, larger, where
from kinowatt.theory.tracing import trace, trace_columns

EXAMPLE = {"a": 7, "b": 2.5}


def shape(given: Mapping[str, Any]) -> Any:
    a, b = given["a"], given["b"]
    total = sum([a * b, ceil(a / b), larger(a, b) ** 2, -b, 1 - a, where(a > b, a % 3, b // 2)])
    return {"total": total, "parts": [a * b, {"why": "a word", "none": None, "same": (a * b,)}, ()]}


@pytest.mark.parametrize("given", [EXAMPLE, {"a": 1, "b": 9.0}, {"a": 4, "b": 4.0}])
def test_code_gives_what_the_function_gives(given: dict[str, Any]) -> None:
    code = trace(shape, EXAMPLE)
    assert code(**given) == shape(given)
    assert type(code(a=3, b=2)["total"]) is type(shape({"a": 3, "b": 2})["total"])


def test_numbers_that_take_another_path_are_not_answered() -> None:
    def branching(given: Mapping[str, Any]) -> Any:
        return {"found": given["a"] + 1 if given["a"] > 5 else given["a"] - 1}

    above, below = trace(branching, {"a": 7}), trace(branching, {"a": 1})
    assert (above(a=9), above(a=5)) == ({"found": 10}, None)
    assert (below(a=9), below(a=5)) == (None, {"found": 4})


def test_what_nothing_needs_is_not_computed() -> None:
    def wasteful(given: Mapping[str, Any]) -> Any:
        _ = 1 / given["a"]
        return {"found": given["a"] + 1}

    assert trace(wasteful, {"a": 7})(a=0) == {"found": 1}


def test_joining_with_nothing_leaves_no_trace_but_the_kind_of_number() -> None:
    def idle(given: Mapping[str, Any]) -> Any:
        whole, real = given["a"], given["b"]
        return [0.0 + real, 1.0 * real, 0.0 * real, whole * 1, whole * 1.0, (whole > 5) * 1]

    for given in (EXAMPLE, {"a": 3, "b": 0.25}):
        found, expected = trace(idle, EXAMPLE)(**given), idle(given)
        assert (found, [*map(type, found)]) == (expected, [*map(type, expected)])


def test_code_for_fixed_numbers_answers_no_others() -> None:
    code = trace(shape, EXAMPLE, fixed=["b"])
    assert code(a=3, b=2.5) == shape({"a": 3, "b": 2.5})
    assert code(a=3, b=2.0) is None


def test_deep_sums_and_negative_constants_are_written_right() -> None:
    def long(given: Mapping[str, Any]) -> Any:
        total = given["a"] - -2.5
        for index in range(300):
            total = total * 0.5 - (index - given["a"])
        return [total]

    assert trace(long, {"a": 1.5})(a=0.25) == long({"a": 0.25})


@pytest.mark.parametrize(
    "function",
    [
        lambda given: {given["a"]: 1},
        lambda given: float(given["a"]),
        lambda given: given["a"] + "text",
    ],
)
def test_what_cannot_be_written_down_is_a_type_error(function: Any) -> None:
    with pytest.raises(TypeError):
        trace(function, {"a": 1})


def test_code_for_columns_gives_what_the_function_gives_row_by_row() -> None:
    a, b = np.array([7.0, 1.0, 4.0, 9.0]), np.array([2.5, 9.0, 4.0, 0.5])
    code = trace_columns(shape, EXAMPLE)
    assert code.takes({"a": a, "b": b}) is True
    found = code.run(a=a, b=b)
    rows = [shape({"a": x, "b": y}) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert found["total"].tolist() == [row["total"] for row in rows]
    assert found["parts"][1]["same"][0].tolist() == [row["parts"][0] for row in rows]
    assert code.run(a=3.0, b=2.0) == shape({"a": 3.0, "b": 2.0})
    narrow = trace_columns(shape, EXAMPLE, fixed=["b"])
    assert narrow.run(a=a)["total"].tolist() == [
        shape({"a": x, "b": 2.5})["total"] for x in a.tolist()
    ]


def test_rows_on_another_path_are_told_apart() -> None:
    def branching(given: Mapping[str, Any]) -> Any:
        if given["a"] > 5:
            return [given["a"] + given["b"]]
        return [given["b"]] if given["b"] else [0]

    a, b = np.array([7.0, 5.0, 6.0, 1.0]), np.array([1.0, 0.0, 0.0, 1.0])
    above = trace_columns(branching, {"a": 7.0, "b": 1.0})
    below = trace_columns(branching, {"a": 1.0, "b": 1.0})
    assert above.takes({"a": a, "b": b}).tolist() == [True, False, True, False]
    assert below.takes({"a": a, "b": b}).tolist() == [False, False, False, True]
    assert below.takes({"a": 9.0, "b": b}).tolist() == [False] * 4
