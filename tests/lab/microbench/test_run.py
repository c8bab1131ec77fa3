"""The whole microbenchmark, with tiny shapes on a CPU."""

import json
import time
from pathlib import Path

import pytest
import torch

from kinowatt.errors import InputError
from kinowatt.lab.meters.sampler import Sampler
from kinowatt.lab.microbench.result import Microbench, read_microbench
from kinowatt.lab.microbench.run import microbench
from kinowatt.lab.microbench.timing import sustained
from kinowatt.lab.timeline import timeline

pytestmark = pytest.mark.alone

CPU = torch.device("cpu")


FAMILIES = {"linear", "attention", "convolution", "memory", "norm"}


@pytest.fixture(scope="module")
def found() -> Microbench:
    """As much as 6 s allow, or 60 s on a CPU that is busy with something else."""
    short = microbench("cpu", 6.0)
    if {point["family"] for point in short.points} == FAMILIES and short.loads:
        return short
    return microbench("cpu", 60.0)


def test_every_family_is_measured_and_nothing_lost_in_silence(found: Microbench) -> None:
    assert {point["family"] for point in found.points} == FAMILIES
    assert all(point["burst"]["seconds_per_call"] > 0 for point in found.points)
    assert all(item["reason"] for item in found.skipped)
    assert set(found.stalls) == {"calls", "waiting_s", "queued_s"}
    assert found.call_overhead["linear"]["host_s"] > 0
    assert {item["way"] for item in found.copies} == {"to_device", "to_host"}


def test_power_without_a_gpu_is_null_with_its_reason(found: Microbench) -> None:
    held = [point["sustained"] for point in found.points if point["sustained"]]
    assert held
    assert all(item["power_w"] is None and item["reason"] for item in [*held, found.idle])


def test_loads_work_for_their_share_of_the_time(found: Microbench) -> None:
    assert {item["duty"] for item in found.loads} == {0.25, 0.5, 0.75}


def test_a_result_comes_back_from_its_file(found: Microbench, tmp_path: Path) -> None:
    file = tmp_path / "cpu.json"
    found.write(file)
    again = read_microbench(file)
    assert json.dumps(again.to_dict()) == json.dumps(found.to_dict())


def test_what_time_does_not_reach_is_listed() -> None:
    started = time.perf_counter()
    short = microbench("cpu", 1.0)
    assert time.perf_counter() - started < 10
    assert {item["reason"] for item in short.skipped} >= {"time"}
    assert short.points


def test_a_partial_load_takes_longer_and_a_sampler_tells_watts() -> None:
    def work() -> None:
        time.sleep(0.002)

    line = timeline(CPU)
    with Sampler('fake:{"power_w": 300}') as sampler:
        whole = sustained(work, line, sampler, 0.6)
        half = sustained(work, line, sampler, 0.6, 0.5)
    assert whole["power_w"]["mean"] > 0
    assert half["seconds_per_call"] > 1.5 * whole["seconds_per_call"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "one JSON object"),
        ("{", "not JSON"),
        ('{"kind": "row"}', "kind is 'row'"),
        ('{"kind": "microbench", "schema_version": 9}', "schema_version is 9"),
        ('{"kind": "microbench", "schema_version": 1}', "fields are missing: taken_at"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(InputError, match=words):
        read_microbench(file)


def test_a_device_that_is_not_there_and_a_budget_that_is_no_time() -> None:
    with pytest.raises(InputError, match="neither 'cpu' nor 'cuda'"):
        microbench("tpu", 5.0)
    with pytest.raises(InputError, match="at least 1 s"):
        microbench("cpu", 0.1)
