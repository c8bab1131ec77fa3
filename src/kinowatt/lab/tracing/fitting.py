"""Turns integers seen at a few sizes into exact polynomials of the symbols.

A polynomial is written as in `12*b*f*h*w/4 + 226`: terms joined by ` + ` or ` - `, each an
optional number, symbols with optional powers, and an optional divisor.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from kinowatt.lab.tracing.recorder import TraceError

Monomial = tuple[str, ...]  # ("f", "h", "w"); a power is a repeated symbol
Terms = tuple[tuple[Monomial, Fraction], ...]
Array = np.ndarray[Any, np.dtype[np.float64]]

MAX_DENOMINATOR = 64


class ExactFit:
    """Solves for the coefficients of given monomials at given points, exactly or not at all."""

    def __init__(self, monomials: Sequence[Monomial], points: Sequence[Mapping[str, int]]) -> None:
        self.monomials = tuple(dict.fromkeys(monomials))
        self.points = tuple(points)
        self._design = np.array([[_value(m, p) for m in self.monomials] for p in points], float)
        # columns are scaled to one so that a term of 10^9 and one of 1 are solved alike well
        self._scale = np.abs(self._design).max(axis=0)
        self._inverse = np.linalg.pinv(self._design / self._scale)
        self._parts: dict[tuple[int, ...], ExactFit] = {}

    def part(self, kept: tuple[int, ...]) -> "ExactFit":
        """The fit on some of the points; a symbol with one value there is a number."""
        if len(kept) == len(self.points):
            return self
        if kept not in self._parts:
            points = [self.points[i] for i in kept]
            self._parts[kept] = ExactFit(that_vary(self.monomials, points), points)
        return self._parts[kept]

    def solve(self, values: Sequence[int], what: str) -> Terms:
        """The polynomial equal to `values` at every point; `TraceError` if there is none."""
        if len(set(values)) == 1:
            return (((), Fraction(int(values[0]))),) if values[0] else ()
        target = np.array(values, float)
        raw = (self._inverse @ target) / self._scale
        terms = tuple(
            (monomial, fraction)
            for monomial, coefficient in zip(self.monomials, raw, strict=True)
            if (fraction := _rational(float(coefficient)))
        )
        for point, value in zip(self.points, values, strict=True):
            if evaluate(terms, point) != value:
                raise TraceError(
                    f"{what}: no exact form; {render(terms)} is not {value} at {point}"
                )
        return terms


def simplest(
    monomials: Sequence[Monomial],
    points: Sequence[Mapping[str, int]],
    values: Sequence[int],
    what: str,
) -> Terms:
    """The form with the fewest terms (at most three) that equals `values` at every point."""
    if len(set(values)) == 1:
        return (((), Fraction(values[0])),)
    for count in range(1, 4):
        for chosen in itertools.combinations(monomials, count):
            try:
                return ExactFit(chosen, points).solve(values, what)
            except TraceError:
                continue
    raise TraceError(f"{what}: no simple form of {values}")


def that_vary(monomials: Iterable[Monomial], points: Sequence[Mapping[str, int]]) -> list[Monomial]:
    """The monomials whose symbols all take more than one value."""
    fixed = {s for s in points[0] if len({p[s] for p in points}) == 1}
    return [m for m in monomials if not fixed.intersection(m)]


def _value(monomial: Monomial, point: Mapping[str, int]) -> int:
    value = 1
    for symbol in monomial:
        value *= point[symbol]
    return value


def _rational(value: float) -> Fraction:
    return Fraction(round(value * MAX_DENOMINATOR), MAX_DENOMINATOR)


def evaluate(terms: Terms, point: Mapping[str, int]) -> Fraction:
    return sum((c * _value(m, point) for m, c in terms), Fraction(0))


def add(left: Terms, right: Terms) -> Terms:
    total: dict[Monomial, Fraction] = dict(left)
    for monomial, coefficient in right:
        total[monomial] = total.get(monomial, Fraction(0)) + coefficient
    return tuple((m, c) for m, c in total.items() if c)


def render(terms: Terms) -> str:
    """The written form, largest degree first; `0` for the empty polynomial."""
    ordered = sorted(terms, key=lambda term: (-len(term[0]), term[0]))
    text = ""
    for monomial, coefficient in ordered:
        sign = (
            ("-" if coefficient < 0 else "") if not text else (" - " if coefficient < 0 else " + ")
        )
        text += sign + _render_term(monomial, abs(coefficient))
    return text or "0"


def _render_term(monomial: Monomial, coefficient: Fraction) -> str:
    factors = [
        symbol if (power := monomial.count(symbol)) == 1 else f"{symbol}^{power}"
        for symbol in dict.fromkeys(monomial)
    ]
    if coefficient.numerator != 1 or not factors:
        factors.insert(0, str(coefficient.numerator))
    text = "*".join(factors)
    return text if coefficient.denominator == 1 else f"{text}/{coefficient.denominator}"


def relative_fit(
    monomials: Sequence[Monomial], points: Sequence[Mapping[str, int]], values: Sequence[float]
) -> tuple[Terms, float]:
    """Least squares on relative error with coefficients >= 0, and the worst relative error.

    For quantities that are only piecewise polynomial (peak memory): a fit, not an identity.
    """
    from scipy.optimize import nnls

    target = np.array(values, float)
    design = np.array([[_value(m, p) for m in monomials] for p in points], float)
    scale = design.max(axis=0)
    weights, _ = nnls(design / scale / target[:, None], np.ones(len(target)))
    coefficients = np.rint(weights / scale)
    error = float(np.abs(design @ coefficients / target - 1).max())
    terms = tuple((m, Fraction(int(c))) for m, c in zip(monomials, coefficients, strict=True) if c)
    return terms, error
