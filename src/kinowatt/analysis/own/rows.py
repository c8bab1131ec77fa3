"""Our own measured rows, and which of them are repeats of the same thing."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

# What tells two workloads apart: the work that ran, not what was asked for
WORK = ("height_px", "width_px", "frames", "tokens", "forward_passes", "sequences_per_pass")
# A rule of composing that `sampled` no longer follows; data/README.md says which one
OLD_RULE = "-finish-once"
# A pipeline as it comes: other kernels are what-ifs, which stand beside nothing of the paper
AS_IT_COMES = {"attention_backend": "default", "compile": "none"}


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnRow:
    """One measured row.

    `like`: every condition that must be equal in rows that are averaged, by dotted name. `meter`:
    what metered the GPU, None where nothing did. `composed`: the video was put together from
    parts (some steps timed, the rest counted), so that its time is linear in steps by construction.
    `took_s`: GPU-seconds that measuring it took by the laboratory's clock, 0 where nobody says.
    """

    file: str
    row: Mapping[str, Any]
    like: Mapping[str, Any]
    meter: str | None
    composed: bool
    took_s: float = 0.0

    @property
    def conditions(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.row["conditions"]
        return found

    @property
    def work(self) -> tuple[Any, ...]:
        return work_of(self.row["workload"])

    @property
    def machine(self) -> str:
        return str(self.conditions.get("gpu_uuid"))


def own_row(
    row: Mapping[str, Any], identity: Mapping[str, Any], file: str = "", took_s: float = 0.0
) -> OwnRow:
    """A row (plain JSON) with the conditions that the laboratory holds for its identity.

    Only seconds and GPU energy are averaged here, so of all meters the GPU's must be equal. Rows
    composed by different rules record different things: these are not alike either.
    """
    composed = row["conditions"].get("composed")
    readings = row["conditions"].get("readings") or ()
    meter = next((found["meter"] for found in readings if found["scope"] == "gpu"), None)
    if row["energy_wh"]["gpu"] is None:
        meter = None
    like = {name: value for name, value in identity.items() if name != "meters"}
    like |= {"gpu_meter": meter, "composed": sorted(composed) if composed else None}
    return OwnRow(
        file=file, row=row, like=like, meter=meter, composed=bool(composed), took_s=took_s
    )


def work_of(workload: Mapping[str, Any]) -> tuple[Any, ...]:
    """What ran: size, frames, tokens, passes, sequences a pass, videos at once."""
    effective = workload["effective"]
    return (*(effective[name] for name in WORK), workload["batch_size"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeats:
    """Mean over `n` repeats; `sd` (of a sample) and `over` tell of what, None and why for one."""

    mean: float
    sd: float | None
    n: int
    over: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Rows of the same workload under the same conditions: the only ones that are averaged."""

    rows: tuple[OwnRow, ...]

    @property
    def first(self) -> OwnRow:
        return self.rows[0]

    @property
    def machines(self) -> int:
        return len({row.machine for row in self.rows})

    @property
    def latency_s(self) -> Repeats:
        return self._repeats([_runs(row, "latency_s") for row in self.rows])

    @property
    def gpu_wh(self) -> Repeats | None:
        """None where no meter of the GPU worked."""
        if self.first.meter is None:
            return None
        return self._repeats([_runs(row, "gpu") for row in self.rows])

    @property
    def unstable(self) -> int:
        """Rows whose own protocol says that they did not settle."""
        return sum(row.row["stability"].get("stable") is False for row in self.rows)

    def _repeats(self, values: Sequence[Sequence[float]]) -> Repeats:
        """Between rows where there are several, else between the runs of the one."""
        many = len(values) > 1
        found = [fmean(runs) for runs in values] if many else list(values[0])
        if many:
            each = "" if self.machines == len(values) else f"{len(values)} rows, "
            over = f"{each}{self.machines} machine{'s' * (self.machines > 1)}"
        elif len(found) > 1:
            over = f"{len(found)} runs, 1 machine"
        else:
            over = "1 composed row" if self.first.composed else "1 run"
        sd = stdev(found) if len(found) > 1 else None
        return Repeats(mean=fmean(found), sd=sd, n=len(found), over=over)


def _runs(row: OwnRow, quantity: str) -> list[float]:
    """Values of the timed runs, or the row's own where it was composed."""
    runs = () if row.composed else row.row["runs"]
    if quantity == "gpu":
        found = [run["energy_wh"]["gpu"] for run in runs]
        whole = row.row["energy_wh"]["gpu"]
    else:
        found, whole = [run["latency_s"] for run in runs], row.row["latency_s"]
    return found if found and None not in found else [whole]


def grouped(rows: Iterable[OwnRow]) -> list[Group]:
    """Groups of like rows, in the order in which they come; what `left_out` names is not there."""
    found: dict[str, list[OwnRow]] = {}
    for row in rows:
        if left_out(row) is None:
            found.setdefault(json.dumps(row.like, sort_keys=True), []).append(row)
    return [Group(rows=tuple(alike)) for alike in found.values()]


def left_out(row: OwnRow) -> str | None:
    """Why a row stands beside nothing, or None."""
    if row.conditions.get("twin"):
        return "twin of a model (small, for tests)"
    if row.composed and OLD_RULE in row.file:
        return "composed by a rule that timed the post-processing only once"
    return None


def as_it_comes(group: Group) -> bool:
    """Whether a pipeline ran with its own kernels, nothing compiled: not as a what-if."""
    conditions = group.first.conditions
    return all(conditions.get(name) == value for name, value in AS_IT_COMES.items())


def stack_of(group: Group) -> str:
    """All conditions but the workload and how it was timed: what a curve must have in common."""
    own = ("workload.", "protocol", "composed")
    return json.dumps(
        {name: value for name, value in group.first.like.items() if not name.startswith(own)},
        sort_keys=True,
    )


def nearness(group: Group, asked: Mapping[str, Any], gpu: str) -> tuple[Any, ...]:
    """How near to the paper's conditions: the largest stands beside its number.

    The paper's GPU, the prompt's length, offload and tiling as asked for; then whole videos before
    composed ones, more repeats, the latest.
    """
    first, conditions = group.first, group.first.conditions
    return (
        first.row["gpu"] == gpu,
        first.row["workload"]["prompt_tokens"] == asked["prompt_tokens"],
        sum(conditions.get(name) == asked[name] for name in ("offload", "tiling")),
        not first.composed,
        group.latency_s.n,
        max(row.row["taken_at"] for row in group.rows),
    )


def as_shipped(rows: Iterable[OwnRow], gpu: str) -> list[OwnRow]:
    """Rows of one GPU that ran as the pipeline comes: its own kernels, nothing compiled or moved."""
    usual = {**AS_IT_COMES, "offload": "none"}
    return [
        row
        for row in rows
        if row.row["gpu"] == gpu
        and left_out(row) is None
        and all(row.conditions.get(name) == value for name, value in usual.items())
    ]
