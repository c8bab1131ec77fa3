"""Calls a component on `meta` as its pipeline does.

One `Adapter` per class: the only place that knows a class's inputs. A new class is one function
and one row of `ADAPTERS`.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from kinowatt.lab.tracing.fitting import Monomial
from kinowatt.lab.tracing.recorder import TraceError

Point = Mapping[str, int]
Values = Mapping[str, tuple[int, ...]]
Call = Callable[[], object]
MULTILINEAR: tuple[Monomial, ...] = ((), ("h",), ("w",), ("h", "w"))
PYRAMID: tuple[Monomial, ...] = (
    (),
    ("h", "w"),
    ("h2", "w2"),
    ("h4", "w4"),
    ("h8", "w8"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapter:
    """How one class is called.

    `spatial`: monomials of height and width that shapes are made of. `values`: two or more sample
    values per symbol. `loop`: the symbol that changes the operator sequence (a Python loop over
    it), with the residue classes in which the counts are affine. `fixed`: symbols that the
    pipeline never varies. `special`: points whose operator sequence differs, with their condition.
    `large`: sizes that people run, at which the peak of live bytes is fitted. `splits`: its
    convolutions run in pieces where their input exceeds 2 GiB.
    """

    call: Callable[[torch.nn.Module, torch.dtype, Point], Call]
    values: Values
    spatial: tuple[Monomial, ...] = MULTILINEAR
    squared: str | None = None
    loop: str | None = None
    periods: tuple[tuple[str, tuple[int, ...]], ...] = ()
    fixed: Mapping[str, int] = field(default_factory=dict)
    derived: Mapping[str, str] = field(default_factory=dict)
    special: Callable[[Mapping[str, Any]], list[tuple[str, Values]]] = lambda config: []
    large: Values = field(default_factory=dict)
    splits: bool = False

    def derive(self, point: Point) -> dict[str, int]:
        """Values of the derived symbols, whose expressions also travel with the table."""
        functions = {"ceil": math.ceil}
        return {
            name: int(eval(text, {"__builtins__": {}}, {**functions, **point}))  # noqa: S307
            for name, text in self.derived.items()
        }

    def dims_monomials(self) -> list[Monomial]:
        """What the shapes of one call can be made of."""
        symbols = [s for s in (*self.values, self.loop) if s and s not in {"h", "w"}]
        factors: list[tuple[Monomial, ...]] = [((), (s,)) for s in dict.fromkeys(symbols)]
        if "h" in self.values:
            factors.append(self.spatial)
        combined = [sum(parts, ()) for parts in itertools.product(*factors)]
        if self.squared:
            combined += [(self.squared, self.squared), (self.squared, self.squared, "b")]
        return combined

    def bytes_monomials(self) -> list[Monomial]:
        """What the bytes of all calls can be made of: a loop adds a power, chunks read weights."""
        combined = self.dims_monomials()
        if self.loop:
            combined += [(self.loop, *m) for m in combined if self.loop in m]
        return combined + [(name,) for name in self.derived if name[0] == "c"]

    def calls_monomials(self) -> list[Monomial]:
        """What a number of calls can be made of, the likeliest first."""
        chunks = [(name,) for name in self.derived if name[0] == "c"]
        return [(), (self.loop or "b",), ("b",), *chunks]


def _empty(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def _wan(module: torch.nn.Module, dtype: torch.dtype, p: Point) -> Call:
    config: Any = module.config
    latents = _empty(p["b"], config.in_channels, p["f"], p["h"], p["w"], dtype=dtype)
    text = _empty(p["b"], p["l"], config.text_dim, dtype=dtype)
    step = _empty(p["b"], dtype=torch.int64)
    return lambda: module(
        hidden_states=latents, timestep=step, encoder_hidden_states=text, return_dict=False
    )


def _cogvideox(module: torch.nn.Module, dtype: torch.dtype, p: Point) -> Call:
    config: Any = module.config
    latents = _empty(p["b"], p["f"], config.in_channels, p["h"], p["w"], dtype=dtype)
    text = _empty(p["b"], p["l"], config.text_embed_dim, dtype=dtype)
    step = _empty(p["b"], dtype=torch.int64)
    rotary = None
    if config.use_rotary_positional_embeddings:
        shape = (p["f"] * p["h"] * p["w"] // config.patch_size**2, config.attention_head_dim)
        rotary = (_empty(*shape, dtype=torch.float32), _empty(*shape, dtype=torch.float32))
    return lambda: module(
        hidden_states=latents,
        encoder_hidden_states=text,
        timestep=step,
        image_rotary_emb=rotary,
        return_dict=False,
    )


def _cogvideox_default_grid(config: Mapping[str, Any]) -> list[tuple[str, Values]]:
    """At the size it was built for, the learned-size positional table is not recomputed."""
    if config.get("use_rotary_positional_embeddings"):
        return []
    f = (config["sample_frames"] - 1) // config["temporal_compression_ratio"] + 1
    h, w = config["sample_height"], config["sample_width"]
    return [(f"f == {f} and h == {h} and w == {w}", {"f": (f,), "h": (h,), "w": (w,)})]


def _ltx(module: torch.nn.Module, dtype: torch.dtype, p: Point) -> Call:
    config: Any = module.config
    tokens = p["f"] * p["h"] * p["w"]
    latents = _empty(p["b"], tokens, config.in_channels, dtype=dtype)
    text = _empty(p["b"], p["l"], config.caption_channels, dtype=dtype)
    mask = _empty(p["b"], p["l"], dtype=torch.int64)
    coords = _empty(p["b"], 3, tokens, dtype=torch.float32)
    step = _empty(p["b"], 1, dtype=torch.float32)
    return lambda: module(
        hidden_states=latents,
        encoder_hidden_states=text,
        timestep=step,
        encoder_attention_mask=mask,
        video_coords=coords,
        return_dict=False,
    )


def _mochi(module: torch.nn.Module, dtype: torch.dtype, p: Point) -> Call:
    config: Any = module.config
    latents = _empty(p["b"], config.in_channels, p["f"], p["h"], p["w"], dtype=dtype)
    text = _empty(p["b"], config.max_sequence_length, config.text_embed_dim, dtype=dtype)
    mask = _empty(p["b"], config.max_sequence_length, dtype=torch.bool)
    step = _empty(p["b"], dtype=torch.float32)
    return lambda: module(
        hidden_states=latents,
        encoder_hidden_states=text,
        timestep=step,
        encoder_attention_mask=mask,
        return_dict=False,
    )


def _motion(module: torch.nn.Module, dtype: torch.dtype, p: Point) -> Call:
    config: Any = module.config
    latents = _empty(p["b"], config.in_channels, p["f"], p["h"], p["w"], dtype=dtype)
    # the pipeline repeats the text for every frame before the loop
    text = _empty(p["b"] * p["f"], p["l"], config.cross_attention_dim, dtype=dtype)
    step = _empty(dtype=torch.float32)
    return lambda: module(latents, step, encoder_hidden_states=text, return_dict=False)


def _encoder(module: torch.nn.Module, dtype: torch.dtype, p: Point) -> Call:
    ids = _empty(p["b"], p["l"], dtype=torch.int64)
    mask = _empty(p["b"], p["l"], dtype=torch.int64)
    return lambda: module(ids, attention_mask=mask)


def _encoder_without_mask(module: torch.nn.Module, dtype: torch.dtype, p: Point) -> Call:
    ids = _empty(p["b"], p["l"], dtype=torch.int64)
    return lambda: module(ids)


def _decoder(module: torch.nn.Module, dtype: torch.dtype, p: Point) -> Call:
    config: Any = module.config
    channels = config.get("z_dim") or config.latent_channels
    latents = _empty(p["b"], channels, p["f"], p["h"], p["w"], dtype=dtype)
    decode: Any = module.decode
    return lambda: decode(latents, return_dict=False)


def _timed_decoder(module: torch.nn.Module, dtype: torch.dtype, p: Point) -> Call:
    config: Any = module.config
    latents = _empty(p["b"], config.latent_channels, p["f"], p["h"], p["w"], dtype=dtype)
    step = _empty(p["b"], dtype=dtype) if config.timestep_conditioning else None
    decode: Any = module.decode
    return lambda: decode(latents, step, return_dict=False)


def _image_decoder(module: torch.nn.Module, dtype: torch.dtype, p: Point) -> Call:
    config: Any = module.config
    latents = _empty(p["b"], config.latent_channels, p["h"], p["w"], dtype=dtype)
    decode: Any = module.decode
    return lambda: decode(latents, return_dict=False)


def _upsampler(module: torch.nn.Module, dtype: torch.dtype, p: Point) -> Call:
    config: Any = module.config
    latents = _empty(p["b"], config.in_channels, p["f"], p["h"], p["w"], dtype=dtype)
    return lambda: module(latents)


_LARGE = {"f": (5, 13, 21), "h": (32, 60, 90), "w": (52, 90, 160), "b": (1, 2)}
_LARGE_32 = {"f": (5, 13, 21), "h": (8, 16, 24), "w": (12, 22, 38), "b": (1, 2)}
_GRID = {"f": (3, 5), "h": (8, 12), "w": (10, 14), "b": (1, 2, 3)}
_TEXT = {**_GRID, "l": (32, 48)}
# sizes that stride-2 convolutions make: a ceiling of a ceiling is the ceiling of the quotient
_HALVINGS = {f"{axis}{by}": f"ceil({axis} / {by})" for axis in "hw" for by in (2, 4, 8)}
_FRAME_LOOP = {"h": (8, 10), "w": (6, 12), "b": (1, 2, 3)}

ADAPTERS: Mapping[str, Adapter] = {
    "WanTransformer3DModel": Adapter(large={**_LARGE, "l": (512,)}, call=_wan, values=_TEXT),
    "CogVideoXTransformer3DModel": Adapter(
        large=_LARGE,
        call=_cogvideox,
        values=_GRID,
        fixed={"l": 226},
        special=_cogvideox_default_grid,
    ),
    "LTXVideoTransformer3DModel": Adapter(
        large={**_LARGE_32, "l": (256,)}, call=_ltx, values=_TEXT
    ),
    "MochiTransformer3DModel": Adapter(
        large={**_LARGE, "v": (40,)},
        call=_mochi,
        values={"f": (3, 5), "h": (8, 12), "w": (10, 14), "v": (16, 24), "b": (1, 2, 3)},
        fixed={"l": 256},
    ),
    "UNetMotionModel": Adapter(
        large={"f": (8, 16, 32), "h": (32, 64, 96), "w": (32, 64, 96), "b": (1, 2), "l": (77,)},
        call=_motion,
        values={**_TEXT, "h": (9, 13, 22), "w": (11, 16, 26)},
        spatial=PYRAMID,
        derived=_HALVINGS,
    ),
    "T5EncoderModel": Adapter(
        large={"l": (226, 256, 512), "b": (1, 2)},
        call=_encoder_without_mask,
        values={"l": (32, 48, 80), "b": (1, 2, 3)},
        squared="l",
    ),
    "UMT5EncoderModel": Adapter(
        large={"l": (226, 256, 512), "b": (1, 2)},
        call=_encoder,
        values={"l": (32, 48, 80), "b": (1, 2, 3)},
        squared="l",
    ),
    "CLIPTextModel": Adapter(
        large={"l": (77,), "b": (1, 2)},
        call=_encoder_without_mask,
        values={"l": (16, 24, 32), "b": (1, 2, 3)},
        squared="l",
    ),
    "AutoencoderKLWan": Adapter(
        large=_LARGE,
        call=_decoder,
        values=_FRAME_LOOP,
        loop="f",
        periods=(("f == 1", (1,)), ("f == 2", (2,)), ("f >= 3", (3, 4, 5, 7))),
    ),
    "AutoencoderKLCogVideoX": Adapter(
        splits=True,
        large={**_LARGE, "h": (24, 40, 60), "w": (32, 60, 90)},
        call=_decoder,
        values=_FRAME_LOOP,
        loop="f",
        periods=(
            ("f == 1", (1,)),
            ("f == 3", (3,)),
            ("f % 2 == 0", (2, 4, 6, 10)),
            ("f % 2 == 1", (5, 7, 9, 13)),
        ),
    ),
    "AutoencoderKLLTXVideo": Adapter(
        large=_LARGE_32,
        call=_timed_decoder,
        values={"f": (3, 5), "h": (4, 6), "w": (6, 8), "b": (1, 2, 3)},
    ),
    "AutoencoderKLMochi": Adapter(
        splits=True,
        large=_LARGE,
        special=lambda config: [("f == 1", {"f": (1,), "b": (1, 2, 3, 5, 9, 11)})],
        call=_decoder,
        values={**_FRAME_LOOP, "f": (2, 3, 5, 6, 8, 9)},
        # group norms run over chunks of 8 frames: 1, 3 and 6 frames per latent frame and video
        derived={
            "c1": "ceil(b * f / 8)",
            "c3": "ceil(3 * b * f / 8)",
            "c6": "ceil(3 * b * f / 4)",
        },
    ),
    "AutoencoderKL": Adapter(
        large={"h": (32, 64, 96), "w": (32, 64, 96), "b": (1, 8, 16)},
        call=_image_decoder,
        values={"h": (8, 10), "w": (6, 12), "b": (1, 2, 3)},
    ),
    "LTXLatentUpsamplerModel": Adapter(
        large=_LARGE_32,
        call=_upsampler,
        values={"f": (3, 5), "h": (4, 6), "w": (6, 8), "b": (1, 2, 3)},
    ),
}


def adapter(cls: str) -> Adapter:
    try:
        return ADAPTERS[cls]
    except KeyError:
        raise TraceError(
            f"no adapter for class {cls}; known: {', '.join(sorted(ADAPTERS))}"
        ) from None
