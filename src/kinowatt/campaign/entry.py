"""A row as it goes into a store: its text, exactly, and the values it is found by.

Without SQLAlchemy, so that processes that only read files start fast.
"""

import hashlib
import json
import marshal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kinowatt.lab.measurement import Measurement, identity, same

# What makes two rows the same measurement: seconds and Wh to the last digit, and when
KEY = (
    *("schema_version", "model", "gpu", "recipe", "protocol", "taken_at"),
    *("latency_s", "energy_wh", "power_w", "idle_power_w", "peak_memory_gib"),
    *("peak_reserved_gib", "warmup_runs", "workload"),
)


class Entry(NamedTuple):
    """`document`: the JSON text that is kept; `columns`: what it is found by.

    A tuple, since most come from another process: a dataclass takes twice as long on that way.
    """

    columns: dict[str, Any]
    document: str


def entry(row: Measurement, document: str | None = None) -> Entry:
    """`document`: the row's own text, where it came as one."""
    if document is None:
        document = json.dumps(row.to_dict(), allow_nan=False)
    workload = row.workload
    shared = _shared(row)
    torch = row.conditions.get("torch")
    columns = {
        "digest": _digest_of(row, shared.workload),
        "model": row.model,
        "gpu": row.gpu,
        "protocol": row.protocol,
        "recipe": row.recipe,
        "height_px": workload["height_px"],
        "width_px": workload["width_px"],
        "frames": workload["frames"],
        "steps": workload["steps"],
        "batch_size": workload["batch_size"],
        "torch": None if torch is None else str(torch),
        "taken_at": instant(row.taken_at),
        "latency_s": row.latency_s,
        "energy_wh_gpu": row.energy_wh["gpu"],
        "alike": shared.alike,
    }
    return Entry(columns, document)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What a row has in common with many: the digest of its `identity`, its workload's text."""

    alike: str
    workload: str


_KNOWN: dict[bytes, _Shared] = {}
_MOST = 10_000


def _shared(row: Measurement) -> _Shared:
    """Kept for the next row of its kind: spelling both out takes most of an entry's time."""
    try:
        key = marshal.dumps(same(row), 2)  # tells 1 from 1.0 and True, as JSON does
    except ValueError:  # a value of a type derived from one of JSON
        return _spelt(row)
    found = _KNOWN.get(key)
    if found is None:
        if len(_KNOWN) >= _MOST:
            _KNOWN.clear()
        found = _KNOWN[key] = _spelt(row)
    return found


def _spelt(row: Measurement) -> _Shared:
    return _Shared(digest(identity(row))[:16], canonical(row.workload))


def _digest_of(row: Measurement, workload: str) -> str:
    """`digest` of the values of `KEY`, of which the workload sorts last."""
    text = canonical({name: getattr(row, name) for name in KEY[:-1]})
    return _hashed(f'{text[:-1]},"{KEY[-1]}":{workload}}}')


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical(value: Any) -> str:
    """JSON in one spelling: keys sorted, no blanks; refuses what is no number."""
    return _ENCODER.encode(value)


def digest(value: Any) -> str:
    """The same for equal JSON values, whatever the order of their keys."""
    return _hashed(canonical(value))


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def instant(text: str) -> str:
    """An ISO instant in UTC and of one length, so that texts sort as times do."""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="microseconds")


def now() -> str:
    """This machine's wall clock; only ever shown, never compared."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """Dotted names of the values in which two rows differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = {**old, **new}
        found = [differences(old.get(n), new.get(n), f"{prefix}{n}.") for n in names]
        return [name for names in found for name in names]
    return [] if old == new and type(old) is type(new) else [prefix.rstrip(".")]
