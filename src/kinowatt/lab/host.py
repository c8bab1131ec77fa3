"""Facts about this machine: CPU, cores, memory and its limit, virtual machine, container, OS.

Read from `/proc` and `/sys` (Linux); elsewhere what cannot be told is None.
"""

import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from kinowatt.units import GIB

ROOT = Path("/")
# What a virtual machine's firmware calls itself (systemd's detect-virt looks at the same fields).
_VIRTUAL_FIRMWARE = re.compile(
    r"QEMU|KVM|VMware|VirtualBox|innotek|Xen|Bochs|Parallels|OpenStack|Google Compute Engine"
    r"|Virtual Machine|Apple Virtualization",
    re.IGNORECASE,
)
_CONTAINER_FILES = {".dockerenv": "docker", "run/.containerenv": "podman"}
_CONTAINER_FILES |= {".singularity.d": "apptainer"}
_CONTAINER_CGROUPS = re.compile(r"kubepods|docker|containerd|libpod|lxc")


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """How much memory work can use here, and where that was read."""

    size_gib: float
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """One machine as a row records it; None where it does not say.

    `usable_cores`: logical cores that this process may use (affinity and cgroup quota; 0.5 is half
    a core). `memory`: the machine's, or the cgroup's limit where that is smaller.
    `virtualised`: None where neither the CPU nor the firmware tells.
    """

    os: str
    kernel: str
    architecture: str
    python: str
    cpu_model: str | None
    sockets: int | None
    physical_cores: int | None
    logical_cores: int
    usable_cores: float
    memory: Memory | None
    virtualised: bool | None
    hypervisor: str | None
    container: str | None

    @property
    def arm(self) -> bool:
        return self.architecture.lower().startswith(("arm", "aarch"))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def host(root: Path = ROOT) -> Host:
    """Looks at this machine; `root` stands for `/` in tests."""
    cpuinfo = _text(root / "proc/cpuinfo")
    sockets, physical = _cores(cpuinfo)
    virtualised, hypervisor = _virtual(root, cpuinfo)
    return Host(
        os=_os_name(root),
        kernel=platform.release(),
        architecture=platform.machine(),
        python=platform.python_version(),
        cpu_model=_first(r"^(?:model name|Model)\s*:\s*(.+)$", cpuinfo),
        sockets=sockets,
        physical_cores=physical,
        logical_cores=os.cpu_count() or 1,
        usable_cores=_usable_cores(root),
        memory=memory(root),
        virtualised=virtualised,
        hypervisor=hypervisor,
        container=_container(root),
    )


def memory(root: Path = ROOT) -> Memory | None:
    """The machine's memory, or the smallest limit of the cgroups around this process."""
    total = _machine_memory(root)
    if total is None:
        return None
    found = [(limit, source) for limit, source in _memory_limits(root) if limit < total[0]]
    size_bytes, source = min([total, *found])
    return Memory(size_gib=size_bytes / GIB, source=source)


def version_of(package: str) -> str | None:
    """The installed version of a package, without importing it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def module_environment() -> dict[str, str]:
    """The environment in which a child process finds the same modules as this one."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _machine_memory(root: Path) -> tuple[float, str] | None:
    kib = _first(r"^MemTotal:\s+(\d+) kB$", _text(root / "proc/meminfo"))
    if kib is not None:
        return int(kib) * 1024.0, "machine (MemTotal)"
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")), "machine (sysconf)"
    except (ValueError, OSError):
        return None


def _memory_limits(root: Path) -> Iterator[tuple[float, str]]:
    for version, folder in _cgroups(root, "memory"):
        name = "memory.max" if version == 2 else "memory.limit_in_bytes"
        text = _text(folder / name).strip()
        if text.isdigit():
            yield float(text), f"cgroup v{version} ({name})"


def _cgroups(root: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """Version and folder of every cgroup that holds this process, from the inside out."""
    mounted = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        own = PurePosixPath(path.lstrip("/"))
        inside_out = [own, *own.parents]
        if number == "0" and not controllers:
            yield from ((2, mounted / level) for level in inside_out)
        elif controller in controllers.split(","):
            yield from ((1, mounted / controller / level) for level in inside_out)


def _usable_cores(root: Path) -> float:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    allowed = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min([float(allowed), *_core_quotas(root)])


def _core_quotas(root: Path) -> Iterator[float]:
    for version, folder in _cgroups(root, "cpu"):
        if version == 2:
            quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
        else:
            quota = _text(folder / "cpu.cfs_quota_us").strip()
            period = _text(folder / "cpu.cfs_period_us").strip()
        if quota.isdigit() and period.isdigit():
            yield int(quota) / int(period)


def _cores(cpuinfo: str) -> tuple[int | None, int | None]:
    """Sockets and physical cores; x86 names both, ARM neither."""
    pairs = {
        (_first(r"^physical id\s*:\s*(\d+)$", block), _first(r"^core id\s*:\s*(\d+)$", block))
        for block in cpuinfo.split("\n\n")
        if "core id" in block
    }
    return len({socket for socket, _ in pairs}) or None, len(pairs) or None


def _virtual(root: Path, cpuinfo: str) -> tuple[bool | None, str | None]:
    """Whether this is a virtual machine, and what it calls itself."""
    dmi = root / "sys/class/dmi/id"
    firmware = " ".join(
        filter(None, (_text(dmi / name).strip() for name in ("sys_vendor", "product_name")))
    )
    kind = _text(root / "sys/hypervisor/type").strip()
    flags = _first(r"^flags\s*:\s*(.+)$", cpuinfo)
    named = firmware if _VIRTUAL_FIRMWARE.search(firmware) else None
    if flags is not None and "hypervisor" in flags.split():
        return True, firmware or kind or None
    if named or kind or (root / "proc/device-tree/hypervisor").exists():
        return True, named or kind or None
    return (False if flags is not None else None), None


def _container(root: Path) -> str | None:
    """The container's runtime, or None outside of any."""
    for name, runtime in _CONTAINER_FILES.items():
        if (root / name).exists():
            return runtime
    environment = _text(root / "proc/1/environ").split("\0")
    named = [text.removeprefix("container=") for text in environment if "container=" in text[:10]]
    found = _CONTAINER_CGROUPS.search(_text(root / "proc/1/cgroup"))
    return next(iter(named), None) or (found.group() if found else None)


def _os_name(root: Path) -> str:
    name = _first(r'^PRETTY_NAME="?([^"\n]+)"?$', _text(root / "etc/os-release"))
    return name or f"{platform.system()} {platform.release()}"


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1).strip() if found else None


def _text(path: Path) -> str:
    """What a file holds, or nothing where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
