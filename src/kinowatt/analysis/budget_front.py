"""The Pareto front of time, energy and output, with a user's scores where there are any."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.budget_pick import front, wanted
from kinowatt.analysis.budget_scores import Scores, scored
from kinowatt.analysis.budget_setting import Setting, setting_at
from kinowatt.analysis.budget_space import Array, Space
from kinowatt.errors import require_extra

POINTS = 24  # of a front that are spelt out, spread evenly over the logarithm of time
OBJECTIVES: Mapping[str, str] = {
    "latency_s": "less",
    "energy_wh_gpu": "less",
    "pixel_frames": "more",
    "video_s": "more",
    "steps, of the model card's": "more",
    "score": "more, where scores are given: then only of scored settings",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Front:
    """Settings that no other dominates, quickest first; `size`: how many there are in all.

    Each runs the most steps that fit; the same with fewer steps are not listed.
    """

    settings: tuple[Setting, ...] = ()
    size: int = 0

    def to_list(self) -> list[dict[str, Any]]:
        """JSON values."""
        return [setting.to_dict() for setting in self.settings]


@dataclass(frozen=True, kw_only=True, slots=True)
class Points:
    """Rows of one space with their steps and scores, and what they are compared by.

    `fitting`: all rows that fit, and the most steps of each; none of scored settings, whose steps
    are those that were scored.
    """

    space: Space
    rows: Array
    steps: Array
    scores: Array | None
    objectives: Array
    fitting: tuple[Array, Array] | None

    def only(self, kept: Array) -> "Points":
        return Points(
            space=self.space,
            rows=self.rows[kept],
            steps=self.steps[kept],
            scores=None if self.scores is None else self.scores[kept],
            objectives=self.objectives[kept],
            fitting=self.fitting,
        )

    def setting(self, index: int) -> Setting:
        score = None if self.scores is None else float(self.scores[index])
        return setting_at(self.space, int(self.rows[index]), int(self.steps[index]), score)


def own_front(points: Points) -> Front:
    """Of one model on one GPU; of its scored settings alone where it has scores."""
    return Front(settings=_spread([points]), size=len(points.rows))


def joint(own: Sequence[Points], scores: Scores) -> Front:
    """Over models and GPUs, from the front of each; with scores only of models that have some."""
    np: Any = require_extra("numpy", "numpy")
    found = [p for p in own if len(p.rows) and (p.scores is not None or not scores)]
    if not found:
        return Front()
    kept = front(np.concatenate([points.objectives for points in found]))
    ends = np.cumsum([0, *(len(points.rows) for points in found)])
    found = [
        points.only(kept[(kept >= low) & (kept < high)] - low)
        for points, low, high in zip(found, ends, ends[1:], strict=False)
    ]
    rivals = [points for points in own if points.fitting is not None]
    if not scores:
        found = [points.only(~_beaten(points, rivals)) for points in found]
    return Front(settings=_spread(found), size=sum(len(points.rows) for points in found))


def undominated(space: Space, scores: Scores) -> Points:
    """The settings of a space that no other of it dominates."""
    np: Any = require_extra("numpy", "numpy")
    marks = None
    if scores.get(space.place.model.name):
        space, steps, marks, fits = scored(space.place, scores)
    else:
        steps = space.most_steps()
        fits = wanted(space, steps)
    rows = np.flatnonzero(fits)
    latency_s, energy_wh = space.cost(steps)
    columns = [latency_s, energy_wh, -space.pixel_frames, -space.video_s, -space.shares(steps)[2]]
    if marks is not None:
        columns.append(-marks)
    points = Points(
        space=space,
        rows=rows,
        steps=steps[rows],
        scores=None if marks is None else marks[rows],
        objectives=np.stack([column[rows] for column in columns], axis=1),
        fitting=None if marks is not None else (rows, steps[rows]),
    )
    points = points.only(front(points.objectives))
    return points if marks is not None else points.only(~_beaten(points, [points]))


def _beaten(points: Points, rivals: Sequence[Points]) -> Array:
    """Which are dominated by a rival at fewer steps than the rival's most.

    A rival need do no more steps, as a share of its card's, than the setting that it is held
    against; those are its cheapest that could dominate it.
    """
    np: Any = require_extra("numpy", "numpy")
    found = np.zeros(len(points.rows), bool)
    for share in sorted(set(points.objectives[:, 4].tolist())):
        mine = np.flatnonzero(points.objectives[:, 4] == share)
        costs = points.objectives[mine, :4].T
        for rival in rivals:
            other = _at_share(rival, -share)
            other = other[:, (other <= costs.max(axis=1)[:, None]).all(axis=0)]
            found[mine] |= _dominated(costs, other)
    return found


def _dominated(costs: Array, others: Array) -> Array:
    """Which columns of `costs` (objectives, rows) one of `others` is no worse than, and better."""
    np: Any = require_extra("numpy", "numpy")
    no_worse = np.ones((costs.shape[1], others.shape[1]), bool)
    better = ~no_worse
    for mine, other in zip(costs, others, strict=True):
        no_worse &= other <= mine[:, None]
        better |= other < mine[:, None]
    return (no_worse & better).any(axis=1)


def _at_share(rival: Points, share: float) -> Array:
    """(4, rows): objectives of all that fits, at the least steps of at least a share of the card's."""
    np: Any = require_extra("numpy", "numpy")
    assert rival.fitting is not None
    rows, most = rival.fitting
    space = rival.space
    steps = max(space.steps[1], math.ceil(share * space.place.card.steps - 1e-9))
    rows = rows[most >= steps]
    latency_s, energy_wh = space.cost(steps)
    columns = (latency_s, energy_wh, -space.pixel_frames, -space.video_s)
    return np.stack([column[rows] for column in columns])


def _spread(found: Sequence[Points]) -> tuple[Setting, ...]:
    """At most `POINTS` settings, the ends among them, quickest first."""
    np: Any = require_extra("numpy", "numpy")
    places = [(points, index) for points in found for index in range(len(points.rows))]
    if not places:
        return ()
    seconds = np.log([points.objectives[index, 0] for points, index in places])
    order = np.argsort(seconds, kind="stable")
    marks = np.linspace(seconds[order[0]], seconds[order[-1]], POINTS)
    near = np.abs(seconds[order][None, :] - marks[:, None]).argmin(axis=1)
    chosen = sorted(set(near.tolist())) if len(places) > POINTS else range(len(places))
    return tuple(places[order[i]][0].setting(places[order[i]][1]) for i in chosen)
