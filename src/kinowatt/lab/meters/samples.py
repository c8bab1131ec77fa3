"""What a sampler saw, and what can be concluded from it."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kinowatt.lab.meters.sampling import FIELDS
from kinowatt.lab.meters.sources import THROTTLE_REASONS

Array = NDArray[np.float64]
STEP_QUANTILE = 0.2
SHORT_COUNTER_MJ = float(2**32)  # where a 32-bit counter of old drivers starts again
HOLE_S = 0.5  # several updates of the driver: a pause this long between samples hides power
HOLES_LIMIT = 0.02  # share of a window that may be hidden


@dataclass(frozen=True, slots=True)
class Samples:
    """Records in order of time: one row per sample, one column per name of `FIELDS`."""

    table: Array

    @classmethod
    def of(cls, data: bytes) -> Self:
        whole = len(data) // (8 * len(FIELDS)) * (8 * len(FIELDS))
        return cls(np.frombuffer(data[:whole]).reshape(-1, len(FIELDS)))

    def __len__(self) -> int:
        return len(self.table)

    def column(self, name: str) -> Array:
        return self.table[:, FIELDS.index(name)]

    @property
    def time_s(self) -> Array:
        return self.column("time_s")

    def last(self) -> list[float]:
        """The newest record."""
        return [float(value) for value in self.table[-1]]

    def between(self, start_s: float, stop_s: float) -> "Samples":
        """The records from one instant to another."""
        first, last = np.searchsorted(self.time_s, [start_s, stop_s])
        return Samples(self.table[first:last])

    def has(self, name: str) -> bool:
        return bool(np.isfinite(self.column(name)).any())

    def told(self, name: str) -> tuple[Array, Array]:
        """When the driver answered, and with what; a refused poll is NaN and no change."""
        values = self.column(name)
        answered = np.isfinite(values)
        return self.time_s[answered], values[answered]

    def moves(self, name: str) -> int:
        """How often a figure changed."""
        return len(_changes(self.told(name)[1]))

    def step_s(self, name: str) -> float | None:
        """Seconds between updates of a figure; None before its third change.

        A low quantile of the seconds between changes: at idle, updates often bring the same value.
        """
        times, values = self.told(name)
        changed = times[_changes(values)]
        return float(np.quantile(np.diff(changed), STEP_QUANTILE)) if len(changed) > 2 else None

    def spread(self, name: str) -> dict[str, float] | None:
        """Mean, least and greatest of a figure; None where the GPU does not have it."""
        _, values = self.told(name)
        if not len(values):
            return None
        return {
            "mean": float(values.mean()),
            "min": float(values.min()),
            "max": float(values.max()),
        }

    def throttled(self) -> dict[str, float] | None:
        """Share of the time under each reason for slower clocks; None where it is not told."""
        bits: NDArray[np.int64] = self.told("reasons")[1].astype(np.int64)
        if not len(bits):
            return None
        shares = {name: float((bits & bit > 0).mean()) for bit, name in THROTTLE_REASONS.items()}
        return {name: share for name, share in shares.items() if share}

    def counter_joules(self, start_s: float, stop_s: float) -> tuple[float | None, str | None]:
        """Joules of the energy counter between two instants, or why there are none.

        Between two steps of the counter, power is taken as constant.
        """
        times, values = self.told("energy_mj")
        energy = unwrapped(values)
        if energy is None:
            return None, "the energy counter went back: the driver was reloaded meanwhile"
        at = _changes(energy)
        if not len(at):
            return None, "the energy counter did not move"
        # a change was seen at sample i and came somewhere since sample i - 1
        steps_s = (times[at] + times[at - 1]) / 2
        if start_s < steps_s[0] or stop_s > steps_s[-1]:
            return None, "the counter was not sampled on both sides of the window"
        edges = np.interp([start_s, stop_s], steps_s, energy[at])
        joules = float(edges[1] - edges[0]) / 1000
        if joules <= 0:
            return None, "the energy counter stood still"
        return joules, None

    def counter_watts(self) -> float | None:
        """Mean power between the first and the last step of the energy counter that these samples
        saw; None of fewer than two. Of work that goes on and off in periods as short as those of
        the driver's power field, which then shows any of both.
        """
        times, values = self.told("energy_mj")
        energy = unwrapped(values)
        at = [] if energy is None else _changes(energy).tolist()
        if energy is None or len(at) < 2:
            return None
        first, last = at[0], at[-1]
        return float((energy[last] - energy[first]) / 1000 / (times[last] - times[first]))

    def integrated_joules(
        self, name: str, start_s: float, stop_s: float
    ) -> tuple[float | None, str | None]:
        """Joules of a power field between two instants, each value held until the next."""
        if len(self) < 2 or self.time_s[0] > start_s or self.time_s[-1] < stop_s:
            return None, "the power was not sampled on both sides of the window"
        watts = self.column(name)
        if not np.isfinite(watts).all():
            return None, "the driver did not answer every time"
        pauses_s = np.diff(self.time_s)
        inside = (self.time_s[1:] > start_s) & (self.time_s[:-1] < stop_s)
        unseen_s = float(pauses_s[inside & (pauses_s > HOLE_S)].sum())
        if unseen_s > HOLES_LIMIT * (stop_s - start_s):
            return None, f"the power was not sampled for {unseen_s:.3g} s"
        cumulated = np.concatenate([[0.0], np.cumsum(watts[:-1] * pauses_s)])
        edges = np.interp([start_s, stop_s], self.time_s, cumulated)
        joules = float(edges[1] - edges[0])
        return (joules, None) if joules > 0 else (None, "the driver gave a power of zero")


def _changes(values: Array) -> NDArray[np.intp]:
    """Indices at which a figure differs from the one before."""
    return np.flatnonzero(np.diff(values) != 0) + 1


def unwrapped(energy_mj: Array) -> Array | None:
    """A counter without its jumps back to zero; None where it went back for another reason.

    A wrap is a fall from the top of 32 bits to near zero; any other fall is a reset.
    """
    falls = np.diff(energy_mj) < 0
    if not falls.any():
        return energy_mj
    before, after = energy_mj[:-1][falls], energy_mj[1:][falls]
    near = 0.01 * SHORT_COUNTER_MJ
    if not bool(((before > SHORT_COUNTER_MJ - near) & (after < near)).all()):
        return None
    return energy_mj + SHORT_COUNTER_MJ * np.concatenate([[0.0], np.cumsum(falls)])
