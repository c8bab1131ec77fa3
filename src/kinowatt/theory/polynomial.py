"""Polynomials of shape symbols, the language of operator tables, on floats and on arrays.

Written as `384*b*f*h*w/4 + 226`: terms joined by ` + ` or ` - `, each an optional number,
symbols with optional powers (`l^2`) and an optional divisor.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from kinowatt.errors import InputError

Number = Any  # int, float or a NumPy array: the arithmetic below is the same for all
Monomial = tuple[str, ...]  # a power is a repeated symbol
Polynomial = tuple[tuple[Monomial, float], ...]


@lru_cache(maxsize=65536)
def parse(text: str) -> Polynomial:
    """Reads the written form; terms of the same monomial are summed."""
    terms: dict[Monomial, float] = {}
    for chunk in text.replace(" - ", " + -").split(" + "):
        monomial, coefficient = _parse_term(chunk.strip(), text)
        terms[monomial] = terms.get(monomial, 0.0) + coefficient
    return tuple((m, c) for m, c in terms.items() if c)


def _parse_term(chunk: str, text: str) -> tuple[Monomial, float]:
    sign = -1.0 if chunk.startswith("-") else 1.0
    product, _, divisor = chunk.removeprefix("-").partition("/")
    coefficient, symbols = sign, []
    try:
        for factor in product.split("*"):
            if factor[:1].isdigit():
                coefficient *= float(factor)
                continue
            symbol, _, power = factor.partition("^")
            if not symbol.isidentifier():
                raise ValueError(symbol)
            symbols += [symbol] * int(power or 1)
        return tuple(sorted(symbols)), coefficient / float(divisor or 1)
    except (ValueError, ZeroDivisionError):
        raise InputError(f"not a polynomial: {text!r} at {chunk!r}") from None


def add(*polynomials: Polynomial) -> Polynomial:
    """The sum, with terms of the same monomial merged."""
    terms: dict[Monomial, float] = {}
    for polynomial in polynomials:
        for monomial, coefficient in polynomial:
            terms[monomial] = terms.get(monomial, 0.0) + coefficient
    return tuple((m, c) for m, c in terms.items() if c)


class Evaluator:
    """Evaluates polynomials at one set of symbol values; each, and each monomial, once."""

    def __init__(self, symbols: Mapping[str, Number]) -> None:
        self.symbols = symbols
        self._monomials: dict[Monomial, Number] = {(): 1.0}
        # By which object it is: to find out what a polynomial holds takes as long as its sum
        self._totals: dict[int, tuple[Polynomial, Number]] = {}

    def __call__(self, polynomial: Polynomial) -> Number:
        known = self._totals.get(id(polynomial))
        if known is not None:
            return known[1]
        total: Number = 0.0
        for index, (monomial, coefficient) in enumerate(polynomial):
            term = coefficient * self._monomial(monomial)
            total = total + term if index else term
        self._totals[id(polynomial)] = polynomial, total
        return total

    def _monomial(self, monomial: Monomial) -> Number:
        value = self._monomials.get(monomial)
        if value is None:
            try:
                value = self._monomial(monomial[:-1]) * self.symbols[monomial[-1]]
            except KeyError:
                raise InputError(
                    f"operator table needs symbol {monomial[-1]!r}, "
                    f"the recipe gives {', '.join(sorted(self.symbols))}"
                ) from None
            self._monomials[monomial] = value
        return value
