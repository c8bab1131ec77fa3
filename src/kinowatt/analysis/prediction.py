"""The Prediction noun: what `predict` answers, and its exact JSON and pickle round trips."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

Stage = Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What one video costs. Energy in Wh by scope; None where nothing was asked or modelled.

    `latency_s` is the pipeline call from prompt to frames in memory. `intervals` hold low and
    high ends by level. `co2e_g` is of the GPU's energy (times PUE where given).
    """

    model: str
    gpu: str
    profile: str
    recipe: str
    workload: Mapping[str, Any]
    flops: Mapping[str, float]
    stages: Mapping[str, Stage]
    operators: Mapping[str, Mapping[str, Any]]
    passes: tuple[Mapping[str, Any], ...]
    latency_s: float
    energy_wh: Mapping[str, float | None]
    power_w: float
    peak_memory_gib: float | None
    memory: Mapping[str, Any]
    intervals: Mapping[str, Mapping[str, tuple[float, float]]]
    co2e_g: float | None
    cost_usd: float | None
    options: Mapping[str, Any]
    provenance: Mapping[str, Any]
    warnings: tuple[Mapping[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, as `predict --json` prints them."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Prediction":
        """The inverse of `to_dict`, also after a trip through JSON."""
        values = {field.name: data[field.name] for field in fields(cls)}
        values["passes"] = tuple(values["passes"])
        values["warnings"] = tuple(values["warnings"])
        values["intervals"] = {
            quantity: {level: tuple(ends) for level, ends in levels.items()}
            for quantity, levels in values["intervals"].items()
        }
        return cls(**values)


_LEAVES = frozenset({float, int, str, bool, type(None)})


def _plain(value: Any) -> Any:
    if type(value) in _LEAVES:  # nearly all of them: the tests below cost more than the copy
        return value
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
