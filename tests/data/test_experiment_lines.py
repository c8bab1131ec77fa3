"""Every metered line of the experiments passes what physics allows, and each check can fail."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from data import windows

Line = dict[str, Any]
FILES = sorted((Path(__file__).parents[2] / "data" / "experiments").glob("*/*.jsonl"))


def lines_of(file: Path) -> list[Line]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_every_line_is_possible(file: Path) -> None:
    lines = lines_of(file)
    assert lines
    wrong = {line["variant"]: windows.failing(line) for line in windows.metered(lines)}
    assert {variant: found for variant, found in wrong.items() if found} == {}


def test_most_lines_are_metered() -> None:
    metered = [line for file in FILES for line in windows.metered(lines_of(file))]
    assert len(metered) >= 40
    assert {line["experiment"] for line in metered} >= {"stack", "weights", "prompts", "codecarbon"}


def forwards() -> Line:
    lines = lines_of(next(file for file in FILES if file.stem == "stack"))
    return deepcopy(next(line for line in lines if line.get("forwards")))


def milliwatts(line: Line) -> None:
    line["gpu_w"] *= 1000


def another_gpu(line: Line) -> None:
    line["sampled"]["power_w"]["mean"] = 120.0


def watt_hours(line: Line) -> None:
    line["gpu_j"] /= 3600


def one_forward_more(line: Line) -> None:
    line["forwards"] += 1


def milliseconds(line: Line) -> None:
    line["device_mean_s"] *= 1000


def a_fifth(line: Line) -> None:
    line["forward_s"] /= 5


def overclocked(line: Line) -> None:
    line["sampled"]["clock_mhz"]["max"] = 2100.0


SPOILED: list[tuple[str, Callable[[Line], None]]] = [
    ("power", milliwatts),
    ("power", another_gpu),
    ("energy_is_power_times_time", watt_hours),
    ("window", one_forward_more),
    ("window", milliseconds),
    ("flops", a_fifth),
    ("clocks", overclocked),
]


@pytest.mark.parametrize(("check", "spoil"), SPOILED)
def test_a_corrupted_line_is_found(check: str, spoil: Callable[[Line], None]) -> None:
    line = forwards()
    assert windows.failing(line) == {}
    spoil(line)
    assert check in windows.failing(line)


def test_every_check_of_a_line_was_made_to_fail() -> None:
    assert {check for check, _ in SPOILED} == set(windows.CHECKS)
