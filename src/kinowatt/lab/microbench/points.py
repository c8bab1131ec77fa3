"""What is measured: one operator at one shape, its FLOPs and its bytes, by closed form."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

# `tf32`: float32 tensors, products in TF32 (PyTorch's default for convolutions).
ITEM_BYTES = {"float64": 8, "float32": 4, "tf32": 4, "bfloat16": 2, "float16": 2}
# Tensors read and written per call, in units of the operator's own size and dtype.
MOVED = {
    "add": 3.0,
    "mul": 3.0,
    "gelu": 2.0,
    "silu": 2.0,
    "cat": 2.0,
    "transpose": 2.0,
    "heads": 2.0,
    "narrow_heads": 2.0,
    "clone": 2.0,
    "pairs": 2.0,
    "mul_row": 2.0,
    "add_row": 2.0,
    "add_row_": 2.0,
    "images": 2.0,
    "add_images": 3.0,
}
# Operands of two dtypes: bytes of an element read and written
MIXED = {"mul_mixed": 2 + 4, "mul_every_second": 2 + 4, "copy_every_second": 4 + 2}
CASTS = {"to_float32": "float32", "to_bfloat16": "bfloat16"}
SMALL = {"m": 64, "k": 64, "n": 64, "q": 32, "kv": 32, "heads": 2, "batch": 2, "elements": 4096}
SMALL |= {"cin": 32, "cout": 32, "t": 3, "h": 8, "w": 8, "rows": 64, "width": 128}
SMALL |= {"row": 64, "channels": 8, "side": 8}


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One operator at one shape.

    `params` by family. linear: m, k, n. attention: batch, heads, q, kv, head. convolution: batch,
    cin, cout, t, h, w, kt, kh, kw (stride 1, same size; two-dimensional where t = kt = 1), and
    bordered, 1 where what it reads has its border already, as some decoders make it themselves.
    memory: elements; where rows of a width (`ROW` unless said) all meet the same one, row and batch,
    each of which has one of its own; of images, channels and side. norm: rows, width (softmax,
    group_norm and vector_norm too: a row is what is reduced; vector_norm's runs across the channels
    of an image, as Wan's decoder has it).
    `data`: random (unit scale) or zeros.
    """

    family: str
    op: str
    params: Mapping[str, int] = field(hash=False)
    dtype: str = "bfloat16"
    backend: str | None = None
    data: str = "random"

    @property
    def flops(self) -> int:
        """FLOPs of a call, 2 per multiply-add; 0 for work that only moves memory."""
        return FLOPS[self.family](self.params)

    @property
    def bytes(self) -> int:
        """Bytes of a call: every input read once, every output written once."""
        return BYTES[self.family](self)

    @property
    def shape(self) -> str:
        """The params as people write them."""
        return SHAPES[self.family](self.params)

    def small(self) -> "Point":
        """The same operator at a size for tests on a CPU."""
        caps = {k: min(v, SMALL.get(k, v)) for k, v in self.params.items()}
        return replace(self, params=caps)

    def identity(self) -> tuple[Any, ...]:
        return (
            self.family,
            self.op,
            *sorted(self.params.items()),
            self.dtype,
            self.backend,
            self.data,
        )


def distinct(points: Iterable[Point]) -> list[Point]:
    """The points in their order, without those that came before."""
    return list({point.identity(): point for point in reversed(list(points))}.values())[::-1]


def _linear_bytes(point: Point) -> int:
    m, k, n = (point.params[name] for name in "mkn")
    return ITEM_BYTES[point.dtype] * (m * k + k * n + n + m * n)


def _attention_bytes(point: Point) -> int:
    p = point.params
    rows = 2 * p["q"] + 2 * p["kv"]
    return ITEM_BYTES[point.dtype] * p["batch"] * p["heads"] * p["head"] * rows


def _voxels(p: Mapping[str, int]) -> int:
    return prod(p[name] for name in ("batch", "t", "h", "w"))


def taps(p: Mapping[str, int]) -> int:
    """Taps of a convolution's kernel."""
    return p["kt"] * p["kh"] * p["kw"]


