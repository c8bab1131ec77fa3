"""Every meter by name, and a set of them opened together."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Self, TypeVar

from kinowatt.errors import InputError, KinowattError, unknown_name
from kinowatt.lab.meters.contract import Meter, MeterUnavailable, Reading, Scope, Window
from kinowatt.lab.meters.emissions import CodeCarbon
from kinowatt.lab.meters.fake import Fake
from kinowatt.lab.meters.nvml import devices, visible, why_none_visible
from kinowatt.lab.meters.nvml_meters import (
    NvmlCounter,
    NvmlPowerAverage,
    NvmlPowerInstant,
    SampledMeter,
)
from kinowatt.lab.meters.ram import RamV2, RamV3
from kinowatt.lab.meters.rapl import Rapl
from kinowatt.lab.meters.sampler import Sampler

Factory = Callable[[str | None], Meter]
NO_GPU = "none"
AUTO = ("nvml-counter", "rapl", "ram-v3")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of meter, and how to make one for a GPU (see `open_meters`)."""

    cls: type[Meter]
    make: Factory


def table(*kinds: Kind) -> Mapping[str, Kind]:
    """Kinds by name; a duplicate is refused."""
    found: dict[str, Kind] = {}
    for kind in kinds:
        if kind.cls.name in found:
            raise ValueError(f"meter {kind.cls.name!r} is registered twice")
        found[kind.cls.name] = kind
    return MappingProxyType(found)


def gpu_source(gpu: str | None) -> str:
    """`nvml:UUID` of a GPU given by index of NVML, UUID or source; None is CUDA's device 0.

    `NO_GPU` stands for work that runs on no GPU of NVIDIA: an idle one must not be billed to it.
    """
    if gpu == NO_GPU:
        raise MeterUnavailable("the work runs on no NVIDIA GPU", "move it to one (`cuda`)")
    if gpu is not None:
        return gpu if gpu.partition(":")[0] in ("nvml", "fake") else f"nvml:{gpu}"
    seen, doubt = visible(devices())
    if not seen:
        raise why_none_visible()
    if doubt is not None:
        raise MeterUnavailable("which GPU is CUDA's first is not known here", doubt)
    return seen[0].source


def _codecarbon(gpu: str | None) -> Meter:
    """CodeCarbon takes NVML's index: it does not find a GPU by a UUID that starts with `GPU-`."""
    try:
        kind, _, where = gpu_source(gpu).partition(":")
        found = devices() if kind == "nvml" else []
    except KinowattError:  # no driver: CodeCarbon still has CPU and RAM
        return CodeCarbon()
    return CodeCarbon(next((d.index for d in found if d.named(where)), None))


def _fake(gpu: str | None) -> Meter:
    meter = Fake()
    if gpu is not None and gpu.startswith("fake:"):
        meter.source = gpu
    return meter


