"""Fresh processes: what an import and a first answer cost, beside a Python that does nothing."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.row import Row

REPEATS = 15
KINOWATT = str(Path(sys.executable).with_name("kinowatt"))
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "import": [sys.executable, "-c", "import kinowatt"],
    "--help": [KINOWATT, "--help"],
    "predict": [KINOWATT, "predict", "wan2.1-t2v-1.3b", "--json"],
    "largest": [KINOWATT, "predict", "ltx-video-0.9.7-dev", "--json"],
    "table": [KINOWATT, "predict", "wan2.1-t2v-1.3b"],
    "budget": [KINOWATT, "budget", "--gpu", "l40s", "--max-latency-s", "60"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def rows() -> Iterator[Row]:
    """Medians of processes started in turn, so that a busy moment hits all alike."""
    for command in COMMANDS.values():
        seconds(command)
    runs = [{name: seconds(c) for name, c in COMMANDS.items()} for _ in range(REPEATS)]
    taken = {name: median(run[name] for run in runs) for name in COMMANDS}
    bare = taken["python"]
    yield Row(name="python that does nothing", value=bare, unit="s")
    yield Row(name="import kinowatt, over that", value=taken["import"] - bare, unit="s", most=0.10)
    yield Row(name="kinowatt --help", value=taken["--help"], unit="s")
    yield Row(name="kinowatt predict WAN --json", value=taken["predict"], unit="s", most=0.30)
    yield Row(name="kinowatt predict LTX --json", value=taken["largest"], unit="s", most=0.30)
    yield Row(name="kinowatt predict WAN, the table", value=taken["table"], unit="s")
    yield Row(name="kinowatt budget, all models on a GPU", value=taken["budget"], unit="s", most=1)
    yield Row(name="  predict --json in bare Pythons", value=taken["predict"] / bare, unit="x")
