"""Laws of operators: the larger of two times, losses of small sizes, and what a shape showed."""

from dataclasses import replace
from math import log, log2
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinowatt.errors import FactsError
from kinowatt.theory.laws import Anchor, Law, larger_of, law_names, law_of, sizes_of
from kinowatt.theory.operators import Operator

LAW = Law(
    rate_flops=1e12,
    bandwidth_bytes_per_s=1e9,
    start_s=1e-6,
    halves={"k": 100.0},
    axes=("k", "n"),
    anchors=(Anchor(at=(10.0, 10.0), excess=log(1.2)),),
)

TINY = Law(rate_flops=1e9, bandwidth_bytes_per_s=1e9, start_s=0.0)


def operator(**more: Any) -> Operator:
    values: dict[str, Any] = {
        "stage": "denoiser",
        "source": "denoise",
        "part": "mlp",
        "kind": "linear",
        "op": "mm",
        "dtype": "bfloat16",
        "storage": "bfloat16",
        "dims": {"batch": 1, "m": 64, "k": 128, "n": 256},
        "calls": 2,
        "flops": 1e6,
        "bytes": 1e5,
    }
    return Operator(**(values | more))


def test_compute_and_memory_by_hand() -> None:
    compute_s, memory_s = LAW.parts({"k": 100.0, "n": 8.0}, 1e12, 2e9)
    assert compute_s == pytest.approx(2.0, rel=1e-3)  # half the rate is lost; no anchor near
    assert memory_s == 2.0


def test_work_that_only_moves_memory_loses_bandwidth_where_it_is_small() -> None:
    law = Law(rate_flops=None, bandwidth_bytes_per_s=1e9, start_s=0.0, halves={"width": 64.0})
    assert law.parts({"width": 64.0}, 0.0, 1e9) == (0.0, pytest.approx(2.0))


def test_what_spills_out_of_a_cache_takes_many_times_as_long() -> None:
    law = Law(
        rate_flops=None, bandwidth_bytes_per_s=1e9, start_s=0.0, spills={"plane": (100.0, 4.0)}
    )
    planes = np.array([1.0, 100.0, 1e4])
    assert law.parts({"plane": planes}, 0.0, 1e9)[1] == pytest.approx([1.0, 3.0, 5.0], rel=1e-3)


def test_an_anchor_counts_at_its_shape_and_not_far_from_it() -> None:
    assert LAW.excess({"k": 1024.0, "n": 1024.0}) == pytest.approx(log(1.2), rel=0.01)
    assert LAW.excess({"k": 1024.0, "n": 16.0}) == pytest.approx(0.0, abs=1e-6)
    nearby = LAW.excess({"k": 1024.0, "n": 1536.0})
    assert 0.3 * log(1.2) < nearby < log(1.2)


@given(st.floats(1e-9, 1e3), st.floats(1e-9, 1e3))
def test_the_larger_of_two_times_is_at_least_both_and_no_sum(a: float, b: float) -> None:
    both = larger_of(a, b)
    assert max(a, b) * (1 - 1e-9) <= both <= 1.26 * max(a, b) * (1 + 1e-9)


@given(st.floats(1.0, 1e4), st.floats(1.0, 1e4))
def test_a_larger_call_never_takes_less(first: float, second: float) -> None:
    """Of one layer, whose widths are fixed; rows and FLOPs grow with the video."""
    law = replace(LAW, halves={"k": 100.0, "tiles": 1e4})
    small, large = sorted((first, second))

    def seconds(rows: float) -> float:
        sizes = {"k": 512.0, "n": 512.0, "tiles": rows * 512.0}
        return float(larger_of(*law.parts(sizes, 2 * rows * 512**2, 4 * rows * 512)))

    assert seconds(small) <= seconds(large) * (1 + 1e-9)


def test_keys_that_do_not_fill_their_tiles_take_longer() -> None:
    law = Law(rate_flops=1e12, bandwidth_bytes_per_s=1e12, start_s=0.0, ragged=0.1)
    whole, ragged = (law.parts({"kv": kv}, 1e12, 0.0)[0] for kv in (6400.0, 6360.0))
    assert (whole, ragged) == (1.0, pytest.approx(1.1))
    both, _ = law.parts({"kv": np.array([6400.0, 6360.0])}, 1e12, 0.0)
    assert both == pytest.approx([1.0, 1.1])


