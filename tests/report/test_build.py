"""The report: one file, no network, every table and figure beside it."""

import csv
import json
import re

import pytest

pytest.importorskip("matplotlib")

from kinowatt.app.reproducing import run
from kinowatt.errors import InputError
from kinowatt.report.build import build


@pytest.fixture(scope="module")
def out(reproduced):
    return reproduced


def test_files(out) -> None:
    folder, summary = out
    for n in range(1, 8):
        rows = json.loads((folder / "tables" / f"table{n}.json").read_text())
        with (folder / "tables" / f"table{n}.csv").open() as file:
            assert len(list(csv.DictReader(file))) == len(rows)
        assert (folder / "tables" / f"table{n}.md").read_text().startswith("**Table")
    for n in range(1, 6):
        assert (folder / "figures" / f"figure{n}.png").read_bytes()[:4] == b"\x89PNG"
        assert "<svg" in (folder / "figures" / f"figure{n}.svg").read_text()
    assert summary["claims"] == 19


def test_table3_contract(out) -> None:
    rows = json.loads((out[0] / "tables" / "table3.json").read_text())
    assert len(rows) == 6
    needed = {"sweep", "quantity", "paper_pct", "recomputed_pct", "recomputed_signed_pct"}
    needed |= {"corrected_pct", "heldout_pct"}
    assert all(needed <= set(row) for row in rows)


def test_self_contained(out) -> None:
    page = (out[0] / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert "<script" not in page
    assert "@import" not in page
    for link in re.findall(r'href="([^#"][^"]*)"', page):
        assert (out[0] / link).is_file(), link
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_same_bytes_again(out, tmp_path) -> None:
    """Pixels aside, which take longest and are drawn from the same figures."""
    run(str(tmp_path), lambda text: None, ("svg",))
    for name in ("report.html", "figures/figure3.svg", "tables/table3.csv"):
        assert (tmp_path / name).read_bytes() == (out[0] / name).read_bytes()
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".svg"}


def test_a_file_is_no_folder(tmp_path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError, match="needs a folder"):
        build(str(tmp_path / "x"))
