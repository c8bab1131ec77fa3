"""CodeCarbon beside NVML's counter: the page and its picture."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from kinowatt.analysis.own.codecarbon import (
    FIRST,
    MODES,
    Cost,
    Tracked,
    cost,
    tracked,
    trackers_table,
    watts_table,
)
from kinowatt.analysis.own.lines import Line, machines, not_taken, versions
from kinowatt.analysis.tables import Table
from kinowatt.report.experiments.pages import (
    MADE,
    Experiment,
    good_for,
    listed,
    page,
    prose,
    section,
)
from kinowatt.report.style import INK, SCOPES, plotting
from kinowatt.units import MS_PER_S


def codecarbon(lines: Sequence[Line]) -> Experiment:
    found = tracked(lines)
    spent, watts = cost(lines, found), watts_table(found)
    return Experiment(
        name="codecarbon",
        text=text(lines, found, spent, watts),
        draw=lambda: draw(found, spent, watts),
    )


def text(lines: Sequence[Line], found: Sequence[Tracked], spent: Cost, watts: Table) -> str:
    return page(
        "# CodeCarbon beside NVML's counter",
        MADE,
        prose(
            "The paper measured with CodeCarbon; our rows read NVML's energy counter themselves. Do"
            " the two agree on the same run, does it matter how CodeCarbon is set, and what are its"
            " figures of CPU and memory?"
        ),
        prose(_found(lines, found, spent)),
        "![Left: CodeCarbon's GPU energy against the counter. Middle: seconds of a call with and"
        " without trackers. Right: watts by scope](../images/experiment-codecarbon.png)",
        section(trackers_table(found)),
        section(watts, _watts(watts, found)),
        _good_for(lines, found),
    )


def _found(lines: Sequence[Line], found: Sequence[Tracked], spent: Cost) -> str:
    differences = [each.gpu_pct for each in found]
    seconds = [each.inside_s for each in found]
    settings = {(each.api, each.interval_s, each.mode) for each in found}
    machine, process = (
        fmean(each.added_pct for each in found if each.mode == mode) for mode in MODES
    )
    return f"""**Found.** They agree: over {len(found)} trackers with {len(settings)} settings, in
windows of {min(seconds):.0f} to {max(seconds):.0f} s, CodeCarbon's GPU energy is
{min(differences):+.2f} to {max(differences):+.2f}% off the counter's over the same window
({fmean(differences):+.2f}% on average). Interval and mode do not matter for the GPU, since CodeCarbon
{_version(lines)} reads the same counter at start and stop. To it the tool adds CPU and memory, which
nothing on this machine measures: {machine:.1f}% of the GPU's energy in `machine` mode and
{process:.1f}% in `process` mode, for the same run. Tracking costs no time that shows: calls with
trackers take {spent.longer_pct:+.1f}%, and calls without scatter by {spent.spread_pct:.1f}%."""


def _version(lines: Sequence[Line]) -> str:
    return str(next(line["conditions"]["codecarbon"] for line in lines))


def _watts(watts: Table, found: Sequence[Tracked]) -> str:
    ours, papers = (
        [row for row in watts.rows if row["whose"].startswith(whose)] for whose in ("ours", "paper")
    )
    machine, process = ours
    ram = [row["ram_w"] for row in papers]
    cpu = [row["cpu_w"] for row in papers]
    return f"""Memory is a model of its size, {machine["ram_w"]:.1f} W here, whatever runs; in
