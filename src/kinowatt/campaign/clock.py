"""The clock of leases: one for all workers of a store, which no wall clock of a worker moves.

On PostgreSQL it is the server's (`clock_timestamp()`), read inside each statement. An SQLite file
serves the processes of one machine, so it is that machine's time since boot, suspended or not,
under the name of the boot: a lease of another boot has lapsed, as its worker cannot be alive.
Where a system has no such clock (other than Linux), its wall clock is used, and a jump forward
by more than a lease lets two workers take one order; `finish` still counts it once.
"""

import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def lease_clock(connection: sa.Connection) -> tuple[str, sa.ColumnElement[Any]]:
    """The clock's name, and the time now in seconds as an SQL expression."""
    if connection.dialect.name == "postgresql":
        return "server", sa.func.extract("epoch", sa.func.clock_timestamp()).cast(sa.Double)
    name, now_s = machine_clock()
    return name, sa.literal(now_s, sa.Double)


def machine_clock() -> tuple[str, float]:
    """Name and seconds of a clock that all processes of this machine share."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    try:
        boot = _BOOT.read_text("ascii").strip()
    except OSError:
        boot = ""
    if boottime is None or not boot:
        return "wall", time.time()
    return boot, time.clock_gettime(boottime)
