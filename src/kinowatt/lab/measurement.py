"""The Measurement noun: one measured video with its conditions, and which rows may be averaged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, fields
from operator import attrgetter
from statistics import fmean, stdev
from typing import Any

from kinowatt.errors import InputError, unknown_name
from kinowatt.lab.measurement_checks import CHECKS, check_reasons, plain

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One row. `latency_s` is the pipeline call from prompt to frames in memory.

    `energy_wh` by scope (gpu, cpu, ram); None only where `conditions["energy_null"]` has the
    reason. `power_w` is the mean of the GPU over the video, `idle_power_w` with the pipeline
    loaded and nothing running. `runs` hold the values of each timed run; a composed row may have
    none. Nested values are plain JSON; more keys than the contract names are kept.

    Raises `InputError` naming the field for what no measurement can be: a wrong type, a number
    that is not finite, no time at all, negative energy, null energy without a reason.
    """

    schema_version: int
    model: str
    gpu: str
    recipe: str
    protocol: str
    taken_at: str
    workload: Mapping[str, Any]
    latency_s: float
    energy_wh: Mapping[str, float | None]
    stages: Mapping[str, Mapping[str, Any]]
    power_w: float | None
    idle_power_w: float | None
    peak_memory_gib: float | None
    peak_reserved_gib: float | None
    warmup_runs: int
    runs: tuple[Mapping[str, Any], ...]
    stability: Mapping[str, Any]
    conditions: Mapping[str, Any]
    parsed: InitVar[bool] = False

    def __post_init__(self, parsed: bool) -> None:
        for name, check in CHECKS.items():
            value = getattr(self, name)
            if not parsed:
                value = plain(name, value)
                object.__setattr__(self, name, value)
            check(name, value)
        _check_version(self.schema_version)
        object.__setattr__(self, "runs", tuple(self.runs))
        if self.protocol == "full" and not self.runs:
            raise InputError("runs: protocol 'full' has at least one timed run")
        check_reasons(self.energy_wh, self.conditions)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, as `measure --json` prints them and a row stores them."""
        return {name: plain(name, getattr(self, name)) for name in _FIELDS}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], parsed: bool = False) -> "Measurement":
        """The inverse of `to_dict`, also after a trip through JSON; `InputError` names the field.

        `parsed`: the data are fresh from a JSON parser and hold finite numbers alone, so they are
        kept as they are; checking and copying each value takes longer than all other checks.
        A row of a newer schema is refused: what its fields mean is not known here.
        """
        if not isinstance(data, Mapping):
            raise InputError(f"a row is a JSON object, not {type(data).__name__}")
        _check_version(data.get("schema_version", SCHEMA_VERSION))  # first: it explains the rest
        if data.keys() != _NAMES:
            _refuse_names(data)
        return cls(**data, parsed=parsed)


_FIELDS = tuple(field.name for field in fields(Measurement))
_NAMES = frozenset(_FIELDS)


def _refuse_names(data: Mapping[str, Any]) -> None:
    if missing := [name for name in _FIELDS if name not in data]:
        raise InputError(f"missing field {', '.join(missing)}")
    for name in data:
        if name not in _NAMES:
            raise unknown_name("field", name, _FIELDS)


def _check_version(version: Any) -> None:
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            f"schema_version {version} needs kinowatt of schema {version};"
            f" this one reads up to {SCHEMA_VERSION}: pip install -U kinowatt"
        )
    if version != SCHEMA_VERSION:
        raise InputError(f"schema_version must be {SCHEMA_VERSION}, not {version!r}")


# What makes two rows measurements of the same thing. The list of all of it is here.
SAME_FIELDS = ("model", "gpu", "recipe", "protocol", "workload")
SAME_CONDITIONS = (
    *("driver", "torch", "cuda", "cudnn", "diffusers", "transformers"),
    *("pipeline", "scheduler", "weights", "revision", "twin"),
    *("dtype", "attention_backend", "offload", "tiling", "compile"),
    *("tf32_matmul", "tf32_cudnn", "allocator", "power_limit_w"),
)


_CONDITIONS = (*SAME_CONDITIONS, "host.cpu_model", "meters", "composed")
_fields_of = attrgetter(*SAME_FIELDS)


def identity(row: Measurement) -> dict[str, Any]:
    """Every condition that must be equal in rows that are averaged, by dotted name.

    Not among them: what varies from run to run (clocks, temperature, load of the host) and the
    seed. None stands for what a row does not say.
    """
    values = same(row)
    named = dict(zip(SAME_FIELDS, values, strict=False))
    conditions = zip(_CONDITIONS, values[len(SAME_FIELDS) :], strict=True)
    return dict(_leaves(named)) | dict(conditions)


def same(row: Measurement) -> list[Any]:
    """What `identity` is made of, without names: equal in rows that are alike, and sooner had."""
    conditions = row.conditions
    host = conditions.get("host")
    return [
        *_fields_of(row),
        *map(conditions.get, SAME_CONDITIONS),
        host.get("cpu_model") if isinstance(host, Mapping) else None,
        sorted(conditions.get("meters") or ()),
        bool(conditions.get("composed")),
    ]


def unlike(a: Measurement, b: Measurement) -> list[str]:
    """The conditions in which two rows differ; rows are averaged only where there are none."""
    left, right = identity(a), identity(b)
    return [name for name in {**left, **right} if left.get(name) != right.get(name)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """One quantity over `n` rows that have it; `sd` (of a sample) is None for a single one."""

    n: int
    mean: float
    sd: float | None
    min: float
    max: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Like rows together; `quantities` by dotted name, None where no row has the quantity."""

    n: int
    identity: Mapping[str, Any]
    quantities: Mapping[str, Spread | None]


def mean_of(rows: Sequence[Measurement]) -> Summary:
    """Mean and spread of each quantity; `InputError` for rows under unlike conditions, or none."""
    if not rows:
        raise InputError("no rows to average")
    first = rows[0]
    for number, row in enumerate(rows[1:], start=2):
        for name in unlike(first, row)[:1]:
            raise InputError(
                f"rows 1 and {number} differ in {name}: {identity(first).get(name)!r} and"
                f" {identity(row).get(name)!r}; rows under unlike conditions are not averaged"
            )
    each = [dict(_quantities(row)) for row in rows]
    names = dict.fromkeys(name for found in each for name in found)
    return Summary(
        n=len(rows),
        identity=identity(first),
        quantities={name: _spread([found.get(name) for found in each]) for name in names},
    )


def _quantities(row: Measurement) -> Iterator[tuple[str, float | None]]:
    yield "latency_s", row.latency_s
    for scope, energy in row.energy_wh.items():
        yield f"energy_wh.{scope}", energy
    for name in ("power_w", "idle_power_w", "peak_memory_gib", "peak_reserved_gib"):
        yield name, getattr(row, name)
    for stage, found in row.stages.items():
        yield f"stages.{stage}.latency_s", found["latency_s"]


def _spread(values: Sequence[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Spread(
        n=len(known),
        mean=fmean(known),
        sd=stdev(known) if len(known) > 1 else None,
        min=min(known),
        max=max(known),
    )


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _leaves(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item
