"""What flows through a pipeline: values change power, so a row says what they were.

Used in a warm-up only: it costs time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from kinowatt.lab.pipelines import Built, denoiser_of


@contextmanager
def watched(built: Built) -> Iterator[dict[str, Any]]:
    """Fills a mapping with spread and non-finite share of stage outputs, and attention kernels."""
    found: dict[str, Any] = {}
    seen: dict[str, list[torch.Tensor]] = {}
    denoiser = denoiser_of(built.pipe)
    blocks = [part for part in denoiser.children() if isinstance(part, torch.nn.ModuleList)]
    targets = [("text_encoder", built.pipe.text_encoder), ("denoiser", denoiser)]
    targets += [("denoiser_blocks", block) for part in blocks for block in part]
    handles = [
        module.register_forward_hook(_collector(seen, name), always_call=False)
        for name, module in targets
    ]
    try:
        with _kernels(found):
            yield found
    finally:
        for handle in handles:
            handle.remove()
    found["activations"] = {name: _spread(torch.stack(values)) for name, values in seen.items()}


def _collector(seen: dict[str, list[torch.Tensor]], name: str) -> Any:
    def hook(_: object, args: object, output: Any) -> None:
        tensor = _first_tensor(output)
        if tensor is None:
            return
        finite = torch.isfinite(tensor)
        kept = tensor.float().where(finite, 0.0)
        bad = 1 - finite.float().mean()
        seen.setdefault(name, []).append(torch.stack([kept.std(), bad]).cpu())

    return hook


def _first_tensor(output: Any) -> torch.Tensor | None:
    if isinstance(output, torch.Tensor):
        return output if output.is_floating_point() else None
    values = list(output.values()) if hasattr(output, "values") else output
    if not isinstance(values, tuple | list):
        return None
    return next((found for value in values if (found := _first_tensor(value)) is not None), None)


def _spread(values: torch.Tensor) -> dict[str, float]:
    """Of standard deviations and non-finite shares, one row per output."""
    return {
        "std_min": float(values[:, 0].min()),
        "std_max": float(values[:, 0].max()),
        "nonfinite": float(values[:, 1].max()),
    }


@contextmanager
def _kernels(found: dict[str, Any]) -> Iterator[None]:
    """Notes which kernel PyTorch chooses for each head size of fused attention."""
    functional: Any = torch.nn.functional
    inner = functional.scaled_dot_product_attention
    chosen: dict[str, str] = {}

    def noted(*args: Any, **kwargs: Any) -> Any:
        query = args[0] if args else kwargs["query"]
        key = f"head {query.shape[-1]}"
        if key not in chosen:
            chosen[key] = _choice(args, kwargs)
        return inner(*args, **kwargs)

    functional.scaled_dot_product_attention = noted
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = inner
        found["attention_kernels"] = dict(sorted(chosen.items()))


def _choice(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    from torch.nn.attention import SDPBackend

    try:
        number = torch._fused_sdp_choice(*args, **kwargs)
    except (RuntimeError, TypeError):
        return "unknown"
    return str(SDPBackend(number).name).removesuffix("_ATTENTION").lower()
