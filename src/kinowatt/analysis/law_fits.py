"""Laws of a GPU's operators, fitted to what `kinowatt microbench` saw of each alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, log, log2, sqrt
from statistics import fmean, geometric_mean
from typing import Any

from kinowatt.errors import InputError, require_extra
from kinowatt.theory.kernels import KERNELS, law_of_kernel
from kinowatt.theory.laws import HALF, WIDEST_FUSED, Anchor, Law, larger_of

Point = Mapping[str, Any]
# Relative error from which a point counts as an outlier, round by round: at first few do
SOFT = (0.3, 0.1, 0.05, 0.05)
DRAWN = 0.02  # pull towards the first guess, for constants of which the points say nothing
DRAWN_START = 0.3
DRAWN_LIKE = 1.0  # towards the halves of the law that a law is like
VARIED = 4.0
LONG_S = 2e-4
GRAPHED_BELOW_S = 100e-6  # calls of less are replayed as a graph
SPILLED = 3.0  # times its seconds that a call takes on top where no cache helps, at first
NO_PEAKS: Mapping[str, float] = {}
SMALL = 8.0  # a size so much below the usual one is where half the rate is lost, at first


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """Which points a law is fitted to, and what it may depend on.

    `heads`: least and largest size of a head. `ragged`: whether keys that do not fill their last
    tile cost more. `backend`: one kernel of attention, else PyTorch's own choice. `like`: the law
    whose halves this one keeps to where its points are fewer. `rate_like`: family and dtype that
    run on the same units of the GPU, for the rate where no point of this law's own is large enough
    to show it. `most_flops`: FLOP/s that the GPU's datasheet has for these dtypes.
    """

    family: str
    ops: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    halves: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    spills: tuple[str, ...] = ()
    heads: tuple[int, int] | None = None
    ragged: bool = False
    backend: str | None = None
    like: str | None = None
    rate_like: tuple[str, str] | None = None
    most_flops: float = inf

    def takes(self, point: Point) -> bool:
        """Random data, and of the kernels that PyTorch has for attention the one of this law."""
        return (
            point["family"] == self.family
            and (not self.ops or point["op"] in self.ops)
            and (not self.dtypes or point["dtype"] in self.dtypes)
            and point["data"] == "random"
            and point["backend"] in ((self.backend,) if self.backend else (None, "default"))
            and (not self.heads or self.heads[0] <= point["params"]["head"] <= self.heads[1])
        )


_WIDE = ("width", "rows")
_REPEATED = ("mul_row", "add_row", "add_row_")
SPECS: Mapping[str, Spec] = {
    "linear": Spec(family="linear", dtypes=HALF, halves=("k", "tiles"), axes=("k", "n")),
    "linear.float32": Spec(
        family="linear", dtypes=("float32",), rate_like=("convolution", "float32")
    ),
    "attention": Spec(
        family="attention",
        dtypes=HALF,
        halves=("q", "kv", "rows"),
        axes=("head", "heads"),
        heads=(1, WIDEST_FUSED),
        ragged=True,
    ),
    **{
        law_of_kernel(kernel): Spec(
            family="attention",
            dtypes=HALF,
            halves=("q", "kv", "rows"),
            axes=("head",),
            heads=(1, WIDEST_FUSED),
            backend=kernel,
            like="attention",
        )
        for kernel in KERNELS
    },
    "attention.wide": Spec(
        family="attention", dtypes=HALF, halves=("q", "rows"), heads=(WIDEST_FUSED + 1, 4096)
    ),
    "attention.float32": Spec(family="attention", dtypes=("float32",), halves=("q",)),
    "convolution": Spec(
        family="convolution",
        dtypes=HALF,
        halves=("cin", "outputs"),
        axes=("cin", "cout", "kernel"),
    ),
    "convolution.tf32": Spec(
        family="convolution",
        dtypes=("tf32",),
        halves=("cin", "outputs"),
        axes=("cin", "cout", "kernel"),
    ),
    **{
        f"norm.{op}{suffix}": Spec(
            family="norm", ops=(op,), dtypes=dtypes, halves=_WIDE, axes=("width",)
        )
        for op in ("layer_norm", "rms_norm")
        for suffix, dtypes in (("", HALF), (".float32", ("float32",)))
    },
    # A group is one block of threads: few groups leave the GPU idle, however long they are
    "norm.group_norm": Spec(family="norm", ops=("group_norm",), halves=("rows",)),
    "pointwise": Spec(family="memory", ops=("add", "mul", "gelu", "silu")),
    "pointwise.uneven": Spec(family="memory", ops=_REPEATED, dtypes=HALF),
    "pointwise.uneven.float32": Spec(family="memory", ops=_REPEATED, dtypes=("float32",)),
    "pointwise.mixed": Spec(family="memory", ops=("mul_mixed",)),
    "pointwise.rows": Spec(family="memory", ops=("mul_every_second",)),
    "pointwise.transposed": Spec(family="memory", ops=("add_images",)),
    "copy": Spec(family="memory", ops=("cat", "clone")),
    "copy.up": Spec(family="memory", ops=("to_float32",)),
    "copy.down": Spec(family="memory", ops=("to_bfloat16",)),
    "copy.rows": Spec(family="memory", ops=("heads", "narrow_heads", "copy_every_second")),
    "copy.pairs": Spec(family="memory", ops=("pairs",)),
    "copy.transposed": Spec(family="memory", ops=("transpose",), dtypes=HALF),
    # The larger a plane, the less of what is fetched is still there when its neighbours are wanted
    "copy.images": Spec(family="memory", ops=("images",), spills=("plane",)),
    "pad": Spec(family="memory", ops=("constant_pad",)),
    "pad.replication": Spec(family="memory", ops=("replication_pad",)),
    "pad.replication3d": Spec(family="memory", ops=("replication_pad_3d",)),
    "resample": Spec(family="memory", ops=("upsample",), dtypes=HALF),
    "resample.float32": Spec(family="memory", ops=("upsample",), dtypes=("float32",)),
    "resample.3d": Spec(family="memory", ops=("upsample_3d",)),
    "softmax": Spec(family="norm", ops=("softmax",)),
    "reduce": Spec(family="norm", ops=("vector_norm",)),
}


def fit_laws(
    points: Sequence[Point],
    clock: Callable[[Point], float],
    peaks_flops: Mapping[str, float] = NO_PEAKS,
) -> dict[str, Law]:
    """A law for every kind of operator of which there are points.

    `points`: those of a `Microbench`; `clock`: the share of the greatest clock at which the burst
    of one ran; `peaks_flops`: what no rate exceeds, by dtype. Raises `InputError` where none of a
    kind that every model needs is there.
    """
    found: dict[str, Law] = {}
    for name, spec in SPECS.items():
        samples = [_sample(p, clock(p)) for p in points if spec.takes(p) and paced(p)]
        if samples:
            best = max(_rates(samples) + _rates(_like(spec, points)))
            most = max((peaks_flops.get(dtype, inf) for dtype in spec.dtypes), default=inf)
            known = replace(_knowable(spec, samples), most_flops=most)
            found[name] = _fit(known, samples, min(best, most), found.get(spec.like or ""))
    missing = [n for n in ("linear", "attention", "convolution", "pointwise") if n not in found]
    if missing:
        raise InputError(f"the microbench has no points for {', '.join(missing)}: take it again")
    return found


def _like(spec: Spec, points: Sequence[Point]) -> list["Sample"]:
    alike = [p for p in points if spec.rate_like == (p["family"], p["dtype"])]
    return [_sample(point, 1.0) for point in alike]


def _rates(samples: Sequence["Sample"]) -> list[float]:
    return [sample.flops / sample.seconds for sample in samples]


def paced(point: Point) -> bool:
    """Whether the device set the pace of a burst: short calls without a graph wait for the host."""
    burst = point["burst"]
    return bool(burst["graph"] or burst["seconds_per_call"] >= GRAPHED_BELOW_S)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One point: its sizes as laws name them, and seconds of a call at a share of the clock."""

    sizes: Mapping[str, float]
    flops: float
    bytes: float
    seconds: float
    clock: float


