"""Which of the driver's reasons for slower clocks are faults, and what measurements say of them.

The power limit (`power_cap`) is how a GPU under full load runs; it is no fault. Shares are of
NVML's samples under a reason, as rows and microbenchmarks hold them under `throttled`.
"""

from collections.abc import Mapping
from typing import Any

from kinowatt.units import format_percent

FAULTS = ("hw_slowdown", "hw_thermal", "hw_power_brake", "sw_thermal")
TOLERATED = 0.01  # of the time


def faults(shares: Any) -> dict[str, float]:
    """The faults among reasons and their shares; empty where nothing was sampled."""
    known = shares if isinstance(shares, Mapping) else {}
    return {name: float(known[name]) for name in FAULTS if (known.get(name) or 0.0) > TOLERATED}


def row_faults(row: Mapping[str, Any]) -> dict[str, float]:
    """Of a measured row as a mapping: from its runs, or from the whole of its window."""
    told = faults((row.get("stability") or {}).get("throttled"))
    whole = faults((row.get("conditions") or {}).get("throttled"))
    return {
        name: max(found.get(name, 0.0) for found in (told, whole)) for name in {**told, **whole}
    }


def shown(found: Mapping[str, float]) -> str:
    """`sw_thermal 100%`, the greatest first."""
    ordered = sorted(found.items(), key=lambda each: -each[1])
    return ", ".join(f"{name} {format_percent(share)}" for name, share in ordered)


def bench_fault(bench: Mapping[str, Any]) -> str | None:
    """What is wrong with a microbench whose sustained work a fault slowed, in one line, or None."""
    held = [point["sustained"] for point in bench["points"] if point["sustained"]]
    seconds = sum(each["seconds"] for each in held)
    if not seconds:
        return None
    found = faults(
        {
            name: sum(each["seconds"] * _share(each, name) for each in held) / seconds
            for name in FAULTS
        }
    )
    if not found:
        return None
    name, share = max(found.items(), key=lambda each: each[1])
    return (
        f"{name} slowed the GPU's clocks for {format_percent(share)} of the sustained"
        f" work{_clocks(bench, held)}: the GPU is throttled, and what it did says nothing of a sound"
        " one; check its cooling and power supply (`kinowatt doctor`), then measure again"
    )


def _share(sustained: Mapping[str, Any], name: str) -> float:
    return float((sustained.get("throttled") or {}).get(name) or 0.0)


def _clocks(bench: Mapping[str, Any], held: list[Mapping[str, Any]]) -> str:
    """Of sustained work, weighed by its seconds, beside the highest that the GPU has."""
    known = [each for each in held if each.get("clock_mhz")]
    most = bench["conditions"].get("max_sm_clock_mhz")
    if not known or not most:
        return ""
    total = sum(each["clock_mhz"]["mean"] * each["seconds"] for each in known)
    return f" ({total / sum(each['seconds'] for each in known):.0f} MHz of {most:.0f})"
