"""CodeCarbon's real tracker: the joules it gives, and what it must not do to its host."""

import logging
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import codecarbon
import codecarbon.lock
import pytest
from codecarbon.external.hardware import CPU, POWER_CONSTANT

from kinowatt.errors import KinowattError
from kinowatt.lab.host import host
from kinowatt.lab.meters import contract, emissions
from kinowatt.lab.meters.contract import MeterUnavailable, Reading, Window
from kinowatt.lab.meters.emissions import CodeCarbon
from kinowatt.lab.meters.ram import v3_power_w
from powercap_tree import Powercap


@pytest.fixture
def meter() -> Iterator[CodeCarbon]:
    with CodeCarbon() as found:
        yield found


@pytest.fixture
def any_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "MIN_WINDOW_S", 0.0)
    monkeypatch.setattr(contract, "MIN_WINDOW_STEPS", 0)


def measured(meter: CodeCarbon, seconds: float = 0.2) -> tuple[Window, dict[str, Reading]]:
    window = meter.start()
    time.sleep(seconds)
    meter.stop(window)
    return window, {reading.scope: reading for reading in meter.read(window)}


def their_ram_w(meter: CodeCarbon) -> float:
    size_gib = meter.describe()["backends"]["ram"]["memory_gib"]
    return v3_power_w(size_gib, arm=host().arm)


def test_ram_is_its_model_over_its_own_duration(meter: CodeCarbon) -> None:
    window, readings = measured(meter)
    ram = readings["ram"]
    assert ram.method == "modelled"
    # its duration ends a little after the joules are counted
    assert ram.energy_j == pytest.approx(their_ram_w(meter) * ram.window_s, rel=0.05)
    assert abs(ram.window_s - window.seconds) < 0.1


def test_windows_one_after_another_share_nothing(meter: CodeCarbon) -> None:
    """What lies between two windows is in neither."""
    watts = their_ram_w(meter)
    for seconds in (0.1, 0.3):
        window, readings = measured(meter, seconds)
        assert readings["ram"].energy_j == pytest.approx(watts * window.seconds, rel=0.05)
        time.sleep(0.2)


@pytest.mark.usefixtures("any_window")
def test_cpu_is_marked_as_the_model_that_it_is(meter: CodeCarbon) -> None:
    backend = meter.describe()["backends"]["cpu"]
    _, readings = measured(meter)
    cpu = readings["cpu"]
    assert cpu.method == ("measured" if backend["measured"] else "modelled")
    assert backend["model"]
    if not backend["measured"]:
        assert backend["tdp_w"] > 0
        assert cpu.power_w is not None
        assert 0.1 * backend["tdp_w"] * 0.9 <= cpu.power_w <= backend["tdp_w"] * 1.1


def test_a_cpu_by_load_over_a_short_window_is_null(meter: CodeCarbon) -> None:
    _, readings = measured(meter)
    assert readings["cpu"].energy_j is None
    assert "repeat the work" in str(readings["cpu"].reason)


def test_without_a_gpu_its_energy_is_null_with_a_reason(meter: CodeCarbon) -> None:
    if "null" not in meter.describe()["backends"]["gpu"]:
        pytest.skip("this machine has a GPU: see the contract test")
    _, readings = measured(meter)
    assert readings["gpu"].energy_j is None
    assert "saw no GPU" in str(readings["gpu"].reason)


@pytest.mark.usefixtures("any_window")
def test_nothing_counted_is_null_not_zero(meter: CodeCarbon) -> None:
    window, _ = measured(meter, 0.0)
    window.state.cpu_energy = 0.0
    cpu = {reading.scope: reading for reading in meter.read(window)}["cpu"]
    assert cpu.energy_j is None
    assert "counted nothing" in str(cpu.reason)


def test_a_task_without_figures_is_null(meter: CodeCarbon) -> None:
    window, _ = measured(meter, 0.0)
    window.state = None
    reasons = {reading.scope: str(reading.reason) for reading in meter.read(window)}
    assert "gave no figures" in reasons["ram"]


def test_rapl_read_by_codecarbon_is_measured(tmp_path: Path) -> None:
    tree = Powercap(tmp_path / "intel-rapl")
    tree.zone("intel-rapl:0", "package-0", 100.0)
    part = CPU(str(tmp_path), "intel_rapl", "a CPU", POWER_CONSTANT, rapl_dir=str(tree.root))
    found = emissions._cpu(part)
    assert found.measured
    assert found.details == {"model": "a CPU"}


def test_what_a_row_records(meter: CodeCarbon) -> None:
    found = meter.describe()
    assert found["version"] == codecarbon.__version__
    assert found["tracking_mode"] == "machine"


# --- one window at a time


