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
    assert _decoder(as_coded=False) == pytest.approx(3.9706e14, rel=1e-4)
    assert paper.text_encoder_flops() == pytest.approx(7.63e12, rel=1e-3)
    assert paper.text_encoder_flops(as_coded=True) == pytest.approx(6.7e11, rel=1e-3)


def _decoder(*, as_coded: bool) -> float:
    found = paper.flops(*REFERENCE, as_coded=as_coded)
    return found["vae_convolution"] + found["vae_attention"]


def test_scripts_behind_table_3() -> None:
    """The decoder of the scripts has 3.96e14 FLOPs, and a timestep MLP per layer and step."""
    assert _decoder(as_coded=True) == pytest.approx(3.9558e14, rel=1e-4)
    coded = paper.flops(*REFERENCE, as_coded=True)
    assert coded["timestep"] == 50 * 32 * paper.timestep_flops()
    assert coded["text_encoder"] == paper.text_encoder_flops(as_coded=True)
    for same in ("self_attention", "cross_attention", "mlp", "vae_attention"):
        assert coded[same] == paper.flops(*REFERENCE)[same]


def test_decoder_frames() -> None:
    """Table 6 has ⌈T/4⌉, ⌈T/2⌉ and T frames, the scripts 1, 2 and 4 times ⌈T/4⌉."""
    lines = [line.stage for line in paper.DECODER]
    first, last = lines.index("D0"), lines.index("head")
    for coded, frames in ((False, 81), (True, 84)):
        layers = paper.decoder_layers(720, 1280, 81, as_coded=coded)
        assert layers[first] == 2 * 27 * 16 * 384 * 21 * 90 * 160
        assert layers[last] == 2 * 27 * 96 * 3 * frames * 720 * 1280


def test_latency_and_energy() -> None:
    seconds = paper.latency_s(*REFERENCE)
    assert seconds == paper.total_flops(*REFERENCE) / (0.456 * 989e12)
    assert paper.energy_wh(*REFERENCE) == pytest.approx(700 * seconds / 3600)


def test_arrays() -> None:
    many = paper.latency_s(720, 1280, np.array([48, 81]), 50)
    assert many.tolist() == [paper.latency_s(720, 1280, f, 50) for f in (48, 81)]
