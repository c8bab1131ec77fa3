"""CodeCarbon's figures beside NVML's counter over the same window."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from kinowatt.analysis.own.lines import Line, change_pct
from kinowatt.analysis.rows import cross_model_rows
from kinowatt.analysis.tables import Table
from kinowatt.units import wh_to_joules

FIRST = "first tracker"
MODES = ("machine", "process")
SCOPES = ("gpu", "cpu", "ram")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tracked:
    """One tracker around some calls of a pipeline, beside the counter between its start and stop.

    Joules by scope as CodeCarbon says them; `counter_j` of the GPU, `inside_s` by our clock.
    """

    window: str
    api: str
    interval_s: int
    mode: str
    inside_s: float
    duration_s: float
    start_s: float
    stop_s: float
    counter_j: float
    gpu_j: float
    cpu_j: float
    ram_j: float

    @property
    def gpu_pct(self) -> float:
        """CodeCarbon's GPU energy over the counter's, less one."""
        return change_pct(self.gpu_j, self.counter_j)

    @property
    def added_pct(self) -> float:
        """What the figures of CPU and memory add to the GPU's."""
        return 100.0 * (self.cpu_j + self.ram_j) / self.gpu_j


def tracked(lines: Iterable[Line]) -> list[Tracked]:
    """Every tracker of every window that was taken, in order."""
    names = {"measure_power_secs": "interval_s", "tracking_mode": "mode"}
    return [
        Tracked(window=line["variant"], **{names.get(key, key): each[key] for key in each})
        for line in lines
        for each in line.get("trackers", ())
    ]


def trackers_table(found: Sequence[Tracked]) -> Table:
    rows = [
        {
            "window": each.window,
            "used_by": "start_task" if each.api == "task" else "start",
            "every_s": each.interval_s,
            "mode": each.mode,
            "window_s": each.inside_s,
            "counter_j": each.counter_j,
            "codecarbon_j": each.gpu_j,
            "difference_pct": each.gpu_pct,
            "cpu_w": each.cpu_j / each.duration_s,
            "ram_w": each.ram_j / each.duration_s,
            "cpu_and_ram_add_pct": each.added_pct,
        }
        for each in found
    ]
    return Table(
        name="codecarbon_trackers",
        title="Each tracker beside the counter",
        rows=tuple(rows),
        notes=(
            "Window: from the end of the tracker's start to the beginning of its stop. Together: four"
            " trackers, one inside the other, around the same calls. Every: `measure_power_secs`.",
            "CPU and RAM: CodeCarbon's joules over its own duration. Both are modelled on this"
            " machine; the percentage is of CodeCarbon's GPU energy.",
        ),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What tracking costs: seconds of starts and stops, and a call's with and without."""

    first_s: float
    start_s: tuple[float, float]
    stop_s: tuple[float, float]
    with_s: tuple[float, ...]
    without_s: tuple[float, ...]

    @property
    def longer_pct(self) -> float:
        """Mean call with trackers over mean call without."""
        return change_pct(fmean(self.with_s), fmean(self.without_s))

    @property
    def spread_pct(self) -> float:
        """Of the calls without: what may be noise."""
        return change_pct(max(self.without_s), min(self.without_s))


def cost(lines: Sequence[Line], found: Sequence[Tracked]) -> Cost:
    first = next(line for line in lines if line["variant"] == FIRST)
    calls = [line for line in lines if line.get("calls")]

    def seconds(tracking: bool) -> tuple[float, ...]:
        return tuple(
            line["window_s"] / line["calls"] for line in calls if bool(line["trackers"]) == tracking
        )

    starts, stops = ([getattr(each, name) for each in found] for name in ("start_s", "stop_s"))
    return Cost(
        first_s=first["make_s"] + first["start_s"],
        start_s=(min(starts), max(starts)),
        stop_s=(min(stops), max(stops)),
        with_s=seconds(True),
        without_s=seconds(False),
    )


def watts_table(found: Sequence[Tracked]) -> Table:
    """What each scope draws by CodeCarbon: ours by tracking mode, and what the paper published."""
    rows = [
        {
            "whose": f"ours, {mode} mode",
            **_shares(
                {
                    scope: fmean(getattr(each, f"{scope}_j") / each.duration_s for each in mine)
                    for scope in SCOPES
                }
            ),
        }
        for mode in MODES
        if (mine := [each for each in found if each.mode == mode])
    ]
    rows += [
        {
            "whose": f"paper, {row.published_name}",
            **_shares(
                {scope: wh_to_joules(row.energy_wh[scope]) / row.latency_s for scope in SCOPES}
            ),
        }
        for row in cross_model_rows()
    ]
    return Table(
        name="codecarbon_watts",
        title="What the figures of CPU and memory are",
        rows=tuple(rows),
        notes=(
            "Ours: means over trackers, of one small video. Paper: its published energies over its"
            " latencies; of short calls too much, because its trackers ran longer than they.",
        ),
    )


def _shares(watts: Mapping[str, float]) -> dict[str, Any]:
    found: dict[str, Any] = {f"{scope}_w": value for scope, value in watts.items()}
    return found | {"cpu_and_ram_add_pct": 100.0 * (watts["cpu"] + watts["ram"]) / watts["gpu"]}
