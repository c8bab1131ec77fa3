"""What is in a body, and the JSON of an answer: plain dicts, or columns.

Nothing here needs the web stack, so that processes that do a server's work start without it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from kinowatt.errors import InputError

LONGEST = 200  # characters of a name


class RefusedError(Exception):
    """A request that HTTP itself refuses, with its status."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)  # all of them, as another process may raise it
        self.status = status
        self.detail = detail
        self.headers = headers or {}


def dumps(value: Any) -> bytes:
    """JSON without NaN (null instead); arrays are lists, dataclasses as their `to_dict`."""
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # half a surrogate pair, which texts of a row may hold
        return json.dumps(value, default=_plain, allow_nan=False).encode()


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # arrays that orjson can't read in place, and NumPy scalars
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "to_dict"):  # for what orjson does not write
        return value.to_dict()
    raise TypeError(type(value).__name__)


def read(content: bytes) -> dict[str, Any]:
    """The object in a body; what is null counts as not given."""
    try:
        found = orjson.loads(content)
    except ValueError as error:
        raise RefusedError(400, f"the body is not JSON: {str(error)[:120]}") from None
    if not isinstance(found, dict):
        raise InputError('the body must be a JSON object, e.g. {"model": "wan2.1-t2v-1.3b"}')
    return {name: value for name, value in found.items() if value is not None}


def needed(given: dict[str, Any], name: str) -> Any:
    """Takes a field out of a body, which must have it."""
    if name not in given:
        raise InputError(f"{name} is missing")
    return given.pop(name)


def listed(given: dict[str, Any], name: str, most: int) -> Sequence[Any]:
    """Takes a list out of a body, of at most so many; empty where it is not given."""
    found = given.pop(name, [])
    if not isinstance(found, list):
        raise InputError(f"{name} must be a list, not {found!r:.60}")
    if len(found) > most:
        raise InputError(f"{name} has {len(found)} items, at most {most} are answered at once")
    return found


def flag(given: dict[str, Any], name: str) -> bool:
    """Takes true or false out of a body; false where it is not given."""
    found = given.pop(name, False)
    if not isinstance(found, bool):
        raise InputError(f"{name} must be true or false, not {found!r:.60}")
    return found


def text(given: dict[str, Any], name: str) -> str:
    """A short text of one line out of a body."""
    found = given[name]
    if not isinstance(found, str) or not 0 < len(found) <= LONGEST or not found.isprintable():
        raise InputError(f"{name} must be a text of one line, not {found!r:.60}")
    return found
