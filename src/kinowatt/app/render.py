"""What people read: Rich tables and bars. No arithmetic beyond shares and per-second figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kinowatt.analysis.compare import Factor, Lever, ScalingPoint
from kinowatt.analysis.prediction import Prediction
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.facts.models import model as find_model
from kinowatt.facts.profiles import GpuProfile
from kinowatt.facts.profiles import profile as find_profile
from kinowatt.facts.tables import tasks
from kinowatt.units import (
    GIB,
    TERA,
    format_bytes,
    format_flops,
    format_number,
    format_percent,
    format_seconds,
    format_wh,
)

BAR = 28
STAGE_NAMES = {
    "text_encoder": "text encoder",
    "denoiser": "denoiser",
    "latent_upsampler": "latent upsampler",
    "vae_decoder": "VAE decoder",
    "other": "host, post-processing",
}


PIPE_WIDTH = 110  # of a table that goes to a file or another program
ONLY_JSON = frozenset({"source", "data", "hub_id", "label", "licence", "suspect", "dtype"})
WORDS = frozenset({"what it is", "lever", "change", "basis", "stack", "label", "default", "data"})
WORDS |= {"what", "left_out", "figure", "wanted", "quantity", "setting", "way", "fitted\non"}


def console() -> Console:
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


def grid(title: str, *headers: str) -> Table:
    """A table whose figures stay on one line; only columns of words fold."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for index, header in enumerate(headers):
        left = index == 0 or header in WORDS
        table.add_column(
            header,
            justify="left" if left else "right",
            overflow="fold",
            no_wrap=header not in WORDS,
        )
    return table


def prediction(found: Prediction) -> None:
    """Headline, what really runs, where the time goes, and what to know about the figures."""
    out = console()
    spec = find_model(found.model)
    out.print(f"[bold]{spec.label}[/] on [bold]{found.gpu}[/]  ({found.profile}, predicted)")
    out.print(_what_runs(found))
    out.print(_headline(found))
    out.print(_stage_table(found))
    out.print(Text(_equivalent(found), style="italic"))
    if found.co2e_g is not None:
        intensity = found.options["intensity_g_per_kwh"]
        scope = found.options["co2e_scope"]
        out.print(Text(f"CO2e: {scope}, at {intensity:g} g per kWh.", style="dim"))
    out.print(Text(f"Not included: {spec.not_included}.", style="dim"))
    for warning in found.warnings:
        out.print(Text(f"! {warning['message']}", style="yellow"))


def _what_runs(found: Prediction) -> str:
    asked, ran = found.workload, found.workload["effective"]
    line = (
        f"Runs {ran['height_px']}x{ran['width_px']}, {ran['frames']:g} frames "
        f"({asked['video_s']:.2f} s at {asked['fps']:g} fps), {asked['steps']:g} steps, "
        f"{ran['forward_passes']:g} forwards of {ran['tokens']:,.0f} tokens"
    )
    differs = [
        f"{name.removesuffix('_px')} {asked[name]:g}"
        for name in ("height_px", "width_px", "frames")
        if asked[name] != ran[name]
    ]
    return line + (f"  [yellow](asked: {', '.join(differs)})[/]" if differs else "")


def _headline(found: Prediction) -> Table:
    table = grid("", "", "per video", "80%", "95%", "per second of video")
    seconds = found.workload["video_s"] * found.workload["batch_size"]
    for name, key, value, form in (
        ("latency", "latency_s", found.latency_s, format_seconds),
        ("GPU energy", "energy_wh_gpu", found.energy_wh["gpu"] or 0.0, format_wh),
    ):
        ends = {
            level: f"{form(low)} - {form(high)}"
            for level, (low, high) in found.intervals[key].items()
        }
        table.add_row(name, form(value), ends["80"], ends["95"], form(value / seconds))
    table.add_row("GPU power (mean)", f"{found.power_w:.0f} W", "", "", "")
    if found.peak_memory_gib is not None:
        fits = "fits" if found.memory["fits"] else "[red]does not fit[/]"
        size = format_bytes(found.peak_memory_gib * GIB)
        has = format_bytes(found.memory["gpu_gib"] * GIB)
        table.add_row("peak GPU memory", size, f"{fits} in {has}", "", "")
    table.add_row("work", format_flops(found.flops["total"]), "", "", "")
    if found.co2e_g is not None:
        grams = f"{format_number(found.co2e_g)} g"
        table.add_row("CO2e", grams, "", "", f"{format_number(found.co2e_g / seconds)} g")
    if found.cost_usd is not None:
        table.add_row(
            "GPU time", f"${found.cost_usd:.4f}", "", "", f"${found.cost_usd / seconds:.4f}"
        )
    return table


