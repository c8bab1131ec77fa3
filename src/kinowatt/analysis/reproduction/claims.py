"""The paper's claims, each with a verdict computed from data."""

import math
from collections.abc import Sequence

from kinowatt.analysis.predict import predict
from kinowatt.analysis.reproduction.fits import published, published_errors
from kinowatt.analysis.reproduction.model import Claim, Sweep
from kinowatt.analysis.reproduction.sweeps import share
from kinowatt.analysis.rows import SWEEPS, WAN, PaperRow, cross_model_rows, paper_rows
from kinowatt.facts.gpus import gpus
from kinowatt.facts.tables import tasks
from kinowatt.theory.paper import PEAK_FLOPS, POWER_W
from kinowatt.theory.roofline import thresholds

HOLDS, CORRECTED, NO = "holds", "with correction", "no"
AUXILIARY = ("VAE decoder", "text encoder", "host")


def all_claims(sweeps: Sequence[Sweep]) -> tuple[Claim, ...]:
    by_name = {item.name: item for item in sweeps}
    return (
        _quadratic(),
        _doubling(),
        _two_doubled(),
        _linear_in_steps(),
        _halving_steps(),
        _agreement(),
        _auxiliary(by_name),
        _compute_bound(),
        _other_accelerators(),
        _saturated(),
        _utilisation(),
        _mlp_at_short(),
        _gpu_share(),
        _multi_stage(),
        _orders_of_magnitude(),
        _reasons(),
        _other_tasks(),
        _constant_power(),
        _output_size(),
    )


def _row(rows: Sequence[PaperRow], **wanted: int) -> PaperRow:
    return next(r for r in rows if all(getattr(r, k) == v for k, v in wanted.items()))


def _seconds(row: PaperRow) -> float:
    if row.latency_s is None:
        raise ValueError(f"no latency at {row}")
    return row.latency_s


def _ratio(sweep: str, low: dict[str, int], high: dict[str, int]) -> float:
    rows = paper_rows(sweep, "with_latency")
    return _seconds(_row(rows, **high)) / _seconds(_row(rows, **low))


def _verdict(holds: bool, nearly: bool) -> str:
    return HOLDS if holds else CORRECTED if nearly else NO


def _quadratic() -> Claim:
    frames = math.log(_ratio("frames", {"frames": 48}, {"frames": 96})) / math.log(25 / 13)
    pixels = _ratio(
        "resolution",
        {"width_px": 768, "height_px": 432},
        {"width_px": 1536, "height_px": 864},
    )
    size = math.log(pixels) / math.log(4)
    small = math.log(
        _ratio(
            "resolution",
            {"width_px": 256, "height_px": 256},
            {"width_px": 512, "height_px": 512},
        )
    ) / math.log(4)
    worst = min(frames, size, small)
    return Claim(
        text="Latency and energy grow quadratically with height, width and frames",
        section="3.6, 5.1",
        verdict=_verdict(worst > 1.9, frames > 1.4),
        number=f"exponents {small:.2f} to {max(frames, size):.2f} in tokens",
        evidence=(
            f"Measured exponents: {frames:.2f} in latent frames (48 to 96 frames), {size:.2f} in "
            f"pixels (432p to 864p), {small:.2f} (256² to 512²). Attention is quadratic, the "
            "linear layers and memory-bound work are not; the mix moves with size."
        ),
    )


def _doubling() -> Claim:
    ratio = _ratio("frames", {"frames": 48}, {"frames": 96})
    return Claim(
        text="Doubling one dimension costs about four times",
        section="6",
        verdict=_verdict(abs(ratio / 4 - 1) < 0.1, ratio > 2.2),
        number=f"x{ratio:.2f} measured",
        evidence=f"48 to 96 frames at 720p: latency x{ratio:.2f}; tokens grow x1.92.",
    )


def _two_doubled() -> Claim:
    ratio = _ratio(
        "resolution",
        {"width_px": 768, "height_px": 432},
        {"width_px": 1536, "height_px": 864},
    )
    small = _ratio(
        "resolution", {"width_px": 256, "height_px": 256}, {"width_px": 512, "height_px": 512}
    )
    return Claim(
        text="Doubling height and width costs sixteen times",
        section="6",
        verdict=_verdict(abs(ratio / 16 - 1) < 0.1, ratio > 8),
        number=f"x{ratio:.1f} measured",
        evidence=f"768x432 to 1536x864: x{ratio:.1f}; 256x256 to 512x512: x{small:.1f}.",
    )


