"""`kinowatt doctor`: every probe on made and real machines; none of them can end it."""

import dataclasses
import importlib.util
import json
import py_compile
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kinowatt.errors import KinowattError, MissingExtraError
from kinowatt.facts.models import models
from kinowatt.lab import doctor, doctor_gpu, doctor_host
from kinowatt.lab.doctor import Probe, diagnose
from kinowatt.lab.finding import Finding
from kinowatt.lab.host import Memory, host
from kinowatt.lab.meters.contract import MeterUnavailable
from kinowatt.lab.meters.nvml import Device
from kinowatt.lab.meters.rapl import Rapl
from kinowatt.lab.meters.sources import FakeSource
from kinowatt.units import GIB
from powercap_tree import Powercap

Usage = namedtuple("Usage", "total used free")


def device(index: int = 0, **changes: Any) -> Device:
    values: dict[str, Any] = {
        "index": index,
        "uuid": f"GPU-{index}a2b3c4d-0000",
        "name": "NVIDIA H100 80GB HBM3",
        "mig": False,
        "virtualised": False,
        "driver": "580.65",
        "memory_gib": 79.6,
        "power_limit_w": 700.0,
        "default_power_limit_w": 700.0,
        "max_sm_clock_mhz": 1980.0,
        "persistence": True,
        "pci_bus_id": f"0000:0{index}:00.0",
    }
    return Device(**{**values, **changes})


@pytest.fixture
def machine_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts made GPUs in place of NVML's; each has the counters of a made source."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def put(*found: Device, without: str = "", others: tuple[int, ...] | None = ()) -> None:
        source = FakeSource(json.dumps({"without": without.split()}))
        monkeypatch.setattr(doctor_gpu, "devices", lambda: list(found))
        monkeypatch.setattr(doctor_gpu, "open_source", lambda name: source)
        running = None if others is None else list(others)
        monkeypatch.setattr(doctor_gpu, "processes", lambda uuid: running)

    return put


def by_name(findings: Any) -> dict[str, Finding]:
    found = list(findings)
    named = {finding.name: finding for finding in found}
    assert len(named) == len(found)
    return named


# --- the whole


def test_this_machine_is_diagnosed_and_fits_into_json() -> None:
    found = diagnose()
    rows = [finding.to_dict() for finding in found]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert {"NVIDIA driver", "torch", "RAPL", "RAM model", "host"} <= by_name(found).keys()
    for finding in found:
        assert finding.found
        assert finding.meaning
        assert "\n" not in f"{finding.found}{finding.meaning}{finding.fix}"


@pytest.mark.parametrize(
    ("error", "found", "fix"),
    [
        (MeterUnavailable("no sensor", "plug it in"), "no sensor", "plug it in"),
        (MissingExtraError("x is not installed: pip …"), "x is not installed", "pip install"),
        (KinowattError("plain"), "plain", None),
        (RuntimeError("two\nlines"), "RuntimeError: two lines", "report it as a bug"),
    ],
)
def test_a_probe_that_fails_is_a_finding(error: Exception, found: str, fix: str | None) -> None:
    def look() -> list[Finding]:
        raise error

    good = Finding(name="good", status="ok", found="here", meaning="works")
    bad, after = diagnose([Probe("bad", "nothing of it", look), Probe("good", "", lambda: [good])])
    assert (bad.name, bad.status, bad.found, bad.meaning) == (
        "bad",
        "missing",
        found,
        "nothing of it",
    )
    assert bad.fix is None if fix is None else fix in str(bad.fix)
    assert after is good


def test_a_probe_that_fails_half_way_gives_one_line() -> None:
    def look() -> Any:
        yield Finding(name="bad", status="ok", found="a", meaning="b")
        raise OSError("gone")

    (only,) = diagnose([Probe("bad", "none", look)])
    assert (only.status, only.found) == ("missing", "OSError: gone")


