"""Reads the operators of one real forward pass off a module on the `meta` device.

A `TorchDispatchMode` sees every ATen operator with the shapes, strides and dtypes of its tensors;
a `TorchFunctionMode` keeps the operators whole that `meta` would decompose although the GPU runs
them as one kernel (scaled dot-product attention, RMSNorm). Storage life times are followed as
well, since eager PyTorch frees activations at the same points on `meta` as on a GPU.
"""

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from kinowatt.errors import KinowattError
from kinowatt.lab.tracing.access import access_of
from kinowatt.lab.tracing.layouts import as_cudnn_lays_out, turned_around

ALLOCATION_BYTES = 512  # granularity of torch's caching allocator on CUDA

# Every ATen operator is counted under a kind, declared free, or an error.
KINDS: Mapping[str, frozenset[str]] = {
    "linear": frozenset({"addmm", "mm", "bmm", "baddbmm"}),
    "convolution": frozenset({"convolution"}),
    "norm": frozenset({"native_layer_norm", "native_group_norm"}),
    "softmax": frozenset({"_softmax", "_safe_softmax"}),
    "reduce": frozenset({"mean", "sum", "amax", "linalg_vector_norm", "var_mean", "cumsum"})
    | frozenset({"any", "all", "argmax"}),
    "pointwise": frozenset(
        {"add", "add_", "sub", "sub_", "mul", "mul_", "div", "div_", "neg", "exp", "log", "sin"}
        | {"cos", "pow", "sqrt", "rsqrt", "abs", "silu", "silu_", "gelu", "relu", "tanh", "sigmoid"}
        | {"clamp", "clamp_min", "clamp_max", "minimum", "maximum", "where", "rsub", "lt", "gt"}
        | {"le", "ge", "eq", "ne", "bitwise_not", "logical_not", "bitwise_and", "logical_and"}
        | {
            "masked_fill",
            "masked_fill_",
            "round",
            "floor",
            "reciprocal",
            "polar",
            "view_as_complex",
        }
        | {"logical_or", "bitwise_or", "softplus", "isnan", "isinf", "nan_to_num", "lerp", "square"}
        | {"expm1", "log1p", "sign", "atan2", "remainder", "floor_divide", "isin", "erf"}
    ),
    "copy": frozenset(
        {"clone", "copy_", "_to_copy", "cat", "stack", "repeat", "index", "gather", "roll", "flip"}
        | {"index_select", "scatter", "scatter_", "arange", "zeros", "ones", "full", "zeros_like"}
        | {"ones_like", "full_like", "fill_", "zero_", "scalar_tensor", "tril", "triu", "linspace"}
        | {"embedding", "new_zeros", "new_ones", "new_full", "repeat_interleave", "nonzero"}
        | {"slice_scatter", "index_put_", "select_scatter", "eye", "_reshape_copy"}
    ),
    "pad": frozenset(
        {"constant_pad_nd", "replication_pad3d", "replication_pad2d", "reflection_pad2d"}
    ),
    "resample": frozenset(
        {"upsample_nearest2d", "upsample_nearest3d", "upsample_bilinear2d", "avg_pool3d"}
        | {"avg_pool2d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d", "pixel_shuffle"}
        | {"upsample_nearest1d", "_upsample_nearest_exact1d"}
    ),
}
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}
# Metadata and allocation only: no kernel runs and no byte moves.
FREE = frozenset(
    {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view"}
    | {"detach", "alias", "lift_fresh", "view_as_real", "_local_scalar_dense", "resize_"}
    | {"_assert_async", "_assert_scalar", "sym_size", "is_same_size", "unsafe_split"}
)


class TraceError(KinowattError):
    """A module could not be read into an operator table; the message names the operator."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One operator call.

    `dims` depend on the kind: linear batch, m, k, n; attention batch, heads, q, kv, head;
    convolution voxels, cin, cout, kernel, and in three dimensions input (elements) and depth
    (frames) as well; every other kind elements and row (the width that a
    norm, softmax or reduction works on, 1 for pointwise), and a copy of images with channels innermost
    to images with channels outermost plane (pixels). `nbytes` is read + written, a broadcast
    operand once. `live_bytes` are the activations alive while the operator runs. `access`: how its
    kernel walks its operands (`kinowatt.lab.tracing.access`).
    """

    path: str
    op: str
    kind: str
    dtype: str
    storage: str
    dims: Mapping[str, int]
    nbytes: int
    live_bytes: int
    access: str = "dense"


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def moved_bytes(tensor: torch.Tensor) -> int:
    """Bytes of the distinct elements of a tensor: a dimension of stride 0 is read once."""
    distinct = math.prod(
        size
        for size, stride in zip(tensor.shape, tensor.stride(), strict=True)
        if stride != 0 or size == 0
    )
    return distinct * tensor.element_size()


class StorageLedger:
    """Sums the storages that are alive, in the allocator's 512-byte blocks."""

    def __init__(self, known: Iterator[torch.Tensor]) -> None:
        from torch.multiprocessing import reductions

        self._ref: Any = reductions.StorageWeakRef
        self._known = {t.untyped_storage()._cdata for t in known}
        self._alive: dict[int, tuple[Any, int]] = {}
        self.total = 0

    def add(self, tensors: list[torch.Tensor]) -> int:
        """Enters new storages, drops dead ones, and returns the peak seen meanwhile, in bytes."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key in self._known or key in self._alive:
                continue
            blocks = -(-storage.nbytes() // ALLOCATION_BYTES) * ALLOCATION_BYTES
            self._alive[key] = (self._ref(storage), blocks)
            self.total += blocks
        return self.total

    def purge(self) -> None:
        for key in [k for k, (ref, _) in self._alive.items() if ref.expired()]:
            self.total -= self._alive.pop(key)[1]


class Recorder(TorchDispatchMode):
    """Collects an `Event` per operator call while it is active; `within` tracks the module path."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.events: list[Event] = []
        self.paths: list[str] = []
        self.muted = 0
        self._names = {id(m): name for name, m in module.named_modules()}
        from itertools import chain

        self.ledger = StorageLedger(chain(module.parameters(), module.buffers()))

    def enter(self, module: torch.nn.Module, _: object) -> None:
        self.paths.append(self._names.get(id(module), self.paths[-1] if self.paths else ""))

    def leave(self, module: torch.nn.Module, _: object, __: object) -> None:
        self.paths.pop()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if self.muted:
            return out
        name = func._schema.name.split("::")[-1]
        if name == "convolution":
            out = as_cudnn_lays_out(out, args[0], args[1])
        if func.is_view or name in FREE or name.startswith("sym_"):
            self._follow(out)
            return out
        kind = KIND_OF.get(name)
        if kind is None:
            raise TraceError(
                f"operator aten::{name} at {self._path()} is not declared: add it to "
                "kinowatt.lab.tracing.recorder.KINDS, or to FREE if it moves nothing"
            )
        self.record(name, kind, list(args) + list((kwargs or {}).values()), out)
        return out

    def record(self, name: str, kind: str, inputs: list[Any], out: Any) -> None:
        ins = [t for t in tree_iter(inputs) if isinstance(t, torch.Tensor)]
        outs = [t for t in tree_iter(out) if isinstance(t, torch.Tensor)]
        if not outs or (name.endswith("_") and not outs[0].numel()):
            return
        main = next((t for t in ins if t.is_floating_point()), outs[0])
        if kind == "norm" and not main.is_contiguous():
            self._made_contiguous(main)
        self.events.append(
            Event(
                path=self._path(),
                op=name,
                kind=kind,
                dtype=dtype_name(main.dtype),
                storage=dtype_name(outs[0].dtype),
                dims=dims_of(name, kind, inputs, outs),
                nbytes=bytes_of(name, ins, outs),
                live_bytes=self._follow(outs),
                access=access_of(kind, ins, outs, name),
            )
        )

    def _made_contiguous(self, tensor: torch.Tensor) -> None:
        """CUDA's kernels of norms want one block: they copy an input that is none, unasked."""
        with self.hidden():
            block = torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device)
        self.record("clone", "copy", [tensor], block)

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """What runs meanwhile is not the module's."""
        self.muted += 1
        try:
            yield
        finally:
            self.muted -= 1

    def _follow(self, out: Any) -> int:
        self.ledger.purge()
        return self.ledger.add([t for t in tree_iter(out) if isinstance(t, torch.Tensor)])

    def _path(self) -> str:
        return self.paths[-1] if self.paths else ""


