"""Other laboratories' figures beside our profile, and the paper's profile beside other models.

Both are published means of other software: facts to judge a distance by, never to fit on.
"""

from typing import Any

from kinowatt.analysis.predict import predict
from kinowatt.analysis.rows import cross_model_rows
from kinowatt.analysis.tables import Table
from kinowatt.facts.data import data_path
from kinowatt.facts.loading import number, read_csv

PAPER = "h100-sxm/paper-corrected"
GPU = "h100-sxm"
_COLUMNS = (
    "latency_s",
    "predicted_s",
    "error_pct",
    "gpu_wh",
    "predicted_gpu_wh",
    "energy_error_pct",
)


def paper_elsewhere() -> Table:
    """`paper-corrected`, fitted on the rows of one model, on the paper's other models."""
    rows = []
    for row in cross_model_rows():
        found = predict(row.model, GPU, preset="paper", profile=PAPER)
        if row.model in _seen():
            continue
        rows.append({"model": row.model, **_beside(row.latency_s, row.energy_wh["gpu"], found)})
    return Table(
        name="paper_elsewhere",
        title="The paper's H100 (2025), fitted on WAN2.1-T2V-1.3B alone, on its other models",
        columns=("model", *_COLUMNS),
        rows=tuple(rows),
        notes=(
            "Measured: the paper's means over prompts, published. Predicted: shares of peaks"
            " fitted on the sweeps of one model; that profile has no microbench.",
        ),
    )


def _seen() -> tuple[str, ...]:
    from kinowatt.facts.gpus import gpu
    from kinowatt.facts.profiles import profile

    return profile(PAPER, gpu(GPU)).seen


def other_laboratories() -> Table:
    """Our profile on another laboratory's H100, real weights and another stack."""
    rows = []
    for raw in read_csv(data_path("paper/other_labs.csv"), ("model", "gpu", "latency_s")):
        if raw["gpu"] != GPU:
            continue
        asked = {
            name: int(number(raw, name, raw.where))
            for name in ("height_px", "width_px", "frames", "steps")
        }
        found = predict(raw["model"], GPU, **asked)
        latency_s, gpu_wh = (number(raw, n, raw.where) for n in ("latency_s", "gpu_energy_wh"))
        rows.append({"model": raw["model"], **_beside(latency_s, gpu_wh, found)})
    return Table(
        name="other_laboratories",
        title="Another laboratory's H100 beside our profile",
        columns=("model", *_COLUMNS),
        rows=tuple(rows),
        notes=(
            "Measured: ML.ENERGY leaderboard data, 2026-02, published, real weights, its own"
            " software. Laboratories with equal settings differ by 5 to 8% in time and 10 to 17% in"
            " energy; newer kernels are faster still.",
        ),
    )


def _beside(latency_s: float, gpu_wh: float, found: Any) -> dict[str, Any]:
    return {
        "latency_s": latency_s,
        "predicted_s": found.latency_s,
        "error_pct": 100 * (found.latency_s / latency_s - 1),
        "gpu_wh": gpu_wh,
        "predicted_gpu_wh": found.energy_wh["gpu"],
        "energy_error_pct": 100 * (found.energy_wh["gpu"] / gpu_wh - 1),
    }
