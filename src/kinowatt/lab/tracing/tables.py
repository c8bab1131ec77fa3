"""From recorded forwards at a few sizes to one table of operators with symbolic shapes."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch

from kinowatt.lab.tracing import fitting
from kinowatt.lab.tracing.components import Adapter, Point
from kinowatt.lab.tracing.fitting import ExactFit, Terms
from kinowatt.lab.tracing.parts import part_of, without_indices
from kinowatt.lab.tracing.recorder import Event, TraceError, record_forward

WITH_FLOPS = frozenset({"linear", "attention", "convolution"})


@dataclass(slots=True)
class Group:
    """Calls of one operator in one module that are alike at one sample size."""

    event: Event
    calls: int = 0
    nbytes: int = 0
    by_access: Counter[str] = field(default_factory=Counter)

    def add(self, event: Event) -> Self:
        self.calls += 1
        self.nbytes += event.nbytes
        self.by_access[event.access] += event.nbytes
        return self

    @property
    def access(self) -> str:
        """That of most bytes."""
        return max(self.by_access, key=self.by_access.__getitem__)


@dataclass(frozen=True, slots=True)
class Row:
    """What tells rows apart; `once` are the calls and bytes of one module's group of calls."""

    part: str
    kind: str
    op: str
    dtype: str
    storage: str
    access: str
    dims: tuple[tuple[str, Terms], ...]
    once: tuple[Terms, Terms]


@dataclass(slots=True)
class Totals:
    calls: Terms = ()
    nbytes: Terms = ()
    modules: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Case:
    """A range of symbols in which one list of rows holds: `when` is its condition."""

    when: str
    points: tuple[Point, ...]


def cases(adapter: Adapter, config: Mapping[str, Any]) -> list[Case]:
    special = [
        Case(when, tuple(_grid({**adapter.values, **p}, adapter)))
        for when, p in adapter.special(config)
    ]
    if adapter.loop is None:
        return [*special, Case("1", tuple(_with_checks(adapter.values, adapter)))]
    return special + [
        Case(when, tuple(_with_checks({**adapter.values, adapter.loop: values}, adapter)))
        for when, values in adapter.periods
    ]


def _grid(values: Mapping[str, Sequence[int]], adapter: Adapter) -> Iterable[Point]:
    for combination in itertools.product(*values.values()):
        point = {**dict(zip(values, combination, strict=True)), **adapter.fixed}
        yield {**point, **adapter.derive(point)}


def _with_checks(values: Mapping[str, Sequence[int]], adapter: Adapter) -> Iterable[Point]:
    """The grid that determines the fit, and two points outside it that must agree with it."""
    yield from _grid(values, adapter)
    for step in (1, 2):
        outside: dict[str, tuple[int, ...]] = {
            symbol: (v[-1] if symbol == adapter.loop else v[-1] + step * (v[-1] - v[-2]),)
            for symbol, v in values.items()
        }
        outside["b"] = (1, *outside["b"])
        yield from _grid(outside, adapter)


@dataclass(frozen=True, slots=True)
class Found:
    """A case with its merged rows."""

    when: str
    rows: Mapping[Row, Totals]


def trace_case(
    module: torch.nn.Module, adapter: Adapter, dtype: torch.dtype, case: Case, role: str
) -> list[Found]:
    """The rows of a case; apart for one and for many sequences where the operators differ.

    A reshape that is free for one sequence is a copy for many, so some modules do not run the
    same operators for both.
    """
    runs = [record_forward(module, adapter.call(module, dtype, p), p.get("v")) for p in case.points]
    try:
        return [_found(case.when, adapter, case.points, runs, role)]
    except TraceError:
        one = [i for i, p in enumerate(case.points) if p["b"] == 1]
        many = [i for i, p in enumerate(case.points) if p["b"] > 1]
        return [
            _found(
                f"{case.when} and {which}" if case.when != "1" else which,
                adapter,
                [case.points[i] for i in kept],
                [runs[i] for i in kept],
                role,
            )
            for which, kept in (("b == 1", one), ("b > 1", many))
        ]


def _found(
    when: str,
    adapter: Adapter,
    points: Sequence[Point],
    runs: Sequence[Sequence[Event]],
    role: str,
) -> Found:
    fits = Fits(adapter, points)
    by_path = [_by_path(run) for run in runs]
    rows: dict[Row, Totals] = defaultdict(Totals)
    for path in dict.fromkeys(itertools.chain.from_iterable(by_path)):
        for row in _rows_of_path([paths.get(path, []) for paths in by_path], fits, role):
            totals = rows[row]
            totals.calls = fitting.add(totals.calls, row.once[0])
            totals.nbytes = fitting.add(totals.nbytes, row.once[1])
            totals.modules.add(without_indices(path))
    return Found(when, rows)


