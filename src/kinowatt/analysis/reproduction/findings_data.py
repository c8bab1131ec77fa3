"""Findings about the paper's measurements: protocol, settings, power, energy."""

from collections.abc import Iterable, Sequence
from statistics import fmean, median

from kinowatt.analysis.predict import predict
from kinowatt.analysis.reproduction.efficiencies import best_power_w
from kinowatt.analysis.reproduction.fits import published
from kinowatt.analysis.reproduction.model import Finding
from kinowatt.analysis.reproduction.scaling import point
from kinowatt.analysis.rows import SWEEPS, WAN, ModelRow, cross_model_rows, paper_rows, spread_pct
from kinowatt.facts.models import model
from kinowatt.facts.tables import tasks
from kinowatt.theory.paper import POWER_W
from kinowatt.units import wh_to_joules

LTX, MOCHI = "ltx-video-0.9.7-dev", "mochi-1-preview"
ANIMATEDIFF, WAN_14B = "animatediff-lightning", "wan2.1-t2v-14b"
WELL_READ = 0.02  # relative half width of a reading off a plot that still says something


def ran(name: str) -> ModelRow:
    """A model's means in the cross-model benchmark."""
    return next(row for row in cross_model_rows() if row.model == name)


def _span(values: Iterable[float]) -> str:
    found = sorted(values)
    return f"{found[0]:.0f}-{found[-1]:.0f}"


