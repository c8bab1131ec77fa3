"""Other laboratories' figures beside our profile, and the paper's profile beside other models.

Both are published means of other software: facts to judge a distance by, never to fit on.
"""

from typing import Any

from kinowatt.analysis.factors import PRIOR_SIGMA, fit_factors
from kinowatt.analysis.features import features
from kinowatt.analysis.held_out import AfterWork, by_factors
from kinowatt.analysis.predict import predict
from kinowatt.analysis.rows import WAN, cross_model_rows, paper_rows
from kinowatt.analysis.tables import Table
from kinowatt.facts.data import data_path
from kinowatt.facts.loading import number, read_csv
from kinowatt.theory.physics import Physics

PAPER = "h100-sxm/paper-corrected"
GPU = "h100-sxm"
# How far the factors of another year's software may be from ours
OTHER_STACK_SIGMA = {name: max(sigma, 0.3) for name, sigma in PRIOR_SIGMA.items()}
_COLUMNS = (
    "latency_s",
    "predicted_s",
    "error_pct",
    "gpu_wh",
    "predicted_gpu_wh",
    "energy_error_pct",
)


def paper_elsewhere(physics: Physics, after: AfterWork) -> Table:
    """The paper's Wan rows by the code that learns our profiles, on the paper's other models.

    `physics`: of a microbench of the same GPU with the software of today; `after`: what comes after
    a video's stages.
    """
    taught = features(_sweeps(), physics)
    factors = {f.name: f.value for f in fit_factors(taught, physics, OTHER_STACK_SIGMA)}
    others = [row for row in cross_model_rows() if row.model != WAN]
    asked = [_row(r.model, r.latency_s, r.energy_wh["gpu"]) for r in others]
    found = by_factors(features(asked, physics), physics, factors, after)
    rows = [
        {
            "model": row.model,
            **_beside(row.latency_s, row.energy_wh["gpu"], float(seconds), float(wh)),
            "shares_error_pct": 100 * (_by_shares(row.model) / row.latency_s - 1),
        }
        for row, seconds, wh in zip(others, found.latency_s, found.energy_wh, strict=True)
    ]
    return Table(
        name="paper_elsewhere",
        title="The paper's H100 (2025), fitted on WAN2.1-T2V-1.3B alone, on its other models",
        columns=("model", *_COLUMNS, "shares_error_pct"),
        rows=tuple(rows),
        notes=(
            "Measured: the paper's means over prompts, published. Predicted: our microbench, its"
            " factors fitted on the sweeps of one model by the code that fits our own rows, with"
            " priors of 30% for the software of another year. shares_error_pct: seconds by the shares"
            f" of peaks of `{PAPER}`, which has no microbench.",
        ),
    )


def _sweeps() -> list[dict[str, Any]]:
    """Resolutions and frames whole, every eighth of the steps, which are all alike."""
    names = ("height_px", "width_px", "frames", "steps")
    return [
        _row(WAN, row.seconds, row.gpu_energy_wh, **{name: getattr(row, name) for name in names})
        for sweep, every in (("resolution", 1), ("frames", 1), ("steps", 8))
        for row in paper_rows(sweep)[::every]
    ]


def _row(model: str, latency_s: float, gpu_wh: float, **asked: int) -> dict[str, Any]:
    """A published figure as a measured row without stages."""
    found = predict(model, GPU, preset="paper", **asked)
    return {
        "model": model,
        "gpu": GPU,
        "recipe": found.recipe,
        "protocol": "full",
        "workload": found.workload,
        "conditions": {name: found.options[name] for name in ("tiling", "offload")},
        "stages": {},
        "latency_s": latency_s,
        "energy_wh": {"gpu": gpu_wh},
    }


def _by_shares(model: str) -> float:
    return predict(model, GPU, preset="paper", profile=PAPER).latency_s


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
        predicted = found.latency_s, found.energy_wh["gpu"] or 0.0
        rows.append({"model": raw["model"], **_beside(latency_s, gpu_wh, *predicted)})
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


def _beside(
    latency_s: float, gpu_wh: float, predicted_s: float, predicted_wh: float
) -> dict[str, Any]:
    return {
        "latency_s": latency_s,
        "predicted_s": predicted_s,
        "error_pct": 100 * (predicted_s / latency_s - 1),
        "gpu_wh": gpu_wh,
        "predicted_gpu_wh": predicted_wh,
        "energy_error_pct": 100 * (predicted_wh / gpu_wh - 1),
    }
