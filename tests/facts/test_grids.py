"""Grids: figures with year, kind and licence; a user's rows on top."""

from pathlib import Path

import pytest

from kinowatt.errors import FactsError, UnknownNameError
from kinowatt.facts.grids import grid, grids

HEADER = "code,name,g_per_kwh,year,kind,licence,source\n"
STATES = 51


@pytest.mark.parametrize(
    ("code", "g_per_kwh", "year", "kind"),
    [
        ("FRA", 56.0, 2023, "life-cycle"),
        ("USA", 369.5, 2023, "life-cycle"),
        ("DEU", 380.9, 2023, "life-cycle"),
        ("GBR", 237.6, 2023, "life-cycle"),
        ("AFG", 132.5, 2022, "life-cycle"),
        ("EU", 243.8, 2023, "life-cycle"),
        ("WORLD", 480.8, 2023, "life-cycle"),
        ("US-CA", 179.1, 2023, "direct"),
    ],
)
def test_figures(code: str, g_per_kwh: float, year: int, kind: str) -> None:
    row = grids()[code]
    assert (row.g_per_kwh, row.year, row.kind) == (g_per_kwh, year, kind)


def test_what_there_is() -> None:
    states = [row for row in grids().values() if row.code.startswith("US-")]
    assert len(states) == STATES
    assert len(grids()) - STATES == 213
    assert {row.kind for row in states} == {"direct"}
    others = [row for row in grids().values() if row not in states]
    assert {row.kind for row in others} == {"life-cycle"}
    assert {row.licence for row in others} == {"CC BY 4.0"}
    assert all(row.g_per_kwh > 10 and row.year >= 2021 for row in grids().values())


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (" fr ", "FRA"),
        ("UK", "GBR"),
        ("united states", "USA"),
        ("us", "USA"),
        ("CA", "CAN"),
        ("us-ca", "US-CA"),
        ("Georgia", "GEO"),
        ("European Union", "EU"),
        ("world", "WORLD"),
    ],
)
def test_names(name: str, code: str) -> None:
    assert grid(name).code == code


def test_no_alias_has_two_meanings() -> None:
    taken: dict[str, str] = {}
    for row in grids().values():
        for text in (row.code, row.name, *row.aliases):
            assert taken.setdefault(text.upper(), row.code) == row.code


@pytest.mark.parametrize("name", ["", "XX", 7, None, ["FRA"]])
def test_unknown_grids(name: object) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown grid .*\(264 in all\)"):
        grid(name)  # type: ignore[arg-type]


def test_a_users_rows_add_and_replace(user_facts: Path) -> None:
    (user_facts / "grids.csv").write_text(
        HEADER + "fra,France,40,2026,life-cycle,own,meter\nCAMPUS,Campus,12,2026,direct,own,roof\n"
    )
    assert (grid("France").g_per_kwh, grid("France").source) == (40, "meter")
    assert grid("campus").kind == "direct"
    assert len(grids()) == 265


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("A,B,-1,2020,direct,c,d\n", "grids.csv:2: field 'g_per_kwh' must be from 0 to 3000"),
        ("A,B,3001,2020,direct,c,d\n", "grids.csv:2: field 'g_per_kwh' must be from 0 to 3000"),
        ("A,B,1,2020.5,direct,c,d\n", "grids.csv:2: field 'year' is 2020.5, not a year"),
        ("A,B,1,23,direct,c,d\n", "grids.csv:2: field 'year' is 23, not a year"),
        ("A,B,1,2020,odd,c,d\n", "grids.csv:2: field 'kind' is 'odd'; must be one of life-cycle"),
        ("A,B,1,2020,direct,c,d\na,B,2,2020,direct,c,d\n", "grids.csv:3: field 'code': A stands"),
    ],
)
def test_malformed_rows(user_facts: Path, rows: str, message: str) -> None:
    (user_facts / "grids.csv").write_text(HEADER + rows)
    with pytest.raises(FactsError) as caught:
        grids()
    assert str(caught.value).startswith(message)
