"""Rewrites the profiles that ship from committed data: `python -m kinowatt.analysis.shipped_profiles`.

`h100-sxm/paper-corrected` is fitted; of `h100-sxm/paper` and the datasheet profiles only the
intervals are computed, from rows that none of them was fitted on.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kinowatt.analysis.calibration import (
    PRIOR_POWER_W,
    fit,
    other_models,
    spread_of,
    spreads,
    student_spread,
    with_fitted,
)
from kinowatt.analysis.held_out import by_profile
from kinowatt.analysis.learning import scope_of
from kinowatt.analysis.predict import scenario
from kinowatt.analysis.rows import SWEEPS, WAN, paper_rows
from kinowatt.facts.data import data_lines, data_path
from kinowatt.facts.gpus import gpu
from kinowatt.facts.loading import SHIPPED, number, read_csv
from kinowatt.facts.operator_tables import operator_table
from kinowatt.facts.profiles import GpuProfile, profile, read_profile
from kinowatt.theory import paper
from kinowatt.theory.predict import estimate
from kinowatt.units import joules_to_wh

FOLDER = SHIPPED / "profiles"
CORRECTED = "h100-sxm/paper-corrected"
_TEXTS: dict[str, Any] = {
    "label": "the paper's published sweeps, fitted on the operators that really ran",
    "kind": "fitted",
    "stack": "2025 stack: the paper's torch and diffusers 0.34",
    "data": (
        "data/paper: 14 resolutions, 25 frame counts, 50 step counts of WAN2.1-T2V-1.3B on one H100; "
        "intervals: held out by sweep, and six other models (kinowatt.analysis.shipped_profiles)"
    ),
    "warning": (
        "2025 stack: fitted on the paper's rows of 2025; today's torch and diffusers are faster "
        "(about 1.6x at 720p)"
    ),
}


def blank() -> GpuProfile:
    """What a fit starts from."""
    return GpuProfile(
        name=CORRECTED,
        gpu="h100-sxm",
        peak_flops=None,
        efficiency={},
        bandwidth={},
        power_w=PRIOR_POWER_W,
        host_s_per_call=0.0,
        host_s_per_video=1.0,
        seen=(WAN,),
        spread={},
        **_TEXTS,
    )


def corrected() -> GpuProfile:
    """The fit on all three sweeps with its intervals."""
    base = blank()
    fitted = with_fitted(base, fit(paper_rows(), base))
    return replace(fitted, spread=spreads(base, fitted))


def published_spread() -> dict[str, Any]:
    """The paper's model against its own rows, and against the other models of its benchmark."""
    seen: dict[str, Any] = {}
    for quantity in ("latency", "energy"):
        ratios, weights = [], []
        for sweep in SWEEPS:
            rows = paper_rows(sweep)
            ratios += [_published_ratio(row, quantity) for row in rows]
            weights += [1 / len(rows)] * len(rows)
        seen[quantity] = spread_of(ratios, weights)
    return {"seen": seen, "unseen": other_models(profile("paper", gpu("h100-sxm")))}


def _published_ratio(row: Any, quantity: str) -> float:
    point = (row.height_px, row.width_px, row.frames, row.steps)
    if quantity == "latency":
        return float(row.latency_s / paper.latency_s(*point))
    return float(row.gpu_energy_wh / paper.energy_wh(*point))


def datasheet_spread() -> dict[str, Any]:
    """Another laboratory's figures on two GPUs over datasheet predictions."""
    path = data_path("paper/other_labs.csv")
    latency, energy = [], []
    for row in read_csv(path, ("model", "gpu", "latency_s", "gpu_energy_wh")):
        device = gpu(row["gpu"])
        names = ("height_px", "width_px", "frames", "steps")
        size = {name: int(number(row, name, path.name)) for name in names}
        sheet = read_profile(FOLDER / "datasheet.toml", f"{device.name}/datasheet", device)
        chosen = replace(scenario(row["model"], device.name, profile="datasheet", **size))
        result = estimate(replace(chosen, profile=sheet), operator_table)
        latency.append(number(row, "latency_s", path.name) / result.latency_s)
        wh = number(row, "gpu_energy_wh", path.name)
        energy.append(wh / joules_to_wh(result.energy_j))
    spread = {"latency": student_spread(latency), "energy": student_spread(energy)}
    return {"seen": spread, "unseen": spread}


def render(found: GpuProfile) -> str:
    """A profile as TOML."""
    lines = [f"{name} = {_value(getattr(found, name))}" for name in _TEXTS]
    lines += [f"seen = {_value(list(found.seen))}", ""]
    for name in ("efficiency", "bandwidth", "power_w"):
        lines += _table(name, getattr(found, name))
    host = {
        "seconds_per_call": found.host_s_per_call,
        "seconds_per_video": found.host_s_per_video,
    }
    return "\n".join([*lines, *_table("host", host), render_spread(found.spread)])