def _sample(point: Point, clock: float) -> Sample:
    return Sample(
        sizes=_SIZES[point["family"]](point["params"]),
        flops=point["flops"],
        bytes=point["bytes"],
        seconds=point["burst"]["seconds_per_call"],
        clock=clock,
    )


_SIZES: Mapping[str, Callable[[Mapping[str, int]], dict[str, float]]] = {
    "linear": lambda p: {"k": p["k"], "n": p["n"], "tiles": p["m"] * p["n"]},
    "attention": lambda p: {
        "head": p["head"],
        "heads": p["heads"],
        "q": p["q"],
        "kv": p["kv"],
        "rows": p["batch"] * p["heads"] * p["q"],
    },
    "convolution": lambda p: {
        "cin": p["cin"],
        "cout": p["cout"],
        "kernel": p["kt"] * p["kh"] * p["kw"],
        "outputs": p["batch"] * p["t"] * p["h"] * p["w"] * p["cout"],
    },
    "memory": lambda p: {"width": 1, "rows": p["elements"], "plane": p.get("side", 1) ** 2},
    "norm": lambda p: {"width": p["width"], "rows": p["rows"]},
}


def _knowable(spec: Spec, samples: Sequence[Sample]) -> Spec:
    """Without the rows of a norm where every point has as many elements: wide is then few."""
    moved = [sample.bytes for sample in samples]
    if "width" in spec.halves and max(moved) < VARIED * min(moved):
        return replace(spec, halves=("width",))
    return spec