def _linear_in_steps() -> Claim:
    rows = paper_rows("steps", "with_latency")
    n = len(rows)
    x, y = [r.steps for r in rows], [_seconds(r) for r in rows]
    mx, my = sum(x) / n, sum(y) / n
    slope = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sum(
        (a - mx) ** 2 for a in x
    )
    fixed = my - slope * mx
    worst = max(abs((fixed + slope * a) / b - 1) for a, b in zip(x, y, strict=True) if a >= 4)
    return Claim(
        text="Cost is perfectly linear in denoising steps",
        section="5.1.3",
        verdict=_verdict(worst < 0.05, worst < 0.1),
        number=f"{fixed:.1f} s + {slope:.3f} s per step",
        evidence=(
            f"A line through all 200 step counts is within {100 * worst:.1f}% from 4 steps on. It "
            f"does not pass through zero: {fixed:.1f} s do not depend on steps. The sweep ran 49 "
            "frames, not the 81 the paper states."
        ),
    )


def _halving_steps() -> Claim:
    half = 1 / _ratio("steps", {"steps": 25}, {"steps": 50})
    few = 1 / _ratio("steps", {"steps": 2}, {"steps": 4})
    return Claim(
        text="Halving the steps halves latency and energy",
        section="6",
        verdict=_verdict(abs(half / 0.5 - 1) < 0.05, abs(few / 0.5 - 1) < 0.05),
        number=f"x{half:.3f} from 50 to 25",
        evidence=f"50 to 25 steps: x{half:.3f}; but 4 to 2 steps: x{few:.2f}, the rest is fixed.",
    )


def _agreement() -> Claim:
    found = {name: published_errors(name, "latency") for name in SWEEPS}
    worst = max(item.max_abs_pct for item in found.values())
    signed = found["frames"].mean_signed_pct
    return Claim(
        text="Theory agrees strongly with measurement over the entire range",
        section="5.1.1",
        verdict=_verdict(worst < 10, worst < 20),
        number=f"worst {worst:.0f}%",
        evidence=(
            f"Mean absolute errors of the latency are {found['resolution'].mean_abs_pct:.1f}, "
            f"{found['frames'].mean_abs_pct:.1f} and {found['steps'].mean_abs_pct:.1f}%, the worst "
            f"row is off by {worst:.0f}%, and every frames point is predicted too low "
            f"({signed:.1f}% on average)."
        ),
    )


def _auxiliary(sweeps: dict[str, Sweep]) -> Claim:
    def at(name: str, index: int) -> float:
        return share(sweeps[name].stacks["corrected"]["latency_s"], AUXILIARY, index)

    one_step = at("steps", 0)
    ends = {name: (at(name, 0), at(name, -1)) for name in SWEEPS}
    words = ", ".join(f"{n} {100 * a:.0f} to {100 * b:.1f}%" for n, (a, b) in ends.items())
    return Claim(
        text="Text encoder, timestep MLP and VAE are negligible",
        section="3.6",
        verdict=_verdict(one_step < 0.05, ends["resolution"][1] < 0.05),
        number=f"{100 * one_step:.0f}% of the time at one step",
        evidence=f"Share of VAE, text encoder and host along each axis (corrected model): {words}.",
    )


