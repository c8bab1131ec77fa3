"""`kinowatt calibrate` as a user calls it, on committed rows."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import kinowatt
from kinowatt.app.cli import main

BENCH = "data/microbench/h100-sxm.json"


def test_a_profile_is_written_and_predicts(
    root: Path,
    user_facts: Path,
    forget: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = user_facts / "profiles" / "h100-sxm" / "mine.json"
    rows = root / "data/measurements/h100-sxm.jsonl"
    main(["calibrate", "--microbench", str(root / BENCH), "--rows", str(rows), "-o", str(output)])
    shown = capsys.readouterr().out
    assert "h100-sxm, torch 2.11.0+cu130" in shown
    assert "host" in shown
    assert "not determined by rows" in shown
    forget()  # a new process would look again
    found = kinowatt.predict("cogvideox-5b", profile="mine")
    assert found.profile == "h100-sxm/mine"
    assert found.latency_s == pytest.approx(97.0, rel=0.1)  # measured


def test_what_rows_leave_open_is_said_with_what_would_tell(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = root / "data/measurements/h100-sxm-c-steps.jsonl"
    main(["calibrate", "--microbench", str(root / BENCH), "--rows", str(rows)])
    shown = " ".join(capsys.readouterr().out.split())
    assert "→ rows of 1 model: how far another one is missed is that of a microbench alone" in shown
    assert "→ host is not determined by these rows: measure a small video that the host" in shown


def test_json_is_the_profile(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["calibrate", "--microbench", str(root / BENCH), "--json"])
    profile = json.loads(capsys.readouterr().out)
    assert profile["kind"] == "learned"
    assert profile["seen"] == []
    assert {"laws", "power", "host_s", "gap_s", "stall_s", "factors"} == set(profile["physics"])
