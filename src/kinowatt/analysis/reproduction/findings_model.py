"""Findings about the paper's formulas, constants and fit."""

from collections.abc import Callable, Mapping, Sequence

from kinowatt.analysis.reproduction.efficiencies import efficiency_fits, true_flops
from kinowatt.analysis.reproduction.fits import (
    Errors,
    as_published,
    corrected_errors,
    errors,
    heldout_errors,
    measured,
    mu_fit,
    published,
    published_errors,
    steps_line,
)
from kinowatt.analysis.reproduction.formula_tables import SIZE, STEPS, what_runs
from kinowatt.analysis.reproduction.model import Finding
from kinowatt.analysis.reproduction.scaling import frames_doubled, sides_doubled
from kinowatt.analysis.rows import SWEEPS, PaperRow, paper_rows
from kinowatt.facts.gpus import gpu
from kinowatt.theory import paper
from kinowatt.theory.roofline import published_thresholds, thresholds

BY_SWEEP = f"latency error ({' / '.join(SWEEPS)})"


def _by_sweep(value: Callable[[str], Errors]) -> str:
    return " / ".join(f"{value(name).mean_abs_pct:.2f}%" for name in SWEEPS)


def _seconds(rows: Sequence[PaperRow], frames: float) -> list[float]:
    """By the paper's scripts, had the rows asked for that many frames."""
    settings = ((row.height_px, row.width_px, frames, row.steps) for row in rows)
    return [float(paper.latency_s(*setting, as_coded=True)) for setting in settings]


def steps_frames() -> Finding:
    rows = paper_rows("steps")
    stated = errors(_seconds(rows, SIZE[2]), measured(rows, "latency"))
    asked = {row.frames for row in rows}
    return Finding(
        id="steps-frames",
        title="The steps sweep did not run 81 frames",
        quantity="latency error of the steps sweep",
        before=f"{stated.mean_abs_pct:.0f}% if it had run the {SIZE[2]} frames stated",
        after=(
            f"{published_errors('steps', 'latency').mean_abs_pct:.2f}% at the "
            f"{' and '.join(map(str, asked))} frames asked for"
        ),
        explanation="Its script asks for 50 frames; the pipeline makes 49 of them, 13 latent frames.",
    )


def cancelling() -> Finding:
    rows = paper_rows("steps")
    # 48 frames make the paper's 1 + T/4 the 13 latent frames that ran
    true = errors(_seconds(rows, 48), measured(rows, "latency"))
    return Finding(
        id="steps-cancelling",
        title="Two errors cancel in the 1.9% of the steps sweep",
        quantity="latency error of the steps sweep",
        before=f"{published_errors('steps', 'latency').mean_abs_pct:.2f}% with 13.5 latent frames",
        after=(
            f"{true.mean_abs_pct:.2f}% (signed {true.mean_signed_pct:+.2f}%) with the 13 that ran"
        ),
        explanation="Unrounded latent frames inflate the FLOPs that μ was fitted to.",
    )


def overhead() -> Finding:
    coded, scaled = mu_fit()["as_coded"], mu_fit()["scaled"]
    return Finding(
        id="overhead-rank",
        title="'Negligible overhead' is a rank-1 least-squares artefact",
        quantity="fit of μ and overhead",
        before=f"μ {coded['mu']:.4f}, {coded['overhead_s']:.0e} s, R² {coded['r2']:.4f} (rank 1)",
        after=f"μ {scaled['mu']:.4f}, {scaled['overhead_s']:.1f} s, R² {scaled['r2']:.4f} (rank 2)",
        explanation="FLOPs near 1e17 beside a column of ones: lstsq's default cut-off drops the ones.",
    )


