"""How kernels walk their operands: by hand, on tensors as the models make them."""

from collections.abc import Callable

import pytest
import torch

from kinowatt.lab.tracing.access import access_of
from kinowatt.lab.tracing.recorder import record_forward


def meta(*shape: int, dtype: object = None) -> object:
    return torch.empty(shape, device="meta", dtype=dtype or torch.bfloat16)


def pair(a: object, b: object) -> str:
    return access_of("pointwise", [a, b], [torch.add(a, b)])


def test_operands_in_the_order_of_the_result_are_dense() -> None:
    assert pair(meta(2, 8, 16), meta(2, 8, 16)) == "dense"
    turned = meta(2, 16, 8).transpose(1, 2)
    assert access_of("pointwise", [turned], [turned.neg()]) == "dense"  # the result is turned too


def test_a_broadcast_operand_is_uneven() -> None:
    assert pair(meta(2, 8, 16), meta(1, 1, 16)) == "uneven"
    assert pair(meta(2, 8, 16), meta(16)) == "uneven"


def test_operands_of_two_dtypes_are_uneven() -> None:
    assert pair(meta(8, 16), meta(8, 16, dtype=torch.float32)) == "uneven"


def test_a_cast_is_a_copy_of_one_operand() -> None:
    x = meta(8, 16)
    assert access_of("copy", [x], [x.float()]) == "dense"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: meta(4, 8, 16)[..., 0::2], "rows"),  # the halves of a rotary embedding
        (lambda: meta(4, 8, 16)[:, :5], "rows"),  # the text's tokens, of many sequences
        (lambda: meta(4, 8, 16).transpose(1, 2), "transposed"),
        (lambda: meta(4, 8, 2, 16).transpose(1, 2), "rows"),  # heads change places with rows
    ],
)
def test_pieces_and_turns(make: Callable[[], object], expected: str) -> None:
    x = make()
    assert access_of("copy", [x], [torch.empty(x.shape, device="meta", dtype=x.dtype)]) == expected


def test_pieces_of_a_concatenation_are_judged_alone() -> None:
    a, b = meta(4, 16), meta(4, 16)
    assert access_of("copy", [a, b], [torch.cat([a, b])]) == "dense"
    assert access_of("copy", [a.t(), b.t()], [torch.cat([a.t(), b.t()])]) == "transposed"


def test_a_concatenation_in_five_dimensions_copies_piece_by_piece() -> None:
    """`cat` has a kernel of its own for four; seen on a GPU as one copy for each piece."""
    image, video = meta(2, 4, 8, 8), meta(2, 4, 2, 8, 8)
    assert access_of("copy", [image, image], [torch.cat([image, image])], "cat") == "dense"
    joined = torch.cat([video, video], dim=2)
    assert access_of("copy", [video, video], [joined], "cat") == "uneven"
    assert access_of("copy", [video, video], [joined], "stack") == "dense"


def test_other_kinds_have_kernels_of_their_own() -> None:
    x = meta(4, 8).t()
    assert access_of("linear", [x], [x]) == "dense"


class Normed(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(16)

    def forward(self, x: object) -> object:
        return self.norm(x.transpose(1, 2))


def test_a_norm_of_no_block_makes_one_first() -> None:
    module = Normed().to("meta", torch.bfloat16)
    events = record_forward(module, lambda: module(meta(2, 8, 4, 16)))
    assert [(e.op, e.kind, e.access) for e in events] == [
        ("clone", "copy", "rows"),
        ("native_layer_norm", "norm", "dense"),
    ]
    assert events[0].nbytes == 2 * 2 * (2 * 8 * 4 * 16)
    whole = record_forward(module.norm, lambda: module.norm(meta(2, 8, 4, 16)))
    assert [e.op for e in whole] == ["native_layer_norm"]


class Convolved(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(8, 16, 3, padding=1)
        self.norm = torch.nn.GroupNorm(2, 16)

    def forward(self, x: object) -> object:
        return self.norm(self.convolution(x))


def test_a_convolution_keeps_channels_innermost_as_cudnn_does() -> None:
    module = Convolved().to("meta", torch.bfloat16)
    image = meta(2, 8, 4, 16)
    inner = image.to(memory_format=torch.channels_last)
    assert [e.op for e in record_forward(module, lambda: module(image))][1:] == [
        "native_group_norm"
    ]
    turned = record_forward(module, lambda: module(inner))[1]
    assert (turned.op, turned.kind, turned.access) == ("clone", "copy", "transposed")
    assert turned.dims == {"elements": 2 * 16 * 4 * 16, "row": 1, "plane": 4 * 16}
