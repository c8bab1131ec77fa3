"""The real PyTorch operator of each point, with its inputs on the device."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from kinowatt.lab.microbench.points import PLANE, ROW, Point, depth_of, read_size, taps

Call = Callable[[], object]
KERNELS = {
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}
GROUP_CHANNELS = 4
HEADS, HEAD = 16, 128  # of a tensor whose heads change places with its rows


def operation(point: Point, device: torch.device) -> Call:
    """A function that queues the operator once; its inputs live as long as it does.

    To be called inside the point's `settings`.
    """
    return MAKERS[point.family](point, device)


@contextmanager
def settings(point: Point) -> Iterator[None]:
    """The point's precision and kernel of attention; as before at the end.

    Around all calls of a point, not around each: to choose a kernel takes the host longer than a
    short call takes the device.
    """
    kernel = KERNELS.get(point.backend or "")
    with precision(point), sdpa_kernel(kernel) if kernel else nullcontext():
        yield


@contextmanager
def precision(point: Point) -> Iterator[None]:
    """Products of float32 in TF32 for `tf32`, in float32 otherwise; as before at the end."""
    flags: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [flag.allow_tf32 for flag in flags]
    for flag in flags:
        flag.allow_tf32 = point.dtype == "tf32"
    try:
        yield
    finally:
        for flag, value in zip(flags, before, strict=True):
            flag.allow_tf32 = value


def _dtype(point: Point) -> torch.dtype:
    name = "float32" if point.dtype == "tf32" else point.dtype
    return getattr(torch, name)  # type: ignore[no-any-return]


def _tensor(point: Point, device: torch.device, *shape: int, scale: float = 1.0) -> torch.Tensor:
    """Normal numbers of a scale, as power depends on values; or zeros."""
    found = torch.empty(shape, dtype=_dtype(point), device=device)
    return found.zero_() if point.data == "zeros" else found.normal_(0.0, scale)


def _linear(point: Point, device: torch.device) -> Call:
    m, k, n = (point.params[name] for name in "mkn")
    x = _tensor(point, device, m, k)
    weight = _tensor(point, device, n, k, scale=k**-0.5)
    bias = _tensor(point, device, n)
    return lambda: functional.linear(x, weight, bias)


def _attention(point: Point, device: torch.device) -> Call:
    p = point.params

    def heads_of(rows: int) -> torch.Tensor:
        # as the models make them: heads side by side in memory, seen as (batch, heads, rows, head)
        return _tensor(point, device, p["batch"], rows, p["heads"], p["head"]).transpose(1, 2)

    query, key, value = heads_of(p["q"]), heads_of(p["kv"]), heads_of(p["kv"])
    return lambda: functional.scaled_dot_product_attention(query, key, value)


def _convolution(point: Point, device: torch.device) -> Call:
    p = point.params
    flat = p["t"] == p["kt"] == 1
    size = read_size(p)[flat:]
    kernel = [p[name] for name in (("kh", "kw") if flat else ("kt", "kh", "kw"))]
    x = _tensor(point, device, p["batch"], p["cin"], *size)
    weight = _tensor(
        point, device, p["cout"], p["cin"], *kernel, scale=(p["cin"] * taps(p)) ** -0.5
    )
    bias = _tensor(point, device, p["cout"])
    run: Any = functional.conv2d if flat else functional.conv3d
    padding = [0 if p.get("bordered") else along // 2 for along in kernel]
    return lambda: run(x, weight, bias, padding=padding)


def _memory(point: Point, device: torch.device) -> Call:
    elements = point.params["elements"]
    x = _tensor(point, device, elements)
    if point.op in WALKING:
        row, batch = point.params.get("row", min(ROW, elements)), point.params.get("batch", 1)
        return WALKING[point.op](x.view(batch, -1, row))
    if "side" in point.params:
        return _images(point, x)
    made = _moving(x, elements)
    if point.op in made:
        return made[point.op]
    y = _tensor(point, device, elements)
    return (lambda: x + y) if point.op == "add" else (lambda: x * y)


def _images(point: Point, x: torch.Tensor) -> Call:
    """Copied to channels outermost, or added to images that have them there."""
    side = point.params["side"]
    images = x.view(-1, side, side, point.params["channels"]).permute(0, 3, 1, 2)
    if point.op == "images":
        return images.contiguous
    return partial(torch.add, images, images.contiguous())


def _ones(rows: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
    """One row for each of a batch, which every row of that one meets."""
    return torch.ones_like(rows[:, :1], dtype=dtype)


def _every_second(rows: torch.Tensor) -> torch.Tensor:
    return torch.stack([rows, rows], dim=-1)[..., 0]


# Element-wise work that no vector load serves: an operand is repeated, of another dtype, or every
# second element of something, as in modulated norms and rotary embeddings
WALKING: dict[str, Callable[[torch.Tensor], Call]] = {
    "mul_row": lambda rows: partial(torch.mul, rows, _ones(rows)),
    "add_row": lambda rows: partial(torch.add, rows, _ones(rows)),
    "add_row_": lambda rows: partial(rows.add_, _ones(rows)),
    "mul_mixed": lambda rows: partial(torch.mul, rows, _ones(rows, torch.float32)),
    "mul_every_second": lambda rows: partial(
        torch.mul, _every_second(rows), _ones(rows, torch.float32)
    ),
    "copy_every_second": lambda rows: partial(_every_second(rows.bfloat16()).copy_, rows),
}


def _moving(x: torch.Tensor, elements: int) -> dict[str, Call]:
    planes = x.view(1, -1, PLANE, PLANE) if elements >= PLANE**2 else x.view(1, 1, 1, -1)
    volumes = planes.view(1, -1, depth_of(elements), *planes.shape[-2:])
    half = x[: elements // 2]
    rows = max(1, elements // (HEADS * HEAD))
    narrow = (-1, 2 * HEADS, elements // HEADS // rows // 2)
    return {
        "gelu": lambda: functional.gelu(x, approximate="tanh"),
        "silu": lambda: functional.silu(x),
        "clone": x.clone,
        "cat": lambda: torch.cat([half, half]),
        "to_float32": lambda: x.to(torch.float32),
        "to_bfloat16": lambda: x.to(torch.bfloat16),
        "heads": lambda: x.view(-1, HEADS, elements // HEADS // rows).transpose(0, 1).contiguous(),
        "narrow_heads": lambda: x.view(*narrow).transpose(0, 1).contiguous(),
        "pairs": lambda: torch.stack([half, half], dim=-1),
        "transpose": lambda: x.view(PLANE, -1).t().contiguous(),
        "constant_pad": lambda: functional.pad(planes, (1, 1, 1, 1)),
        "replication_pad": lambda: functional.pad(planes, (1, 1, 1, 1), mode="replicate"),
        "replication_pad_3d": lambda: functional.pad(volumes, (1, 1, 1, 1, 2, 0), mode="replicate"),
        "upsample": lambda: functional.interpolate(planes, scale_factor=2.0, mode="nearest"),
        "upsample_3d": lambda: functional.interpolate(volumes, scale_factor=(1.0, 2.0, 2.0)),
    }


def _norm(point: Point, device: torch.device) -> Call:
    rows, width = point.params["rows"], point.params["width"]
    if point.op == "vector_norm":
        image = _tensor(point, device, width, rows)
        return lambda: torch.linalg.vector_norm(image, dim=0)
    x = _tensor(point, device, rows, width)
    weight, bias = _tensor(point, device, width), _tensor(point, device, width)
    if point.op == "layer_norm":
        return lambda: functional.layer_norm(x, (width,), weight, bias)
    if point.op == "rms_norm":
        return lambda: functional.rms_norm(x, (width,), weight)
    if point.op == "softmax":
        return lambda: functional.softmax(x, dim=-1)
    channels = GROUP_CHANNELS * rows  # a row is a group
    grouped = x.view(1, channels, -1)
    scale, shift = _tensor(point, device, channels), _tensor(point, device, channels)
    return lambda: functional.group_norm(grouped, rows, scale, shift)


MAKERS: dict[str, Callable[[Point, torch.device], Call]] = {
    "linear": _linear,
    "attention": _attention,
    "convolution": _convolution,
    "memory": _memory,
    "norm": _norm,
}
