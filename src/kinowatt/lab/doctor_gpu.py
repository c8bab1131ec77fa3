"""What can be measured of the GPUs here, and whether torch runs on the same ones."""

import importlib.util
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kinowatt.errors import KinowattError
from kinowatt.lab.finding import INSTALL, Finding, Status
from kinowatt.lab.meters.nvml import Device, devices, processes, visible, why_none_visible
from kinowatt.lab.meters.sources import open_source
from kinowatt.units import format_number

Judge = Callable[[Device], Finding]
CUDA_TORCH = "install a CUDA build of torch: https://pytorch.org/get-started/locally"


def driver() -> Iterator[Finding]:
    found = devices()
    yield Finding(
        name="NVIDIA driver",
        status="ok" if found else "missing",
        found=f"{found[0].driver}, {_count(len(found), 'GPU')}" if found else "no GPU behind it",
        meaning="GPU energy, power and clocks can be read" if found else "nothing to measure",
        fix=None if found else "see `nvidia-smi -L`; start a container with `--gpus all`",
    )


def gpus() -> Iterator[Finding]:
    """Every GPU, then which of them CUDA sees; nothing without a driver, which has its own line."""
    found = _devices()
    seen, doubt = visible(found)
    for device in found:
        yield _gpu(device, device in seen)
    if not found:
        return
    variable = os.environ.get("CUDA_VISIBLE_DEVICES")
    named = "unset" if variable is None else repr(variable)
    if not seen:
        why = why_none_visible()
        yield _visible("missing", f"{named}: no GPU", f"nothing is measured: {why.reason}", why.fix)
        return
    chosen = ", ".join(f"GPU {device.index}" for device in seen)
    meaning = f"GPU {seen[0].index} is measured unless `--device` says otherwise"
    yield _visible("limited" if doubt else "ok", f"{named}: {chosen}", meaning, doubt)


def _visible(status: Status, found: str, meaning: str, fix: str | None) -> Finding:
    return Finding(
        name="CUDA_VISIBLE_DEVICES", status=status, found=found, meaning=meaning, fix=fix
    )


def _gpu(device: Device, seen: bool) -> Finding:
    where = " in a virtual machine" if device.virtualised else ""
    memory = device.memory_gib
    size = "memory not told" if memory is None else f"{format_number(memory)} GiB"
    found = f"{device.name}, {size}{where}, {device.uuid[:12]}"
    if device.mig:
        return Finding(
            name=f"GPU {device.index}",
            status="missing",
            found=f"{found}, split by MIG",
            meaning="one power reading for all slices: not measured",
            fix=f"`sudo nvidia-smi -i {device.index} -mig 0`",
        )
    meaning = "can be measured" if seen else "hidden from CUDA: in no figure"
    return Finding(name=f"GPU {device.index}", status="ok", found=found, meaning=meaning)


def sensors() -> Iterator[Finding]:
    """Energy counter, instant power, limit, persistence, other processes: of what CUDA sees."""
    seen, _ = visible(_devices())
    whole = [device for device in seen if not device.mig]
    for judge in (_counter, _instant, _limit, _persistence, _others):
        yield from _each(judge, whole)


def _each(judge: Judge, found: Sequence[Device]) -> Iterator[Finding]:
    """One line for all GPUs where they are alike, else one for each."""
    lines = [judge(device) for device in found]
    if len(set(lines)) == 1:
        yield lines[0]
        return
    for device, line in zip(found, lines, strict=True):
        yield Finding(
            name=f"{line.name}, GPU {device.index}",
            status=line.status,
            found=line.found,
            meaning=line.meaning,
            fix=line.fix,
        )


def _counter(device: Device) -> Finding:
    there = math.isfinite(_sample(device).energy_mj)
    return Finding(
        name="energy counter",
        status="ok" if there else "limited",
        found="there" if there else "not on this GPU (Volta and newer have it)",
        meaning="joules as the driver counts them" if there else "energy is integrated power",
        fix=None if there else "measure with `--meter nvml-power-instant`",
    )


def _instant(device: Device) -> Finding:
    there = math.isfinite(_sample(device).power_instant_w)
    return Finding(
        name="instant power",
        status="ok" if there else "limited",
        found="there" if there else "not told by this driver",
        meaning="a second way to the joules" if there else "power is a 1 s average, late at edges",
        fix=None if there else "update the NVIDIA driver",
    )


def _sample(device: Device) -> Any:
    source = open_source(device.source)
    try:
        return source.fast()
    finally:
        source.close()


