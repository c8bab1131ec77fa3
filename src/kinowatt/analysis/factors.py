"""What rows of whole videos say on top of a microbench: one factor for each group of operators.

Each is drawn towards 1 by how far the microbench can be wrong about it; what rows do not determine
stays where it was, and the report says so.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.features import GROUPS, STAGES, Features, Row, Stages
from kinowatt.errors import InputError, require_extra
from kinowatt.theory.physics import Physics
from kinowatt.units import wh_to_joules

# How far the laws of a microbench may be from what runs inside a forward (log-normal): kernels were
# seen there to take 0.82 to 1.10 times their laws (`operators.jsonl`), convolutions choose others
PRIOR_SIGMA = {
    "linear": 0.03,
    "attention": 0.03,
    "convolution": 0.15,
    "convolution.tf32": 0.15,
    "norm": 0.05,
    "memory": 0.05,
    "memory.uneven": 0.1,
    "power.compute": 0.1,
    "power.convolution": 0.2,
    "power.memory": 0.2,
    "power.clock": 0.2,
    "gap": 0.4,
    "host": 0.2,
}
# Of the GPU that was measured and of its microbench; what is left is of its software, and holds for
# another GPU with the same
OWN = frozenset({"linear", "attention", "power.compute", "power.memory", "power.clock"})
# Which rows would tell a factor that rows leave open
TELLS = {
    "linear": "a large video of any transformer",
    "attention": "a long video (some 30,000 tokens or more)",
    "convolution": "CogVideoX, LTX or AnimateDiff at a large size",
    "convolution.tf32": "Wan at a large size, whose decoder computes in float32",
    "norm": "Wan or CogVideoX at a middling size",
    "memory": "Mochi or LTX at a middling size",
    "memory.uneven": "Mochi or Wan at a middling size",
    "power.compute": "a video at the power limit, with its energy",
    "power.convolution": "a decoder alone at a large size, with its energy",
    "power.memory": "a middling video below the power limit, with its energy",
    "power.clock": "a video that the power limit holds to a low clock, with its energy",
    "gap": "a video that the GPU paces with short kernels (a few thousand tokens)",
    "host": "a small video that the host paces (256x256, few frames)",
}
# Of seconds, where the device sets the pace; the text encoder is too short to count
NOISE = {"denoiser": 0.01, "vae_decoder": 0.03}
HOST_NOISE = 0.3  # where the host does: the same code took 20 and 38 us a call in two processes
ENERGY_NOISE = 0.02
WHOLE_NOISE = 0.02  # of a video of which only the whole was published
CLOCK_NOISE = 0.015
SOFT = 2.0  # standard deviations from which a row counts as an outlier
STEP = 1e-6  # of a logarithm, over which a slope is taken: far above rounding, far below a curve
# Shares by which a round betters a fit that has settled: pace has corners to be caught in
SETTLED = {"ftol": 1e-6, "xtol": 1e-6}
DETERMINED = 0.8  # a factor is the rows' where they shrink its prior to this share


@dataclass(frozen=True, kw_only=True, slots=True)
class Factor:
    """What rows say about one group of operators.

    `value`: seconds or joules over the microbench's; `low`, `high`: its 95% interval; `determined`:
    whether rows moved it further than its prior alone allows to say.
    """

    name: str
    value: float
    low: float
    high: float
    determined: bool


def fit_factors(
    seen: Features,
    physics: Physics,
    prior_sigma: Mapping[str, float] = PRIOR_SIGMA,
    start: Sequence[Factor] = (),
) -> tuple[Factor, ...]:
    """Least squares on seconds, joules and clocks of stages, outliers held back, drawn towards 1.

    At the power limit joules follow seconds; the clock is what tells operators' power apart. Of rows
    without stages the whole counts. `prior_sigma`: of each factor's logarithm. `start`: factors to
    begin the search at, those of nearly the same rows, say.
    """
    np: Any = require_extra("learn", "numpy")
    optimize: Any = require_extra("learn", "scipy.optimize")
    worths = _worths(seen, np)
    targets = (*_targets(seen, worths, np), *_wholes(seen, worths, np))
    sigma = np.array([prior_sigma[name] for name in GROUPS])

    def off(logs: Any) -> Any:
        found = seen.stages(physics, dict(zip(GROUPS, np.exp(logs).T, strict=True)))
        rows = _errors(found, targets, np) / SOFT
        held = SOFT * np.sqrt(2 * (np.sqrt(1 + rows**2) - 1))  # grows linearly beyond SOFT
        return np.concatenate([held, logs / sigma], axis=-1)

    begin = np.log([factor.value for factor in start]) if start else np.zeros(len(GROUPS))
    best = optimize.least_squares(off, begin, lambda x: _slopes(off, x, np), x_scale=0.1, **SETTLED)
    if not best.success:
        raise InputError(f"the fit of {len(seen.rows)} rows did not settle: {best.message}")
    spread = np.sqrt(np.diag(np.linalg.inv(best.jac.T @ best.jac)))
    return tuple(
        Factor(
            name=name,
            value=math.exp(value),
            low=math.exp(value - 1.96 * error),
            high=math.exp(value + 1.96 * error),
            determined=bool(error < DETERMINED * prior_sigma[name]),
        )
        for name, value, error in zip(GROUPS, best.x, spread, strict=True)
    )


def _slopes(off: Callable[[Any], Any], logs: Any, np: Any) -> Any:
    """What `off` changes by with each of the logarithms, asked for all at once."""
    return ((off(logs + STEP * np.eye(len(logs))) - off(logs)) / STEP).T


def _errors(found: Stages, targets: Sequence[tuple[Any, Any]], np: Any) -> Any:
    """Logarithms of predicted over measured, in standard deviations, of all that is known."""
    sums = (values.sum(axis=-1) for values in (found.seconds, found.joules))
    pairs = zip((found.seconds, found.joules, found.clock, *sums), targets, strict=True)
    return np.concatenate(
        [
            np.log(value[..., known] / wanted[known]) * sure[known]
            for value, (wanted, sure) in pairs
            for known in (sure > 0,)
        ],
        axis=-1,
    )


def _worths(seen: Features, np: Any) -> Any:
    """What each row counts. Those of one model count as one model: many rows of one must not drown
    the others."""
    rows_of = Counter(row["model"] for row in seen.rows)
    return np.array([1 / math.sqrt(max(1, rows_of[row["model"]] / 4)) for row in seen.rows])


def _targets(seen: Features, worths: Any, np: Any) -> tuple[tuple[Any, Any], ...]:
    """Measured seconds, joules and clocks by (row, stage), each with what it counts: 0 where it is
    unknown."""
    shape = (len(seen.rows), len(STAGES))
    (seconds, sure_s), (joules, sure_j), (clocks, sure_c) = found = tuple(
        (np.zeros(shape), np.zeros(shape)) for _ in range(3)
    )
    for i, (row, worth) in enumerate(zip(seen.rows, worths, strict=True)):
        for stage, noise in NOISE.items():
            known, j = row["stages"].get(stage), STAGES.index(stage)
            if known is None:
                continue
            bound = seen.gpu_bound[i, j]
            seconds[i, j] = known["latency_s"]
            sure_s[i, j] = worth / (noise if bound else HOST_NOISE)
            wh = known["energy_wh"]["gpu"]
            if wh:
                joules[i, j] = wh_to_joules(wh)
                sure_j[i, j] = worth / (max(ENERGY_NOISE, noise) if bound else HOST_NOISE)
        j = STAGES.index("denoiser")
        clock = _clock(row) if seen.gpu_bound[i, j] else None
        if clock:
            clocks[i, j], sure_c[i, j] = clock, worth / CLOCK_NOISE
    return found


def _wholes(seen: Features, worths: Any, np: Any) -> tuple[tuple[Any, Any], ...]:
    """Seconds and joules of rows that no stage is known of, as `_targets`."""
    wanted = np.array([[row["latency_s"], row["energy_wh"]["gpu"] or 0.0] for row in seen.rows])
    bare = np.array([not row["stages"] for row in seen.rows])
    worth = worths * bare
    return tuple(
        (values, np.where(values > 0, worth / noise, 0.0))
        for values, noise in (
            (wanted[:, 0], WHOLE_NOISE),
            (wh_to_joules(wanted[:, 1]), max(ENERGY_NOISE, WHOLE_NOISE)),
        )
    )


def _clock(row: Row) -> float | None:
    """Mean share of the greatest clock over the denoiser, where a window held little else."""
    conditions = row["conditions"]
    seen, highest = conditions.get("clock_mhz"), conditions.get("max_sm_clock_mhz")
    steady = row.get("protocol") == "sampled"
    return float(seen["mean"]) / float(highest) if seen and highest and steady else None
