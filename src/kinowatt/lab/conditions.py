"""Under which conditions a row was taken: software, GPU, host, how the pipeline was made."""

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from kinowatt.lab.host import version_of
from kinowatt.lab.meters.contract import MeterUnavailable
from kinowatt.lab.pipelines import Built, dtype_of
from kinowatt.version import __version__

PACKAGES = ("diffusers", "transformers", "accelerate", "codecarbon")
ALLOCATOR = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")


def conditions(built: Built) -> dict[str, Any]:
    """What can be said before anything runs; JSON values."""
    options = built.options
    return {
        **software(),
        **gpu_state(built.device),
        "attention_backend": options.attention,
        "dtype": {role: dtype_of(built.spec, role, options) for role in built.spec.components},
        "weights": options.weights,
        "revision": options.revision,
        "seed": options.seed,
        "twin": options.twin,
        "device": options.device,
        "offload": options.offload,
        "tiling": _tiling(built),
        "compile": options.compile,
        "pipeline": type(built.pipe).__name__,
        "scheduler": type(built.pipe.scheduler).__name__,
    }


def _tiling(built: Built) -> bool:
    return bool(getattr(built.pipe.vae, "use_tiling", False))


def software() -> dict[str, Any]:
    """Versions of what decides about speed, and of this package."""
    found: dict[str, Any] = {
        "kinowatt": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None,
    }
    found |= {package: version_of(package) for package in PACKAGES}
    found["tf32_matmul"] = torch.backends.cuda.matmul.allow_tf32
    found["tf32_cudnn"] = torch.backends.cudnn.allow_tf32
    found["allocator"] = next((os.environ[n] for n in ALLOCATOR if n in os.environ), None)
    found["command"] = " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])  # noqa: PTH119
    return found


def source_of(device: torch.device) -> str | None:
    """The sampler's name of a torch device, by UUID; None on a CPU."""
    if device.type != "cuda":
        return None
    properties = torch.cuda.get_device_properties(device)
    uuid = str(getattr(properties, "uuid", ""))
    if not uuid:
        return f"nvml:{device.index or 0}"
    return "nvml:" + (uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")


def gpu_state(device: torch.device) -> dict[str, Any]:
    """Driver, limits and neighbours of the GPU that runs; None where it is not told."""
    if device.type != "cuda":
        return {"gpu_name": None, "gpu_uuid": None, "driver": None, "power_limit_w": None}
    properties = torch.cuda.get_device_properties(device)
    found: dict[str, Any] = {
        "gpu_name": properties.name,
        "gpu_memory_gib": properties.total_memory / 2**30,
        "visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }
    return {**found, **_by_driver(device)}


def _by_driver(device: torch.device) -> Mapping[str, Any]:
    from kinowatt.lab.meters import nvml

    source = source_of(device) or ""
    where = source.partition(":")[2]
    try:
        known = nvml.devices()
        found = next(d for d in known if d.named(where))
        running = nvml.processes(found.uuid)
    except (MeterUnavailable, StopIteration):
        return {"gpu_uuid": None, "driver": None, "power_limit_w": None}
    facts = asdict(found)
    return {
        "gpu_uuid": found.uuid,
        "gpus_on_machine": len(known),
        "other_processes": running and [pid for pid in running if pid != os.getpid()],
        **{
            name: facts[name]
            for name in (
                "driver",
                "power_limit_w",
                "default_power_limit_w",
                "max_sm_clock_mhz",
                "persistence",
            )
        },
        "gpu_virtualised": found.virtualised,
    }
