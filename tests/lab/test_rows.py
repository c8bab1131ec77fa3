"""Files of rows: nothing written is lost or mixed, nothing half written passes for a row."""

import json
import os
import random
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinowatt.errors import InputError
from kinowatt.lab import rows
from kinowatt.lab.measurement import Measurement
from kinowatt.lab.rows import (
    append_failure,
    append_row,
    failures_path,
    load_measurements,
    read_rows,
)
from lab.faults import row

TEXTS = st.text(st.characters(codec=None))  # lone surrogates too, which no UTF-8 can hold


def made(**conditions: Any) -> Measurement:
    return Measurement.from_dict(row(**conditions))


@given(notes=st.lists(st.dictionaries(TEXTS, TEXTS | st.floats(-1e300, 1e300)), max_size=4))
@settings(max_examples=30, deadline=None)
def test_rows_survive_the_disk_exactly(
    notes: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("rows") / "new" / "h100.jsonl"
    written = [made(number=number, note=note) for number, note in enumerate(notes)]
    for each in written:
        append_row(path, each)
    assert (load_measurements(path) if notes else []) == written
    if notes:
        assert path.read_bytes().count(b"\n") == len(notes)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
LONG = st.integers(min_value=-(2**70), max_value=2**70)
VALUES = st.recursive(
    SCALARS | LONG, lambda one: st.lists(one, max_size=4) | st.dictionaries(TEXTS, one, max_size=4)
)


@given(value=VALUES)
@settings(max_examples=150, deadline=None)
def test_a_line_is_the_same_with_orjson_and_without(value: Any) -> None:
    assert rows._quick() is not None
    line = json.dumps(value).replace("Infinity", "1e999").encode()
    found = rows._record(line, rows._shape(line))
    assert repr(found) == repr(json.loads(line))  # tells -0.0 from 0.0, and 1 from 1.0


@pytest.mark.parametrize(
    "line",
    [b"[NaN]", b"\xef\xbb\xbf{}", b'{"a": 1', b'"\xff"', b"[01]", b"[" * 5000, b'{"a":' * 1010],
)
def test_what_is_no_json_is_refused_with_orjson_and_without(
    line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    for quick in (rows._quick(), None):
        monkeypatch.setattr(rows, "_quick", lambda quick=quick: quick)
        with pytest.raises((ValueError, RecursionError, InputError)) as refused:
            rows._record(line, rows._shape(line))
        said.append((refused.type, str(refused.value)))
    assert said[0] == said[1]


def test_a_folder_is_read_in_order_without_its_failures(tmp_path: Path) -> None:
    append_row(tmp_path / "b.jsonl", made(number=2))
    append_row(tmp_path / "a.jsonl", made(number=1))
    append_failure(tmp_path / "a.jsonl", {}, {}, {"cause": "hang", "detail": "60 s"})
    assert [found.conditions["number"] for found in load_measurements(tmp_path)] == [1, 2]


def test_a_failure_is_kept_beside_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "h100-torch-2.11"
    failure = {"cause": "crash", "detail": "SIGSEGV", "exit_code": None}
    append_failure(path, {"model": "m"}, {"frames": 81}, failure)
    (line,) = (tmp_path / "h100-torch-2.11.failures.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record.pop("taken_at").endswith("+00:00")
    assert record == {
        "schema_version": 1,
        "key": {"model": "m"},
        "request": {"frames": 81},
        **failure,
    }
    assert failures_path(tmp_path / "h100.jsonl") == tmp_path / "h100.failures.jsonl"


@pytest.mark.parametrize("cut", [1, 40, -2])
def test_a_torn_last_line_is_left_out_aloud_and_never_glued(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "rows.jsonl"
    append_row(path, made(number=1))
    append_row(path, made(number=2))
    whole = path.read_bytes()
    torn = whole.splitlines(keepends=True)[1][:cut]
    path.write_bytes(whole + torn)
    with pytest.warns(UserWarning, match=r"rows\.jsonl:3: not a whole row.*it is left out"):
        assert [found.conditions["number"] for found in load_measurements(path)] == [1, 2]
    append_row(path, made(number=3))
    assert path.read_bytes().startswith(whole + torn + b"\n{")
    found, problems = read_rows(path)
    assert [each.conditions["number"] for each in found] == [1, 2, 3]
    assert [(problem.line, problem.torn) for problem in problems] == [(3, False)]
    with pytest.raises(InputError, match=r"rows\.jsonl:3: not a whole row"):
        load_measurements(path)


def test_a_row_that_lacks_only_its_newline_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_row(path, made(number=1))
    path.write_bytes(path.read_bytes().rstrip())
    assert len(load_measurements(path)) == 1
    append_row(path, made(number=2))
    assert [found.conditions["number"] for found in load_measurements(path)] == [1, 2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"\xff\xfe", "not a whole row"),
        (b"\0\0\0\0", "not a whole row"),
        (b"[" * 100_000, "not a whole row"),
        (b"[1]", "a row is a JSON object, not list"),
        (b'{"schema_version": 9}', "schema_version 9 needs kinowatt of schema 9"),
        (json.dumps(row({"latency_s": -1})).encode(), "latency_s must be above 0, not -1"),
        (json.dumps(row(x=float("nan"))).encode(), r"not a whole row.*NaN is not a number"),
        *(
            (
                json.dumps(row(x=3)).replace("3}", large + "}").encode(),
                r"conditions\.x: -?inf is not",
            )
            for large in ("1e999", "1E+309", "-9.5e308", "10e00400", f"{'9' * 310}.0")
        ),
    ],
)
def test_a_bad_line_is_named_by_file_and_line(tmp_path: Path, line: bytes, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    append_row(path, made())
    path.write_bytes(path.read_bytes() + b"\n" + line + b"\n")
    append_row(path, made())
    with pytest.raises(InputError, match=rf"rows\.jsonl:3: {message}"):
        load_measurements(path)
    found, problems = read_rows(path)
    assert (len(found), len(problems)) == (2, 1)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl: No such file or directory"):
        load_measurements(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match=r"no \*\.jsonl in this folder"):
        load_measurements(tmp_path)


def test_a_disk_that_takes_half_a_row_is_an_error_and_harms_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.jsonl"
    append_row(path, made(number=1))
    write = os.write
    monkeypatch.setattr(rows.os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))
    with pytest.raises(OSError, match=r"only \d+ of \d+ bytes of a row were written"):
        append_row(path, made(number=2))
    monkeypatch.undo()
    append_row(path, made(number=3))
    assert [found.conditions["number"] for found in read_rows(path)[0]] == [1, 3]


def test_a_row_is_synced_before_it_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.jsonl"
    synced: list[tuple[str, int]] = []

    def note(descriptor: int) -> None:
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        synced.append((name, os.fstat(descriptor).st_size))

    monkeypatch.setattr(rows.os, "fsync", note)
    append_row(path, made())
    assert synced[0] == (str(path.resolve()), path.stat().st_size)
    assert synced[1][0] == str(tmp_path.resolve())
    append_row(path, made())
    assert len(synced) == 3  # the folder knows the file's name by now


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with ThreadPoolExecutor(8) as pool:
        for number in range(64):
            pool.submit(append_row, path, made(number=number, filling="x" * 3000 * (number % 9)))
    found = load_measurements(path)
    assert sorted(each.conditions["number"] for each in found) == list(range(64))


def started(code: str) -> "subprocess.Popen[bytes]":
    """A Python of its own, whose standard output is read by the test."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env)


def killed(writers: list["subprocess.Popen[bytes]"], after_s: float) -> list[list[int]]:
    """Kills writers at a random moment of their work; the rows that each said to have written."""
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.readline()  # imports are over
    time.sleep(after_s)
    told = []
    for writer in writers:
        writer.kill()
        out, _ = writer.communicate()
        told.append([1, *map(int, out.split())])
    return told


def torture(path: Path, rounds: int, seed: int) -> None:
    """Writers of one file are killed at random; whatever one of them reported must be there."""
    rng = random.Random(seed)
    told: set[tuple[str, int]] = set()
    for turn in range(rounds):
        names = [f"{turn}.{index}" for index in range(2)]
        writers = [
            started(f"from lab.faults import append; append({str(path)!r}, {name!r}, 300_000)")
            for name in names
        ]
        for name, numbers in zip(names, killed(writers, rng.uniform(0, 0.08)), strict=True):
            told |= {(name, number) for number in numbers}
    found, problems = read_rows(path)
    there = [(each.conditions["of"], each.conditions["number"]) for each in found]
    assert told <= set(there)
    assert len(there) == len(set(there))
    # At most the one row that a killed writer was in is torn, and at most one is not reported
    assert len(problems) <= 2 * rounds
    assert len(set(there) - told) <= 2 * rounds
    assert all("not a whole row" in problem.message for problem in problems)


def test_no_row_is_lost_when_writers_are_killed(tmp_path: Path) -> None:
    torture(tmp_path / "rows.jsonl", rounds=10, seed=1)


@pytest.mark.torture
def test_no_row_is_lost_when_writers_are_killed_200_times(tmp_path: Path) -> None:
    torture(tmp_path / "rows.jsonl", rounds=100, seed=2)


def test_a_writer_killed_inside_its_write_cannot_spoil_the_next_row(tmp_path: Path) -> None:
    """The second writer looks at the end of the file only once the first is dead."""
    path = tmp_path / "rows.jsonl"
    append_row(path, made(number=1))
    slow = (
        "import os, sys, time; from kinowatt.lab import rows; from lab.faults import append\n"
        "write = os.write\n"
        "def half(fd, data):\n"
        "    if fd != 1: write(fd, data[:99]); write(1, b'half\\n'); time.sleep(600)\n"
        "    return write(fd, data)\n"
        f"os.write = half; append({str(path)!r}, 'slow', 9)"
    )
    with ThreadPoolExecutor(1) as pool, started(slow) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"half\n"
            second = pool.submit(append_row, path, made(number=2))
            with pytest.raises(TimeoutError):
                second.result(timeout=0.2)
        finally:
            writer.kill()
        second.result(timeout=10)
    found, problems = read_rows(path)
    assert [each.conditions["number"] for each in found] == [1, 2]
    assert [(problem.line, problem.torn) for problem in problems] == [(2, False)]


def test_a_file_without_problems_loads_without_a_warning(tmp_path: Path) -> None:
    append_row(tmp_path / "rows.jsonl", made())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load_measurements(tmp_path / "rows.jsonl")) == 1
