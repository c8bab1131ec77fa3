"""The datasheet profile of a GPU whose chip was measured in another product."""

from dataclasses import replace

import pytest

from kinowatt.facts.gpus import gpu
from kinowatt.facts.profiles import default_profile, profile, profile_files, sibling_profile
from kinowatt.facts.scaling import scaled_physics

H100, H200 = gpu("h100-sxm"), gpu("h200-sxm")


def test_bandwidths_follow_the_memory_and_rates_the_peaks() -> None:
    learned = profile("torch-2.11", H100).physics
    assert learned is not None
    found = scaled_physics(learned, H100, H200)
    for name, law in learned["laws"].items():
        scaled = found["laws"][name]
        ratio = scaled["bandwidth_bytes_per_s"] / law["bandwidth_bytes_per_s"]
        assert ratio == pytest.approx(4.8 / 3.35)
        assert scaled["rate_flops"] == law["rate_flops"]  # the peaks are equal
        assert scaled["start_s"] == law["start_s"]
    half = replace(H200, peak_flops={d: f / 2 for d, f in H200.peak_flops.items() if d != "tf32"})
    halved = scaled_physics(learned, H100, half)["laws"]
    for name in ("linear", "linear.float32", "convolution.tf32", "attention.flash"):
        assert halved[name]["rate_flops"] == pytest.approx(learned["laws"][name]["rate_flops"] / 2)


def test_a_gpu_without_a_peak_is_refused() -> None:
    learned = profile("torch-2.11", H100).physics
    assert learned is not None
    with pytest.raises(ValueError, match="no peak of bfloat16"):
        scaled_physics(learned, H100, replace(H200, peak_flops={}))


def test_an_h200_by_its_datasheet_has_the_laws_of_an_h100_and_says_so() -> None:
    found = profile("datasheet", H200)
    assert found.kind == "datasheet"
    assert found.physics is not None
    assert found.stack.startswith("laws of h100-sxm, torch 2.11")
    assert "not measured on this GPU" in found.warning
    assert found.spread["unseen"]["latency"]["95"][1] < 1.2
    published = profile("datasheet", H200, by_operator=False)
    assert published.physics is None  # the paper's formulas have no operators
    assert published.efficiency["linear"] > 0


@pytest.mark.parametrize("name", ["h100-pcie", "h100-nvl", "b200-sxm", "l40s"])
def test_another_chip_or_power_limit_has_shares_and_their_wide_interval(name: str) -> None:
    assert sibling_profile(gpu(name)) is None
    found = profile("datasheet", gpu(name))
    assert found.physics is None
    assert found.spread["unseen"]["latency"]["95"][1] > 3


def test_what_was_learned_of_a_gpu_itself_comes_first() -> None:
    assert default_profile(H200) == "h200-sxm/torch-2.11"
    assert "h200-sxm/torch-2.11" in profile_files()
