"""The detectors in one place: a new one is one function with its registration."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module

from kinowatt.analysis.audit.case import Case
from kinowatt.analysis.audit.flags import Flag

Detect = Callable[[Case], Iterator[Flag]]
MODULES = ("cells", "power", "meters", "sums", "copies", "labels", "shapes", "sequence")


@dataclass(frozen=True, kw_only=True, slots=True)
class Detector:
    """One kind of flag: what it finds, by which rule, and how."""

    kind: str
    finds: str
    rule: str
    detect: Detect


_DETECTORS: dict[str, Detector] = {}


def detector(kind: str, finds: str, rule: str) -> Callable[[Detect], Detect]:
    """Registers the detector of one kind of flag; `rule` states its threshold."""

    def add(detect: Detect) -> Detect:
        if kind in _DETECTORS:
            raise ValueError(f"detector {kind!r} is registered twice")
        _DETECTORS[kind] = Detector(kind=kind, finds=finds, rule=rule, detect=detect)
        return detect

    return add


def detectors() -> Mapping[str, Detector]:
    """All detectors by the kind of their flags."""
    for name in MODULES:
        import_module(f"kinowatt.analysis.audit.{name}")
    return dict(_DETECTORS)
