"""Claims of the cross-model comparison."""

from statistics import fmean

from kinowatt.analysis.predict import predict
from kinowatt.analysis.prediction import Prediction
from kinowatt.analysis.reproduction.findings_data import ANIMATEDIFF, LTX, WAN_14B, ran
from kinowatt.analysis.reproduction.fits import published
from kinowatt.analysis.reproduction.model import Claim, verdict
from kinowatt.analysis.rows import WAN, cross_model_rows
from kinowatt.facts.models import model
from kinowatt.facts.tables import tasks

CASCADED = ("cogvideox-2b", "cogvideox-5b", LTX)  # by the paper's sections 4.3 and 5.2


def gpu_share() -> Claim:
    shares = {row.model: row.gpu_share for row in cross_model_rows()}
    lowest = min(shares, key=lambda name: shares[name])
    low, high = shares[lowest], max(shares.values())
    return Claim(
        text="The GPU takes at least 80% of the energy",
        section="5.2",
        verdict=verdict(low >= 0.8, low >= 0.75),
        number=f"{100 * low:.1f} to {100 * high:.1f}%",
        evidence=(
            f"Of GPU, CPU and RAM, lowest for {lowest}; but CPU and RAM energies are CodeCarbon's, "
            "RAM's a constant 38.0 W."
        ),
    )


def multi_stage() -> Claim:
    rest = {row.model: 1 - row.gpu_share for row in cross_model_rows()}
    cascaded = fmean(rest[name] for name in CASCADED)
    others = [name for name in rest if name not in CASCADED]
    single = fmean(rest[name] for name in others)
    longer = fmean(rest[name] for name in others if name != ANIMATEDIFF)
    highest = max(rest, key=lambda name: rest[name])
    return Claim(
        text="CPU and RAM weigh more in cascaded or multi-stage pipelines",
        section="5.2",
        verdict=verdict(min(rest[name] for name in CASCADED) > single, cascaded > single),
        number=f"{100 * cascaded:.1f}% against {100 * single:.1f}%",
        evidence=(
            f"Share of CPU and RAM in what the paper calls cascaded, and in the others; the highest "
            f"is {highest} with {100 * rest[highest]:.1f}%, where the tracker's window is too long "
            f"({100 * longer:.1f}% without it). Only LTX-Video ({100 * rest[LTX]:.1f}%) runs "
            "several stages: CogVideoX is one loop."
        ),
    )


def orders_of_magnitude() -> Claim:
    claimed = published()["headline"]["ratio"]
    small, large = (sum(ran(name).energy_wh.values()) for name in (ANIMATEDIFF, WAN_14B))
    ratio = large / small
    brief, long = (predict(name, preset="paper") for name in (ANIMATEDIFF, WAN_14B))
    per_second = ratio * brief.workload["video_s"] / long.workload["video_s"]
    return Claim(
        text="AnimateDiff and WAN-14B differ by nearly 3000 times",
        section="5.2",
        verdict=verdict(abs(ratio / claimed - 1) < 0.05, abs(ratio / claimed - 1) < 0.3),
        number=f"x{ratio:.0f}",
        evidence=(
            f"GPU + CPU + RAM: {large:.1f} against {small:.3f} Wh per video; per second of video x"
            f"{per_second:.0f}."
        ),
    )


def reasons() -> Claim:
    """Each of the paper's four as a factor between the two models; one that is not above 1 fails."""
    small, large = predict(ANIMATEDIFF, preset="paper"), predict(WAN_14B, preset="paper")
    now, then = large.workload, small.workload
    work = large.flops["total"] / small.flops["total"]
    forwards = _forwards(large) / _forwards(small)
    positions = now["effective"]["tokens"] / then["effective"]["tokens"]
    factors = {
        "model size": _parameters(WAN_14B) / _parameters(ANIMATEDIFF),
        "steps": now["steps"] / then["steps"],
        "video length": now["video_s"] / then["video_s"],
        "stages": _stages(WAN_14B) / _stages(ANIMATEDIFF),
    }
    right = sum(value > 1 for value in factors.values())
    words = ", ".join(f"{name} x{value:.1f}" for name, value in factors.items())
    return Claim(
        text="The reasons are model size, steps, video length and cascades",
        section="5.2",
        verdict=verdict(right == len(factors), right >= len(factors) / 2),
        number=f"{right} of {len(factors)}",
        evidence=(
            f"{words}: neither is a cascade, and WAN runs {now['steps']} steps, not 60. FLOPs "
            f"differ x{work:.0f}: x{forwards:.0f} forwards (steps and guidance), x{positions:.1f} "
            f"latent positions, x{work / forwards / positions:.0f} work per position."
        ),
    )


def _forwards(found: Prediction) -> float:
    """Sequences through the denoiser: guidance runs two a step, in turn or as one batch."""
    effective = found.workload["effective"]
    return float(effective["forward_passes"] * effective["sequences_per_pass"])


def _parameters(name: str) -> float:
    return float(model(name).component("denoiser").parameters)


def _stages(name: str) -> int:
    """Denoising loops of the recipe that ran."""
    spec = model(name)
    recipe = spec.recipe(None, spec.preset("paper"))
    return sum(item.stage == "denoiser" for item in recipe.passes)


def other_tasks() -> Claim:
    printed = published()["headline"]["comparison_factors"]
    energy = ran(WAN).energy_wh
    total = sum(energy.values())
    names = {"image": "image-generation", "text_generation": "text-generation"}
    names["text_classification"] = "text-classification"
    ratios = {key: total / tasks()[name].wh for key, name in names.items()}
    worst = max(abs(ratios[key] / printed[key] - 1) for key in printed)
    return Claim(
        text="A video costs 30 images, 2,000 texts, 45,000 classifications",
        section="6",
        verdict=verdict(worst < 0.1, worst < 0.3),
        number=" / ".join(f"{value:,.0f}" for value in ratios.values()),
        evidence=(
            f"{total:.1f} Wh is GPU + CPU + RAM at 720p (GPU alone {energy['gpu']:.1f}) on an H100; "
            "the others were measured on A100s."
        ),
    )
