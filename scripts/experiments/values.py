"""What weights and activations do to time and power: one denoiser, its shapes always the same.

A forward of Wan-1.3B at 480x832x33 is repeated at the power limit with weights of three seeds,
scaled, with outlier channels, all zero, and on constant inputs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from experiments.equipment import (
    Asked,
    Call,
    Key,
    Log,
    Part,
    asked,
    first_calls,
    open_lab,
    request_of,
    timed,
)
from kinowatt.lab.activations import watched
from kinowatt.lab.modules import with_random_weights
from kinowatt.lab.pipelines import Built, denoiser_of, dtype_of
from kinowatt.lab.session import Session
from kinowatt.lab.twins import shrunk

MODEL = "wan2.1-t2v-1.3b"
VIDEO = {"height_px": 480, "width_px": 832, "frames": 33, "steps": 2}
OUTLIER_SHARE = 0.01  # of the output channels of each linear layer
OUTLIER_FACTOR = 20.0
LAYERS = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.Conv3d)
Change = Callable[[torch.nn.Module], None]


def scaled(factor: float, denoiser: torch.nn.Module) -> None:
    """Weights of every linear layer and convolution times a factor; norms and biases stay."""
    for layer in denoiser.modules():
        if isinstance(layer, LAYERS):
            layer.weight.mul_(factor)


def with_outliers(denoiser: torch.nn.Module) -> None:
    """A few output channels of each linear layer, drawn by chance, are made much larger."""
    chance = torch.Generator("cpu").manual_seed(0)
    for layer in denoiser.modules():
        if isinstance(layer, torch.nn.Linear):
            count = max(1, round(OUTLIER_SHARE * layer.out_features))
            rows = torch.randperm(layer.out_features, generator=chance)[:count]
            layer.weight[rows.to(layer.weight.device)] *= OUTLIER_FACTOR


def zeroed(denoiser: torch.nn.Module) -> None:
    """Every parameter is zero, biases and norms too."""
    for parameter in denoiser.parameters():
        parameter.zero_()


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """Weights of a seed, changed or not, on the pipeline's inputs or on ones."""

    seed: int = 0
    change: Change | None = None
    constant_inputs: bool = False


VARIANTS: Mapping[str, Variant] = {
    "seed 0": Variant(),
    "seed 1": Variant(seed=1),
    "seed 2": Variant(seed=2),
    "weights x0.25": Variant(change=partial(scaled, 0.25)),
    "weights x4": Variant(change=partial(scaled, 4.0)),
    "outlier channels": Variant(change=with_outliers),
    "zeros": Variant(change=zeroed),
    "constant inputs": Variant(constant_inputs=True),
    "seed 0 again": Variant(),  # what the machine itself changes meanwhile
}
COST_S = {"build": 15.0} | dict.fromkeys(VARIANTS, 10.0)


def constant(call: Call) -> Call:
    """The same call with every floating input of more than one dimension full of ones."""
    ones = {
        name: torch.ones_like(value)
        for name, value in call.kwargs.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point() and value.dim() > 1
    }
    return replace(call, kwargs=call.kwargs | ones)


@torch.no_grad()
def set_weights(built: Built, variant: Variant) -> None:
    """Writes the weights of a variant into the denoiser that is there."""
    found = built.spec.component("denoiser")
    config = shrunk(found.cls, found.config) if built.options.twin else found.config
    dtype = dtype_of(built.spec, "denoiser", built.options)
    torch.manual_seed(variant.seed)
    fresh = with_random_weights(found.cls, found.library, config, dtype, built.options.device)
    denoiser = denoiser_of(built.pipe)
    denoiser.load_state_dict(fresh.state_dict())
    if variant.change is not None:
        variant.change(denoiser)


def measured(session: Session, call: Call, name: str) -> dict[str, Any]:
    """One variant: what flows through the denoiser, then its window."""
    variant = VARIANTS[name]
    set_weights(session.built, variant)
    once = constant(call) if variant.constant_inputs else call
    with watched(session.built) as values:
        once()
    return {"model": MODEL, "video": VIDEO, **values, **timed(session.bench, once)}


def parts(wanted: Asked, left: Sequence[Key]) -> Iterator[Part]:
    session = open_lab(MODEL, wanted)
    try:
        request = request_of(session.built.spec, wanted, **VIDEO)
        _, call = first_calls(session.built, request)
        for part in left:
            yield part, partial(measured, session, call, part["variant"])
    finally:
        session.close()


def main(argv: Sequence[str] | None = None) -> None:
    wanted = asked(__doc__, COST_S, argv)
    log = Log("values", wanted)
    if left := log.left({"variant": name} for name in VARIANTS):
        log.carry_out(parts(wanted, left))


if __name__ == "__main__":
    main()
