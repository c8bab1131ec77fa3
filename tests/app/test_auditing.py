"""`kinowatt audit` as a user calls it."""

import json
from pathlib import Path

import pytest

import kinowatt
from kinowatt.analysis.audit.flags import Audit, Flag
from kinowatt.app.auditing import report
from kinowatt.app.cli import main

CROSS = "data/paper/cross_model.csv"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text("what,took,drew\na,1.5,0.0172\nb,3.1,0.0355\nc,2.0,0.0481\n", "utf-8")
    return path


def test_json_holds_every_number(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["audit", str(root / CROSS), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["rows"], found["gpus"]) == ("paper", 335, ["h100-sxm"])
    stages = next(flag for flag in found["flags"] if flag["kind"] == "stages")
    assert stages["evidence"]["power_w"] == pytest.approx(1179, abs=1)
    wan = next(flag for flag in found["flags"] if flag["kind"] == "settings")
    assert wan["causes"][0]["settings"]["height_px"] == 720
    assert found["mapping"]["energy_wh_gpu"] == "gpu_energy_wh (Wh)"


def test_the_table_is_for_people(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["audit", str(root / CROSS)])
    shown = capsys.readouterr().out
    assert "power 1,179 W" in shown
    assert "149-197" in shown
    assert "What would explain lines 247-295, likeliest first" in shown
    assert "335 of 335 rows flagged." in shown
    assert max(len(line) for line in shown.splitlines()) <= 110


def test_a_mapping_and_what_it_lacks(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = "latency_s=took:min,energy_wh_gpu=drew:kWh,label=what"
    main(["audit", str(mine), "--map", given, "--gpu", "h100-sxm"])
    shown = capsys.readouterr().out
    assert "power 1,443 W" in shown  # 48.1 Wh in two minutes
    assert "3 of 3 rows name no known model" in shown
    assert "taken by their names" not in shown
    assert "1 error, 0 warnings, 0 notes; 1 of 3 rows flagged." in shown


def test_the_verb_in_python(mine: Path) -> None:
    found = kinowatt.audit(mine, ["latency_s=took:min,energy_wh_gpu=drew:kWh"], gpu="h100")
    assert [flag.kind for flag in found.flags] == ["power-above-limit"]
    assert found.flagged == {4}


def test_the_profile_may_be_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(root / "data/paper/wan_resolution.csv")
    main(["audit", file, "--profile", "paper-corrected", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert set(found["profiles"].values()) == {"h100-sxm/paper-corrected"}


def test_markup_in_a_file_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    flag = Flag(kind="k", severity="error", what="is [bold]x[/nope]", lines=(2,), suggestion="[a]")
    report(
        Audit(
            file="[red]", format="table", rows=1, gpus=(), profiles={}, mapping={}, guessed=(),
            flags=(flag,), notes=("[/]",),
        )
    )  # fmt: skip
    shown = capsys.readouterr().out
    assert "[bold]x[/nope]" in shown
    assert "[red]: 1 row (table), GPU not named." in shown
