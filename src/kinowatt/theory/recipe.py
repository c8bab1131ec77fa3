"""From a workload to the calls that the pipeline really makes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kinowatt.facts.models import ModelSpec, PassSpec, Recipe
from kinowatt.theory.expressions import evaluate, smaller
from kinowatt.theory.tiling import TileGrid, cut
from kinowatt.theory.workload import FIELDS, SIZES, Workload, check_range, limits

Number = Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """Calls of one component at one size: `symbols` bind its operator table."""

    name: str
    stage: str
    component: str
    calls: Number
    symbols: Mapping[str, Number]
    tiles: TileGrid | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Effective:
    """What really runs. `tokens` are video tokens of the last denoising pass."""

    height_px: Number
    width_px: Number
    frames: Number
    latent_frames: Number
    tokens: Number
    forward_passes: Number
    sequences_per_pass: Number


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The passes of one video, what really runs, and every difference from what was asked."""

    recipe: str
    passes: tuple[Pass, ...]
    effective: Effective
    megapixels: Number  # of all frames of all videos
    notes: tuple[tuple[str, str], ...] = ()


def plan(model: ModelSpec, workload: Workload, recipe: Recipe, tiling: bool) -> Plan:
    """Resolves a recipe for a workload, on numbers and on arrays alike, and says what differs.

    `InputError` where a pass of the recipe would have nothing left to run.
    """
    found = resolve(model, workload, recipe, tiling)
    if any(hasattr(getattr(workload, name), "shape") for name in FIELDS):
        return found  # arrays are answered with numbers only
    return replace(found, notes=notes(model, workload, recipe, found.effective))


def resolve(model: ModelSpec, workload: Workload, recipe: Recipe, tiling: bool) -> Plan:
    """A plan without notes: numbers alone."""
    for name in SIZES:
        where = f"recipe {recipe.name} of {model.name}"
        check_range(where, name, getattr(workload, name), limits(model, name, recipe))
    names = _names(model, workload)
    for name, text in recipe.let.items():
        names[name] = evaluate(text, names)
    passes = tuple(_pass(model, spec, names, tiling) for spec in recipe.passes)
    effective = _effective(model, recipe, names, passes)
    return Plan(
        recipe=recipe.name,
        passes=passes,
        effective=effective,
        megapixels=effective.frames * effective.height_px * effective.width_px * names["B"] / 1e6,
    )


def _names(model: ModelSpec, workload: Workload) -> dict[str, Number]:
    names: dict[str, Number] = {
        "H": workload.height_px,
        "W": workload.width_px,
        "F": workload.frames,
        "S": workload.steps,
        "G": (workload.guidance_scale > 1) * 1,
        "B": workload.batch_size,
        "P": smaller(workload.prompt_tokens, model.max_sequence_length),
        "L": model.max_sequence_length,
    }
    names["f"] = evaluate(model.rules.latent_frames, names)
    return names


def _pass(model: ModelSpec, spec: PassSpec, names: Mapping[str, Number], tiling: bool) -> Pass:
    symbols = {symbol: evaluate(text, names) for symbol, text in spec.symbols.items()}
    tiles = None
    if spec.stage == "vae_decoder":
        symbols["pixel_frames"] = evaluate(model.rules.frames, {**names, **symbols})
    if tiling and spec.stage == "vae_decoder":
        tiled = model.component(spec.component).tiling
        tiles = cut(tiled, symbols["h"], symbols["w"]) if tiled else None
    return Pass(
        name=spec.name,
        stage=spec.stage,
        component=spec.component,
        calls=evaluate(spec.calls, names),
        symbols=symbols,
        tiles=tiles,
    )


def _effective(
    model: ModelSpec, recipe: Recipe, names: Mapping[str, Number], passes: tuple[Pass, ...]
) -> Effective:
    denoising = [p for p in passes if p.stage == "denoiser"]
    last = denoising[-1]
    return Effective(
        height_px=evaluate(recipe.effective_height, names),
        width_px=evaluate(recipe.effective_width, names),
        frames=evaluate(model.rules.frames, names),
        latent_frames=names["f"],
        tokens=evaluate(model.rules.tokens, last.symbols),
        forward_passes=sum(p.calls for p in denoising),
        sequences_per_pass=last.symbols["b"],
    )


def notes(
    model: ModelSpec, workload: Workload, recipe: Recipe, effective: Effective
) -> tuple[tuple[str, str], ...]:
    """Every difference from what was asked for, as code and sentence; of numbers alone."""
    size, asked = ((each.height_px, each.width_px) for each in (effective, workload))
    found = []
    if effective.frames != workload.frames:
        words = (
            f"{workload.frames} frames asked for, {effective.frames:g} are generated "
            f"({effective.latent_frames:g} latent frames)"
        )
        found.append(("frames_rounded", words))
    if size != asked:
        words = f"recipe {recipe.name} {recipe.note}: {size[0]:g}x{size[1]:g}"
        found.append(("size_differs", words))
    if workload.prompt_tokens > model.max_sequence_length:
        words = f"{workload.prompt_tokens} prompt tokens are cut to {model.max_sequence_length}"
        found.append(("prompt_truncated", words))
    if recipe.max_batch is not None and workload.batch_size > recipe.max_batch:
        words = (
            f"recipe {recipe.name} fails in diffusers 0.42.1 on {workload.batch_size} videos in "
            f"one call: run them one by one, or use recipe single"
        )
        found.append(("batch_fails", words))
    return tuple(found)
