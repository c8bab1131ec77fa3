"""Power, energy, clocks and temperature of one GPU over time, polled by a process of its own."""

import contextlib
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, Self

from kinowatt.lab.host import module_environment
from kinowatt.lab.meters.contract import MeterUnavailable
from kinowatt.lab.meters.samples import Samples
from kinowatt.lab.meters.sampling import FIELDS, RECORD, UNAVAILABLE

INTERVAL_S = 0.01
START_LIMIT_S = 20.0
SETTLE_STEPS = 6  # steps of every figure that are watched before the first window
SETTLE_LIMIT_S = 2.0  # for figures that hardly move
FIGURES = ("energy_mj", "power_instant_w", "power_average_w")
UNKNOWN_STEP_S = 0.1  # of a figure that hardly moved meanwhile: the slowest counters known
STALL_S = 5.0
SPARE = 8  # records that come late bring the next one early


class Sampler:
    """Polls one GPU while it is open; what it saw between two instants can be read at any time.

    `source`: `nvml:UUID`, `nvml:INDEX` or `fake:{…}`. Instants are `time.perf_counter()`, which
    on Linux is the same clock in every process.
    """

    def __init__(self, source: str, interval_s: float = INTERVAL_S) -> None:
        self.source = source
        self.interval_s = interval_s
        self._process: subprocess.Popen[bytes] | None = None
        self._users = 0
        self._steps: dict[str, float] = {}

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Starts polling and watches a few steps; raises `MeterUnavailable` with the reason."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the sampler)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "kinowatt.lab.meters.sampling",
                self.source,
                str(self.interval_s),
            ],
            stdin=subprocess.PIPE,
            stdout=self._file,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is for the parent, which still wants its samples
            env=module_environment(),
        )
        try:
            self._settle()
        except BaseException:
            self.close()
            raise

    def _settle(self) -> None:
        """Waits until enough steps were seen to know how often each figure moves."""
        opened = time.perf_counter()
        while time.perf_counter() < opened + START_LIMIT_S:
            self.check()
            seen = self.everything()
            if len(seen) > 2 and self._settled(seen):
                steps = {name: seen.step_s(name) for name in FIGURES}
                self._steps = {name: step or UNKNOWN_STEP_S for name, step in steps.items()}
                return
            time.sleep(0.02)
        raise MeterUnavailable(f"{self.source} gave no samples", "see `nvidia-smi`")

    @staticmethod
    def _settled(seen: Samples) -> bool:
        known = [name for name in FIGURES if seen.has(name)]
        moved = all(seen.moves(name) >= SETTLE_STEPS for name in known)
        return moved or bool(seen.time_s[-1] - seen.time_s[0] > SETTLE_LIMIT_S)

    def close(self) -> None:
        """Ends the polling process; may be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._file.close()
        self._errors.close()

    def check(self) -> None:
        """Raises `MeterUnavailable` unless the polling process is alive."""
        if self._process is None:
            raise MeterUnavailable("the sampler is not open", "use it in a `with` block")
        if self._process.poll() is not None:
            raise self._ended(self._process.returncode)

    def _ended(self, status: int) -> MeterUnavailable:
        """Why the polling process is over, in its own words where it had any."""
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        if status == UNAVAILABLE and len(said) > 1:
            return MeterUnavailable(said[-2], said[-1])
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        reason = said[-1] if said else f"the sampler of {self.source} was ended {how}"
        return MeterUnavailable(reason, "see `nvidia-smi`")

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def has(self, field: str) -> bool:
        """Whether this GPU has a figure at all."""
        return self.everything().has(field)

    def step_s(self, field: str) -> float:
        """How often a figure moves, as seen when the sampler was opened."""
        return self._steps[field]

    def everything(self) -> Samples:
        """All samples so far."""
        return self._read(0, os.fstat(self._file.fileno()).st_size // RECORD.size)

    def latest(self) -> dict[str, float]:
        """The newest sample by field, for a live display."""
        last = os.fstat(self._file.fileno()).st_size // RECORD.size
        return dict(zip(FIELDS, self._read(last - 1, last).last(), strict=True))

    def between(self, start_s: float, stop_s: float) -> Samples:
        """The samples of a stretch of time that is over."""
        self._wait_for(stop_s)
        return self._cut(start_s, stop_s)

    def around(self, start_s: float, stop_s: float) -> Samples:
        """The samples of a stretch with the steps on both its sides, which edges need."""
        margin = 3 * max(self._steps.values(), default=self.interval_s)
        self._wait_for(stop_s + margin)
        return self._cut(start_s - margin, stop_s + margin)

    def _cut(self, start_s: float, stop_s: float) -> Samples:
        # samples come at a fixed rate at most, so only so many at the end can be of that time
        last = os.fstat(self._file.fileno()).st_size // RECORD.size
        since = (time.perf_counter() - start_s) / self.interval_s
        return self._read(max(0, last - math.ceil(since) - SPARE), last).between(start_s, stop_s)

    def _wait_for(self, instant_s: float) -> None:
        stalled = time.perf_counter() + STALL_S
        while time.perf_counter() < stalled:
            self.check()
            if self.latest()["time_s"] >= instant_s:
                return
            time.sleep(self.interval_s)
        raise MeterUnavailable(f"the sampler of {self.source} stalled", "see `nvidia-smi`")

    def _read(self, first: int, last: int) -> Samples:
        size = RECORD.size
        data = os.pread(self._file.fileno(), (last - first) * size, first * size)
        return Samples.of(data)

    def release(self) -> None:
        """One user of a shared sampler less; the last one closes it."""
        with _LOCK:
            self._users -= 1
            if self._users > 0:
                return
            if _SHARED.get(self.source) is self:
                del _SHARED[self.source]
            self.close()

    def acquire(self) -> Self:
        """One user more; the first one opens it."""
        if self._process is None:
            self.open()
        self._users += 1
        return self


_SHARED: dict[str, Sampler] = {}
_LOCK = threading.Lock()


def shared(source: str) -> Sampler:
    """The one sampler of a source in this process; each user calls `release` when done."""
    with _LOCK:
        known = _SHARED.get(source)
        sampler = known if known is not None and known.alive else Sampler(source)
        _SHARED[source] = sampler.acquire()
        return sampler


def summary(samples: Samples) -> dict[str, Any]:
    """What a row keeps of a stretch: spreads of power, clocks and temperature, throttling."""
    return {
        "power_w": samples.spread("power_instant_w"),
        "clock_mhz": samples.spread("sm_clock_mhz"),
        "memory_clock_mhz": samples.spread("memory_clock_mhz"),
        "temperature_c": samples.spread("temperature_c"),
        "throttled": samples.throttled(),
    }