def _limit(device: Device) -> Finding:
    limit, default = device.power_limit_w, device.default_power_limit_w
    changed = limit is not None and default is not None and limit != default
    found = "not told" if limit is None else f"{limit:g} W"
    return Finding(
        name="power limit",
        status="limited" if changed or limit is None else "ok",
        found=f"{found} (default {default:g} W)" if changed else found,
        meaning="rows compare only with rows under the same limit"
        if changed
        else "recorded with each row",
        fix=f"`sudo nvidia-smi -i {device.index} -pl {default:g}`" if changed else None,
    )


def _persistence(device: Device) -> Finding:
    off = device.persistence is False
    return Finding(
        name="persistence mode",
        status="limited" if off else "ok",
        found={True: "on", False: "off", None: "not told"}[device.persistence],
        meaning="the driver may unload between runs: a slow first call"
        if off
        else "the driver stays loaded",
        fix=f"`sudo nvidia-smi -i {device.index} -pm 1`" if off else None,
    )


def _others(device: Device) -> Finding:
    running = processes(device.uuid)
    if running is None:
        return Finding(
            name="other processes",
            status="limited",
            found="not told",
            meaning="their energy, if there are any, is in every GPU figure",
        )
    others = [pid for pid in running if pid != os.getpid()]
    return Finding(
        name="other processes",
        status="limited" if others else "ok",
        found=f"on the GPU: {', '.join(map(str, others))}" if others else "none on the GPU",
        meaning="their energy is in every GPU figure" if others else "the GPU is this work's alone",
        fix="end them, or wait: `nvidia-smi`" if others else None,
    )


def torch_build() -> Iterator[Finding]:
    """Torch, and whether its GPUs are those that NVML measures."""
    if importlib.util.find_spec("torch") is None:
        yield _torch("missing", "not installed", "no pipeline can be run", INSTALL)
        return
    import torch

    version = str(torch.__version__)
    if torch.version.hip is not None:
        yield _torch(
            "limited", f"{version} (ROCm)", "pipelines run on AMD GPUs, which no meter here reads"
        )
    elif torch.version.cuda is None:
        yield _torch(
            "limited", f"{version} (no CUDA)", "pipelines run on the CPU alone", CUDA_TORCH
        )
    elif not torch.cuda.is_available():
        built = f"{version} for CUDA {torch.version.cuda}: no GPU"
        fix = f"needs a GPU and a driver for CUDA {torch.version.cuda}; see `nvidia-smi`"
        yield _torch("missing", built, "pipelines run on the CPU alone", fix)
    else:
        yield _same_gpus(version, _torch_uuids(torch))
    yield _attention(torch)


def _torch(status: Status, found: str, meaning: str, fix: str | None = None) -> Finding:
    return Finding(name="torch", status=status, found=found, meaning=meaning, fix=fix)


def _torch_uuids(torch: Any) -> list[str]:
    count = torch.cuda.device_count()
    return [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]


def _same_gpus(version: str, torch_uuids: Sequence[str]) -> Finding:
    """Compares CUDA's GPUs with those that its variable names by NVML's list."""
    expected = [device.uuid.removeprefix("GPU-") for device in visible(_devices())[0]]
    found = f"{version}, {_count(len(torch_uuids), 'GPU')}"
    if [uuid.removeprefix("GPU-") for uuid in torch_uuids] == expected:
        return _torch("ok", found, "runs on the GPUs that are measured, in the same order")
    return _torch(
        "limited",
        f"{found}, not those of NVML",
        "device 0 of torch may be another GPU than the one measured",
        "set CUDA_DEVICE_ORDER=PCI_BUS_ID, and name GPUs by UUID in CUDA_VISIBLE_DEVICES",
    )


def _attention(torch: Any) -> Finding:
    """Kernels of scaled_dot_product_attention that this build holds for GPUs."""
    cuda = torch.version.cuda is not None
    built = {
        "flash": torch.backends.cuda.is_flash_attention_available(),
        "efficient": cuda,
        "cudnn": cuda and torch.backends.cudnn.is_available(),
        "math": True,
    }
    names = [name for name, there in built.items() if there]
    fast = len(names) > 1
    return Finding(
        name="attention backends",
        status="ok" if fast else "limited",
        found=", ".join(names),
        meaning="any of them can be chosen" if fast else "no GPU kernel in this build",
    )


def _devices() -> list[Device]:
    try:
        return devices()
    except KinowattError:
        return []


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