def _fit(spec: Spec, samples: Sequence[Sample], best: float, like: Law | None = None) -> Law:
    """In turns: the law by what all widths share, then what each width shows besides."""
    first = _first_guess(spec, samples, best, like)
    values, law = _fit_shared(spec, samples, (), (first, first, SOFT[0]))
    for soft in SOFT[1:]:
        anchors = _anchors(replace(law, anchors=()), spec, samples) if spec.axes else ()
        values, law = _fit_shared(spec, samples, anchors, (first, values, soft))
    return law


def _worth(sample: Sample) -> float:
    """What takes long in a burst takes long in a forward."""
    return sqrt(min(1.0, max(0.1, sample.seconds / LONG_S)))


def _fit_shared(
    spec: Spec,
    samples: Sequence[Sample],
    anchors: tuple[Anchor, ...],
    begin: tuple[Any, Any, float],
) -> tuple[Any, Law]:
    """Least squares of relative errors, outliers held back; its logarithms and the law.

    `begin`: the first guess, to which constants are drawn, logarithms to begin with, and the
    relative error from which a point is an outlier.
    """
    import numpy as np

    optimize: Any = require_extra("learn", "scipy.optimize")
    first, start, soft = begin
    seconds, worth = np.log([s.seconds for s in samples]), np.array([*map(_worth, samples)])
    free = min(len(start), max(1, len(samples) - 1))
    computes = samples[0].flops > 0
    pulls = _pulls(spec, len(first), computes)

    def law(values: Any) -> Law:
        constants = np.exp(np.concatenate([values, first[free:]]))
        return replace(_law(spec, constants, samples), anchors=anchors)

    lawful = _lawful(law(start[:free]), samples)

    def errors(values: Any) -> Any:
        drawn = pulls[:free] * (values - first[:free])
        return np.concatenate([worth * (np.log(lawful(law(values))) - seconds), drawn])

    most = np.append(log(spec.most_flops) if computes else np.inf, np.full(free - 1, np.inf))
    best = optimize.least_squares(
        errors,
        np.minimum(start[:free], most),
        bounds=(-np.inf, most),
        loss="soft_l1",
        f_scale=soft,
    ).x
    return np.concatenate([best, first[free:]]), law(best)