def staircase() -> Finding:
    plateaus: dict[int, list[float]] = {}
    for row in paper_rows("frames", "all"):
        plateaus.setdefault(row.frames // 4, []).append(row.gpu_energy_wh)
    read = {k: v for k, v in plateaus.items() if 4 <= k < 25}  # below 16 frames plots read badly
    inside = median(100 * (max(v) - min(v)) / fmean(v) for v in read.values())
    steps = median(100 * (fmean(plateaus[k]) / fmean(plateaus[k - 1]) - 1) for k in read)
    return Finding(
        id="staircase",
        title="Frames come in steps of four",
        quantity="distinct frame counts",
        before=f"{sum(map(len, plateaus.values()))} points on a smooth curve",
        after=(
            f"{len(plateaus)} plateaus: energy varies {inside:.2f}% inside one and rises "
            f"{steps:.1f}% to the next (medians from 16 frames on)"
        ),
        explanation="The pipeline runs frames // 4 * 4 + 1; a multiple of four is rounded up.",
    )


def ltx_latency() -> Finding:
    row = ran(LTX)
    watts = wh_to_joules(row.energy_wh["gpu"]) / row.latency_table4_s
    return Finding(
        id="ltx-latency",
        title="LTX-Video's latency is its first stage, its energy all three",
        quantity="latency and power",
        before=f"{row.latency_table4_s:.2f} s, {watts:.0f} W on a {POWER_W:.0f} W GPU",
        after=f"{row.latency_s:.2f} s, {row.power_w:.0f} W",
        explanation="It generates, upsamples and refines; the printed latency is of generating.",
    )


def ltx_workload() -> Finding:
    printed = next(r for r in published()["table2_default_settings"] if r["model"] == "LTX-Video")
    names = {"height": "height_px", "width": "width_px", "frames": "frames", "steps": "steps"}
    asked = {names[key]: value for key, value in printed.items() if key in names}
    stated = predict(LTX, recipe="single", **asked).flops["total"]
    found, listed = predict(LTX, preset="paper"), ran(LTX).listed
    steps = int(listed["ltx_denoise_steps"] * listed["ltx_denoise_strength"])
    return Finding(
        id="ltx-workload",
        title="LTX-Video did not run the settings of Table 2",
        quantity="FLOPs of the video",
        before=f"{stated:.3g} for {printed['height']}x{printed['width']}, {printed['steps']} steps",
        after=(
            f"{found.flops['total']:.3g} for {listed['ltx_generate_steps']:.0f} steps at "
            f"{listed['ltx_downscaled_height']:.0f}x{listed['ltx_downscaled_width']:.0f} and "
            f"{steps} at {listed['ltx_stage3_height']:.0f}x{listed['ltx_stage3_width']:.0f}"
        ),
        explanation="A strength of 0.4 keeps 4 of 10 steps; frames are resized at the end.",
    )


def wan_listed() -> Finding:
    row = ran(WAN)
    at_480p = point("resolution", height_px=480, width_px=832)
    asked = predict(WAN, preset="paper").workload
    listed = (
        f"{row.listed['height']:.0f}x{row.listed['width']:.0f}, {row.listed['steps']:.0f} steps"
    )
    return Finding(
        id="wan-listed",
        title="The data file lists settings that WAN did not run",
        quantity="size and steps of both WAN models",
        before=listed,
        after=f"{asked['height_px']}x{asked['width_px']}, {asked['steps']} steps",
        explanation=(
            f"WAN-1.3B took {row.latency_s:.0f} s, as in the sweeps at 720p; 480x832 took "
            f"{at_480p.seconds:.0f} s in the resolution sweep."
        ),
    )


def protocol() -> Finding:
    listed = ran(WAN).listed
    found = {name: paper_rows(name)[0] for name in SWEEPS}
    return Finding(
        id="protocol",
        title="The sweeps were not warmed up and repeated as stated",
        quantity=f"warm-ups + runs ({' / '.join(SWEEPS)})",
        before=f"{listed['warmup']:.0f} + {listed['runs']:.0f}, as in the cross-model benchmark",
        after=" / ".join(f"{row.warmup} + {row.runs}" for row in found.values()),
        explanation="The scripts say so; all runs are timed together, no single one is known.",
    )


def error_bars() -> Finding:
    row = ran(WAN)
    return Finding(
        id="error-bars",
        title="Table 4's deviations are across prompts, not runs",
        quantity="n of a standard deviation, WAN-1.3B",
        before=f"{row.listed['runs']:.0f} runs of 50 prompts",
        after=f"{row.prompts} means of prompts: {row.latency_std_s:.2f} s of {row.latency_s:.0f} s",
        explanation="The error bars of Figures 2 to 4 cannot exist: no spread was recorded.",
    )


def prompts() -> Finding:
    counts = sorted(row.prompts for row in cross_model_rows())
    return Finding(
        id="prompts",
        title="Fewer prompts than stated, and seven models",
        quantity="prompts per model; models",
        before="50; six in the abstract",
        after=f"{counts[-1]}, WAN-14B {counts[0]}, {sum(counts)} rows; {len(counts)}",
        explanation="The list of prompts has 49.",
    )


def resolution_range() -> Finding:
    rows = sorted(paper_rows("resolution"), key=lambda row: row.height_px * row.width_px)
    low, high = rows[0], rows[-1]
    return Finding(
        id="resolution-range",
        title="The largest resolutions did not run",
        quantity="resolution sweep",
        before=str(published()["headline"]["claimed_ranges"]["resolution"]),
        after=(
            f"{low.width_px}x{low.height_px} to {high.width_px}x{high.height_px}, {len(rows)} sizes"
        ),
        explanation="The pipeline needs multiples of 16, which most of the listed sizes are not.",
    )


def frames_range() -> Finding:
    rows = paper_rows("frames", "all")
    return Finding(
        id="frames-range",
        title="Every frame count was measured, and multiples of four are not the constraint",
        quantity="frames sweep",
        before=str(published()["headline"]["claimed_ranges"]["frames"]),
        after=(
            f"{rows[0].frames} to {rows[-1].frames}, {len(rows)} points; 4k + 1 run, so that "
            f"{len(paper_rows('frames'))} are plotted a frame short"
        ),
        explanation="A multiple of four makes one frame more than was asked for.",
    )


def mochi_frames() -> Finding:
    asked = next(
        r for r in published()["table2_default_settings"] if model(r["model"]).name == MOCHI
    )
    made = predict(MOCHI, preset="paper").workload["effective"]["frames"]
    return Finding(
        id="mochi-frames",
        title="Mochi makes fewer frames than asked for",
        quantity="frames of Mochi's video",
        before=f"{asked['frames']}",
        after=f"{made}",
        explanation="It decodes 6(f - 1) + 1 frames of f latent ones.",
    )


def power() -> Finding:
    spans = [_span(r.power_w for r in paper_rows(name) if r.power_w) for name in SWEEPS]
    return Finding(
        id="power",
        title="Power is not 700 W",
        quantity=f"mean GPU power ({' / '.join(SWEEPS)})",
        before=f"{POWER_W:.0f} W",
        after=f"{' / '.join(spans)} W; one constant fits best at {best_power_w(paper_rows()):.0f} W",
        explanation="Time is predicted too low and power too high, so energy errors look smaller.",
    )


def power_states() -> Finding:
    rows = paper_rows("frames")

    def watts(wanted: Iterable[int]) -> str:
        return _span(row.power_w for row in rows if row.power_w and row.frames in wanted)

    high, low = range(32, 45), range(48, 61)
    rest = set(range(4, 101)) - set(high) - set(low)
    return Finding(
        id="power-states",
        title="The frames sweep ran in three states of the device",
        quantity="mean GPU power at 32-44, 48-60 and other frames",
        before="one state",
        after=f"{watts(high)}, {watts(low)} and {watts(rest)} W",
        explanation="The low state also takes longer per FLOP; no smooth model follows it.",
    )


def floor() -> Finding:
    seconds = _repeats()
    return Finding(
        id="floor",
        title="The floor: three runs of one setting differ",
        quantity="latency at 720x1280x81x50",
        before="one value",
        after=f"{', '.join(f'{s:.1f}' for s in seconds)} s: ±{spread_pct(seconds):.1f}%",
        explanation="No single constant can be more accurate than this across sweeps.",
    )


def _repeats() -> list[float]:
    swept = (point("resolution", height_px=720, width_px=1280), point("frames", frames=81))
    return [row.seconds for row in swept] + [ran(WAN).latency_s]


def floor_pct() -> float:
    """Half the spread of the paper's own repeats of one setting, percent."""
    return spread_pct(_repeats())


def second_repeat() -> Finding:
    steps = point("steps", steps=50).gpu_energy_wh
    frames = next(r for r in paper_rows("frames", "all") if r.frames == 50).gpu_energy_wh
    return Finding(
        id="second-repeat",
        title="So do two runs of a shorter video",
        quantity="GPU energy at 720x1280x50x50, steps and frames sweep",
        before="one value",
        after=f"{steps:.2f} and {frames:.2f} Wh: ±{spread_pct([steps, frames]):.1f}%",
        explanation="The frames sweep was in its low power state.",
    )


def ram() -> Finding:
    rows = {row.model: row for row in cross_model_rows()}
    watts = {name: wh_to_joules(r.energy_wh["ram"]) / r.latency_s for name, r in rows.items()}
    constant = min(watts.values())
    small = rows[ANIMATEDIFF]
    late = wh_to_joules(small.energy_wh["ram"]) / constant - small.latency_s
    return Finding(
        id="ram",
        title="RAM energy is a constant times the tracker's window",
        quantity="power of the RAM",
        before="measured, by Table 4",
        after=f"{constant:.1f} W in every model; the window is {late:.2f} s longer than the video",
        explanation=(
            f"For AnimateDiff that is {100 * late / small.latency_s:.0f}% of its "
            f"{small.latency_s:.2f} s: energies of short runs are too high."
        ),
    )


def cpu() -> Finding:
    cpu_w = {
        row.frames: wh_to_joules(row.cpu_energy_wh) / row.seconds
        for row in paper_rows("frames")
        if row.cpu_energy_wh
    }
    every = {row.frames: row for row in paper_rows("frames", "all")}
    pair = [every[frames].cpu_energy_wh or 0.0 for frames in (59, 60)]
    return Finding(
        id="cpu",
        title="CPU energy does not follow the work",
        quantity="CPU energy at 59 and at 60 frames",
        before="the same, by 1.7% more frames",
        after=f"{pair[0]:.2f} and {pair[1]:.2f} Wh; {_span(cpu_w.values())} W along the sweep",
        explanation="A figure of CodeCarbon; nothing is judged by it here.",
    )


def scope() -> Finding:
    energy = ran(WAN).energy_wh
    total, gpu_wh = sum(energy.values()), energy["gpu"]
    names = ("image-generation", "text-generation", "text-classification")

    def ratios(wh: float) -> str:
        return " / ".join(f"{wh / tasks()[name].wh:,.0f}" for name in names)

    return Finding(
        id="scope",
        title="90 Wh for a video is GPU, CPU and RAM",
        quantity="energy of WAN-1.3B, and images, texts, classifications for it",
        before=f"{total:.1f} Wh; {ratios(total)}",
        after=f"{gpu_wh:.1f} Wh of the GPU alone; {ratios(gpu_wh)}",
        explanation="Tables 3 and 4 and the scaling figures are of the GPU.",
    )


def cpu_of_14b() -> Finding:
    printed = next(
        r for r in published()["table4_cross_model"] if model(r["model"]).name == WAN_14B
    )
    return Finding(
        id="cpu-14b",
        title="One value of Table 4 is not the data's",
        quantity="CPU energy of WAN-14B",
        before=f"{printed['cpu_wh']} Wh",
        after=f"{ran(WAN_14B).energy_wh['cpu']:.2f} Wh",
        explanation="All other energies equal the print.",
    )


def steps_of_others() -> Finding:
    others: Sequence[int] = [
        row["steps"]
        for row in published()["table2_default_settings"]
        if model(row["model"]).name != ANIMATEDIFF
    ]
    return Finding(
        id="steps-of-others",
        title="The other models do not run 60 to 64 steps",
        quantity="steps of the models beside AnimateDiff",
        before="60-64 (5.2)",
        after=f"{_span(others)} (Table 2)",
        explanation="60 is what the data file lists for WAN, which ran 50.",
    )
