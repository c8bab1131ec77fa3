"""What is left out is really left out."""

import pytest

from kinowatt.analysis.held_out import configuration, family, fit_after_work, megapixels


def row(seconds: float = 1.0, **work: object) -> dict[str, object]:
    effective = {
        "height_px": 480,
        "width_px": 832,
        "frames": 81,
        "tokens": 32760,
        "sequences_per_pass": 1,
    }
    asked = {"steps": 50, "batch_size": 1} | work
    return {
        "model": "wan2.1-t2v-1.3b",
        "recipe": "single",
        "workload": {**asked, "effective": effective | work},
        "stages": {"other": {"latency_s": seconds}},
        "conditions": {},
    }


def test_steps_do_not_make_a_configuration() -> None:
    assert configuration(row(steps=1)) == configuration(row(steps=50))
    assert configuration(row(frames=33)) != configuration(row())
    assert configuration(row(batch_size=2)) != configuration(row())


def test_families() -> None:
    assert family(row()) == "wan"
    assert family({"model": "mochi-1-preview"}) == "mochi-1-preview"


def test_the_line_of_what_comes_after_the_stages() -> None:
    rows = [row(0.05 + 0.02 * megapixels(row(frames=f)), frames=f) for f in (1, 9, 33, 81)]
    found = fit_after_work(rows)
    assert found.base_s == pytest.approx(0.05, rel=0.01)
    assert found.megapixel_s == pytest.approx(0.02, rel=0.01)
    assert found.seconds(row(frames=17)) == pytest.approx(
        0.05 + 0.02 * 480 * 832 * 17 / 1e6, rel=0.01
    )


def test_rows_that_say_nothing_of_it() -> None:
    assert fit_after_work([row(0.0)]).seconds(row()) == 0.0
