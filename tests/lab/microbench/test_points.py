"""Closed forms of points against PyTorch's own count, on `meta`."""

from math import prod

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from kinowatt.lab.microbench.operations import operation, precision, settings
from kinowatt.lab.microbench.plan import SUSTAINED, essential, refinements
from kinowatt.lab.microbench.points import Point, distinct

ALL = [*essential(), *refinements()]
SMALL = distinct(point.small() for point in ALL)
COUNTED = [p for p in SMALL if p.family in ("linear", "convolution", "attention")]
META = torch.device("meta")


def named(point: Point) -> str:
    return f"{point.op} {point.shape} {point.dtype} {point.backend}"


def counted(point: Point) -> int:
    with FlopCounterMode(display=False) as counter:
        operation(point, META)()
    return int(counter.get_total_flops())


def test_flops_are_those_that_pytorch_counts() -> None:
    plain = [p for p in COUNTED if p.backend in (None, "default")]
    wrong = {named(p): (p.flops, counted(p)) for p in plain if p.flops != counted(p)}
    assert len(plain) > 25
    assert not wrong


@pytest.mark.parametrize("point", [p for p in SMALL if p.family in ("linear", "norm")], ids=named)
def test_bytes_are_those_of_inputs_and_outputs(point: Point) -> None:
    p = point.params
    found = operation(point, META)()
    assert isinstance(found, torch.Tensor)
    item = found.element_size()
    if point.family == "linear":
        read = p["m"] * p["k"] + p["k"] * p["n"] + p["n"]
    else:
        read = p["rows"] * p["width"]  # weights of a norm are next to nothing
    assert point.bytes == item * (read + found.numel())


def test_a_convolution_reads_the_border_that_it_does_not_make() -> None:
    points = [p for p in SMALL if p.family == "convolution"]
    assert {p.params.get("bordered", 0) for p in points if p.params["kt"] > 1} == {0, 1}
    for point in points:
        p, made = point.params, operation(point, META)()
        assert isinstance(made, torch.Tensor)
        border = [p.get("bordered", 0) * (p[f"k{axis}"] - 1) for axis in "thw"]
        places = prod(p[axis] + more for axis, more in zip("thw", border, strict=True))
        weights = p["cin"] * p["cout"] * p["kt"] * p["kh"] * p["kw"] + p["cout"]
        moved = p["batch"] * places * p["cin"] + weights + made.numel()
        assert point.bytes == made.element_size() * moved, named(point)


def test_bytes_of_what_moves_memory_count_the_real_output() -> None:
    read = {"add": 2, "mul": 2, "add_images": 2}
    for point in SMALL:
        if point.family == "memory" and point.params["elements"] >= 4096:
            found = operation(point, META)()
            assert isinstance(found, torch.Tensor)
            item = torch.empty((), dtype=getattr(torch, point.dtype)).element_size()
            inputs = read.get(point.op, 1) * item * point.params["elements"]
            assert point.bytes == inputs + found.element_size() * found.numel(), named(point)


def test_what_is_sustained_is_timed_in_bursts_before_and_nothing_twice() -> None:
    names = [point.identity() for point in ALL]
    assert len(set(names)) == len(names)
    assert {p.identity() for p in SUSTAINED} <= {p.identity() for p in essential()}


def test_every_head_size_kernel_and_dtype_that_was_promised_is_there() -> None:
    attention = [p for p in ALL if p.family == "attention"]
    assert {p.params["head"] for p in attention} >= {40, 64, 80, 128, 160, 512}
    assert {p.backend for p in attention} == {"default", "cudnn", "flash", "efficient", "math"}
    assert {p.params["q"] for p in attention} >= {256, 1024, 4096, 16384, 75600}
    convolutions = {p.dtype for p in ALL if p.family == "convolution"}
    assert convolutions >= {"bfloat16", "float32", "tf32"}
    assert {p.data for p in ALL} == {"random", "zeros"}


def test_a_kernel_is_chosen_around_a_point_only() -> None:
    point = next(p for p in ALL if p.backend == "math")
    with settings(point):
        assert not torch.backends.cuda.flash_sdp_enabled()
    assert torch.backends.cuda.flash_sdp_enabled()


def test_images_are_turned_around_and_rows_repeated_by_batch() -> None:
    point = Point(family="memory", op="images", params={"elements": 24, "channels": 3, "side": 2})
    found = operation(point, torch.device("cpu"))()
    assert isinstance(found, torch.Tensor)
    assert found.shape == (2, 3, 2, 2)
    assert found.is_contiguous()
    row = {"elements": 24, "row": 3, "batch": 2}
    found = operation(Point(family="memory", op="mul_row", params=row), torch.device("cpu"))()
    assert isinstance(found, torch.Tensor)
    assert found.shape == (2, 4, 3)


def test_tf32_is_set_for_one_point_only() -> None:
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    point = next(p for p in ALL if p.dtype == "tf32")
    with precision(point):
        assert torch.backends.cudnn.allow_tf32
        assert torch.backends.cuda.matmul.allow_tf32
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == before
