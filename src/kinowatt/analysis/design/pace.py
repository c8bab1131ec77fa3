"""Whether a GPU will set the pace of a row that nobody has measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from kinowatt.analysis.design.candidates import Candidates
from kinowatt.analysis.factors import PRIOR_SIGMA
from kinowatt.analysis.features import STAGES, Features
from kinowatt.analysis.regime import HOST_SHARE
from kinowatt.errors import require_extra

DENOISER = STAGES.index("denoiser")
SEEN_SIGMA = 0.2  # of the host's seconds (log) once a row that it paced was measured
TINY_S = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """Seconds of the host over the microbench's, and how sure (standard deviation of the log)."""

    value: float = 1.0
    sigma: float = PRIOR_SIGMA["host"]


def seen_host(known: Features) -> Host:
    """By the denoisers of measured rows that the host paced: it says itself how long it took."""
    predicted_s = _host_s(known)[:, DENOISER]
    ratios = []
    for row, bound, host_s in zip(
        known.rows, known.gpu_bound[:, DENOISER], predicted_s, strict=True
    ):
        stage = row["stages"].get("denoiser", {})
        if not bound and stage.get("host_s") and host_s > 0:
            ratios.append(stage["host_s"] * stage.get("calls", 1) / float(host_s))
    return Host(value=median(ratios), sigma=SEEN_SIGMA) if ratios else Host()


def gpu_paced(from_: Candidates, factors: Mapping[str, float], host: Host) -> Any:
    """Probability by (row, stage) that the GPU sets the pace, of rows not measured."""
    np: Any = require_extra("learn", "numpy")
    stats: Any = require_extra("learn", "scipy.stats")
    seen = from_.features
    alone = replace(seen, host_s=np.zeros_like(seen.host_s))
    device_s = alone.stages(from_.physics, factors).seconds
    ahead = np.log((HOST_SHARE * device_s + TINY_S) / (_host_s(seen) * host.value + TINY_S))
    return stats.norm.cdf(ahead / host.sigma)


def as_measured(
    probability: Any, from_: Candidates, measured: Sequence[int], known: Features
) -> Any:
    """The same with what was seen: rows of one configuration, whatever their steps, are alike."""
    found = probability.copy()
    for place, index in enumerate(measured):
        alike = from_.configuration == from_.configuration[index]
        found[alike] = known.gpu_bound[place]
    return found


def _host_s(seen: Features) -> Any:
    """The microbench's seconds of the host by (row, stage)."""
    np: Any = require_extra("learn", "numpy")
    n = len(seen.rows) * len(STAGES)
    return np.bincount(seen.place, seen.host_s, n).reshape(-1, len(STAGES))