def test_it_runs_with_the_core_dependencies_alone(fresh_python: Callable[..., str]) -> None:
    """Nothing of the extra `measure` is there, and nothing of it is loaded."""
    code = """
import sys
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError
import importlib.metadata as metadata

HIDDEN = {"torch", "diffusers", "transformers", "accelerate", "codecarbon", "pynvml", "psutil"}
find_spec, version = PathFinder.find_spec, metadata.version

def hide(name, *rest):
    return None if name.partition(".")[0] in HIDDEN else find_spec(name, *rest)

def no_version(name):
    if name in HIDDEN:
        raise PackageNotFoundError(name)
    return version(name)

PathFinder.find_spec = hide
metadata.version = no_version
from kinowatt.lab.doctor import diagnose
found = {finding.name: finding for finding in diagnose()}
for name in ("NVIDIA driver", "torch", "pipeline libraries", "CodeCarbon"):
    print(name, "|", found[name].status, "|", found[name].fix)
print(sorted(HIDDEN & set(sys.modules)))
"""
    install = "missing | pip install 'kinowatt[measure]'"
    names = ("NVIDIA driver", "torch", "pipeline libraries", "CodeCarbon")
    assert fresh_python(code).splitlines() == [*(f"{name} | {install}" for name in names), "[]"]


def test_names_of_probes_are_unique() -> None:
    names = [probe.name for probe in doctor.PROBES]
    assert len(names) == len(set(names))


# --- GPUs


def test_a_missing_driver_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> list[Device]:
        raise MeterUnavailable("NVML: NVML Shared Library Not Found", "install the NVIDIA driver")

    monkeypatch.setattr(doctor_gpu, "devices", none)
    gpu_probes = [probe for probe in doctor.PROBES if probe.name in {"NVIDIA driver", "GPUs"}]
    sensors = [probe for probe in doctor.PROBES if probe.name == "GPU sensors"]
    (only,) = diagnose([*gpu_probes, *sensors])
    assert (only.name, only.status, only.fix) == (
        "NVIDIA driver",
        "missing",
        "install the NVIDIA driver",
    )


def test_a_healthy_gpu(machine_with: Callable[..., None]) -> None:
    machine_with(device())
    found = by_name([*doctor_gpu.driver(), *doctor_gpu.gpus(), *doctor_gpu.sensors()])
    assert {finding.status for finding in found.values()} == {"ok"}
    assert {finding.fix for finding in found.values()} == {None}
    assert found["NVIDIA driver"].found == "580.65, 1 GPU"
    assert found["GPU 0"].found == "NVIDIA H100 80GB HBM3, 79.6 GiB, GPU-0a2b3c4d"
    assert found["CUDA_VISIBLE_DEVICES"].found == "unset: GPU 0"
    assert found["power limit"].found == "700 W"


def test_a_driver_without_gpus(machine_with: Callable[..., None]) -> None:
    machine_with()
    found = by_name([*doctor_gpu.driver(), *doctor_gpu.gpus(), *doctor_gpu.sensors()])
    assert found.keys() == {"NVIDIA driver"}
    assert found["NVIDIA driver"].status == "missing"


