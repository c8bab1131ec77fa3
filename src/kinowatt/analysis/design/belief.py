"""What the rows measured so far leave unknown of all rows: a linear model around the fit.

Logarithms of a row's seconds, joules and clock are linear in those of the factors, whose priors are
the fit's own (`kinowatt.analysis.factors`). No factor explains everything: rows of one model share
an error, those of one configuration another, so that a second row of either tells less.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.design.candidates import Candidates
from kinowatt.analysis.design.pace import DENOISER, Host, as_measured, gpu_paced, seen_host
from kinowatt.analysis.factors import (
    CLOCK_NOISE,
    ENERGY_NOISE,
    HOST_NOISE,
    NOISE,
    PRIOR_SIGMA,
    fit_factors,
)
from kinowatt.analysis.features import GROUPS, STAGES, Features, Row, features
from kinowatt.errors import require_extra
from kinowatt.theory.physics import TINY_S

# Standard deviations of logarithms: what no factor explains of a row. Both together miss by 2% in
# the mean, as the profile of all rows misses a configuration that was left out (docs/how-good.md)
MODEL_SIGMA = 0.02
CONFIGURATION_SIGMA = 0.015
LEFT_SIGMA = math.hypot(MODEL_SIGMA, CONFIGURATION_SIGMA)  # of another video, whatever is measured
STEP = 1e-3  # of a factor's logarithm, for the slope
UNKNOWN = 1e6  # standard deviation of what a row does not tell
MEAN_OF_NORMAL = math.sqrt(2 / math.pi)  # mean absolute value over standard deviation
METERED = tuple(STAGES.index(stage) for stage in NOISE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Belief:
    """After some rows. P factors, Q things that a row tells: see `_told`.

    `seconds`: predicted by (row, stage). `paced`: probability that the GPU sets the pace. `slopes`:
    (rows, Q, P). `noise`: (rows, Q). `goal`: (rows, P), slopes of the seconds of the stages
    together. `factors`: as fitted. `given`: rows that are measured, or under way.
    """

    of: Candidates
    factors: Mapping[str, float]
    seconds: Any
    paced: Any
    slopes: Any
    noise: Any
    goal: Any
    given: tuple[int, ...]

    @property
    def judged(self) -> Any:
        """The rows whose seconds are to be known: those that the GPU is likely to pace, else all."""
        likely = self.paced[:, DENOISER] > 0.5
        return likely if likely.any() else ~likely

    def expected_error_pct(self) -> float:
        """Mean absolute error of the seconds of the judged rows, as this belief has it."""
        np: Any = require_extra("learn", "numpy")
        goal = self.goal[self.judged]
        variance = np.einsum("np,pq,nq->n", goal, self.covariance(), goal)
        deviation = np.sqrt(variance + LEFT_SIGMA**2)
        return float(100 * MEAN_OF_NORMAL * deviation.mean())

    def covariance(self) -> Any:
        """Of the logarithms of the factors: (P, P)."""
        np: Any = require_extra("learn", "numpy")
        prior, x, inverse = self._conditioned()
        return prior - prior @ x.T @ inverse @ x @ prior if len(x) else np.array(prior)

    def gains(self) -> Any:
        """By row: by how much it would lower the mean variance of the judged rows."""
        np: Any = require_extra("learn", "numpy")
        prior, x, inverse = self._conditioned()
        goal = self.goal[self.judged]
        weight = goal.T @ goal / len(goal)
        own = np.einsum("nqp,ps->nqs", self.slopes, prior)
        innovation = np.einsum("nqs,nrs->nqr", own, self.slopes)
        eye = np.eye(self.noise.shape[1])
        shared = MODEL_SIGMA**2 + CONFIGURATION_SIGMA**2
        innovation = innovation + eye * (self.noise**2 + shared)[:, :, None]
        if len(x):
            cross = np.einsum("nqs,ms->nqm", own, x) + self._shared()
            innovation = innovation - np.einsum("nqm,mk,nrk->nqr", cross, inverse, cross)
            own = own - np.einsum("nqm,mk,ks->nqs", cross, inverse, x @ prior)
        lowered = np.linalg.solve(innovation, own)
        found = np.einsum("nqs,st,nqt->n", lowered, weight, own)
        found[list(self.given)] = 0.0
        return found

    def _conditioned(self) -> tuple[Any, Any, Any]:
        """The prior, what given rows tell (M, P), and the inverse covariance of that."""
        np: Any = require_extra("learn", "numpy")
        prior = np.diag([PRIOR_SIGMA[name] ** 2 for name in GROUPS])
        given = list(self.given)
        x = self.slopes[given].reshape(-1, len(GROUPS))
        if not given:
            return prior, x, np.zeros((0, 0))
        among = self._shared()[given].reshape(len(x), len(x))
        noise = np.diag(self.noise[given].reshape(-1) ** 2)
        return prior, x, np.linalg.inv(x @ prior @ x.T + among + noise)

    def _shared(self) -> Any:
        """Covariance of the errors that rows share with given ones: (rows, Q, given x Q)."""
        np: Any = require_extra("learn", "numpy")
        given, q = list(self.given), self.noise.shape[1]
        alike = sum(
            sigma**2 * (labels[:, None] == labels[None, given])
            for sigma, labels in (
                (MODEL_SIGMA, self.of.model),
                (CONFIGURATION_SIGMA, self.of.configuration),
            )
        )
        return np.einsum("nm,qr->nqmr", alike, np.eye(q)).reshape(len(self.of), q, -1)


FLOOR_PCT = 100 * MEAN_OF_NORMAL * LEFT_SIGMA


def believe(
    of: Candidates, measured: Mapping[int, Row] | None = None, under_way: Sequence[int] = ()
) -> Belief:
    """What is known after `measured` rows, by their place among the candidates.

    Those `under_way` count as given: how much a row tells does not depend on its values.
    """
    np: Any = require_extra("learn", "numpy")
    measured = measured or {}
    indices = sorted(measured)
    known = features([measured[index] for index in indices], of.physics) if measured else None
    factors = dict.fromkeys(GROUPS, 1.0)
    host = Host()
    if known is not None:
        factors = {factor.name: factor.value for factor in fit_factors(known, of.physics)}
        host = seen_host(known)
    paced = gpu_paced(of, factors, host)
    if known is not None:
        paced = as_measured(paced, of, indices, known)
    seconds, slopes = _slopes(of, factors)
    share = seconds / np.maximum(seconds.sum(axis=1, keepdims=True), TINY_S)
    return Belief(
        of=of,
        factors=factors,
        seconds=seconds,
        paced=paced,
        slopes=_told(slopes),
        noise=_noise(of.features, paced),
        goal=np.einsum("nj,njp->np", share, slopes[0]),
        given=tuple(sorted({*indices, *under_way})),
    )


def _slopes(of: Candidates, factors: Mapping[str, float]) -> tuple[Any, list[Any]]:
    """Seconds, and by quantity (seconds, joules, clock) slopes of logarithms: (rows, stages, P)."""
    np: Any = require_extra("learn", "numpy")

    def logs(tried: Mapping[str, float]) -> Any:
        found = of.features.stages(of.physics, tried)
        return np.log(np.maximum((found.seconds, found.joules, found.clock), TINY_S))

    base = logs(factors)
    moved = [logs({**factors, name: factors[name] * math.exp(STEP)}) - base for name in GROUPS]
    slopes = np.stack(moved, axis=-1) / STEP
    return np.exp(base[0]), list(slopes)


def _told(slopes: Sequence[Any]) -> Any:
    """What a row tells: seconds and joules of its metered stages, and the denoiser's clock."""
    np: Any = require_extra("learn", "numpy")
    seconds, joules, clock = slopes
    parts = [seconds[:, METERED], joules[:, METERED], clock[:, [DENOISER]]]
    return np.concatenate(parts, axis=1)


def _noise(seen: Features, paced: Any) -> Any:
    """Standard deviations of what a row tells, as `factors` weighs it; the clock's where a window
    of one stage shows it."""
    np: Any = require_extra("learn", "numpy")
    steady = np.array([row.get("protocol") == "sampled" for row in seen.rows])
    kinds = [
        _mixed(paced[:, METERED], np.array(list(NOISE.values()))),
        _mixed(paced[:, METERED], np.maximum(ENERGY_NOISE, list(NOISE.values()))),
        np.where(steady, CLOCK_NOISE / np.sqrt(np.maximum(paced[:, DENOISER], 1e-9)), UNKNOWN)[
            :, None
        ],
    ]
    return np.concatenate(kinds, axis=1)


def _mixed(paced: Any, noise: Any) -> Any:
    """Precision expected where the GPU may set the pace, or the host."""
    return (paced / noise**2 + (1 - paced) / HOST_NOISE**2) ** -0.5
