"""Our own points along the paper's three sweeps of WAN2.1-T2V-1.3B, and the fits through them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, linear_regression
from typing import Any

from kinowatt.analysis.own.models import PAPER_GPU
from kinowatt.analysis.own.rows import Group, Repeats, as_it_comes, nearness, stack_of
from kinowatt.analysis.predict import predict
from kinowatt.analysis.rows import SWEEPS, WAN, PaperRow, paper_rows
from kinowatt.analysis.tables import Table

MIN_FIT = 3  # points: two leave nothing to judge a line by
FORMS = {"resolution": "tokens^p", "frames": "tokens^p", "steps": "a + b·steps"}
Setting = tuple[int, int, int, int]  # height, width, frames that ran, steps


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnPoint:
    """One measured setting; field names as the paper's rows have them."""

    height_px: int
    width_px: int
    frames: int
    steps: int
    latency: Repeats
    energy: Repeats | None
    composed: bool

    @property
    def setting(self) -> Setting:
        return self.height_px, self.width_px, self.frames, self.steps

    @property
    def tokens(self) -> float:
        return _tokens(self.setting)


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnSeries:
    """Points of one sweep under one set of conditions, beside the paper's `wanted` settings.

    `elsewhere`: settings on this axis that were measured under other conditions only.
    """

    sweep: str
    points: tuple[OwnPoint, ...]
    wanted: frozenset[Setting]
    elsewhere: int

    @property
    def matched(self) -> tuple[OwnPoint, ...]:
        return tuple(point for point in self.points if point.setting in self.wanted)

    @property
    def status(self) -> str:
        """How much of the sweep is there, in words."""
        there, of = len(self.matched), len(self.wanted)
        text = f"not measured yet: {of - there} of {of} points" if there < of else "complete"
        if there:
            composed = sum(point.composed for point in self.matched)
            text = f"measured: {there} of {of} points ({composed} composed); {text}"
        if more := len(self.points) - there:
            text += f"; {more} beyond the paper's"
        if self.elsewhere:
            text += f"; {self.elsewhere} under other conditions only, not shown"
        return text


def x_of(sweep: str, setting: Setting) -> float:
    """The figure's axis: megapixels, frames, or steps."""
    height, width, frames, steps = setting
    return {"resolution": height * width / 1e6, "frames": float(frames)}.get(sweep, float(steps))


def setting_of(row: PaperRow) -> Setting:
    """What the pipeline ran for a row of the paper: frames come in fours and one."""
    return row.height_px, row.width_px, row.frames // 4 * 4 + 1, row.steps


@lru_cache(maxsize=3)
def wanted(sweep: str) -> frozenset[Setting]:
    """The distinct settings of the paper's sweep."""
    return frozenset(setting_of(row) for row in paper_rows(sweep, "all"))


def own_series(sweep: str, groups: Sequence[Group]) -> OwnSeries:
    """The stack of conditions nearest to the paper's that has points here, with all its points.

    What-ifs (other kernels, compiled blocks) are never chosen: they count as `elsewhere`. A
    composed row is linear in steps by construction: along steps it would prove itself.
    """
    here = [group for group in groups if _on_axis(sweep, group)]
    if sweep == "steps":
        here = [group for group in here if not group.first.composed]
    stacks: dict[str, list[Group]] = {}
    for group in filter(as_it_comes, here):
        stacks.setdefault(stack_of(group), []).append(group)
    chosen = max(stacks.values(), key=_preference, default=[])
    best: dict[Setting, Group] = {}
    for group in chosen:
        setting = _setting(group)
        best[setting] = max(best.get(setting, group), group, key=_near)
    every = {_setting(group) for group in here}
    points = [_point(best[setting]) for setting in sorted(best, key=lambda s: x_of(sweep, s))]
    return OwnSeries(
        sweep=sweep,
        points=tuple(points),
        wanted=wanted(sweep),
        elsewhere=len(every - set(best)),
    )


@lru_cache(maxsize=1)
def _asked() -> dict[str, Any]:
    plan = predict(WAN, preset="paper")
    return {**plan.options, "prompt_tokens": plan.workload["prompt_tokens"]}


def _near(group: Group) -> tuple[Any, ...]:
    return nearness(group, _asked(), PAPER_GPU)


def _preference(stack: Sequence[Group]) -> tuple[Any, ...]:
    """Conditions first, then how many settings, then the rest."""
    nearest = max(_near(group) for group in stack)
    return (*nearest[:3], len({_setting(group) for group in stack}), *nearest[3:])


def _setting(group: Group) -> Setting:
    workload = group.first.row["workload"]
    ran = workload["effective"]
    return ran["height_px"], ran["width_px"], ran["frames"], workload["steps"]


def _on_axis(sweep: str, group: Group) -> bool:
    """WAN-1.3B, one guided video, with the settings that the sweep holds fixed."""
    row, work = group.first.row, group.first.row["workload"]
    ran = work["effective"]
    sequences = ran["forward_passes"] * ran["sequences_per_pass"]
    if row["model"] != WAN or work["batch_size"] != 1 or sequences != 2 * work["steps"]:
        return False
    columns = zip(*wanted(sweep), _setting(group), strict=True)
    return all(len(set(column[:-1])) > 1 or column[-1] in column[:-1] for column in columns)


