"""What every meter promises.

A meter is opened once, then asked for windows: `start` and `stop` are cheap and may stand beside
timed work; `read` may wait for late samples, so it is called outside. Times are those of
`time.perf_counter()`, energy inside meters is joules.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from kinowatt.errors import KinowattError

Scope = Literal["gpu", "cpu", "ram"]
Method = Literal["measured", "modelled"]
SCOPES: tuple[Scope, ...] = ("gpu", "cpu", "ram")
MIN_WINDOW_S = 5.0
MIN_WINDOW_STEPS = 50


class MeterUnavailable(KinowattError):  # noqa: N818 (a state of the machine, not a fault of ours)
    """A meter cannot work here: `reason` says why, `fix` what the user can do about it."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(f"{reason}; {fix}")
        self.reason = reason
        self.fix = fix


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Energy of one scope over one window; `energy_j` is None where `reason` says why.

    `resolution_s`: how often the source moves. `window_s`: seconds between the meter's own two
    reads. `uncertainty_j`: what the source's steps alone can hide (95%), None where nothing is
    known of it.
    """

    scope: Scope
    meter: str
    method: Method
    window_s: float
    energy_j: float | None = None
    reason: str | None = None
    resolution_s: float | None = None
    uncertainty_j: float | None = None

    def __post_init__(self) -> None:
        if (self.energy_j is None) == (self.reason is None):
            raise ValueError("a reading holds either joules or the reason for their absence")

    @property
    def power_w(self) -> float | None:
        """Mean power over the meter's own window."""
        if self.energy_j is None or self.window_s <= 0:
            return None
        return self.energy_j / self.window_s


@dataclass(kw_only=True, slots=True)
class Window:
    """A stretch of time under measurement; `state` belongs to the meter that opened it."""

    start_s: float
    stop_s: float | None = None
    state: Any = field(default=None, repr=False)

    @property
    def seconds(self) -> float:
        if self.stop_s is None:
            raise ValueError("the window is still open")
        return self.stop_s - self.start_s


class Meter(ABC):
    """One source of energy figures.

    `overlapping`: windows may nest and overlap; where False, `start` refuses a second one.
    `retrospective`: any past stretch of time can be read, not only windows that were opened.
    """

    name: ClassVar[str]
    scopes: ClassVar[tuple[Scope, ...]]
    method: ClassVar[Method] = "measured"
    overlapping: ClassVar[bool] = True
    retrospective: ClassVar[bool] = False

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def open(self) -> None:
        """Gets hold of the source; raises `MeterUnavailable` where it can't."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of everything; may be called twice."""

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """What a row records of the meter (JSON values): source, version, resolution, devices."""

    def start(self) -> Window:
        """Opens a window now."""
        return Window(start_s=time.perf_counter())

    def stop(self, window: Window) -> None:
        """Ends a window now."""
        window.stop_s = time.perf_counter()

    @abstractmethod
    def read(self, window: Window) -> tuple[Reading, ...]:
        """Joules of a stopped window, one reading per scope; may wait for the source to move."""


def too_short(seconds: float, resolution_s: float) -> str | None:
    """Why a window cannot be trusted to a source that moves every `resolution_s`, or None."""
    needed = max(MIN_WINDOW_S, MIN_WINDOW_STEPS * resolution_s)
    if seconds >= needed:
        return None
    return (
        f"a window of {seconds:.3g} s is shorter than the {needed:.3g} s that a source moving"
        f" every {resolution_s * 1000:.3g} ms needs: repeat the work inside one window"
    )
