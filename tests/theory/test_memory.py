"""Live bytes of the tables against torch's own peak on an H100."""

import json

import pytest

from kinowatt.facts.data import data_path
from kinowatt.facts.operator_tables import operator_table
from kinowatt.theory.memory import DECODER_WORKSPACE
from kinowatt.theory.polynomial import Evaluator, parse

ROWS = [json.loads(line) for line in data_path("memory/h100-sxm.jsonl").read_text().splitlines()]


def ratio(row: dict) -> float:
    """Measured over predicted, weights included: what decides whether it fits."""
    table = operator_table(row["table"])
    live = Evaluator(row["point"])(parse(table.live_bytes)) / 2**20
    if table.role == "vae_decoder":
        live *= 1 + DECODER_WORKSPACE
    return (row["weights_mib"] + row["live_mib"]) / (row["weights_mib"] + live)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['table']}-{row['point']}")
def test_weights_are_exact(row: dict) -> None:
    assert operator_table(row["table"]).parameter_bytes / 2**20 == pytest.approx(
        row["weights_mib"], abs=0.06
    )


def test_denoisers_within_three_percent() -> None:
    rows = [row for row in ROWS if "denoiser" in row["table"]]
    assert len(rows) == 9
    for row in rows:
        assert ratio(row) == pytest.approx(1, abs=0.03), row["table"]


def test_decoders() -> None:
    off = [abs(ratio(row) - 1) for row in ROWS if "vae" in row["table"]]
    assert len(off) == 9
    assert sum(off) / len(off) < 0.08
    assert max(off) < 0.25
