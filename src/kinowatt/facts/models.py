"""Models: their components, recipes of passes, presets, size rules and names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from kinowatt.errors import unknown_name
from kinowatt.facts.components import ComponentSpec, component
from kinowatt.facts.loading import fact_files, read_toml
from kinowatt.facts.schema import Shape, check, member

Expression = str
DEFAULT_PROMPT_TOKENS = 40  # of a prompt where nobody says how long it is

MODEL: Shape = {
    "base?": "text",
    "label": "text",
    "family": "text",
    "pipeline": "text",
    "hub_id": "text",
    "licence": "text",
    "aliases": "texts",
    "guidance": "text",
    "max_sequence_length": "whole",
    "default_recipe": "text",
    "form?": "text",
    "not_included": "text",
    "sources": "texts",
    "components": "any table",
    "scheduler?": "table",
    "rules": "table",
    "presets": "table",
    "recipes": "table",
}
SCHEDULER: Shape = {"cls": "text", "config?": "any table", "source": "text"}
RULES: Shape = {
    "size_multiple": "whole",
    "size_multiple_checked?": "whole",
    "latent_frames": "expression",
    "frames": "expression",
    "tokens": "expression",
    "max_frames?": "whole",
    "min_steps?": "whole",
    "max_steps?": "whole",
    "distilled_steps?": "whole",
}
PRESET: Shape = {
    "height_px": "whole",
    "width_px": "whole",
    "frames": "whole",
    "steps": "whole",
    "guidance_scale": "number",
    "fps": "positive",
    "tiling": "flag",
    "offload": "text",
    "recipe?": "text",
    "note": "text",
}
RECIPE: Shape = {
    "same_as?": "text",
    "label": "text",
    "let?": "expressions",
    "effective_height?": "expression",
    "effective_width?": "expression",
    "min_size_px?": "whole",
    "max_batch?": "whole",
    "note?": "text",
    "passes": "tables",
}
PASS: Shape = {
    "name": "text",
    "stage": "text",
    "component?": "text",
    "calls": "count",
    "symbols": "expressions",
}
# what plans and predictions read of a stage; its operator table may need more
SYMBOLS: Mapping[str, str] = {"denoiser": "fhwb", "vae_decoder": "hwb", "text_encoder": "b"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """Settings that somebody runs: the model card's (`default`) or the paper's (`paper`)."""

    name: str
    height_px: int
    width_px: int
    frames: int
    steps: int
    guidance_scale: float
    fps: float
    tiling: bool
    offload: str
    recipe: str | None
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SchedulerSpec:
    """A scheduler class of diffusers with what the checkpoint sets of its config."""

    cls: str
    source: str
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class PassSpec:
    """One kind of call in a recipe; `calls` and `symbols` are expressions of the workload.

    H, W, F, S: height, width, frames, steps asked for; G: 1 under guidance, else 0; B: videos,
    as a list of prompts; P: prompt tokens that are kept, the end token included; L: text tokens
    computed; f: latent frames.
    """

    name: str
    stage: str
    component: str
    calls: Expression
    symbols: Mapping[str, Expression]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """The passes of one way to run a model, with named intermediate sizes (`let`).

    `min_size_px`: the smallest height and width for which every pass has something to run.
    `max_batch`: the most videos that the pipelines take in one call.
    """

    name: str
    label: str
    let: Mapping[str, Expression]
    effective_height: Expression
    effective_width: Expression
    note: str
    min_size_px: int
    max_batch: int | None
    passes: tuple[PassSpec, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What the pipeline accepts and how pixels become latents.

    `distilled_steps`: the one count of steps that the checkpoint was distilled for.
    """

    size_multiple: int
    size_multiple_checked: int
    latent_frames: Expression
    frames: Expression
    tokens: Expression
    max_frames: int | None
    min_steps: int
    max_steps: int | None
    distilled_steps: int | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ModelSpec:
    """A text-to-video model as data: a new one is one TOML file and its traced tables."""

    name: str
    label: str
    family: str
    pipeline: str
    hub_id: str
    licence: str
    aliases: tuple[str, ...]
    guidance: str
    max_sequence_length: int
    default_recipe: str
    form: str
    not_included: str
    components: Mapping[str, str]  # role → table id, "<component>.<dtype>"
    rules: Rules
    presets: Mapping[str, Preset]
    recipes: Mapping[str, Recipe]
    sources: tuple[str, ...]
    scheduler: SchedulerSpec | None  # None where the model is only the paper's formulas

    @property
    def default_prompt_tokens(self) -> int:
        return min(DEFAULT_PROMPT_TOKENS, self.max_sequence_length)

    def table(self, role: str) -> str:
        """The operator table of a role."""
        return self.components[role]

    def component(self, role: str) -> ComponentSpec:
        """The config behind a role."""
        return component(self.components[role].rpartition(".")[0])

    def dtype(self, role: str) -> str:
        return self.components[role].rpartition(".")[2]

    def recipe(self, name: str | None, preset: Preset | None = None) -> Recipe:
        """A recipe by name; without one the preset's, else the model's default."""
        chosen = name or (preset.recipe if preset else None) or self.default_recipe
        if chosen not in self.recipes:
            raise unknown_name(f"recipe of {self.name}", chosen, self.recipes)
        return self.recipes[chosen]

    def preset(self, name: str) -> Preset:
        if name not in self.presets:
            raise unknown_name("preset", name, self.presets)
        return self.presets[name]