def fixed_seconds() -> Finding:
    rows = [row for row in paper_rows("steps", "all") if row.steps == 1]
    predicted, seconds = as_published(rows, "latency")[0], measured(rows, "latency")[0]
    fixed, slope = steps_line()
    return Finding(
        id="fixed-seconds",
        title="Some seconds do not depend on the steps",
        quantity="latency at one step",
        before=f"{predicted:.2f} s by the paper's formula",
        after=f"{seconds:.2f} s measured; the sweep is {fixed:.2f} s + {slope:.3f} s per step",
        explanation="VAE decoder, text encoder and the loop around them.",
    )


def constants() -> Finding:
    real, printed = what_runs().flops, paper.total_flops(*SIZE, STEPS)
    return Finding(
        id="dit-constants",
        title="The DiT constants are a constructor's defaults, not the checkpoint's",
        quantity="FLOPs of the reference video",
        before=f"{printed:.4g} (32 layers of 2048)",
        after=f"{real:.4g} (30 layers of 1536): the paper counts x{printed / real:.2f}",
        explanation="The checkpoint's MLP is 8960 wide, the paper's 8192.",
    )


def utilisation() -> Finding:
    fits = efficiency_fits()
    alone, beside = fits["true"], fits["true_overhead"]
    return Finding(
        id="utilisation",
        title="0.456 is not a utilisation",
        quantity="share of the dense BF16 peak",
        before=f"{paper.EFFICIENCY} of FLOPs that did not all run",
        after=(
            f"{alone.shares['all']:.3f} of those that ran, or {beside.shares['all']:.3f} beside "
            f"{beside.overhead_s:.1f} s per video"
        ),
        explanation="At or below the low end of the 30 to 63% that it is called consistent with.",
    )


def latent_frames() -> Finding:
    asked = (50, 81)
    assumed = [paper.token_length(16, 16, frames) for frames in asked]
    ran = [what_runs(frames=frames).plan.effective.latent_frames for frames in asked]
    more = [100 * (a / r - 1) for a, r in zip(assumed, ran, strict=True)]
    return Finding(
        id="latent-frames",
        title="Latent frames are whole numbers",
        quantity="latent frames of 50 and of 81 frames",
        before=" and ".join(f"{value:g}" for value in assumed),
        after=(
            f"{' and '.join(map(str, ran))}: the paper counts "
            f"{' and '.join(f'{value:.1f}%' for value in more)} too many tokens"
        ),
        explanation="1 + T/4 is not rounded; the pipeline runs T // 4 + 1.",
    )


def vae_stage() -> Finding:
    parts = paper.flops(*SIZE, STEPS, as_coded=True)
    printed = parts["vae_convolution"] + parts["vae_attention"]
    vae = [op for op in what_runs().operators if op.stage == "vae_decoder"]
    real = sum(op.flops for op in vae)
    left_out = sum(op.flops for op in vae if op.dims.get("cin") == op.dims.get("cout") == 96)
    return Finding(
        id="vae-last-stage",
        title="The VAE decoder lacks its last stage",
        quantity="FLOPs of the decoder",
        before=f"{printed:.3g}",
        after=f"{real:.3g}, of which {left_out:.3g} ({100 * left_out / real:.0f}%) were left out",
        explanation="Three residual blocks of 96 channels at full size.",
    )


def vae_efficiency() -> Finding:
    fits = efficiency_fits()
    shares = [fits[name].shares["vae"] for name in ("true_by_kind", "true_by_kind_overhead")]
    flops = true_flops(paper_rows("steps")[:1])["vae"][0]
    seconds = sorted(flops / share / paper.PEAK_FLOPS for share in shares)
    assumed = flops / paper.EFFICIENCY / paper.PEAK_FLOPS
    return Finding(
        id="vae-efficiency",
        title="The VAE runs in float32, far from the BF16 peak",
        quantity="seconds of the decoder at 720p, 49 frames",
        before=f"{assumed:.1f} s at {paper.EFFICIENCY} of the BF16 peak",
        after=(
            f"{seconds[0]:.1f} to {seconds[1]:.1f} s: {min(shares):.2f} to {max(shares):.2f} of it"
        ),
        explanation="Most of what the fit called negligible overhead.",
    )


