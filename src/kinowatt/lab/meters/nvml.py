"""NVIDIA GPUs by NVML: which there are, what they are, who works on them."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinowatt.errors import require_extra
from kinowatt.lab.host import host
from kinowatt.lab.meters.contract import MeterUnavailable
from kinowatt.units import GIB

DEVICE_FILE = Path("/dev/nvidiactl")
MIG_REASON = "its one power reading is of all slices together"
MIG_FIX = "measure on a GPU without MIG (`nvidia-smi -i N -mig 0` needs an administrator)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A GPU as NVML describes it; None where the driver does not say."""

    index: int
    uuid: str
    name: str
    mig: bool
    virtualised: bool | None
    driver: str
    memory_gib: float | None
    power_limit_w: float | None
    default_power_limit_w: float | None
    max_sm_clock_mhz: float | None
    persistence: bool | None
    pci_bus_id: str

    def named(self, where: str) -> bool:
        """Whether a UUID or an index of NVML means this GPU."""
        return where in (self.uuid, str(self.index))

    @property
    def source(self) -> str:
        """The name under which a sampler polls it."""
        return f"nvml:{self.uuid}"


def library() -> Any:
    """NVML, initialised; `MeterUnavailable` where there is no driver to ask."""
    nvml = require_extra("measure", "pynvml")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise MeterUnavailable(f"NVML: {error}", _driver_fix(nvml, error.value)) from None
    return nvml


def _driver_fix(nvml: Any, status: int) -> str:
    """What to do where NVML does not start."""
    if status == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
        if DEVICE_FILE.exists():
            return "start the container with `-e NVIDIA_DRIVER_CAPABILITIES=compute,utility`"
        if host().container:
            return "start the container with `--gpus all`, on a host that has the NVIDIA driver"
        return "install the NVIDIA driver"
    return {
        nvml.NVML_ERROR_DRIVER_NOT_LOADED: "load the driver: `sudo modprobe nvidia`",
        nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "reboot: the driver was updated while it ran",
        nvml.NVML_ERROR_NO_PERMISSION: "give this user the right to read and write /dev/nvidia*",
    }.get(status, "see `nvidia-smi`")


def handle(nvml: Any, where: str) -> Any:
    """NVML's handle of a GPU by UUID or index; MIG slices are refused."""
    try:
        if where.isdigit():
            found = nvml.nvmlDeviceGetHandleByIndex(int(where))
        else:
            found = nvml.nvmlDeviceGetHandleByUUID(where.encode())
    except nvml.NVMLError as error:
        raise MeterUnavailable(
            f"NVML knows no GPU {where!r}: {error}", "see `nvidia-smi -L`"
        ) from None
    if _mig(nvml, found) or where.startswith("MIG-"):
        raise MeterUnavailable(f"GPU {where} is split by MIG, and {MIG_REASON}", MIG_FIX)
    return found


@contextmanager
def _asking() -> Iterator[Any]:
    """NVML for a few questions; what it cannot answer is `MeterUnavailable`."""
    nvml = library()
    try:
        yield nvml
    except nvml.NVMLError as error:
        raise MeterUnavailable(f"NVML does not answer: {error}", "see `nvidia-smi`") from None
    finally:
        nvml.nvmlShutdown()


def devices() -> list[Device]:
    """Every GPU of this machine in NVML's order (by PCI bus), visible to CUDA or not."""
    with _asking() as nvml:
        count = nvml.nvmlDeviceGetCount()
        return [_describe(nvml, nvml.nvmlDeviceGetHandleByIndex(i), i) for i in range(count)]