class Fits:
    """The forms that a case allows: shapes of one call, calls and bytes of a whole forward."""

    def __init__(self, adapter: Adapter, points: Sequence[Point]) -> None:
        self.points = points
        self.ignored = {"elements"} if adapter.splits else {"elements", "input", "depth"}
        self.dims = ExactFit(fitting.that_vary(adapter.dims_monomials(), points), points)
        self.nbytes = ExactFit(fitting.that_vary(adapter.bytes_monomials(), points), points)
        self._calls = fitting.that_vary(adapter.calls_monomials(), points)

    def calls(self, values: Sequence[int], what: str) -> Terms:
        return fitting.simplest(self._calls, self.points, values, what)


def _by_path(run: Iterable[Event]) -> dict[str, list[Event]]:
    paths: dict[str, list[Event]] = defaultdict(list)
    for event in run:
        paths[event.path].append(event)
    return paths


def _rows_of_path(runs: Sequence[list[Event]], fits: Fits, role: str) -> list[Row]:
    """By position where the sequences are equal; else by shape; else all calls of one operator.

    At the smallest sizes more operands lie in one block than at others: the access of the largest
    counts, and where calls can only be added up by it, they are first tried apart.
    """
    failure = TraceError(f"operators at {next(r for r in runs if r)[0].path} change with the size")
    for strategy, key in STRATEGIES:
        aligned = strategy(runs, key)
        if aligned is None:
            continue
        try:
            return [_fit_row(samples, fits, role) for samples in aligned]
        except TraceError as error:
            failure = error
    raise failure


def _fit_row(samples: Sequence[Group], fits: Fits, role: str) -> Row:
    present = tuple(i for i, s in enumerate(samples) if s.calls)
    event = samples[present[0]].event
    where = f"{event.op} at {event.path}"
    for_dims = fits.dims.part(present)
    dims = tuple(
        (name, for_dims.solve([samples[i].event.dims[name] for i in present], f"{where}, {name}"))
        for name in event.dims
        if name not in fits.ignored
    )
    return Row(
        part=part_of(event, role),
        kind=event.kind,
        op=event.op,
        dtype=event.dtype,
        storage=event.storage,
        access=samples[present[-1]].access,  # of the largest: what is small lies in one block
        dims=dims,
        once=(
            fits.calls([s.calls for s in samples], f"{where}, calls"),
            fits.nbytes.solve([s.nbytes for s in samples], f"{where}, bytes"),
        ),
    )


Aligned = list[list[Group]] | None  # per operator, the group of calls at every sample


Key = Callable[[Event], tuple[str, ...]]


def _by_position(runs: Sequence[list[Event]], key: Key) -> Aligned:
    names = [[key(e) for e in run] for run in runs]
    if any(other != names[0] for other in names):
        return None
    return [[Group(run[i]).add(run[i]) for run in runs] for i in range(len(runs[0]))]


def alike(event: Event) -> tuple[str, ...]:
    """What calls have in common that may be added up."""
    return *alike_but_access(event), event.access


def alike_but_access(event: Event) -> tuple[str, ...]:
    return event.op, event.dtype, event.storage


def _by_shape(runs: Sequence[list[Event]], key: Key) -> Aligned:
    """Calls of equal shape together, matched across samples in the order they first appear."""
    samples = [
        list(_grouped(run, lambda e: (*key(e), tuple(e.dims.items()))).values()) for run in runs
    ]
    names = [[key(g.event) for g in groups] for groups in samples]
    if any(other != names[0] for other in names):
        return None
    return [list(groups) for groups in zip(*samples, strict=True)]


def _by_operator(runs: Sequence[list[Event]], key: Key) -> Aligned:
    """All calls of an operator together; it may be absent at some sizes."""
    samples = [_grouped(run, key) for run in runs]
    keys = dict.fromkeys(itertools.chain.from_iterable(samples))
    for run in runs:
        _refuse_unlike_flops(run)
    some = next(event for run in runs for event in run)
    return [[groups.get(each) or Group(some) for groups in samples] for each in keys]


STRATEGIES: tuple[tuple[Callable[[Sequence[list[Event]], Key], Aligned], Key], ...] = (
    (_by_position, alike_but_access),
    (_by_shape, alike),
    (_by_operator, alike),
    (_by_shape, alike_but_access),
    (_by_operator, alike_but_access),
)


def _refuse_unlike_flops(run: Sequence[Event]) -> None:
    """Operators with FLOPs may be summed up only where their shapes are equal."""
    shapes: dict[str, Mapping[str, int]] = {}
    for event in run:
        if event.kind in WITH_FLOPS and shapes.setdefault(event.op, event.dims) != event.dims:
            raise TraceError(f"{event.op} at {event.path}: its shapes change along a loop")


def _grouped(run: Sequence[Event], key: Callable[[Event], object]) -> dict[object, Group]:
    groups: dict[object, Group] = {}
    for event in run:
        groups.setdefault(key(event), Group(event)).add(event)
    return groups
