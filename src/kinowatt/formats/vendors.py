"""Columns of the formats of others, as their files have them."""

from collections.abc import Iterable

from kinowatt.formats.mapping import Column


def _columns(*rows: tuple[str, str, str]) -> tuple[Column, ...]:
    return tuple(Column(quantity=q, name=name, unit=unit) for q, name, unit in rows)


# CodeCarbon 3.3.2: s, kWh, W (its documentation, "Output")
CODECARBON = _columns(
    ("taken_at", "timestamp", ""),
    ("label", "project_name", ""),
    ("latency_s", "duration", "s"),
    ("energy_wh_gpu", "gpu_energy", "kWh"),
    ("energy_wh_cpu", "cpu_energy", "kWh"),
    ("energy_wh_ram", "ram_energy", "kWh"),
    ("energy_wh_total", "energy_consumed", "kWh"),
    ("power_w_gpu", "gpu_power", "W"),
    ("power_w_cpu", "cpu_power", "W"),
    ("power_w_ram", "ram_power", "W"),
    ("gpu", "gpu_model", ""),
    ("gpu_count", "gpu_count", ""),
)
CODECARBON_RELEASES = (  # newest first: the columns that came with each
    ("3.3", {"cpu_utilization_percent", "gpu_utilization_percent", "ram_used_gb"}),
    ("3.0", {"water_consumed", "wue"}),
    ("2.8", {"pue"}),
)

_STAGES = ("generate", "upsample", "denoise")  # three calls of the LTX-Video script, one of others
PAPER = _columns(
    ("model", "model", ""),
    ("label", "prompt_id", ""),
    ("gpu", "gpu", ""),
    ("height_px", "height", ""),
    ("width_px", "width", ""),
    ("frames", "num_frames", ""),
    ("steps", "steps", ""),
    ("guidance_scale", "guidance_scale", ""),
    ("fps", "fps", ""),
    ("latency_s", "latency_s", "s"),
    ("other.latency_as_in_paper_table4_s", "latency_as_in_paper_table4_s", "s"),
    ("energy_wh_gpu", "gpu_energy_wh", "Wh"),
    ("energy_wh_cpu", "cpu_energy_wh", "Wh"),
    ("energy_wh_ram", "ram_energy_wh", "Wh"),
    ("power_w_gpu", "mean_gpu_power_w", "W"),
    *((f"stage.{name}.latency_s", f"latency_{name}_s", "s") for name in _STAGES),
    *((f"stage.{name}.energy_wh_gpu", f"gpu_energy_{name}_wh", "Wh") for name in _STAGES),
    ("ran.height_px", "height_run", ""),
    ("ran.width_px", "width_run", ""),
    ("ran.frames", "frames_run", ""),
    ("ran.steps", "steps_run", ""),
    ("gpu_count", "gpu_count", ""),
    ("runs", "runs_script", ""),
    ("warmup_runs", "warmup_script", ""),
    ("runs", "runs", ""),
    ("warmup_runs", "warmup", ""),
)


def codecarbon_release(header: Iterable[str]) -> str:
    """The release whose columns a header has: 3.3, 3.0, 2.8, or `older`."""
    names = set(header)
    return next((name for name, new in CODECARBON_RELEASES if new <= names), "older than 2.8")
