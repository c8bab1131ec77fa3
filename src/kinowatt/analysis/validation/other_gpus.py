"""Another GPU's rows: by what was learned of the first one, by datasheets, and by its own profile."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kinowatt.analysis.bench_physics import Bench, physics_of_bench
from kinowatt.analysis.factors import OWN
from kinowatt.analysis.features import Row, features
from kinowatt.analysis.held_out import AfterWork, by_factors, by_profile
from kinowatt.analysis.learning import like_bench, of_other_kernels
from kinowatt.analysis.validation.cases import Case, all_cases, cases_of
from kinowatt.analysis.validation.what_if import what_if_cases
from kinowatt.facts.gpus import gpu
from kinowatt.facts.profiles import SHEET, profile

TRANSFER, BY_SHEET = "all its rows", "all its rows and its microbench"


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherGpu:
    """Cases of one more GPU: `own` by profiles of its own, `transferred` by what others taught.

    `rows`: what the indices of `own` mean.
    """

    name: str
    rows: tuple[Row, ...]
    own: tuple[Case, ...]
    transferred: tuple[Case, ...]


def other_gpus(
    benches: Iterable[Bench], rows: Sequence[Row], factors: Mapping[str, float], after: AfterWork
) -> tuple[OtherGpu, ...]:
    """Each GPU that has a microbench and rows; `factors`, `after`: what the first GPU's taught, of
    which that on its software is taken along."""
    software = {name: value for name, value in factors.items() if name not in OWN}
    found = []
    for bench in benches:
        taken, _ = like_bench(bench, rows)
        mine = [rows[i] for i in taken]
        theirs = physics_of_bench(bench)
        seen = features(mine, theirs)
        changed = features([rows[i] for i in of_other_kernels(bench, rows)], theirs)
        own = all_cases(seen, theirs)
        device = gpu(bench["device"])
        guessed, sheet = by_profile(mine, profile(SHEET, device))
        transferred = cases_of(seen, by_factors(seen, theirs, software, after), TRANSFER)
        found.append(
            OtherGpu(
                name=device.name,
                rows=(*seen.rows, *changed.rows),
                own=(*own, *what_if_cases(seen, own, changed, theirs)),
                transferred=(*transferred, *cases_of(guessed, sheet, BY_SHEET)),
            )
        )
    return tuple(found)
