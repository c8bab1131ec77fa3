"""A made /sys/class/powercap: zones whose counters a test sets, or a thread moves."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

RANGE_J = 262_143.0  # of a server package


class Powercap:
    """Zones by their entry (`intel-rapl:0`); counters in joules, wrapped at their range."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.total_j: dict[str, float] = {}
        self.range_j: dict[str, float] = {}
        root.mkdir(parents=True, exist_ok=True)

    def zone(self, entry: str, name: str, total_j: float, range_j: float = RANGE_J) -> None:
        folder = self.root / entry
        folder.mkdir()
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{round(range_j * 1e6)}\n")
        self.range_j[entry] = range_j
        self.set(entry, total_j)

    def set(self, entry: str, total_j: float) -> None:
        """Moves a counter in one step, as the kernel does: no reader sees half a number."""
        self.total_j[entry] = total_j
        shown_uj = round(total_j % self.range_j[entry] * 1e6)
        half = self.root / f"{entry}.new"
        half.write_text(f"{shown_uj}\n")
        half.replace(self.root / entry / "energy_uj")

    def add(self, **joules: float) -> None:
        """Adds joules to zones, given by name with `_` for `:` and `-`."""
        for entry in self.total_j:
            key = entry.replace(":", "_").replace("-", "_")
            if key in joules:
                self.set(entry, self.total_j[entry] + joules[key])

    @contextmanager
    def moving(self, watts: Mapping[str, float], every_s: float = 0.002) -> Iterator[None]:
        """Counters that grow by the given watts in steps, until the block is left."""
        ending = threading.Event()
        began_s, began_j = time.perf_counter(), dict(self.total_j)

        def move() -> None:
            while not ending.wait(every_s):
                passed_s = time.perf_counter() - began_s
                for entry, power_w in watts.items():
                    self.set(entry, began_j[entry] + power_w * passed_s)

        thread = threading.Thread(target=move, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()