def _convolution_bytes(point: Point) -> int:
    p = point.params
    weights = p["cin"] * p["cout"] * taps(p) + p["cout"]
    read = p["batch"] * prod(read_size(p)) * p["cin"]
    return ITEM_BYTES[point.dtype] * (read + _voxels(p) * p["cout"] + weights)


def read_size(p: Mapping[str, int]) -> tuple[int, ...]:
    """Frames, height and width of what a convolution reads."""
    border = p.get("bordered", 0)
    return tuple(p[axis] + border * (p[f"k{axis}"] - 1) for axis in "thw")


def _memory_bytes(point: Point) -> int:
    elements, item = point.params["elements"], ITEM_BYTES[point.dtype]
    if point.op in CASTS:
        return elements * (item + ITEM_BYTES[CASTS[point.op]])
    if point.op in MIXED:
        return elements * MIXED[point.op]
    if point.op in PADDED:
        return elements * item + PADDED[point.op](elements) * item
    if point.op.startswith("upsample"):
        return elements * item * 5  # each element is read once and written four times
    return int(elements * item * MOVED[point.op])


PLANE = 64  # padded and enlarged tensors are stacks of planes of this side
DEPTH = 8  # planes of a padded volume
ROW = 2048  # elements of a row that is repeated


def padded_elements(elements: int) -> int:
    """Elements after a border of one around each plane."""
    return elements // PLANE**2 * (PLANE + 2) ** 2


def padded_volumes(elements: int) -> int:
    """Elements after a border of one around each plane, and two planes before each volume."""
    depth = depth_of(elements)
    return elements // (depth * PLANE**2) * (depth + 2) * (PLANE + 2) ** 2


def depth_of(elements: int) -> int:
    """Planes of a padded volume: fewer where there are no more elements."""
    return max(1, min(DEPTH, elements // PLANE**2))


PADDED: dict[str, Callable[[int], int]] = {
    "constant_pad": padded_elements,
    "replication_pad": padded_elements,
    "replication_pad_3d": padded_volumes,
}


def _norm_bytes(point: Point) -> int:
    if point.op == "vector_norm":
        return ITEM_BYTES[point.dtype] * point.params["rows"] * (point.params["width"] + 1)
    return 2 * ITEM_BYTES[point.dtype] * point.params["rows"] * point.params["width"]


def _memory_shape(p: Mapping[str, int]) -> str:
    found = f"{p['elements']} elements"
    if "side" in p:
        return f"{found}, {p['channels']} channels of {p['side']} x {p['side']}"
    return f"{found}, {p['batch']} rows of {p['row']}" if "row" in p else found


FLOPS: dict[str, Callable[[Mapping[str, int]], int]] = {
    "linear": lambda p: 2 * p["m"] * p["k"] * p["n"],
    "attention": lambda p: 4 * p["batch"] * p["heads"] * p["q"] * p["kv"] * p["head"],
    "convolution": lambda p: 2 * _voxels(p) * p["cin"] * p["cout"] * taps(p),
    "memory": lambda p: 0,
    "norm": lambda p: 0,
}
BYTES: dict[str, Callable[[Point], int]] = {
    "linear": _linear_bytes,
    "attention": _attention_bytes,
    "convolution": _convolution_bytes,
    "memory": _memory_bytes,
    "norm": _norm_bytes,
}
SHAPES: dict[str, Callable[[Mapping[str, int]], str]] = {
    "linear": lambda p: f"{p['m']} x {p['k']} x {p['n']}",
    "attention": lambda p: f"{p['batch']} x {p['heads']} x {p['q']} x {p['kv']}, head {p['head']}",
    "convolution": lambda p: (
        f"{p['kt']}x{p['kh']}x{p['kw']}, {p['cin']} to {p['cout']}, "
        f"{p['batch']} x {p['t']}x{p['h']}x{p['w']}"
    ),
    "memory": _memory_shape,
    "norm": lambda p: f"{p['rows']} rows of {p['width']}",
}
