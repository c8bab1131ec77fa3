"""`kinowatt.load_measurements` reads files and stores alike."""

import json
from pathlib import Path

import pytest

import kinowatt
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