def _describe(nvml: Any, device: Any, index: int) -> Device:
    def ask(name: str, *arguments: Any) -> Any:
        try:
            return getattr(nvml, name)(device, *arguments)
        except nvml.NVMLError:
            return None

    limit = ask("nvmlDeviceGetPowerManagementLimit")
    default = ask("nvmlDeviceGetPowerManagementDefaultLimit")
    mode = ask("nvmlDeviceGetVirtualizationMode")
    persistence = ask("nvmlDeviceGetPersistenceMode")
    memory = ask("nvmlDeviceGetMemoryInfo")  # GPUs that share the host's memory refuse it
    return Device(
        index=index,
        uuid=_text(nvml.nvmlDeviceGetUUID(device)),
        name=_text(nvml.nvmlDeviceGetName(device)),
        mig=_mig(nvml, device),
        virtualised=None if mode is None else mode != nvml.NVML_GPU_VIRTUALIZATION_MODE_NONE,
        driver=_text(nvml.nvmlSystemGetDriverVersion()),
        memory_gib=None if memory is None else memory.total / GIB,
        power_limit_w=None if limit is None else limit / 1000,
        default_power_limit_w=None if default is None else default / 1000,
        max_sm_clock_mhz=ask("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM),
        persistence=None if persistence is None else bool(persistence),
        pci_bus_id=_text(nvml.nvmlDeviceGetPciInfo(device).busId),
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _mig(nvml: Any, device: Any) -> bool:
    try:
        current, _ = nvml.nvmlDeviceGetMigMode(device)
    except nvml.NVMLError:
        return False
    return bool(current == nvml.NVML_DEVICE_MIG_ENABLE)


def visible(
    found: Iterable[Device], variable: str | None = None, order: str | None = None
) -> tuple[list[Device], str | None]:
    """The GPUs that CUDA will see, in its order, and what is doubtful about that.

    `variable`: CUDA_VISIBLE_DEVICES (indices, UUIDs or their beginnings; an unknown entry hides
    itself and all after it, as CUDA has it). `order`: CUDA_DEVICE_ORDER; without PCI_BUS_ID the
    indices of unlike GPUs may differ from NVML's.
    """
    all_of_them = list(found)
    variable = os.environ.get("CUDA_VISIBLE_DEVICES") if variable is None else variable
    order = os.environ.get("CUDA_DEVICE_ORDER") if order is None else order
    entries = None if variable is None else [part.strip() for part in variable.split(",")]
    by_index = entries is None or any(entry.isdigit() for entry in entries)
    doubt = None
    if by_index and order != "PCI_BUS_ID" and len({device.name for device in all_of_them}) > 1:
        doubt = "unlike GPUs: set CUDA_DEVICE_ORDER=PCI_BUS_ID, or indices may name other GPUs"
    if entries is None:
        return all_of_them, doubt
    chosen: list[Device] = []
    for entry in entries:
        match = _match(all_of_them, entry)
        if match is None:
            break
        chosen.append(match)
    return chosen, doubt


def why_none_visible(variable: str | None = None) -> MeterUnavailable:
    """Why CUDA sees no GPU that can be measured, by the variable that `visible` goes by."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES") if variable is None else variable
    if given is None:
        return MeterUnavailable("the driver has no GPU", "see `nvidia-smi -L`")
    if given.strip().startswith("MIG-"):
        return MeterUnavailable(f"CUDA_VISIBLE_DEVICES names a slice of MIG: {MIG_REASON}", MIG_FIX)
    return MeterUnavailable(
        f"CUDA_VISIBLE_DEVICES={given!r} hides every GPU",
        "unset it, or name a GPU of `nvidia-smi -L`",
    )


def _match(found: list[Device], entry: str) -> Device | None:
    if entry.isdigit():
        return next((device for device in found if device.index == int(entry)), None)
    alike = [device for device in found if entry and device.uuid.startswith(entry)]
    return alike[0] if len(alike) == 1 else None


def processes(uuid: str) -> list[int] | None:
    """Ids of the compute processes on a GPU (of other containers too), None where it is not told."""
    nvml = library()
    try:
        running = nvml.nvmlDeviceGetComputeRunningProcesses(handle(nvml, uuid))
        return sorted(int(process.pid) for process in running)
    except nvml.NVMLError:
        return None
    finally:
        nvml.nvmlShutdown()
