"""RAPL on a made powercap: which zones count, wraps, resets, and what cannot be read."""

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinowatt.lab.meters import contract
from kinowatt.lab.meters.contract import MeterUnavailable, Reading
from kinowatt.lab.meters.powercap import find_zones
from kinowatt.lab.meters.rapl import MAX_ZONE_W, Counter, Rapl
from powercap_tree import Powercap

pytestmark = pytest.mark.alone

MISSING = "the meter must not open"


@pytest.fixture
def tree(tmp_path: Path) -> Powercap:
    """Two sockets with memory; the first with its cores; a platform; a second view of package-0."""
    found = Powercap(tmp_path / "powercap")
    found.zone("intel-rapl:0", "package-0", 1000.0)
    found.zone("intel-rapl:0:0", "core", 400.0)
    found.zone("intel-rapl:0:1", "dram", 100.0)
    found.zone("intel-rapl:1", "package-1", 2000.0)
    found.zone("intel-rapl:1:0", "uncore", 30.0)
    found.zone("intel-rapl:1:1", "dram", 700.0)
    found.zone("intel-rapl:2", "psys", 9000.0)
    found.zone("intel-rapl-mmio:0", "package-0", 55.0)
    (found.root / "intel-rapl").mkdir()
    (found.root / "dtpm").mkdir()
    return found


@pytest.fixture
def any_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "MIN_WINDOW_S", 0.0)
    monkeypatch.setattr(contract, "MIN_WINDOW_STEPS", 0)


@contextmanager
def opened(tree: Powercap, *still: str) -> Iterator[Rapl]:
    """A meter opened while the counters move, all but some; then they move as the test says."""
    # so slow that two reads that a busy machine keeps 50 ms apart still show one counter
    moving = {entry: 10.0 for entry in tree.total_j if entry not in still}
    meter = Rapl(tree.root)
    with tree.moving(moving):
        meter.open()
    # what moved since the last read belongs to no window
    meter.stop(meter.start())
    try:
        yield meter
    finally:
        meter.close()


def joules(meter: Rapl, change: Callable[[], None]) -> dict[str, Reading]:
    """The readings of a window in which the counters are changed."""
    window = meter.start()
    change()
    meter.stop(window)
    return {reading.scope: reading for reading in meter.read(window)}


def unavailable(root: Path, **known: bool) -> MeterUnavailable:
    with pytest.raises(MeterUnavailable) as caught:
        find_zones(root, **known)
    return caught.value


@pytest.mark.usefixtures("any_window")
def test_packages_and_their_memory_are_added_and_nothing_twice(tree: Powercap) -> None:
    with opened(tree) as meter:
        found = joules(
            meter,
            lambda: tree.add(
                intel_rapl_0=50.0,
                intel_rapl_0_0=31.0,
                intel_rapl_0_1=7.0,
                intel_rapl_1=20.5,
                intel_rapl_1_0=3.0,
                intel_rapl_1_1=2.0,
                intel_rapl_2=90.0,
                intel_rapl_mmio_0=50.0,
            ),
        )
        assert found["cpu"].energy_j == pytest.approx(70.5, abs=1e-5)
        assert found["ram"].energy_j == pytest.approx(9.0, abs=1e-5)
        assert meter.describe()["left_out"] == {
            "intel-rapl:0:0": "core is inside package-0",
            "intel-rapl:1:0": "uncore is inside package-1",
            "intel-rapl:2": "psys contains the packages",
            "intel-rapl-mmio:0": "intel-rapl:0 is the same package-0",
        }


@pytest.mark.usefixtures("any_window")
def test_dies_that_show_one_counter_are_one(tmp_path: Path) -> None:
    tree = Powercap(tmp_path / "powercap")
    tree.zone("intel-rapl:0", "package-0-die-0", 5000.0)
    tree.zone("intel-rapl:1", "package-0-die-1", 5000.0)
    tree.zone("intel-rapl:2", "package-1-die-0", 5004.0)
    with opened(tree) as meter:
        found = joules(
            meter, lambda: tree.add(intel_rapl_0=40.0, intel_rapl_1=40.0, intel_rapl_2=30.0)
        )
        assert found["cpu"].energy_j == pytest.approx(70.0, abs=1e-5)
        assert meter.describe()["left_out"] == {
            "intel-rapl:1": "its counter is that of intel-rapl:0"
        }


@pytest.mark.usefixtures("any_window")
def test_two_zones_of_one_name_are_one(tmp_path: Path) -> None:
    tree = Powercap(tmp_path / "powercap")
    tree.zone("intel-rapl:0", "package-0", 10.0)
    tree.zone("intel-rapl:1", "package-0", 9000.0)
    with opened(tree) as meter:
        found = joules(meter, lambda: tree.add(intel_rapl_0=40.0, intel_rapl_1=40.0))
        assert found["cpu"].energy_j == pytest.approx(40.0, abs=1e-5)


