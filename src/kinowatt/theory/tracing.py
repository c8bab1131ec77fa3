"""Straight-line code out of a function of numbers: the same arithmetic, without finding it again.

A prediction walks tables of symbolic operators, and most of its time goes into the walk, which is
the same for every size, frame count and step count. `trace` runs the function once on numbers that
write down what is done to them, and compiles that. Where the function looks at a number (`if`), the
outcome becomes a guard: numbers that would take another path are not answered by this code.
`trace_columns` does the same for columns of numbers, whose rows may take different paths.
"""

import operator
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kinowatt.theory.expressions import where

Number = Any
DEPTH = 10  # of an expression before it gets a name of its own
_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "&": operator.and_,
    "|": operator.or_,
}
_METHODS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "pow": "**",
    "and": "&",
    "or": "|",
}
_NEUTRAL = {"+": 0, "*": 1}
_COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}

# How a choice is written: of numbers, and of columns element by element
_OF_NUMBERS = "({1} if {0} else {2})"
_OF_COLUMNS = "where({0}, {1}, {2})"

Function = Callable[[Mapping[str, Number]], Any]  # numbers by name → dicts and lists of numbers
Operand = int | str  # a node, or a constant as it is written
Node = tuple[str, *tuple[Operand, ...]]  # a sign and what it joins; "if": condition, then, else


class Tape:
    """What was done to numbers, each operation once, and what was asked of them."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.guards: dict[int, bool] = {}
        self._known: dict[Node, Symbol] = {}

    def symbol(self, node: Node, value: Number) -> "Symbol":
        found = self._known.get(node)
        if found is None:
            found = self._known[node] = Symbol(self, len(self.nodes), value)
            self.nodes.append(node)
        return found


class Symbol:
    """A number that writes down what is done to it; its value decides which path is taken."""

    __slots__ = ("index", "tape", "value")

    def __init__(self, tape: Tape, index: int, value: Number) -> None:
        self.tape = tape
        self.index = index
        self.value = value

    def __bool__(self) -> bool:
        truth = bool(self.value)
        self.tape.guards[self.index] = truth
        return truth

    def __neg__(self) -> Number:
        return _apply("-", 0, self)

    def either(self, then: Number, otherwise: Number) -> Number:
        """The one where this number is true, else the other."""
        node = ("if", self.index, _operand(then), _operand(otherwise))
        return self.tape.symbol(node, _value(then if self.value else otherwise))

    __hash__ = None  # type: ignore[assignment]  # as a key it would lose the number


def _apply(sign: str, left: Number, right: Number) -> Number:
    if sign == "/" and not isinstance(left, Symbol) and left == 0:
        return left / right.value  # nothing of whatever
    for constant, other in ((left, right), (right, left)):
        if isinstance(other, Symbol) and not isinstance(constant, Symbol):
            plain = _plain(sign, constant, other)
            if plain is not None:
                return plain
    tape: Tape = (left if isinstance(left, Symbol) else right).tape
    value = _OPERATORS[sign](_value(left), _value(right))
    return tape.symbol((sign, _operand(left), _operand(right)), value)


def _plain(sign: str, constant: Number, symbol: Symbol) -> Number | None:
    """What a constant and a finite number that is not negative make, where that is plain."""
    if constant != _NEUTRAL.get(sign) and not (sign == "*" and constant == 0):
        return None
    value = _OPERATORS[sign](constant, symbol.value)
    if constant == 0 and sign == "*":
        return value
    return symbol if type(value) is type(symbol.value) else None


def _value(item: Number) -> Number:
    return item.value if isinstance(item, Symbol) else item


def _operand(item: Number) -> Operand:
    if isinstance(item, Symbol):
        return item.index
    if type(item) not in (int, float, bool):
        raise TypeError(f"not a number: {item!r}")
    return f"({item!r})" if item < 0 else repr(item)


def _install() -> None:
    for name, sign in {**_METHODS, **_COMPARISONS}.items():
        setattr(Symbol, f"__{name}__", lambda a, b, s=sign: _apply(s, a, b))
    for name, sign in _METHODS.items():
        setattr(Symbol, f"__r{name}__", lambda a, b, s=sign: _apply(s, b, a))


_install()


def trace(
    function: Function, example: Mapping[str, Number], fixed: Collection[str] = ()
) -> Callable[..., Any]:
    """Code that gives what `function` gives for numbers that take the example's path, else None.

    `function` takes numbers by name and returns dicts and lists of them, in any depth. The code
    takes them by keyword. What follows from the `fixed` ones alone is computed here, so that the
    code answers no other values of them. `TypeError` where the function does what can't be written
    down.
    """
    tape, result = _taped(function, example, fixed)
    tests = [f"{name} != {example[name]!r}" for name in example if name in fixed]
    return _Writer(tape, tape.guards, _OF_NUMBERS).code(list(example), tests, result)


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnCode:
    """Code on columns, and on numbers that are the same in every row.

    `run` gives what the function gives, for rows on one path alone; `looks` gives what the function
    looks at, and `seen` what it then sees on that path.
    """

    run: Callable[..., Any]
    looks: Callable[..., list[Any]]
    seen: tuple[bool, ...]

    def takes(self, columns: Mapping[str, Any]) -> Any:
        """Which rows are on the path: True, False, or one of them for each row."""
        found: Any = True
        for value, truth in zip(self.looks(**columns), self.seen, strict=True):
            found = found & ((value != 0) == truth)
        return found


def trace_columns(
    function: Function, example: Mapping[str, Number], fixed: Collection[str] = ()
) -> ColumnCode:
    """`trace` for columns, without the `fixed` numbers: the code is for their values alone."""
    tape, result = _taped(function, example, fixed)
    names = [name for name in example if name not in fixed]
    looks = [Symbol(tape, index, None) for index in tape.guards]
    run, look = (_Writer(tape, {}, _OF_COLUMNS).code(names, (), each) for each in (result, looks))
    return ColumnCode(run=run, looks=look, seen=tuple(tape.guards.values()))


def _taped(
    function: Function, example: Mapping[str, Number], fixed: Collection[str]
) -> tuple[Tape, Any]:
    """What the function did to the example's numbers, and what it gave."""
    tape = Tape()
    given = {
        name: value if name in fixed else tape.symbol(("=", name), value)
        for name, value in example.items()
    }
    return tape, function(given)


