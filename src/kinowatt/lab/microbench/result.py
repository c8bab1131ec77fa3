"""The JSON of a microbenchmark and its reader; needs no torch."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from kinowatt.errors import InputError

SCHEMA_VERSION = 1
KIND = "microbench"


@dataclass(frozen=True, kw_only=True, slots=True)
class Microbench:
    """What one GPU did, operator by operator.

    `points`: family, op, params, dtype, backend, data, flops and bytes of a call, `burst` (seconds
    of a call in short bursts, with the clock) and `sustained` (the same over seconds, with power,
    clocks and temperature) or None. `loads`: operators at part of the time. `idle`: power and
    clocks with nothing to do. `call_overhead`: host seconds by kind of call. `copies`: between
    host and device. `skipped`: what was not measured, with its reason. `unlike_calls`: device
    seconds of calls that follow unlike ones, and of each among its own kind. `stalls`: device
    seconds of work whose host waits for a result, and without that. Both are empty in files of
    before they were measured.
    """

    schema_version: int
    kind: str
    taken_at: str
    device: str
    seconds: float
    budget_s: float
    conditions: Mapping[str, Any]
    idle: Mapping[str, Any]
    points: tuple[Mapping[str, Any], ...]
    loads: tuple[Mapping[str, Any], ...]
    call_overhead: Mapping[str, Mapping[str, float]]
    copies: tuple[Mapping[str, Any], ...]
    skipped: tuple[Mapping[str, Any], ...]
    unlike_calls: Mapping[str, float] = field(default_factory=dict)
    stalls: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def write(self, path: Path) -> None:
        """One file, a point a line, so that two results can be compared line by line."""
        data = self.to_dict()
        lists = ("points", "loads", "copies", "skipped")
        head = {name: value for name, value in data.items() if name not in lists}
        parts = [f'"{name}": {json.dumps(value, allow_nan=False)}' for name, value in head.items()]
        for name in lists:
            lines = ",\n".join(json.dumps(item, allow_nan=False) for item in data[name])
            parts.append(f'"{name}": [\n{lines}\n]')
        path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Raises `InputError` for what is no microbenchmark of this version."""
        if data.get("kind") != KIND:
            raise InputError(f"kind is {data.get('kind')!r}, not {KIND!r}")
        if data.get("schema_version") != SCHEMA_VERSION:
            found = data.get("schema_version")
            raise InputError(f"schema_version is {found!r}; this version reads {SCHEMA_VERSION}")
        needed = [each.name for each in fields(cls) if each.default_factory is MISSING]
        missing = [name for name in needed if name not in data]
        if missing:
            raise InputError(f"fields are missing: {', '.join(missing)}")
        names = [each.name for each in fields(cls) if each.name in data]
        values: dict[str, Any] = {name: data[name] for name in names}
        lists = {k: tuple(v) for k, v in values.items() if isinstance(v, list)}
        return cls(**(values | lists))


def read_microbench(path: str | Path) -> Microbench:
    """A result from its file; `InputError` in one line, with the file, where it is none."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: a microbenchmark is one JSON object")
    try:
        return Microbench.of(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
