"""A prediction or a measured row as others publish such figures, each labelled for what it is.

Model-card block; GPU Wh per 1,000 generations, the unit of the AI Energy Score; rate of carbon per
functional unit, as in the Software Carbon Intensity specification (ISO/IEC 21031:2024).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.costs import account
from kinowatt.errors import InputError, KinowattError
from kinowatt.facts.card import (
    TABLE,
    Electricity,
    carbon_sentence,
    electricity,
    hub_field,
    stage_row,
)
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.facts.models import model as find_model
from kinowatt.units import format_seconds, format_wh
from kinowatt.version import __version__

PER_QUERIES = 1000
H100_CLASS = ("h100", "h200")  # the embodied figure known is of this class
NOT_OFFICIAL = (
    "not an official AI Energy Score: that has no video task, measures 1,000 queries ten times on"
    " an H100 80GB, and gives stars among the models of one task, of which there are none here"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """Figures of one video, ready to be published. `kind`: "predicted" or "measured".

    `row`: as `Prediction.to_dict()` or a measured row. `electricity` is None where neither grid
    nor intensity was given; `pue` and `embodied_g_per_s` where they were not asked for.
    """

    kind: str
    row: Mapping[str, Any]
    electricity: Electricity | None
    pue: float | None
    embodied_g_per_s: float | None

    @property
    def energy_wh(self) -> float:
        """GPU Wh of one video of the batch."""
        found = self.row["energy_wh"]["gpu"]
        if found is None:
            reasons = (self.row.get("conditions") or {}).get("energy_null") or {}
            reason = reasons.get("gpu", "the row has none")
            raise KinowattError(f"no card of energy without GPU energy: {reason}")
        return float(found) / self.videos

    @property
    def videos(self) -> float:
        """Videos in one call of the pipeline."""
        return float(self.row["workload"].get("batch_size", 1))

    def markdown(self) -> str:
        """A block for a model card; with electricity also the hub's field `co2_eq_emissions`."""
        return "\n".join(_markdown(self)) + "\n"

    def energy_score(self) -> dict[str, Any]:
        """GPU Wh per 1,000 generations with what the AI Energy Score states beside it."""
        return {
            "model": find_model(self.row["model"]).hub_id,
            "task": "text-to-video",
            "gpu_energy_wh": self.energy_wh,
            "wh_per_1000_queries": self.energy_wh * PER_QUERIES,
            "hardware": find_gpu(self.row["gpu"]).label,
            "batch_size": self.videos,
            "date": self.row.get("taken_at"),
            "settings": _settings(self.row),
            "kind": self.kind,
            "basis": _basis(self),
            "official": False,
            "note": NOT_OFFICIAL,
        }

    def sci(self) -> dict[str, Any]:
        """Grams of CO2e per video and per second of video: operational, embodied, and together.

        Raises `InputError` without electricity. `complete` is False where the embodied part was
        not asked for: the specification wants it.
        """
        if self.electricity is None:
            raise InputError("SCI needs grid (see `kinowatt grids`) or intensity, g CO2e per kWh")
        operational = self.electricity.grams(self.energy_wh) * (self.pue or 1.0)
        seconds = self.row["latency_s"] / self.videos
        embodied = self.embodied_g_per_s and self.embodied_g_per_s * seconds
        total = operational + (embodied or 0.0)
        return {
            "specification": "ISO/IEC 21031:2024, (E x I + M) per R",
            "boundary": "one GPU" + (f" x PUE {self.pue:g}" if self.pue else ""),
            "energy_wh": {"gpu": self.energy_wh, "cpu": None, "ram": None},
            "intensity_g_per_kwh": self.electricity.g_per_kwh,
            "electricity": self.electricity.where,
            "operational_g": operational,
            "embodied_g": embodied,
            "g_per_video": total,
            "g_per_second_of_video": total / _video_s(self.row),
            "complete": embodied is not None,
            "kind": self.kind,
            "basis": _basis(self),
            "note": _sci_note(embodied is not None),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `sci` is None where no electricity was given."""
        return {
            "model_card": self.markdown(),
            "energy_score": self.energy_score(),
            "sci": None if self.electricity is None else self.sci(),
            "provenance": {"kind": self.kind, "version": __version__},
        }


def card(
    found: Any,
    *,
    grid: str | None = None,
    intensity: float | None = None,
    pue: float | None = None,
    embodied: bool = False,
) -> Card:
    """A `Prediction`, a `Measurement` or either as its dict, ready to be published.

    `grid` or `intensity` (g CO2e per kWh) ask for emissions, `pue` and `embodied` as in `predict`:
    the embodied figure known is that of an H100-class GPU. Raises `InputError`.
    """
    row = found.to_dict() if hasattr(found, "to_dict") else found
    if not isinstance(row, Mapping) or "latency_s" not in row or "workload" not in row:
        raise InputError(f"card takes a prediction or a measured row, not {type(found).__name__!r}")
    power = electricity(grid, intensity)
    gpu = find_gpu(row["gpu"])
    if embodied and not gpu.name.startswith(H100_CLASS):
        raise InputError(
            f"embodied: the one figure known is of an H100-class GPU, and this is {gpu.label}"
        )
    asked = {"intensity": power.g_per_kwh if power else None, "pue": pue, "embodied": embodied}
    money = account(asked)
    return Card(
        kind="measured" if "protocol" in row else "predicted",
        row=row,
        electricity=power,
        pue=money.pue,
        embodied_g_per_s=money.embodied_g_per_s,
    )


def _video_s(row: Mapping[str, Any]) -> float:
    return float(row["workload"]["video_s"])


def _settings(row: Mapping[str, Any]) -> str:
    asked, ran = row["workload"], row["workload"]["effective"]
    size = f"{asked['height_px']:g}x{asked['width_px']:g}"
    how = row.get("options") or row["conditions"]
    parts = [
        f"{size}, {ran['frames']:g} frames ({_video_s(row):.3g} s at {asked['fps']:g} fps)",
        f"{asked['steps']:g} steps",
        f"recipe {row['recipe']}",
        *(f"{name}={value}" for name, value in (how.get("what_if") or {}).items()),
        *(["decoded in tiles"] if how.get("tiling") else []),
        *([f"offload {how['offload']}"] if how.get("offload", "none") != "none" else []),
        *(["a tiny twin of the model"] if how.get("twin") else []),
    ]
    return ", ".join(parts)


def _basis(card: Card) -> str:
    """What the figures rest on."""
    row = card.row
    if card.kind == "predicted":
        low, high = row["intervals"]["energy_wh_gpu"]["95"]
        return (
            f"predicted, not measured: profile {row['profile']},"
            f" 95% of {format_wh(low)} to {format_wh(high)} a call"
        )
    seen = row["conditions"]
    runs = "composed of timed steps" if seen.get("composed") else f"timed runs: {len(row['runs'])}"
    weights = f", {seen['weights']} weights" if seen.get("weights") else ""
    return f"measured, protocol {row['protocol']}, {runs}{weights}"


def _sci_note(complete: bool) -> str:
    left_out = "M is the GPU's own" if complete else "M is left out, so this is no complete SCI"
    return f"{left_out}; CPU, memory, network, training and storage are outside the boundary"


def _markdown(card: Card) -> Iterator[str]:
    row, power = card.row, card.electricity
    spec, gpu = find_model(row["model"]), find_gpu(row["gpu"])
    energy_wh = row["energy_wh"]["gpu"]
    if power is not None:
        by = f"GPU energy {card.kind}"
        yield from hub_field(card.energy_wh, by, power, gpu.label)
    verb = card.kind.capitalize()
    yield f"### Time and energy of one {'call' if card.videos > 1 else 'video'}"
    yield ""
    yield f"{verb} by Kinowatt {__version__} for {spec.label} on {gpu.label}: {_settings(row)}."
    yield ""
    yield from TABLE
    for name, stage in row["stages"].items():
        energy = stage.get("energy_wh")
        stage_wh = energy["gpu"] if isinstance(energy, Mapping) else energy
        yield stage_row(name, stage["latency_s"], stage_wh, stage.get("peak_memory_gib"))
    yield stage_row("**whole call**", row["latency_s"], energy_wh, row["peak_memory_gib"])
    yield ""
    yield "From prompt to frames in memory; no loading, no encoding of a file."
    if card.videos > 1:
        yield f"One call makes {card.videos:g} videos; figures below are of one."
    yield from _predicted(row) if card.kind == "predicted" else _measured(card)
    if power is not None:
        yield carbon_sentence("One video", card.energy_wh, power)


def _predicted(row: Mapping[str, Any]) -> Iterator[str]:
    low_s, high_s = row["intervals"]["latency_s"]["95"]
    low_wh, high_wh = row["intervals"]["energy_wh_gpu"]["95"]
    yield (
        f"Predicted, not measured: 95% of {format_seconds(low_s)} to {format_seconds(high_s)}"
        f" and of {format_wh(low_wh)} to {format_wh(high_wh)} a call; profile {row['profile']}."
    )
    yield "CPU and RAM energy: not given."


def _measured(card: Card) -> Iterator[str]:
    row, seen = card.row, card.row["conditions"]
    software = [
        f"{name} {seen[name]}" for name in ("torch", "diffusers", "driver") if seen.get(name)
    ]
    yield f"{_basis(card).capitalize()}; {row['taken_at'][:10]}; {', '.join(software)}."
    by = {reading["scope"]: reading for reading in reversed(seen.get("readings") or [])}
    reasons = seen.get("energy_null") or {}
    for scope, energy_wh in row["energy_wh"].items():
        if energy_wh is None:
            yield f"{scope.upper()} energy: not given, {reasons.get(scope, 'no reason recorded')}."
            continue
        reading = by.get(scope, {})
        told = f", {reading['method']} ({reading['meter']})" if reading else ""
        yield f"{scope.upper()} energy: {format_wh(energy_wh)}{told}."
    if row["stability"].get("stable") is False:
        yield f"Not stable: {'; '.join(row['stability'].get('reasons') or ['no reason recorded'])}."
