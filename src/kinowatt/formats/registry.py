"""The formats that are read: each is told by its content, and is one function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinowatt.errors import InputError
from kinowatt.formats.claims import Reading
from kinowatt.formats.mapping import Column

NO_TEXT = "is not a text in UTF-8; export it as CSV or JSON Lines"
Sniff = Callable[[str], bool]
Read = Callable[[str, str, Sequence[Column]], Reading]


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """One format: `sniff(text)` says whether a file is one; `read(file, text, mapping)` reads it."""

    name: str
    what: str
    sniff: Sniff
    read: Read


_FORMATS: dict[str, Format] = {}


def register(name: str, what: str, sniff: Sniff) -> Callable[[Read], Read]:
    """Adds a format; the first of those registered whose `sniff` says yes reads a file."""

    def add(read: Read) -> Read:
        if name in _FORMATS:
            raise ValueError(f"format {name!r} is registered twice")
        _FORMATS[name] = Format(name=name, what=what, sniff=sniff, read=read)
        return read

    return add


def formats() -> tuple[Format, ...]:
    """All formats, in the order in which they are tried."""
    from kinowatt.formats import known  # noqa: F401  (registers them)

    return tuple(_FORMATS.values())


def read_claims(path: str | Path, mapping: Sequence[Column] = ()) -> Reading:
    """What a file claims. `mapping` overrides and adds to what its format knows of its columns.

    Raises `InputError` in one line: no such file, no text, a format that is not read, a bad row.
    """
    path = Path(path)
    return read_text(path.name, _text(path), mapping)


def read_text(file: str, text: str, mapping: Sequence[Column] = ()) -> Reading:
    """As `read_claims`, of a text that somebody has at hand; `file`: what it is called."""
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise InputError(f"{file}: is empty")
    if "\0" in text:
        raise InputError(f"{file}: {NO_TEXT}")
    for candidate in formats():
        if candidate.sniff(text):
            return candidate.read(file, text, mapping)
    known = "; ".join(found.what for found in formats())
    raise InputError(f"{file}: not a format that is read; those are: {known}")


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path.name}: {NO_TEXT}") from None
