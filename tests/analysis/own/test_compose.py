"""Everything of ours together."""

from kinowatt.analysis.own.compose import own
from kinowatt.analysis.own.models import NOTHING


def test_tables_without_any_row() -> None:
    found = own([])
    names = [table.name for table in found.tables]
    assert names == [f"measured_{name}" for name in ("models", "sweeps", "steps", "cost", "rows")]
    assert found.tables[2].rows[0]["measured_2026"] == NOTHING
    assert "0 rows, 0 groups; left out: none" in found.tables[-1].notes[0]


def test_every_group_has_a_line_with_its_meter(rows) -> None:
    table = own(rows).tables[-1]
    assert len(table.rows) == len(own(rows).groups)
    meters = [("no GPU meter" if group.first.meter is None else "GPU by nvml-counter")
              for group in own(rows).groups]  # fmt: skip
    said = [row["measured_2026"] for row in table.rows]
    assert all(any(meter in text for text in said) for meter in meters)
    assert sum("no GPU meter" in text for text in said) == meters.count("no GPU meter")
    assert "only once" in table.notes[0]
    assert all(table.to_json() for table in own(rows).tables)
