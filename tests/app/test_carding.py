"""`kinowatt card` as a user calls it."""

import json
from pathlib import Path

import pytest

from kinowatt.app.cli import main

ROWS = "data/measurements/h100-sxm.jsonl"


def test_a_block_of_a_prediction(capsys: pytest.CaptureFixture[str]) -> None:
    main(["card", "ltx", "--gpu", "l40s", "--steps", "20", "--grid", "DEU"])
    shown = capsys.readouterr().out
    assert shown.startswith("---\nco2_eq_emissions:\n")
    assert "NVIDIA L40S" in shown
    assert "20 steps" in shown


def test_figures_of_a_row(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    main(["card", ROWS, "--row", "-1", "--style", "energy-score"])
    shown = capsys.readouterr().out
    assert "kind: measured" in shown
    assert "official: no" in shown
    main(["card", ROWS, "--row", "1", "--style", "sci", "--intensity", "100"])
    assert "complete: no" in capsys.readouterr().out
    main(["card", ROWS, "--row", "1", "--json"])
    data = json.loads(capsys.readouterr().out)
    assert data["sci"] is None
    assert data["energy_score"]["official"] is False
