"""GPUs as NVML lists them, and which of them CUDA sees: on NVML's own library, made answers."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from kinowatt.lab.host import host
from kinowatt.lab.live import View
from kinowatt.lab.meters import nvml, registry
from kinowatt.lab.meters.contract import MeterUnavailable
from kinowatt.lab.meters.nvml import Device, visible
from kinowatt.lab.meters.sources import NvmlSource, open_source
from kinowatt.units import GIB

H100, L4 = "NVIDIA H100 80GB HBM3", "NVIDIA L4"
UUIDS = (
    "GPU-0a2b3c4d-1111-2222-3333-444455556666",
    "GPU-1b2b3c4d-1111-2222-3333-444455556666",
    "GPU-1c2b3c4d-1111-2222-3333-444455556666",
)
SLICE = "MIG-8f3c1f2d-1111-2222-3333-444455556666"


@dataclass
class Made:
    """What a made driver answers; `refuses`: functions and fields that it does not support."""

    names: tuple[str, ...] = (H100,)
    mig: frozenset[int] = frozenset()
    virtual: int = pynvml.NVML_GPU_VIRTUALIZATION_MODE_NONE
    processes: tuple[int, ...] = ()
    refuses: set[str] = field(default_factory=set)
    fields: dict[int, tuple[int, str, float]] = field(default_factory=dict)
    initialised: int = 0


def refused() -> pynvml.NVMLError:
    return pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Functions of the real pynvml that answer for made GPUs; a handle is an index."""
    made = Made()

    def answer(name: str, function: Callable[..., Any]) -> None:
        def answered(*arguments: Any) -> Any:
            if name in made.refuses:
                raise refused()
            return function(*arguments)

        monkeypatch.setattr(pynvml, name, answered)

    def count(by: int) -> None:
        made.initialised += by

    def by_uuid(uuid: bytes) -> int:
        known = [*UUIDS[: len(made.names)], SLICE]
        if uuid.decode() not in known:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return known.index(uuid.decode())

    answers: dict[str, Callable[..., Any]] = {
        "nvmlInit": lambda: count(1),
        "nvmlShutdown": lambda: count(-1),
        "nvmlDeviceGetCount": lambda: len(made.names),
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetHandleByUUID": by_uuid,
        "nvmlDeviceGetUUID": lambda gpu: UUIDS[gpu],
        "nvmlDeviceGetName": lambda gpu: made.names[gpu].encode(),
        "nvmlDeviceGetMigMode": lambda gpu: [int(gpu in made.mig), 0],
        "nvmlDeviceGetPowerManagementLimit": lambda gpu: 500_000,
        "nvmlDeviceGetPowerManagementDefaultLimit": lambda gpu: 700_000,
        "nvmlDeviceGetVirtualizationMode": lambda gpu: made.virtual,
        "nvmlDeviceGetPersistenceMode": lambda gpu: 1,
        "nvmlDeviceGetMaxClockInfo": lambda gpu, kind: 1980,
        "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(total=80 * GIB, used=20 * GIB),
        "nvmlDeviceGetPciInfo": lambda gpu: SimpleNamespace(busId=f"0000:0{gpu}:00.0"),
        "nvmlDeviceGetClockInfo": lambda gpu, kind: 1755,
        "nvmlDeviceGetTemperature": lambda gpu, kind: 61,
        "nvmlDeviceGetCurrentClocksEventReasons": lambda gpu: 0,
        "nvmlSystemGetDriverVersion": lambda: b"580.65",
        "nvmlDeviceGetComputeRunningProcesses": lambda gpu: [
            SimpleNamespace(pid=pid) for pid in made.processes
        ],
        "nvmlDeviceGetFieldValues": lambda gpu, ids: [of_field(made, wanted) for wanted in ids],
    }
    for name, function in answers.items():
        answer(name, function)
    return made


def of_field(made: Made, wanted: int) -> Any:
    """An nvmlFieldValue_t, in the type that the driver chose."""
    found = pynvml.c_nvmlFieldValue_t()
    if wanted not in made.fields:
        found.nvmlReturn = pynvml.NVML_ERROR_NOT_SUPPORTED
        return found
    kind, name, value = made.fields[wanted]
    found.valueType = kind
    setattr(found.value, name, value)
    return found


# --- the list


def test_a_gpu_as_the_driver_describes_it(driver: Made) -> None:
    (found,) = nvml.devices()
    assert found == Device(
        index=0,
        uuid=UUIDS[0],
        name=H100,
        mig=False,
        virtualised=False,
        driver="580.65",
        memory_gib=80.0,
        power_limit_w=500.0,
        default_power_limit_w=700.0,
        max_sm_clock_mhz=1980,
        persistence=True,
        pci_bus_id="0000:00:00.0",
    )
    assert driver.initialised == 0


