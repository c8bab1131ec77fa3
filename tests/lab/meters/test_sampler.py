"""The polling process: shared, never in the way, and clear about how it ended."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from kinowatt.lab.meters import sampler as module
from kinowatt.lab.meters.contract import MeterUnavailable
from kinowatt.lab.meters.sampler import UNKNOWN_STEP_S, Sampler, shared, summary

FAST = 'fake:{"power_w": 300, "step_s": 0.01}'


@pytest.fixture
def sampler() -> Iterator[Sampler]:
    with Sampler(FAST) as found:
        yield found


def pollers() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [child for child in found if "kinowatt.lab.meters.sampling" in child.cmdline()]


def its_process(sampler: Sampler) -> subprocess.Popen[bytes]:
    assert sampler._process is not None
    return sampler._process


# --- what it sees


def test_records_are_in_order_of_the_clock_of_this_process(sampler: Sampler) -> None:
    start_s = time.perf_counter()
    seen = sampler.between(start_s, start_s + 0.1)
    assert len(seen) >= 3
    assert start_s <= seen.time_s[0] <= seen.time_s[-1] <= time.perf_counter()
    assert list(seen.time_s) == sorted(seen.time_s)
    assert sampler.latest()["power_instant_w"] == pytest.approx(300.0, rel=0.01)
    assert summary(seen)["temperature_c"] == {"mean": 50.0, "min": 50.0, "max": 50.0}


def test_a_stretch_with_what_its_edges_need(sampler: Sampler) -> None:
    start_s = time.perf_counter()
    seen = sampler.around(start_s, start_s + 0.1)
    joules, reason = seen.counter_joules(start_s, start_s + 0.1)
    assert joules == pytest.approx(30.0, rel=0.25), reason


@pytest.mark.parametrize("step_s", [0.01, 0.05])
def test_the_steps_of_the_counter_are_measured_at_start(step_s: float) -> None:
    with Sampler(f'fake:{{"step_s": {step_s}}}') as found:
        assert found.step_s("energy_mj") == pytest.approx(step_s, abs=0.015)
        assert found.has("energy_mj")


def test_a_figure_that_does_not_move_is_taken_for_slow_and_not_for_quick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An idle GPU may bring the same watts for seconds: that says nothing of its steps."""
    monkeypatch.setattr(module, "SETTLE_LIMIT_S", 0.2)
    with Sampler('fake:{"step_s": 60, "without": ["power_average_w"]}') as found:
        assert found.step_s("energy_mj") == UNKNOWN_STEP_S
        assert not found.has("power_average_w")


# --- how it ends


def test_it_outlives_ctrl_c_in_the_terminal(sampler: Sampler) -> None:
    """Ctrl-C goes to the whole group of the terminal; the parent still wants its samples."""
    assert os.getpgid(its_process(sampler).pid) != os.getpgrp()
    now_s = time.perf_counter()
    assert len(sampler.between(now_s, now_s + 0.3))


def test_one_that_was_killed_says_so_at_once(sampler: Sampler) -> None:
    its_process(sampler).kill()
    its_process(sampler).wait()
    with pytest.raises(MeterUnavailable, match="was ended by signal 9") as caught:
        sampler.between(time.perf_counter(), time.perf_counter() + 3600)
    assert "\n" not in str(caught.value)
    assert not sampler.alive


def test_one_that_stalls_is_not_waited_for(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALL_S", 0.1)
    its_process(sampler).send_signal(signal.SIGSTOP)
    with pytest.raises(MeterUnavailable, match="stalled"):
        sampler.between(time.perf_counter(), time.perf_counter() + 1.0)
    its_process(sampler).send_signal(signal.SIGCONT)


def test_the_reason_and_the_fix_come_from_where_they_are_known() -> None:
    """No driver here, or a GPU that is not there: never just `see nvidia-smi`."""
    with pytest.raises(MeterUnavailable) as caught:
        Sampler("nvml:GPU-00000000-0000-0000-0000-000000000000").open()
    assert caught.value.reason.startswith("NVML")
    assert caught.value.fix != "see `nvidia-smi`"
    assert pollers() == []


def test_a_source_of_no_known_kind_is_one_line() -> None:
    with pytest.raises(MeterUnavailable, match="did you mean 'nvml'"):
        Sampler("nvmll:0").open()


def test_it_is_closed_twice_and_then_not_open(sampler: Sampler) -> None:
    sampler.close()
    sampler.close()
    with pytest.raises(MeterUnavailable, match="is not open"):
        sampler.check()
    assert pollers() == []


# --- shared


def test_users_share_one_process_until_the_last_is_done() -> None:
    first, second = shared(FAST), shared(FAST)
    assert first is second
    assert len(pollers()) == 1
    first.release()
    assert second.alive
    second.release()
    assert pollers() == []


def test_users_in_many_threads_share_one_process_too() -> None:
    together = threading.Barrier(8)

    def use(_: int) -> Sampler:
        together.wait(10)
        return shared(FAST)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(use, range(8)))
    assert len({id(sampler) for sampler in found}) == 1
    assert len(pollers()) == 1
    for sampler in found:
        sampler.release()
    assert pollers() == []


def test_a_dead_one_is_not_handed_out_and_does_not_take_its_successor_along() -> None:
    dead = shared(FAST)
    its_process(dead).kill()
    its_process(dead).wait()
    successor = shared(FAST)
    assert successor is not dead
    dead.release()
    assert shared(FAST) is successor
    successor.release()
    successor.release()
    assert pollers() == []
