"""Before and after of every finding."""

import re

import pytest


@pytest.fixture(scope="module")
def findings(reproduction):
    return {item.id: item for item in reproduction.findings}


GOLDEN = {
    "steps-frames": ("122%", "1.90%"),
    "steps-cancelling": ("1.90%", "8.17% (signed -8.17%)"),
    "overhead-rank": ("μ 0.4559, 1e-32 s, R² 0.9984", "μ 0.4637, 7.8 s, R² 0.9988"),
    "fixed-seconds": ("4.13 s", "8.36 s measured; the sweep is 4.79 s + 3.565 s per step"),
    "dit-constants": ("1.836e+17", "1.256e+17"),
    "utilisation": ("0.456", "0.287 of those that ran, or 0.302 beside 4.0 s"),
    "latent-frames": ("13.5 and 21.25", "13 and 21: the paper counts 3.8% and 1.2%"),
    "staircase": ("100 points", "26 plateaus: energy varies 0.46% inside one"),
    "vae-last-stage": ("3.96e+14", "6.39e+14, of which 2.23e+14 (35%)"),
    "vae-efficiency": ("0.9 s", "3.6 to 4.7 s: 0.08 to 0.11"),
    "efficiencies": ("12.70% / 6.62% / 3.02%", "2.64% / 1.98% / 0.47%"),
    "corrected-model": ("14.01% / 10.45% / 1.90%", ""),
    "held-out": ("in sample", "held out"),
    "ltx-latency": ("9.66 s, 1179 W on a 700 W GPU", "17.81 s, 639 W"),
    "ltx-workload": ("1.24e+16 for 512x704, 40 steps", "5.6e+15 for 30 steps at 320x448 and 4 at"),
    "wan-listed": ("480x832, 60 steps", "720x1280, 50 steps"),
    "protocol": ("2 + 5", "1 + 2 / 1 + 2 / 1 + 3"),
    "error-bars": ("5 runs of 50 prompts", "49 means of prompts: 0.53 s"),
    "prompts": ("50", "49, WAN-14B 41, 335 rows; 7"),
    "resolution-range": ("256x256 to 3520x1980", "256x256 to 1792x1008, 14 sizes"),
    "frames-range": ("4 to 100 step 4", "1 to 100, 100 points"),
    "all-steps": ("1.90% on 50 rows", "2.27% on all 200, worst 51%"),
    "absolute-error": ("14.01% / 10.45% / 1.90%", "-11.84% / -10.45% / -1.85% signed"),
    "mochi-frames": ("84", "79"),
    "power": ("700 W", "601-693 / 625-691 / 683-690 W"),
    "power-states": ("one state", "686-691, 625-655 and 659-677 W"),
    "floor": ("one value", "397.9, 417.3, 410.0 s: ±2.4%"),
    "second-repeat": ("one value", "35.13 and 33.27 Wh: ±2.7%"),
    "ram": ("measured", "38.0 W in every model; the window is 0.10 s longer"),
    "cpu": ("the same", "3.05 and 4.95 Wh"),
    "scope": ("90.5 Wh; 31 / 1,926 / 45,257", "78.8 Wh of the GPU alone"),
    "peak-exponent": ("0.41 s", "407 s"),
    "text-encoder": ("13.96%", "14.01%"),
    "timestep": ("6e+09", "3.4e+09"),
    "doubling": ("x4 and x16", "x3.02 and x10.0: exponents 1.69 and 1.66"),
    "attention-bytes": ("295", "591"),
    "mlp-intensity": ("590", "923 from the printed intensity, 360"),
    "l4-balance": ("605", "403"),
    "several-mu": ("0.456 (3.4), about 0.4", "0.4559"),
    "cpu-14b": ("35.6 Wh", "35.75 Wh"),
    "steps-of-others": ("60-64", "40-64"),
}


def test_every_finding_is_held_to_a_number(findings) -> None:
    assert set(findings) == set(GOLDEN)


@pytest.mark.parametrize(("name", "expected"), GOLDEN.items())
def test_before_and_after(findings, name, expected) -> None:
    found = findings[name]
    assert found.before.startswith(expected[0])
    assert found.after.startswith(expected[1])


def test_a_finding_changes_a_number(findings) -> None:
    for item in findings.values():
        assert item.before != item.after
        assert re.search(r"\d", item.after), item.id


def test_the_floor(reproduction) -> None:
    assert reproduction.headline["floor_pct"] == pytest.approx(2.377, abs=1e-3)
