"""Small safe expressions in fact files (`S * (1 + G)`), on numbers and on arrays alike.

Allowed: numbers, names, + - * / // % and **, comparisons, `and`, `or`, `not`, and the functions
`ceil`, `floor`, `min`, `max` and `where(condition, then, otherwise)`.
"""

import ast
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from importlib import import_module
from types import CodeType
from typing import Any

from kinowatt.errors import InputError

Number = Any


def ceil(value: Number) -> Number:
    return -((-value) // 1)


def floor(value: Number) -> Number:
    return value // 1


def where(condition: Number, then: Number, otherwise: Number) -> Number:
    """The one or the other, element by element where the condition is an array."""
    if type(condition) is bool or type(condition) is int:
        return then if condition else otherwise
    if getattr(condition, "shape", ()):
        return numpy().where(condition, then, otherwise)
    if hasattr(condition, "either"):  # a number that writes down what is done to it
        return condition.either(then, otherwise)
    return then if condition else otherwise


def smaller(left: Number, right: Number) -> Number:
    if _arrays(left, right):
        return numpy().minimum(left, right)
    return where(left < right, left, right)


def larger(left: Number, right: Number) -> Number:
    if _arrays(left, right):
        return numpy().maximum(left, right)
    return where(left > right, left, right)


@cache
def numpy() -> Any:
    """NumPy, which is there where arrays are; lone numbers never load it."""
    return import_module("numpy")


def _arrays(left: Number, right: Number) -> bool:
    return hasattr(left, "dtype") or hasattr(right, "dtype")


_FUNCTIONS: Mapping[str, Callable[..., Number]] = {
    "ceil": ceil,
    "floor": floor,
    "min": smaller,
    "max": larger,
    "where": where,
}
_NODES = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.Name, ast.Constant)
_NODES += (ast.Load, ast.operator, ast.unaryop, ast.cmpop)  # type: ignore[assignment]


class _ByArithmetic(ast.NodeTransformer):
    """`and`, `or`, `not` and chained comparisons as arithmetic: Python's own do not take arrays."""

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self.generic_visit(node)
        return _joined(node.op, node.values)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        if not isinstance(node.op, ast.Not):
            return node
        return _as_int(ast.Compare(node.operand, [ast.Eq()], [ast.Constant(0)]))

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        if len(node.ops) == 1:
            return node
        sides = [node.left, *node.comparators]
        pairs: list[ast.expr] = [
            ast.Compare(left, [operator], [right])
            for left, operator, right in zip(sides[:-1], node.ops, sides[1:], strict=True)
        ]
        return _joined(ast.And(), pairs)


def _joined(operator: ast.boolop, values: list[ast.expr]) -> ast.expr:
    """1 where all (any) of the values are not zero, else 0."""
    truths: list[ast.expr] = [ast.Compare(v, [ast.NotEq()], [ast.Constant(0)]) for v in values]
    result = truths[0]
    for truth in truths[1:]:
        joint = ast.BitAnd() if isinstance(operator, ast.And) else ast.BitOr()
        result = ast.BinOp(result, joint, truth)
    return _as_int(result)


def _as_int(node: ast.expr) -> ast.expr:
    return ast.BinOp(node, ast.Mult(), ast.Constant(1))


@lru_cache(maxsize=1024)
def _compile(text: str) -> CodeType:
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InputError(f"not an expression: {text[:80]!r}") from None
    for node in ast.walk(tree):
        if isinstance(node, (ast.BoolOp, ast.boolop)):
            continue
        if isinstance(node, ast.Constant) and not isinstance(node.value, (int, float)):
            raise InputError(f"not allowed in an expression: {node.value!r} in {text!r}")
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) not in _FUNCTIONS:
            raise InputError(f"unknown function in {text!r}; one of: {', '.join(_FUNCTIONS)}")
        if not isinstance(node, _NODES):
            raise InputError(f"not allowed in an expression: {type(node).__name__} in {text!r}")
    return compile(ast.fix_missing_locations(_ByArithmetic().visit(tree)), "<expression>", "eval")


def evaluate(text: str | int | float, names: Mapping[str, Number]) -> Number:
    """The value of an expression; `InputError` names the expression and what it lacks."""
    if isinstance(text, int | float):
        return text
    if not isinstance(text, str):
        raise InputError(f"not an expression: {text!r}")
    try:
        return eval(_compile(text), {"__builtins__": {}, **_FUNCTIONS}, dict(names))  # noqa: S307
    except NameError as error:
        known = ", ".join(sorted(names))
        raise InputError(f"{error} in expression {text!r}; known: {known}") from None
    except ZeroDivisionError:
        raise InputError(f"division by zero in expression {text!r}") from None
    except (TypeError, OverflowError) as error:
        raise InputError(f"{error} in expression {text!r}") from None
