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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "unknown model"),
        (["wan-1.3b", "--style", "stars"], "one of: model-card, energy-score, sci"),
        (["wan-1.3b", "--style", "sci"], "SCI needs grid"),
        (["wan-1.3b", "--row", "2"], "--row is of a file of rows"),
        ([ROWS], "say which by --row 1 to"),
        ([ROWS, "--row", "0"], "has rows 1 to"),
        ([ROWS, "--row", "999"], "not 999"),
        ([ROWS, "--row", "1", "--steps", "3"], "a measured row has its own"),
        ([ROWS, "--row", "1", "--gpu", "l40s"], "a measured row has its own"),
        (["nothere.jsonl"], "nothere.jsonl"),
    ],
)
def test_bad_input_is_one_line(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(SystemExit) as ended:
        main(["card", *arguments])
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert message in told
    assert told.count("\n") == 1
