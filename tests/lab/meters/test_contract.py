"""What every meter promises, asked of every meter that can work here; one test for all."""

import gc
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from kinowatt.errors import KinowattError
from kinowatt.lab.meters import contract
from kinowatt.lab.meters.contract import Meter, Reading, Window
from kinowatt.lab.meters.emissions import CodeCarbon
from kinowatt.lab.meters.rapl import Rapl
from kinowatt.lab.meters.registry import METERS
from powercap_tree import Powercap

# An edge wants samples within three steps: of 10 ms, a sampler on busy cores misses more than that
FAKE_GPU = 'fake:{"power_w": 300, "step_s": 0.03}'
WORK_S = 0.08
# What an interpreter on two busy cores may add between two lines of a test
LATE_S = 0.15

Maker = Callable[[Path], AbstractContextManager[Meter]]


class Closed(AbstractContextManager[Meter]):
    """A meter that is not open yet, and is closed at the end whatever happened."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def __enter__(self) -> Meter:
        return self.meter

    def __exit__(self, *_: object) -> None:
        self.meter.close()


class OnMadePowercap(Closed):
    """RAPL on a tree whose counters move."""

    def __init__(self, folder: Path) -> None:
        tree = Powercap(folder / "powercap")
        tree.zone("intel-rapl:0", "package-0", 5000.0)
        tree.zone("intel-rapl:0:0", "dram", 100.0)
        self.moving = tree.moving({"intel-rapl:0": 100.0, "intel-rapl:0:0": 10.0})
        super().__init__(Rapl(tree.root))

    def __enter__(self) -> Meter:
        self.moving.__enter__()
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.moving.__exit__(None, None, None)


class Real(AbstractContextManager[Meter]):
    """A meter of this very machine; where it has none, the test is skipped with the reason."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> Meter:
        try:
            self.meter = METERS[self.name].make(None)
            self.meter.open()
        except contract.MeterUnavailable as absent:
            pytest.skip(str(absent))
        self.meter.close()
        return self.meter

    def __exit__(self, *_: object) -> None:
        self.meter.close()


def of_registry(name: str) -> Maker:
    return lambda folder: Closed(METERS[name].make(FAKE_GPU))


def of_machine(name: str) -> Maker:
    return lambda folder: Real(name)


GPU_METERS = ("nvml-counter", "nvml-power-instant", "nvml-power-average")
MAKERS: dict[str, Maker] = {
    **{name: of_registry(name) for name in (*GPU_METERS, "fake", "ram-v2", "ram-v3")},
    "codecarbon": lambda folder: Closed(CodeCarbon()),
    "rapl": OnMadePowercap,
}
REAL: dict[str, Maker] = {
    f"{name}-real": of_machine(name) for name in (*GPU_METERS, "codecarbon", "rapl")
}
EVERY = [
    *(pytest.param(maker, id=name) for name, maker in MAKERS.items()),
    *(pytest.param(maker, id=name, marks=pytest.mark.gpu) for name, maker in REAL.items()),
]


@pytest.fixture(params=EVERY)
def closed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Meter]:
    with request.param(tmp_path) as meter:
        yield meter


@pytest.fixture(params=EVERY, scope="module")
def meter(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Meter]:
    """One open meter for all tests that leave it as it was."""
    with request.param(tmp_path_factory.mktemp("meter")) as found:
        found.open()
        yield found


@pytest.fixture
def any_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of any length are trusted, so that tests need not wait for seconds."""
    monkeypatch.setattr(contract, "MIN_WINDOW_S", 0.0)
    monkeypatch.setattr(contract, "MIN_WINDOW_STEPS", 0)


def spend(seconds: float = WORK_S) -> None:
    """The work under measurement: time."""
    time.sleep(seconds)


def measured(meter: Meter) -> tuple[Window, tuple[Reading, ...]]:
    window = meter.start()
    spend()
    meter.stop(window)
    return window, meter.read(window)


def test_every_registered_meter_is_under_contract() -> None:
    assert set(MAKERS) == set(METERS)


# Before any meter of the module is open, whose threads open and close files.


def test_a_meter_that_is_not_open_says_so(closed: Meter) -> None:
    for use in (closed.start, closed.describe):
        with pytest.raises(KinowattError, match=f"{closed.name} is not open") as caught:
            use()
        assert "\n" not in str(caught.value)


def test_it_leaves_nothing_behind(
    closed: Meter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened and closed twice: no thread, process, open file, new file or signal handler stays."""
    folder = tmp_path / "working"
    folder.mkdir()
    monkeypatch.chdir(folder)
    closed.open()  # once before: libraries keep what they load
    closed.close()
    before, others = traces(), children()
    closed.open()
    closed.open()
    window = closed.start()
    closed.stop(window)
    closed.close()
    closed.close()
    assert traces() == before
    assert children() <= others
    assert list(folder.iterdir()) == []
    with pytest.raises(KinowattError, match="is not open"):
        closed.start()


