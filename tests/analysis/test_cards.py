"""Figures ready to be published: the same numbers, and labels that say what they are."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import kinowatt
from kinowatt.analysis.cards import card
from kinowatt.errors import InputError, KinowattError

WAN = {"model": "wan-1.3b", "profile": "paper-corrected"}


@pytest.fixture(scope="module")
def rows(root: Path) -> list[kinowatt.Measurement]:
    return kinowatt.load_measurements(root / "data/measurements/h100-sxm.jsonl")


def test_a_prediction_as_a_block() -> None:
    found = kinowatt.predict(**WAN)
    lines = card(found).markdown().splitlines()
    assert lines[0] == "### Time and energy of one video"
    assert lines[2].startswith("Predicted by Kinowatt")
    assert "480x832, 81 frames (5.06 s at 16 fps), 50 steps, recipe single" in lines[2]
    assert "| **whole call** | 1 min 43 s | 19.4 Wh | 22.3 GiB |" in lines
    assert any(line.startswith("Predicted, not measured: 95% of ") for line in lines)
    assert "co2" not in card(found).markdown().lower()


def test_the_hubs_field() -> None:
    found = kinowatt.predict(**WAN)
    text = card(found, grid="FRA").markdown()
    field = yaml.safe_load(text.split("---")[1])["co2_eq_emissions"]
    france = kinowatt.grid("FRA").g_per_kwh
    assert field["emissions"] == pytest.approx(found.energy_wh["gpu"] / 1000 * france)
    assert "GPU energy predicted" in field["source"]
    assert field["geographical_location"] == "France"
    assert field["training_type"].startswith("none: inference")
    assert "g CO2e by the GPU's electricity alone" in text


def test_a_row_as_a_block(rows: list[kinowatt.Measurement]) -> None:
    row = next(row for row in rows if row.model == "cogvideox-2b" and row.conditions["composed"])
    text = card(row).markdown()
    assert "Measured by Kinowatt" in text
    assert f"Measured, protocol {row.protocol}, composed of timed steps, random weights" in text
    assert "measured (nvml-counter)." in text
    assert "RAM energy" in text
    assert "modelled (ram-v3)" in text
    assert "CPU energy: not given, rapl" in text
    assert "redicted" not in text
    assert card(row.to_dict()).markdown() == text


def test_every_committed_row_has_a_card(rows: list[kinowatt.Measurement]) -> None:
    for row in rows:
        found = card(row, intensity=100)
        data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert data["provenance"]["kind"] == "measured"
        wh = row.energy_wh["gpu"]
        assert data["energy_score"]["wh_per_1000_queries"] == pytest.approx(1000 * wh)
        assert data["sci"]["g_per_video"] == pytest.approx(wh / 10)
        if row.stability.get("stable") is False:
            assert "Not stable: " in data["model_card"]


def test_the_energy_score_is_not_passed_off_as_official() -> None:
    found = card(kinowatt.predict(**WAN)).energy_score()
    assert found["official"] is False
    assert found["note"].startswith("not an official AI Energy Score")
    assert found["kind"] == "predicted"
    assert found["basis"].startswith("predicted, not measured")
    assert not any("star" in name for name in found)
    assert found["wh_per_1000_queries"] == pytest.approx(19396.8, rel=1e-3)
    assert found["model"] == "Wan-AI/Wan2.1-T2V-1.3B-Diffusers"


def test_sci_per_video_and_per_second_of_video() -> None:
    found = kinowatt.predict(**WAN)
    energy_wh = found.energy_wh["gpu"]
    alone = card(found, intensity=500, pue=1.2).sci()
    assert alone["operational_g"] == pytest.approx(energy_wh / 1000 * 500 * 1.2)
    assert (alone["embodied_g"], alone["complete"]) == (None, False)
    assert "no complete SCI" in alone["note"]
    whole = card(found, intensity=500, pue=1.2, embodied=True).sci()
    grams_per_s = 273 * 1000 / (3 * 365.25 * 24 * 3600)
    assert whole["embodied_g"] == pytest.approx(grams_per_s * found.latency_s)
    assert whole["g_per_video"] == pytest.approx(alone["operational_g"] + whole["embodied_g"])
    assert whole["g_per_second_of_video"] == pytest.approx(whole["g_per_video"] / (81 / 16))
    assert whole["complete"]
    same = kinowatt.predict(**WAN, intensity=500, pue=1.2, embodied=True)
    assert whole["g_per_video"] == pytest.approx(same.co2e_g)


def test_figures_are_of_one_video_of_a_batch() -> None:
    one, four = (card(kinowatt.predict(**WAN, batch_size=n), intensity=100) for n in (1, 4))
    assert four.energy_wh == pytest.approx(one.energy_wh, rel=0.05)
    assert four.sci()["g_per_second_of_video"] == pytest.approx(
        one.sci()["g_per_second_of_video"], rel=0.05
    )
    assert "One call makes 4 videos" in four.markdown()
    assert "energy of one call" in four.markdown()


def test_what_was_changed_is_said() -> None:
    found = kinowatt.predict(**WAN, what_if={"cache": "0.5"}, tiling=True, offload="model")
    assert "cache=0.5, decoded in tiles, offload model" in card(found).markdown()


def test_a_row_without_gpu_energy_has_no_energy_card(rows: list[kinowatt.Measurement]) -> None:
    data = rows[0].to_dict()
    data["energy_wh"]["gpu"] = None
    data["conditions"]["energy_null"] = {"gpu": "no NVML here", "cpu": "no RAPL"}
    with pytest.raises(KinowattError, match="no NVML here"):
        card(data).energy_score()
    assert "GPU energy: not given, no NVML here." in card(data).markdown()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"grid": "FRA", "intensity": 3}, "not both"),
        ({"intensity": -1}, "from 0 to 3000"),
        ({"grid": "ATLANTIS"}, "unknown grid"),
        ({"pue": 0.5, "grid": "FRA"}, "pue must be from 1"),
        ({"embodied": True}, "embodied needs grid"),
    ],
)
def test_bad_input(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        card(kinowatt.predict(**WAN), **asked)


def test_other_bad_input() -> None:
    with pytest.raises(InputError, match="SCI needs grid"):
        card(kinowatt.predict(**WAN)).sci()
    with pytest.raises(InputError, match="H100-class"):
        card(kinowatt.predict("wan-1.3b", "l40s"), grid="FRA", embodied=True)
    for wrong in ({}, "wan-1.3b", None, 3):
        with pytest.raises(InputError, match="takes a prediction or a measured row"):
            card(wrong)
