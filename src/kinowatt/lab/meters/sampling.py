"""The process that polls one GPU: `python -m kinowatt.lab.meters.sampling SOURCE INTERVAL_S`.

A process of its own, so that polling never takes the interpreter lock from the work that is
measured. It appends fixed-size records to its standard output, a file that the parent reads at
will, and ends when its standard input does: also when the parent is killed.
"""

import os
import select
import struct
import sys
import time

from kinowatt.errors import KinowattError
from kinowatt.lab.meters.contract import MeterUnavailable
from kinowatt.lab.meters.sources import Source, open_source

# time.perf_counter() [s], energy [mJ], instant and average power [W], SM and memory clock [MHz],
# temperature [°C], reasons for slower clocks [bits]
FIELDS = (
    "time_s",
    "energy_mj",
    "power_instant_w",
    "power_average_w",
    "sm_clock_mhz",
    "memory_clock_mhz",
    "temperature_c",
    "reasons",
)
RECORD = struct.Struct(f"{len(FIELDS)}d")
SLOW_EVERY = 5  # clocks and temperature change slowly, and each costs a call to the driver
ANY_FIX = "mend this, or measure with another meter"
UNAVAILABLE = 3  # exit status: the last two lines of standard error are the reason and the fix


def poll(source: Source, interval_s: float, out: int) -> None:
    """Appends a record every `interval_s` until standard input ends."""
    slow = source.slow()
    due = time.perf_counter()
    count = 0
    while True:
        count += 1
        if count % SLOW_EVERY == 0:
            slow = source.slow()
        fast = source.fast()
        os.write(out, RECORD.pack(time.perf_counter(), *fast, *slow))
        due = max(due + interval_s, time.perf_counter())
        ready, _, _ = select.select([0], [], [], max(0.0, due - time.perf_counter()))
        if ready and not os.read(0, 1):
            return


def main() -> int:
    name, interval_s = sys.argv[1], float(sys.argv[2])
    try:
        source = open_source(name)
    except KinowattError as error:
        why = (error.reason, error.fix) if isinstance(error, MeterUnavailable) else (error, ANY_FIX)
        sys.stderr.write("\n".join(map(str, why)))
        return UNAVAILABLE
    try:
        poll(source, interval_s, sys.stdout.fileno())
    finally:
        source.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
