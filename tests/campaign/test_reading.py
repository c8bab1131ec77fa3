"""How a page is looked up; what it holds is the contract of a store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kinowatt.campaign import reading
from kinowatt.campaign.database import CACHE_KIB, FILLING_KIB, Database
from kinowatt.campaign.store import Store, open_store
from kinowatt.lab.measurement import Measurement
from store_rows import workload

Row = Callable[..., dict[str, Any]]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    open_store(str(tmp_path / "rows.db")).close()
    return Database(str(tmp_path / "rows.db"))


def plan(database: Database, filters: list[str]) -> str:
    """What SQLite does to choose the rows of a page, before it looks up their texts."""
    statement = reading._behind(5, filters, 101)
    values = {"compile_kwargs": {"literal_binds": True}}
    text = str(statement.compile(dialect=database.engine.dialect, **values))
    with database.reading() as connection:
        steps = [row.detail for row in connection.execute(sa.text(f"EXPLAIN QUERY PLAN {text}"))]
    database.close()
    return "; ".join(steps[: next(n for n, step in enumerate(steps) if step.startswith("SCAN "))])


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        (["model=a", "steps>=12", "latency_s>1"], "INDEX measurements_by_model (model=? AND id>?)"),
        (["gpu=a", "taken_at>=2026-01-01"], "INTEGER PRIMARY KEY (rowid>?)"),
        ([], "INTEGER PRIMARY KEY (rowid>?)"),
    ],
)
def test_a_page_is_read_in_order_and_not_sorted(
    database: Database, filters: list[str], index: str
) -> None:
    found = plan(database, filters)
    assert found.endswith(f"SEARCH measurements USING {index}")
    assert "B-TREE" not in found


def test_pages_of_a_filter_hold_each_row_once_in_order(store: Store, make_row: Row) -> None:
    rows = [make_row(n, workload=workload(steps=n % 3 + 1)) for n in range(20)]
    store.add(Measurement.from_dict(row) for row in rows)
    pages, after = [], None
    while True:
        page = store.measurements(["model=wan2.1-t2v-1.3b", "steps>=2"], after, 4)
        pages.append([found.row.to_dict() for found in page.rows])
        if (after := page.after) is None:
            break
    assert [len(page) for page in pages] == [4, 4, 4, 1]
    assert [row for page in pages for row in page] == [
        row for row in rows if row["workload"]["steps"] >= 2
    ]


def test_only_a_transaction_of_many_rows_takes_a_large_cache(database: Database) -> None:
    def cache(transaction: Any) -> Any:
        with transaction as connection:
            return connection.exec_driver_sql("PRAGMA cache_size").scalar()

    kinds = (database.writing, database.filling, database.reading, database.filling)
    sizes = [cache(kind()) for kind in kinds]
    database.close()
    assert sizes == [-CACHE_KIB, -FILLING_KIB, -CACHE_KIB, -FILLING_KIB]
