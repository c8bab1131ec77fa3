"""YAML as plain data, with the line of everything in it, and errors that name file and line."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from kinowatt.errors import InputError, require_extra

Trail = tuple[str | int, ...]
MAX_BYTES = 4_000_000
MAX_DEPTH = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """The content of a plan's file; `lines` by the trail of keys and indices to a value."""

    file: str
    data: Any
    lines: Mapping[Trail, int]

    def where(self, trail: Trail) -> str:
        """`FILE:LINE: dotted.trail`, the line being that of the nearest thing that has one."""
        known = trail
        while known not in self.lines and known:
            known = known[:-1]
        return f"{self.file}:{self.lines.get(known, 1)}: {dotted(trail) or 'the plan'}"

    def fail(self, trail: Trail, message: str) -> NoReturn:
        raise InputError(f"{self.where(trail)} {message}")


def dotted(trail: Trail) -> str:
    """`blocks[0].grid.frames`."""
    found = ""
    for part in trail:
        found += f"[{part}]" if isinstance(part, int) else f".{part}" if found else part
    return found


def read_text(path: Path) -> Text:
    """The file as plain data; `InputError` for what cannot be read or is no YAML."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise InputError(f"{path}: {len(raw):,} bytes; a plan has at most {MAX_BYTES:,}")
    try:
        return parse(path.name, raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8") from None


def parse(file: str, text: str) -> Text:
    """YAML (or JSON, which is YAML too) without tags of Python, each key given once."""
    yaml: Any = require_extra("campaign", "yaml")
    lines: dict[Trail, int] = {}
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        data = None if node is None else _data(file, loader, node, (), lines)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        raise InputError(f"{file}:{line}: not YAML: {problem}") from None
    except RecursionError:
        raise InputError(f"{file}: nested too deeply") from None
    except ValueError as error:  # a date like 2026-13-45
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: {error}") from None
    finally:
        loader.dispose()
    return Text(file=file, data=data, lines=lines)


def _data(file: str, loader: Any, node: Any, trail: Trail, lines: dict[Trail, int]) -> Any:
    line = node.start_mark.line + 1
    lines[trail] = line
    if len(trail) > MAX_DEPTH or len(lines) > MAX_BYTES:
        raise InputError(f"{file}:{line}: nested too deeply, or an anchor that holds itself")
    if node.id == "scalar":
        return loader.construct_object(node)
    if node.id == "sequence":
        return [
            _data(file, loader, item, (*trail, index), lines)
            for index, item in enumerate(node.value)
        ]
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node)
        place = key_node.start_mark.line + 1
        if not isinstance(key, str):
            hint = " (YAML reads on, off, yes, no as flags)" if isinstance(key, bool) else ""
            raise InputError(f"{file}:{place}: the key {key!r} must be a text{hint}: quote it")
        if key in found:
            raise InputError(f"{file}:{place}: {dotted((*trail, key))} stands there twice")
        found[key] = _data(file, loader, value_node, (*trail, key), lines)
        lines[(*trail, key)] = place
    return found
