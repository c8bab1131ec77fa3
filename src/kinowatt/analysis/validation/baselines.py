"""What a user would do instead: one utilisation, one for each model, a roofline, a regressor.

All on the same rows and stages, each with the configuration that it is asked about left out.
"""

from collections.abc import Hashable, Mapping, Sequence
from statistics import median
from typing import Any

from kinowatt.analysis.features import STAGES, TIME_GROUPS, Features, row_operators
from kinowatt.analysis.held_out import configuration
from kinowatt.errors import require_extra
from kinowatt.facts.gpus import gpu as find_gpu

STAGE = STAGES.index("denoiser")
ROOFLINE, ONE_MU, MODEL_MU = "roofline of the datasheet", "one utilisation", "one for each model"
BOOSTED = "gradient-boosted trees on our features"
Values = Sequence[float]


def baselines(seen: Features) -> dict[str, dict[int, float]]:
    """Predicted seconds of the denoiser by way and index of the row, GPU-bound rows alone."""
    rows = [i for i in range(len(seen.rows)) if seen.gpu_bound[i, STAGE]]
    measured = [float(seen.rows[i]["stages"]["denoiser"]["latency_s"]) for i in rows]
    ideal, roof = zip(*(_peaks(seen.rows[i]) for i in rows), strict=True)
    labels = [configuration(seen.rows[i]) for i in rows]
    models = [seen.rows[i]["model"] for i in rows]
    found = {
        ROOFLINE: list(roof),
        ONE_MU: _scaled(ideal, measured, labels, [""] * len(rows)),
        MODEL_MU: _scaled(ideal, measured, labels, models),
    }
    by_row = {way: dict(zip(rows, values, strict=True)) for way, values in found.items()}
    return by_row | {BOOSTED: _boosted(seen, rows, measured, labels)}


def _peaks(row: Mapping[str, Any]) -> tuple[float, float]:
    """Seconds at the dense peak alone, and by the larger of compute and memory of each operator."""
    gpu = find_gpu(row["gpu"])
    ideal = roof = 0.0
    for operator in row_operators(row):
        if operator.stage != "denoiser":
            continue
        compute_s = operator.flops / gpu.peak_flops.get(operator.dtype, gpu.peak_flops["bfloat16"])
        ideal += compute_s
        roof += max(compute_s, (operator.bytes or 0.0) / gpu.bandwidth_bytes_per_s)
    return ideal, roof


def _scaled(
    ideal: Values, measured: Values, labels: Sequence[Hashable], groups: Sequence[str]
) -> list[float]:
    """Times the median ratio of the other configurations of the same group, of all where it has no
    other."""
    found = []
    for i, seconds in enumerate(ideal):
        others = [j for j in range(len(ideal)) if labels[j] != labels[i]]
        alike = [j for j in others if groups[j] == groups[i]] or others
        found.append(seconds * median(measured[j] / ideal[j] for j in alike))
    return found


def _boosted(
    seen: Features, rows: Sequence[int], measured: Values, labels: Sequence[Hashable]
) -> dict[int, float]:
    """By row, from logarithms of the seconds that the laws give each group of operators."""
    np: Any = require_extra("validate", "numpy")
    ensemble: Any = require_extra("validate", "sklearn.ensemble")
    x = np.log(_columns(seen, np)[list(rows)] + 1e-6)
    y = np.log(measured)
    found: dict[int, float] = {}
    # Checks of the same arrays and options in each of 300 trees take longer than the trees
    with require_extra("validate", "sklearn").config_context(
        skip_parameter_validation=True, assume_finite=True
    ):
        for label in asked_about(labels):
            out = np.array([each == label for each in labels])
            grown = ensemble.GradientBoostingRegressor(
                n_estimators=300, max_depth=2, learning_rate=0.05, subsample=0.7, random_state=0
            )
            told = np.exp(grown.fit(x[~out], y[~out]).predict(x[out]))
            found |= zip(np.array(rows)[out].tolist(), told.tolist(), strict=True)
    return found


def asked_about(labels: Sequence[Hashable]) -> Sequence[Hashable]:
    """The configurations that the trees are asked about, each from all others: every one."""
    return list(dict.fromkeys(labels))


def _columns(seen: Features, np: Any) -> Any:
    """By row: seconds by group of operators, gaps and the host, of the denoiser."""
    n = len(seen.rows)
    table = np.zeros((n, len(TIME_GROUPS) + 2))
    for line, place in enumerate(seen.place):
        row, stage = divmod(int(place), len(STAGES))
        if stage == STAGE:
            table[row, : len(TIME_GROUPS)] += seen.compute_s[line] + seen.memory_s[line]
            table[row, len(TIME_GROUPS) :] += (seen.gap_s[line], seen.host_s[line])
    return table
