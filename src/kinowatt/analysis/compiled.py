"""The numbers of a scenario by straight-line code, once a kind of scenario has been asked for often.

Scenarios of one kind differ in their workload alone. A lone prediction never waits for code to be
made; a server, a page or a loop over settings gains tenfold. Both ways give the same numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from kinowatt.analysis.figures import figures
from kinowatt.facts.models import ModelSpec
from kinowatt.facts.profiles import GpuProfile
from kinowatt.theory.predict import Scenario
from kinowatt.theory.tracing import trace
from kinowatt.theory.workload import FIELDS

PATIENCE = 20  # predictions of a kind before code is made for it: it costs as much as that
VARIANTS = 24  # paths through one kind that code is kept for: tiles, cases of tables
STEADY = ("guidance_scale", "batch_size", "prompt_tokens", "fps")  # mostly the same for everybody


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
            code = trace(_by_workload(chosen), values, steady)
            if steady is self.steady:  # else it came too late
                self.codes.append(code)
        finally:
            self.making = False


Work = Callable[[], None]
_maker: list[Callable[[Work], object]] = [lambda work: work()]


def make_codes_by(run: Callable[[Work], object]) -> None:
    """Where code is made (some tenths of a second each); at once, unless a server has a thread."""
    _maker[0] = run


def _by_workload(chosen: Scenario) -> Callable[[Mapping[str, Any]], Any]:
    def function(values: Mapping[str, Any]) -> Any:
        return figures(replace(chosen, workload=replace(chosen.workload, **values)))

    return function


@lru_cache(maxsize=64)
def _kind(model: ModelSpec, profile: GpuProfile, *names: object) -> Kind:
    return Kind()


def figures_of(chosen: Scenario) -> Mapping[str, Any]:
    """The numbers of a scenario (`kinowatt.analysis.figures`)."""
    changes = tuple(chosen.what_if.items())
    how = (chosen.recipe.name, chosen.tiling, chosen.offload, changes)
    return _kind(chosen.model, chosen.profile, chosen.gpu.name, *how).figures(chosen)
