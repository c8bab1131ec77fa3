"""Claims about how cost grows with size, frames and steps, and how well the theory follows."""

from collections.abc import Mapping

from kinowatt.analysis.reproduction.fits import published, published_errors, steps_line
from kinowatt.analysis.reproduction.model import Claim, Sweep, verdict
from kinowatt.analysis.reproduction.scaling import (
    Growth,
    frames_doubled,
    growth,
    point,
    sides_doubled,
    small_sides_doubled,
)
from kinowatt.analysis.reproduction.sweeps import share
from kinowatt.analysis.rows import SWEEPS, paper_rows

AUXILIARY = ("VAE decoder", "text encoder", "host")
FEW_STEPS = 4  # below, readings off the plot and fixed seconds hide the slope


def quadratic() -> Claim:
    frames, sides, small = frames_doubled(), sides_doubled(), small_sides_doubled()
    exponents = [item.exponent for item in (frames, sides, small)]
    energy = [item.energy_exponent for item in (frames, sides, small)]
    return Claim(
        text="Latency and energy grow quadratically with height, width and frames",
        section="3.6, 5.1",
        verdict=verdict(min(exponents) > 1.9, max(exponents) > 1.5),
        number=f"exponents {min(exponents):.2f} to {max(exponents):.2f} in tokens",
        evidence=(
            f"Measured exponents of the latency: {frames.exponent:.2f} in latent frames (48 to 96 "
            f"frames), {sides.exponent:.2f} in pixels (432p to 864p), {small.exponent:.2f} (256² to "
            f"512²); of the energy {min(energy):.2f} to {max(energy):.2f}. Attention is quadratic, "
            "linear layers and memory-bound work are not; the mix moves with size."
        ),
    )


def doubling() -> Claim:
    claimed = published()["headline"]["doubling_claims"]["one_dimension"]
    found, shorter = frames_doubled(), growth("frames", {"frames": 40}, {"frames": 80})
    return Claim(
        text="Doubling one dimension costs about four times",
        section="6",
        verdict=verdict(_near(found.latency, claimed), found.latency > 2.2),
        number=f"x{found.latency:.2f} measured",
        evidence=(
            f"48 to 96 frames at 720p: latency x{found.latency:.2f}, energy x{found.energy:.2f}, "
            f"with x{found.tokens:.2f} tokens; 40 to 80 frames: x{shorter.latency:.2f}."
        ),
    )


def two_doubled() -> Claim:
    claimed = published()["headline"]["doubling_claims"]["H_and_W"]
    found, small = sides_doubled(), small_sides_doubled()
    return Claim(
        text="Doubling height and width costs sixteen times",
        section="6",
        verdict=verdict(_near(found.latency, claimed), found.latency > 4.4),
        number=f"x{found.latency:.1f} measured",
        evidence=(
            f"768x432 to 1536x864: latency x{found.latency:.1f}, energy x{found.energy:.1f}; "
            f"256x256 to 512x512: x{small.latency:.1f}."
        ),
    )


def _near(value: float, claimed: float) -> bool:
    return abs(value / claimed - 1) < 0.1


def linear_in_steps() -> Claim:
    rows = [row for row in paper_rows("steps", "with_latency") if row.steps >= FEW_STEPS]
    fixed, slope = steps_line()
    worst = max(abs((fixed + slope * row.steps) / row.seconds - 1) for row in rows)
    return Claim(
        text="Cost is perfectly linear in denoising steps",
        section="5.1.3",
        verdict=verdict(worst < 0.05 and fixed < 0.2 * slope, worst < 0.05),
        number=f"{fixed:.1f} s + {slope:.3f} s per step",
        evidence=(
            f"One line is within {100 * worst:.1f}% of every step count from {FEW_STEPS} on, but it "
            f"does not pass through zero: {fixed:.1f} s, {fixed / slope:.1f} steps' worth, do not "
            "depend on steps. The sweep ran 49 frames, not the 81 stated."
        ),
    )


def halving_steps() -> Claim:
    half, few = (growth("steps", {"steps": n // 2}, {"steps": n}) for n in (50, 4))
    ratios = [1 / half.latency, 1 / half.energy]
    return Claim(
        text="Halving the steps halves latency and energy",
        section="6",
        verdict=verdict(all(_near(ratio, 0.5) for ratio in ratios), min(ratios) < 0.6),
        number=f"x{ratios[0]:.3f} from 50 to 25",
        evidence=(
            f"50 to 25 steps: latency x{ratios[0]:.3f}, energy x{ratios[1]:.3f}; but 4 to 2 steps: "
            f"x{1 / few.latency:.2f} and x{1 / few.energy:.2f}, the rest is fixed."
        ),
    )


def agreement() -> Claim:
    found = {name: published_errors(name, "latency") for name in SWEEPS}
    worst = max(item.max_abs_pct for item in found.values())
    means = ", ".join(f"{item.mean_abs_pct:.1f}% ({name})" for name, item in found.items())
    return Claim(
        text="Theory agrees strongly with measurement over the entire range",
        section="5.1.1",
        verdict=verdict(worst < 10, worst < 20),
        number=f"worst {worst:.0f}%",
        evidence=(
            f"Mean absolute errors of the latency: {means}. The worst row is off by {worst:.0f}%, "
            f"and every frames point is predicted too low "
            f"({found['frames'].mean_signed_pct:.1f}% on average)."
        ),
    )


def auxiliary(sweeps: Mapping[str, Sweep]) -> Claim:
    def at(name: str, index: int) -> float:
        return share(sweeps[name].stacks["corrected"]["latency_s"], AUXILIARY, index)

    one_step = at("steps", 0)
    ends = {name: (at(name, 0), at(name, -1)) for name in SWEEPS}
    words = ", ".join(f"{n} {100 * a:.0f} to {100 * b:.1f}%" for n, (a, b) in ends.items())
    single = point("steps", steps=1).seconds
    measured = 1 - steps_line()[1] / single
    return Claim(
        text="Text encoder, timestep MLP and VAE are negligible",
        section="3.6",
        verdict=verdict(one_step < 0.05, ends["resolution"][1] < 0.05),
        number=f"{100 * one_step:.0f}% of the time at one step",
        evidence=(
            f"Share of VAE, text encoder and host along each axis (corrected model): {words}. "
            f"Measured: {100 * measured:.0f}% of the {single:.2f} s at one step is not the step."
        ),
    )


def output_size() -> Claim:
    """Against the architectural changes that the paper itself names."""
    cited = published()["headline"]["savings_factors_cited"]
    caching, quantising = (
        1 - 1 / cited[key] for key in ("diffusion_caching", "quantisation_fp8_int8")
    )
    smaller = _saved(
        growth(
            "resolution",
            {"height_px": 480, "width_px": 832},
            {"height_px": 720, "width_px": 1280},
        )
    )
    shorter = _saved(growth("frames", {"frames": 60}, {"frames": 81}))
    return Claim(
        text="Reducing output size saves more than architectural changes",
        section="6",
        verdict=verdict(min(smaller, shorter) > caching, smaller > caching),
        number=f"{100 * smaller:.0f}% against {100 * caching:.0f}%",
        evidence=(
            f"Measured: 720p to 480p saves {100 * smaller:.0f}% of the time, 81 to 61 frames "
            f"{100 * shorter:.0f}%. Cited: caching {100 * caching:.0f}% (x"
            f"{cited['diffusion_caching']}), FP8 or INT8 {100 * quantising:.0f}%."
        ),
    )


def _saved(found: Growth) -> float:
    """Share of the larger video's latency that the smaller one saves."""
    return 1 - 1 / found.latency