def bytes_of(name: str, ins: list[torch.Tensor], outs: list[torch.Tensor]) -> int:
    """Bytes read + written by one operator, by what its kernel must touch."""
    written = sum(moved_bytes(t) for t in outs)
    if name in {"copy_", "fill_", "zero_"}:  # the destination is only written
        ins = ins[1:]
    if name in {"embedding", "index", "gather", "index_select"}:  # only the rows that are taken
        return 2 * written + sum(moved_bytes(t) for t in ins if not t.is_floating_point())
    distinct = {(t.data_ptr(), t._cdata): t for t in ins}.values()
    return written + sum(moved_bytes(t) for t in distinct)


def dims_of(name: str, kind: str, inputs: list[Any], outs: list[torch.Tensor]) -> dict[str, int]:
    return _DIMS.get(kind, _memory_dims)(name, inputs, outs)


def _linear_dims(name: str, inputs: list[Any], outs: list[torch.Tensor]) -> dict[str, int]:
    left, right = inputs[1:3] if name in {"addmm", "baddbmm"} else inputs[0:2]
    batch = left.shape[0] if left.dim() == 3 else 1
    return {"batch": batch, "m": left.shape[-2], "k": left.shape[-1], "n": right.shape[-1]}


def _attention_dims(name: str, inputs: list[Any], outs: list[torch.Tensor]) -> dict[str, int]:
    query, key = inputs[0], inputs[1]
    *batch, heads, q, head = query.shape
    return {"batch": math.prod(batch), "heads": heads, "q": q, "kv": key.shape[-2], "head": head}


