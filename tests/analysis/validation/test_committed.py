"""The regression test of the science: promises that committed rows keep, and must keep."""

import pytest

from kinowatt.analysis.validation.baselines import BOOSTED
from kinowatt.analysis.validation.cases import (
    LEAVE_CONFIGURATION,
    LEAVE_FAMILY,
    LEAVE_MODEL,
    MICROBENCH,
)
from kinowatt.analysis.validation.compose import Validation
from kinowatt.analysis.validation.other_gpus import BY_SHEET, TRANSFER
from kinowatt.analysis.validation.score import score
from kinowatt.analysis.validation.targets import judged
from kinowatt.app.validating import run

# Of these the committed rows fall short; docs/how-good.md says by how much and why
SHORT = {
    # the host's scatter: the same code took 20 and 38 microseconds a call
    ("GPU energy, under 550 W", "configuration", "mean error"),
    # flash and memory-efficient attention over heads of 64, of which the microbench has two, not sixty
    ("attention kernel, batch, compiled blocks", "what-if", "worst"),
    ("95% and 80% intervals", "model", "half width of 95%"),
}


def test_every_promise_but_the_known_ones_is_kept(found: Validation) -> None:
    rows = found.table("targets").rows
    broken = {(r["what"], r["left_out"], r["figure"]) for r in rows if r["kept"] is False}
    paced = [r for r in rows if r["what"] == "denoiser" and r["figure"] == "mean error"]
    assert [r["kept"] for r in paced] == [
        True,
        True,
        True,
    ]  # two schemes by the GPU, one by the host
    assert broken <= SHORT, found.table("targets").to_markdown()


def test_what_no_row_tells_is_not_called_kept(found: Validation) -> None:
    memory = score(c for c in found.cases if c.quantity == "peak memory")
    assert memory is not None
    known = [c for c in found.cases if c.scheme == LEAVE_MODEL]
    waiting = [verdict for verdict in judged(known, memory) if verdict.kept is None]
    assert {v.left_out for v in waiting} >= {LEAVE_CONFIGURATION, TRANSFER, BY_SHEET}
    assert {(v.n, v.found_pct) for v in waiting} == {(0, None)}


def test_another_gpu_by_what_this_one_taught(found: Validation) -> None:
    rows = {
        (r["left_out"], r["quantity"], r["paced_by"]): r for r in found.table("other_gpus").rows
    }
    own, *others = (
        rows[scheme, "denoiser", "GPU"]["mae_pct"]
        for scheme in (LEAVE_CONFIGURATION, TRANSFER, BY_SHEET, MICROBENCH)
    )
    assert own < min(others) + 0.5  # fewer rows of its own than the H100 has for both
    assert max(others) < 5.0  # alike: by its own microbench alone, the H100's factors, datasheets
    assert {r["gpu"] for r in rows.values()} == {"h200-sxm"}


def test_all_seven_models_are_judged(found: Validation) -> None:
    for scheme in (LEAVE_CONFIGURATION, LEAVE_MODEL, LEAVE_FAMILY):
        mine = [
            c
            for c in found.cases
            if (c.scheme, c.quantity, c.regime) == (scheme, "denoiser", "gpu")
        ]
        assert len({case.model for case in mine}) == 7
        assert len(mine) >= 80


@pytest.mark.parametrize("way", ["roofline", "one utilisation", "one for each", "gradient"])
def test_better_than_what_a_user_would_do_instead(found: Validation, way: str) -> None:
    rows = {row["way"]: row["mae_pct"] for row in found.table("baselines").rows}
    ours = next(value for name, value in rows.items() if name.startswith("this profile, conf"))
    other = next(value for name, value in rows.items() if name.startswith(way))
    assert ours < other / 3


def test_the_fit_in_sample_is_not_far_better_than_left_out(found: Validation) -> None:
    """Ten factors cannot learn rows by heart."""
    errors = {
        scheme: score(
            c
            for c in found.cases
            if (c.scheme, c.quantity, c.regime) == (scheme, "denoiser", "gpu")
        )
        for scheme in ("nothing", LEAVE_CONFIGURATION)
    }
    inside, outside = errors.values()
    assert inside is not None
    assert outside is not None
    assert inside.mae_pct <= outside.mae_pct < 1.3 * inside.mae_pct


@pytest.mark.torture
def test_better_than_trees_that_are_asked_about_everything() -> None:
    rows = {row["way"]: row for row in run(None, (), None).table("baselines").rows}
    ours = next(row for name, row in rows.items() if name.startswith("this profile, conf"))
    assert rows[BOOSTED]["n"] == ours["n"]
    assert ours["mae_pct"] < rows[BOOSTED]["mae_pct"] / 3
