"""What `budget` is asked: limits, minimums and choices, checked before anything is searched."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.costs import Accounting, account
from kinowatt.analysis.predict import OFFLOADS
from kinowatt.errors import InputError, unknown_name
from kinowatt.facts.gpus import GpuSpec
from kinowatt.facts.tables import prices

COSTS = ("max_latency_s", "max_energy_wh", "max_cost_usd", "max_co2e_g")
BOUNDS = (*COSTS, "max_memory_gib", "max_height_px", "max_video_s", "max_steps")
MINIMUMS = ("min_height_px", "min_video_s", "min_steps")
CHOICES = ("aspect", "confidence", "recipe", "profile", "tiling", "offload", "scores")
MONEY = ("grid", "intensity", "price", "pue", "embodied")
ASPECTS: Mapping[str, tuple[int, int]] = {
    "16:9": (16, 9),
    "9:16": (9, 16),
    "4:3": (4, 3),
    "1:1": (1, 1),
}
KEPT_BY = {
    50: "the predicted value (as often over as under)",
    80: "the upper end of the 80% interval",
    95: "the upper end of the 95% interval",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """Checked requirements. `numbers`: of `BOUNDS` and `MINIMUMS`, only what was given.

    A height is that of a landscape video, "480p": the shorter side of any other. `confidence`:
    50 keeps limits by the predicted value, 80 and 95 by the upper end of that interval.
    """

    numbers: Mapping[str, float]
    aspect: str | None
    confidence: int
    recipe: str | None
    profile: str | None
    tiling: bool | None
    offload: str
    money: Mapping[str, Any]

    def number(self, name: str, otherwise: float) -> float:
        """A requirement, or `otherwise` where it was not given."""
        return self.numbers.get(name, otherwise)

    def accounting(self, gpu: GpuSpec) -> Accounting:
        """Emissions and money on one GPU; prices differ by GPU."""
        given = dict(self.money)
        if "price" in given:
            given["price"] = _price_of(given["price"], gpu)
        found = account(given)
        if "max_cost_usd" in self.numbers and found.usd_per_gpu_hour is None:
            raise InputError(
                f"max_cost_usd needs price, USD per GPU-hour of {gpu.name}{_offers(gpu)}"
            )
        if "max_co2e_g" in self.numbers and found.g_per_kwh is None:
            raise InputError("max_co2e_g needs grid (see `kinowatt grids`) or intensity, g per kWh")
        return found

    def shown(self) -> dict[str, Any]:
        """As JSON: what was required, and how limits are kept."""
        return {
            **self.numbers,
            "aspect": self.aspect or "the model card's",
            "confidence": self.confidence,
            "limits_kept_by": KEPT_BY[self.confidence],
            **{name: value for name, value in self.money.items() if value is not None},
        }


def read_ask(asked: Mapping[str, Any]) -> Ask:
    """`InputError` in one line for anything that cannot be used."""
    known = (*BOUNDS, *MINIMUMS, *CHOICES, *MONEY)
    for name in asked:
        if name not in known:
            raise unknown_name("requirement", name, known)
    given = {name: value for name, value in asked.items() if value is not None}
    numbers = {name: _number(name, given[name]) for name in (*BOUNDS, *MINIMUMS) if name in given}
    for name in MINIMUMS:
        low, high = numbers.get(name), numbers.get(name.replace("min_", "max_"))
        if low is not None and high is not None and low > high:
            raise InputError(f"{name} {low:g} is above {name.replace('min_', 'max_')} {high:g}")
    tiling = given.get("tiling")
    if tiling is not None and not isinstance(tiling, bool):
        raise InputError(f"tiling must be True or False (on or off), not {tiling!r:.80}")
    offload = given.get("offload", "none")
    if offload not in OFFLOADS:
        raise unknown_name("offload", offload, OFFLOADS)
    return Ask(
        numbers=numbers,
        aspect=_aspect(given.get("aspect")),
        confidence=_confidence(given.get("confidence", 50)),
        recipe=given.get("recipe"),
        profile=given.get("profile"),
        tiling=tiling,
        offload=offload,
        money={name: given[name] for name in MONEY if name in given},
    )


def _number(name: str, value: Any) -> float:
    """A number above 0; sizes also as "480p"."""
    if isinstance(value, str) and name.endswith("_height_px"):
        text = value.strip().lower().removesuffix("p")
        if not text.isascii() or not text.isdigit():
            raise InputError(f"{name} must be pixels or like 480p, not {value!r:.60}")
        value = int(text)
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{name} must be a finite number, not {value!r:.60}")
    if not 0 < value <= 1e9:
        raise InputError(f"{name} must be above 0 and at most 1e9, not {value:g}")
    if name.endswith(("_steps", "_px")) and value != int(value):
        raise InputError(
            f"{name} must be a whole number, not {value:g}; nearest: {max(1, round(value))}"
        )
    return value


def _aspect(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and value in ASPECTS:
        return value
    raise unknown_name("aspect", value, ASPECTS)


def _confidence(value: Any) -> int:
    if isinstance(value, bool) or value not in KEPT_BY:
        raise InputError(f"confidence must be one of 50, 80, 95, not {value!r:.60}")
    return int(value)


def _price_of(price: Any, gpu: GpuSpec) -> Any:
    """A lone price is of every GPU; a mapping says which GPU costs what."""
    if not isinstance(price, Mapping):
        return price
    if gpu.name not in price:
        raise InputError(f"price of {gpu.name} is missing; given: {', '.join(price)}")
    return price[gpu.name]


def _offers(gpu: GpuSpec) -> str:
    found = [f"{p.offer} {p.low_usd:g} ({p.date})" for p in prices() if p.gpu == gpu.name]
    return f"; published once, not defaults: {', '.join(found[:3])}" if found else ""