def test_arrays_and_numbers_are_answered_alike() -> None:
    rows = np.array([10.0, 1e3, 1e5])
    law = replace(LAW, halves={"tiles": 1e4})
    many, _ = law.parts({"k": 512.0, "n": 512.0, "tiles": rows * 512}, 1e9 * rows, 1e6)
    for index, each in enumerate(rows):
        one, _ = law.parts({"k": 512.0, "n": 512.0, "tiles": each * 512}, 1e9 * each, 1e6)
        assert many[index] == pytest.approx(one)


WIDE = {"dtype": "float32", "storage": "float32"}


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "linear"),
        ({"dtype": "float32"}, "linear.float32"),
        ({"kind": "convolution", "dtype": "float32"}, "convolution.tf32"),
        ({"kind": "norm", "op": "native_layer_norm"}, "norm.layer_norm"),
        ({"kind": "norm", "op": "rms_norm", "dtype": "float32"}, "norm.rms_norm.float32"),
        ({"kind": "copy", "storage": "float32"}, "copy.up"),
        ({"kind": "copy", "dtype": "float32"}, "copy.down"),
        ({"kind": "copy", "storage": "float32", "access": "rows"}, "copy.rows"),
        ({"kind": "copy", "access": "transposed"}, "copy.transposed"),
        ({"kind": "pointwise", "access": "uneven"}, "pointwise.uneven"),
        ({"kind": "pointwise", "access": "uneven"} | WIDE, "pointwise.uneven.float32"),
        ({"kind": "pointwise", "access": "uneven", "storage": "float32"}, "pointwise.mixed"),
        ({"kind": "pointwise", "access": "rows"}, "pointwise.rows"),
        ({"kind": "pointwise", "access": "transposed"}, "pointwise.transposed"),
        ({"kind": "copy", "op": "stack", "access": "rows"}, "copy.pairs"),
        ({"kind": "copy", "access": "transposed", "dims": {"plane": 64}}, "copy.images"),
        ({"kind": "attention", "dims": {"head": 512}}, "attention.wide"),
        ({"kind": "attention", "dtype": "float32", "dims": {"head": 384}}, "attention.float32"),
        ({"kind": "copy"}, "copy"),
        ({"kind": "copy", "op": "cat", "access": "uneven"}, "pointwise.uneven"),
        ({"kind": "copy", "op": "cat", "access": "uneven"} | WIDE, "pointwise.uneven.float32"),
        ({"kind": "resample", "op": "upsample_nearest2d"}, "resample"),
        ({"kind": "resample", "op": "upsample_nearest3d"}, "resample.3d"),
        ({"kind": "resample", "op": "_upsample_nearest_exact2d"} | WIDE, "resample.float32"),
        ({"kind": "pad", "op": "replication_pad3d"}, "pad.replication3d"),
        ({"kind": "reduce", "op": "mean"}, "reduce"),
    ],
)
def test_the_closest_law_comes_first(more: dict[str, Any], name: str) -> None:
    assert law_names(operator(**more))[0] == name


def test_no_other_kernel_stands_in_for_one_that_is_asked_for() -> None:
    asked = operator(kind="attention", op="attention.flash", dims={"head": 64})
    assert law_of(asked, {"attention": LAW, "attention.flash": TINY}) is TINY
    with pytest.raises(FactsError, match="no law for attention"):
        law_of(asked, {"attention": LAW})


def test_an_operator_without_a_law_is_an_error() -> None:
    with pytest.raises(FactsError, match=r"no law for linear mm: none of linear$"):
        law_of(operator(), {"pointwise": LAW})
    assert law_of(operator(kind="reduce", op="sum"), {"pointwise": LAW}) is LAW


def test_sizes_have_the_names_of_laws() -> None:
    assert sizes_of(operator()) == {"k": 128, "n": 256, "tiles": 64 * 256}
    norm = operator(kind="norm", op="rms_norm", dims={"row": 64}, bytes=2 * 2 * 2 * 64 * 500)
    assert sizes_of(norm) == {"width": 64, "rows": 500}
    image = operator(kind="copy", op="clone", dims={"row": 1, "plane": 64}, bytes=2 * 2 * 2 * 640)
    assert sizes_of(image) == {"width": 1, "rows": 640, "plane": 64}
    attention = operator(
        kind="attention", dims={"batch": 2, "heads": 12, "q": 100, "kv": 77, "head": 128}
    )
    assert sizes_of(attention) == {"head": 128, "heads": 12, "q": 100, "kv": 77, "rows": 2400}
    assert log2(sizes_of(attention)["head"]) == 7
