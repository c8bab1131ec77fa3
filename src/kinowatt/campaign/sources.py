"""Rows of a store, or of files as if they were one; and two sources side by side."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kinowatt.campaign.entry import differences
from kinowatt.campaign.importing import import_path
from kinowatt.campaign.reading import Filters
from kinowatt.campaign.store import Store, open_store
from kinowatt.rows import committed_files, is_committed, is_store


@contextmanager
def open_source(source: str) -> Iterator[Store]:
    """A store, or one that lasts as long as this block, filled from a file or folder of rows.

    `committed`: the rows that come with the package.
    """
    path = Path(source)
    files = committed_files() if is_committed(source) else [path]
    if is_store(source) or not files[0].exists() or path.suffix == ".db":
        with open_store(source, create=False) as store:
            yield store
        return
    with tempfile.TemporaryDirectory(prefix="kinowatt-") as folder:
        store = open_store(str(Path(folder) / "rows.db"))
        with store:
            for file in files:
                import_path(store, file)
            yield store


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """The same measurement with other values: dotted names of those that differ."""

    digest: str
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Digests of rows that only one source has, and of those that differ."""

    only_left: tuple[str, ...]
    only_right: tuple[str, ...]
    changed: tuple[Changed, ...]
    same: int


def diff(left: Store, right: Store, filters: Filters = None) -> Difference:
    """Compares rows by what they measured, whatever their ids and the spelling of their texts."""
    texts = {found.digest: found.text for found in right.documents(filters)}
    only_left, changed, same = [], [], 0
    for found in left.documents(filters):
        other = texts.pop(found.digest, None)
        if other is None:
            only_left.append(found.digest)
        elif names := _names(found.text, other):
            changed.append(Changed(digest=found.digest, names=names))
        else:
            same += 1
    return Difference(
        only_left=tuple(only_left), only_right=tuple(texts), changed=tuple(changed), same=same
    )


def _names(left: str, right: str) -> tuple[str, ...]:
    return () if left == right else tuple(differences(json.loads(left), json.loads(right)))
