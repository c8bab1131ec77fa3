"""Two GPUs of one host: how much faster a campaign is, and whether neighbours disturb each other."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from kinowatt.analysis.own.lines import change_pct
from kinowatt.analysis.tables import Table
from kinowatt.facts.data import data_lines, data_path
from kinowatt.units import MS_PER_S, to_base

Row = Mapping[str, Any]
SLOW_STEP_S = 0.1  # steps that the host paces are of two kinds, with few about here
DONE = re.compile(
    r"\s*([\d.]+) s\s+(\d+)/\d+\s+gpu (\d+)\s+\S+ (\d+)x(\d+) (\d+) frames (\d+) steps"
)
COMMAND = re.compile(r"whole command ([\d.]+) s")
Work = tuple[int, int, int]  # height in pixels, frames, steps


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """A row of the log: its worker, when it was done, and seconds since that worker's last."""

    work: Work
    worker: int
    done_s: float
    took_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """The same video alone on the host, and while the other GPU worked."""

    work: Work
    alone: Row
    beside: Row

    @property
    def same_gpu(self) -> bool:
        return _gpu(self.alone) == _gpu(self.beside)

    @property
    def host_paced(self) -> bool:
        return bool(self.alone["conditions"]["host_bound"])

    def change_pct(self, stage: str | None = None) -> float:
        """Of seconds: of the whole call or of one stage, with a neighbour against alone."""
        before, after = (_seconds(row, stage) for row in (self.alone, self.beside))
        return change_pct(after, before)

    def energy_pct(self, stage: str | None = None) -> float | None:
        """As `change_pct`, of GPU energy; None where the stage was too short to be metered."""
        before, after = (_energy(row, stage) for row in (self.alone, self.beside))
        return None if before is None or after is None else change_pct(after, before)


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """Everything of both runs."""

    pairs: tuple[Pair, ...]
    logs: Mapping[int, tuple[Done, ...]]  # by the number of GPUs
    commands_s: Mapping[int, float]  # likewise

    def chosen(self, *, host_paced: bool, same_gpu: bool) -> list[Pair]:
        return [p for p in self.pairs if (p.host_paced, p.same_gpu) == (host_paced, same_gpu)]


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeedUp:
    """Of two GPUs over one; `busy`: the share of two GPUs' time, once both measured, in rows.

    `whole`: from the campaign's first line to its last row, so with the start of the processes.
    `commands`: from prompt to prompt. `measuring`: after each worker's first row, rows that
    neither run had first. `paced_by_gpu`: the same, of rows whose time the host does not set.
    `equal_rows`: had every row taken alone what it took beside a neighbour.
    """

    whole: float
    commands: float
    measuring: float
    paced_by_gpu: float
    equal_rows: float
    busy: float
    start_s: Mapping[int, float]


def committed() -> Taken:
    """Both runs as they lie in the data."""
    one, two = (_rows(name) for name in ("one", "two"))
    pairs = [Pair(work=work, alone=one[work], beside=two[work]) for work in sorted(one)]
    texts = {gpus: _log(name) for gpus, name in ((1, "one"), (2, "two"))}
    return Taken(
        pairs=tuple(pairs),
        logs={gpus: tuple(_done(text.splitlines())) for gpus, text in texts.items()},
        commands_s={gpus: float(COMMAND.findall(text)[0]) for gpus, text in texts.items()},
    )


def _rows(name: str) -> dict[Work, Row]:
    return {_work(row["workload"]): row for row in data_lines(f"campaigns/two-gpus/{name}.jsonl")}


def _work(workload: Mapping[str, Any]) -> Work:
    return workload["height_px"], workload["frames"], workload["steps"]


def _log(name: str) -> str:
    return data_path(f"campaigns/two-gpus/{name}.log").read_text("utf-8")


def _done(lines: Sequence[str]) -> Iterator[Done]:
    last: dict[int, float] = {}
    for found in filter(None, map(DONE.match, lines)):
        seconds, worker = float(found[1]), int(found[3])
        work = int(found[4]), int(found[6]), int(found[7])
        before = last.get(worker)
        took = None if before is None else seconds - before
        yield Done(work=work, worker=worker, done_s=seconds, took_s=took)
        last[worker] = seconds


def _gpu(row: Row) -> str:
    return str(row["conditions"]["gpu_uuid"])


def _seconds(row: Row, stage: str | None) -> float:
    return float((row["stages"][stage] if stage else row)["latency_s"])


def _energy(row: Row, stage: str | None) -> float | None:
    found: float | None = (row["stages"][stage] if stage else row)["energy_wh"]["gpu"]
    return found


def speed_up(taken: Taken) -> SpeedUp:
    """By the times at which rows were done, which the log has to a tenth of a second."""
    one, two = (_took(taken.logs[gpus]) for gpus in (1, 2))
    both = sorted(set(one) & set(two))
    end = _end(taken.logs[2])
    held = sum(end - first for first in _firsts(taken.logs[2]).values())
    busy = sum(two.values()) / held
    by_gpu = [pair.work for pair in taken.pairs if not pair.host_paced and pair.work in both]
    return SpeedUp(
        whole=_end(taken.logs[1]) / end,
        commands=taken.commands_s[1] / taken.commands_s[2],
        measuring=2 * busy * _ratio(one, two, both),
        paced_by_gpu=2 * busy * _ratio(one, two, by_gpu),
        equal_rows=2 * busy,
        busy=busy,
        start_s={gpus: _start(taken, gpus) for gpus in (1, 2)},
    )


