"""What a foreign file claims → rows of a store, where it says enough; nothing is guessed.

What the file leaves open is given by the user (`--assume`), and the row says so.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from kinowatt.errors import InputError, unknown_name
from kinowatt.formats.claims import SETTINGS, Claim, Reading
from kinowatt.lab.measurement import SCHEMA_VERSION, Measurement
from kinowatt.lab.meters.contract import SCOPES

TEXTS = ("model", "gpu", "recipe", "taken_at", "source")
ASSUMED = (*TEXTS, *SETTINGS)
_WHOLE = frozenset(("height_px", "width_px", "frames", "steps", "batch_size", "prompt_tokens"))


def parse_assumed(texts: tuple[str, ...]) -> dict[str, Any]:
    """`("fps=16", "batch_size=1")` as values; `source=…` says where published rows are from."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not value:
            raise InputError(f"--assume takes NAME=VALUE, not {text!r}")
        if name not in ASSUMED:
            raise unknown_name("name to assume", name, ASSUMED)
        found[name] = value if name in TEXTS else _number(name, value)
    return found


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--assume {name}: {text!r} is not a number") from None


def claimed_rows(reading: Reading, assumed: Mapping[str, Any]) -> Iterator[Measurement]:
    """A row of each claim; `InputError` (FILE:LINE) for one that does not say enough."""
    for claim in reading.claims:
        where = f"{reading.file}:{claim.line}"
        try:
            yield _row(claim, reading, assumed)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None


def _row(claim: Claim, reading: Reading, assumed: Mapping[str, Any]) -> Measurement:
    said = {"model": claim.model, "gpu": claim.gpu, "recipe": claim.options.get("recipe")}
    said |= {"taken_at": _instant(claim.taken_at), "latency_s": claim.latency_s}
    said |= {name: claim.workload.get(name) for name in SETTINGS}
    used = {name: value for name, value in assumed.items() if said.get(name) is None}
    values = said | used
    values["recipe"] = values["recipe"] or "unstated"
    if missing := [name for name in (*said,) if values.get(name) is None]:
        raise InputError(
            f"does not say {', '.join(missing)}; add --assume {missing[0]}=… for each"
            if "latency_s" not in missing
            else "states no seconds, so it is no measurement of a video"
        )
    return _measurement(claim, values, _imported(claim, reading, used))


def _measurement(
    claim: Claim, values: Mapping[str, Any], imported: Mapping[str, Any]
) -> Measurement:
    energy: dict[str, float | None] = {scope: claim.energy_wh.get(scope) for scope in SCOPES}
    whole = {name: _whole(name, values[name]) for name in SETTINGS}
    reason = f"{imported['file']} does not state it"
    timed = {"latency_s": values["latency_s"], "energy_wh": energy, "stages": {}}
    if claim.runs:
        timed["mean_of_runs"] = claim.runs
    return Measurement(
        schema_version=SCHEMA_VERSION,
        **{name: values[name] for name in ("model", "gpu", "recipe", "taken_at", "latency_s")},
        protocol="full",
        workload={
            **whole,
            "video_s": values["frames"] / values["fps"] if values["fps"] else None,
            "effective": {name: _whole(name, value) for name, value in claim.ran.items()},
        },
        energy_wh=energy,
        stages={
            name: {"latency_s": found.latency_s, "energy_wh": {"gpu": found.energy_wh_gpu}}
            for name, found in claim.stages.items()
            if found.latency_s is not None
        },
        power_w=claim.power_w.get("gpu"),
        idle_power_w=claim.idle_power_w,
        peak_memory_gib=None,
        peak_reserved_gib=None,
        warmup_runs=int(claim.warmup_runs or 0),
        runs=(timed,),
        stability={},
        conditions={
            "imported": dict(imported),
            "energy_null": {scope: reason for scope in SCOPES if energy[scope] is None},
            **({"power_limit_w": claim.power_limit_w} if claim.power_limit_w else {}),
        },
    )


def _imported(claim: Claim, reading: Reading, used: Mapping[str, Any]) -> dict[str, Any]:
    """Where the row is from, and all that it claims besides."""
    return {
        "file": reading.file,
        "line": claim.line,
        "format": reading.format,
        "label": claim.label,
        "source": used.get("source"),
        "assumed": {name: value for name, value in used.items() if name != "source"},
        "modelled": sorted(claim.modelled),
        "other_energy_wh": {k: v for k, v in claim.energy_wh.items() if k not in SCOPES},
        "columns": dict(claim.columns),
        "rest": dict(claim.rest),
    }


def _whole(name: str, value: Any) -> Any:
    return int(value) if name in _WHOLE and float(value).is_integer() else value


def _instant(text: str | None) -> str | None:
    """An instant with its offset; without one it is not known when that was."""
    try:
        return text if text and datetime.fromisoformat(text).tzinfo else None
    except ValueError:
        return None
