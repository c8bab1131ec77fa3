"""What-if changes: one registered function per optimisation, operators → operators."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from kinowatt.errors import InputError, unknown_name
from kinowatt.theory.kernels import KERNELS, compiled_blocks, through_memory, with_kernel
from kinowatt.theory.operators import Operator

Rewrite = Callable[[Sequence[Operator], str], list[Operator]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Transform:
    """`values`: what KEY=VALUE accepts (empty: a number); `basis`: where its effect is from."""

    key: str
    values: tuple[str, ...]
    label: str
    basis: str  # "computed" from operators, or "published" with its source
    rewrite: Rewrite


_REGISTRY: dict[str, Transform] = {}


def transform(
    key: str, values: tuple[str, ...], label: str, basis: str
) -> Callable[[Rewrite], Rewrite]:
    """Registers a rewrite under a key; a duplicate is refused."""

    def register(rewrite: Rewrite) -> Rewrite:
        if key in _REGISTRY:
            raise ValueError(f"transform {key!r} is registered twice")
        _REGISTRY[key] = Transform(
            key=key, values=values, label=label, basis=basis, rewrite=rewrite
        )
        return rewrite

    return register


def transforms() -> Mapping[str, Transform]:
    return _REGISTRY


def apply(operators: Sequence[Operator], what_if: Mapping[str, str]) -> list[Operator]:
    """Applies KEY=VALUE changes in order; `InputError` names what is allowed."""
    found = list(operators)
    for key, value in what_if.items():
        if key not in _REGISTRY:
            raise unknown_name("what-if", key, _REGISTRY)
        chosen = _REGISTRY[key]
        if chosen.values and value not in chosen.values:
            raise unknown_name(f"value of {key}", value, chosen.values)
        found = chosen.rewrite(found, value)
    return found


def _share(key: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        raise InputError(f"{key} must be a number from 0 to below 1, not {value!r}") from None
    if not 0 <= share < 1:
        raise InputError(f"{key} must be from 0 to below 1, not {value}; nearest: 0.9")
    return share


def _scaled(operator: Operator, factor: float) -> Operator:
    nbytes = None if operator.bytes is None else operator.bytes * factor
    return replace(
        operator, calls=operator.calls * factor, flops=operator.flops * factor, bytes=nbytes
    )


@transform(
    "linear",
    ("fp8", "int8"),
    "linear layers in 8 bits",
    "computed: peak of the dtype, bytes as they are",
)
def _linear_precision(operators: Sequence[Operator], value: str) -> list[Operator]:
    dtype = {"fp8": "float8", "int8": "int8"}[value]
    return [
        replace(o, dtype=dtype) if o.kind == "linear" and o.stage == "denoiser" else o
        for o in operators
    ]


@transform(
    "cache",
    (),
    "share of block evaluations reused",
    "computed: that share of the denoiser left out",
)
def _cache(operators: Sequence[Operator], value: str) -> list[Operator]:
    kept = 1 - _share("cache", value)
    inner = {"self_attention", "cross_attention", "mlp"}
    return [_scaled(o, kept) if o.stage == "denoiser" and o.part in inner else o for o in operators]


@transform("text-cache", ("on",), "text keys and values computed once", "computed")
def _text_cache(operators: Sequence[Operator], value: str) -> list[Operator]:
    """Cross-attention's projections of the text do not change from step to step (paper, A.3)."""
    return [o for o in operators if not (o.text_only and o.part == "cross_attention")]


@transform(
    "window",
    (),
    "self-attention over that share of the tokens",
    "computed: windowed attention (paper, A.9)",
)
def _window(operators: Sequence[Operator], value: str) -> list[Operator]:
    share = _share("window", value)
    if share == 0:
        raise InputError("window must be above 0 and below 1; nearest: 0.1")
    return [
        replace(o, flops=o.flops * share)
        if o.part == "self_attention" and o.kind == "attention"
        else o
        for o in operators
    ]


@transform(
    "attention",
    ("fused", "math", *KERNELS),
    "attention kernel",
    "computed: another kernel's law, or scores that go through memory",
)
def _attention_kernel(operators: Sequence[Operator], value: str) -> list[Operator]:
    if value in KERNELS:
        return with_kernel(operators, value)
    return through_memory(operators) if value == "math" else list(operators)


@transform("compile", ("blocks",), "compiled transformer blocks", "computed: fused kernels' bytes")
def _compile(operators: Sequence[Operator], value: str) -> list[Operator]:
    return compiled_blocks(operators)
