"""`kinowatt.load_measurements` reads files and stores alike."""

import json
from pathlib import Path

import pytest

import kinowatt
from kinowatt.campaign.sources import open_source
from kinowatt.campaign.store import open_store
from store_rows import row


def test_files_and_stores_give_the_same_rows(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row(n)) + "\n" for n in range(3)), "utf-8")
    rows = kinowatt.load_measurements(file)
    path = tmp_path / "rows.db"
    with open_store(str(path)) as store:
        store.add(rows)
    assert kinowatt.load_measurements(path) == rows
    assert kinowatt.load_measurements(f"sqlite:///{path}") == rows
    assert [one.to_dict() for one in rows] == [row(n) for n in range(3)]


def test_what_is_no_store_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(kinowatt.InputError, match="No such file"):
        kinowatt.load_measurements(tmp_path / "none.jsonl")
    with pytest.raises(kinowatt.InputError, match="unknown database"):
        kinowatt.load_measurements("mysql://host/rows")


def test_the_rows_of_the_package_have_a_name(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        *(root / "data/measurements").glob("*.jsonl"),
        *(root / "data/protocol").glob("*.jsonl"),
    ]
    rows = kinowatt.load_measurements("committed")
    assert len(rows) == sum(len(file.read_text("utf-8").splitlines()) for file in files)
    with open_source("committed") as store:
        assert [found.row for found in store.rows()] == rows
    monkeypatch.chdir(tmp_path)  # a file of that name goes first
    Path("committed").write_text(json.dumps(row()) + "\n", "utf-8")
    assert [one.to_dict() for one in kinowatt.load_measurements("committed")] == [row()]