@pytest.mark.parametrize(
    ("refuses", "unknown"),
    [
        ("nvmlDeviceGetPowerManagementLimit", "power_limit_w"),
        ("nvmlDeviceGetVirtualizationMode", "virtualised"),
        ("nvmlDeviceGetPersistenceMode", "persistence"),
        ("nvmlDeviceGetMemoryInfo", "memory_gib"),
    ],
)
def test_what_a_driver_does_not_say_is_none(driver: Made, refuses: str, unknown: str) -> None:
    """GPUs that share the host's memory tell no size; that must not hide the rest."""
    driver.refuses.add(refuses)
    (found,) = nvml.devices()
    assert getattr(found, unknown) is None
    assert found.name == H100


def test_a_gpu_inside_a_virtual_machine(driver: Made) -> None:
    driver.virtual = pynvml.NVML_GPU_VIRTUALIZATION_MODE_PASSTHROUGH
    assert nvml.devices()[0].virtualised is True


def test_a_driver_that_does_not_answer_is_unavailable(driver: Made) -> None:
    driver.refuses.add("nvmlDeviceGetCount")
    with pytest.raises(MeterUnavailable, match="NVML does not answer: Not Supported"):
        nvml.devices()
    assert driver.initialised == 0


@pytest.mark.parametrize(
    ("status", "there", "container", "fix"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, False, None, "install the NVIDIA driver"),
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, False, "docker", "`--gpus all`"),
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, True, "docker", "CAPABILITIES=compute,utility`"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, True, None, "`sudo modprobe nvidia`"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, True, None, "reboot: the driver was updated"),
        (pynvml.NVML_ERROR_NO_PERMISSION, True, None, "/dev/nvidia*"),
        (pynvml.NVML_ERROR_UNKNOWN, True, None, "see `nvidia-smi`"),
    ],
)
def test_a_driver_that_does_not_start_has_its_own_fix(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    status: int,
    there: bool,
    container: str | None,
    fix: str,
) -> None:
    def fail() -> None:
        raise pynvml.NVMLError(status)

    made = dataclasses.replace(host(), container=container)
    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    monkeypatch.setattr(nvml, "host", lambda: made)
    monkeypatch.setattr(nvml, "DEVICE_FILE", tmp_path if there else tmp_path / "none")
    with pytest.raises(MeterUnavailable) as caught:
        nvml.devices()
    assert caught.value.reason.startswith("NVML: ")
    assert fix in caught.value.fix
    assert "\n" not in str(caught.value)


def test_processes_on_the_gpu(driver: Made) -> None:
    driver.processes = (9, 7)
    assert nvml.processes(UUIDS[0]) == [7, 9]
    driver.refuses.add("nvmlDeviceGetComputeRunningProcesses")
    assert nvml.processes(UUIDS[0]) is None
    assert driver.initialised == 0


# --- one GPU, by its name


def test_a_split_gpu_is_refused_by_index_by_uuid_and_by_slice(driver: Made) -> None:
    driver.mig = frozenset({0})
    for where in ("0", UUIDS[0], SLICE):
        with pytest.raises(MeterUnavailable, match="is split by MIG") as caught:
            open_source(f"nvml:{where}")
        assert "-mig 0" in caught.value.fix
        assert driver.initialised == 0


def test_an_unknown_gpu_is_one_line(driver: Made) -> None:
    with pytest.raises(MeterUnavailable, match="NVML knows no GPU 'GPU-7'"):
        open_source("nvml:GPU-7")
    assert driver.initialised == 0


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pynvml.NVML_VALUE_TYPE_DOUBLE, "dVal"),
        (pynvml.NVML_VALUE_TYPE_UNSIGNED_INT, "uiVal"),
        (pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG, "ulVal"),
        (pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, "ullVal"),
        (pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG, "sllVal"),
        (pynvml.NVML_VALUE_TYPE_SIGNED_INT, "siVal"),
        (pynvml.NVML_VALUE_TYPE_UNSIGNED_SHORT, "usVal"),
    ],
)
def test_a_field_is_read_in_the_type_that_the_driver_chose(
    driver: Made, kind: int, name: str
) -> None:
    value = 30_000.0 if name == "dVal" else 30_000
    driver.fields[pynvml.NVML_FI_DEV_POWER_INSTANT] = (kind, name, value)
    found = NvmlSource(UUIDS[0]).fast()
    assert found.power_instant_w == 30.0
    assert found.energy_mj != found.energy_mj, "a field that the driver refuses is NaN"


# --- what CUDA sees