def test_it_can_be_closed_inside_a_window(closed: Meter) -> None:
    closed.open()
    before = set(threading.enumerate())
    closed.start()
    closed.close()
    assert set(threading.enumerate()) <= before
    with closed:
        assert closed.read(stopped(closed))


def stopped(meter: Meter) -> Window:
    window = meter.start()
    meter.stop(window)
    return window


def open_files() -> int:
    """Descriptors at an instant; the thread that moves the made counters has one now and then."""
    folder = Path("/proc/self/fd")
    time.sleep(0.002)
    return len(list(folder.iterdir())) if folder.exists() else 0


def children() -> set[int]:
    """Processes of this one; those of earlier tests (compilers) may end meanwhile."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


def traces() -> dict[str, object]:
    """What a meter could leave in this process, less what only waits to be collected."""
    gc.collect()
    return {
        "threads": set(threading.enumerate()),
        "files": min(open_files() for _ in range(20)),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "folder": Path.cwd(),
    }


# With one open meter


@pytest.mark.usefixtures("any_window")
def test_a_window_lasts_as_long_as_the_clock_says(meter: Meter) -> None:
    before = time.perf_counter()
    window = meter.start()
    inner = time.perf_counter()
    spend()
    inner = time.perf_counter() - inner
    meter.stop(window)
    outer = time.perf_counter() - before
    assert inner <= window.seconds <= outer
    for reading in meter.read(window):
        assert inner <= reading.window_s + LATE_S
        assert reading.window_s <= outer + LATE_S


@pytest.mark.usefixtures("any_window")
def test_readings_are_of_the_declared_scopes_once_each(meter: Meter) -> None:
    _, readings = measured(meter)
    scopes = [reading.scope for reading in readings]
    assert sorted(scopes) == sorted(set(scopes))
    assert set(scopes) <= set(meter.scopes)
    assert {reading.meter for reading in readings} == {meter.name}
    assert {reading.method for reading in readings} <= {"measured", "modelled"}


@pytest.mark.usefixtures("any_window")
def test_joules_are_positive_or_null_with_a_reason(meter: Meter) -> None:
    _, readings = measured(meter)
    assert any(reading.energy_j is not None for reading in readings)
    for reading in readings:
        assert (reading.energy_j is None) == bool(reading.reason)
        assert reading.energy_j is None or reading.energy_j > 0
        assert reading.reason is None or "\n" not in reading.reason


@pytest.mark.usefixtures("any_window")
def test_adjacent_windows_add_up(meter: Meter) -> None:
    if not meter.overlapping:
        pytest.skip("its windows cannot lie in one another: test_emissions adds them up")
    outer = meter.start()
    first = meter.start()
    spend()
    meter.stop(first)
    second = meter.start()
    spend()
    meter.stop(second)
    meter.stop(outer)
    for whole, *parts in zip(*(meter.read(w) for w in (outer, first, second)), strict=True):
        assert whole.energy_j is not None
        assert all(part.energy_j is not None for part in parts)
        assert whole.power_w is not None
        unmetered_s = whole.window_s - sum(part.window_s for part in parts)
        hidden_j = sum(reading.uncertainty_j or 0.0 for reading in (whole, *parts))
        together_j = sum(part.energy_j or 0.0 for part in parts)
        missing_j = whole.energy_j - together_j
        assert abs(missing_j - unmetered_s * whole.power_w) <= hidden_j + 1e-9


@pytest.mark.usefixtures("any_window")
def test_nested_windows_are_measured_or_refused(meter: Meter) -> None:
    outer = meter.start()
    spend()
    if meter.overlapping:
        inner = meter.start()
        spend()
        meter.stop(inner)
        meter.stop(outer)
        for around, inside in zip(meter.read(outer), meter.read(inner), strict=True):
            assert around.energy_j is not None
            assert inside.energy_j is not None
            assert around.energy_j > inside.energy_j
        return
    with pytest.raises(KinowattError, match="one window at a time"):
        meter.start()
    meter.stop(outer)
    assert any(reading.energy_j is not None for reading in meter.read(outer))


def test_what_moves_in_steps_is_null_over_a_short_window(meter: Meter) -> None:
    _, readings = measured(meter)
    for reading in readings:
        if reading.resolution_s is not None:
            assert reading.energy_j is None
            assert "repeat the work inside one window" in str(reading.reason)


@pytest.mark.usefixtures("any_window")
def test_the_past_can_be_read_where_it_is_promised(meter: Meter) -> None:
    window, readings = measured(meter)
    if not meter.retrospective:
        assert window.state is not None
        return
    never_opened = Window(start_s=window.start_s, stop_s=window.stop_s)
    for opened, past in zip(readings, meter.read(never_opened), strict=True):
        assert past.energy_j == pytest.approx(opened.energy_j, rel=1e-6)


def test_a_row_can_record_the_meter(meter: Meter) -> None:
    described = dict(meter.describe())
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert described["scope"]
