"""Rows that no store would take: kept in a file beside it, and stored when it answers again."""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kinowatt.campaign.store import Store
from kinowatt.errors import InputError
from kinowatt.lab.measurement import Measurement
from kinowatt.lab.rows import append_line

SUFFIX = ".rescued.jsonl"


def places(digest: str, store_name: str) -> Iterator[Path]:
    """Where a rescue file of a campaign may be, the best place first."""
    name = f"kinowatt-{digest[:16]}{SUFFIX}"
    if "://" not in store_name:
        yield Path(store_name).resolve().parent / name
    yield Path.cwd() / name
    yield Path(tempfile.gettempdir()) / name


def keep(digest: str, store_name: str, order_id: int, row: Mapping[str, Any]) -> Path | None:
    """Adds a row to the first file that takes it; None where none does."""
    for path in places(digest, store_name):
        with contextlib.suppress(OSError):
            append_line(path, {"store": store_name, "order_id": order_id, "row": row})
            return path
    return None


def restore(digest: str, store: Store) -> int:
    """Stores what was rescued of a campaign and removes the files; returns the rows stored."""
    stored = 0
    for path in dict.fromkeys(places(digest, store.name)):
        if path.exists():
            for line in path.read_bytes().split(b"\n"):
                with contextlib.suppress(ValueError):  # a line that was cut off
                    stored += _stored(json.loads(line), store)
            path.unlink()
    return stored


def _stored(record: Mapping[str, Any], store: Store) -> int:
    """1 where a rescued row was not there yet; a row whose order is gone is stored without."""
    try:
        if record["store"] == store.name:
            return int(store.finish(record["order_id"], "rescued", record["row"]))
    except InputError:
        pass
    return store.add([Measurement.from_dict(record["row"])]).added
