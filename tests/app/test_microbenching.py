"""`kinowatt microbench` as its user meets it."""

import json
from pathlib import Path

import pytest

from kinowatt.app.cli import main


def test_the_table_and_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cpu.json"
    wanted = ("linear (measured", "attention (measured", "TFLOP/s", "TB/s", "one call")
    for budget_s in ("4", "40"):  # the second on a CPU that is busy with something else
        main(["microbench", "--device", "cpu", "--budget", budget_s, "-o", str(file)])
        out, err = capsys.readouterr()
        if all(words in out for words in wanted):
            break
    assert "operators, in bursts" in err
    for words in wanted:
        assert words in out
    assert json.loads(file.read_text())["kind"] == "microbench"


def test_json_is_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    main(["microbench", "--device", "cpu", "--budget", "1", "--json"])
    assert json.loads(capsys.readouterr().out)["device"] == "cpu"
