"""What an audit says: flags with their evidence, and the whole of them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any

SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """One explanation: what would have produced the numbers, and by how much it is likelier.

    `log_odds`: natural logarithm of its odds against the labels as they stand. `settings`: those
    that differ from the labels. Seconds are of the median row that it explains.
    """

    words: str
    kind: str
    settings: Mapping[str, Any]
    profile: str
    predicted_s: float
    measured_s: float
    log_odds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Flag:
    """One finding. `lines` of the file; `evidence`: numbers with units in their names.

    error: cannot be true; warning: very likely wrong or misleading; note: worth knowing.
    """

    kind: str
    severity: str
    what: str
    lines: tuple[int, ...]
    evidence: Mapping[str, Any] = field(default_factory=dict)
    suggestion: str = ""
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """The answer: the file as it was read, flags (most serious first), and what was not judged."""

    file: str
    format: str
    rows: int
    gpus: tuple[str, ...]
    profiles: Mapping[str, str]  # "MODEL on GPU" → the profile that its rows were held against
    mapping: Mapping[str, str]
    guessed: tuple[str, ...]
    flags: tuple[Flag, ...]
    notes: tuple[str, ...]

    @property
    def flagged(self) -> frozenset[int]:
        """Lines that an error or a warning names."""
        return frozenset(
            line for flag in self.flags if flag.severity != "note" for line in flag.lines
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def merged(flags: Iterable[Flag]) -> tuple[Flag, ...]:
    """Flags that say the same of several rows as one, with medians; errors first, then by size."""
    groups: dict[tuple[str, str, str], list[Flag]] = {}
    for flag in flags:
        groups.setdefault((flag.kind, flag.what, flag.suggestion), []).append(flag)
    found = [_as_one(group) for group in groups.values()]
    found.sort(key=lambda flag: (SEVERITIES.index(flag.severity), -len(flag.lines)))
    return tuple(found)


def _as_one(group: Sequence[Flag]) -> Flag:
    lines = tuple(sorted({line for flag in group for line in flag.lines}))
    evidence = {
        name: _middle([flag.evidence.get(name) for flag in group], value)
        for name, value in group[0].evidence.items()
    }
    return replace(group[0], lines=lines, evidence=evidence)


def _middle(values: Sequence[Any], first: Any) -> Any:
    """The median of numbers; of anything else the first; infinity as a text, which JSON has."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    middle = median(numbers) if len(numbers) == len(values) > 1 else first
    return str(middle) if isinstance(middle, float) and not math.isfinite(middle) else middle


def ranges(lines: Sequence[int]) -> str:
    """`2-4, 9` for people."""
    parts: list[list[int]] = []
    for line in sorted(set(lines)):
        if parts and line == parts[-1][-1] + 1:
            parts[-1].append(line)
        else:
            parts.append([line])
    return ", ".join(f"{p[0]}-{p[-1]}" if len(p) > 1 else str(p[0]) for p in parts)
