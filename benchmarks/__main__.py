"""`make bench`: every figure of speed that Kinowatt promises, as measured in this one run."""

import os
import platform
import sys
from collections.abc import Callable, Iterator

from benchmarks.row import Row

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
# What is started here starts as on a user's machine, where bytecode is kept
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def one_core() -> None:
    """Throughput is promised per core: the rest of this process stays on one."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def sections() -> Iterator[Callable[[], Iterator[Row]]]:
    from benchmarks import counter, hooks, serving, startup, store, throughput

    yield startup.rows
    yield hooks.rows
    yield store.rows
    yield serving.rows
    one_core()
    yield throughput.rows
    yield counter.rows


def main() -> None:
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    print(f"{'':52}{'here':>16}{'target':>16}")
    missed = 0
    for rows in sections():
        for row in rows():
            print(row, flush=True)
            missed += row.missed
    if missed:
        sys.exit(f"{missed} missed")


if __name__ == "__main__":
    main()
