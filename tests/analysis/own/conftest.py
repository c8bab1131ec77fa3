"""Small made rows: what the tables of our own measurements read of a row, and no more."""

import json
from typing import Any

import pytest

from kinowatt.analysis.own.rows import OwnRow, own_row
from kinowatt.app.reproducing import own_rows
from kinowatt.lab.measurement import Measurement, identity


class Maker:
    """Rows of WAN-1.3B, changed as a test needs; the real ones of `data/` give their shape."""

    def __init__(self, real: OwnRow) -> None:
        self.real = json.dumps(dict(real.row))

    def __call__(self, *, runs: tuple[float, ...] = (10.0,), **changes: Any) -> OwnRow:
        row = json.loads(self.real)
        conditions = {
            name: changes.pop(name) for name in list(changes) if name in row["conditions"]
        }
        row["conditions"] |= conditions
        self._work(row["workload"], changes)
        row |= {name: changes.pop(name) for name in list(changes) if name in row}
        row["latency_s"] = sum(runs) / len(runs)
        row["energy_wh"]["gpu"] = row["latency_s"] / 5
        row["runs"] = [{**row["runs"][0], **_run(seconds)} for seconds in runs]
        file = changes.pop("file", "made.jsonl")
        assert not changes
        found = Measurement.from_dict(row)
        return own_row(found.to_dict(), identity(found), file)

    @staticmethod
    def _work(workload: dict[str, Any], changes: dict[str, Any]) -> None:
        effective = workload["effective"]
        for name in ("height_px", "width_px", "frames", "steps", "batch_size", "prompt_tokens"):
            if name in changes:
                workload[name] = changes.pop(name)
        for name in ("height_px", "width_px", "frames"):
            effective[name] = workload[name]
        effective["forward_passes"] = 2 * workload["steps"]
        size = workload["height_px"] * workload["width_px"]
        effective["tokens"] = (workload["frames"] // 4 + 1) * size // 256


def _run(seconds: float) -> dict[str, Any]:
    return {"latency_s": seconds, "energy_wh": {"gpu": seconds / 5, "cpu": None, "ram": None}}


@pytest.fixture(scope="session")
def rows():
    """The committed rows."""
    return own_rows()


@pytest.fixture(scope="session")
def make(rows):
    return Maker(next(row for row in rows if is_default(row)))


def is_default(row: OwnRow) -> bool:
    """WAN-1.3B at its model card's settings, as one whole video."""
    wanted = {"height_px": 480, "width_px": 832, "frames": 81, "steps": 50}
    return (
        row.row["model"] == "wan2.1-t2v-1.3b"
        and row.row["protocol"] == "full"
        and row.row["workload"].items() >= wanted.items()
    )
