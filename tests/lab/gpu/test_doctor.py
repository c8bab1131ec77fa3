"""`kinowatt doctor` where there is a GPU."""

import json
import subprocess
import sys
from typing import Any

import pytest
import torch

from kinowatt.lab.conditions import gpu_state, source_of

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def findings(device: str) -> dict[str, dict[str, Any]]:
    """By the name of the capability, as the command prints them."""
    done = subprocess.run(
        [sys.executable, "-m", "kinowatt", "doctor", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {finding["name"]: finding for finding in json.loads(done.stdout)}


@pytest.mark.parametrize(
    "name", ["NVIDIA driver", "GPU 0", "energy counter", "instant power", "torch"]
)
def test_what_a_row_needs_is_there(findings: dict[str, dict[str, Any]], name: str) -> None:
    assert findings[name]["status"] == "ok", findings[name]


def test_ram_is_modelled_by_its_size(findings: dict[str, dict[str, Any]]) -> None:
    assert findings["RAM model"]["status"] == "limited"
    assert "GiB" in findings["RAM model"]["found"]


def test_nothing_is_taken_for_a_bug(findings: dict[str, dict[str, Any]]) -> None:
    """Also of what is missing: each has a name, a meaning and, where it can be mended, a fix."""
    for finding in findings.values():
        assert "report" not in str(finding["fix"]), finding
        assert finding["meaning"], finding


def test_kernels_are_those_of_a_cuda_build(findings: dict[str, dict[str, Any]]) -> None:
    assert {"flash", "efficient", "math"} <= set(
        findings["attention backends"]["found"].split(", ")
    )


def test_rows_know_the_gpu_that_torch_runs_on(device: str) -> None:
    state = gpu_state(torch.device(device))
    assert source_of(torch.device(device)) == f"nvml:{state['gpu_uuid']}"
    assert state["gpu_name"] == torch.cuda.get_device_name()
    assert state["driver"]
    assert 0 < state["power_limit_w"] <= 2000
    assert state["max_sm_clock_mhz"] > 500
