"""The numbers of a scenario by straight-line code, once a kind of scenario has been asked for often.

Scenarios of one kind differ in their workload alone. A lone prediction never waits for code to be
made; a server, a page or a loop over settings gains tenfold, columns of many rows gain twofold. Both
ways give the same numbers.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

from kinowatt.analysis.figures import figures, totals
from kinowatt.facts.models import ModelSpec
from kinowatt.facts.profiles import GpuProfile
from kinowatt.theory.expressions import numpy
from kinowatt.theory.predict import Scenario
from kinowatt.theory.tracing import ColumnCode, trace, trace_columns
from kinowatt.theory.workload import FIELDS

PATIENCE = 20  # predictions of a kind before code is made for it: it costs as much as that
PATIENT_ROWS = 8_192  # the same of columns
VARIANTS = 24  # paths through one kind that code is kept for: tiles, cases of tables
STEADY = ("guidance_scale", "batch_size", "prompt_tokens", "fps")  # mostly the same for everybody
BLOCK = 32_768  # rows that are sorted by path at a time
CHUNK = 4_096  # rows whose intermediate columns stay in the cache

Number = Any
Work = Callable[[], None]
_maker: list[Callable[[Work], object]] = [lambda work: work()]


def make_codes_by(run: Callable[[Work], object]) -> None:
    """Where code is made (some tenths of a second each); at once, unless a server has a thread."""
    _maker[0] = run


class Kind:
    """Scenarios that differ in their workload alone, and the code made for them so far."""

    def __init__(self) -> None:
        self.asked = 0
        self.making = False
        self.codes: list[Callable[..., Any]] = []
        self.steady: dict[str, Any] = {}  # what has had one value so far: code is made for it

    def figures(self, chosen: Scenario) -> Mapping[str, Any]:
        """By the first code whose path these settings take, else by the theory itself."""
        values = {name: getattr(chosen.workload, name) for name in FIELDS}
        for code in self.codes:
            found = code(**values)
            if found is not None:
                return found  # type: ignore[no-any-return]
        answer = figures(chosen)  # first, since it may refuse
        self._see(values)
        if self.asked > PATIENCE and len(self.codes) < VARIANTS and not self.making:
            self.making = True
            _maker[0](lambda: self._make(chosen, values))
        return answer

    def _see(self, values: Mapping[str, Any]) -> None:
        """Code for one value of what turns out to vary makes room for code that takes any."""
        if not self.asked:
            self.steady = {name: values[name] for name in STEADY}
        self.asked += 1
        steady = {name: value for name, value in self.steady.items() if values[name] == value}
        if steady != self.steady:
            self.steady, self.codes = steady, []

    def _make(self, chosen: Scenario, values: Mapping[str, Any]) -> None:
        steady = self.steady
        try:
            code = trace(partial(_with, figures, chosen), values, steady)
            if steady is self.steady:  # else it came too late
                self.codes.append(code)
        finally:
            self.making = False


class ColumnKind:
    """Columns of scenarios that differ in their workload alone, and the code made for them so far.

    `asked`: rows that no code answered since the last was made.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.making = False
        self.codes: list[ColumnCode] = []

    def totals(self, chosen: Scenario, rows: Any) -> Iterator[tuple[Any, Mapping[str, Any]]]:
        """The totals of rows, by their indexes, part by part: of each its indexes and columns."""
        varying = _varying(chosen)
        tried = 0
        while len(rows) and self._tries(chosen, tried, rows):
            code, tried = self.codes[tried], tried + 1
            taken = numpy().broadcast_to(code.takes(_at(varying, rows)), rows.shape)
            for part in _chunks(rows[taken]):
                yield part, code.run(**_at(varying, part))
            rows = rows[~taken]
        for part in _chunks(rows):
            yield part, _with(totals, chosen, _at(varying, part))

    def _tries(self, chosen: Scenario, tried: int, rows: Any) -> bool:
        """Whether there is one more code to try; where rows were left often, one is made."""
        if tried == len(self.codes):
            self.asked += len(rows)
            if self.asked > PATIENT_ROWS and tried < VARIANTS and not self.making:
                self.asked, self.making = 0, True
                _maker[0](lambda: self._make(chosen, rows[0]))
        return tried < len(self.codes)

    def _make(self, chosen: Scenario, row: int) -> None:
        settings = {name: getattr(chosen.workload, name) for name in FIELDS}
        example = {n: float(v[row]) if hasattr(v, "shape") else v for n, v in settings.items()}
        try:
            function = partial(_with, totals, chosen)
            self.codes.append(trace_columns(function, example, _steady(chosen)))
        finally:
            self.making = False


def _steady(chosen: Scenario) -> dict[str, Number]:
    """What is the same in every row and mostly for everybody."""
    values = {name: getattr(chosen.workload, name) for name in STEADY}
    return {name: value for name, value in values.items() if not hasattr(value, "shape")}


def _varying(chosen: Scenario) -> dict[str, Any]:
    steady = _steady(chosen)
    return {name: getattr(chosen.workload, name) for name in FIELDS if name not in steady}


def _at(values: Mapping[str, Any], rows: Any) -> dict[str, Any]:
    """Numbers as they are, of columns some rows, as floats."""
    return {n: v[rows].astype(float) if hasattr(v, "shape") else v for n, v in values.items()}


def _chunks(rows: Any) -> Iterator[Any]:
    return (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))


def totals_of(chosen: Scenario, size: int) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Totals (`kinowatt.analysis.figures`) of so many scenarios, whose settings are numbers or flat
    columns; part by part, of each the indexes of its rows."""
    kind = _column_kind(*_of_a_kind(chosen), *_steady(chosen).items())
    for start in range(0, size, BLOCK):
        yield from kind.totals(chosen, numpy().arange(start, min(start + BLOCK, size)))


def with_settings(chosen: Scenario, settings: Mapping[str, Any]) -> Scenario:
    """A scenario with other settings of its workload, which are not checked again."""
    return replace(chosen, workload=replace(chosen.workload, **settings))


def _with(of: Callable[[Scenario], Any], chosen: Scenario, settings: Mapping[str, Any]) -> Any:
    return of(with_settings(chosen, settings))


def _of_a_kind(chosen: Scenario) -> tuple[Any, ...]:
    """What scenarios of one kind have in common."""
    changes = tuple(chosen.what_if.items())
    how = (chosen.gpu.name, chosen.recipe.name, chosen.tiling, chosen.offload, changes)
    return (chosen.model, chosen.profile, *how)


@lru_cache(maxsize=64)
def _kind(model: ModelSpec, profile: GpuProfile, *names: object) -> Kind:
    return Kind()


@lru_cache(maxsize=64)
def _column_kind(model: ModelSpec, profile: GpuProfile, *names: object) -> ColumnKind:
    return ColumnKind()


def figures_of(chosen: Scenario) -> Mapping[str, Any]:
    """The numbers of a scenario (`kinowatt.analysis.figures`)."""
    return _kind(*_of_a_kind(chosen)).figures(chosen)
