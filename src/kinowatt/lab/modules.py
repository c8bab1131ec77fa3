"""Real modules of diffusers and transformers from their configs: on `meta`, or with weights.

No checkpoint is read: what a module costs follows its shapes, and its config gives those.
"""

import inspect
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from kinowatt.errors import KinowattError


class ModuleError(KinowattError):
    """A module cannot be built from its config; the message names the class or field."""


def on_meta(cls: str, library: str, config: Mapping[str, Any], dtype: str) -> torch.nn.Module:
    """The real module on `meta`, cast as `from_pretrained(torch_dtype=…)` casts it."""
    target = getattr(torch, dtype)
    with torch.device("meta"):
        module = construct(cls, library, config).eval()
    module.requires_grad_(False)
    for name, tensor in list(module.named_parameters()) + list(module.named_buffers()):
        if tensor.is_floating_point() and _is_cast(module, library, target, name):
            tensor.data = tensor.data.to(target)
    return module


def with_random_weights(
    cls: str, library: str, config: Mapping[str, Any], dtype: str, device: str
) -> torch.nn.Module:
    """The real module on a device with random weights that keep activations of unit scale.

    Weights are made in place, layer by layer, so that a model needs no more memory than its own.
    Buffers (positional tables) are what the constructor computes. The global generator is used:
    seed it first.
    """
    from accelerate import init_empty_weights

    target = getattr(torch, dtype)
    with init_empty_weights(include_buffers=False), torch.device(device):
        module = construct(cls, library, config).eval()
    made: dict[int, torch.nn.Parameter] = {}  # tied weights stay tied
    for owner, name, full in _owned_parameters(module):
        old = owner._parameters[name]
        assert old is not None
        if id(old) not in made:
            cast = old.is_floating_point() and _is_cast(module, library, target, full)
            made[id(old)] = _random(old, owner, target if cast else old.dtype, device)
        owner._parameters[name] = made[id(old)]
    _cast_buffers(module, library, target)
    if library == "transformers":
        _initialise_as_published(module)
    return module.requires_grad_(False)


def _owned_parameters(module: torch.nn.Module) -> Iterator[tuple[torch.nn.Module, str, str]]:
    for path, owner in module.named_modules():
        for name, parameter in list(owner._parameters.items()):
            if parameter is not None:
                yield owner, name, f"{path}.{name}" if path else name


def _random(
    shape_of: torch.nn.Parameter, owner: torch.nn.Module, dtype: torch.dtype, device: str
) -> torch.nn.Parameter:
    """Weights that keep the variance of what passes through them; norms at 1, biases at 0."""
    tensor = torch.empty(shape_of.shape, dtype=dtype, device=device)
    if isinstance(owner, torch.nn.Embedding):
        tensor.normal_(0, 1)
    elif tensor.dim() > 1:
        tensor.normal_(0, math.sqrt(tensor.shape[0] / max(1, tensor.numel())))
    else:
        is_bias = getattr(owner, "bias", None) is shape_of
        tensor.fill_(0.0 if is_bias else 1.0)
    return torch.nn.Parameter(tensor, requires_grad=False)


def _cast_buffers(module: torch.nn.Module, library: str, dtype: torch.dtype) -> None:
    """Only buffers of the checkpoint are cast when it is loaded; computed ones stay as they are."""
    stored = set(module.state_dict())
    for name, tensor in module.named_buffers():
        if name in stored and tensor.is_floating_point() and _is_cast(module, library, dtype, name):
            tensor.data = tensor.data.to(dtype)


@torch.no_grad()
def _initialise_as_published(module: torch.nn.Module) -> None:
    """transformers knows how its models start; T5's attention needs it, which has no scale."""
    model: Any = module
    model.tie_weights()
    for part in module.modules():
        model._init_weights(part)


def construct(cls: str, library: str, config: Mapping[str, Any]) -> torch.nn.Module:
    """An instance of a class of diffusers or transformers; `ModuleError` where it can't be."""
    if library == "transformers":
        return _construct_transformers(cls, config)
    import diffusers

    model = getattr(diffusers, cls, None) or _in_pipelines(cls)
    if model is None:
        raise ModuleError(f"diffusers {diffusers.__version__} has no class {cls}")
    if cls == "UNetMotionModel":
        with_motion: torch.nn.Module = _motion_unet(config)
        return with_motion
    known = inspect.signature(model.__init__).parameters
    unknown = [key for key in config if key not in known and not key.startswith("_")]
    if unknown:
        raise ModuleError(f"{cls} does not accept config field {unknown[0]!r}")
    module: torch.nn.Module = model(**{k: v for k, v in config.items() if k in known})
    return module


def _in_pipelines(cls: str) -> Any:
    """Classes that diffusers keeps beside a pipeline instead of exporting them."""
    from diffusers.pipelines.ltx import modeling_latent_upsampler

    return getattr(modeling_latent_upsampler, cls, None)


def _motion_unet(config: Mapping[str, Any]) -> torch.nn.Module:
    from diffusers import MotionAdapter, UNet2DConditionModel, UNetMotionModel

    unet = UNet2DConditionModel(**config["unet"])
    adapter = MotionAdapter(**config["motion_adapter"])
    module: torch.nn.Module = UNetMotionModel.from_unet2d(unet, adapter, load_weights=False)
    return module


def _construct_transformers(cls: str, config: Mapping[str, Any]) -> torch.nn.Module:
    import transformers

    model = getattr(transformers, cls)
    module: torch.nn.Module = model(model.config_class(**config))
    return module


def _is_cast(module: torch.nn.Module, library: str, dtype: torch.dtype, name: str) -> bool:
    """Whether loading in `dtype` casts this tensor, or keeps it in float32."""
    kept = set(getattr(module, "_keep_in_fp32_modules", None) or ())
    if library == "transformers" and dtype is not torch.float16:
        kept.clear()  # transformers keeps them only where float16 would overflow
    kept |= set(getattr(module, "_keep_in_fp32_modules_strict", None) or ())
    return not kept.intersection(name.split("."))


def parameter_count(module: torch.nn.Module) -> int:
    return sum(math.prod(p.shape) for p in module.parameters())


def parameter_bytes(module: torch.nn.Module) -> int:
    tensors = list(module.parameters()) + list(module.buffers())
    return sum(math.prod(t.shape) * t.element_size() for t in tensors)
