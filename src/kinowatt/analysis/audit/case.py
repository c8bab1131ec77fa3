"""One file under audit: its rows with what follows from them, and what the detectors share."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kinowatt.analysis.audit import thresholds as at
from kinowatt.analysis.audit.forecasts import (
    Forecast,
    Forecaster,
    Options,
    Where,
    complete,
    profiles_of,
)
from kinowatt.facts.gpus import GpuSpec
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.formats.claims import UNSTATED, Claim, Reading
from kinowatt.units import wh_to_joules

if TYPE_CHECKING:
    from kinowatt.analysis.audit.levels import Level


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A claim whose time can be judged. `settings`: complete and snapped, None without a model.

    `energy_wh`: of the GPU, or of what is not stated; None where it is absent or not above 0.
    """

    claim: Claim
    latency_s: float
    energy_wh: float | None
    settings: Mapping[str, float] | None
    options: Options

    @property
    def line(self) -> int:
        return self.claim.line

    @property
    def power_w(self) -> float | None:
        return None if self.energy_wh is None else wh_to_joules(self.energy_wh) / self.latency_s

    @property
    def key(self) -> tuple[object, ...]:
        """What makes rows the same video: model, GPU, settings as labelled and options."""
        work = tuple(sorted(self.claim.workload.items()))
        return (self.claim.model, self.claim.gpu, work, self.options)


class Case:
    """A reading under audit. Rows without a usable time are in `claims` only."""

    def __init__(
        self,
        reading: Reading,
        claims: Sequence[Claim],
        profile: str | None = None,
        forecaster: Forecaster | None = None,
    ) -> None:
        self.reading = reading
        self.claims = tuple(claims)
        self.profile = profile
        self.forecaster = forecaster or Forecaster()
        self.rows = tuple(_rows(self.claims))

    @cached_property
    def levels(self) -> tuple["Level", ...]:
        """Rows of each model and GPU held against predictions."""
        from kinowatt.analysis.audit.levels import levels

        return levels(self)

    def by(self, key: Callable[[Row], object]) -> dict[object, list[Row]]:
        return grouped(self.rows, key)

    def limit_w(self, row: Row) -> float | None:
        """The power limit of a row's GPUs: as the file states it, else the datasheet's."""
        count = row.claim.gpu_count or 1.0
        stated = row.claim.power_limit_w
        if stated is not None and stated > 0:
            return stated * count
        spec = self.gpu(row)
        return None if spec is None else spec.power_limit_w * count

    def labelled(self, row: Row) -> Forecast | None:
        """What a row's labels predict by its GPU's default profile."""
        if row.settings is None or not row.claim.gpu:
            return None
        where = Where(
            model=row.claim.model or "",
            gpu=row.claim.gpu,
            profile=profiles_of(row.claim.gpu)[0],
            options=row.options,
        )
        return self.forecaster.one(where, row.settings)

    def gpu(self, row: Row) -> GpuSpec | None:
        return find_gpu(row.claim.gpu) if row.claim.gpu else None


def grouped(rows: Iterable[Row], key: Callable[[Row], object]) -> dict[object, list[Row]]:
    found: dict[object, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def lines(rows: Iterable[Row | Claim]) -> tuple[int, ...]:
    return tuple(row.line for row in rows)


def positive(value: float | None) -> bool:
    """Whether a number can be a time or an energy at all; NaN, zero and 1e308 cannot."""
    return value is not None and at.LEAST < value < at.MOST


def _rows(claims: Iterable[Claim]) -> Iterator[Row]:
    for claim in claims:
        if claim.latency_s is None or not positive(claim.latency_s):
            continue
        energy = claim.energy_wh.get("gpu", claim.energy_wh.get(UNSTATED))
        settings = complete(claim.model, claim.workload)[0] if claim.model else None
        yield Row(
            claim=claim,
            latency_s=claim.latency_s,
            energy_wh=energy if positive(energy) else None,
            settings=settings,
            options=tuple((k, v) for k, v in sorted(claim.options.items()) if v is not None),
        )
