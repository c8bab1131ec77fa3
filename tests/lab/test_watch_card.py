"""The block of a model card: what a reader needs to judge it, and the hub's field on request."""

from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from kinowatt.errors import InputError, KinowattError, UnknownNameError
from kinowatt.facts.grids import grid
from watch_reports import NULL, report


def test_the_block_as_it_stands() -> None:
    lines = report().model_card().splitlines()
    assert lines[0] == "### Time and energy of one call"
    assert "on NVIDIA H100 80GB HBM3 (2 calls of `WanPipeline`" in lines[2]
    assert "torch 2.11.0, diffusers 0.42.1, driver 580.65" in lines[2]
    assert lines[4:11] == [
        "| stage | time | GPU energy | peak GPU memory |",
        "| --- | --- | --- | --- |",
        "| text_encoder | 0.100 s | – | – |",
        "| denoiser | 1 min 35 s | 17.2 Wh | 16.0 GiB |",
        "| vae_decoder | 4.70 s | 0.750 Wh | – |",
        "| other | 0.200 s | 0.0500 Wh (with text_encoder) | – |",
        "| **whole call** | 1 min 40 s | 18.0 Wh | 16.0 GiB |",
    ]
    assert lines[12:] == [
        "From prompt to frames in memory; no loading, no encoding of a file.",
        "GPU energy: 18.0 Wh, measured (nvml-counter).",
        "CPU energy: not given, rapl: no powercap zones.",
        "RAM energy: 1.00 Wh, modelled (ram-v3).",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"calls_s": (120.0, 90.0)},
            "Calls took 1 min 30 s to 2 min 00 s; the first 2 min 00 s, with any warming up.",
        ),
        ({"other_processes": [7]}, "The GPU energy includes 1 other process on the GPU."),
        ({"other_processes": [7, 8]}, "The GPU energy includes 2 other processes on the GPU."),
        (
            {"counter_over_power": 0.9},
            "The energy counter gave 90% of the integrated power: check the meters.",
        ),
    ],
)
def test_what_qualifies_the_figures_is_said(changes: dict[str, Any], line: str) -> None:
    assert line not in report().model_card()
    own = {name: value for name, value in changes.items() if name == "calls_s"}
    if not own:
        own = {"conditions": {**report().conditions, **changes}}
    assert line in report(**own).model_card().splitlines()


def test_a_device_is_called_what_it_is() -> None:
    for device, name in (("cpu", "a CPU"), ("mps", "device 'mps'")):
        changes = {"gpu_name": None, "device": device, "driver": None}
        card = report(conditions={**report().conditions, **changes}).model_card()
        assert f"on {name} (2 calls" in card
        assert "driver" not in card


# --- the field of the hub


def test_the_field_is_not_there_unless_asked_for() -> None:
    assert "co2" not in report().model_card()


def test_the_field_is_read_by_the_hub() -> None:
    card = ModelCard(report().model_card(grid="France"))
    france = grid("France")
    found = card.data.to_dict()["co2_eq_emissions"]
    assert found.keys() == {
        "emissions",
        "source",
        "training_type",
        "geographical_location",
        "hardware_used",
    }
    assert found["emissions"] == pytest.approx(0.018 * france.g_per_kwh, rel=1e-6)
    assert "GPU energy by nvml-counter" in found["source"]
    assert f"{france.g_per_kwh:g} g/kWh (France, {france.year}, {france.kind})" in found["source"]
    assert "no training" in found["source"]
    assert "inference" in found["training_type"]
    assert found["geographical_location"] == "France"
    assert found["hardware_used"] == "NVIDIA H100 80GB HBM3"
    assert card.text.lstrip().startswith("### Time and energy of one call")
    assert "by the GPU's electricity alone" in card.text


@pytest.mark.parametrize("energy_wh", [1e-9, 1e-4, 18.0, 5e6])
def test_grams_are_a_number_in_yaml_however_small(energy_wh: float) -> None:
    """`1e-05` is a string in YAML 1.1."""
    made = report(energy_wh={**report().energy_wh, "gpu": energy_wh})
    head = made.model_card(intensity=42).split("---")[1]
    field = yaml.safe_load(head)["co2_eq_emissions"]
    assert isinstance(field["emissions"], float)
    assert field["emissions"] == pytest.approx(energy_wh * 0.042, rel=1e-2, abs=1e-9)
    assert "geographical_location" not in field


def test_names_with_quotes_and_colons_stay_names() -> None:
    conditions = {**report().conditions, "gpu_name": 'GPU: "big" # one\nmore'}
    head = report(conditions=conditions).model_card(intensity=42).split("---")[1]
    assert yaml.safe_load(head)["co2_eq_emissions"]["hardware_used"] == 'GPU: "big" # one\nmore'


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"grid": "Frnace"}, UnknownNameError, "did you mean"),
        ({"grid": "France", "intensity": 5}, InputError, "not both"),
        ({"intensity": -1}, InputError, "from 0 to 3000"),
        ({"intensity": float("nan")}, InputError, "from 0 to 3000"),
        ({"intensity": "42"}, InputError, "from 0 to 3000"),
    ],
)
def test_what_cannot_be_is_one_line(asked: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        report().model_card(**asked)
    assert "\n" not in str(caught.value)


def test_without_gpu_energy_there_is_no_field() -> None:
    made = report(energy_wh={"gpu": None, "cpu": None, "ram": None}, energy_null={"gpu": NULL})
    with pytest.raises(KinowattError, match="no CO2e without GPU energy: 0"):
        made.model_card(grid="France")
