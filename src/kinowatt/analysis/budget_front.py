"""The Pareto front of time, energy and output, with a user's scores where there are any."""

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
    """Settings that no other dominates, quickest first; `size`: how many there are in all."""

    settings: tuple[Setting, ...] = ()
    size: int = 0

    def to_list(self) -> list[dict[str, Any]]:
        """JSON values."""
        return [setting.to_dict() for setting in self.settings]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Points:
    """Rows of one space with their steps and scores, and what they are compared by."""

    space: Space
    rows: Array
    steps: Array
    scores: Array | None
    objectives: Array

    def only(self, kept: Array) -> "_Points":
        return _Points(
            space=self.space,
            rows=self.rows[kept],
            steps=self.steps[kept],
            scores=None if self.scores is None else self.scores[kept],
            objectives=self.objectives[kept],
        )

    def setting(self, index: int) -> Setting:
        score = None if self.scores is None else float(self.scores[index])
        return setting_at(self.space, int(self.rows[index]), int(self.steps[index]), score)


def own_front(space: Space, scores: Scores) -> Front:
    """Of one model on one GPU; of its scored settings alone where it has scores."""
    points = _undominated(space, scores)
    return Front(settings=_spread([points]), size=len(points.rows))


def joint(spaces: Sequence[Space], scores: Scores) -> Front:
    """Over models and GPUs; with scores only of models that have some."""
    np: Any = require_extra("numpy", "numpy")
    found = [_undominated(s, scores) for s in spaces if not scores or s.place.model.name in scores]
    found = [points for points in found if len(points.rows)]
    if not found:
        return Front()
    kept = front(np.concatenate([points.objectives for points in found]))
    ends = np.cumsum([0, *(len(points.rows) for points in found)])
    found = [
        points.only(kept[(kept >= low) & (kept < high)] - low)
        for points, low, high in zip(found, ends, ends[1:], strict=False)
    ]
    return Front(settings=_spread(found), size=len(kept))


def _undominated(space: Space, scores: Scores) -> _Points:
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
    points = _Points(
        space=space,
        rows=rows,
        steps=steps[rows],
        scores=None if marks is None else marks[rows],
        objectives=np.stack([column[rows] for column in columns], axis=1),
    )
    return points.only(front(points.objectives))


def _spread(found: Sequence[_Points]) -> tuple[Setting, ...]:
    """At most `POINTS` settings, the ends among them, quickest first."""
    np: Any = require_extra("numpy", "numpy")
    places = [(points, index) for points in found for index in range(len(points.rows))]
    if not places:
        return ()
    seconds = np.log([points.objectives[index, 0] for points, index in places])
    order = np.argsort(seconds, kind="stable")
    marks = np.linspace(seconds[order[0]], seconds[order[-1]], POINTS)
    near = np.abs(seconds[order][None, :] - marks[:, None]).argmin(axis=1)
    chosen = np.unique(near) if len(places) > POINTS else range(len(places))
    return tuple(places[order[i]][0].setting(places[order[i]][1]) for i in chosen)
