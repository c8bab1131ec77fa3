"""Which points are measured, in which order: first what a profile cannot do without.

Shapes are those of the seven models' operator tables (`facts/operators/`): widths of their
layers, tokens of their texts and videos, channels of their decoders.
"""

from collections.abc import Iterator
from dataclasses import replace

from kinowatt.lab.microbench.points import Point, distinct

# What `convolution` takes: channels, size, kernel, dtype
Layer = tuple[int | tuple[int, int], tuple[int, int, int, int], tuple[int, int, int], str]
FUSED_HEADS = (128, 64, 40, 80, 160)
HEADS = (*FUSED_HEADS, 512)
LENGTHS = (256, 1024, 4096, 16384, 75600)
KERNELS = ("cudnn", "flash", "efficient")
BACKENDS = ("default", *KERNELS, "math")
# Head, tokens, heads, batch of what takes longest in CogVideoX, Wan, LTX and AnimateDiff: a few heads
# of a long sequence do not show how a kernel fills a GPU with many
FULL_ATTENTION = (
    *((64, 17776, 30, 2), (128, 32760, 12, 1), (128, 5632, 32, 2)),
    *((40, 4096, 8, 32), (80, 1024, 8, 32)),
)
# Latents of Wan's decoder, from small videos to 720p: cuDNN's choice of a kernel jumps with the size,
# and no single size tells what its choices come to
LATENTS = ((32, 32), (40, 64), (64, 64), (60, 104), (90, 160))
# One head of Wan's decoder, in float32, over the places of a frame
FLOAT32_HEAD, FLOAT32_PLACES = 384, (1560, 6240, 14400)
# Width and batch of modulated tokens: every sequence of a batch has a row of its own
MODULATED = {"bfloat16": ((1920, 2), (4096, 2)), "float32": ((5120, 1), (3072, 2))}
# Side and channels of images that Stable Diffusion's decoder and AnimateDiff's UNet turn around
IMAGES = (
    *((1024, 128), (768, 128), (640, 128), (512, 256), (384, 256), (256, 512)),
    *((192, 512), (96, 320)),
)
# Tokens: a time embedding, CLIP, CogVideoX' text, T5, a few latent videos.
TOKENS = (1, 77, 226, 512, 1024, 1560, 4096, 17776, 32760, 75600)
LADDERS = ((3072, 12288), (5120, 5120))  # beside 1536 x 1536
TAUGHT = (77, 226, 75600)  # of which the first ladder tells enough
WIDTHS = (
    *((1536, 8960), (8960, 1536), (5120, 13824), (13824, 5120), (1920, 1920), (1920, 7680)),
    *((7680, 1920), (3072, 3072), (12288, 3072), (4096, 4096), (4096, 16384), (16384, 4096)),
    *((4096, 10240), (10240, 4096), (3072, 9216), (3072, 16384), (8192, 3072)),
)
LONGEST = ((512, 75600),)  # no decoder has as many places; each call takes 0.3 s
TAILS = ((32760, 1536, 64), (32760, 64, 1536), (17776, 3072, 64), (17776, 64, 3072))
# AnimateDiff's UNet: 32 frames (16 with guidance) of 64 x 64 latents and their levels.
UNET = ((131072, 320), (32768, 640), (8192, 1280))
NORM_WIDTHS = (64, 128, 40, 320, 640, 1280, 1536, 1920, 3072, 4096, 5120)
NORM_ELEMENTS = 2**26


def linear(m: int, k: int, n: int, dtype: str = "bfloat16", data: str = "random") -> Point:
    params = {"m": m, "k": k, "n": n}
    return Point(family="linear", op="linear", params=params, dtype=dtype, data=data)


