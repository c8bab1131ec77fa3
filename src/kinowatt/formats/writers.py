"""The formats that are written: each is one function, registered in `written.py`."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kinowatt.errors import InputError, unknown_name


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row: its JSON text, exactly, and `alike`, equal for rows that may be averaged."""

    document: str
    alike: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a format may ask: a grid for emissions, a title and a licence for what is published."""

    grid: str | None = None
    title: str | None = None
    licence: str | None = None


Text = Callable[[Iterable[Row], Options], Iterator[str]]  # pieces of one text
Files = Callable[[Iterable[Row], Options, Path], None]  # fills a path that does not exist


@dataclass(frozen=True, kw_only=True, slots=True)
class Writer:
    """One format: a text that may go to a terminal, or files at a path."""

    name: str
    what: str
    text: Text | None = None
    files: Files | None = None


_WRITERS: dict[str, Writer] = {}


def register(writer: Writer) -> None:
    """Adds a format; refuses a second of the same name."""
    if writer.name in _WRITERS:
        raise ValueError(f"writer {writer.name!r} is registered twice")
    _WRITERS[writer.name] = writer


def writers() -> Mapping[str, Writer]:
    """All formats by name."""
    from kinowatt.formats import written  # noqa: F401  (registers them)

    return _WRITERS


def writer(name: str) -> Writer:
    """A format by name; `UnknownNameError` offers the nearest."""
    found = writers().get(name)
    if found is None:
        raise unknown_name("format", name, writers())
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where an export goes; nothing is overwritten unless `force`."""

    path: Path
    force: bool = False
    options: Options = field(default_factory=Options)


def write(name: str, rows: Iterable[Row], target: Target) -> None:
    """Writes whole or not at all: beside the target first, then in its place."""
    path = target.path
    if path.exists() and not target.force:
        raise InputError(f"{path} is there already; another name, or --force")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _fill(writer(name), rows, target.options, partial)
        _remove(path)
        partial.rename(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        _remove(partial)


def _fill(chosen: Writer, rows: Iterable[Row], options: Options, path: Path) -> None:
    if chosen.files:
        chosen.files(rows, options, path)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(pieces(chosen, rows, options))


def pieces(chosen: Writer, rows: Iterable[Row], options: Options) -> Iterator[str]:
    """The text of a format; `InputError` for one that is files."""
    if chosen.text is None:
        raise InputError(f"{chosen.name} is no text for a terminal; give -o PATH")
    return chosen.text(rows, options)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def table(value: Any) -> Mapping[str, Any]:
    """A part of a row that should be an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}
