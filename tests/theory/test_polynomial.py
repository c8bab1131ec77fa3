import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinowatt.errors import InputError
from kinowatt.theory.polynomial import Evaluator, add, parse


def value(text: str, **symbols: float) -> float:
    return Evaluator(symbols)(parse(text))


def test_written_form() -> None:
    assert value("12*b*f*h*w/4 + 226", b=2, f=3, h=4, w=5) == 12 * 2 * 3 * 4 * 5 / 4 + 226
    assert value("l^2 - 3*l", l=5) == 10
    assert value("-2*f + 1", f=4) == -7
    assert value("0") == 0
    assert value("f*h - 2 - h/2", f=3, h=4) == 8


def test_equal_monomials_are_summed() -> None:
    assert parse("f*h + 2*h*f") == ((("f", "h"), 3.0),)
    assert add(parse("f + 1"), parse("2*f - 1")) == ((("f",), 3.0),)


@pytest.mark.parametrize("text", ["f**2", "f +", "2f", "f/0", "f h", "", "f/x", "import os"])
def test_refuses_what_is_not_one(text: str) -> None:
    with pytest.raises(InputError, match="not a polynomial"):
        parse(text)


def test_missing_symbol_is_named() -> None:
    with pytest.raises(InputError, match="needs symbol 'v', the recipe gives f"):
        value("v", f=1)


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=5), st.integers(1, 9), st.integers(1, 9))
def test_reads_what_it_would_write(coefficients: list[int], f: int, h: int) -> None:
    monomials = ["", "f", "h", "f*h", "f^2"]
    terms = [f"{c}*{m}" if m else str(c) for c, m in zip(coefficients, monomials, strict=False)]
    expected = sum(c * v for c, v in zip(coefficients, [1, f, h, f * h, f * f], strict=False))
    assert value(" + ".join(terms).replace("+ -", "- "), f=f, h=h) == expected


def test_arrays() -> None:
    np = pytest.importorskip("numpy")
    assert Evaluator({"f": np.array([1.0, 2.0])})(parse("3*f + 1")).tolist() == [4, 7]
