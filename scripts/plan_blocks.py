"""The rows of each block of measurements, as data: what is asked for, in which order.

Inside a block rows of one pipeline stand together, the cheapest and most informative first, so
that a run that is cut off leaves a useful set. Nothing here depends on what was measured so far.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from kinowatt.analysis.rows import paper_rows

Order = dict[str, Any]

ANIMATEDIFF = "animatediff-lightning"
COG_2B, COG_5B = "cogvideox-2b", "cogvideox-5b"
LTX = "ltx-video-0.9.7-dev"
MOCHI = "mochi-1-preview"
WAN, WAN_14B = "wan2.1-t2v-1.3b", "wan2.1-t2v-14b"

IDLE_S = 3.0  # once for each pipeline, thirty times what the counter needs
SHORT, LONG = 12, 50  # steps: a whole video in seconds, or enough to be composed
PAPER = {"offload": "model", "tiling": True}  # as the paper built CogVideoX and Mochi
Size = tuple[int, int, int]  # height, width, frames


def order(model: str, build: dict[str, Any] | None = None, **request: Any) -> Order:
    return {"build": {"model": model, **(build or {})}, "request": request}


def sampled(model: str, size: Size | None = None, **request: Any) -> Order:
    """A row by `sampled`; `build`, if given, are options of the pipeline."""
    build = request.pop("build", None)
    return order(model, build, protocol="sampled", idle_s=IDLE_S, **sized(size), **request)


def full(model: str, size: Size | None = None, **request: Any) -> Order:
    """A row by `full`: one run after a warm-up of two steps, unless `request` says otherwise."""
    build = request.pop("build", None)
    how = {"warmup": 1, "warmup_steps": 2, "runs": 1, "isolate": False} | request
    return order(model, build, protocol="full", idle_s=IDLE_S, **sized(size), **how)


def sized(size: Size | None) -> dict[str, int]:
    return dict(zip(("height_px", "width_px", "frames"), size, strict=True)) if size else {}


# a. The seven models end to end, as the paper ran them -------------------------------------------


def end_to_end() -> Iterator[Order]:
    """Runs with their own values; warm-ups of two steps, but where a video is short.

    Wan-1.3B at 480 x 832 is in `data/` by `full` on two machines.
    """
    yield full(ANIMATEDIFF, warmup=2, warmup_steps=4, runs=5, isolate=True)
    yield full(LTX, recipe="card", warmup=2, warmup_steps=30, runs=5, isolate=True)
    yield full(COG_2B, build=PAPER, runs=3, **sized((480, 720, 49)))
    yield full(COG_5B, build=PAPER, **sized((480, 720, 49)))


def end_to_end_long() -> Iterator[Order]:
    """Videos of four minutes and more: one in each command (`SECONDS` 1)."""
    yield full(MOCHI, (480, 848, 84), build=PAPER)
    yield full(WAN, (720, 1280, 81))


# b. Wan-1.3B along the paper's axes and beside them ----------------------------------------------

COARSE = (1, 9, 17, 33, 49, 65, 81, 101)
FINE_UP_TO = 49  # frames; above, the counts between are left to the reserve
BEYOND = ((1088, 1920, 81), (1152, 2048, 81), (1216, 2176, 81))
# Each line has the same tokens in other shapes; of some lines one shape is measured elsewhere.
SAME_TOKENS: Sequence[tuple[Size, ...]] = (
    ((256, 1792, 33), (512, 896, 33), (448, 1024, 33)),
    ((672, 688, 33),),  # 0.8% more than the line above: what the issue names
    ((128, 1920, 65), (480, 512, 65), (320, 768, 65)),
    ((240, 1664, 33), (832, 480, 33), (240, 416, 141)),  # 480 x 832 x 33 is in data/
    ((1280, 720, 33),),  # 720 x 1280 x 33 is of the frame counts
)


def counts() -> list[int]:
    """The frame counts that ran in the paper's sweep."""
    return sorted({row.frames // 4 * 4 + 1 for row in paper_rows("frames", "all")})


def of_frames(frames: Iterable[int]) -> Iterator[Order]:
    for count in frames:
        yield sampled(WAN, (720, 1280, count))


def resolutions() -> list[Size]:
    """The paper's resolutions, but those that stand elsewhere."""
    every = [(row.height_px, row.width_px, row.frames) for row in paper_rows("resolution")]
    return [size for size in every if size not in ((720, 1280, 81), (480, 832, 81))]


def wan() -> Iterator[Order]:
    """Small and coarse first: the longest videos are half of the time."""
    *small, _, _ = resolutions()
    yield from (sampled(WAN, size) for size in small)
    yield from of_frames(COARSE)
    yield from (sampled(WAN, size) for line in SAME_TOKENS for size in line)
    yield from of_frames(f for f in counts() if f < FINE_UP_TO and f not in COARSE)


def wan_large() -> Iterator[Order]:
    """The largest; beyond the paper's two whole steps after one that warms up."""
    *_, below, largest = resolutions()
    yield sampled(WAN, below)
    yield beyond(BEYOND[0])
    yield sampled(WAN, largest)
    yield sampled(WAN_14B, (720, 1280, 81))


def beyond(size: Size) -> Order:
    return full(WAN, size, steps=2, warmup_steps=1)


# c. Steps, never composed -----------------------------------------------------------------------


def steps() -> Iterator[Order]:
    for size in ((256, 448, 33), (480, 832, 33)):
        for count in (1, 2, 4, 8, 16, 32):
            yield full(WAN, size, steps=count, warmup_steps=min(2, count), runs=2)
    for count in (1, 4, 16):  # the paper's sweep: 50 frames asked for
        yield full(WAN, (720, 1280, 49), steps=count, warmup_steps=1)
    for count in (1, 4):
        yield full(WAN, (720, 1280, 81), steps=count, warmup_steps=1)


# d. The other models, spread widely -------------------------------------------------------------

Point = tuple[int, int, int, int, float, int]  # height, width, frames, batch, guidance, steps
POINTS: dict[str, tuple[Point, ...]] = {
    ANIMATEDIFF: (
        (256, 256, 8, 1, 1.0, SHORT),
        (512, 512, 32, 2, 7.5, LONG),
        (768, 768, 16, 1, 7.5, LONG),
        (1024, 1024, 16, 1, 7.5, LONG),
        (512, 512, 16, 4, 7.5, LONG),
        (512, 512, 16, 1, 7.5, SHORT),
        (512, 512, 16, 8, 1.0, LONG),
        (384, 640, 24, 2, 7.5, LONG),
        (576, 1024, 32, 1, 7.5, LONG),
        (1024, 576, 16, 1, 1.0, SHORT),
        (256, 256, 32, 8, 7.5, LONG),
        (768, 512, 32, 4, 7.5, LONG),
    ),
    COG_2B: (
        (480, 720, 9, 1, 6.0, SHORT),
        (256, 256, 9, 1, 6.0, SHORT),
        (256, 384, 25, 1, 6.0, SHORT),
        (480, 720, 49, 1, 1.0, LONG),
        (320, 480, 49, 2, 6.0, LONG),
        (720, 480, 33, 1, 6.0, LONG),
        (320, 480, 25, 4, 6.0, LONG),
        (768, 1360, 25, 1, 6.0, LONG),
        (480, 720, 97, 1, 6.0, LONG),
    ),
    LTX: (
        (512, 704, 25, 1, 3.0, SHORT),
        (256, 256, 25, 1, 3.0, SHORT),
        (320, 448, 121, 1, 3.0, SHORT),
        (512, 704, 121, 1, 1.0, LONG),
        (320, 448, 57, 4, 3.0, LONG),
        (704, 1216, 121, 1, 3.0, LONG),
        (512, 704, 257, 1, 3.0, LONG),
        (1216, 704, 49, 1, 3.0, LONG),
        (256, 384, 121, 8, 3.0, LONG),
    ),
    MOCHI: (
        (480, 848, 7, 1, 4.5, LONG),
        (256, 256, 7, 1, 4.5, SHORT),
        (320, 576, 31, 1, 4.5, LONG),
        (480, 848, 19, 1, 1.0, LONG),
        (480, 848, 43, 1, 4.5, LONG),
        (256, 448, 19, 4, 4.5, LONG),
        (848, 480, 25, 1, 4.5, LONG),
        (320, 320, 61, 1, 4.5, LONG),
    ),
    COG_5B: (
        (480, 720, 9, 1, 6.0, SHORT),
        (256, 256, 17, 1, 6.0, SHORT),
        (320, 480, 33, 1, 6.0, LONG),
        (480, 720, 49, 1, 1.0, LONG),
        (480, 720, 25, 2, 6.0, LONG),
        (720, 480, 25, 1, 6.0, LONG),
        (768, 1360, 17, 1, 6.0, LONG),
    ),
    WAN: (
        (256, 448, 33, 1, 5.0, SHORT),
        (256, 448, 33, 4, 5.0, LONG),
        (480, 832, 17, 2, 5.0, LONG),
        (128, 128, 33, 16, 5.0, SHORT),
        (480, 832, 161, 1, 5.0, LONG),
    ),
    WAN_14B: (
        (480, 832, 1, 1, 5.0, SHORT),
        (256, 448, 33, 1, 5.0, LONG),
        (480, 832, 17, 1, 5.0, LONG),
        (256, 256, 17, 4, 5.0, LONG),
        (720, 1280, 17, 1, 1.0, LONG),
        (720, 1280, 33, 1, 5.0, LONG),
    ),
}


def spread(model: str, point: Point) -> Order:
    *size, batch, guidance, count = point
    more = {"steps": count, "guidance_scale": guidance, "batch_size": batch}
    if model == LTX:
        more["recipe"] = "single"
    return sampled(model, (size[0], size[1], size[2]), **more)


def models(half: int) -> Callable[[], Iterator[Order]]:
    """The first three quarters of each model's points, or the rest: a second helping."""

    def found() -> Iterator[Order]:
        for model, points in POINTS.items():
            cut = -(-3 * len(points) // 4)
            for point in (points[:cut], points[cut:])[half]:
                yield spread(model, point)

    return found


# e. Below the power limit -----------------------------------------------------------------------

LIGHT: dict[str, tuple[Point, ...]] = {
    ANIMATEDIFF: (
        (128, 128, 8, 1, 1.0, SHORT),
        (512, 512, 8, 1, 1.0, SHORT),
        (384, 384, 16, 1, 1.0, SHORT),
        (256, 256, 16, 1, 7.5, SHORT),
    ),
    WAN: (
        (128, 128, 5, 1, 5.0, SHORT),
        (240, 416, 5, 1, 5.0, SHORT),
        (256, 256, 17, 1, 5.0, SHORT),
        (480, 832, 1, 1, 5.0, SHORT),
        (128, 128, 17, 4, 5.0, SHORT),
    ),
    COG_2B: (
        (128, 128, 9, 1, 6.0, SHORT),
        (240, 352, 9, 1, 6.0, SHORT),
        (480, 720, 5, 1, 1.0, SHORT),
    ),
    LTX: (
        (128, 128, 9, 1, 3.0, SHORT),
        (256, 384, 25, 1, 1.0, SHORT),
        (512, 704, 9, 1, 3.0, SHORT),
    ),
    MOCHI: (
        (128, 128, 7, 1, 4.5, SHORT),
        (240, 416, 7, 1, 4.5, SHORT),
        (480, 848, 1, 1, 4.5, SHORT),
    ),
    COG_5B: ((128, 128, 9, 1, 6.0, SHORT), (240, 352, 9, 1, 1.0, SHORT)),
}


def light() -> Iterator[Order]:
    """Call-bound sizes and single images; decoders of these too are far from the limit."""
    for model, points in LIGHT.items():
        for point in points:
            yield spread(model, point)


# f. The H200: a mirror of a, b, d ---------------------------------------------------------------


def h200() -> Iterator[Order]:
    """All of g, a third of the frame counts and resolutions of b, half of the points of d."""
    yield full(ANIMATEDIFF, warmup=2, warmup_steps=4, runs=5, isolate=True)
    yield from repeats()
    yield from of_frames(COARSE[::2])
    yield from (sampled(WAN, size) for size in resolutions()[:8:2])
    for model, points in POINTS.items():
        yield from (spread(model, point) for point in points[:6:2])


# g. Repeats on other machines -------------------------------------------------------------------


def repeats() -> Iterator[Order]:
    """Ten rows that are in `data/` already, taken again as they were: the noise floor."""
    yield sampled(WAN, frames=33)
    yield sampled(WAN)
    yield sampled(ANIMATEDIFF)
    yield sampled(ANIMATEDIFF, frames=32, steps=50, guidance_scale=7.5)
    yield sampled(COG_2B, steps=26)
    yield sampled(MOCHI, steps=32)
    yield sampled(COG_5B, steps=16)
    yield sampled(LTX, (512, 704, 121), recipe="single", steps=30)
    yield sampled(LTX)
    yield sampled(WAN_14B, frames=33, steps=12)


# h. What-if rows and prompts --------------------------------------------------------------------

# A video of each model that is in `data/` without a change, so that it needs no row here.
BASES: dict[str, dict[str, Any]] = {
    WAN: {"frames": 33},
    COG_2B: {"steps": 26},
    LTX: {**sized((512, 704, 121)), "recipe": "single", "steps": 30},
    ANIMATEDIFF: {"frames": 32, "steps": 50, "guidance_scale": 7.5},
    WAN_14B: {"frames": 33, "steps": 12},
    COG_5B: {"steps": 16},
}
# Flash attention takes no mask, and LTX-Video has one; `default` was cuDNN's on that machine.
BACKENDS = ((WAN, "flash"), (COG_2B, "flash"), (ANIMATEDIFF, "flash"), (WAN, "efficient"))
BACKENDS += ((COG_2B, "efficient"), (LTX, "efficient"))
LATER = ((COG_5B, "flash"), (COG_5B, "efficient"), (WAN_14B, "flash"))
UNGUIDED_STEPS = 80  # half the work a step: enough of them to be composed
THREE = (WAN, COG_2B, LTX)
# diffusers 0.42 names no repeated blocks of CogVideoX, Mochi and AnimateDiff to be compiled
COMPILED = (WAN, LTX, WAN_14B)


def what_if() -> Iterator[Order]:
    """One change at a time; compiling costs a minute, so it comes last."""
    for model in THREE:
        yield sampled(model, **BASES[model], batch_size=2)
        yield sampled(model, **{**BASES[model], "guidance_scale": 1.0, "steps": UNGUIDED_STEPS})
    for model, backend in BACKENDS:
        yield sampled(model, build={"attention": backend}, **BASES[model])
    for model in THREE:
        yield sampled(model, build={"tiling": True}, **BASES[model])
    for model in COMPILED:
        yield sampled(model, build={"compile": "blocks"}, **BASES[model])


def reserve() -> Iterator[Order]:
    """What the table of the issue has and the budget has not, the most telling first."""
    yield from models(1)()
    yield from of_frames(f for f in counts() if f > FINE_UP_TO and f not in COARSE)
    yield from map(beyond, BEYOND[1:])
    yield full(WAN_14B, (480, 832, 81))
    for model, backend in LATER:
        yield sampled(model, build={"attention": backend}, **BASES[model])


PLANS: dict[str, Callable[[], Iterator[Order]]] = {
    "a-end-to-end": end_to_end,
    "a-end-to-end-long": end_to_end_long,
    "b-wan-sampled": wan,
    "b-wan-large": wan_large,
    "c-steps": steps,
    "d-models": models(0),
    "e-below-the-limit": light,
    "f-h200": h200,
    "g-repeats": repeats,
    "what-if": what_if,
    "reserve": reserve,
}


def distinct(orders: Iterator[Order]) -> list[Order]:
    """Each order once, pipeline by pipeline, in the order in which they come."""
    found: dict[str, dict[str, Order]] = {}
    for each in orders:
        found.setdefault(repr(each["build"]), {}).setdefault(repr(each), each)
    return list(chain.from_iterable(orders.values() for orders in found.values()))
