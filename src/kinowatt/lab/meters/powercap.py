"""Which zones of Linux's powercap hold energy that may be added up.

A package contains its cores; `psys` contains the packages; `intel-rapl-mmio` shows a package that
`intel-rapl` shows too. Memory (`dram`) is outside the package on servers. AMD's packages come
through the same driver. Kernel documentation: power/powercap/powercap.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinowatt.lab.meters.contract import MeterUnavailable, Scope

POWERCAP = Path("/sys/class/powercap")
MIRROR_TOLERANCE_J = 1.0  # what a package draws while two files are read one after the other
_ZONE = re.compile(r"([\w-]+)((?::\d+)+)")
_ROOT_ONLY = (
    "`sudo chmod a+r /sys/class/powercap/*/energy_uj` until the next boot; for good, put"
    ' SUBSYSTEM=="powercap", ACTION=="add", RUN+="/bin/chmod a+r /sys%p/energy_uj"'
    " into /etc/udev/rules.d/99-powercap.rules"
)
_UNMASK = (
    "start the container with `--security-opt systempaths=unconfined` (Docker) or"
    " `--security-opt unmask=/sys/devices/virtual/powercap` (Podman)"
)
_LOAD_DRIVER = "`sudo modprobe intel_rapl_msr` (AMD too; Linux 5.11 and newer)"
_BARE_METAL = "no setting helps: measure on bare metal, or take the model of `--meter codecarbon`"


@dataclass(frozen=True, kw_only=True, slots=True)
class Zone:
    """One counter: its folder, whose energy it is, and where it starts again at zero [J]."""

    folder: Path
    name: str
    scope: Scope
    range_j: float | None

    def energy_j(self) -> float:
        """Reads the counter; `OSError` or `ValueError` where it cannot be read."""
        return int((self.folder / "energy_uj").read_text("ascii")) / 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Zones:
    """The zones whose energies add up, and why each other zone is left out."""

    used: tuple[Zone, ...]
    left_out: dict[str, str]


def find_zones(root: Path = POWERCAP, *, virtualised: bool | None = None) -> Zones:
    """Packages (cpu) and their memory (ram), each once; `MeterUnavailable` with the exact fix.

    All packages must be readable: a sum without one of them would be too low. `virtualised`: what
    is known of the host, for the fix.
    """
    folders = sorted(_folders(root), key=lambda folder: ("mmio" in folder.name, folder.name))
    if not folders:
        if virtualised:
            raise MeterUnavailable("no powercap zones: a virtual machine hides RAPL", _BARE_METAL)
        raise MeterUnavailable("no powercap zones: no RAPL driver is loaded", _LOAD_DRIVER)
    if not any((folder / "name").exists() for folder in folders):
        raise MeterUnavailable("the container hides powercap (GHSA-jq35-85cj-fj4p)", _UNMASK)
    used: dict[str, Zone] = {}
    left_out: dict[str, str] = {}
    for folder in folders:
        name, scope, reason = _judge(folder)
        if scope is None:
            left_out[folder.name] = reason
        elif name in used and (_readable(used[name].folder) or not _readable(folder)):
            left_out[folder.name] = f"{used[name].folder.name} is the same {name}"
        else:
            if name in used:
                left_out[used[name].folder.name] = f"{folder.name} is the same {name}, readable"
            used[name] = Zone(folder=folder, name=name, scope=scope, range_j=_range_j(folder))
    if not any(zone.scope == "cpu" for zone in used.values()):
        raise MeterUnavailable("powercap has no zone of a CPU package", _LOAD_DRIVER)
    for zone in used.values():
        _require_readable(zone)
    return Zones(used=tuple(used.values()), left_out=left_out)


def without(zones: Zones, reasons: Mapping[str, str]) -> Zones:
    """The zones less those of some folders, with the reason for each."""
    used = tuple(zone for zone in zones.used if zone.folder.name not in reasons)
    return Zones(used=used, left_out={**zones.left_out, **reasons})


def mirrors(zones: Zones, seen_j: Sequence[Sequence[float]]) -> dict[str, str]:
    """Folders whose counter is another's, with the reason.

    `seen_j`: joules of every used zone, at several instants. Dies of one socket may each show the
    socket's counter under a name of their own: two counters that stand within 1 J of each other
    and both move are one.
    """
    columns = dict(zip(zones.used, zip(*seen_j, strict=True), strict=True))
    found: dict[str, str] = {}
    for zone, other in itertools.combinations(zones.used, 2):
        if other.folder.name not in found and _same(zone, other, columns[zone], columns[other]):
            found[other.folder.name] = f"its counter is that of {zone.folder.name}"
    return found


def _same(zone: Zone, other: Zone, first: Sequence[float], second: Sequence[float]) -> bool:
    together = all(abs(a - b) <= MIRROR_TOLERANCE_J for a, b in zip(first, second, strict=True))
    return zone.scope == other.scope and together and len(set(first)) > 1 and len(set(second)) > 1


def _folders(root: Path) -> Iterator[Path]:
    try:
        entries = list(root.iterdir())
    except OSError:
        return
    yield from (entry for entry in entries if _ZONE.fullmatch(entry.name))


def _judge(folder: Path) -> tuple[str, Scope | None, str]:
    """The zone's name across drivers, its scope, or why it has none."""
    name = _text(folder / "name")
    parent = folder.with_name(folder.name.rpartition(":")[0])
    inside = _text(parent / "name")
    if name.startswith("package"):
        return name, "cpu", ""
    if name == "dram":
        return f"{inside}/dram" if inside else "dram", "ram", ""
    if name == "psys":
        return name, None, "psys contains the packages"
    return name, None, f"{name or 'a zone without a name'} is inside {inside or 'another zone'}"


def _range_j(folder: Path) -> float | None:
    text = _text(folder / "max_energy_range_uj")
    return int(text) / 1e6 if text.isdigit() and int(text) else None


def _readable(folder: Path) -> bool:
    try:
        (folder / "energy_uj").read_bytes()
    except OSError:
        return False
    return True


def _require_readable(zone: Zone) -> None:
    try:
        zone.energy_j()
    except PermissionError:
        raise MeterUnavailable(
            f"{zone.folder.name}/energy_uj ({zone.name}) may be read by root alone"
            " (Linux 5.10 and newer, CVE-2020-8694)",
            _ROOT_ONLY,
        ) from None
    except (OSError, ValueError) as error:
        raise MeterUnavailable(
            f"{zone.folder.name}/energy_uj ({zone.name}) cannot be read: {error}", _BARE_METAL
        ) from None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, ValueError):
        return ""
