"""Operators by a GPU's physics: the limit couples them, the host may be slower, factors count."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kinowatt.theory.laws import Law
from kinowatt.theory.operators import Operator
from kinowatt.theory.physics import PhysicalClock, Physics, group_of
from kinowatt.theory.power import PowerLaw

POWER = PowerLaw(
    static_w=150.0,
    limit_w=690.0,
    clock_share=1.0,
    busy_w={"other": 0.0},
    byte_j=1e-10,
    joules={"linear": {1.0: 1e-12}},
)
LAWS = {
    "linear": Law(rate_flops=1e15, bandwidth_bytes_per_s=3e12, start_s=0.0),
    "pointwise": Law(rate_flops=None, bandwidth_bytes_per_s=3e12, start_s=0.0),
}


def physics(**more: Any) -> Physics:
    values: dict[str, Any] = {"host_s": {"linear": 1e-5, "other": 5e-6}, "gap_s": 0.0}
    return Physics(laws=LAWS, power=POWER, **(values | more))


def linear(calls: Any = 10, flops: Any = 1e15) -> Operator:
    return Operator(
        stage="denoiser",
        source="denoise",
        part="mlp",
        kind="linear",
        op="mm",
        dtype="bfloat16",
        storage="bfloat16",
        dims={"batch": 1, "m": 1000, "k": 1000, "n": 1000},
        calls=calls,
        flops=flops,
        bytes=1e3,
    )


def moving(nbytes: float = 3e12) -> Operator:
    return Operator(
        stage="denoiser",
        source="denoise",
        part="other",
        kind="pointwise",
        op="add",
        dtype="bfloat16",
        storage="bfloat16",
        dims={"row": 1},
        calls=1,
        flops=0.0,
        bytes=nbytes,
    )


def test_a_second_of_products_at_the_limit() -> None:
    """1,000 J in a second at the greatest clock; the limit lets 540 W through besides static."""
    found = PhysicalClock(physics()).stage([linear()])
    clock = (540 / 1000) ** 0.5  # both seconds and joules go with the clock
    assert found.latency_s == pytest.approx(1 / clock, rel=1e-6)
    assert found.energy_j / found.latency_s == pytest.approx(690.0)
    assert found.host_s == pytest.approx(1e-4)


def test_moving_memory_beside_gives_the_clock_back() -> None:
    clock = PhysicalClock(physics())
    alone = clock.stage([linear()])
    beside = clock.stage([linear(), moving()])
    assert beside.operators[0].latency_s < alone.operators[0].latency_s
    assert beside.operators[1].latency_s == pytest.approx(1.0, rel=1e-6)
    assert beside.latency_s == pytest.approx(sum(t.latency_s for t in beside.operators))
    assert beside.energy_j == pytest.approx(sum(t.energy_j for t in beside.operators))


def test_many_small_calls_wait_for_the_host() -> None:
    found = PhysicalClock(physics()).stage([linear(calls=1e6, flops=1e13)])
    assert found.latency_s == pytest.approx(10.0)
    assert found.device_s < 1.0
    assert found.energy_j == pytest.approx(10 * 150 + 10, rel=0.01)


@pytest.mark.parametrize(
    ("factors", "stretch"), [({"linear": 1.1}, 1.1), ({"memory": 1.1}, 1.0), ({}, 1.0)]
)
def test_factors_multiply_the_seconds_of_their_group(
    factors: dict[str, float], stretch: float
) -> None:
    plain = replace(physics(factors=factors), power=replace(POWER, limit_w=1e9))
    assert PhysicalClock(plain).stage([linear()]).latency_s == pytest.approx(stretch, rel=1e-6)


def test_a_device_idles_after_a_result_that_its_host_had_to_see() -> None:
    asking = replace(moving(), op="nonzero")
    usual = PhysicalClock(physics(stall_s=0.0)).stage([asking])
    stalled = PhysicalClock(physics(stall_s=1e-2)).stage([asking])
    assert stalled.latency_s == pytest.approx(usual.latency_s + 1e-2 * asking.calls)


def test_kernels_on_a_stream_leave_gaps() -> None:
    close = PhysicalClock(physics()).stage([moving()])
    apart = PhysicalClock(physics(gap_s=1e-2, factors={"gap": 2.0})).stage([moving()])
    assert apart.latency_s == pytest.approx(close.latency_s + 2e-2)


@pytest.mark.parametrize(
    ("kind", "op", "dtype", "group"),
    [
        ("linear", "mm", "bfloat16", "linear"),
        ("convolution", "convolution", "float16", "convolution"),
        ("convolution", "convolution", "float32", "convolution.tf32"),
        ("norm", "native_layer_norm", "bfloat16", "norm"),
        ("norm", "native_group_norm", "bfloat16", "memory"),
        ("pointwise", "add", "float32", "memory"),
    ],
)
def test_groups_of_factors(kind: str, op: str, dtype: str, group: str) -> None:
    assert group_of(replace(moving(), kind=kind, op=op, dtype=dtype)) == group


def test_calls_that_are_not_made_cost_nothing() -> None:
    """Of an array, where another case of the table holds."""
    calls = np.array([0.0, 10.0])
    found = PhysicalClock(physics()).stage([linear(calls=calls, flops=1e14 * calls)])
    assert found.latency_s[0] == 0
    assert found.latency_s[1] == pytest.approx(
        PhysicalClock(physics()).stage([linear(flops=1e15)]).latency_s
    )
