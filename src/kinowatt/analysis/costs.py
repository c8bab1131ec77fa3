"""Emissions and money: None unless a grid, an intensity or a price is given."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kinowatt.errors import InputError
from kinowatt.facts.grids import grid
from kinowatt.facts.tables import overheads
from kinowatt.units import GRAMS_PER_KG, SECONDS_PER_HOUR, WH_PER_KWH

_LIMITS = {"intensity": (0, 3000), "price": (0, 10_000), "pue": (1, 5)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Accounting:
    """What was asked for: intensity in g/kWh, price in USD per GPU-hour, PUE, embodied share."""

    g_per_kwh: float | None = None
    grid: str | None = None
    usd_per_gpu_hour: float | None = None
    pue: float | None = None
    embodied_g_per_s: float | None = None

    def co2e_g(self, gpu_energy_wh: float, latency_s: float) -> float | None:
        """Grams of CO2e of the GPU's energy, times PUE where given, plus embodied where asked."""
        if self.g_per_kwh is None:
            return None
        grams = gpu_energy_wh / WH_PER_KWH * self.g_per_kwh * (self.pue or 1.0)
        return grams + (self.embodied_g_per_s or 0.0) * latency_s

    def cost_usd(self, latency_s: float) -> float | None:
        """USD of the GPU time."""
        if self.usd_per_gpu_hour is None:
            return None
        return latency_s / SECONDS_PER_HOUR * self.usd_per_gpu_hour

    def shown(self) -> dict[str, Any]:
        """What is printed beside a result: only what was used."""
        scope = "GPU energy"
        if self.pue:
            scope += f" x PUE {self.pue:g}"
        if self.embodied_g_per_s:
            scope += " + embodied share of an H100-class GPU"
        values = {
            "grid": self.grid,
            "intensity_g_per_kwh": self.g_per_kwh,
            "price_usd_per_gpu_hour": self.usd_per_gpu_hour,
            "pue": self.pue,
            "co2e_scope": scope if self.g_per_kwh is not None else None,
        }
        return {name: value for name, value in values.items() if value is not None}


def account(asked: Mapping[str, Any]) -> Accounting:
    """Checks `grid`, `intensity`, `price`, `pue`, `embodied`; `host` is refused until measured."""
    if asked.get("host") is not None:
        raise InputError("host: no host model is known yet, CPU and RAM energy stay null")
    intensity = _number("intensity", asked.get("intensity"))
    name = asked.get("grid")
    if name is not None:
        if intensity is not None:
            raise InputError("give either grid or intensity, not both")
        intensity, name = grid(str(name)).g_per_kwh, grid(str(name)).code
    wanted = asked.get("embodied")
    if wanted is not None and not isinstance(wanted, bool):
        raise InputError(f"embodied must be True or False, not {wanted!r:.80}")
    embodied = _embodied() if wanted else None
    if embodied is not None and intensity is None:
        raise InputError("embodied needs grid or intensity: it is added to co2e_g")
    return Accounting(
        g_per_kwh=intensity,
        grid=name,
        usd_per_gpu_hour=_number("price", asked.get("price")),
        pue=_number("pue", asked.get("pue")),
        embodied_g_per_s=embodied,
    )


def _number(name: str, value: object) -> float | None:
    if value is None:
        return None
    low, high = _LIMITS[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{name} must be a finite number, not {value!r}"[:120])
    if not low <= value <= high:
        raise InputError(f"{name} must be from {low:g} to {high:g}, not {value:g}")
    return float(value)


def _embodied() -> float:
    table = overheads()
    years = table["server-life"].value
    seconds = years * 365.25 * 24 * SECONDS_PER_HOUR
    return table["h100-class-gpu"].value * GRAMS_PER_KG / seconds