def attention(
    head: int,
    q: int,
    kv: int | None = None,
    *,
    heads: int = 0,
    batch: int = 1,
    backend: str = "default",
) -> Point:
    """Without `heads`: as many as keep long sequences short in time."""
    heads = heads or max(2, min(24, 16384 // q))
    params = {"batch": batch, "heads": heads, "q": q, "kv": kv or q, "head": head}
    dtype = "float16" if head in (40, 80, 160) else "bfloat16"
    op = "scaled_dot_product_attention"
    return Point(family="attention", op=op, params=params, dtype=dtype, backend=backend)


def convolution(
    channels: int | tuple[int, int],
    size: tuple[int, int, int, int],
    kernel: tuple[int, int, int],
    dtype: str,
) -> Point:
    """`channels`: in and out, one number where they are equal. `size`: batch, t, h, w.

    Wan's decoder, the one in TF32, gives its kernels over time images with their border: cuDNN then
    chooses other kernels than where it adds the border itself.
    """
    params = dict(zip(("batch", "t", "h", "w"), size, strict=True))
    params |= dict(zip(("kt", "kh", "kw"), kernel, strict=True))
    cin, cout = (channels, channels) if isinstance(channels, int) else channels
    params |= {"cin": cin, "cout": cout}
    if dtype == "tf32" and kernel[0] > 1:
        params["bordered"] = 1
    return Point(family="convolution", op="convolution", params=params, dtype=dtype)


def memory(op: str, elements: int, dtype: str = "bfloat16") -> Point:
    return Point(family="memory", op=op, params={"elements": elements}, dtype=dtype)


def repeated(op: str, row: int, batch: int, dtype: str) -> Point:
    """Rows of a width, as many as nearly make up 2^26 elements; all of a batch meet one row."""
    elements = 2**26 // (batch * row) * batch * row
    params = {"elements": elements, "row": row, "batch": batch}
    return Point(family="memory", op=op, params=params, dtype=dtype)


def images(side: int, channels: int, op: str = "images") -> Point:
    """Channels innermost to channels outermost, as many images as nearly make up 2^27 elements."""
    elements = max(1, 2**27 // (channels * side**2)) * channels * side**2
    params = {"elements": elements, "channels": channels, "side": side}
    return Point(family="memory", op=op, params=params, dtype="float16")


def norm(
    op: str, width: int, dtype: str = "bfloat16", elements: int = NORM_ELEMENTS, rows: int = 0
) -> Point:
    """As many rows as make up `elements`, unless said."""
    params = {"rows": rows or max(1, elements // width), "width": width}
    return Point(family="norm", op=op, params=params, dtype=dtype)


LARGE = linear(32768, 3072, 12288)
CUBE, SQUARE, COLUMN = (3, 3, 3), (1, 3, 3), (3, 1, 1)
# Decoder levels: channels and a size of about the same work.
LEVELS = ((96, (1, 4, 480, 832)), (192, (1, 4, 240, 416)), (384, (1, 4, 120, 208)))
BF16_LEVELS = ((128, (1, 8, 240, 360)), (256, (1, 8, 240, 360)), (512, (1, 8, 60, 90)))

SUSTAINED = (
    LARGE,
    linear(32768, 3072, 12288, data="zeros"),
    attention(128, 16384),
    attention(64, 16384),
    attention(40, 4096, heads=8, batch=32),
    # Kernels draw unlike power at the same length
    attention(128, 16384, backend="flash"),
    attention(128, 16384, backend="efficient"),
    attention(64, 16384, backend="efficient"),
    convolution(256, BF16_LEVELS[1][1], CUBE, "bfloat16"),
    convolution(96, LEVELS[0][1], CUBE, "tf32"),
    convolution(384, LEVELS[2][1], CUBE, "tf32"),
    memory("add", 2**28),
    norm("layer_norm", 3072),
    norm("layer_norm", 64),
    norm("group_norm", 2**20, rows=32),
    linear(1024, 1536, 1536),
)
LOADED = (LARGE, attention(128, 4096), memory("add", 2**26))
DUTIES = (0.25, 0.5, 0.75)


def essential() -> list[Point]:
    """One point at least of whatever a profile has a constant for."""
    return distinct([*SUSTAINED, *LOADED, *_essential()])


def refinements() -> list[Point]:
    """The rest, in a fixed order: what time does not reach is listed as skipped."""
    known = {point.identity() for point in essential()}
    return [p for p in distinct(_refinements()) if p.identity() not in known]


def _essential() -> Iterator[Point]:
    yield from (linear(m, 1536, 1536) for m in TOKENS)
    yield from (linear(17776, k, n) for k, n in WIDTHS[:8])
    yield from (attention(head, n) for head in HEADS for n in (1024, 4096, 16384))
    yield from (attention(128, 4096, backend=b) for b in BACKENDS[1:])
    yield from (_float32_attention(places) for places in FLOAT32_PLACES)
    for channels, size in LEVELS:
        yield from (convolution(channels, size, CUBE, d) for d in ("tf32", "bfloat16"))
    # For the rate of products in float32, of which no layer is large enough to show it
    yield convolution(*LEVELS[-1], CUBE, "float32")
    yield from (convolution(channels, size, CUBE, "bfloat16") for channels, size in BF16_LEVELS)
    for op in ("mul", "gelu", "silu", "cat", "clone", "transpose", "heads", "to_float32"):
        yield memory(op, 2**27)
    yield memory("to_bfloat16", 2**26, "float32")
    yield from (memory(op, 2**26, "float32") for op in ("add", "mul", "constant_pad", "upsample"))
    pads = ("replication_pad", "replication_pad_3d")
    yield from (
        memory(op, 2**26) for op in (*pads, "upsample", "upsample_3d", "narrow_heads", "pairs")
    )
    # What no vector load serves: rates of their own, by what is repeated and where to
    for dtype, rows in MODULATED.items():
        yield memory("mul_row", 2**26, dtype)
        yield from (repeated("mul_row", row, batch, dtype) for row, batch in rows)
    yield repeated("add_row", 3072, 2, "bfloat16")
    yield repeated("add_row", 1536, 1, "float32")
    yield repeated("add_row_", 3072, 1, "bfloat16")
    yield from (images(side, channels) for side, channels in IMAGES)
    yield from (images(side, channels, "add_images") for side, channels in IMAGES[4:7:2])
    yield from (memory(op, 2**26) for op in ("mul_mixed", "mul_every_second"))
    yield memory("copy_every_second", 2**26, "float32")
    yield from (norm(op, w) for op in ("layer_norm", "rms_norm") for w in NORM_WIDTHS)
    yield norm("softmax", 4096)
    # One block of threads works on a group: few and long ones leave most of the GPU idle.
    yield from (norm("group_norm", w) for w in (2**14, 2**17, 2**20))
    yield from (norm("group_norm", w, rows=32) for w in (2**17, 2**20, 2**23))
    # 32 groups of each of 16 images, as an image decoder has them
    yield from (norm("group_norm", w, rows=512) for w in (2**16, 2**18, 2**20))


def _refinements() -> Iterator[Point]:
    yield from (linear(m, k, n) for k, n in LADDERS for m in TOKENS if m not in TAUGHT)
    yield from (linear(17776, k, n) for k, n in WIDTHS)
    yield from (linear(512, k, n) for k, n in WIDTHS)
    yield from (linear(*tail) for tail in TAILS)
    for m, c in UNET:
        yield from (linear(m, k, n, "float16") for k, n in ((c, c), (c, 8 * c), (4 * c, c)))
    yield from (linear(1, k, n, "float32") for k, n in ((256, 1536), (1536, 9216), (5120, 30720)))
    yield from (convolution(c, s, k, d) for c, s, k, d in _other_convolutions())
    yield from _model_attention()
    yield from (memory("add", 2**power) for power in range(16, 29, 4))
    yield from (memory(op, 2**26, "float32") for op in ("gelu", "silu", "cat", "clone"))
    yield memory("mul", 2**25, "float64")
    yield from (norm("layer_norm", w, "float32") for w in (320, 1536, 3072, 5120))
    yield from (norm("vector_norm", w, "float32") for w in (96, 192, 384))
    yield from (norm("softmax", w, d) for w in (77, 1024) for d in ("bfloat16", "float32"))
    yield from _motion_attention()
    # One key more than fills the last tile of 128
    yield from (attention(h, 16385) for h in (128, 64))
    yield from (attention(h, n) for h in HEADS for n in LENGTHS if (h, n) not in LONGEST)
    for backend in KERNELS:
        yield from (attention(h, n, backend=backend) for h in FUSED_HEADS for n in (1024, 4096))
        # Narrow and wide heads belong to a UNet, whose longest sequences are those above
        yield from (attention(h, 16384, backend=backend) for h in (128, 64))


def _float32_attention(places: int) -> Point:
    return replace(attention(FLOAT32_HEAD, places, heads=1), dtype="float32")


def _motion_attention() -> Iterator[Point]:
    """AnimateDiff's along time: 16 or 32 frames of every place, by each kernel."""
    for head, places in ((40, 4096), (80, 1024), (160, 256)):
        for backend in BACKENDS[1:-1]:
            yield attention(head, 32, heads=8, batch=2 * places, backend=backend)


def _other_convolutions() -> Iterator[Layer]:
    yield from _unequal_convolutions()
    yield from _levels_of_latents()
    for channels, size in LEVELS:
        yield from ((channels, size, kernel, "tf32") for kernel in (SQUARE, COLUMN))
    for channels, size in BF16_LEVELS:
        yield from ((channels, size, kernel, "bfloat16") for kernel in (SQUARE, COLUMN, (1, 1, 1)))
    yield from ((1024, (1, 8, 20, 28), CUBE, d) for d in ("bfloat16", "tf32"))
    yield from ((128, (1, 2, side, side), CUBE, "bfloat16") for side in (16, 64))
    for channels, side in ((320, 64), (640, 32), (1280, 16), (1280, 8)):
        yield channels, (32, 1, side, side), SQUARE, "float16"
    for channels, side in ((128, 512), (256, 512), (512, 256), (512, 64)):
        yield channels, (4, 1, side, side), SQUARE, "float16"
    # More than 2^31 elements, as Stable Diffusion's decoder has above 512x512: indices of 64 bits
    yield 256, (16, 1, 768, 768), SQUARE, "float16"


def _levels_of_latents() -> Iterator[Layer]:
    """Wan's decoder makes a latent frame of a row of frames, level by level: one, two, four at last."""
    for h, w in LATENTS:
        for channels, frames, up in ((384, 1, 1), (384, 2, 2), (192, 4, 4), (96, 4, 8)):
            yield channels, (1, frames, up * h, up * w), CUBE, "tf32"


def _unequal_convolutions() -> Iterator[Layer]:
    """Where decoders change their width, and their last layers."""
    yield (192, 96), LEVELS[0][1], SQUARE, "tf32"
    yield (384, 192), LEVELS[1][1], SQUARE, "tf32"
    yield (192, 384), (1, 2, 120, 208), CUBE, "tf32"
    yield (96, 3), LEVELS[0][1], CUBE, "tf32"
    yield (16, 128), (1, 8, 480, 720), (1, 1, 1), "bfloat16"
    yield (16, 256), (1, 8, 240, 360), (1, 1, 1), "bfloat16"
    yield (256, 128), (1, 8, 240, 360), CUBE, "bfloat16"
    yield (512, 256), (1, 8, 120, 180), CUBE, "bfloat16"
    yield (128, 3), (1, 8, 240, 360), CUBE, "bfloat16"
    yield (768, 768), (1, 4, 60, 106), CUBE, "bfloat16"
    yield (256, 128), (4, 1, 512, 512), SQUARE, "float16"
    yield (640, 320), (32, 1, 64, 64), SQUARE, "float16"
    yield (1920, 640), (32, 1, 32, 32), SQUARE, "float16"
    yield (2560, 1280), (32, 1, 16, 16), SQUARE, "float16"


def _model_attention() -> Iterator[Point]:
    """Shapes as the models have them: cross, with guidance's batch, in space and in time."""
    yield attention(128, 32760, 512, heads=12)
    yield attention(128, 32760, 512, heads=40)
    for head, tokens, heads, batch in FULL_ATTENTION:
        for backend in BACKENDS[:-1]:
            yield attention(head, tokens, heads=heads, batch=batch, backend=backend)
    yield attention(64, 17776, heads=48, batch=2)
    yield attention(128, 7800, heads=40)
    yield attention(128, 6360, heads=24)
    yield attention(128, 4096, 256, heads=32, batch=2)
    yield attention(64, 512, heads=64)
    # Stable Diffusion's decoder: one wide head for each frame
    for n in (4096, 16384):
        yield replace(attention(512, n, heads=1, batch=16), dtype="float16")
    for head, tokens in ((40, 4096), (80, 1024), (160, 256), (160, 64)):
        yield attention(head, tokens, heads=8, batch=32)
        yield attention(head, tokens, 77, heads=8, batch=32)
        yield attention(head, 16, heads=8, batch=2 * tokens)
