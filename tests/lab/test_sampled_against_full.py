"""Protocol `sampled` against `full` on an H100, from committed rows; the docs say the same."""

from pathlib import Path

import pytest

from kinowatt.lab.measurement import Measurement
from kinowatt.lab.rows import load_measurements

Pair = tuple[Measurement, Measurement]


@pytest.fixture(scope="module")
def pairs(root: Path) -> list[Pair]:
    rows = load_measurements(root / "data/protocol/h100-sxm.jsonl")
    whole = [row for row in rows if row.protocol == "full"]
    return [
        (full, next(r for r in rows if r.protocol == "sampled" and alike(full, r)))
        for full in whole
    ]


def alike(a: Measurement, b: Measurement) -> bool:
    return (a.model, a.recipe, a.workload) == (b.model, b.recipe, b.workload)


def test_eight_configurations_of_seven_models(pairs: list[Pair]) -> None:
    assert len(pairs) == 8
    assert len({full.model for full, _ in pairs}) == 7
    assert all(sampled.conditions["composed"] for _, sampled in pairs)


def test_latency_and_energy_agree(pairs: list[Pair]) -> None:
    assert max(abs(s.latency_s / f.latency_s - 1) for f, s in pairs) < 0.01
    assert max(abs(s.energy_wh["gpu"] / f.energy_wh["gpu"] - 1) for f, s in pairs) < 0.02


def test_the_docs_print_these_rows(pairs: list[Pair], root: Path) -> None:
    text = (root / "docs/protocol.md").read_text("utf-8").replace("−", "-")
    for full, sampled in pairs:
        for value in (
            f"{full.latency_s:.2f} s | {sampled.latency_s / full.latency_s - 1:+.2%}",
            f"{full.energy_wh['gpu']:.2f} Wh | "
            f"{sampled.energy_wh['gpu'] / full.energy_wh['gpu'] - 1:+.2%}",
        ):
            assert value in text
