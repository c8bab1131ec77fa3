"""Every conversion of units, and how numbers are written for people."""

JOULES_PER_WH = 3600.0
GIB = 2**30
TERA = 1e12
PETA = 1e15
GRAMS_PER_KG = 1000.0
WH_PER_KWH = 1000.0
SECONDS_PER_HOUR = 3600.0


def joules_to_wh(energy_j: float) -> float:
    return energy_j / JOULES_PER_WH


def wh_to_joules(energy_wh: float) -> float:
    return energy_wh * JOULES_PER_WH


def format_seconds(seconds: float) -> str:
    """`0.68 s`, `42.0 s`, `6 min 38 s`, `2 h 05 min`."""
    if seconds < 10:
        return f"{seconds:.3g} s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes:02d} min"


def format_wh(energy_wh: float) -> str:
    """`0.115 Wh`, `78.8 Wh`, `1.23 kWh`."""
    if energy_wh >= WH_PER_KWH:
        return f"{format_number(energy_wh / WH_PER_KWH)} kWh"
    if energy_wh < 0.01:
        return f"{format_number(energy_wh * 1000)} mWh"
    return f"{format_number(energy_wh)} Wh"


def format_number(value: float) -> str:
    """Three significant digits without an exponent: `0.115`, `78.8`, `1,336`."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    if abs(value) >= 1:
        return f"{value:.2f}"
    return f"{value:.3g}"


def format_flops(flops: float) -> str:
    """`11.2 GFLOP`, `28.6 PFLOP`."""
    for unit, size in (("E", 1e18), ("P", PETA), ("T", TERA), ("G", 1e9)):
        if abs(flops) >= size:
            return f"{format_number(flops / size)} {unit}FLOP"
    return f"{format_number(flops / 1e6)} MFLOP"


def format_bytes(size_bytes: float) -> str:
    """`512 MiB`, `5.93 GiB`, `12.4 TiB`."""
    for unit, size in (("TiB", 2**40), ("GiB", GIB)):
        if abs(size_bytes) >= size:
            return f"{format_number(size_bytes / size)} {unit}"
    return f"{format_number(size_bytes / 2**20)} MiB"


def format_percent(share: float) -> str:
    """A share of one as `12.3%`; below a tenth of a percent `<0.1%`."""
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{share * 100:.1f}%"
