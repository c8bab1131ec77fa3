"""The committed rows as a pool to choose from, with what each really took."""

from collections.abc import Sequence
from typing import Any

from kinowatt.analysis.bench_physics import physics_of_bench
from kinowatt.analysis.design.proposal import Bill
from kinowatt.analysis.design.replay import Pool, pool
from kinowatt.analysis.learning import like_bench
from kinowatt.app.validating import committed_bench, current_files
from kinowatt.lab.rows import load_measurements
from kinowatt.lab.spent import estimated_s, took_s, video_of_stages
from kinowatt.lab.worker import canonical


def committed_pool(start_s: float) -> Pool:
    """Rows that `kinowatt validate` judges; `start_s`: what a change of pipeline costs."""
    rows: list[dict[str, Any]] = []
    seconds: list[float] = []
    for file in current_files():
        found = [row.to_dict() for row in load_measurements(str(file))]
        rows += found
        seconds += took_s(found)
    bench = committed_bench()
    taken, _ = like_bench(bench, rows)
    mine = [rows[index] for index in taken]

    def row_s(index: int, stages: Sequence[float]) -> float:
        return estimated_s(mine[index], video_of_stages(mine[index], stages))

    bill = Bill(row_s=row_s, builds=[_build(row) for row in mine], start_s=start_s)
    return pool(mine, physics_of_bench(bench), [seconds[index] for index in taken], bill)


def _build(row: dict[str, Any]) -> str:
    how = {name: row["conditions"].get(name) for name in ("offload", "tiling")}
    return canonical({"model": row["model"], **how})