@lru_cache(maxsize=1)
def model_files() -> Mapping[str, Path]:
    return fact_files("models", ".toml")


@lru_cache(maxsize=1)
def models() -> Mapping[str, ModelSpec]:
    """All models by name."""
    return {name: _read(name) for name in model_files()}


@lru_cache(maxsize=256)
def model(name: str) -> ModelSpec:
    """A model by name or alias (case ignored); `UnknownNameError` offers the nearest."""
    if name in model_files():
        return _read(name)
    wanted = name.lower()
    for spec in models().values():
        if wanted in {spec.name.lower(), *(alias.lower() for alias in spec.aliases)}:
            return spec
    raise unknown_name("model", name, model_files())


@lru_cache(maxsize=256)
def _read(name: str) -> ModelSpec:
    path = model_files()[name]
    raw = _raw(name)
    recipes = raw.get("recipes")
    if isinstance(recipes, Mapping):
        raw["recipes"] = {key: _same(path, recipes, key) for key in recipes}
    _check(path, raw)
    return _model(name, raw)


def _check(path: Path, raw: Mapping[str, Any]) -> None:
    """`FactsError` (FILE:LINE: …) unless the file describes a model that can be run."""
    check(path, "", raw, MODEL)
    for role, table in raw["components"].items():
        check(path, "components", {role: table}, {role: "text"})
    member(path, "", "default_recipe", raw["default_recipe"], raw["recipes"])
    check(path, "rules", raw["rules"], RULES)
    if "scheduler" in raw:
        check(path, "scheduler", raw["scheduler"], SCHEDULER)
    for name, preset in raw["presets"].items():
        check(path, f"presets.{name}", preset, PRESET)
        if "recipe" in preset:
            member(path, f"presets.{name}", "recipe", preset["recipe"], raw["recipes"])
    check(path, "presets", raw["presets"], {"default": "table", **_any(raw["presets"])})
    for name, recipe in raw["recipes"].items():
        _check_recipe(path, f"recipes.{name}", recipe, raw)


def _any(tables: Mapping[str, Any]) -> Shape:
    return {f"{name}?": "table" for name in tables if name != "default"}


def _check_recipe(path: Path, table: str, recipe: Any, raw: Mapping[str, Any]) -> None:
    check(path, table, recipe, RECIPE)
    stages = {}
    for nth, item in enumerate(recipe["passes"]):
        check(path, f"{table}.passes", item, PASS, nth)
        stages[item["stage"]] = item
        for symbol in SYMBOLS.get(item["stage"], ""):
            member(path, f"{table}.passes", "symbols", symbol, item["symbols"], nth)
        if raw.get("form") != "paper":
            component = item.get("component", item["stage"])
            member(path, f"{table}.passes", "component", component, raw["components"], nth)
    member(path, table, "stage", "denoiser", stages)


def _raw(name: str) -> dict[str, Any]:
    """A model's TOML; one with a `base` says only what differs from that model."""
    raw = read_toml(model_files()[name])
    base = raw.pop("base", None)
    if base is None:
        return raw
    if base not in model_files() or base == name:
        raise unknown_name(f"base model of {name}", base, model_files())
    return {**_raw(base), **raw}


def _model(name: str, raw: Mapping[str, Any]) -> ModelSpec:
    unlimited = {"max_frames": None, "min_steps": 1, "max_steps": None, "distilled_steps": None}
    rules = {"size_multiple_checked": raw["rules"]["size_multiple"], **unlimited}
    return ModelSpec(
        name=name,
        label=raw["label"],
        family=raw["family"],
        pipeline=raw["pipeline"],
        hub_id=raw["hub_id"],
        licence=raw["licence"],
        aliases=tuple(raw["aliases"]),
        guidance=raw["guidance"],
        max_sequence_length=raw["max_sequence_length"],
        default_recipe=raw["default_recipe"],
        form=raw.get("form", "traced"),
        not_included=raw["not_included"],
        components=raw["components"],
        rules=Rules(**{**rules, **raw["rules"]}),
        presets={key: _preset(key, value) for key, value in raw["presets"].items()},
        recipes={key: _recipe(key, value) for key, value in raw["recipes"].items()},
        sources=tuple(raw["sources"]),
        scheduler=SchedulerSpec(**raw["scheduler"]) if "scheduler" in raw else None,
    )


def _preset(name: str, raw: Mapping[str, Any]) -> Preset:
    return Preset(**{"name": name, "recipe": None, **raw})


def _same(path: Path, recipes: Mapping[str, Any], name: str) -> Any:
    """A recipe that says `same_as` another one states only what differs."""
    raw = recipes[name]
    if not isinstance(raw, Mapping) or "same_as" not in raw:
        return raw
    other = raw["same_as"]
    member(
        path, f"recipes.{name}", "same_as", other, {k: v for k, v in recipes.items() if k != name}
    )
    return {**recipes[other], **raw} if isinstance(recipes[other], Mapping) else raw


def _recipe(name: str, raw: Mapping[str, Any]) -> Recipe:
    return Recipe(
        name=name,
        label=raw["label"],
        let=raw.get("let", {}),
        effective_height=raw.get("effective_height", "H"),
        effective_width=raw.get("effective_width", "W"),
        note=raw.get("note", ""),
        min_size_px=raw.get("min_size_px", 1),
        max_batch=raw.get("max_batch"),
        passes=tuple(PassSpec(**{"component": item["stage"], **item}) for item in raw["passes"]),
    )
