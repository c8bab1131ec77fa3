"""Tiles against those that the VAEs of diffusers really cut."""

from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from kinowatt.facts.models import model  # noqa: E402
from theory.test_tiling import sizes  # noqa: E402
from twins import TWINS  # noqa: E402

# the decoders that work through a clip a few latent frames at a time: calls of one tile
CHUNKS = {"wan2.1-t2v-1.3b": lambda f: f, "cogvideox-2b": lambda f: max(f // 2, 1)}


VIDEO_MODELS = (
    "wan2.1-t2v-1.3b",
    "cogvideox-2b",
    "ltx-video-0.9.7-dev",
    "mochi-1-preview",
    "animatediff-lightning",
)


def decoded_once(
    forward: Callable[..., Any], seen: Counter, known: dict[Any, Any], *args: Any, **kwargs: Any
) -> Any:
    """Counts the tiles; a second of one size is not run again, since all are alike on `meta`."""
    shape = next(iter(args or kwargs.values())).shape
    seen[tuple(shape[-2:])] += 1
    key = (shape, kwargs.get("first_chunk"))
    if key not in known:
        known[key] = forward(*args, **kwargs)
    return known[key]


@cache
def tiled(name: str) -> tuple[Any, Callable[..., Any], dict[Any, Any]]:
    """A small VAE after a plain enable_tiling(), the forward of its decoder, what that has given."""
    vae = TWINS[name]().vae.to("meta")
    if name == "animatediff-lightning":  # the twin's sample_size is not the checkpoint's 512
        vae.tile_sample_min_size, vae.tile_latent_min_size = 512, 64
    vae.enable_tiling()
    assert not getattr(vae, "use_framewise_decoding", False)
    vae.blend_v = vae.blend_h = lambda _, tile, extent: tile  # line after line, and cuts nothing
    return vae, vae.decoder.forward, {}


@pytest.mark.parametrize("name", VIDEO_MODELS)
@pytest.mark.parametrize(("f", "h", "w"), [(1, 8, 9), (3, 33, 17), (2, 61, 47), (5, 16, 90)])
def test_the_tiles_of_a_real_tiled_decode(name: str, f: int, h: int, w: int) -> None:
    """What a small VAE of the same class passes to its decoder."""
    vae, forward, known = tiled(name)
    seen: Counter = Counter()
    vae.decoder.forward = partial(decoded_once, forward, seen, known)
    channels = vae.config.get("latent_channels") or vae.config.get("z_dim")
    frames = () if name == "animatediff-lightning" else (f,)
    conditioned = vae.config.get("timestep_conditioning")
    step = (torch.zeros(1, device="meta"),) if conditioned else ()
    with torch.no_grad():
        vae.decode(torch.zeros(1, channels, *frames, h, w, device="meta"), *step)
    tiling = model(name).component("vae_decoder").tiling
    assert tiling is not None
    chunks = CHUNKS.get(name, lambda _: 1)(f)
    assert seen == Counter({size: n * chunks for size, n in sizes(h, w, tiling).items()})
