from pathlib import Path

import pytest

from kinowatt.campaign.store import Store, open_store
from kinowatt.errors import InputError


def test_a_trace_comes_back_bit_for_bit(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "rows.db")) as store:
        traces = store.traces()
        columns = {"time_s": [0.1, 0.1 + 0.2], "power_w": [1 / 3, None]}
        path = traces.write("abcdef", columns)
        assert path == tmp_path / "rows.db.traces" / "ab" / "abcdef.parquet"
        assert traces.read("abcdef") == columns
        assert [file.name for file in path.parent.iterdir()] == ["abcdef.parquet"]


@pytest.mark.parametrize("columns", [{"power_w": [1.0]}, {"time_s": [1.0], "power_w": []}])
def test_columns_that_are_no_trace(tmp_path: Path, columns: dict[str, list[float]]) -> None:
    with open_store(str(tmp_path / "rows.db")) as store, pytest.raises(InputError, match="time_s"):
        store.traces().write("ab", columns)


def test_a_row_without_a_trace(store: Store, url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no trace of row abc"):
        store.traces(str(tmp_path / "t")).read("abc")
    if "://" in url:
        with pytest.raises(InputError, match="in which folder"):
            store.traces()
