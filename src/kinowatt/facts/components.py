"""Components of models (denoisers, text encoders, decoders): configs word for word, shared."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from kinowatt.errors import unknown_name
from kinowatt.facts.loading import fact_files, read_toml
from kinowatt.facts.schema import Shape, check

COMPONENT: Shape = {
    "cls": "text",
    "library": "text",
    "parameters": "whole",
    "decoder_parameters?": "whole",
    "config": "table",
    "tiling?": "table",
    "source": "text",
}
TILING: Shape = {"tile": "pair", "stride": "pair", "scale": "whole", "frame_calls?": "texts"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiling:
    """How `enable_tiling()` cuts a latent: tile and stride along height and width, in latents.

    `scale` is pixels per latent. `frame_calls`: kinds of operators that tiled decoding calls for
    every latent frame and whole decoding once. Source: the class's tile_sample_min and stride
    defaults, and its tiled_decode.
    """

    tile: tuple[int, int]
    stride: tuple[int, int]
    scale: int
    frame_calls: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ComponentSpec:
    """A class of diffusers or transformers with its config; dimensions are derived from it."""

    id: str
    cls: str
    library: str
    parameters: int
    decoder_parameters: int | None
    config: Mapping[str, Any]
    tiling: Tiling | None
    source: str


@lru_cache(maxsize=1)
def component_files() -> Mapping[str, Path]:
    return fact_files("components", ".toml")


@lru_cache(maxsize=64)
def component(component_id: str) -> ComponentSpec:
    """A component by id; `UnknownNameError` names the nearest."""
    files = component_files()
    if component_id not in files:
        raise unknown_name("component", component_id, files)
    path = files[component_id]
    raw = read_toml(path)
    check(path, "", raw, COMPONENT)
    if "tiling" in raw:
        check(path, "tiling", raw["tiling"], TILING)
    return ComponentSpec(
        id=component_id,
        cls=raw["cls"],
        library=raw["library"],
        parameters=raw["parameters"],
        decoder_parameters=raw.get("decoder_parameters"),
        config=with_nulls(raw["config"]),
        tiling=_tiling(raw.get("tiling")),
        source=raw["source"],
    )


def with_nulls(config: Mapping[str, Any]) -> dict[str, Any]:
    """TOML has no null: fields listed under `_null` are null in the config file."""
    found: dict[str, Any] = dict.fromkeys(config.get("_null", ()))
    for name, value in config.items():
        if name != "_null":
            found[name] = with_nulls(value) if isinstance(value, Mapping) else value
    return found


def _tiling(raw: Mapping[str, Any] | None) -> Tiling | None:
    if raw is None:
        return None
    height, width = raw["tile"]
    down, right = raw["stride"]
    return Tiling(
        tile=(height, width),
        stride=(down, right),
        scale=raw["scale"],
        frame_calls=tuple(raw.get("frame_calls", ())),
    )
