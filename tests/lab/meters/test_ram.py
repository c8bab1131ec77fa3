"""The RAM models against CodeCarbon's own code, and against the paper's figure."""

import dataclasses
import platform

import pytest
from codecarbon.external.ram import RAM
from hypothesis import given
from hypothesis import strategies as st

from kinowatt.lab.host import Host, Memory, host
from kinowatt.lab.meters.contract import MeterUnavailable, Window
from kinowatt.lab.meters.ram import RamV2, RamV3, v2_power_w, v3_modules, v3_power_w

SIZES = st.one_of(st.floats(0.1, 5000.0), st.integers(1, 5000).map(float))


@pytest.fixture(scope="module")
def theirs() -> RAM:
    return RAM()


def machine(**changes: object) -> Host:
    return dataclasses.replace(host(), **changes)


@given(size=SIZES)
def test_modules_are_guessed_as_codecarbon_guesses_them(size: float) -> None:
    assert v3_modules(size) == RAM()._estimate_dimm_count(size)


@given(size=SIZES, arm=st.booleans())
def test_power_is_codecarbons(size: float, arm: bool) -> None:
    theirs = RAM()
    theirs.is_arm_cpu = arm
    assert v3_power_w(size, arm=arm) == pytest.approx(theirs._calculate_ram_power(size), rel=1e-12)


@pytest.mark.parametrize("size", [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096])
def test_power_is_codecarbons_at_the_edges(theirs: RAM, size: int) -> None:
    theirs.is_arm_cpu = False
    for near in (size - 1e-9, float(size), size + 1e-9):
        assert v3_power_w(near) == pytest.approx(theirs._calculate_ram_power(near), rel=1e-12)


def test_this_machine_has_the_power_that_codecarbon_gives_it(theirs: RAM) -> None:
    theirs.is_arm_cpu = theirs._detect_arm_cpu()
    arm = host().arm
    assert arm == theirs.is_arm_cpu, platform.machine()
    assert v3_power_w(theirs.machine_memory_GB, arm=arm) == theirs.total_power().W


def test_the_papers_38_watts_are_eight_modules() -> None:
    assert v3_modules(100.0) == 8
    assert v3_power_w(100.0) == pytest.approx(38.0)


def test_version_2_is_three_watts_for_eight_gib() -> None:
    assert v2_power_w(8.0) == 3.0
    assert v2_power_w(100.0) == 37.5


@pytest.mark.parametrize(("cls", "watts"), [(RamV2, 24.0), (RamV3, 20.0)])
def test_joules_are_power_times_seconds(cls: type[RamV2 | RamV3], watts: float) -> None:
    """64 GiB, however short the window: nothing moves in steps."""
    given = machine(memory=Memory(size_gib=64.0, source="test"), architecture="x86_64")
    with cls(given) as meter:
        (reading,) = meter.read(Window(start_s=10.0, stop_s=10.25))
        assert reading.energy_j == watts * 0.25
        assert (reading.method, reading.scope) == ("modelled", "ram")
        described = meter.describe()
        assert (described["memory_gib"], described["memory_source"]) == (64.0, "test")
        assert described["power_w"] == watts


def test_arm_modules_draw_less() -> None:
    given = machine(memory=Memory(size_gib=64.0, source="test"), architecture="aarch64")
    with RamV3(given) as meter:
        assert meter.describe()["power_w"] == 6.0


def test_an_unknown_size_is_no_power() -> None:
    with pytest.raises(MeterUnavailable, match="how much memory"):
        RamV3(machine(memory=None)).open()