# In order of preference: the first that measures a scope gives the figure of a row.
METERS = table(
    Kind(NvmlCounter, lambda gpu: NvmlCounter(gpu_source(gpu))),
    Kind(NvmlPowerInstant, lambda gpu: NvmlPowerInstant(gpu_source(gpu))),
    Kind(NvmlPowerAverage, lambda gpu: NvmlPowerAverage(gpu_source(gpu))),
    Kind(Rapl, lambda _: Rapl()),
    Kind(CodeCarbon, _codecarbon),
    Kind(RamV3, lambda _: RamV3()),
    Kind(RamV2, lambda _: RamV2()),
    Kind(Fake, _fake),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Absent:
    """A meter that was asked for and cannot work here."""

    meter: str
    scopes: tuple[Scope, ...]
    reason: str
    fix: str


@dataclass(frozen=True, slots=True)
class Readings:
    """Every meter's readings of one window, in order of preference."""

    all: tuple[Reading, ...]

    def primary(self, scope: Scope) -> Reading | None:
        """The reading that counts: measured before modelled, in order of preference.

        A sensor that works, given too short a window, is not replaced by a model. None where no
        meter has the scope.
        """
        return min((r for r in self.all if r.scope == scope), key=_rank, default=None)

    def beside(self, scope: Scope) -> tuple[Reading, ...]:
        """The other readings of a scope."""
        first = self.primary(scope)
        return tuple(r for r in self.all if r.scope == scope and r is not first)

    def to_dict(self) -> list[dict[str, Any]]:
        return [asdict(reading) for reading in self.all]


def _rank(reading: Reading) -> int:
    if reading.method == "measured" and reading.energy_j is not None:
        return 0
    if reading.method == "measured" and reading.resolution_s is not None:
        return 1  # its source is there
    return 2 if reading.energy_j is not None else 3


@dataclass(frozen=True, slots=True)
class Windows:
    """One window per meter; `failed`: why a meter has none."""

    by_meter: dict[str, Window]
    failed: dict[str, str]


class MeterSet:
    """Several meters as one; one that fails is recorded and never loses the others."""

    def __init__(self, names: Iterable[str], gpu: str | None = None) -> None:
        self.names = tuple(names)
        self.gpu = gpu
        self._open: dict[str, Meter] = {}
        self._absent: dict[str, Absent] = {}

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Opens every meter that works here; the others are listed in `absent`."""
        try:
            for name in self.names:
                if name not in self._open:
                    self._open_one(name)
        except BaseException:
            self.close()
            raise

    def _open_one(self, name: str) -> None:
        def opened() -> Meter:
            meter = METERS[name].make(self.gpu)
            meter.open()
            return meter

        meter, error = _attempt(opened)
        if meter is not None:
            self._open[name] = meter
            self._absent.pop(name, None)
        elif error is not None:
            self._absent[name] = _absent(name, error)

    def close(self) -> None:
        """Closes every meter; may be called twice."""
        attempts = [(name, _attempt(meter.close)[1]) for name, meter in self._open.items()]
        self._open = {}
        if failed := [f"{name}: {_line(error)}" for name, error in attempts if error is not None]:
            raise KinowattError(f"not every meter could be closed: {'; '.join(failed)}")

    @property
    def meters(self) -> tuple[Meter, ...]:
        """The open meters, in order of preference."""
        return tuple(self._open.values())

    @property
    def sampler(self) -> Sampler | None:
        """What the GPU's meters read from; None where no open one can look back."""
        return next((m.sampler for m in self.meters if isinstance(m, SampledMeter)), None)

    @property
    def absent(self) -> tuple[Absent, ...]:
        """The meters that cannot work here, with reason and fix."""
        return tuple(self._absent.values())

    def why_none(self, scope: Scope) -> str | None:
        """Why no open meter has a scope; None where one has."""
        if any(scope in meter.scopes for meter in self.meters):
            return None
        reasons = [f"{a.meter}: {a.reason}" for a in self.absent if scope in a.scopes]
        return "; ".join(reasons) or f"no meter of {scope} was asked for"

    def start(self, *, nested: bool = False) -> Windows:
        """Opens a window on every meter, the preferred ones last: theirs are the tightest.

        `nested`: inside another window, so that meters whose windows cannot overlap stay out.
        """
        if not self._open and not self._absent:
            raise KinowattError("the meters are not open: use them in a `with` block")
        windows = Windows({}, {})
        for meter in reversed([m for m in self.meters if m.overlapping or not nested]):
            window, error = _attempt(meter.start)
            if window is not None:
                windows.by_meter[meter.name] = window
            elif error is not None:
                windows.failed[meter.name] = _line(error)
        return windows

    def stop(self, windows: Windows) -> None:
        """Ends a window on every meter, the preferred ones first."""
        for name, meter in self._open.items():
            if name in windows.by_meter:
                _, error = _attempt(partial(meter.stop, windows.by_meter[name]))
                if error is not None:
                    windows.failed[name] = _line(error)

    def read(self, windows: Windows) -> Readings:
        """All readings of a window that is over; a meter that failed has nulls with its reason."""
        took_part = [m for m in self.meters if m.name in {**windows.by_meter, **windows.failed}]
        return Readings(tuple(r for meter in took_part for r in _read(meter, windows)))

    def read_past(self, start_s: float, stop_s: float) -> Readings:
        """Readings of a stretch of the past, by the meters that can look back."""
        window = Window(start_s=start_s, stop_s=stop_s)
        looking_back = [meter for meter in self.meters if meter.retrospective]
        windows = Windows({meter.name: window for meter in looking_back}, {})
        return Readings(tuple(r for meter in looking_back for r in _read(meter, windows)))

    def describe(self) -> dict[str, Any]:
        """What a row records: each open meter, and why the others are missing."""
        return {
            "open": {meter.name: dict(meter.describe()) for meter in self.meters},
            "absent": [asdict(absent) for absent in self.absent],
        }


def open_meters(names: Iterable[str] | str = "auto", gpu: str | None = None) -> MeterSet:
    """Opens meters by name, best first; `auto`: energy counter, RAPL, RAM model 3.

    `gpu`: index of NVML, UUID or source (`nvml:UUID`, `fake:{…}`), or `NO_GPU`; None is CUDA's
    device 0. An unknown name is an `UnknownNameError`; a meter that cannot work here is not an error.
    """
    asked = AUTO if names == "auto" else (names,) if isinstance(names, str) else tuple(names)
    for name in asked:
        if name not in METERS:
            raise unknown_name("meter", name, METERS, also=("auto",))
    if not asked:
        raise InputError(f"no meter named; `auto`, or some of: {', '.join(METERS)}")
    found = MeterSet((name for name in METERS if name in asked), gpu)
    found.open()
    return found


def _attempt(call: Callable[[], T]) -> tuple[T | None, Exception | None]:
    """What a call gives, or what it raised: one meter must not lose the others."""
    try:
        return call(), None
    except Exception as error:  # noqa: BLE001 (drivers and libraries raise what they like)
        return None, error


def _read(meter: Meter, windows: Windows) -> tuple[Reading, ...]:
    reason = windows.failed.get(meter.name)
    if reason is None:
        readings, error = _attempt(lambda: meter.read(windows.by_meter[meter.name]))
        if readings is not None:
            return readings
        reason = "" if error is None else _line(error)
    return tuple(
        Reading(scope=scope, meter=meter.name, method=meter.method, window_s=0.0, reason=reason)
        for scope in meter.scopes
    )


def _absent(name: str, error: Exception) -> Absent:
    scopes = METERS[name].cls.scopes
    if isinstance(error, MeterUnavailable):
        return Absent(meter=name, scopes=scopes, reason=error.reason, fix=error.fix)
    fix = "" if isinstance(error, KinowattError) else "please report this as a bug of Kinowatt"
    return Absent(meter=name, scopes=scopes, reason=_line(error), fix=fix)


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, KinowattError) else f"{type(error).__name__}: {text}"
