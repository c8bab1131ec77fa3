"""Every conversion of units, and how numbers are written for people."""

import math
from collections.abc import Callable

JOULES_PER_WH = 3600.0
GIB = 2**30
TERA = 1e12
PETA = 1e15
GRAMS_PER_KG = 1000.0
WH_PER_KWH = 1000.0
SECONDS_PER_HOUR = 3600.0
MS_PER_S = 1000.0
US_PER_S = 1e6
MHZ_PER_GHZ = 1000.0

# What a unit is in the base unit of its dimension; case tells mWh from MWh
UNITS = {
    "time": {"s": 1.0, "us": 1e-6, "ms": 1e-3, "min": 60.0, "h": SECONDS_PER_HOUR},
    "energy": {
        "Wh": 1.0,
        "mWh": 1e-3,
        "kWh": WH_PER_KWH,
        "MWh": 1e6,
        "J": 1 / JOULES_PER_WH,
        "mJ": 1e-3 / JOULES_PER_WH,
        "kJ": 1e3 / JOULES_PER_WH,
        "MJ": 1e6 / JOULES_PER_WH,
    },
    "power": {"W": 1.0, "mW": 1e-3, "kW": 1e3},
}
BASE_UNIT = {dimension: next(iter(units)) for dimension, units in UNITS.items()}

_WH = (("GWh", 1e9), ("MWh", 1e6), ("kWh", 1e3), ("Wh", 1.0))
_GRAMS = (("t", 1e6), ("kg", GRAMS_PER_KG), ("g", 1.0))
_FLOP = (("EFLOP", 1e18), ("PFLOP", PETA), ("TFLOP", TERA), ("GFLOP", 1e9), ("MFLOP", 1e6))
_PIXELS = (("Gpx", 1e9), ("Mpx", 1e6))
_BYTES = (("TiB", 2.0**40), ("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10))


def joules_to_wh(energy_j: float) -> float:
    """Joules to watt-hours."""
    return energy_j / JOULES_PER_WH


def wh_to_joules(energy_wh: float) -> float:
    """Watt-hours to joules."""
    return energy_wh * JOULES_PER_WH


def to_base(value: float, dimension: str, unit: str) -> float:
    """A value in `unit` as seconds, watt-hours or watts; dimension: time, energy or power."""
    return value * UNITS[dimension][unit]


def format_number(value: float) -> str:
    """Three significant digits, all of a whole number: `0.115`, `78.8`, `1,336`."""
    if value == 0:
        return "0"
    if abs(value) < 100:
        value = float(f"{value:.2e}")  # 9.999 has three digits as 10.0, not as 10.00
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def round_up(value: float) -> float:
    """To three significant digits, never below: `87.31` is `87.4`."""
    return _rounded(value, math.ceil)


def round_down(value: float) -> float:
    """To three significant digits, never above: `5.0625` is `5.06`."""
    return _rounded(value, math.floor)


def _rounded(value: float, way: Callable[[float], int]) -> float:
    exponent = math.floor(math.log10(value)) - 2
    if exponent >= 0:
        return float(way(value / 10**exponent) * 10**exponent)
    return float(way(value * 10**-exponent) / 10**-exponent)


def format_seconds(seconds: float) -> str:
    """`4.20 ms`, `0.680 s`, `42.0 s`, `1 min 38 s`, `2 h 05 min`."""
    if 0 < abs(seconds) < 0.00999:
        return f"{format_number(seconds * 1000)} ms"
    if seconds < 59.95:
        return f"{format_number(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes:02d} min"


def format_wh(energy_wh: float) -> str:
    """`7.40 mWh`, `0.115 Wh`, `78.8 Wh`, `1.23 kWh`."""
    if 0 < abs(energy_wh) < 0.00999:
        return f"{format_number(energy_wh * 1000)} mWh"
    return _scaled(energy_wh, _WH)


def format_grams(mass_g: float) -> str:
    """`0.412 g`, `85.9 kg`, `1.20 t`."""
    return _scaled(mass_g, _GRAMS)


def format_flops(flops: float) -> str:
    """`11.2 GFLOP`, `28.6 PFLOP`."""
    return _scaled(flops, _FLOP)


def format_pixels(pixels: float) -> str:
    """`32.3 Mpx`, `1.35 Gpx`."""
    return _scaled(pixels, _PIXELS)


def format_bytes(size_bytes: float) -> str:
    """`512 MiB`, `5.93 GiB`, `12.4 TiB`."""
    return _scaled(size_bytes, _BYTES)


def format_percent(share: float) -> str:
    """A share of one as `12.3%`; below a tenth of a percent `<0.1%`."""
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{share * 100:.1f}%"


def _scaled(value: float, units: tuple[tuple[str, float], ...]) -> str:
    """In the largest unit of which there is at least one, else in the smallest."""
    found = (unit for unit in units if _reaches(value, unit[1]))
    name, size = next(found, units[-1])
    return f"{format_number(value / size)} {name}"


def _reaches(value: float, size: float) -> bool:
    """Whether a value is at least `size` once it is written with three digits."""
    return abs(float(f"{value / size:.2e}")) >= 1
