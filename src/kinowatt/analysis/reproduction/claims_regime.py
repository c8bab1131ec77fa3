"""Claims about what limits the GPU: arithmetic, saturation, utilisation, power."""

from kinowatt.analysis.predict import predict
from kinowatt.analysis.reproduction.efficiencies import best_power_w, efficiency_fits
from kinowatt.analysis.reproduction.fits import published, published_errors
from kinowatt.analysis.reproduction.model import Claim, verdict
from kinowatt.analysis.reproduction.scaling import tokens_run
from kinowatt.analysis.reproduction.sweeps import mlp_shares
from kinowatt.analysis.rows import WAN, cross_model_rows, paper_rows
from kinowatt.facts.gpus import gpu, gpus
from kinowatt.facts.models import model
from kinowatt.theory.paper import EFFICIENCY, POWER_W
from kinowatt.theory.roofline import thresholds

OPERATING_TOKENS = 1e4  # "ℓ is typically in the 10⁴ to 10⁵ range"


def compute_bound() -> Claim:
    said, now = published()["headline"], thresholds(gpu("h100-sxm"))
    attention, mlp = now.attention_corrected, now.mlp_corrected or float("inf")
    printed = (said["threshold_tokens_attn"], said["threshold_tokens_mlp"])
    same = all(abs(a / b - 1) < 0.1 for a, b in zip((attention, mlp), printed, strict=True))
    smallest = min(tokens_run(row) for row in paper_rows(selection="with_latency"))
    found = predict(WAN, preset="paper", height_px=256, width_px=256, frames=81)
    memory = sum(row["latency_s"] for row in found.operators.values() if row["bound"] == "memory")
    return Claim(
        text=f"Attention and MLP are compute-bound above {printed[0]} and {printed[1]} tokens",
        section="3.4, B",
        verdict=verdict(same, smallest > max(attention, mlp)),
        number=f"{attention:.0f} and {mlp:.0f} tokens",
        evidence=(
            f"On an H100, corrected: {attention:.0f} (attention) and {mlp:.0f} (MLP); the smallest "
            f"run has {smallest:.0f} tokens, so the conclusion stands for these two. Other "
            f"operators are memory-bound at any size: {100 * memory / found.latency_s:.0f}% of the "
            "time at 256x256x81."
        ),
    )


def other_accelerators() -> Claim:
    listed = [spec for spec in gpus().values() if spec.published]
    now = {spec.label: thresholds(spec) for spec in listed}
    highest = max(now, key=lambda label: now[label].attention_corrected)
    worst = now[highest].attention_corrected
    same = all(
        spec.published and abs(now[spec.label].beta / spec.published.beta - 1) < 0.1
        for spec in listed
    )
    smallest = min(tokens_run(row) for row in paper_rows(selection="with_latency"))
    return Claim(
        text="The same holds on all accelerators of Table 7",
        section="B",
        verdict=verdict(same, worst < smallest),
        number=f"at most {worst:.0f} tokens",
        evidence=(
            f"With dense datasheet peaks and all bytes counted the highest threshold is {worst:.0f} "
            f"tokens ({highest}), below every run ({smallest:.0f} and more, not all of them "
            f"{OPERATING_TOKENS:,.0f}). Two printed peaks look sparse or FP16-accumulate, one β is "
            "a slip; none of it was measured on those devices."
        ),
    )


def saturated() -> Claim:
    powers = [row.power_w for row in paper_rows() if row.power_w]
    low, high = min(powers), max(powers)
    offloaded = [
        row.power_w
        for row in cross_model_rows()
        if model(row.model).presets["paper"].offload != "none"
    ]
    return Claim(
        text="The GPU is saturated, CPU-induced idle time is negligible",
        section="3.1",
        verdict=verdict(low > 0.95 * POWER_W, low > 0.8 * POWER_W),
        number=f"{low:.0f} to {high:.0f} W",
        evidence=(
            f"Mean GPU power of the sweeps is {low:.0f} to {high:.0f} W of {POWER_W:.0f}; Mochi and "
            f"CogVideoX, with CPU offload, drew {min(offloaded):.0f} to {max(offloaded):.0f} W."
        ),
    )


def utilisation() -> Claim:
    fits = efficiency_fits()
    alone, beside = (fits[name].shares["all"] for name in ("true", "true_overhead"))
    low, high = (bound / 100 for bound in published()["headline"]["mfu_range_literature_pct"])
    return Claim(
        text="μ = 0.456, inside the 30 to 63% reported for transformer inference",
        section="3.4",
        verdict=verdict(abs(alone / EFFICIENCY - 1) < 0.1, low <= beside <= high),
        number=f"{alone:.3f} to {beside:.3f} of the peak",
        evidence=(
            f"Fitted on the FLOPs that ran, one share of the dense BF16 peak is {alone:.3f}, or "
            f"{beside:.3f} beside {fits['true_overhead'].overhead_s:.1f} s per video: at the low "
            "end of that range or below it."
        ),
    )


def mlp_at_short() -> Claim:
    """Along sequences shorter than those measured: 256x256 from 1 to 81 frames."""
    shares = mlp_shares()
    largest = max(shares, key=lambda row: row.of_flops)
    shortest = shares[0]
    leads = [row.tokens for row in shares if row.leads]
    return Claim(
        text="At very short lengths the MLP dominates latency and energy",
        section="3.4",
        verdict=verdict(shortest.of_latency > 0.5, largest.of_flops > 0.5),
        number=f"{100 * largest.of_flops:.0f}% of FLOPs at {largest.tokens:.0f} tokens",
        evidence=(
            f"The MLP has most FLOPs of all parts from {min(leads):.0f} to {max(leads):.0f} tokens, "
            f"but never most of the time: {100 * largest.of_latency:.0f}% at "
            f"{largest.tokens:.0f} tokens, where norms, RoPE and the host weigh more."
        ),
    )


def constant_power() -> Claim:
    frames = published_errors("frames", "latency").mean_signed_pct
    energy = published_errors("frames", "energy").mean_signed_pct
    powers = [row.power_w for row in paper_rows() if row.power_w]
    low, high = min(powers), max(powers)
    return Claim(
        text="Energy is power limit times duration",
        section="3.5",
        verdict=verdict(low > 0.97 * POWER_W, low > 0.8 * POWER_W),
        number=f"{low:.0f} to {high:.0f} W, not {POWER_W:.0f}",
        evidence=(
            f"{POWER_W:.0f} W is too high ({best_power_w(paper_rows()):.0f} W fits best) and the "
            f"predicted time too low, so errors cancel: frames sweep {frames:.1f}% in latency but "
            f"{energy:.1f}% in energy."
        ),
    )
