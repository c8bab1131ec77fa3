"""`kinowatt budget` as a user calls it."""

import json
import re
import shlex
from pathlib import Path

import pytest

from kinowatt.app.cli import main

ASKED = [
    *("--gpu", "l40s", "--max-latency-s", "60", "--max-energy-wh", "10"),
    *("--min-height", "480p", "--min-seconds", "5"),
]


def test_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    main(["budget", *ASKED])
    shown = capsys.readouterr().out
    assert "Asked: at most 60 s, 10 Wh; at least 480p, 5 s of video, on l40s" in shown
    assert "Limits are kept by the predicted value" in shown
    assert re.search(
        r"final, largest +512x704x121 +5\.04 s +30 +\d\d\.\d s +\d\.\d\d Wh +\d\d\.\d†", shown
    )
    assert re.search(r"wan2\.1-t2v-1\.3b +time 60 s → \d\d\.\d s", shown)
    assert re.search(r"size 480p → \d\d\dp", shown)
    assert re.search(r"Pareto front of time, energy and output \(10 of \d+\)", shown)
    assert "Quality is not scored" in shown
    assert max(map(len, shown.splitlines()[:-1])) <= 110


def test_the_command_it_names_gives_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    main(["budget", *ASKED])
    last = capsys.readouterr().out.rstrip().splitlines()[-1]
    words = shlex.split(last.partition(": kinowatt ")[2])
    main([*words, "--json"])
    predicted = json.loads(capsys.readouterr().out)
    main(["budget", *ASKED, "--json"])
    final = json.loads(capsys.readouterr().out)["answers"][0]["picks"]["final"]
    assert final["latency_s"] == pytest.approx(predicted["latency_s"], rel=1e-9)
    assert final["model"] == predicted["model"]


def test_money_scores_and_several_gpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = tmp_path / "mine.csv"
    scores.write_text("model,height,width,frames,steps,score\nwan-1.3b,480,832,81,25,82\n")
    main([
        "budget", "--model", "wan-1.3b", "--gpu", "h100", "--gpu", "l40s",
        "--price", "h100=3", "--price", "l40s=0.8", "--max-cost-usd", "0.06",
        "--grid", "FRA", "--scores", str(scores), "--confidence", "80",
    ])  # fmt: skip
    shown = capsys.readouterr().out
    assert "Limits are kept by the upper end of the 80% interval" in shown
    assert "USD" in shown
    assert "g CO2e" in shown
    assert re.search(r"480x832x81 +5\.06 s +25 .* 82\.0", shown)
    assert "wan2.1-t2v-1.3b on l40s" in shown


def test_where_nothing_fits_it_says_so_and_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    main(["budget", "--model", "wan-1.3b", "--max-memory-gib", "3"])
    shown = capsys.readouterr().out
    assert "Nothing fits: what would have to give" in shown
    assert "memory 3 GiB → 14.4 GiB" in shown
    assert "Best settings" not in shown
