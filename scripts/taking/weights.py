"""What weights and activations do to the time and power of a denoiser's forward."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch

from kinowatt.lab.modules import with_random_weights
from kinowatt.lab.pipelines import Built, denoiser_of, dtype_of
from kinowatt.lab.twins import shrunk
from taking.desk import Desk, Inputs, Values

SECONDS = 95.0
NEEDS_S = 6.0
MODELS: tuple[tuple[str, Values], ...] = (
    ("wan2.1-t2v-1.3b", {"height_px": 480, "width_px": 832, "frames": 33}),
    ("cogvideox-2b", {}),
)
# Layers that write into the residual stream, as diffusers names them
RESIDUAL = ("to_out.0.weight", "ffn.net.2.weight", "ff.net.2.weight")
OUTLIER_SHARE, OUTLIER_SCALE = 0.01, 30.0
SAMPLE = 4_000_000  # activations that the moments are taken of

Change = Callable[[torch.nn.Module], None]


def take(desk: Desk) -> None:
    for name, size in desk.wanted(MODELS):
        if desk.left_s() < NEEDS_S:
            break
        built = desk.built(name)
        inputs = desk.inputs(built, desk.request(name, **size))
        for variant, seed, change, zeroed in variants(built):
            about = {"variant": variant, "weight_seed": seed, "size": size}
            one = partial(_one, desk, built, inputs, (seed, change, zeroed))
            desk.attempt(("weights", name), about, one, NEEDS_S)
        reseed(built, built.options.seed)


def variants(built: Built) -> Iterator[tuple[str, int, Change | None, bool]]:
    """Name, seed of the weights, what is done to them, and whether latents are zero."""
    seed = built.options.seed
    yield "default", seed, None, False
    yield "zero weights", seed, lambda module: scale(module, 0.0), False
    yield "outlier channels", seed, outliers, False
    yield "zero latents", seed, None, True
    yield "seed 1", seed + 1, None, False
    yield "seed 2", seed + 2, None, False
    yield "weights x2", seed, lambda module: scale(module, 2.0), False
    yield "weights x0.5", seed, lambda module: scale(module, 0.5), False
    yield "one bit of mantissa", seed, coarse, False
    yield "default again", seed, None, False


def _one(
    desk: Desk, built: Built, inputs: Inputs, variant: tuple[int, Change | None, bool]
) -> Values:
    seed, change, zeroed = variant
    denoiser = denoiser_of(built.pipe)
    reseed(built, seed)
    if change is not None:
        change(denoiser)
    args, kwargs = inputs.denoiser
    with ExitStack() as stack:
        if zeroed:
            stack.callback(denoiser.register_forward_pre_hook(_no_latents, with_kwargs=True).remove)
        with watched(denoiser) as seen, torch.no_grad():
            denoiser(*args, **kwargs)
        found = desk.window(lambda: denoiser(*args, **kwargs))
    return found | {"activations": seen, "denoiser_shape": inputs.shape}


def reseed(built: Built, seed: int) -> None:
    """The denoiser's weights as this seed makes them, in place."""
    options = built.options
    spec = built.spec.component("denoiser")
    config = shrunk(spec.cls, spec.config) if options.twin else spec.config
    torch.manual_seed(seed)
    dtype = dtype_of(built.spec, "denoiser", options)
    fresh = with_random_weights(spec.cls, spec.library, config, dtype, options.device)
    denoiser_of(built.pipe).load_state_dict(fresh.state_dict())


def _matrices(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    for name, parameter in module.named_parameters():
        if parameter.dim() > 1:
            yield name, parameter.data


def scale(module: torch.nn.Module, factor: float) -> None:
    for _, tensor in _matrices(module):
        tensor.mul_(factor)


def outliers(module: torch.nn.Module) -> None:
    """The same few channels of the residual stream, much larger in every layer that writes them."""
    for name, tensor in _matrices(module):
        if name.endswith(RESIDUAL):
            every = round(1 / OUTLIER_SHARE)
            tensor[::every].mul_(OUTLIER_SCALE)


def coarse(module: torch.nn.Module) -> None:
    """Weights rounded to one bit after the leading one: nearly as spread, fewer bits that change."""
    for _, tensor in _matrices(module):
        mantissa, exponent = torch.frexp(tensor.float())
        tensor.copy_(torch.ldexp(torch.round(mantissa * 4) / 4, exponent))


def _no_latents(_: object, args: tuple[Any, ...], kwargs: Values) -> tuple[Any, Values]:
    for name in ("hidden_states", "sample"):
        if name in kwargs:
            return args, kwargs | {name: torch.zeros_like(kwargs[name])}
    return (torch.zeros_like(args[0]), *args[1:]), kwargs


@contextmanager
def watched(denoiser: torch.nn.Module) -> Iterator[Values]:
    """Fills a mapping with the moments of what the first, middle and last block give."""
    found: Values = {}
    blocks = max(
        (part for part in denoiser.children() if isinstance(part, torch.nn.ModuleList)), key=len
    )
    places = {"first": 0, "middle": len(blocks) // 2, "last": len(blocks) - 1}

    def note(place: str) -> Callable[..., None]:
        def hook(_: object, __: object, output: Any) -> None:
            tensor = output if isinstance(output, torch.Tensor) else output[0]
            found[place] = moments(tensor)

        return hook

    hooks = [blocks[index].register_forward_hook(note(place)) for place, index in places.items()]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def moments(tensor: torch.Tensor) -> Values:
    """Spread, kurtosis (3 for a normal distribution), largest over spread, and finite share."""
    every = max(1, tensor.numel() // SAMPLE)
    flat = tensor.flatten()[::every].double()
    finite = flat[torch.isfinite(flat)]
    found: Values = {
        "finite": finite.numel() / flat.numel(),
        "zero": float((flat == 0).double().mean()),
    }
    if not finite.numel():
        return found
    centred = finite - finite.mean()
    sd = float(centred.square().mean().sqrt())
    known = sd > 0
    return found | {
        "sd": sd,
        "kurtosis": float(centred.pow(4).mean()) / sd**4 if known else None,
        "largest_over_sd": float(centred.abs().max()) / sd if known else None,
    }
