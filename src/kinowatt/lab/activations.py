"""What flows through a pipeline: values change power, so a row says what they were.

Used in a warm-up only: it costs time.
"""

from collections.abc import Iterator, Mapping
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
        with _kernels(dict(targets[:2]), found):
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
def _kernels(stages: Mapping[str, torch.nn.Module], found: dict[str, Any]) -> Iterator[None]:
    """Notes which kernels PyTorch chooses for fused attention, by stage and head size.

    By stage, since a text encoder may have the denoiser's head size and another kernel. What runs
    inside none of `stages` is the decoder's.
    """
    functional: Any = torch.nn.functional
    inner = functional.scaled_dot_product_attention
    chosen: dict[str, set[str]] = {}
    inside: list[str] = []

    def noted(*args: Any, **kwargs: Any) -> Any:
        query = args[0] if args else kwargs["query"]
        stage = inside[-1] if inside else "vae_decoder"
        key = f"{stage} head {query.shape[-1]}"
        chosen.setdefault(key, set()).add(_choice(args, kwargs))
        return inner(*args, **kwargs)

    handles = [
        handle
        for stage, module in stages.items()
        for handle in (
            module.register_forward_pre_hook(lambda *_, stage=stage: inside.append(stage)),
            module.register_forward_hook(lambda *_: _drop(inside), always_call=True),
        )
    ]
    functional.scaled_dot_product_attention = noted
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = inner
        for handle in handles:
            handle.remove()
        found["attention_kernels"] = {k: ", ".join(sorted(v)) for k, v in sorted(chosen.items())}


def _drop(inside: list[str]) -> None:
    """Leaves a stage; what a hook returns would replace its output."""
    inside.pop()


def _choice(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    from torch.nn.attention import SDPBackend

    try:
        number = torch._fused_sdp_choice(*args, **kwargs)
    except (RuntimeError, TypeError):
        return "unknown"
    return str(SDPBackend(number).name).removesuffix("_ATTENTION").lower()