def _stage_table(found: Prediction) -> Table:
    table = grid("Where the time goes", "stage", "", "latency", "energy", "share", "peak memory")
    table.columns[1].justify = "left"
    for stage, row in found.stages.items():
        share = (row["latency_s"] or 0.0) / found.latency_s
        peak = row["peak_memory_gib"]
        table.add_row(
            STAGE_NAMES.get(stage, stage),
            _bar(share),
            format_seconds(row["latency_s"] or 0.0),
            format_wh(row["energy_wh"] or 0.0),
            format_percent(share),
            format_bytes(peak * GIB) if peak is not None else "-",
        )
    return table


def _bar(share: float) -> Text:
    eighths = round(share * BAR * 8)
    full, rest = divmod(eighths, 8)
    text = "█" * full + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[rest]
    return Text(text or "▏", style="cyan")


def _equivalent(found: Prediction) -> str:
    energy = found.energy_wh["gpu"] or 0.0
    phone, image = tasks()["phone-charge"], tasks()["image-generation"]
    return (
        f"About {format_number(energy / phone.wh)} phone charges, or "
        f"{format_number(energy / image.wh)} generated images (2.9 Wh each, Luccioni et al. 2024)."
    )


def explanation(found: Prediction) -> None:
    """Each formula with its numbers."""
    profile = find_profile(found.profile, find_gpu(found.gpu))
    headers = ("operators", "FLOPs", "bytes", "calls", "seconds", "sustained", "bound by")
    table = grid("How", *headers)
    for kind, row in sorted(found.operators.items(), key=lambda item: -item[1]["latency_s"]):
        nbytes = row["bytes"]
        table.add_row(
            kind,
            format_flops(row["flops"]) if row["flops"] else "-",
            format_bytes(nbytes) if nbytes is not None else "not stated",
            "not stated" if row["calls"] is None else f"{row['calls']:,.0f}",
            f"{row['latency_s']:.3f}",
            _sustained(row),
            row["bound"],
        )
    out = console()
    out.print(table)
    effective = found.workload["effective"]
    out.print(
        f"{_by_physics(profile) if profile.physics else _by_shares(profile)}"
        f"  once per video on the host: {profile.host_s_per_video:.3g} s\n"
        f"latency = sum of stages = {found.latency_s:.3f} s\n"
        f"GPU energy = {found.energy_wh['gpu']:.4f} Wh\n"
        f"tokens = {effective['tokens']:g} from {effective['latent_frames']:g} latent frames of "
        f"{effective['height_px']}x{effective['width_px']} pixels\n"
        f"profile {found.profile}: {found.provenance['data']}"
    )


def _by_shares(profile: GpuProfile) -> str:
    shares = ", ".join(f"{kind} {share:.3g}" for kind, share in profile.efficiency.items())
    moved = ", ".join(f"{kind} {share:.3g}" for kind, share in profile.bandwidth.items()) or "none"
    watts = ", ".join(f"{kind} {power:.0f} W" for kind, power in profile.power_w.items())
    return (
        "seconds of an operator = max(FLOPs / (share x dense peak), bytes / (share x bandwidth))\n"
        f"  shares of the dense peak: {shares}; of the bandwidth: {moved}\n"
        "seconds of a pass = max(sum over its operators, calls x host seconds per call "
        f"= {profile.host_s_per_call * 1e6:g} us)\n"
        f"energy = sum of seconds x watts by what is busy: {watts}\n"
    )


def _by_physics(profile: GpuProfile) -> str:
    """The laws of a learned profile that matter most, and how the power limit couples them."""
    assert profile.physics is not None
    laws, power, host = (profile.physics[name] for name in ("laws", "power", "host_s"))
    rates = ", ".join(
        f"{name} {law['rate_flops'] / 1e12:.0f} TFLOP/s"
        for name, law in laws.items()
        if law.get("rate_flops")
    )
    moved = f"{laws['pointwise']['bandwidth_bytes_per_s'] / 1e12:.2f} TB/s"
    calls = ", ".join(f"{kind} {1e6 * seconds:.0f} us" for kind, seconds in host.items())
    return (
        "seconds of an operator = start + the larger of FLOPs / rate and bytes / bandwidth, less\n"
        f"  at small sizes; at the greatest clock: {rates}; pointwise {moved}\n"
        "the clock of a pass is the greatest at which its operators together keep to "
        f"{power['limit_w']:.0f} W, {power['static_w']:.0f} W of them static\n"
        f"seconds of a pass = max(device, sum of calls x host seconds: {calls})\n"
    )