def efficiencies() -> Finding:
    one, three = efficiency_fits()["true"], efficiency_fits()["true_by_kind"]
    shares = ", ".join(f"{kind} {share:.2f}" for kind, share in three.shares.items())
    return Finding(
        id="efficiencies",
        title="Attention and linear layers do not share one efficiency",
        quantity=BY_SWEEP,
        before=f"{_by_sweep(one.errors.__getitem__)} with one share of the peak on true FLOPs",
        after=f"{_by_sweep(three.errors.__getitem__)} with three ({shares})",
        explanation="RoPE, norms and other memory-bound work count as slow linear layers here.",
    )


def corrected_model() -> Finding:
    return Finding(
        id="corrected-model",
        title="With the operators that ran, bytes included, the errors come near the floor",
        quantity=BY_SWEEP,
        before=_by_sweep(lambda name: published_errors(name, "latency")),
        after=_by_sweep(lambda name: corrected_errors(name, "latency")),
        explanation="Corrected: real operators, memory-bound work included, five fitted constants.",
    )


def held_out() -> Finding:
    return Finding(
        id="held-out",
        title="Errors on the rows of the fit are not errors of prediction",
        quantity=f"corrected {BY_SWEEP}",
        before="in sample " + _by_sweep(lambda name: corrected_errors(name, "latency")),
        after="held out " + _by_sweep(lambda name: heldout_errors(name, "latency")),
        explanation="Each sweep predicted by a fit on the other two.",
    )


def all_steps() -> Finding:
    kept = published_errors("steps", "latency")
    every = published_errors("steps", "latency", "with_latency")
    return Finding(
        id="all-steps",
        title="The steps error uses every fourth row",
        quantity="latency error of the steps sweep",
        before=f"{kept.mean_abs_pct:.2f}% on {kept.n} rows",
        after=f"{every.mean_abs_pct:.2f}% on all {every.n}, worst {every.max_abs_pct:.0f}%",
        explanation="At one step half of the time is not in the model.",
    )


def absolute() -> Finding:
    found = [published_errors(name, "latency") for name in SWEEPS]
    return Finding(
        id="absolute-error",
        title="The 'mean percentage error' is a mean of absolute errors",
        quantity=BY_SWEEP,
        before=" / ".join(f"{item.mean_abs_pct:.2f}%" for item in found) + " called MPE",
        after=" / ".join(f"{item.mean_signed_pct:+.2f}%" for item in found) + " signed",
        explanation="Every point of the frames sweep is predicted too low.",
    )


def peak() -> Finding:
    printed = published()["table5_constants"]["theta_peak_flops_as_printed"]
    flops = paper.total_flops(*SIZE, STEPS)
    return Finding(
        id="peak-exponent",
        title="Table 5 prints the peak a thousand times too high",
        quantity="latency of the reference video by Table 5",
        before=f"{flops / paper.EFFICIENCY / printed:.2f} s with {printed:.3g} FLOP/s",
        after=f"{paper.latency_s(*SIZE, STEPS):.0f} s with {paper.PEAK_FLOPS:.3g} FLOP/s",
        explanation="989e12 in text and scripts; it is the dense BF16 peak.",
    )


def text_encoder() -> Finding:
    rows = paper_rows("resolution")
    stated = errors(as_published(rows, "latency", as_coded=False), measured(rows, "latency"))
    true = sum(op.flops for op in what_runs().operators if op.stage == "text_encoder")
    coded, printed = (paper.text_encoder_flops(as_coded=coded) for coded in (True, False))
    return Finding(
        id="text-encoder",
        title="The scripts' text encoder and decoder are not those of Tables 5 and 6",
        quantity="latency error of the resolution sweep",
        before=f"{stated.mean_abs_pct:.2f}% with Tables 5 and 6",
        after=(
            f"{published_errors('resolution', 'latency').mean_abs_pct:.2f}% with the scripts': "
            "what Table 3 prints"
        ),
        explanation=(
            f"Text encoder: {coded:.2g} FLOPs in the scripts, {printed:.2g} by Table 5, {true:.2g} "
            "in UMT5-XXL, whose feed-forward is gated."
        ),
    )


