"""How element-wise kernels walk their operands, and what bandwidth that leaves."""

import pytest

from kinowatt.analysis.own.calls import Call, Operand
from kinowatt.analysis.own.lines import committed_lines
from kinowatt.analysis.own.walks import large_calls, moved, planes, walk_of, walked, walks_table
from kinowatt.app.validating import committed_bench


@pytest.fixture(scope="module")
def found():
    return walked(committed_lines("operators"), committed_bench())


def of(*dims: int, item: int = 2, strides: tuple[int, ...] | None = None) -> Operand:
    if strides is None:
        strides = tuple(_after(dims, i) for i in range(len(dims)))
    return Operand(dims=dims, strides=strides, item_bytes=item)


def _after(dims: tuple[int, ...], i: int) -> int:
    found = 1
    for n in dims[i + 1 :]:
        found *= n
    return found


def call(op: str, *operands: Operand) -> Call:
    return Call(op=op, operands=operands, kernels=("elementwise",), calls=1, seconds=1.0)


X, WIDE = of(8, 64), of(8, 64, item=4)
SECOND = of(8, 32, strides=(64, 2))
HEADS = of(2, 8, 32, strides=(32, 64, 1))
WALKS = [
    ("dense", call("add", X, X), 3 * 1024),
    ("dense", call("silu", WIDE), 2 * 2048),
    ("broadcast, 16 bit", call("mul", X, of(64)), 2 * 1024 + 128),
    ("broadcast, float32", call("add_", WIDE, of(8, 1, item=4)), 2 * 2048 + 32),
    ("broadcast, 16 bit", call("div", X, of(8, 64, strides=(0, 1))), 2 * 1024 + 128),
    ("mixed dtypes", call("mul", X, of(64, item=4)), 1024 + 2048 + 256),
    ("every second element read", call("neg", SECOND), 2 * 512),
    ("every second element written", call("copy_", SECOND, of(8, 32, item=4)), 512 + 1024),
    ("widening cast", call("copy_", WIDE, X), 1024 + 2048),
    ("narrowing cast", call("copy_", X, WIDE), 1024 + 2048),
    ("heads transposed", call("copy_", of(2, 8, 32), HEADS), 2 * 1024),
    ("innermost transposed", call("copy_", X, of(8, 64, strides=(1, 8))), 2 * 1024),
    (None, call("copy_", of(8, 64, strides=(128, 1)), X), 2 * 1024),
    (None, call("add", X, of(8, 64, strides=(1, 8))), 3 * 1024),
]


@pytest.mark.parametrize(("walk", "made", "nbytes"), WALKS)
def test_a_walk_is_known_by_sizes_strides_and_dtypes(walk, made, nbytes) -> None:
    assert walk_of(made) == walk
    assert moved(made) == nbytes


def test_a_bias_is_one_value_for_each_channel() -> None:
    image = of(2, 8, 4, 4)
    assert call("add_", image, of(1, 8, 1, 1)).group == "convolution"
    assert call("add_", image, of(1, 1, 4, 4)).group == "memory"
    assert call("add", image, of(1, 8, 1, 1)).group == "memory"


def test_forwards_have_every_walk_of_the_microbench(found) -> None:
    rows = {row["walk"]: row for row in walks_table(found).rows}
    assert set(rows) == {walk for walk, _, _ in WALKS} - {None}
    assert rows["dense"]["measured_tb_per_s"] == pytest.approx(3.03, abs=0.01)
    assert rows["dense"]["microbench_tb_per_s"] == pytest.approx(3.03, abs=0.01)
    assert rows["broadcast, 16 bit"]["measured_tb_per_s"] == pytest.approx(1.33, abs=0.01)
    assert rows["narrowing cast"]["in_all_ms"] == pytest.approx(74.66, abs=0.01)


def test_copies_of_large_images_are_slow_whatever_their_elements() -> None:
    large, next_, *_ = planes(large_calls(committed_lines("operators")))
    assert (large.height, large.width) == (768, 768)
    assert large.fewest == next_.most == 16 * 128 * 768 * 768
    assert large.bandwidth == pytest.approx(0.131e12, rel=0.01)
    assert next_.bandwidth == pytest.approx(0.474e12, rel=0.01)


def test_pieces_of_a_call_beyond_2_gib_keep_their_bandwidth(found) -> None:
    """What the page says of `silu`."""
    dense = next(each for each in found if each.walk == "dense")
    pieces = [made for made in dense.calls if made.op == "silu" and len(made.kernels) > 1]
    assert sorted(len(made.kernels) for made in pieces) == [2, 2, 2, 2, 4]
    assert min(moved(m) * m.calls / m.seconds for m in pieces) > 3.0e12
