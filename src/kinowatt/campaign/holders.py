"""Names of those who hold orders, by which a later process knows whether they can still be alive.

A name is HOST/BOOT/NAMESPACE/PID/START/SLOT. Only a process of the same boot and the same
namespace of processes can judge; of others, the lease alone tells.
"""

import os
import platform
from pathlib import Path

from kinowatt.campaign.clock import machine_clock

_PROC = Path("/proc")


def own_name() -> str:
    """What this process is called; a slot's name is appended."""
    return "/".join((*_machine(), str(os.getpid()), _started(os.getpid()) or "0"))


def _machine() -> tuple[str, str, str]:
    try:
        namespace = str((_PROC / "self/ns/pid").readlink())
    except OSError:
        namespace = "-"
    return platform.node().replace("/", "-") or "-", machine_clock()[0], namespace


def known_dead(name: str) -> bool:
    """Whether the process behind a name has certainly ended."""
    parts = name.split("/")
    if len(parts) < 6 or not parts[3].isdecimal():
        return False
    host, boot, namespace = _machine()
    if parts[0] != host or boot == "wall":
        return False
    if parts[1] != boot:
        return True  # this host was started anew
    return parts[2] == namespace and _started(int(parts[3])) != parts[4]


def _started(pid: int) -> str | None:
    """When a process was started, in ticks since boot; None where there is none (or a zombie)."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]