def _sustained(row: Mapping[str, Any]) -> str:
    """What the seconds come to: TFLOP/s where compute-bound, TB/s where memory-bound."""
    if not row["latency_s"]:
        return "-"
    if row["bound"] == "compute":
        return f"{row['flops'] / row['latency_s'] / TERA:.0f} TFLOP/s"
    return f"{row['bytes'] / row['latency_s'] / TERA:.2f} TB/s" if row["bytes"] else "-"


def comparison(found: Sequence[Prediction]) -> None:
    one_gpu = len({row.gpu for row in found}) == 1
    title = "Per video, and per second of video" + (f", on {found[0].gpu}" if one_gpu else "")
    headers = ("model", "runs", "latency", "95%", "energy", "memory", "s/s", "Wh/s")
    table = grid(title, *(headers if one_gpu else ("model", "GPU", *headers[1:])))
    for row in found:
        cells = _compared(row)
        table.add_row(row.model, *(cells if one_gpu else (row.gpu, *cells)))
    out = console()
    out.print(table)
    out.print(Text("s/s and Wh/s: per second of video.", style="dim"))
    for message in dict.fromkeys(w["message"] for row in found for w in row.warnings):
        out.print(Text(f"! {message}", style="yellow"))


def _compared(row: Prediction) -> tuple[str, ...]:
    ran = row.workload["effective"]
    seconds = row.workload["video_s"] * row.workload["batch_size"]
    low, high = row.intervals["latency_s"]["95"]
    energy = row.energy_wh["gpu"] or 0.0
    memory = row.peak_memory_gib
    return (
        f"{ran['height_px']}x{ran['width_px']}x{ran['frames']:g}",
        format_seconds(row.latency_s),
        f"{format_number(low)}-{format_number(high)} s",
        format_wh(energy),
        format_bytes(memory * GIB) if memory is not None else "-",
        format_number(row.latency_s / seconds),
        format_number(energy / seconds),
    )


def reasons(first: Prediction, other: Prediction, factors: Sequence[Factor]) -> None:
    ratio = other.latency_s / first.latency_s
    title = f"{other.model} on {other.gpu} / {first.model} on {first.gpu} = x{ratio:.3g}"
    table = grid(title, "factor", "x", "what it is")
    for factor in factors:
        table.add_row(factor.name.replace("_", " "), f"{factor.factor:.3g}", factor.meaning)
    console().print(table)


def scaling(model: str, axis: str, points: Sequence[ScalingPoint]) -> None:
    kinds = ("attention", "linear", "convolution")
    headers = (axis, "latency", "exponent", "energy", "exponent", *kinds, "memory")
    table = grid(f"{model} along {axis}", *headers)
    for point in points:
        known = [point.shares.get(kind, 0.0) for kind in kinds]
        rest = sum(point.shares.values()) - sum(known)
        table.add_row(
            f"{point.value:g}",
            format_seconds(point.latency_s),
            _exponent(point.exponent_latency),
            format_wh(point.energy_wh),
            _exponent(point.exponent_energy),
            *(format_percent(share) for share in (*known, rest)),
        )
    console().print(table)


def _exponent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def levers(model: str, found: Sequence[Lever]) -> None:
    table = grid(f"What would change for {model}", "lever", "change", "latency", "saves", "basis")
    for lever in found:
        saved = 1 - lever.factor
        words = format_percent(saved) if saved >= 0 else f"costs {format_percent(-saved)}"
        table.add_row(lever.name, lever.change, format_seconds(lever.latency_s), words, lever.basis)
    console().print(table)


def table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of a listing; nested values, sources and other long texts are left to --json."""
    if not rows:
        console().print("nothing")
        return
    shown = [
        key
        for key, value in rows[0].items()
        if not isinstance(value, list | dict) and key not in ONLY_JSON
    ]
    made = grid(title, *(_header(key) for key in shown))
    for row in rows:
        made.add_row(*(_cell(row.get(key)) for key in shown))
    console().print(made)


def _header(key: str) -> str:
    """A column name on two lines where it is long."""
    first, _, rest = key.partition("_")
    return f"{first}\n{rest.replace('_', ' ')}" if len(key) > 8 and rest else key.replace("_", " ")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return format_number(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if value >= 10_000 else str(value)
    return str(value)
