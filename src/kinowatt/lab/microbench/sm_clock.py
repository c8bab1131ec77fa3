"""The clock of a GPU at an instant, by a kernel that counts its own cycles.

NVML has a sample every 20 ms at best, and a burst is over in 15.
"""

from typing import Any, Protocol

import torch

from kinowatt.units import MHZ_PER_GHZ

CYCLES = 200_000  # a tenth of a millisecond: 200 looks at an idle H100 scatter by 0.02%
ROOM = 64  # looks between two readings


class Clock(Protocol):
    """Looks at a device's clock in the order of its work."""

    def look(self) -> None:
        """Queues a look."""

    def seen_mhz(self) -> list[float]:
        """What was seen since the last time, in the order of the looks; waits for them."""


class SmClock:
    """The clock of an NVIDIA GPU's multiprocessors; 0.1 ms a look."""

    def __init__(self, device: torch.device) -> None:
        from kinowatt.lab.microbench.spin import spin

        self._spin = spin
        self._seen = torch.zeros(2 * ROOM, dtype=torch.int64, device=device)
        self._looks = 0
        self.look()  # compiles the kernel
        self.seen_mhz()

    def look(self) -> None:
        self._spin[(1,)](self._seen, 2 * self._looks, CYCLES, num_warps=1)
        self._looks += 1

    def seen_mhz(self) -> list[float]:
        looks, self._looks = self._looks, 0
        pairs: list[Any] = self._seen[: 2 * looks].view(-1, 2).tolist()
        return [cycles / nanoseconds * MHZ_PER_GHZ for nanoseconds, cycles in pairs]


def sm_clock(device: torch.device) -> Clock | None:
    """A GPU's clock; None on a CPU, and where there is no Triton, which torch for CUDA has with it."""
    if device.type != "cuda":
        return None
    try:
        return SmClock(device)
    except ImportError:
        return None
