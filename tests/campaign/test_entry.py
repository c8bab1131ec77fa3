"""What a row is found by: the same digests however they were come by."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinowatt.campaign import entry as entries
from kinowatt.campaign.entry import KEY, digest, entry
from kinowatt.lab.measurement import Measurement, identity
from store_rows import workload

Row = Callable[..., dict[str, Any]]


class Text(str):  # a text that is not exactly of JSON's type
    __slots__ = ()


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "_KNOWN", {})


def spelt(row: Measurement) -> tuple[str, str]:
    return digest({name: getattr(row, name) for name in KEY}), digest(identity(row))[:16]


def found(row: Measurement) -> tuple[str, str]:
    columns = entry(row).columns
    return columns["digest"], columns["alike"]


def test_digests_never_change(make_row: Row) -> None:
    assert found(Measurement.from_dict(make_row(1))) == (
        "5f175ea577e47db54b0aee43b53cc8095ad74e3f7c6ca70bae7fc2bfd8bb6d4c",
        "1609f1a159ccd1ef",
    )


def test_digests_of_the_committed_rows_are_those_of_all_they_name(root: Path) -> None:
    lines = (root / "data" / "measurements" / "h100-sxm.jsonl").read_text("utf-8").splitlines()
    rows = [Measurement.from_dict(json.loads(line)) for line in lines]
    assert [found(row) for row in rows + rows] == [spelt(row) for row in rows + rows]


def test_values_that_only_python_holds_equal_are_told_apart(make_row: Row) -> None:
    changed = ({"batch_size": 1}, {"video_s": 5}, {"video_s": 5.0}, {"extra": True}, {"extra": 1})
    rows = [Measurement.from_dict(make_row(1, workload=workload(**one))) for one in changed]
    assert len({found(row) for row in rows}) == len(changed)
    assert [found(row) for row in rows] == [spelt(row) for row in rows]


def test_a_derived_type_is_the_value_it_holds(make_row: Row) -> None:
    plain = make_row(1)
    derived = make_row(1, model=Text(plain["model"]), workload=workload(note=Text("a")))
    plain["workload"] = workload(note="a")
    assert found(Measurement.from_dict(derived)) == found(Measurement.from_dict(plain))


def test_what_is_kept_for_the_next_row_has_an_end(
    make_row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "_MOST", 3)
    rows = [Measurement.from_dict(make_row(1, workload=workload(seed=n % 5))) for n in range(12)]
    assert [found(row) for row in rows] == [spelt(row) for row in rows]
    assert len(entries._KNOWN) <= 3