def _point(group: Group) -> OwnPoint:
    height, width, frames, steps = _setting(group)
    return OwnPoint(
        height_px=height,
        width_px=width,
        frames=frames,
        steps=steps,
        latency=group.latency_s,
        energy=group.gpu_wh,
        composed=group.first.composed,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """`value`: the exponent against tokens, or the slope per step; `start`: the line's own.

    A power law is a line between logarithms: its start is the logarithm of one token's value.
    """

    sweep: str
    n: int
    value: float
    start: float
    r2: float

    def at(self, setting: Setting) -> float:
        """Seconds or Wh that the fit has at a setting."""
        if self.sweep == "steps":
            return self.start + self.value * setting[3]
        return math.exp(self.start + self.value * math.log(_tokens(setting)))


def fit(sweep: str, settings: Sequence[Setting], values: Sequence[float]) -> Fit | None:
    """A power law in tokens (R2 of logarithms), or a line in steps; None below three points."""
    if sweep == "steps":
        x, y = [float(setting[3]) for setting in settings], list(values)
    else:
        x = [math.log(_tokens(setting)) for setting in settings]
        y = [math.log(value) for value in values]
    if len(set(x)) < MIN_FIT:
        return None
    slope, start = linear_regression(x, y)
    return Fit(sweep=sweep, n=len(x), value=slope, start=start, r2=r_squared(x, y))


def own_fit(series: OwnSeries, quantity: str) -> Fit | None:
    """The fit through our own points, `latency` or `energy`."""
    known = own_values(series, quantity)
    return fit(series.sweep, list(known), list(known.values()))


def own_values(series: OwnSeries, quantity: str) -> dict[Setting, float]:
    """Our mean of each setting that has the quantity."""
    found = {point.setting: _own(point, quantity) for point in series.points}
    return {setting: value for setting, value in found.items() if value is not None}


def r_squared(x: Sequence[float], y: Sequence[float]) -> float:
    """Share of the variance that the least-squares line explains; 1 where there is none."""
    slope, start = linear_regression(x, y)
    mean = fmean(y)
    total = sum((value - mean) ** 2 for value in y)
    left = sum((b - start - slope * a) ** 2 for a, b in zip(x, y, strict=True))
    return 1 - left / total if total else 1.0


def _tokens(setting: Setting) -> float:
    height, width, frames, _ = setting
    return (frames // 4 + 1) * height * width / 256


def sweeps_table(series: Sequence[OwnSeries]) -> Table:
    by_name = {item.sweep: item for item in series}
    rows = [
        _fits_row(by_name[sweep], quantity)
        for sweep in SWEEPS
        for quantity in ("latency", "energy")
    ]
    return Table(
        name="measured_sweeps",
        title="The sweeps of WAN2.1-T2V-1.3B, measured by us in 2026, beside the paper's",
        rows=tuple(rows),
        notes=(
            "p: exponent against the tokens that ran, R2 of logarithms. b: seconds or Wh per step,"
            f" R2 of the line. A fit needs {MIN_FIT} points.",
            "Rows composed from some of their steps stand in the sweeps of resolution and frames;"
            " never in the sweep of steps, where their line would prove itself.",
            "Mean ratio: ours over the paper's, at the settings that both have.",
        ),
    )


def _fits_row(series: OwnSeries, quantity: str) -> dict[str, Any]:
    paper = paper_values(series.sweep, quantity)
    known = own_values(series, quantity)
    theirs = fit(series.sweep, list(paper), list(paper.values()))
    ours = own_fit(series, quantity)
    both = [setting for setting in known if setting in paper]
    shared = fit(series.sweep, both, [paper[setting] for setting in both])
    return {
        "sweep": series.sweep,
        "quantity": quantity,
        "form": FORMS[series.sweep],
        "paper_points": len(paper),
        "paper_fit": theirs.value if theirs else None,
        "paper_r2": theirs.r2 if theirs else None,
        "paper_fit_at_our_points": shared.value if shared else None,
        "measured_2026_points": len(known),
        "measured_2026_fit": ours.value if ours else None,
        "measured_2026_r2": ours.r2 if ours else None,
        "mean_ratio": mean_ratio(series, quantity),
        "measured_2026": series.status,
    }


def ratios(series: OwnSeries, quantity: str) -> dict[Setting, float]:
    """Ours over the paper's, at each setting that both have."""
    paper, known = paper_values(series.sweep, quantity), own_values(series, quantity)
    return {setting: value / paper[setting] for setting, value in known.items() if setting in paper}


def mean_ratio(series: OwnSeries, quantity: str) -> float | None:
    """Their mean; None where no setting is shared."""
    found = ratios(series, quantity)
    return fmean(found.values()) if found else None


def paper_values(sweep: str, quantity: str) -> dict[Setting, float]:
    """The paper's value of each setting that ran; mean where several requests ran the same."""
    found: dict[Setting, list[float]] = {}
    for row in paper_rows(sweep, "with_latency"):
        value = row.seconds if quantity == "latency" else row.gpu_energy_wh
        found.setdefault(setting_of(row), []).append(value)
    return {setting: fmean(values) for setting, values in found.items()}


def _own(point: OwnPoint, quantity: str) -> float | None:
    if quantity == "latency":
        return point.latency.mean
    return point.energy.mean if point.energy else None
