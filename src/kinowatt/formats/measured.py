"""Our own rows, as plain JSON: what one line of `kinowatt measure` claims."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kinowatt.errors import InputError
from kinowatt.facts.throttling import row_faults
from kinowatt.formats.claims import SETTINGS, Claim, Reading, StageClaim, known_gpu, known_model

SCOPES = ("gpu", "cpu", "ram")
KEPT = ("torch", "diffusers", "driver", "attention_backend", "compile", "weights")
USUAL_KERNELS = ("default", "none")


def read_rows(file: str, text: str) -> Reading:
    """Every line as a claim; a last line that was cut off is left out with a note."""
    notes: list[str] = []
    claims = tuple(_claims(file, text, notes))
    if not claims:
        raise InputError(f"{file}: holds no whole row")
    return Reading(file=file, format="kinowatt", claims=claims, notes=tuple(notes))


def _claims(file: str, text: str, notes: list[str]) -> Iterator[Claim]:
    lines = text.split("\n")
    for line, content in enumerate(lines, 1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError) as error:
            if line == len(lines):  # a finished line ends with a newline
                notes.append(f"line {line} was cut off while it was written; it is left out")
                continue
            raise InputError(f"{file}:{line}: not a row of JSON: {error}") from None
        if not isinstance(row, dict) or not isinstance(row.get("workload"), dict):
            raise InputError(f"{file}:{line}: no row of kinowatt: it has no workload")
        yield _claim(line, row)


def _claim(line: int, row: Mapping[str, Any]) -> Claim:
    work, conditions = row["workload"], _table(row.get("conditions"))
    model, gpu = str(row.get("model", "")), str(row.get("gpu", ""))
    energy = _numbers(row.get("energy_wh"), SCOPES)
    power = _number(row.get("power_w"))
    said = {"model": model, "gpu": gpu}
    return Claim(
        line=line,
        label=f"{model} {_label(work)}",
        model=known_model(model),
        gpu=known_gpu(gpu),
        said=said,
        workload=_numbers(work, SETTINGS),
        ran=_numbers(work.get("effective"), ("height_px", "width_px", "frames")),
        latency_s=_number(row.get("latency_s")),
        energy_wh=energy,
        power_w={} if power is None else {"gpu": power},
        stages={name: _stage(stage) for name, stage in _table(row.get("stages")).items()},
        idle_power_w=_number(row.get("idle_power_w")),
        power_limit_w=_number(conditions.get("power_limit_w")),
        gpu_count=1.0,
        runs=float(len(row.get("runs") or ())) or None,
        warmup_runs=_number(row.get("warmup_runs")),
        taken_at=row.get("taken_at"),
        options={
            "recipe": row.get("recipe"),
            **{name: conditions[name] for name in ("tiling", "offload") if name in conditions},
            "what_if": tuple(kernels_of(conditions).items()) or None,
        },
        modelled=frozenset(_modelled(conditions)),
        throttled=row_faults({"stability": _table(row.get("stability")), "conditions": conditions}),
        columns={name: name for name in ("model", "gpu", "latency_s", "energy_wh", "workload")},
        rest={
            "protocol": str(row.get("protocol", "")),
            **{name: str(conditions[name]) for name in KEPT if conditions.get(name) is not None},
        },
    )


def kernels_of(conditions: Mapping[str, Any]) -> dict[str, str]:
    """As `what_if`, which kernels a row's pipeline was made to run; empty for the usual ones."""
    made = {"attention": conditions.get("attention_backend"), "compile": conditions.get("compile")}
    return {key: value for key, value in made.items() if value not in (None, *USUAL_KERNELS)}


def _label(work: Mapping[str, Any]) -> str:
    size = "x".join(f"{work.get(name)}" for name in ("height_px", "width_px", "frames"))
    return f"{size}, {work.get('steps')} steps"


def _stage(stage: Any) -> StageClaim:
    values = _table(stage)
    return StageClaim(
        latency_s=_number(values.get("latency_s")),
        energy_wh_gpu=_number(_table(values.get("energy_wh")).get("gpu")),
    )


def _modelled(conditions: Mapping[str, Any]) -> Iterator[str]:
    for reading in conditions.get("readings") or ():
        if isinstance(reading, Mapping) and reading.get("method") not in (None, "measured"):
            yield str(reading.get("scope"))


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _numbers(values: Any, names: tuple[str, ...]) -> dict[str, float]:
    found = {name: _number(_table(values).get(name)) for name in names}
    return {name: value for name, value in found.items() if value is not None}