def render_spread(spread: Mapping[str, Any], within: str = "") -> str:
    lines: list[str] = []
    for scope, quantities in spread.items():
        for quantity, levels in quantities.items():
            lines += _table(f"{within}spread.{scope}.{quantity}", levels)
    return "\n".join(lines)


def _table(name: str, values: Mapping[str, Any]) -> list[str]:
    return [f"[{name}]", *(f"{key} = {_value(value)}" for key, value in values.items()), ""]


def _value(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace('"', '\\"') + '"'
    if isinstance(value, Sequence):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return f"{value:.6g}"


DATASHEET_TEXTS = {
    "label": "datasheet peaks times the shares that the paper's H100 reached",
    "kind": "datasheet",
    "stack": "2025 stack, shares of one H100",
    "data": (
        "shares of h100-sxm/paper-corrected; 25 us per operator call (one H100 host, November 2026); "
        "intervals: six figures of another laboratory on H100 and B200 (data/paper/other_labs.csv)"
    ),
    "warning": (
        "not measured on this GPU: datasheet peaks times shares that an H100 reached; "
        "a newer GPU may reach less (B200: about half), see the interval"
    ),
}
HOST_S_PER_CALL = 25e-6
_WHOLE = {"80": (1.0, 1.0), "95": (1.0, 1.0)}
_NO_SPREAD = {
    scope: {"latency": _WHOLE, "energy": _WHOLE} for scope in ("seen", "unseen")
}  # until it is computed from the profile itself


def datasheet(shares: GpuProfile) -> str:
    """The profile of every GPU without one, as TOML: powers are shares of the power limit."""
    limit = gpu("h100-sxm").power_limit_w
    lines = [f"{name} = {_value(text)}" for name, text in DATASHEET_TEXTS.items()]
    lines += ["seen = []", ""]
    lines += _table("efficiency", shares.efficiency) + _table("bandwidth", shares.bandwidth)
    lines += _table("power_share_of_limit", {k: w / limit for k, w in shares.power_w.items()})
    host = {"seconds_per_call": HOST_S_PER_CALL, "seconds_per_video": shares.host_s_per_video}
    return "\n".join([*lines, *_table("host", host)])


SIBLING = "h200-sxm"
SIBLING_ROWS = ("h200-sxm-f-h200", "h200-sxm-e-below-the-limit")
SIBLING_TEXTS = {
    "label": "laws learned of the same chip, by ratios of datasheets",
    "data": (
        "laws: the other product's learned profile; intervals: H200 rows by the laws of an H100"
        f" (data/measurements: {', '.join(SIBLING_ROWS)})"
    ),
    "warning": (
        "not measured on this GPU: laws learned of another product with its chip and power limit,"
        " scaled by peaks and bandwidth; tried on one pair, H100 and H200"
    ),
}


def sibling_spread() -> dict[str, Any]:
    """Rows of an H200 over what the laws of an H100 say by ratios of datasheets, by model."""
    rows = [row for name in SIBLING_ROWS for row in data_lines(f"measurements/{name}.jsonl")]
    seen, found = by_profile(rows, profile("datasheet", gpu(SIBLING)))
    paced = scope_of(seen, found, paced=True)
    return {"seen": paced, "unseen": paced, "call_bound": scope_of(seen, found, paced=False)}


def sibling(spread: Mapping[str, Any]) -> str:
    """What the datasheet profile is where laws of the same chip are known, as TOML."""
    return "\n".join([*_table("sibling", SIBLING_TEXTS), render_spread(spread, "sibling.")])


def _sheet(shares: GpuProfile, spread: Mapping[str, Any], sibling_spread: Mapping[str, Any]) -> str:
    return f"{datasheet(shares)}{render_spread(spread)}\n{sibling(sibling_spread)}"


def _with_spread(path: Path, spread: Mapping[str, Any]) -> str:
    text = path.read_text(encoding="utf-8")
    head = text[: text.index("[spread.")] if "[spread." in text else text + "\n"
    return head + render_spread(spread)


def main() -> None:
    """Writes the three files."""
    found = corrected()
    target = FOLDER / f"{CORRECTED}.toml"
    target.write_text(render(found), encoding="utf-8")
    sheet = FOLDER / "datasheet.toml"
    published = FOLDER / "h100-sxm/paper.toml"
    published.write_text(_with_spread(published, published_spread()), encoding="utf-8")
    # Twice: the intervals are of what the file says, which is no profile without any
    sheet.write_text(_sheet(found, _NO_SPREAD, _NO_SPREAD), encoding="utf-8")
    sheet.write_text(_sheet(found, datasheet_spread(), sibling_spread()), encoding="utf-8")
    for path in (target, published, sheet):
        tomllib.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
