"""Laws from a microbench: made points give back what made them; an H100's are within bounds."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kinowatt.analysis import law_fits
from kinowatt.analysis.bench_physics import burst_clocks, physics_of_bench
from kinowatt.analysis.law_fits import SPECS, fit_laws, paced
from kinowatt.errors import InputError
from kinowatt.theory.laws import Law, larger_of


def full(_: Any) -> float:
    return 1.0


TRUE = Law(
    rate_flops=800e12,
    bandwidth_bytes_per_s=2.5e12,
    start_s=3e-6,
    halves={"k": 150.0, "tiles": 2e5},
)


def linear(m: int, k: int, n: int, clock: float) -> dict[str, Any]:
    """A point as an H100 with this law would show it at a share of its clock."""
    flops, nbytes = 2 * m * k * n, 2 * (m * k + k * n + m * n)
    compute_s, memory_s = TRUE.parts({"k": k, "n": n, "tiles": m * n}, flops, nbytes)
    seconds = TRUE.start_s + larger_of(compute_s / clock, memory_s)
    return point("linear", "linear", {"m": m, "k": k, "n": n}, flops, nbytes, seconds, clock)


def point(
    family: str,
    op: str,
    params: dict[str, int],
    *made: Any,
) -> dict[str, Any]:
    flops, nbytes, seconds, clock = made
    return {
        "family": family,
        "op": op,
        "params": params,
        "dtype": "bfloat16",
        "backend": None,
        "data": "random",
        "flops": flops,
        "bytes": nbytes,
        "burst": {"seconds_per_call": seconds, "graph": True},
        "sustained": None,
        "clock": clock,
    }


def others() -> list[dict[str, Any]]:
    """The least of what else a model needs."""
    head = {"batch": 1, "heads": 8, "q": 4096, "kv": 4096, "head": 64}
    taps = {"batch": 1, "t": 1, "h": 64, "w": 64, "cin": 64, "cout": 64, "kt": 1, "kh": 3, "kw": 3}
    return [
        point("attention", "sdpa", head, 4 * 8 * 4096**2 * 64, 2**24, 1e-3, 1.0),
        point("convolution", "convolution", taps, 2**30, 2**20, 1e-4, 1.0),
        point("memory", "add", {"elements": 2**27}, 0, 3 * 2**28, 2.7e-4, 1.0),
    ]


def test_a_law_is_found_again_at_any_clock() -> None:
    shapes = [(m, k, n) for m in (64, 512, 4096, 32768) for k, n in ((64, 3072), (1536, 1536))]
    shapes += [(m, 5120, 13824) for m in (64, 512, 4096)]
    points = [linear(*s, clock=1.0 - 0.3 * (i % 3) / 2) for i, s in enumerate(shapes)]
    law = fit_laws([*points, *others()], lambda p: p["clock"])["linear"]
    for m, k, n in ((2048, 1536, 1536), (16384, 5120, 13824), (32768, 64, 3072)):
        found = linear(m, k, n, 1.0)
        compute_s, memory_s = law.parts(
            {"k": k, "n": n, "tiles": m * n}, found["flops"], found["bytes"]
        )
        seconds = law.start_s + larger_of(compute_s, memory_s)
        assert seconds == pytest.approx(found["burst"]["seconds_per_call"], rel=0.03)


def images(side: int, seconds: float) -> dict[str, Any]:
    params = {"elements": 2**20, "channels": 128, "side": side}
    return point("memory", "images", params, 0, 2**22, seconds, 1.0)


def test_the_plane_that_spills_out_of_the_cache_is_found_again() -> None:
    bandwidth, spill, most = 5e11, 2e5, 3.0
    true = Law(
        rate_flops=None,
        bandwidth_bytes_per_s=bandwidth,
        start_s=2e-6,
        spills={"plane": (spill, most)},
    )
    made = [
        images(side, 2e-6 + true.parts({"plane": side**2}, 0.0, 2**22)[1])
        for side in (96, 192, 256, 384, 512, 640, 768, 1024)
    ]
    law = fit_laws([*others(), linear(4096, 1536, 1536, 1.0), *made], full)["copy.images"]
    assert law.bandwidth_bytes_per_s == pytest.approx(bandwidth, rel=0.05)
    assert law.spills["plane"] == pytest.approx((spill, most), rel=0.05)


def test_what_a_profile_cannot_do_without_is_named() -> None:
    with pytest.raises(InputError, match="no points for linear, convolution: take it again"):
        fit_laws([p for p in others() if p["family"] in ("attention", "memory")], full)


def test_other_kernels_and_zeros_are_left_out() -> None:
    taken = [name for name, spec in SPECS.items() if spec.takes(others()[0])]
    assert taken == ["attention"]
    assert not SPECS["attention"].takes(others()[0] | {"backend": "math"})
    assert not SPECS["attention"].takes(others()[0] | {"data": "zeros"})


def test_short_calls_that_the_host_paced_are_left_out() -> None:
    slow = linear(512, 1536, 1536, 1.0)
    assert paced(slow)
    assert not paced(slow | {"burst": slow["burst"] | {"graph": False}})
    slow["burst"] |= {"graph": False, "seconds_per_call": 1e-3}
    assert paced(slow)


@pytest.fixture(scope="module")
def bench(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "data/microbench/h100-sxm.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def laws(bench: dict[str, Any]) -> Mapping[str, Law]:
    return physics_of_bench(bench).laws


def test_laws_of_an_h100(laws: Mapping[str, Law]) -> None:
    rate = laws["linear"].rate_flops
    assert rate is not None
    assert 0.7 * 989e12 < rate < 1.3 * 989e12  # of endless sizes, at the full clock
    assert 2.5e12 < laws["pointwise"].bandwidth_bytes_per_s < 3.35e12
    narrowed, widened = (laws[f"copy.{way}"].bandwidth_bytes_per_s for way in ("down", "up"))
    assert widened < 0.7 * narrowed  # PyTorch widens element by element
    assert laws["copy.transposed"].bandwidth_bytes_per_s < laws["copy.rows"].bandwidth_bytes_per_s
    assert laws["copy.rows"].bandwidth_bytes_per_s < 0.6 * laws["copy"].bandwidth_bytes_per_s
    assert 25e12 < (laws["linear.float32"].rate_flops or 0) < 67e12  # no tensor cores in float32
    assert (laws["attention.wide"].rate_flops or 0) < 0.3 * (laws["attention"].rate_flops or 0)
    heads = {
        head: laws["attention"].excess({"head": head, "heads": 2, "q": 1, "kv": 1, "rows": 1})
        for head in (40, 64, 128)
    }
    assert heads[40] > heads[64] > heads[128]  # small heads are slower


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("linear", 0.08),
        ("attention", 0.12),
        ("convolution", 0.03),
        ("convolution.tf32", 0.02),
        ("norm.layer_norm", 0.05),
        ("norm.rms_norm", 0.05),
        ("norm.group_norm", 0.1),
    ],
)
def test_long_calls_are_hit(
    bench: dict[str, Any], laws: Mapping[str, Law], name: str, most: float
) -> None:
    clocks = burst_clocks(bench)
    taken = [p for p in bench["points"] if SPECS[name].takes(p)]
    samples = [law_fits._sample(p, clocks.of(p)) for p in taken]
    long = [s for s in samples if s.seconds > 2e-4]
    errors = [abs(law_fits._seconds(laws[name], s) / s.seconds - 1) for s in long]
    assert len(long) >= 3
    assert sum(errors) / len(errors) < most
