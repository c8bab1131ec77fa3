"""What can be measured of the host here, and what pipelines need of it."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from kinowatt.facts.models import ModelSpec, models
from kinowatt.lab.finding import INSTALL, Finding
from kinowatt.lab.host import host, version_of
from kinowatt.lab.meters.ram import v3_power_w
from kinowatt.lab.meters.rapl import Rapl
from kinowatt.units import GIB, format_bytes, format_number

PIPELINE_LIBRARIES = ("diffusers", "transformers", "accelerate")
HEAVY = ("torch", *PIPELINE_LIBRARIES)
DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def pipelines() -> Iterator[Finding]:
    versions = {name: version_of(name) for name in PIPELINE_LIBRARIES}
    absent = [name for name, version in versions.items() if version is None]
    yield Finding(
        name="pipeline libraries",
        status="missing" if absent else "ok",
        found=", ".join(f"{name} {version or '-'}" for name, version in versions.items()),
        meaning="no pipeline can be built" if absent else "the real pipelines can be built",
        fix=INSTALL if absent else None,
    )


def bytecode() -> Iterator[Finding]:
    """Whether a process finds what it imports compiled; containers often forbid to keep it."""
    absent = [name for name in HEAVY if not _keeps_bytecode(name)]
    yield Finding(
        name="bytecode",
        status="limited" if absent else "ok",
        found=f"not kept of {', '.join(absent)}" if absent else "kept",
        meaning="each worker compiles what it imports: 19 s before its first row, not 8, on the"
        " host of an H100"
        if absent
        else "workers import what is compiled already",
        fix="`unset PYTHONDONTWRITEBYTECODE`, or set PYTHONPYCACHEPREFIX to a folder of your own"
        if absent
        else None,
    )


def _keeps_bytecode(name: str) -> bool:
    """True as well for what is not installed."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return True
    compiled = Path(importlib.util.cache_from_source(spec.origin))
    if compiled.is_file():
        return True
    if sys.dont_write_bytecode:
        return False
    existing = next(parent for parent in compiled.parents if parent.exists())
    return os.access(existing, os.W_OK)


def codecarbon() -> Iterator[Finding]:
    version = version_of("codecarbon")
    yield Finding(
        name="CodeCarbon",
        status="ok" if version else "missing",
        found=version or "not installed",
        meaning="the paper's meter: GPU read, RAM modelled, CPU by RAPL or modelled"
        if version
        else "rows cannot carry the paper's own meter",
        fix=None if version else INSTALL,
    )


def rapl() -> Iterator[Finding]:
    with Rapl() as meter:
        zones = [zone["name"] for zone in meter.describe()["zones"]]
    memory = any("dram" in zone for zone in zones)
    yield Finding(
        name="RAPL",
        status="ok",
        found=", ".join(zones),
        meaning=f"CPU {'and memory ' if memory else ''}energy is measured",
    )


def ram() -> Iterator[Finding]:
    machine = host()
    if machine.memory is None:
        yield Finding(
            name="RAM model", status="missing", found="size unknown", meaning="no RAM energy"
        )
        return
    watts = v3_power_w(machine.memory.size_gib, arm=machine.arm)
    size = format_number(machine.memory.size_gib)
    yield Finding(
        name="RAM model",
        status="limited",
        found=f"{watts:.1f} W for {size} GiB, {machine.memory.source}",
        meaning="modelled by size, not measured",
    )


def machine() -> Iterator[Finding]:
    found = host()
    kind = {True: "virtual machine", False: "bare metal", None: "bare metal or virtual"}
    inside = f", {found.container} container" if found.container else ""
    cpu = found.cpu_model or found.architecture
    yield Finding(
        name="host",
        status="limited" if found.virtualised else "ok",
        found=f"{kind[found.virtualised]}{inside}; {cpu}, {found.usable_cores:g} cores",
        meaning="CPU sensors are hidden, and its neighbours may slow it down"
        if found.virtualised
        else "nothing between the work and its CPU is known of",
    )


def disk() -> Iterator[Finding]:
    """Room where the Hugging Face hub keeps weights, against what the models need."""
    folder = hub_cache()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free_bytes = shutil.disk_usage(existing).free
    needed = {name: weight_bytes(spec) for name, spec in models().items() if spec.components}
    largest = max(needed.values())
    fitting = sum(size <= free_bytes for size in needed.values())
    enough = fitting == len(needed)
    yield Finding(
        name="disk for weights",
        status="ok" if enough else "limited" if fitting else "missing",
        found=f"{format_bytes(free_bytes)} free in {_short(folder)}",
        meaning=f"room for the weights of {fitting} of {len(needed)} models, one at a time",
        fix=None
        if enough
        else f"set HF_HOME to a disk with {largest / GIB:.0f} GiB and more; random weights need none",
    )


def hub() -> Iterator[Finding]:
    value = os.environ.get("HF_HUB_OFFLINE", "")
    offline = value.upper() in {"1", "ON", "YES", "TRUE"}  # as huggingface_hub reads it
    yield Finding(
        name="weights from the hub",
        status="limited" if offline else "ok",
        found=f"offline (HF_HUB_OFFLINE={value})" if offline else "allowed (not tried)",
        meaning="only weights in the cache; random weights need none"
        if offline
        else "`--weights hub` downloads at a pinned revision",
        fix="`unset HF_HUB_OFFLINE` to download" if offline else None,
    )


def hub_cache() -> Path:
    """Where huggingface_hub keeps downloads, by its environment variables."""
    given = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if given:
        return Path(given).expanduser()
    home = os.environ.get("HF_HOME")
    if home:
        return Path(home).expanduser() / "hub"
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "huggingface" / "hub"


def weight_bytes(spec: ModelSpec) -> int:
    """Bytes of a model's weights in the dtypes that it runs in; a checkpoint may hold wider ones."""
    return sum(
        spec.component(role).parameters * DTYPE_BYTES[component.rpartition(".")[2]]
        for role, component in spec.components.items()
    )


def _short(folder: Path) -> str:
    try:
        return f"~/{folder.relative_to(Path.home())}"
    except ValueError:
        return str(folder)
