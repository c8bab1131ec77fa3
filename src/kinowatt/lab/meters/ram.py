"""Models of memory power by size: CodeCarbon's two, by name. No sensor is read.

Their "GB" is 2^30 bytes. The size is the machine's, or the limit of the cgroup where that is
smaller (`lab/host.py`), and is recorded with its source.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from kinowatt.lab.host import Host, host
from kinowatt.lab.meters.contract import Meter, MeterUnavailable, Reading, Window

V2_W_PER_GIB = 0.375  # CodeCarbon 2: 3 W for every 8 GB of DDR3 or DDR4
MODULE_SIZES_GIB = (128, 64, 32, 16, 8, 4)
MAX_MODULES = 32
V3_MODULE_W = 5.0
V3_ARM_MODULE_W = 1.5
V3_MIN_W = 10.0
V3_ARM_MIN_W = 3.0
# CodeCarbon 3: share of a module's power, for the modules up to this one
V3_SHARES = ((4, 1.0), (8, 0.9), (16, 0.8), (MAX_MODULES, 0.7))
# CodeCarbon 3: modules that machines up to this size (GiB) are taken to have
V3_MODULES = ((2, 1), (16, 2), (64, 4), (128, 8))


def v2_power_w(memory_gib: float) -> float:
    """CodeCarbon 2's model: 0.375 W per GiB."""
    return V2_W_PER_GIB * memory_gib


def v3_modules(memory_gib: float) -> int:
    """How many memory modules CodeCarbon 3 guesses from a size in GiB."""
    for up_to_gib, modules in V3_MODULES:
        if memory_gib <= up_to_gib:
            return modules
    # the largest module of which eight still fit
    size_gib = next(size for size in MODULE_SIZES_GIB if size <= memory_gib / 8)
    return min(math.ceil(memory_gib / size_gib), MAX_MODULES)


def v3_power_w(memory_gib: float, *, arm: bool = False) -> float:
    """CodeCarbon 3's model: 5 W per guessed module (1.5 W on ARM), less for each after the 4th."""
    modules = v3_modules(memory_gib)
    starts = (0, *(up_to for up_to, _ in V3_SHARES))
    full = sum(
        share * max(0, min(modules, up_to) - start)
        for start, (up_to, share) in zip(starts, V3_SHARES, strict=False)
    )
    if arm:
        return max(V3_ARM_MIN_W, V3_ARM_MODULE_W * full)
    return max(V3_MIN_W, V3_MODULE_W * full)


class _RamModel(Meter):
    """Constant power times the seconds of a window, however short."""

    scopes = ("ram",)
    method = "modelled"
    retrospective = True
    label: ClassVar[str]

    def __init__(self, machine: Host | None = None) -> None:
        self._machine = machine
        self._power_w: float | None = None
        self._details: dict[str, Any] = {}

    @staticmethod
    def power_w(machine: Host, memory_gib: float) -> float:
        raise NotImplementedError

    def open(self) -> None:
        machine = self._machine or host()
        if machine.memory is None:
            raise MeterUnavailable(
                "this machine does not say how much memory it has", "use another meter of RAM"
            )
        self._power_w = self.power_w(machine, machine.memory.size_gib)
        self._details = {
            "model": self.label,
            "memory_gib": machine.memory.size_gib,
            "memory_source": machine.memory.source,
        }

    def close(self) -> None:
        self._power_w = None

    def _opened_w(self) -> float:
        if self._power_w is None:
            raise MeterUnavailable(f"meter {self.name} is not open", "use it in a `with` block")
        return self._power_w

    def start(self) -> Window:
        self._opened_w()
        return super().start()

    def describe(self) -> Mapping[str, Any]:
        return {**self._details, "power_w": self._opened_w(), "scope": "all memory of the machine"}

    def read(self, window: Window) -> tuple[Reading, ...]:
        return (
            Reading(
                scope="ram",
                meter=self.name,
                method=self.method,
                window_s=window.seconds,
                energy_j=self._opened_w() * window.seconds,
            ),
        )


class RamV2(_RamModel):
    """The model of CodeCarbon 2."""

    name = "ram-v2"
    label = "0.375 W per GiB (CodeCarbon 2)"

    @staticmethod
    def power_w(machine: Host, memory_gib: float) -> float:
        return v2_power_w(memory_gib)


class RamV3(_RamModel):
    """The model of CodeCarbon 3, with which the paper's memory energy was made."""

    name = "ram-v3"
    label = "5 W per guessed module, 90/80/70% of it for modules 5-8/9-16/17-32 (CodeCarbon 3)"

    @staticmethod
    def power_w(machine: Host, memory_gib: float) -> float:
        return v3_power_w(memory_gib, arm=machine.arm)
