"""GPU time and energy that our own measuring took, by what the files record of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from kinowatt.analysis.own.rows import OwnRow
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.units import joules_to_wh, wh_to_joules


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """What one set of rows took on one GPU.

    `seconds` of the GPU: `windows_s` in which energy was metered, `warm_s` warming up, and the
    rest (idle baselines, steps dropped until the clock settled, calls between windows).
    `metered_j` in the windows; `estimated_j` outside of them. `idle_w`: None where unknown.
    """

    name: str
    gpu: str
    rows: int
    seconds: float
    windows_s: float
    warm_s: float
    metered_j: float
    estimated_j: float
    idle_w: float | None = None

    @property
    def rest_s(self) -> float:
        return self.seconds - self.windows_s - self.warm_s

    @property
    def gpu_wh(self) -> float:
        return joules_to_wh(self.metered_j + self.estimated_j)

    @property
    def metered_wh(self) -> float:
        return joules_to_wh(self.metered_j)


def total(name: str, parts: Sequence[Spent]) -> Spent:
    """Several sets of one GPU together."""
    names = ("rows", "seconds", "windows_s", "warm_s", "metered_j", "estimated_j")
    sums: dict[str, Any] = {key: sum(getattr(part, key) for part in parts) for key in names}
    return Spent(name=name, gpu=parts[0].gpu, **sums)


def of_rows(name: str, gpu: str, rows: Sequence[OwnRow]) -> Spent:
    """Videos. What is outside of windows and warm-ups counts at idle power: the least it can be."""
    first = {(row.machine, row.conditions["idle_s"]): id(row) for row in reversed(rows)}
    baselines = set(first.values())  # one that serves several rows has one length to the last digit
    known = [row.row["idle_power_w"] for row in rows if row.row["idle_power_w"]]
    idle_w = median(known) if known else None
    parts = [_of_row(row, id(row) in baselines) for row in rows]
    rest_s = sum(part.rest_s for part in parts)
    found = total(name, parts) if parts else Spent(name=name, gpu=gpu, **_NONE)
    return Spent(
        name=name,
        gpu=gpu,
        idle_w=idle_w,
        rows=len(rows),
        seconds=found.seconds,
        windows_s=found.windows_s,
        warm_s=found.warm_s,
        metered_j=found.metered_j,
        estimated_j=found.estimated_j + rest_s * (idle_w or 0.0),
    )


_NONE: Mapping[str, Any] = dict.fromkeys(
    ("rows", "seconds", "windows_s", "warm_s", "metered_j", "estimated_j"), 0
)


def _of_row(own: OwnRow, baseline: bool) -> Spent:
    """The clock's seconds, or the sum of what is recorded where that is more."""
    row, conditions = own.row, own.conditions
    apart_s, apart_j = _apart(row)
    windows_s = conditions["window_s"] + apart_s
    # The first call as recorded, each further warm-up as one whole video
    warm_s = conditions["cold_s"] + max(row["warmup_runs"] - 1, 0) * row["latency_s"]
    recorded_s = windows_s + warm_s + (conditions["idle_s"] if baseline else 0.0)
    power_w = row["power_w"] or conditions["sampled_power_w"]["mean"]
    return Spent(
        name=own.file,
        gpu=row["gpu"],
        rows=1,
        seconds=max(own.took_s, recorded_s),
        windows_s=windows_s,
        warm_s=warm_s,
        metered_j=_window_j(own) + apart_j,
        estimated_j=warm_s * power_w,
    )


def _window_j(own: OwnRow) -> float:
    """Of the first GPU meter over the timed window; 0 where none metered it."""
    readings = own.conditions.get("readings") or ()
    joules = (found["energy_j"] for found in readings if found["scope"] == "gpu")
    return next(joules, None) or 0.0


def _apart(row: Mapping[str, Any]) -> tuple[float, float]:
    """Seconds and joules of windows in which a stage was repeated by itself."""
    seconds = joules = 0.0
    for stage in row["stages"].values():
        for each in stage.get("alone") or ():
            seconds += each["repeated"] * each["call_s"]
            joules += each["repeated"] * (each["energy_j_gpu"] or 0.0)
    composed, decoder = row["conditions"].get("composed"), row["stages"]["vae_decoder"]
    if composed and composed.get("decoder_calls"):
        videos = composed["decoder_calls"] / max(decoder["calls"], 1)
        seconds += videos * decoder["latency_s"]
        joules += videos * wh_to_joules(decoder["energy_wh"]["gpu"] or 0.0)
    return seconds, joules


def of_benches(name: str, benches: Iterable[Mapping[str, Any]]) -> list[Spent]:
    """Microbenchmarks, a row a file: what is outside of sustained points counts as idle."""
    return [_of_bench(name, bench) for bench in benches]


def _of_bench(name: str, bench: Mapping[str, Any]) -> Spent:
    held = [point["sustained"] for point in bench["points"] if point["sustained"]]
    held += bench["loads"]
    windows_s = sum(each["seconds"] for each in held)
    return Spent(
        name=name,
        gpu=find_gpu(bench["device"]).name,
        rows=1,
        seconds=bench["seconds"],
        windows_s=windows_s,
        warm_s=0.0,
        metered_j=sum(each["seconds"] * each["power_w"]["mean"] for each in held),
        estimated_j=(bench["seconds"] - windows_s) * bench["idle"]["power_w"]["mean"],
    )


def of_experiments(
    name: str, gpu: str, lines: Iterable[Mapping[str, Any]], idle_w: float | None
) -> Spent:
    """Lines of experiments, whose `at_s` runs through a command: its last is what it took."""
    lines = list(lines)
    ends: dict[tuple[Any, Any], float] = {}
    for line in lines:
        run = (line["conditions"].get("gpu_uuid"), line["conditions"]["command"])
        ends[run] = max(ends.get(run, 0.0), line["at_s"])
    windows_s = sum(line.get("window_s") or 0.0 for line in lines)
    seconds = sum(ends.values())
    return Spent(
        name=name,
        gpu=gpu,
        rows=len(lines),
        seconds=seconds,
        windows_s=windows_s,
        warm_s=0.0,
        metered_j=sum(line.get("gpu_j") or 0.0 for line in lines),
        estimated_j=(seconds - windows_s) * (idle_w or 0.0),
    )
