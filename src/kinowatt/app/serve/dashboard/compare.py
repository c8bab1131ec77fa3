"""The page Compare: models and GPUs side by side, per video and per second of video."""

from collections.abc import Mapping
from typing import Any

from kinowatt.analysis.compare import compare
from kinowatt.analysis.prediction import Prediction
from kinowatt.app.serve.dashboard import charts
from kinowatt.app.serve.dashboard.tables import Column, table
from kinowatt.app.serve.dashboard.words import address, both, command, notice, python
from kinowatt.errors import InputError
from kinowatt.units import GIB, format_bytes, format_number, format_seconds, format_wh

NUMBERS = ("height_px", "width_px", "frames", "steps")
UNITS = ("Seconds", "Wh")
State = Mapping[str, Any]
Answer = tuple[str, Any, str, str, str]


def answer(state: State) -> Answer:
    """Chart, table, code and address; models that these settings do not suit are said."""
    given = {name: state[name] for name in NUMBERS if state.get(name) is not None}
    names, gpus = list(state.get("models") or ()), list(state.get("gpus") or ())
    if not names or not gpus:
        said = notice(["choose at least one model and one GPU"], "error")
        return said, charts.nothing(), "", "", address(state)
    found: list[Prediction] = []
    refused: list[str] = []
    for gpu in gpus:
        for name in names:
            try:
                found += compare([name], [gpu], **given)
            except InputError as error:
                refused.append(f"{name} on {gpu} is left out: {error}")
    found.sort(key=lambda row: charts.per_second(row, "Seconds"))
    unit = state.get("unit") or "Seconds"
    chart = charts.compared(found, unit) if found else charts.nothing()
    words = both(
        command("compare", names, {"gpu": gpus, **given}),
        python("compare", [names, gpus], given),
    )
    return notice(refused, "warning"), chart, _table(found), words, address(state)


def _table(found: list[Prediction]) -> str:
    rows = [
        {
            "model": row.model,
            "gpu": row.gpu,
            "runs": "{height_px} x {width_px} x {frames}".format(**row.workload["effective"]),
            "latency_s": row.latency_s,
            "energy_wh_gpu": row.energy_wh["gpu"],
            "peak_memory_gib": row.peak_memory_gib,
            "fits": _fits(row),
            "latency_s_per_video_s": charts.per_second(row, "Seconds"),
            "energy_wh_gpu_per_video_s": charts.per_second(row, "Wh"),
            "profile": row.profile,
        }
        for row in found
    ]
    columns = (
        Column(key="model", label="Model", left=True),
        Column(key="gpu", label="GPU", left=True),
        Column(key="runs", label="Runs", left=True),
        Column(key="latency_s", label="Time", show=format_seconds),
        Column(key="energy_wh_gpu", label="GPU energy", show=format_wh),
        Column(key="peak_memory_gib", label="Memory", show=lambda gib: format_bytes(gib * GIB)),
        Column(key="fits", label="Fits"),
        Column(key="latency_s_per_video_s", label="s per s", show=format_number),
        Column(key="energy_wh_gpu_per_video_s", label="Wh per s", show=format_number),
        Column(key="profile", label="Predicted by", left=True),
    )
    return table("compare", "Per video, and per second of video (predicted)", columns, rows)


def _fits(row: Prediction) -> str | None:
    if not row.memory:
        return None
    return "yes" if row.memory["fits"] else "no"