@pytest.mark.usefixtures("any_window")
def test_a_cpu_without_memory_zones_has_null_and_a_reason(tmp_path: Path) -> None:
    tree = Powercap(tmp_path / "powercap")
    tree.zone("amd-rapl:0", "package-0", 10.0)
    with opened(tree) as meter:
        found = joules(meter, lambda: tree.add(amd_rapl_0=40.0))
        assert found["cpu"].energy_j == pytest.approx(40.0, abs=1e-5)
        assert found["ram"].energy_j is None
        assert "no dram zone" in str(found["ram"].reason)
        assert found["ram"].resolution_s is None


@pytest.mark.usefixtures("any_window")
def test_memory_that_stands_still_is_left_out(tree: Powercap) -> None:
    with opened(tree, "intel-rapl:0:1", "intel-rapl:1:1") as meter:
        found = joules(meter, lambda: tree.add(intel_rapl_0=5.0, intel_rapl_1=5.0))
        assert found["cpu"].energy_j == pytest.approx(10.0, abs=1e-5)
        assert found["ram"].energy_j is None
        reason = meter.describe()["left_out"]["intel-rapl:0:1"]
        assert reason == "the counter of package-0/dram stands still"


def test_a_package_that_stands_still_is_refused(tree: Powercap) -> None:
    with (
        pytest.raises(MeterUnavailable, match="package-1 stands still"),
        opened(tree, "intel-rapl:1"),
    ):
        pytest.fail(MISSING)


@pytest.mark.usefixtures("any_window")
def test_a_counter_that_stood_still_in_the_window_is_null(tree: Powercap) -> None:
    with opened(tree) as meter:
        found = joules(meter, lambda: tree.add(intel_rapl_0=5.0, intel_rapl_0_1=1.0))
        assert found["cpu"].reason == "the counter of package-1 stood still"
        assert found["cpu"].energy_j is None


def test_a_window_too_short_for_the_counter_is_null(tree: Powercap) -> None:
    with opened(tree) as meter:
        found = joules(meter, lambda: tree.add(intel_rapl_0=5.0, intel_rapl_1=5.0))
        assert found["cpu"].energy_j is None
        assert "repeat the work" in str(found["cpu"].reason)
        assert found["cpu"].resolution_s == meter.describe()["resolution_s"]


def test_the_step_of_the_counter_is_measured(tree: Powercap) -> None:
    meter = Rapl(tree.root)
    with tree.moving(dict.fromkeys(tree.total_j, 100.0), every_s=0.02), meter:
        assert 0.02 <= meter.describe()["resolution_s"] < 0.05


# --- wraps and resets


@given(
    range_j=st.floats(1e3, 3e5),
    start=st.floats(0, 1),
    steps=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=60),
)
def test_a_counter_read_in_time_loses_nothing(
    range_j: float, start: float, steps: list[tuple[float, float]]
) -> None:
    """Any power up to the limit, read at any pace up to the watcher's: wraps never matter."""
    total, now_s = start * range_j, 0.0
    counter = Counter(range_j=range_j, last_j=total % range_j, last_s=now_s)
    for pace, load in steps:
        passed_s = pace * 0.5 * range_j / MAX_ZONE_W
        now_s += passed_s
        total += load * MAX_ZONE_W * passed_s
        counter.update(total % range_j, now_s)
    assert counter.doubts == 0
    assert counter.total_j == pytest.approx(total - start * range_j, rel=1e-9, abs=1e-6)


def test_a_reset_is_a_doubt_and_not_energy() -> None:
    counter = Counter(range_j=262_143.0, last_j=50_000.0, last_s=0.0)
    counter.update(10.0, 1.0)
    assert (counter.total_j, counter.doubts) == (0.0, 1)
    counter.update(110.0, 2.0)
    assert (counter.total_j, counter.doubts) == (100.0, 1)


def test_a_fall_without_a_known_range_is_a_doubt() -> None:
    counter = Counter(range_j=None, last_j=50.0, last_s=0.0)
    counter.update(10.0, 1.0)
    assert (counter.total_j, counter.doubts) == (0.0, 1)


def test_a_round_that_nobody_read_is_a_doubt() -> None:
    counter = Counter(range_j=1000.0, last_j=0.0, last_s=0.0)
    counter.update(500.0, 1.01)
    assert (counter.total_j, counter.doubts) == (0.0, 1)