def _took(log: Sequence[Done]) -> dict[Work, float]:
    return {each.work: each.took_s for each in log if each.took_s is not None}


def _ratio(one: Mapping[Work, float], two: Mapping[Work, float], works: Sequence[Work]) -> float:
    return sum(one[work] for work in works) / sum(two[work] for work in works)


def _end(log: Sequence[Done]) -> float:
    return max(each.done_s for each in log)


def _firsts(log: Sequence[Done]) -> dict[int, float]:
    return {each.worker: each.done_s for each in log if each.took_s is None}


def _start(taken: Taken, gpus: int) -> float:
    """Until a first row could begin: when it was done, less what such a row takes later on."""
    log, videos = taken.logs[gpus], {pair.work: pair for pair in taken.pairs}
    first = min((each for each in log if each.took_s is None), key=lambda each: each.done_s)
    alike = [each for each in log if each.took_s is not None and each.work[0] == first.work[0]]
    rows = {work: pair.alone if gpus == 1 else pair.beside for work, pair in videos.items()}
    besides = median((each.took_s or 0.0) - rows[each.work]["latency_s"] for each in alike)
    return float(first.done_s - rows[first.work]["latency_s"] - besides)


def pairs_table(taken: Taken) -> Table:
    """Every row alone and with a neighbour."""
    order = sorted(taken.pairs, key=lambda p: (p.host_paced, not p.same_gpu, p.work))
    return Table(
        name="two_gpus_pairs",
        title="The same row alone and with a neighbour",
        columns=tuple(_pair(order[0])),
        rows=tuple(_pair(pair) for pair in order),
        notes=(
            "Changes: with a neighbour against alone. Energy by NVML's counter; a denoiser is"
            " metered alone where it runs for at least 5 s, else – stands.",
            "Another GPU: the row moved to the host's second GPU, so that the change is that of"
            " the two chips as well.",
        ),
    )


def _pair(pair: Pair) -> dict[str, Any]:
    height, frames, steps = pair.work
    width = pair.alone["workload"]["width_px"]
    return {
        "video": f"{height}×{width}×{frames}, {steps} steps",
        "paced by": "host" if pair.host_paced else "GPU",
        "GPU": "same" if pair.same_gpu else "another",
        "alone_s": pair.alone["latency_s"],
        "beside_s": pair.beside["latency_s"],
        "time_pct": pair.change_pct(),
        "denoiser time_pct": pair.change_pct("denoiser"),
        "GPU energy_pct": pair.energy_pct(),
        "denoiser energy_pct": pair.energy_pct("denoiser"),
    }


def slow_share(row: Row) -> float:
    """Steps of the denoiser that took longer than a tenth of a second."""
    steps = row["stages"]["denoiser"]["steps_s"]
    return float(sum(step > SLOW_STEP_S for step in steps) / len(steps))


def spells_table(taken: Taken) -> Table:
    """What rows paced by the host are made of: quick steps and slow ones."""
    found = [
        _spell(pair, row, run)
        for run in ("alone", "with a neighbour")
        for pair in taken.pairs
        if pair.host_paced
        for row in (pair.alone if run == "alone" else pair.beside,)
    ]
    return Table(
        name="two_gpus_spells",
        title="Rows paced by the host: quick steps and slow ones",
        rows=tuple(found),
        notes=(
            f"Slow: a step of more than {SLOW_STEP_S:g} s. GPU A measured alone too.",
            "All quick: what the denoiser would take, were every step as its quick ones are; –: it has"
            " none.",
        ),
    )


def _spell(pair: Pair, row: Row, run: str) -> dict[str, Any]:
    steps = row["stages"]["denoiser"]["steps_s"]
    quick = [step for step in steps if step <= SLOW_STEP_S]
    quick_s = fmean(quick) if quick else None
    return {
        "run": run,
        "GPU": "A" if _gpu(row) == _gpu(pair.alone) else "B",
        "steps": len(steps),
        "denoiser_s": row["stages"]["denoiser"]["latency_s"],
        "slow_pct": 100 * slow_share(row),
        "quick step_ms": None if quick_s is None else MS_PER_S * quick_s,
        "all quick_s": None if quick_s is None else len(steps) * quick_s,
        "text encoder_ms": MS_PER_S * row["stages"]["text_encoder"]["latency_s"],
    }


def finish_table(taken: Taken, forecast: Mapping[str, Any]) -> Table:
    """What was predicted before the run against what it took, by GPUs."""
    gpu = taken.pairs[0].alone["gpu"]
    rows = [_finish(taken, forecast[gpu], gpus) for gpus in (1, 2)]
    return Table(
        name="two_gpus_forecast",
        title="The forecast, committed before the run",
        rows=tuple(rows),
        notes=(f"Predicted for {gpu}, on which the rows were then taken.",),
    )


def _finish(taken: Taken, forecast: Mapping[str, Any], gpus: int) -> dict[str, Any]:
    hours = forecast["finish_h"][str(gpus)]
    low, high = (to_base(end, "time", "h") for end in hours["95"])
    predicted, took = to_base(hours["expected"], "time", "h"), _end(taken.logs[gpus])
    return {
        "GPUs": gpus,
        "predicted_s": predicted,
        "95% interval": f"{low:.0f} to {high:.0f} s",
        "last row done_s": took,
        "predicted over it_pct": change_pct(predicted, took),
    }
