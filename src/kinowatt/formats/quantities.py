"""What a column can mean: quantities by name, and how their texts are read."""

from collections.abc import Mapping

from kinowatt.errors import InputError, unknown_name
from kinowatt.formats.claims import EVERYTHING, SETTINGS, UNSTATED
from kinowatt.units import BASE_UNIT, UNITS

SCOPES = {"gpu": "gpu", "cpu": "cpu", "ram": "ram", "total": EVERYTHING}
ENERGIES = {"energy_wh": UNSTATED, **{f"energy_wh_{name}": key for name, key in SCOPES.items()}}
POWERS = {"power_w": UNSTATED, **{f"power_w_{name}": key for name, key in SCOPES.items()}}
TEXTS = ("model", "gpu", "label", "taken_at")
COUNTS = ("gpu_count", "runs", "warmup_runs")
STAGED = {"latency_s": "time", "energy_wh_gpu": "energy"}
RAN = tuple(f"ran.{name}" for name in SETTINGS)

# quantity → dimension; "number" has no unit, "size" is WIDTHxHEIGHT
QUANTITIES: Mapping[str, str] = {
    "latency_s": "time",
    **dict.fromkeys(ENERGIES, "energy"),
    **dict.fromkeys((*POWERS, "idle_power_w", "power_limit_w"), "power"),
    **dict.fromkeys((*SETTINGS, *RAN, *COUNTS), "number"),
    "size": "size",
    **dict.fromkeys(TEXTS, "text"),
}
ORDERS = ("WxH", "HxW")


def dimension(quantity: str) -> str:
    """The dimension of a quantity; `stage.NAME.latency_s` and `other.COLUMN` are known too."""
    kind, _, rest = quantity.partition(".")
    if kind == "other" and rest:
        return "time"
    if kind == "stage" and rest.partition(".")[2] in STAGED:
        return STAGED[rest.partition(".")[2]]
    if quantity not in QUANTITIES:
        also = ("stage.NAME.latency_s", "stage.NAME.energy_wh_gpu")
        raise unknown_name("quantity", quantity, [q for q in QUANTITIES if q not in RAN], also)
    return QUANTITIES[quantity]


def units_of(kind: str) -> tuple[str, ...]:
    """The units that a column of this dimension may have; empty where it has none."""
    return ORDERS if kind == "size" else tuple(UNITS.get(kind, ()))


def checked_unit(quantity: str, unit: str) -> str:
    """The unit as units.py spells it; the base unit for ''; `InputError` for another."""
    kind = dimension(quantity)
    allowed = units_of(kind)
    if not unit:
        return ORDERS[0] if kind == "size" else BASE_UNIT.get(kind, "")
    if not allowed:
        raise InputError(f"{quantity} takes no unit, not {unit!r:.20}")
    if unit in allowed:
        return unit
    alike = [known for known in allowed if known.lower() == unit.lower()]
    if len(alike) == 1:
        return alike[0]
    raise unknown_name(f"unit of {quantity}", unit, allowed)