def made_devices(*names: str) -> list[Device]:
    return [
        Device(
            index=index,
            uuid=UUIDS[index],
            name=name,
            mig=False,
            virtualised=False,
            driver="580.65",
            memory_gib=80.0,
            power_limit_w=700.0,
            default_power_limit_w=700.0,
            max_sm_clock_mhz=1980.0,
            persistence=True,
            pci_bus_id=f"0000:0{index}:00.0",
        )
        for index, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("variable", "seen"),
    [
        ("0,1,2", [0, 1, 2]),
        (" 2 , 0", [2, 0]),
        ("1", [1]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("0,7,1", [0]),  # CUDA hides an unknown entry and all after it
        (UUIDS[2], [2]),
        (f"{UUIDS[1]},{UUIDS[0]}", [1, 0]),
        ("GPU-0a", [0]),
        ("GPU-1", []),  # the beginning of two
        ("GPU-", []),
        (f"2,{UUIDS[0]}", [2, 0]),
        (SLICE, []),
        (f"MIG-{UUIDS[0]}/1/0", []),
        (f"0,{SLICE}", [0]),
    ],
)
def test_what_cuda_visible_devices_shows(variable: str, seen: list[int]) -> None:
    found, doubt = visible(made_devices(H100, H100, H100), variable, "")
    assert [device.index for device in found] == seen
    assert doubt is None


def test_the_variables_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    every = made_devices(H100, L4)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert visible(every) == (every, None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert visible(every) == (every[1:], None)


@pytest.mark.parametrize(
    ("variable", "order", "doubtful"),
    [
        (None, "", True),
        ("0", "FASTEST_FIRST", True),
        ("0", "PCI_BUS_ID", False),
        (UUIDS[0], "", False),  # a UUID means one GPU in any order
        (f"{UUIDS[0]},1", "", True),
    ],
)
def test_indices_of_unlike_gpus_are_doubted(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, order: str, doubtful: bool
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    _, doubt = visible(made_devices(H100, L4), variable, order)
    assert ("CUDA_DEVICE_ORDER=PCI_BUS_ID" in str(doubt)) == doubtful


def test_a_gpu_that_is_in_doubt_is_not_measured(
    driver: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.names = (L4, H100)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(MeterUnavailable, match="which GPU is CUDA's first") as caught:
        registry.gpu_source(None)
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in caught.value.fix
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", UUIDS[1])
    assert registry.gpu_source(None) == f"nvml:{UUIDS[1]}"


def test_codecarbon_counts_the_same_gpu(driver: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """By NVML's index, and never all GPUs of the machine."""
    driver.names = (H100, H100, H100)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"{UUIDS[2]},0")
    for gpu, index in ((None, 2), (UUIDS[1], 1), ("nvml:1", 1), ("0", 0)):
        meter = registry.METERS["codecarbon"].make(gpu)
        assert isinstance(meter, registry.CodeCarbon)
        assert meter.gpu_index == index


# --- the live view


@pytest.fixture
def _no_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def metered(made: Made, energy_mj: int, watts: int) -> None:
    made.fields[pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION] = (
        pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG,
        "ullVal",
        energy_mj,
    )
    made.fields[pynvml.NVML_FI_DEV_POWER_INSTANT] = (
        pynvml.NVML_VALUE_TYPE_UNSIGNED_INT,
        "uiVal",
        watts * 1000,
    )


@pytest.mark.usefixtures("_no_watches")
def test_gpus_as_they_are_now(driver: Made) -> None:
    driver.names, driver.mig, driver.processes = (H100, L4), frozenset({1}), (7, 9)
    metered(driver, 1_000_000, 650)
    with View() as view:
        view.now()
        metered(driver, 37_000_000, 640)  # 36 kJ later
        first, second = view.now().gpus
    assert (first.name, first.index, first.power_w, first.power_limit_w) == (H100, 0, 640, 500)
    assert first.energy_wh == pytest.approx(10)
    assert (first.sm_clock_mhz, first.temperature_c) == (1755, 61)
    assert (first.memory_used_gib, first.memory_gib, first.processes) == (20, 80, (7, 9))
    assert (second.power_w, second.index) == (None, 1)
    assert "MIG" in str(second.problem)
    assert driver.initialised == 0


@pytest.mark.usefixtures("_no_watches")
def test_what_a_gpu_does_not_tell_is_unknown_in_the_view(driver: Made) -> None:
    driver.refuses |= {"nvmlDeviceGetMemoryInfo", "nvmlDeviceGetComputeRunningProcesses"}
    with View() as view:
        (gpu,) = view.now().gpus
        assert view.now().problem is None
    assert (gpu.power_w, gpu.energy_wh, gpu.memory_used_gib, gpu.processes) == (None,) * 4


@pytest.mark.usefixtures("_no_watches")
def test_a_driver_without_gpus_is_said(driver: Made) -> None:
    driver.names = ()
    with View() as view:
        now = view.now()
    assert (now.gpus, now.problem) == ((), "the driver has no GPU")
