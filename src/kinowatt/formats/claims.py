"""What a file claims, row by row: plain frozen values, each with the column that it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kinowatt.errors import UnknownNameError
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.facts.models import model as find_model

UNSTATED = "unstated"  # energy or power of which the file does not say what drew it
EVERYTHING = "gpu+cpu+ram"  # energy that the file itself says is the sum of these
SETTINGS = (
    *("height_px", "width_px", "frames", "steps"),
    *("guidance_scale", "batch_size", "prompt_tokens", "fps"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StageClaim:
    """Seconds and GPU watt-hours of one stage, where a file states them."""

    latency_s: float | None = None
    energy_wh_gpu: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One row as its file states it, in base units; what the file does not say is None or absent.

    Values are not judged here: a negative, zero or NaN is kept as it stands. `model` and `gpu` are
    names of the facts where the text (`said`) names one of them. `workload`: settings as labelled
    (`SETTINGS`); `ran`: what the file itself says was run instead. `energy_wh` and `power_w`: by
    scope, `gpu`, `cpu`, `ram`, `UNSTATED` or `EVERYTHING`. `other_latency_s`: further columns of
    seconds for the same row, by column. `modelled`: scopes that the file says were not metered.
    `throttled`: shares of the time by fault that slowed the clocks, as the driver told. `columns`:
    quantity → column; `unread`: quantity → text that is no number; `rest`: columns from which no
    quantity was read.
    """

    line: int
    label: str
    model: str | None = None
    gpu: str | None = None
    said: Mapping[str, str] = field(default_factory=dict)
    workload: Mapping[str, float] = field(default_factory=dict)
    ran: Mapping[str, float] = field(default_factory=dict)
    latency_s: float | None = None
    other_latency_s: Mapping[str, float] = field(default_factory=dict)
    energy_wh: Mapping[str, float] = field(default_factory=dict)
    power_w: Mapping[str, float] = field(default_factory=dict)
    stages: Mapping[str, StageClaim] = field(default_factory=dict)
    idle_power_w: float | None = None
    power_limit_w: float | None = None
    gpu_count: float | None = None
    runs: float | None = None
    warmup_runs: float | None = None
    taken_at: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)  # recipe, tiling, offload
    modelled: frozenset[str] = frozenset()
    throttled: Mapping[str, float] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    rest: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A file as it was read: its format, how columns were taken, and its claims.

    `mapping`: quantity → `COLUMN (unit)`; `guessed`: those that rest on a column's name alone.
    """

    file: str
    format: str
    claims: tuple[Claim, ...]
    mapping: Mapping[str, str] = field(default_factory=dict)
    guessed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def known_model(text: str) -> str | None:
    """The name in our facts that a text means, or None."""
    try:
        return find_model(text.strip()).name if text.strip() else None
    except UnknownNameError:
        return None


def known_gpu(text: str) -> str | None:
    """The GPU that a text means, `1 x NVIDIA H100 80GB HBM3` too, or None."""
    count, times, rest = text.strip().partition(" x ")
    name = rest if times and count.isdigit() else text.strip()
    try:
        return find_gpu(name).name if name else None
    except UnknownNameError:
        return None


def assume(claim: Claim, model: str | None, gpu: str | None) -> Claim:
    """The claim with a model or GPU that the user names, where the file names none."""
    return replace(claim, model=claim.model or model, gpu=claim.gpu or gpu)
