"""`kinowatt store` and `kinowatt export` as a user types them."""

import json
import shutil
from pathlib import Path

import pytest

from kinowatt.app.cli import main
from store_rows import row

OLD = Path(__file__).parents[1] / "campaign" / "store-0001.db"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row(n)) + "\n" for n in range(4)), "utf-8")
    return path


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]):
    def run(*words: str) -> str:
        main([*words])
        return capsys.readouterr().out

    return run


@pytest.fixture
def fail(capsys: pytest.CaptureFixture[str]):
    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as found:
            main([*words])
        assert found.value.code == 2
        shown = capsys.readouterr()
        assert shown.err.count("\n") == 1
        return shown.err

    return run


def test_import_list_show_diff_export(file: Path, say) -> None:
    (taken,) = json.loads(say("store", "import", "rows.db", "rows.jsonl", "--json"))
    assert (taken["format"], taken["added"], taken["known"]) == ("jsonl", 4, 0)
    first = json.loads(say("store", "list", "rows.db", "--limit", "3", "--json"))
    assert [one["row"] for one in first["rows"]] == [row(n) for n in range(3)]
    rest = json.loads(say("store", "list", "rows.db", "--after", first["after"], "--json"))
    assert ([one["id"] for one in rest["rows"]], rest["after"]) == ([4], None)
    assert json.loads(say("store", "show", "rows.db", "2", "--json"))["row"] == row(1)
    assert "4 rows are the same, 0 only in rows.db" in say("store", "diff", "rows.db", "rows.jsonl")
    assert say("export", "rows.db", "--to", "jsonl", "--where", "latency_s>3") == (
        json.dumps(row(3)) + "\n"
    )
    assert "4 rows as parquet: a.parquet" in say("export", "rows.db", "-o", "a.parquet")
    say("store", "import", "b.db", "a.parquet")
    assert json.loads(say("store", "diff", "rows.db", "b.db", "--json"))["same"] == 4


def test_tables_for_people(file: Path, say) -> None:
    listed = say("store", "list", "rows.jsonl", "--limit", "1")
    assert "0.300 s" in listed
    assert "--after 1" in listed
    summary = say("store", "list", "rows.jsonl", "--summary")
    assert "1.80 s" in summary
    assert "0.300 s - 3.30 s" in summary
    energy = {"gpu": 0.5, "cpu": None, "ram": 0.01}
    file.write_text(json.dumps(row(energy_wh=energy)) + "\n", "utf-8")
    shown = say("store", "show", "rows.jsonl", "1")
    assert "0.500 Wh" in shown
    assert "no meter" in shown
    say("store", "import", "rows.db", "rows.jsonl")
    assert "Campaigns" in say("store", "list", "rows.db", "--campaigns")


def test_migrate_says_what_it_did(tmp_path: Path, say, fail) -> None:
    old = shutil.copy(OLD, tmp_path / "old.db")
    assert "run `kinowatt store migrate" in fail("store", "list", str(old))
    assert "version 0003 now, before 0001" in " ".join(say("store", "migrate", str(old)).split())
    assert "already" in say("store", "migrate", str(old))


@pytest.mark.parametrize(
    "text", ["garbage\n", '{"model": 1}\n', "\n"], ids=["none", "bad", "empty"]
)
def test_a_file_that_cannot_be_read_makes_no_store(text: str, file: Path, fail) -> None:
    file.write_text(text, "utf-8")
    assert "rows.jsonl" in fail("store", "import", "new.db", "rows.jsonl")
    assert not file.with_name("new.db").exists()