def _pulls(spec: Spec, constants: int, computes: bool) -> Any:
    """How strongly each constant is drawn to its first guess."""
    import numpy as np

    pulls = np.full(constants, DRAWN)
    start_at = 2 if computes else 1
    pulls[start_at] = DRAWN_START  # of a kernel: microseconds, whatever it does
    pulls[start_at + 1 :] = DRAWN_LIKE if spec.like else DRAWN
    return pulls


def _first_guess(
    spec: Spec, samples: Sequence[Sample], best: float, like: Law | None = None
) -> Any:
    """Logarithms of rate or bandwidth first, then start, halves, spills, and 1 + ragged."""
    import numpy as np

    moved = max(s.bytes / s.seconds for s in samples)
    known = like.halves if like else {}
    usual = {
        name: geometric_mean(s.sizes[name] for s in samples)
        for name in (*spec.halves, *spec.spills)
    }
    sizes = [known.get(name) or usual[name] / SMALL for name in spec.halves]
    sizes += [first for name in spec.spills for first in (usual[name], SPILLED)]
    first = [best, 2.5e12] if best else [min(moved, 3e12)]
    return np.log([*first, 2e-6, *sizes, *([1.0] if spec.ragged else [])])


def _law(spec: Spec, values: Any, samples: Sequence[Sample]) -> Law:
    computes = samples[0].flops > 0
    rates, rest = (values[:2], values[2:]) if computes else (values[:1], values[1:])
    halves, spills = map(float, rest[1:]), map(float, rest[1 + len(spec.halves) :])
    return Law(
        rate_flops=float(rates[0]) if computes else None,
        bandwidth_bytes_per_s=float(rates[-1]),
        start_s=float(rest[0]),
        halves=dict(zip(spec.halves, halves, strict=False)),
        spills={name: (next(spills), next(spills)) for name in spec.spills},
        axes=spec.axes,
        ragged=float(rest[-1]) - 1.0 if spec.ragged else 0.0,
    )


def _seconds(law: Law, sample: Sample) -> float:
    compute_s, memory_s = law.parts(sample.sizes, sample.flops, sample.bytes)
    return float(law.start_s + larger_of(compute_s / sample.clock, memory_s))


def _lawful(anchored: Law, samples: Sequence[Sample]) -> Callable[[Law], Any]:
    """`_seconds` of all samples at once, for laws with the anchors of this one: what these add
    does not change while the rest of a law is fitted."""
    import numpy as np

    sizes = {name: np.array([s.sizes[name] for s in samples]) for name in samples[0].sizes}
    flops, nbytes, clock = (
        np.array([getattr(s, name) for s in samples], float) for name in ("flops", "bytes", "clock")
    )
    excess = np.exp([anchored.excess(sample.sizes) for sample in samples])

    def seconds(law: Law) -> Any:
        compute_s, memory_s = law.parts_beyond(excess, sizes, flops, nbytes)
        return law.start_s + larger_of(compute_s / clock, memory_s)

    return seconds


def _anchors(law: Law, spec: Spec, samples: Sequence[Sample]) -> tuple[Anchor, ...]:
    """One for each set of widths: how far its calls lie from a law without anchors, the longer
    ones above all."""
    by_width: dict[tuple[float, ...], list[tuple[float, float]]] = {}
    for sample in samples:
        at = tuple(log2(sample.sizes[name]) for name in spec.axes)
        excess = log(sample.seconds / _seconds(law, sample))
        by_width.setdefault(at, []).append((_worth(sample) ** 2, excess))
    return tuple(
        Anchor(at=at, excess=fmean((e for _, e in found), weights=[w for w, _ in found]))
        for at, found in by_width.items()
    )
