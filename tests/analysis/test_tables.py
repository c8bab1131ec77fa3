import csv
import io
import json

import pytest

from kinowatt.analysis.tables import Table, cell

TABLE = Table(
    name="t",
    title="A title",
    columns=("name", "value"),
    rows=({"name": "a, b", "value": 1 / 3}, {"name": "c", "value": None}),
    notes=("A note.",),
)


def test_json_keeps_every_digit() -> None:
    assert json.loads(TABLE.to_json()) == [dict(row) for row in TABLE.rows]


def test_csv_keeps_every_digit() -> None:
    first, second = csv.DictReader(io.StringIO(TABLE.to_csv()))
    assert (first["name"], float(first["value"])) == ("a, b", 1 / 3)
    assert second["value"] == ""


def test_markdown_rounds() -> None:
    assert TABLE.to_markdown() == (
        "**A title**\n\n| name | value |\n| --- | --- |\n| a, b | 0.3333 |\n| c | – |\n\n- A note.\n"
    )


def test_not_a_number_is_refused() -> None:
    broken = Table(name="t", title="", columns=("x",), rows=({"x": float("nan")},))
    with pytest.raises(ValueError, match="JSON compliant"):
        broken.to_json()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (True, "yes"),
        (0.0, "0"),
        (12, "12"),
        (14.0059, "14.01"),
        (1874.77, "1,875"),
        (1.836e17, "1.836·10¹⁷"),
        (2.5e-5, "2.500·10⁻⁵"),
        ("text", "text"),
    ],
)
def test_cells(value: object, text: str) -> None:
    assert cell(value) == text
