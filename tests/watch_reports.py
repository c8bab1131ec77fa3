"""A made report of a watch: Wan on an H100, two calls, a text encoder too short to be metered."""

from typing import Any

from kinowatt.lab.watch_report import WatchReport

NULL = "0.2 s in 2 pieces is too short for a source that moves every 100 ms"


def report(**changes: Any) -> WatchReport:
    def stage(latency_s: float, wh: float | None, **more: Any) -> dict[str, Any]:
        return {
            "latency_s": latency_s,
            "energy_wh": {"gpu": wh},
            "energy_null": None if wh else NULL,
            "calls": 1.0,
            "peak_memory_gib": None,
            **more,
        }

    values: dict[str, Any] = {
        "pipeline": "WanPipeline",
        "calls": 2,
        "latency_s": 100.0,
        "calls_s": (101.0, 99.0),
        "between_s": 0.5,
        "energy_wh": {"gpu": 18.0, "cpu": None, "ram": 1.0},
        "energy_null": {"cpu": "rapl: no powercap zones"},
        "energy_by": {
            "gpu": {"meter": "nvml-counter", "method": "measured", "window": "each call"},
            "ram": {"meter": "ram-v3", "method": "modelled", "window": "each call"},
        },
        "power_w": 648.0,
        "stages": {
            "text_encoder": stage(0.1, None),
            "denoiser": stage(95.0, 17.2, peak_memory_gib=16.0),
            "vae_decoder": stage(4.7, 0.75),
            "other": stage(0.2, 0.05, energy_includes=["text_encoder"]),
        },
        "peak_memory_gib": 16.0,
        "conditions": {
            "device": "cuda:0",
            "gpu_name": "NVIDIA H100 80GB HBM3",
            "gpu_uuid": "GPU-0a2b3c4d",
            "driver": "580.65",
            "torch": "2.11.0",
            "diffusers": "0.42.1",
            "other_processes": [],
            "counter_over_power": 1.01,
        },
    }
    return WatchReport(**{**values, **changes})
