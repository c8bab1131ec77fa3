"""Files into stores: ours exactly, others' as what they claim."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinowatt.campaign import importing, parsing
from kinowatt.campaign.claimed import parse_assumed
from kinowatt.campaign.importing import import_path
from kinowatt.campaign.sources import diff, open_source
from kinowatt.campaign.store import Store, open_store
from kinowatt.errors import InputError

Row = Callable[..., dict[str, Any]]
ASSUMED = (
    *("model=wan-1.3b", "height_px=480", "width_px=832", "frames=81", "steps=50"),
    *("guidance_scale=5", "batch_size=1", "prompt_tokens=40", "fps=16"),
    "taken_at=2026-01-01T00:00:00+00:00",
)


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_the_committed_rows_are_stored_to_the_letter(store: Store, root: Path) -> None:
    folder = root / "data" / "measurements"
    found = import_path(store, folder)
    lines = [line for file in sorted(folder.glob("*.jsonl")) for line in file.open()]
    assert sum(one.added for one in found) == len(lines)
    assert [document.text for document in store.documents()] == [line.strip() for line in lines]
    assert sum(one.known for one in import_path(store, folder)) == len(lines)


def test_another_spelling_is_the_same_row(store: Store, make_row: Row, tmp_path: Path) -> None:
    import_path(store, write(tmp_path / "a.jsonl", make_row(1)))
    text = json.dumps(make_row(1), sort_keys=True, separators=(",", ":"))
    (tmp_path / "b.jsonl").write_text(text + "\n\n", "utf-8")
    (found,) = import_path(store, tmp_path / "b.jsonl")
    assert (found.added, found.known) == (0, 1)


def test_a_contradiction_is_refused_whole(store: Store, make_row: Row, tmp_path: Path) -> None:
    import_path(store, write(tmp_path / "a.jsonl", make_row(1)))
    other = make_row(1, stability={"stable": False})
    with pytest.raises(InputError, match=r"another stability\.stable"):
        import_path(store, write(tmp_path / "b.jsonl", make_row(2), other))
    assert store.count() == 1


def test_a_bad_line_stores_nothing(store: Store, make_row: Row, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", make_row(1), make_row(2, latency_s=0))
    with pytest.raises(InputError, match=r"a\.jsonl:2: latency_s must be above 0"):
        import_path(store, file)
    assert store.count() == 0


def test_a_line_that_was_cut_off_is_left_out(store: Store, make_row: Row, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", make_row(1))
    file.write_bytes(file.read_bytes() + b'{"schema_version": 1, "mod')
    (found,) = import_path(store, file)
    assert found.added == 1
    assert "a.jsonl:2: not a whole row" in found.notes[0]


def test_many_rows_are_read_by_several_processes(
    store: Store, make_row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "CHUNK", 2)
    monkeypatch.setattr(parsing, "FEW", 3)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    file = write(tmp_path / "a.jsonl", *(make_row(n) for n in range(25)))
    (found,) = import_path(store, file)
    assert found.added == 25
    assert [d.text for d in store.documents()] == file.read_text().splitlines()


def test_nothing_is_stored_before_the_first_rows_were_read_and_claims_are_read_once(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "emissions.csv"
    line = "2025-01-01T00:00:00,mine,10{},0.1,0.02,0.001,0.002,0.023,1 x NVIDIA H100 80GB HBM3,1\n"
    head = "timestamp,project_name,duration,emissions,gpu_energy,cpu_energy,ram_energy,"
    head += "energy_consumed,gpu_model,gpu_count\n"
    file.write_text(head + "".join(map(line.format, range(3))), "utf-8")
    with pytest.raises(InputError, match=r"emissions\.csv:2: does not say model"):
        next(importing.sources(file))
    (source,) = importing.sources(file, parse_assumed(ASSUMED))
    file.unlink()
    assert importing.take_in(store, source).added == 3
    lines = [stored.row.conditions["imported"]["line"] for stored in store.rows()]
    assert lines == [2, 3, 4]


def test_emissions_of_codecarbon_become_claims(store: Store, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "emissions.csv"
    file.write_text(
        "timestamp,project_name,duration,emissions,gpu_energy,cpu_energy,ram_energy,"
        "energy_consumed,gpu_model,gpu_count\n"
        "2025-01-01T00:00:00,mine,100.5,0.1,0.02,0.001,0.002,0.023,1 x NVIDIA H100 80GB HBM3,1\n",
        "utf-8",
    )
    with pytest.raises(InputError, match=r"emissions\.csv:2: does not say model"):
        import_path(store, file)
    (found,) = import_path(store, file, parse_assumed((*ASSUMED, "source=a paper")))
    assert found.added == 1
    (stored,) = store.rows()
    row = stored.row
    assert (row.latency_s, dict(row.energy_wh)) == (100.5, {"gpu": 20.0, "cpu": 1.0, "ram": 2.0})
    imported = row.conditions["imported"]
    assert (imported["source"], imported["line"]) == ("a paper", 2)
    assert imported["assumed"]["fps"] == 16


@pytest.mark.parametrize(
    ("text", "message"),
    [("fps", "NAME=VALUE"), ("fps=fast", "not a number"), ("stesp=4", "did you mean 'steps'")],
)
def test_bad_assumptions(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_assumed((text,))


def test_diff_names_what_differs(make_row: Row, tmp_path: Path) -> None:
    left = write(tmp_path / "a.jsonl", make_row(1), make_row(2), make_row(3))
    changed = make_row(3, stability={"stable": False, "note": make_row(3)["stability"]["note"]})
    right = write(tmp_path / "b.jsonl", make_row(2), changed, make_row(4))
    with open_source(str(left)) as first, open_source(str(right)) as second:
        found = diff(first, second)
        digests = {d.digest: json.loads(d.text)["latency_s"] for d in first.documents()}
    assert [digests[name] for name in found.only_left] == [make_row(1)["latency_s"]]
    assert len(found.only_right) == found.same == 1
    assert [one.names for one in found.changed] == [("stability.stable",)]


def test_a_source_that_is_missing_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such store"), open_source(str(tmp_path / "x.db")):
        pass
    assert list(tmp_path.iterdir()) == []


def test_import_survives_a_closed_store(tmp_path: Path, make_row: Row) -> None:
    path = str(tmp_path / "rows.db")
    with open_store(path) as store:
        import_path(store, write(tmp_path / "a.jsonl", make_row(1)))
    with open_store(path, create=False) as store:
        assert store.count() == 1