def _tokens(row: PaperRow) -> float:
    return (row.frames // 4 + 1) * row.height_px * row.width_px / 256


def _compute_bound() -> Claim:
    limit = thresholds(gpus()["h100-sxm"])
    smallest = min(_tokens(row) for row in paper_rows(selection="with_latency"))
    found = predict(WAN, preset="paper", height_px=256, width_px=256, frames=81)
    memory = sum(row["latency_s"] for row in found.operators.values() if row["bound"] == "memory")
    part = memory / found.latency_s
    return Claim(
        text="Attention and MLP are compute-bound above 295 and 590 tokens on an H100",
        section="3.4, B",
        verdict=_verdict(False, smallest > (limit.attention_corrected or 0.0)),
        number=f"{limit.attention_corrected:.0f} and {limit.mlp_corrected:.0f} tokens",
        evidence=(
            f"Corrected thresholds are {limit.attention_corrected:.0f} (attention) and "
            f"{limit.mlp_corrected:.0f} (MLP); the smallest run has {smallest:.0f} tokens, so the "
            f"conclusion stands for these two. Other operators are memory-bound at any size: "
            f"{100 * part:.0f}% of the time at 256x256x81."
        ),
    )


def _other_accelerators() -> Claim:
    worst = max(
        (thresholds(g).attention_corrected for g in gpus().values() if g.published), default=0.0
    )
    return Claim(
        text="The same holds on all accelerators of Table 7",
        section="B",
        verdict=_verdict(False, worst < 10_000),
        number=f"at most {worst:.0f} tokens",
        evidence=(
            "With dense datasheet peaks and all bytes counted, the highest attention threshold is "
            f"{worst:.0f} tokens. Two printed peaks look sparse or FP16-accumulate, one beta is a "
            "slip; none of it was measured on those devices."
        ),
    )


def _saturated() -> Claim:
    powers = [row.power_w or 0.0 for row in paper_rows() if row.power_w]
    low, high = min(powers), max(powers)
    return Claim(
        text="The GPU is saturated, CPU-induced idle time is negligible",
        section="3.1",
        verdict=_verdict(low > 0.95 * POWER_W, low > 0.8 * POWER_W),
        number=f"{low:.0f} to {high:.0f} W",
        evidence=(
            f"Mean GPU power of the sweeps is {low:.0f} to {high:.0f} W of {POWER_W:.0f}; Mochi and "
            "CogVideoX ran with CPU offload at 591 to 626 W."
        ),
    )


def _utilisation() -> Claim:
    row = next(r for r in cross_model_rows() if r.model == WAN)
    flops = predict(WAN, preset="paper").flops["total"]
    mu = flops / row.latency_s / PEAK_FLOPS
    return Claim(
        text="μ = 0.456, inside the 30 to 63% reported for transformer inference",
        section="3.4",
        verdict=_verdict(0.4 < mu < 0.63, mu >= 0.3),
        number=f"{mu:.3f} of the peak",
        evidence=(
            f"With the checkpoint's own FLOPs the 720p runs reach {mu:.3f} of the dense BF16 peak: "
            "0.456 counts 46% more FLOPs than ran."
        ),
    )


def _mlp_at_short() -> Claim:
    found = predict(WAN, preset="paper", height_px=128, width_px=128, frames=1)
    linear = found.flops["mlp"] / found.flops["total"]
    mlp = found.flops["mlp"]
    other = max(found.flops["self_attention"], found.flops["cross_attention"])
    return Claim(
        text="At very short lengths the MLP dominates latency and energy",
        section="3.4",
        verdict=_verdict(linear > 0.5, mlp > other),
        number=f"{100 * linear:.0f}% of FLOPs at 64 tokens",
        evidence=(
            f"At 128x128x1 (64 tokens) the MLP is {100 * linear:.0f}% of FLOPs, less than the "
            "text projections and the text encoder; time then goes into calling operators."
        ),
    )


def _gpu_share() -> Claim:
    shares = {
        r.published_name: r.energy_wh["gpu"] / sum(r.energy_wh.values()) for r in cross_model_rows()
    }
    low, high = min(shares.values()), max(shares.values())
    return Claim(
        text="The GPU takes at least 80% of the energy",
        section="5.2",
        verdict=_verdict(low >= 0.8, low >= 0.75),
        number=f"{100 * low:.1f} to {100 * high:.1f}%",
        evidence="True of all seven, though CPU and RAM are modelled, not measured (38.0 W of RAM).",
    )


def _multi_stage() -> Claim:
    rest = {r.model: 1 - r.energy_wh["gpu"] / sum(r.energy_wh.values()) for r in cross_model_rows()}
    staged = rest["ltx-video-0.9.7-dev"]
    highest = max(rest, key=lambda name: rest[name])
    return Claim(
        text="CPU and RAM weigh more in cascaded or multi-stage pipelines",
        section="5.2",
        verdict=_verdict(highest == "ltx-video-0.9.7-dev", False),
        number=f"LTX {100 * staged:.1f}%, highest {highest} {100 * rest[highest]:.1f}%",
        evidence=(
            "The only multi-stage pipeline of the seven is LTX-Video; CogVideoX is one loop. The "
            "share follows GPU power and the meter's start-up window, not the number of stages."
        ),
    )


def _orders_of_magnitude() -> Claim:
    rows = {r.model: sum(r.energy_wh.values()) for r in cross_model_rows()}
    ratio = rows["wan2.1-t2v-14b"] / rows["animatediff-lightning"]
    return Claim(
        text="AnimateDiff and WAN-14B differ by nearly 3000 times",
        section="5.2",
        verdict=_verdict(abs(ratio / 3000 - 1) < 0.05, True),
        number=f"x{ratio:.0f}",
        evidence=(
            f"GPU + CPU + RAM: {rows['wan2.1-t2v-14b']:.1f} against "
            f"{rows['animatediff-lightning']:.3f} Wh per video; per second of video x"
            f"{ratio / (81 / 16) * 1.6:.0f}."
        ),
    )


def _reasons() -> Claim:
    small = predict("animatediff-lightning", preset="paper")
    large = predict("wan2.1-t2v-14b", preset="paper")
    passes = 100 / 4
    tokens = large.workload["effective"]["tokens"] / small.workload["effective"]["tokens"]
    work = large.flops["total"] / small.flops["total"]
    return Claim(
        text="The reasons are model size, steps, video length and cascades",
        section="5.2",
        verdict=CORRECTED,
        number=f"x{work:.0f} in FLOPs",
        evidence=(
            f"FLOPs differ x{work:.0f}: x{passes:.0f} forwards (steps and guidance), x{tokens:.1f} "
            f"latent positions, x{work / passes / tokens:.1f} work per position (width, depth, "
            "attention over all of them). None of it is a cascade, and WAN runs 50 steps, not 60."
        ),
    )


def _other_tasks() -> Claim:
    printed = published()["headline"]["comparison_factors"]
    energy = next(r for r in cross_model_rows() if r.model == WAN).energy_wh
    total = sum(energy.values())
    table = tasks()
    ratios = {
        "image": total / table["image-generation"].wh,
        "text_generation": total / table["text-generation"].wh,
        "text_classification": total / table["text-classification"].wh,
    }
    worst = max(abs(ratios[name] / printed[name] - 1) for name in printed)
    return Claim(
        text="A video costs 30 images, 2,000 texts, 45,000 classifications",
        section="6",
        verdict=_verdict(worst < 0.1, worst < 0.3),
        number=" / ".join(f"{value:,.0f}" for value in ratios.values()),
        evidence=(
            f"{total:.1f} Wh is GPU + CPU + RAM at 720p (GPU alone {energy['gpu']:.1f}) on an H100; "
            "the others were measured on A100s."
        ),
    )


def _constant_power() -> Claim:
    frames = published_errors("frames", "latency").mean_signed_pct
    energy = published_errors("frames", "energy").mean_signed_pct
    powers = [row.power_w or 0.0 for row in paper_rows() if row.power_w]
    return Claim(
        text="Energy is power limit times duration",
        section="3.5",
        verdict=_verdict(min(powers) > 0.97 * POWER_W, min(powers) > 0.8 * POWER_W),
        number=f"{min(powers):.0f} to {max(powers):.0f} W, not {POWER_W:.0f}",
        evidence=(
            f"700 W is too high and the predicted time too low, so errors cancel: frames sweep "
            f"{frames:.1f}% in latency but {energy:.1f}% in energy."
        ),
    )


def _output_size() -> Claim:
    base = predict(WAN, preset="paper")
    smaller = predict(WAN, preset="paper", height_px=480, width_px=832)
    half = predict(WAN, preset="paper", what_if={"cache": "0.5"})
    size = 1 - smaller.latency_s / base.latency_s
    architecture = 1 - half.latency_s / base.latency_s
    return Claim(
        text="Reducing output size saves more than architectural changes",
        section="6",
        verdict=_verdict(size > architecture, True),
        number=f"{100 * size:.0f}% against {100 * architecture:.0f}%",
        evidence=(
            f"720p to 480p saves {100 * size:.0f}% of the time; reusing half of all block "
            f"evaluations {100 * architecture:.0f}% (both predicted at the paper's setting)."
        ),
    )
