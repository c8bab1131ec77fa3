"""What figures 2 to 4 draw."""

import pytest

from kinowatt.analysis.reproduction.scaling import frames_doubled, sides_doubled
from kinowatt.analysis.reproduction.sweeps import mlp_shares, share
from kinowatt.theory import paper


@pytest.fixture(scope="module")
def sweeps(reproduction):
    return {item.name: item for item in reproduction.sweeps}


def test_points(sweeps) -> None:
    assert {name: len(s.measured_x) for name, s in sweeps.items()} == {
        "resolution": 14,
        "frames": 32,
        "steps": 200,
    }
    assert {name: len(s.x) for name, s in sweeps.items()} == {
        "resolution": 14,
        "frames": 100,
        "steps": 200,
    }
    for found in sweeps.values():
        assert list(found.x) == sorted(found.x)


def test_stacks_add_up_to_the_formula(sweeps) -> None:
    found = sweeps["frames"]
    index = found.x.index(81)
    for quantity, form in (("latency_s", paper.latency_s), ("energy_wh", paper.energy_wh)):
        total = sum(column[index] for column in found.stacks["published"][quantity].values())
        assert total == pytest.approx(form(720, 1280, 81, 50), rel=1e-12)


def test_corrected_stacks_are_near_the_points(sweeps) -> None:
    for found in sweeps.values():
        columns = found.stacks["corrected"]["latency_s"].values()
        totals = dict(zip(found.x, map(sum, zip(*columns, strict=True)), strict=True))
        off = [
            abs(totals[x] / seconds - 1)
            for x, seconds in zip(found.measured_x, found.measured_latency_s, strict=True)
        ]
        assert sorted(off)[len(off) // 2] < 0.03


def test_share() -> None:
    stack = {"a": (1.0, 2.0), "b": (3.0, 2.0)}
    assert share(stack, ("a",), 0) == 0.25
    assert share(stack, ("a", "b"), 1) == 1.0


def test_mlp_shares() -> None:
    found = mlp_shares()
    assert [found[0].tokens, found[-1].tokens] == [256, 5376]
    assert max(item.of_flops for item in found) == pytest.approx(0.5326, abs=1e-4)
    assert all(item.leads for item in found)


def test_growth() -> None:
    frames, sides = frames_doubled(), sides_doubled()
    assert (frames.latency, frames.tokens) == pytest.approx((3.021, 25 / 13), abs=1e-3)
    assert (sides.latency, sides.tokens) == pytest.approx((10.016, 4.0), abs=1e-3)
    assert (frames.exponent, sides.exponent) == pytest.approx((1.691, 1.662), abs=1e-3)
