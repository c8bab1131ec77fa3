"""CodeCarbon beside the energy counter of NVML on the same runs of Wan-1.3B at 480x832x33.

Not named after the library: a module of that name would hide it where this folder is searched.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from experiments.equipment import Asked, Log, asked, open_lab
from kinowatt.facts.models import model
from kinowatt.lab.measure import twin_size
from kinowatt.lab.measurement import Measurement

MODEL = "wan2.1-t2v-1.3b"
METERS = ("nvml-counter", "nvml-power-instant", "codecarbon", "ram-v3")
REQUEST = {
    "protocol": "full",
    "frames": 33,
    "idle_s": 6.0,
    "warmup": 1,
    "warmup_steps": 2,
    "runs": 2,
    "isolate": False,
}
COST_S = {"build": 15.0, "idle": 8.0, "warm-up": 8.0, "two runs": 44.0}


def beside(readings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each reading of a window, and its joules over those of the scope's first meter."""
    first: dict[str, float] = {}
    found = []
    for reading in readings:
        joules = reading["energy_j"]
        if joules is not None:
            first.setdefault(reading["scope"], joules)
        ratio = None if joules is None else joules / first[reading["scope"]]
        kept = ("scope", "meter", "method", "window_s", "energy_j", "reason")
        found.append({name: reading[name] for name in kept} | {"over_first": ratio})
    return found


def measured(wanted: Asked) -> dict[str, Any]:
    """A row of protocol `full` with four meters, and how they compare over all its runs."""
    session = open_lab(MODEL, wanted, METERS)
    try:
        small = {**twin_size(model(MODEL)), "idle_s": 0.0, "runs": 1} if wanted.twin else {}
        row = Measurement.from_dict(session.measure(REQUEST | small))
    finally:
        session.close()
    compared = beside(row.conditions["readings"])
    told = ", ".join(
        f"{each['scope']} {each['meter']} {each['over_first']:.4f}"
        for each in compared
        if each["over_first"]
    )
    return {"told": told, "compared": compared, "row": row.to_dict()}


def main(argv: Sequence[str] | None = None) -> None:
    wanted = asked(__doc__, COST_S, argv)
    log = Log("codecarbon", wanted)
    part = {"model": MODEL, "meters": list(METERS)}
    log.carry_out((each, partial(measured, wanted)) for each in log.left([part]))


if __name__ == "__main__":
    main()
