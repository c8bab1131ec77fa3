"""What is promised, and whether it is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kinowatt.analysis.validation.cases import (
    ENERGY,
    LATENCY,
    LEAVE_CONFIGURATION,
    LEAVE_FAMILY,
    LEAVE_MODEL,
    MICROBENCH,
    WHAT_IF,
    Case,
)
from kinowatt.analysis.validation.other_gpus import BY_SHEET, TRANSFER
from kinowatt.analysis.validation.score import PCT, Score, score

COOL_W = 550.0  # below which a row draws clearly less than the power limit
DENOISER, DECODER = "denoiser", "VAE decoder"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A promise about some cases: `figures` names what is limited, with its limit in percent."""

    what: str
    scheme: str
    quantity: str
    regime: str | None
    limits: tuple[tuple[str, float], ...]
    only: Callable[[Case], bool] = lambda case: True

    def cases(self, cases: Sequence[Case]) -> list[Case]:
        return [
            case
            for case in cases
            if (case.scheme, case.quantity) == (self.scheme, self.quantity)
            and self.regime in (None, case.regime)
            and self.only(case)
        ]


def _hot(case: Case) -> bool:
    return case.power_w is not None and case.power_w >= COOL_W


def _cool(case: Case) -> bool:
    return case.power_w is not None and case.power_w < COOL_W


def _target(what: str, scheme: str, regime: str | None, **limits: float) -> Target:
    return Target(
        what=what, scheme=scheme, quantity=what, regime=regime, limits=tuple(limits.items())
    )


TARGETS = (
    _target(DENOISER, LEAVE_CONFIGURATION, "gpu", mae_pct=2.0, worst_pct=8.0),
    _target(DENOISER, LEAVE_CONFIGURATION, "call", mae_pct=15.0),
    _target(DENOISER, LEAVE_MODEL, "gpu", by_model_pct=5.0, worst_model_pct=10.0),
    _target(DENOISER, LEAVE_FAMILY, "gpu", by_model_pct=7.0, worst_model_pct=10.0),
    _target(DENOISER, MICROBENCH, "gpu", mae_pct=6.0),
    _target(DECODER, LEAVE_CONFIGURATION, "gpu", mae_pct=6.0),
    _target(DECODER, LEAVE_CONFIGURATION, "call", mae_pct=15.0),
    _target(LATENCY, LEAVE_CONFIGURATION, "gpu", mae_pct=3.0),
    replace(
        _target(ENERGY, LEAVE_CONFIGURATION, None, mae_pct=4.0),
        what=f"{ENERGY}, from {COOL_W:.0f} W",
        only=_hot,
    ),
    replace(
        _target(ENERGY, LEAVE_CONFIGURATION, None, mae_pct=8.0),
        what=f"{ENERGY}, under {COOL_W:.0f} W",
        only=_cool,
    ),
    replace(
        _target(LATENCY, WHAT_IF, None, mae_pct=6.0, worst_pct=6.0),
        what="attention kernel, batch, compiled blocks",
    ),
    replace(_target(DENOISER, TRANSFER, "gpu", mae_pct=4.0), what=f"{DENOISER}, another GPU"),
    replace(_target(DENOISER, BY_SHEET, "gpu", mae_pct=10.0), what=f"{DENOISER}, another GPU"),
)
REGIMES = {"gpu": "GPU", "call": "host", None: "either"}
COVERED = {"coverage_80": 75.0, "coverage_95": 92.0}
WIDEST = 3.0  # times the mean error, the median half width of the 95% interval
MEMORY_PCT = 8.0
FIGURES = {
    "mae_pct": "mean error",
    "worst_pct": "worst",
    "by_model_pct": "mean over models",
    "worst_model_pct": "worst model",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """One promise: `found_pct` of `n` cases, and whether it is `kept`; None where no row tells."""

    what: str
    left_out: str
    paced_by: str
    figure: str
    n: int
    wanted: str
    found_pct: float | None
    kept: bool | None


def judged(cases: Sequence[Case], memory: Score) -> list[Verdict]:
    """Every promise with what was found."""
    found = [verdict for target in TARGETS for verdict in _kept(target, cases)]
    found += _intervals(cases)
    found.append(
        Verdict(
            what="peak memory",
            left_out="nothing fitted",
            paced_by="either",
            figure=FIGURES["mae_pct"],
            n=memory.n,
            wanted=f"<= {MEMORY_PCT:g}%",
            found_pct=memory.mae_pct,
            kept=memory.mae_pct <= MEMORY_PCT,
        )
    )
    return found


def _kept(target: Target, cases: Sequence[Case]) -> list[Verdict]:
    known = score(target.cases(cases))
    found = []
    for figure, limit in target.limits:
        value = None if known is None else abs(getattr(known, figure))
        found.append(
            Verdict(
                what=target.what,
                left_out=target.scheme,
                paced_by=REGIMES[target.regime],
                figure=FIGURES[figure],
                n=known.n if known else 0,
                wanted=f"<= {limit:g}%",
                found_pct=value,
                kept=None if value is None else value <= limit,
            )
        )
    return found


def _intervals(cases: Sequence[Case]) -> list[Verdict]:
    """Pooled over whole GPU-bound videos of models left out: what `predict` gives intervals of."""
    mine = [c for c in cases if c.scheme == LEAVE_MODEL and c.regime == "gpu"]
    pooled = score(c for c in mine if c.quantity in (LATENCY, ENERGY))
    if pooled is None or pooled.half_width_pct is None:
        return []
    widest = WIDEST * pooled.mae_pct
    about = Verdict(
        what="95% and 80% intervals",
        left_out=LEAVE_MODEL,
        paced_by=REGIMES["gpu"],
        figure="half width of 95%",
        n=pooled.n,
        wanted=f"<= {WIDEST:g} mean errors, {widest:.1f}%",
        found_pct=pooled.half_width_pct,
        kept=pooled.half_width_pct <= widest,
    )
    found = []
    for name, least in COVERED.items():
        value = PCT * getattr(pooled, name)
        figure, wanted = f"inside {name[-2:]}%", f">= {least:g}%"
        found.append(
            replace(about, figure=figure, wanted=wanted, found_pct=value, kept=value >= least)
        )
    return [*found, about]