def _convolution_dims(name: str, inputs: list[Any], outs: list[torch.Tensor]) -> dict[str, int]:
    weight = inputs[1]
    cout, cin, *kernel = weight.shape  # cin is per group already
    voxels = outs[0].numel() // cout
    dims = {"voxels": voxels, "cin": cin, "cout": cout, "kernel": math.prod(kernel)}
    if inputs[0].dim() == 5:
        dims |= {"input": inputs[0].numel(), "depth": inputs[0].shape[2]}
    return dims


def _memory_dims(name: str, inputs: list[Any], outs: list[torch.Tensor]) -> dict[str, int]:
    turned = name == "clone" and turned_around(inputs[0], outs[0])
    plane = {"plane": math.prod(outs[0].shape[2:])} if turned else {}
    return {"elements": outs[0].numel(), "row": _row_width(name, inputs, outs), **plane}


def _row_width(name: str, inputs: list[Any], outs: list[torch.Tensor]) -> int:
    if name == "native_layer_norm":
        return math.prod(inputs[1])
    if name == "rms_norm":
        return math.prod(inputs[1])
    if name == "native_group_norm":
        _, channels, space, groups = inputs[3:7]
        return int(channels * space // groups)
    if name in KINDS["softmax"]:
        return int(outs[0].shape[-1])
    if name in KINDS["reduce"]:
        return int(inputs[0].numel() // max(outs[0].numel(), 1))
    return 1


_DIMS: Mapping[str, Callable[[str, list[Any], list[torch.Tensor]], dict[str, int]]] = {
    "linear": _linear_dims,
    "attention": _attention_dims,
    "convolution": _convolution_dims,
}


class KeepWhole(TorchFunctionMode):
    """Records attention and RMSNorm as the one kernel that the GPU runs, not its decomposition."""

    def __init__(self, recorder: Recorder, valid_tokens: int | None) -> None:
        super().__init__()
        self.recorder = recorder
        self.valid_tokens = valid_tokens

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "scaled_dot_product_attention":
            return self._attention(*args, **kwargs)
        if name == "rms_norm":
            return self._rms_norm(*args, **kwargs)
        if name == "nonzero" and self.valid_tokens is not None:
            return self._nonzero(args[0])
        if name == "all":
            return self._all(*args, **kwargs)
        return func(*args, **kwargs)

    def _attention(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        **_: Any,
    ) -> torch.Tensor:
        with self.recorder.hidden():
            # the fused kernel writes heads interleaved: [batch, q, heads, head] seen transposed
            shape = (*query.shape[:-1], value.shape[-1])
            out = query.new_empty((*shape[:-3], shape[-2], shape[-3], shape[-1])).transpose(-3, -2)
        inputs = [query, key, value, attn_mask]
        self.recorder.record("scaled_dot_product_attention", "attention", inputs, out)
        return out

    def _rms_norm(
        self,
        input: torch.Tensor,  # noqa: A002 - torch calls it so
        normalized_shape: tuple[int, ...],
        weight: torch.Tensor | None = None,
        eps: float | None = None,
    ) -> torch.Tensor:
        with self.recorder.hidden():
            dtype = input.dtype
            if weight is not None:
                dtype = torch.promote_types(input.dtype, weight.dtype)
            out = input.new_empty(input.shape, dtype=dtype)
        self.recorder.record("rms_norm", "norm", [input, normalized_shape, weight], out)
        return out

    def _nonzero(self, mask: torch.Tensor) -> torch.Tensor:
        """Stands in for the data-dependent count of valid prompt tokens."""
        with self.recorder.hidden():
            out = torch.empty((self.valid_tokens or 0, 1), dtype=torch.int64, device=mask.device)
        self.recorder.record("nonzero", "copy", [mask], out)
        return out

    def _all(self, mask: torch.Tensor, **_: Any) -> torch.Tensor:
        """`Is no token padding?` has no answer on `meta`; prompts are shorter than padding."""
        with self.recorder.hidden():
            out = torch.zeros((), dtype=torch.bool, device="cpu")
        self.recorder.record("all", "reduce", [mask], out)
        return out


@contextlib.contextmanager
def _no_autocast() -> Iterator[None]:
    """`meta` has no autocast; the regions that models open only keep float32 in float32."""
    original = torch.autocast
    torch.autocast = lambda *args, **kwargs: contextlib.nullcontext()  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        torch.autocast = original  # type: ignore[misc]


def record_forward(
    module: torch.nn.Module, call: Callable[[], object], valid_tokens: int | None = None
) -> list[Event]:
    """Runs `call` (a forward of `module` on `meta`) and returns its operators in order."""
    recorder = Recorder(module)
    hooks = torch.nn.modules.module
    handles = [
        hooks.register_module_forward_pre_hook(recorder.enter),
        hooks.register_module_forward_hook(recorder.leave),
    ]
    try:
        with torch.no_grad(), _no_autocast(), KeepWhole(recorder, valid_tokens), recorder:
            result = call()
    finally:
        for handle in handles:
            handle.remove()
    del result
    return recorder.events


def calls_by_op(events: list[Event]) -> Counter[str]:
    return Counter(event.op for event in events)