@pytest.mark.usefixtures("any_window")
def test_two_wraps_inside_one_window(tmp_path: Path) -> None:
    """Nobody reads between start and stop but the meter's own thread."""
    tree = Powercap(tmp_path / "powercap")
    tree.zone("intel-rapl:0", "package-0", 900.0, range_j=1000.0)
    pause = threading.Event()
    with tree.moving({"intel-rapl:0": 800.0}), Rapl(tree.root) as meter:
        assert meter.watch_interval_s == pytest.approx(0.4)
        before_start = tree.total_j["intel-rapl:0"]
        window = meter.start()
        after_start = tree.total_j["intel-rapl:0"]
        while tree.total_j["intel-rapl:0"] < after_start + 2100.0:
            pause.wait(0.02)
        before_stop = tree.total_j["intel-rapl:0"]
        meter.stop(window)
        after_stop = tree.total_j["intel-rapl:0"]
        cpu, _ = meter.read(window)
    assert cpu.energy_j is not None, cpu.reason
    late_j = 0.05 * 800.0  # the file may lag behind on a busy machine; a lost wrap is 1000 J
    assert before_stop - after_start - late_j <= cpu.energy_j <= after_stop - before_start + late_j


@pytest.mark.usefixtures("any_window")
def test_a_zone_that_vanishes_in_the_window_is_null(tree: Powercap) -> None:
    with opened(tree) as meter:
        lost = tree.root / "intel-rapl:1" / "energy_uj"
        found = joules(meter, lost.unlink)
        assert found["cpu"].energy_j is None
        assert "package-1 was reset or could not be read" in str(found["cpu"].reason)


# --- what cannot be read, and what to do about it


def test_without_zones_the_driver_or_the_virtual_machine_is_named(tmp_path: Path) -> None:
    bare = unavailable(tmp_path / "none", virtualised=False)
    assert "modprobe intel_rapl_msr" in bare.fix
    hidden = unavailable(tmp_path / "none", virtualised=True)
    assert "virtual machine hides RAPL" in hidden.reason
    assert "bare metal" in hidden.fix


def test_a_container_that_masks_powercap_is_told_how_to_unmask(tmp_path: Path) -> None:
    (tmp_path / "intel-rapl:0").symlink_to(tmp_path / "masked" / "intel-rapl:0")
    found = unavailable(tmp_path)
    assert "GHSA-jq35-85cj-fj4p" in found.reason
    assert "--security-opt systempaths=unconfined" in found.fix


def test_only_a_platform_zone_is_not_a_cpu(tmp_path: Path) -> None:
    Powercap(tmp_path).zone("intel-rapl:0", "psys", 5.0)
    assert "no zone of a CPU package" in unavailable(tmp_path).reason


@pytest.fixture
def readable_by_owner_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Takes reading away from this process, for root too: it acts as `nobody` meanwhile."""
    root = os.geteuid() == 0

    def forbid(path: Path) -> None:
        path.chmod(stat.S_IRUSR if root else 0)
        if root:
            os.seteuid(65534)

    yield forbid
    if root:
        os.seteuid(0)


@pytest.fixture
def public_tree() -> Iterator[Powercap]:
    """A tree in a folder that any user may enter, which tmp_path is not."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        tree = Powercap(Path(folder) / "powercap")
        tree.zone("intel-rapl:0", "package-0", 1000.0)
        tree.zone("intel-rapl:1", "package-1", 2000.0)
        yield tree


def test_a_counter_for_root_alone_is_told_with_its_fix(
    public_tree: Powercap, readable_by_owner_only: Callable[[Path], None]
) -> None:
    """One package of two is enough: their sum would be too low."""
    readable_by_owner_only(public_tree.root / "intel-rapl:1" / "energy_uj")
    found = unavailable(public_tree.root)
    assert "package-1" in found.reason
    assert "CVE-2020-8694" in found.reason
    assert "sudo chmod a+r /sys/class/powercap/*/energy_uj" in found.fix
    assert 'RUN+="/bin/chmod a+r /sys%p/energy_uj"' in found.fix
    assert "\n" not in str(found)


def test_the_readable_of_two_views_is_taken(
    public_tree: Powercap, readable_by_owner_only: Callable[[Path], None]
) -> None:
    public_tree.zone("intel-rapl-mmio:0", "package-1", 9.0)
    readable_by_owner_only(public_tree.root / "intel-rapl:1" / "energy_uj")
    found = find_zones(public_tree.root)
    assert [zone.folder.name for zone in found.used] == ["intel-rapl:0", "intel-rapl-mmio:0"]
    assert found.left_out == {"intel-rapl:1": "intel-rapl-mmio:0 is the same package-1, readable"}
