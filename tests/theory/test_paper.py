import numpy as np
import pytest

from kinowatt.theory import paper

REFERENCE = (720, 1280, 81, 50)


def test_token_length_is_unrounded() -> None:
    assert paper.token_length(720, 1280, 81) == 22.25 * 45 * 80 - 3600
    assert paper.token_length(720, 1280, 50) == 13.5 * 3600


def test_operators_by_hand() -> None:
    t, d, n, m = 76500.0, 2048, 32, 512
    found = paper.flops(*REFERENCE)
    assert found["self_attention"] == 100 * n * (8 * t * d**2 + 4 * t**2 * d)
    assert found["cross_attention"] == 100 * n * (4 * t * d**2 + 4 * m * d**2 + 4 * t * m * d)
    assert found["mlp"] == 100 * n * 16 * t * d**2
    assert found["timestep"] == 100 * (2 * 256 * d + 14 * d**2)


def test_totals() -> None:
    assert paper.total_flops(*REFERENCE) == pytest.approx(1.836e17, rel=1e-3)
    vae = paper.vae_convolution_flops(720, 1280, 81) + paper.vae_attention_flops(720, 1280, 81)
    assert vae == pytest.approx(3.97e14, rel=2e-3)
    assert paper.text_encoder_flops() == pytest.approx(7.63e12, rel=1e-3)
    assert paper.text_encoder_flops(as_coded=True) == pytest.approx(6.7e11, rel=1e-3)


def test_latency_and_energy() -> None:
    seconds = paper.latency_s(*REFERENCE)
    assert seconds == paper.total_flops(*REFERENCE) / (0.456 * 989e12)
    assert paper.energy_wh(*REFERENCE) == pytest.approx(700 * seconds / 3600)


def test_arrays() -> None:
    many = paper.latency_s(720, 1280, np.array([48, 81]), 50)
    assert many.tolist() == [paper.latency_s(720, 1280, f, 50) for f in (48, 81)]