def timestep() -> Finding:
    printed, coded = (
        paper.flops(*SIZE, STEPS, as_coded=coded)["timestep"] for coded in (False, True)
    )
    twice = printed * STEPS * paper.GUIDANCE_PASSES  # section 3.4 multiplies A.7's F_τ by gS again
    true = sum(op.flops for op in what_runs().operators if op.part == "timestep")
    return Finding(
        id="timestep",
        title="The timestep MLP is counted in three ways",
        quantity="FLOPs of the timestep MLP",
        before=f"{printed:.2g} (Table 1), {twice:.2g} (3.4 with A.7), {coded:.2g} (scripts)",
        after=f"{true:.2g}",
        explanation="Negligible in all of them.",
    )


def doubling() -> Finding:
    frames, sides = frames_doubled(), sides_doubled()
    claimed = published()["headline"]["doubling_claims"]
    return Finding(
        id="doubling",
        title="Doubling costs less than a quadratic",
        quantity="latency with twice the frames, and with twice height and width",
        before=f"x{claimed['one_dimension']} and x{claimed['H_and_W']}",
        after=(
            f"x{frames.latency:.2f} and x{sides.latency:.1f}: exponents "
            f"{frames.exponent:.2f} and {sides.exponent:.2f} in tokens"
        ),
        explanation="The regime is mixed: attention is quadratic in tokens, the rest linear.",
    )


def attention_bytes() -> Finding:
    now = thresholds(gpu("h100-sxm"))
    return Finding(
        id="attention-bytes",
        title="Attention reads Q, K and V and writes O: 4lds bytes, not 2lds",
        quantity="tokens above which attention is compute-bound, H100",
        before=f"{now.attention_published:.0f}",
        after=f"{now.attention_corrected:.0f}",
        explanation="Far below the shortest sequence that ran, so the conclusion stands.",
    )


def mlp_intensity() -> Finding:
    again, now = published_thresholds(gpu("h100-sxm")), thresholds(gpu("h100-sxm"))
    if again is None or again.mlp_from_published_intensity is None or now.mlp_corrected is None:
        raise ValueError("Table 7 has the H100 and its MLP has a threshold")
    return Finding(
        id="mlp-intensity",
        title="The MLP's threshold does not follow from its own intensity",
        quantity="tokens above which the MLP is compute-bound, H100",
        before=f"{again.mlp_published:.0f}",
        after=(
            f"{again.mlp_from_published_intensity:.0f} from the printed intensity, "
            f"{now.mlp_corrected:.0f} with 4fld² FLOPs and both weight matrices"
        ),
        explanation="Appendix B has fld² FLOPs where A.4 has 4fld².",
    )


def l4_balance() -> Finding:
    row = gpu("l4").published
    if row is None:
        raise ValueError("Table 7 has the L4")
    return Finding(
        id="l4-balance",
        title="The L4's balance is not its peak over its bandwidth",
        quantity="FLOP per byte",
        before=f"{row.beta:.0f}",
        after=f"{row.peak_flops / row.bandwidth_bytes_per_s:.0f}",
        explanation="Table 7 prints 121 TFLOP/s and 0.3 TB/s beside it.",
    )


def several_mu() -> Finding:
    said: Mapping[str, object] = published()["headline"]
    return Finding(
        id="several-mu",
        title="The paper states more than one efficiency",
        quantity="μ",
        before=f"{said['mu']} (3.4), {said['mu_appendix_B_text']} (appendix B)",
        after=f"{mu_fit()['as_coded']['mu']:.4f} by its fit redone",
        explanation="And none of them is a share of FLOPs that ran.",
    )
