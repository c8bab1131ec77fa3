"""Where rows are measured: slots, each of which measures one row at a time with nobody beside it.

`local` has one worker process for each GPU of this machine (or CPU slot, for twins);
`kinowatt.campaign.on_ray` has them on a Ray cluster. A further kind is one class with `open`,
and slots with `ready`, `run`, `stop` and `close`.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from kinowatt.errors import InputError, require_extra
from kinowatt.lab.measure import FACTORY
from kinowatt.lab.meters.contract import MeterUnavailable
from kinowatt.lab.worker import Outcome, Workers

# Told of what happens in a slot, by the slot's name: progress of a row, as the lab emits it
OnEvent = Callable[[str, dict[str, Any]], None]


class Slot(Protocol):
    """One place that measures; all methods but `stop` are called by one thread."""

    @property
    def name(self) -> str: ...

    def ready(self) -> str | None:
        """None where a row can be measured now, else why not yet; asked again and again."""

    def run(self, build: Mapping[str, Any], request: Mapping[str, Any], limit_s: float) -> Outcome:
        """Measures one row; a failure is an answer. The pipeline is kept for the next row."""

    def stop(self) -> None:
        """Ends what is running at once, from any thread; its `run` comes back with a crash."""

    def close(self) -> None:
        """Lets go of the pipeline, the GPU and the process."""


class Executor(Protocol):
    """Makes the slots of a campaign."""

    def prepare(self) -> None:
        """Looks for what to measure on, before anything is written; `InputError` without it."""

    def open(self, on_event: OnEvent) -> Sequence[Slot]:
        """The slots; nobody has looked whether they are ready."""

    def close(self) -> None:
        """Closes what is left, slots included."""


class LocalSlot:
    """A worker process of this machine on one GPU, by UUID, or on a CPU (`gpu` None).

    A GPU is locked among all campaigns of this machine, whoever runs them: a neighbour would
    disturb its seconds and watt-hours.
    """

    def __init__(
        self, name: str, gpu: str | None, on_event: OnEvent, factory: str = FACTORY, **limits: Any
    ) -> None:
        self._name = name
        self._lock = _lock(gpu) if gpu is not None else None
        env = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        self._workers = Workers(factory, lambda event: on_event(name, event), env=env, **limits)

    @property
    def name(self) -> str:
        return self._name

    def ready(self) -> str | None:
        if self._lock is None or self._lock.is_locked:
            return None
        import filelock

        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            return f"another campaign measures on {self._name}"
        except OSError as error:
            raise InputError(f"{self._lock.lock_file}: {error.strerror}") from None
        return None

    def run(self, build: Mapping[str, Any], request: Mapping[str, Any], limit_s: float) -> Outcome:
        return self._workers.run(build, request, limit_s)

    def stop(self) -> None:
        self._workers.kill()

    def close(self) -> None:
        self._workers.close()
        if self._lock is not None:
            self._lock.release()


def _lock(gpu: str) -> Any:
    """A lock that ends with the process that holds it; others may open its file."""
    filelock = require_extra("campaign", "filelock")
    name = "".join(c if c.isalnum() else "-" for c in gpu)
    return filelock.FileLock(Path(tempfile.gettempdir(), f"kinowatt-{name}.lock"), mode=0o666)


class LocalExecutor:
    """One slot for each GPU that CUDA may see, or `slots` on a CPU."""

    def __init__(
        self, *, on_gpu: bool, slots: int | None = None, factory: str = FACTORY, **limits: Any
    ) -> None:
        self.on_gpu = on_gpu
        self.wanted = slots
        self.factory = factory
        self.limits = limits
        self._places: list[tuple[str, str | None]] = []
        self._slots: list[LocalSlot] = []

    def prepare(self) -> None:
        if self.on_gpu:
            self._places = gpu_places(self.wanted)
        else:
            self._places = [(f"cpu {index}", None) for index in range(self.wanted or 1)]

    def open(self, on_event: OnEvent) -> Sequence[Slot]:
        for name, gpu in self._places:
            self._slots.append(LocalSlot(name, gpu, on_event, self.factory, **self.limits))
        return self._slots

    def close(self) -> None:
        slots, self._slots = self._slots, []
        with ThreadPoolExecutor(max(1, len(slots))) as pool:  # each lets go of a GPU's memory
            list(pool.map(LocalSlot.close, slots))


def gpu_places(wanted: int | None) -> list[tuple[str, str | None]]:
    """Name and UUID of the GPUs to measure on; `InputError` where there are too few."""
    from kinowatt.lab.meters import nvml

    try:
        found, _ = nvml.visible(nvml.devices())
    except MeterUnavailable as error:
        raise InputError(
            f"no GPU to measure on: {error}; `kinowatt doctor` says more,"
            " and `kinowatt sweep smoke` runs on a CPU"
        ) from None
    if not found:
        raise InputError(f"no GPU to measure on: {nvml.why_none_visible()}")
    if wanted is not None and wanted > len(found):
        raise InputError(f"--gpus {wanted}: this machine has {len(found)} that CUDA may see")
    return [(f"gpu {device.index}", device.uuid) for device in found[: wanted or len(found)]]


def on_gpu(builds: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a campaign of these builds needs GPUs."""
    return any(build["device"] != "cpu" for build in builds)
