"""What a plan may set of a row: names, what their values must be, and what they mean.

The names are those of `BuildOptions` (how the pipeline is made) and `VideoRequest` (the video).
"""

import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from kinowatt.errors import InputError, unknown_name
from kinowatt.lab.request import (
    BACKENDS,
    COMPILES,
    OFFLOADS,
    BuildOptions,
    FullOptions,
    VideoRequest,
)

SIZE = "size"  # height x width, two settings at once
SEED_OF_BUILD = "weights_seed"  # a row's own `seed` is the video's
CHOICES: Mapping[str, tuple[str, ...]] = {
    "attention": tuple(BACKENDS),
    "offload": OFFLOADS,
    "compile": COMPILES,
    "dtype": ("float32", "bfloat16", "float16"),
    "preset": ("default", "paper"),
    "device": ("cuda", "cpu"),  # which of several is for the executor to say
}
DOCS: Mapping[str, str] = {
    SIZE: "height x width in pixels, as in 480x832",
    "height_px": "height in pixels",
    "width_px": "width in pixels",
    "frames": "frames asked for; what the pipeline makes of them is shown",
    "steps": "denoising steps",
    "guidance_scale": "classifier-free guidance; 1 or less is none",
    "fps": "frames per second of the video",
    "batch_size": "videos in one call",
    "prompt_tokens": "tokens of a stand-in prompt",
    "prompt": "the prompt itself, instead of stand-in words",
    "seed": "of the initial noise; several for repetitions",
    "recipe": "where a model has several: card, paper, single",
    "preset": "what is not set comes from here: default (model card) or paper",
    "weights": "random, hub, or a folder in diffusers format",
    "revision": "commit of the hub's repository",
    "dtype": "of compute; without it each component's own",
    "device": "cuda (the executor says which) or cpu",
    "attention": "kernel of the denoiser's attention",
    "offload": "components move to the GPU one after another (model) or stay (none)",
    "tiling": "tiled VAE decoding, on or off",
    "compile": "blocks of the denoiser by torch.compile",
    "twin": "a tiny twin of the model, for a try on a CPU",
    SEED_OF_BUILD: "of random weights",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One name; `kind`: whole, number, text, flag or size; `of`: build or request."""

    name: str
    kind: str
    of: str

    @property
    def doc(self) -> str:
        return DOCS[self.name]

    @property
    def choices(self) -> tuple[str, ...] | None:
        return CHOICES.get(self.name)

    def value(self, where: str, given: Any) -> Any:
        """A value as it must be; `InputError` starting with `where` otherwise."""
        checked = _CHECKS[self.kind](where, given)
        if self.choices is not None and checked not in self.choices:
            raise InputError(f"{where}: {unknown_name(self.name, checked, self.choices)}")
        return checked


@lru_cache(maxsize=1)
def settings() -> Mapping[str, Setting]:
    """Every setting by name."""
    found = {SIZE: Setting(name=SIZE, kind="size", of="request")}
    for cls, of in ((VideoRequest, "request"), (BuildOptions, "build")):
        hints = get_type_hints(cls)
        for field in fields(cls):
            own = of == "build" and field.name == "seed"
            name = SEED_OF_BUILD if own else field.name
            found[name] = Setting(name=name, kind=kind_of(hints[field.name]), of=of)
    found["preset"] = Setting(name="preset", kind="text", of="request")
    return found


def setting(where: str, name: object) -> Setting:
    """A setting by name; `InputError` offers the nearest."""
    if not isinstance(name, str) or name not in settings():
        raise InputError(f"{where}: {unknown_name('setting', name, settings())}")
    return settings()[name]


@lru_cache(maxsize=1)
def protocol_options() -> Mapping[str, Setting]:
    """The options of protocol `full` by name; `sampled` takes `idle_s` alone."""
    hints = get_type_hints(FullOptions)
    return {
        field.name: Setting(name=field.name, kind=kind_of(hints[field.name]), of="request")
        for field in fields(FullOptions)
    }


def kind_of(hint: Any) -> str:
    """How values of an annotated type are called in a plan."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    kinds: Mapping[type, str] = {bool: "flag", int: "whole", float: "number", str: "text"}
    return kinds[hint]


def shown(value: object) -> str:
    """A value as an error message has it."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"


def _whole(where: str, given: Any) -> int:
    number = _number(where, given)
    if number != int(number):
        raise InputError(
            f"{where} must be a whole number, not {shown(given)}; nearest: {round(number)}"
        )
    return int(number)


def _number(where: str, given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise InputError(f"{where} must be a finite number, not {shown(given)}")
    return given


def _text(where: str, given: Any) -> str:
    if not isinstance(given, str) or not given:
        hint = "; put it in quotes" if given is not None and not isinstance(given, list) else ""
        raise InputError(f"{where} must be a text, not {shown(given)}{hint}")
    return given


def _flag(where: str, given: Any) -> bool:
    if not isinstance(given, bool):
        raise InputError(f"{where} must be on or off, not {shown(given)}")
    return given


def _size(where: str, given: Any) -> tuple[int, int]:
    """Height and width of a text like 480x832."""
    parts = given.lower().replace("×", "x").split("x") if isinstance(given, str) else []
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"{where} must be HEIGHTxWIDTH, as in 480x832, not {shown(given)}")
    return int(parts[0]), int(parts[1])


_CHECKS = {"whole": _whole, "number": _number, "text": _text, "flag": _flag, "size": _size}
