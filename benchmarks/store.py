"""A store of 100,000 rows: import, a filtered page, a summary, and memory, in a fresh process."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.row import Row

ROWS, WHOLE = 100_000, 10_000
DATA = Path(__file__).parents[1] / "data" / "measurements"
KEPT = ("driver", "torch", "diffusers", "attention_backend", "weights", "power_limit_w")
KEPT += ("energy_null", "clock_mhz", "temperature_c", "host_bound", "virtualised")


def contract(row: dict[str, Any]) -> dict[str, Any]:
    """A committed row with the fields that the contract names, and no more."""
    stages = {
        name: {key: stage[key] for key in ("latency_s", "energy_wh")}
        for name, stage in row["stages"].items()
    }
    runs = [{key: run[key] for key in ("latency_s", "energy_wh", "stages")} for run in row["runs"]]
    conditions = {name: row["conditions"].get(name) for name in KEPT}
    new = {"stages": stages, "runs": runs, "stability": {"stable": True}, "conditions": conditions}
    return {**row, **new}


def write_rows(path: Path, count: int, shape: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Committed rows again and again, no two with the same seconds."""
    lines = [line for file in sorted(DATA.glob("*.jsonl")) for line in file.open()]
    rows = [shape(json.loads(line)) for line in lines]
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            row = rows[number % len(rows)]
            row["latency_s"] *= 1 + 1e-6
            file.write(json.dumps(row) + "\n")


def seconds(work: Callable[[], object], repeats: int = 1) -> float:
    """The best of a few."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def measure(folder: Path) -> dict[str, float]:
    """Everything about the file `rows.jsonl` of a folder; memory of all processes together."""
    from kinowatt.campaign.importing import import_path
    from kinowatt.campaign.store import open_store

    with open_store(str(folder / "rows.db")) as store:
        found = {"import": seconds(lambda: import_path(store, folder / "rows.jsonl"))}
        wanted = ["model=wan2.1-t2v-1.3b", "steps>=12", "latency_s>1"]
        middle = str(store.count() // 2)
        found["page"] = seconds(lambda: store.measurements(wanted, after=middle), repeats=5)
        found["summary"] = seconds(store.summary, repeats=3)
    readers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return found | {"own": own_peak_mib(), "reader": readers}


def own_peak_mib() -> float:
    """Most memory that this process had. `ru_maxrss` would hold what the process that started it had:
    it is kept across `exec`."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measured(count: int, shape: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, float]:
    """`measure` of so many rows, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder) / "rows.jsonl", count, shape)
        command = [sys.executable, "-m", "benchmarks.store", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return {str(name): float(value) for name, value in json.loads(done.stdout).items()}


def rows() -> Iterator[Row]:
    found = measured(ROWS, contract)
    yield Row(name="store, import 100,000 rows", value=found["import"], unit="s", most=15)
    page_ms = found["page"] * 1000
    yield Row(name="store, a filtered page of 100", value=page_ms, unit="ms", most=100)
    yield Row(name="store, summary of 100,000 rows", value=found["summary"], unit="s", most=1)
    yield Row(name="store, memory at import", value=found["own"], unit="MiB", most=300)
    yield Row(name="store, memory of each reader beside it", value=found["reader"], unit="MiB")
    whole = measured(WHOLE, lambda row: row)
    name = f"store, import {WHOLE:,} rows of 6 KiB, as committed"
    yield Row(name=name, value=whole["import"], unit="s")


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