class _Writer:
    """Writes a tape as the source of one function; nodes that nothing needs are left out."""

    def __init__(self, tape: Tape, guards: Mapping[int, bool], choice: str) -> None:
        self.tape = tape
        self.guards = guards
        self.choice = choice
        self.uses = [0] * len(tape.nodes)
        self.texts: dict[int, tuple[str, int]] = {}

    def code(self, names: list[str], tests: Iterable[str], result: Any) -> Callable[..., Any]:
        """The function itself."""
        known: dict[str, Any] = {"where": where}
        exec(compile(self._function(names, tests, result), "<traced>", "exec"), known)
        run: Callable[..., Any] = known["run"]
        return run

    def _function(self, names: list[str], tests: Iterable[str], result: Any) -> str:
        """`tests`: what makes numbers others than those that the code is for."""
        self._count(result)
        lines = [f"def run({', '.join(names)}):"]
        lines += [f"    if {test}: return None" for test in tests]
        first = self._closure(self.guards)
        for index in sorted(first):
            self._node(index, lines)
            if index in self.guards:
                word = "not " if self.guards[index] else ""
                lines.append(f"    if {word}({self.texts[index][0]}): return None")
        for index in range(len(self.tape.nodes)):
            if self.uses[index] and index not in first:
                self._node(index, lines)
        return "\n".join([*lines, f"    return {self._shape(result)}\n"])

    def _closure(self, wanted: Iterable[int]) -> set[int]:
        """These nodes and all that they need: guards come first, so that they cost little."""
        found: set[int] = set()
        left = list(wanted)
        while left:
            index = left.pop()
            if index not in found:
                found.add(index)
                sign, *operands = self.tape.nodes[index]
                left += [item for item in operands if isinstance(item, int) and sign != "="]
        return found

    def _count(self, result: Any) -> None:
        for index in self.guards:
            self.uses[index] += 2
        for index in _symbols(result):
            self.uses[index] += 1
        for index in range(len(self.uses) - 1, -1, -1):
            sign, *operands = self.tape.nodes[index]
            for item in operands:
                if self.uses[index] and sign != "=" and isinstance(item, int):
                    self.uses[item] += 1

    def _node(self, index: int, lines: list[str]) -> None:
        sign, *operands = self.tape.nodes[index]
        if sign == "=":
            self.texts[index] = (str(operands[0]), 0)
            return
        texts = [self._text(operand) for operand in operands]
        words = [text for text, _ in texts]
        text = self.choice.format(*words) if sign == "if" else f"({sign.join(words)})"
        depth = 1 + max(deep for _, deep in texts)
        if self.uses[index] > 1 or depth > DEPTH:
            lines.append(f"    v{index} = {text}")
            text, depth = f"v{index}", 0
        self.texts[index] = (text, depth)

    def _text(self, item: Operand) -> tuple[str, int]:
        return self.texts[item] if isinstance(item, int) else (item, 0)

    def _shape(self, value: Any) -> str:
        if isinstance(value, Symbol):
            return self.texts[value.index][0]
        if isinstance(value, Mapping):
            inside = ", ".join(f"{key!r}: {self._shape(item)}" for key, item in value.items())
            return f"{{{inside}}}"
        if isinstance(value, list | tuple):
            inside = "".join(f"{self._shape(item)}, " for item in value)
            return f"({inside})" if isinstance(value, tuple) else f"[{inside}]"
        return repr(value)


def _symbols(value: Any) -> list[int]:
    if isinstance(value, Symbol):
        return [value.index]
    inside = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, Mapping | list | tuple):
        return [index for item in inside for index in _symbols(item)]
    return []