def test_gpus_that_cuda_does_not_see(
    machine_with: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_with(device(0), device(1))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    found = by_name(doctor_gpu.gpus())
    assert found["GPU 0"].meaning == "hidden from CUDA: in no figure"
    assert found["GPU 1"].meaning == "can be measured"
    assert found["CUDA_VISIBLE_DEVICES"].found == "'1': GPU 1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    hidden = by_name(doctor_gpu.gpus())["CUDA_VISIBLE_DEVICES"]
    assert (hidden.status, hidden.found) == ("missing", "'': no GPU")
    assert hidden.meaning == "nothing is measured: CUDA_VISIBLE_DEVICES='' hides every GPU"
    assert hidden.fix == "unset it, or name a GPU of `nvidia-smi -L`"
    assert list(doctor_gpu.sensors()) == []


def test_a_slice_of_mig_is_called_one(
    machine_with: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not a GPU that is hidden, and naming another entry would not help."""
    machine_with(device(mig=True))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-8f3c1f2d-1111-2222-3333-444455556666")
    found = by_name(doctor_gpu.gpus())["CUDA_VISIBLE_DEVICES"]
    assert found.status == "missing"
    assert "names a slice of MIG: its one power reading is of all slices" in found.meaning
    assert "-mig 0" in str(found.fix)


def test_a_gpu_that_tells_no_memory_still_has_a_line(machine_with: Callable[..., None]) -> None:
    machine_with(device(memory_gib=None))
    assert by_name(doctor_gpu.gpus())["GPU 0"].found.startswith(
        "NVIDIA H100 80GB HBM3, memory not told"
    )


def test_unlike_gpus_need_an_order(machine_with: Callable[..., None]) -> None:
    machine_with(device(0), device(1, name="NVIDIA L4"))
    found = by_name(doctor_gpu.gpus())["CUDA_VISIBLE_DEVICES"]
    assert found.status == "limited"
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in str(found.fix)


def test_mig_is_refused_with_its_fix(machine_with: Callable[..., None]) -> None:
    machine_with(device(mig=True))
    found = by_name(doctor_gpu.gpus())["GPU 0"]
    assert (found.status, found.fix) == ("missing", "`sudo nvidia-smi -i 0 -mig 0`")
    assert list(doctor_gpu.sensors()) == []


@pytest.mark.parametrize(
    ("without", "name", "fix"),
    [
        ("energy_mj", "energy counter", "--meter nvml-power-instant"),
        ("power_instant_w", "instant power", "update the NVIDIA driver"),
    ],
)
def test_a_sensor_that_is_not_there(
    machine_with: Callable[..., None], without: str, name: str, fix: str
) -> None:
    machine_with(device(), without=without)
    found = by_name(doctor_gpu.sensors())
    assert [n for n, finding in found.items() if finding.status != "ok"] == [name]
    assert fix in str(found[name].fix)


@pytest.mark.parametrize(
    ("changes", "name", "here", "fix"),
    [
        (
            {"power_limit_w": 500.0},
            "power limit",
            "500 W (default 700 W)",
            "`sudo nvidia-smi -i 0 -pl 700`",
        ),
        ({"power_limit_w": None}, "power limit", "not told", None),
        ({"persistence": False}, "persistence mode", "off", "`sudo nvidia-smi -i 0 -pm 1`"),
    ],
)
def test_settings_that_change_figures(
    machine_with: Callable[..., None], changes: dict[str, Any], name: str, here: str, fix: str
) -> None:
    machine_with(device(**changes))
    found = by_name(doctor_gpu.sensors())[name]
    assert (found.status, found.found, found.fix) == ("limited", here, fix)


def test_other_processes_on_the_gpu(machine_with: Callable[..., None]) -> None:
    machine_with(device(), others=(7, 8))
    found = by_name(doctor_gpu.sensors())["other processes"]
    assert (found.status, found.found) == ("limited", "on the GPU: 7, 8")
    machine_with(device(), others=None)
    unknown = by_name(doctor_gpu.sensors())["other processes"]
    assert (unknown.status, unknown.found) == ("limited", "not told")


def test_gpus_that_differ_have_a_line_each(machine_with: Callable[..., None]) -> None:
    machine_with(device(0), device(1, persistence=False))
    found = by_name(doctor_gpu.sensors())
    assert found["persistence mode, GPU 0"].status == "ok"
    assert found["persistence mode, GPU 1"].fix == "`sudo nvidia-smi -i 1 -pm 1`"
    assert found["energy counter"].status == "ok"


# --- torch


def test_torch_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (found,) = doctor_gpu.torch_build()
    assert (found.status, found.fix) == ("missing", "pip install 'kinowatt[measure]'")


def test_torch_as_installed_here() -> None:
    import torch

    found = by_name(doctor_gpu.torch_build())
    assert str(torch.__version__) in found["torch"].found
    assert "math" in found["attention backends"].found


@pytest.mark.parametrize(
    ("uuids", "status"),
    [
        (["0a2b3c4d-0000", "1a2b3c4d-0000"], "ok"),
        (["1a2b3c4d-0000", "0a2b3c4d-0000"], "limited"),
        (["0a2b3c4d-0000"], "limited"),
    ],
)
def test_torch_must_see_the_gpus_that_are_measured(
    machine_with: Callable[..., None], uuids: list[str], status: str
) -> None:
    machine_with(device(0), device(1))
    found = doctor_gpu._same_gpus("2.11", uuids)
    assert found.status == status
    assert (found.fix is None) == (status == "ok")


def test_torch_for_amd_is_not_called_a_cpu_build(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.version, "hip", "6.4")
    found = by_name(doctor_gpu.torch_build())["torch"]
    assert found.status == "limited"
    assert "AMD GPUs, which no meter here reads" in found.meaning


def test_torch_with_cuda_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = by_name(doctor_gpu.torch_build())["torch"]
    assert found.status == "missing"
    assert "CUDA 12.8" in str(found.fix)


def test_attention_backends_of_a_gpu_build() -> None:
    backends = SimpleNamespace(
        cuda=SimpleNamespace(is_flash_attention_available=lambda: True),
        cudnn=SimpleNamespace(is_available=lambda: False),
    )
    torch = SimpleNamespace(version=SimpleNamespace(cuda="12.8"), backends=backends)
    found = doctor_gpu._attention(torch)
    assert (found.status, found.found) == ("ok", "flash, efficient, math")


# --- host


def test_libraries_of_pipelines(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = doctor_host.pipelines()
    assert found.status == "ok"
    versions = {"diffusers": "0.42.1", "transformers": None, "accelerate": "1.0"}
    monkeypatch.setattr(doctor_host, "version_of", versions.get)
    (found,) = doctor_host.pipelines()
    assert found.status == "missing"
    assert found.found == "diffusers 0.42.1, transformers -, accelerate 1.0"


def test_bytecode_that_is_not_kept_costs_each_worker_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "heavy_one" / "__init__.py"
    source.parent.mkdir()
    source.write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(doctor_host, "HEAVY", ("heavy_one", "not_installed"))
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    (found,) = doctor_host.bytecode()
    assert (found.status, found.found) == ("limited", "not kept of heavy_one")
    assert "PYTHONPYCACHEPREFIX" in (found.fix or "")
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    assert [each.status for each in doctor_host.bytecode()] == ["ok"]
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    py_compile.compile(str(source))  # as pip does when it installs
    assert [each.status for each in doctor_host.bytecode()] == ["ok"]


def test_rapl_names_its_zones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Powercap(tmp_path / "powercap")
    tree.zone("intel-rapl:0", "package-0", 5.0)
    tree.zone("intel-rapl:0:0", "dram", 5.0)
    monkeypatch.setattr(doctor_host, "Rapl", lambda: Rapl(tree.root))
    with tree.moving({"intel-rapl:0": 100.0, "intel-rapl:0:0": 10.0}):
        (found,) = doctor_host.rapl()
    assert (found.status, found.found) == ("ok", "package-0, package-0/dram")
    assert found.meaning == "CPU and memory energy is measured"


def test_the_ram_model_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = Memory(size_gib=100.0, source="cgroup v2 (memory.max)")
    made = dataclasses.replace(host(), memory=limited, architecture="x86_64")
    monkeypatch.setattr(doctor_host, "host", lambda: made)
    (found,) = doctor_host.ram()
    assert found.found == "38.0 W for 100 GiB, cgroup v2 (memory.max)"
    assert found.meaning == "modelled by size, not measured"


@pytest.mark.parametrize(
    ("free_gib", "status", "fitting"),
    [(1000.0, "ok", 7), (17.0, "limited", 3), (0.5, "missing", 0)],
)
def test_room_for_weights(
    monkeypatch: pytest.MonkeyPatch, free_gib: float, status: str, fitting: int
) -> None:
    usage = Usage(0, 0, round(free_gib * GIB))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    (found,) = doctor_host.disk()
    assert found.status == status
    assert found.meaning == f"room for the weights of {fitting} of 7 models, one at a time"
    assert (found.fix is None) == (status == "ok")


def test_weights_of_the_largest_model() -> None:
    """14.3 + 5.7 billion parameters in bfloat16, a decoder in float32."""
    assert doctor_host.weight_bytes(models()["wan2.1-t2v-14b"]) / 1e9 == pytest.approx(
        40.4, abs=0.1
    )


@pytest.mark.parametrize(
    ("variable", "value", "folder"),
    [
        ("HF_HUB_CACHE", "a/hub", "a/hub"),
        ("HUGGINGFACE_HUB_CACHE", "b", "b"),
        ("HF_HOME", "c", "c/hub"),
        ("XDG_CACHE_HOME", "d", "d/huggingface/hub"),
    ],
)
def test_where_the_hub_keeps_weights(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, folder: str
) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    assert doctor_host.hub_cache() == Path(folder)


def test_the_cache_is_where_huggingface_hub_says(fresh_python: Callable[..., str]) -> None:
    code = "from huggingface_hub.constants import HF_HUB_CACHE; print(HF_HUB_CACHE)"
    assert Path(fresh_python(code).strip()) == doctor_host.hub_cache()


@pytest.mark.parametrize(
    ("value", "status"), [("1", "limited"), ("true", "limited"), ("0", "ok"), ("", "ok")]
)
def test_the_hub_is_not_called_only_its_setting_read(
    monkeypatch: pytest.MonkeyPatch, value: str, status: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    (found,) = doctor_host.hub()
    assert found.status == status
    assert (found.fix is None) == (status == "ok")