`process` mode the share that the process uses, {process["ram_w"]:.1f} W. The paper's energies come
to at least {min(ram):.1f} W, the model's figure for its machine. CPU is a model of load here
({machine["cpu_w"]:.1f} W); the paper's comes to {min(cpu):.0f} to {max(cpu):.0f} W. Figures of CPU and
memory are comparable only within one tool, mode and machine."""


def _good_for(lines: Sequence[Line], found: Sequence[Tracked]) -> str:
    first = next(line for line in lines if line["variant"] == FIRST)
    starts, stops = ([getattr(each, n) for each in found] for n in ("start_s", "stop_s"))
    missing = not_taken(lines)
    return good_for(
        f"""Measured on {machines(lines)} ({versions(lines)}), a virtual machine without
        RAPL, Wan-1.3B at 480×832×33 with 8 steps, CodeCarbon {_version(lines)}
        (`data/experiments/h100-sxm/codecarbon.jsonl`). What it found there:
        {listed([f"`{part}`" for part in first["parts"]])}.""",
        """That both agree says nothing of the counter itself: they read one instrument. Where a driver
        has no counter, CodeCarbon samples power, and its interval then matters.""",
        f"""The first tracker of a process takes {first["make_s"] + first["start_s"]:.1f} s to look for
        hardware, later ones {_ms(starts)} to start and {_ms(stops)} to stop. Of calls shorter than
        some seconds that is a part of what is tracked.""",
        f"Not taken: {'; '.join(missing)}." if missing else "",
    )


def _ms(seconds: Sequence[float]) -> str:
    return f"{MS_PER_S * min(seconds):.0f} to {MS_PER_S * max(seconds):.0f} ms"


def draw(found: Sequence[Tracked], spent: Cost, watts: Table) -> Any:
    """Differences by setting; seconds of a call with and without trackers; watts by scope."""
    plt = plotting()
    figure, axes = plt.subplots(1, 3, figsize=(10.8, 3.6), width_ratios=(1.05, 0.6, 1.1))
    _differences(axes[0], found)
    for index, seconds in enumerate((spent.without_s, spent.with_s)):
        axes[1].scatter([index] * len(seconds), seconds, s=22, color=INK, alpha=0.8, linewidth=0)
    axes[1].set(ylabel="seconds of a call", xlim=(-0.6, 1.6), ylim=(0, 6))
    axes[1].set_xticks((0, 1), ("without", "with trackers"))
    axes[1].set_title("What it costs", loc="left")
    _watt_bars(axes[2], watts)
    return figure


def _differences(ax: Any, found: Sequence[Tracked]) -> None:
    names = sorted({_setting(each) for each in found}, reverse=True)
    for long, marker in ((False, "o"), (True, "s")):
        mine = [each for each in found if ("long" in each.window) == long]
        ax.scatter(
            [each.gpu_pct for each in mine],
            [names.index(_setting(each)) for each in mine],
            s=24,
            marker=marker,
            color=SCOPES["gpu"],
            alpha=0.8,
            linewidth=0,
            label=f"{fmean(each.inside_s for each in mine):.0f} s",
        )
    ax.axvline(0.0, color=INK, linewidth=0.8)
    ax.set(xlim=(-1, 1), ylim=(-0.6, len(names) - 0.4), xlabel="CodeCarbon over the counter (%)")
    ax.set_yticks(range(len(names)), names)
    ax.set_title("GPU energy, same window", loc="left")
    ax.legend(fontsize=8, loc="lower left")


def _setting(each: Tracked) -> str:
    return f"{each.mode}, {each.interval_s} s,\n{'start_task' if each.api == 'task' else 'start'}"


def _watt_bars(ax: Any, watts: Table) -> None:
    """CPU and memory over each other: the GPU's are tenfold."""
    rows = watts.rows[::-1]
    left = [0.0] * len(rows)
    for scope in ("cpu", "ram"):
        widths = [row[f"{scope}_w"] for row in rows]
        colour = SCOPES[scope]
        ax.barh(range(len(rows)), widths, left=left, color=colour, height=0.65, label=scope.upper())
        left = [a + b for a, b in zip(left, widths, strict=True)]
    ax.set_yticks(range(len(rows)), [row["whose"] for row in rows], fontsize=8)
    ax.set(xlabel="W beside the GPU's, by CodeCarbon")
    ax.set_title("CPU and memory: modelled", loc="left")
    ax.legend(fontsize=8, loc="upper right")
    ax.grid(False, axis="y")