def test_a_second_window_is_refused_and_the_first_goes_on(meter: CodeCarbon) -> None:
    window = meter.start()
    with pytest.raises(KinowattError, match="one window at a time"):
        meter.start()
    with pytest.raises(KinowattError, match="not the one"):
        meter.stop(Window(start_s=0.0))
    meter.stop(window)
    readings = {reading.scope: reading for reading in meter.read(window)}
    assert readings["ram"].energy_j is not None
    with pytest.raises(KinowattError, match="not the one"):
        meter.stop(window)


# --- what it must not do


@pytest.fixture
def hostile_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's file and environment with factors, outputs and servers; returns the folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("CODECARBON_PUE", "2.0")
    monkeypatch.setenv("CODECARBON_TRACKING_MODE", "process")
    monkeypatch.setenv("CODECARBON_ALLOW_MULTIPLE_RUNS", "false")
    (tmp_path / ".codecarbon.config").write_text(
        "[codecarbon]\noutput_methods = csv\nsave_to_file = true\noutput_dir = nowhere\n"
        "emissions_endpoint = http://localhost:9\nelectricitymaps_api_token = x\n"
    )
    return tmp_path


def test_a_users_settings_change_no_joule_and_write_no_file(hostile_settings: Path) -> None:
    with CodeCarbon() as meter:
        _, readings = measured(meter)
        ram = readings["ram"]
        assert ram.energy_j == pytest.approx(their_ram_w(meter) * ram.window_s, rel=0.05)
        assert meter.describe()["tracking_mode"] == "machine"
    files = [path.name for path in hostile_settings.rglob("*") if path.is_file()]
    assert files == [".codecarbon.config"]


def test_trackers_share_no_settings(meter: CodeCarbon) -> None:
    """CodeCarbon appends to the list of handlers that it is given."""
    meter._tracker._output_handlers.append("mine")
    with CodeCarbon() as other:
        assert other._tracker._output_handlers == []
    meter._tracker._output_handlers.clear()


@pytest.mark.usefixtures("hostile_settings")
def test_it_calls_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []

    def refuse(self: socket.socket, address: Any) -> None:
        called.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with CodeCarbon() as meter:
        _, readings = measured(meter)
        assert readings["ram"].energy_j is not None
    assert called == []


class Recording(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def test_it_prints_nothing_and_leaves_the_log_as_it_was(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("codecarbon")
    monkeypatch.setattr(logger, "level", logging.INFO)
    recording = Recording()
    monkeypatch.setattr(logger, "handlers", [*logger.handlers, recording])
    before = (logger.level, list(logger.handlers))
    with CodeCarbon() as meter:
        measured(meter)
    assert (logger.level, list(logger.handlers)) == before
    assert recording.lines == []
    assert capfd.readouterr() == ("", "")


def test_ctrl_c_stays_with_its_owner(meter: CodeCarbon) -> None:
    """CodeCarbon's lock would turn Ctrl-C into SystemExit."""
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert measured(meter)[1]["ram"].energy_j is not None


def test_another_codecarbon_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    monkeypatch.setattr(codecarbon.lock, "LOCKFILE", str(lock))
    with CodeCarbon() as meter:
        assert measured(meter)[1]["ram"].energy_j is not None
    assert lock.exists()


def test_a_timer_that_fires_while_it_is_closed_is_ended_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A scheduler that is stopped just when its timer fires starts another, for ever."""
    meter = CodeCarbon()
    meter.open()
    scheduler = meter._tracker._scheduler_monitor_power
    start = scheduler.start
    fired, joined = threading.Event(), threading.Event()

    def late_start(from_run: bool = False) -> None:
        if from_run:
            timer = threading.current_thread()
            join = timer.join
            monkeypatch.setattr(timer, "join", lambda: (joined.set(), join()))
            scheduler.interval = 60.0
            fired.set()
            joined.wait(5.0)
        start(from_run)

    monkeypatch.setattr(scheduler, "start", late_start)
    scheduler.interval = 0.01
    meter.start()
    assert fired.wait(5.0)
    meter.close()
    assert list(emissions._timers()) == []


def test_a_tracker_that_does_not_start_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """It swallows its own errors; what it then lacks must not surface later."""
    monkeypatch.setattr(
        codecarbon.OfflineEmissionsTracker, "_initialize_runtime_state", lambda self: 1 / 0
    )
    meter = CodeCarbon()
    with pytest.raises(MeterUnavailable, match="did not start"):
        meter.open()
    with pytest.raises(MeterUnavailable, match="not open"):
        meter.start()


def test_only_the_gpu_that_is_measured_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    with CodeCarbon(gpu_index=1) as meter:
        assert meter.describe()["gpu_ids"] in ([1], ["1"])
