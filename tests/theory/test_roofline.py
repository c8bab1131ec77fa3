"""Appendix B as printed, with its own numbers, and with every operand counted."""

import pytest

from kinowatt.errors import InputError
from kinowatt.facts.components import component
from kinowatt.facts.gpus import DTYPES, gpus
from kinowatt.theory.roofline import (
    SCALAR_BYTES,
    mlp_threshold,
    published_thresholds,
    thresholds,
)


def test_h100_published_and_corrected() -> None:
    found = published_thresholds(gpus()["h100-sxm"])
    assert found is not None
    assert found.beta == pytest.approx(295.2, abs=0.05)
    assert found.attention_published == pytest.approx(295.2, abs=0.05)
    assert found.mlp_published == pytest.approx(590.4, abs=0.1)
    assert found.attention_corrected == pytest.approx(590.4, abs=0.1)
    assert found.mlp_from_published_intensity == pytest.approx(922, abs=2)
    assert found.mlp_corrected == pytest.approx(360, abs=0.5)


def test_l4_slip() -> None:
    found = published_thresholds(gpus()["l4"])
    assert found is not None
    assert found.beta == pytest.approx(403.3, abs=0.1)
    assert gpus()["l4"].published.beta == 605


def test_thresholds_are_where_intensity_equals_beta() -> None:
    d, f, s = 2048, 4, 2
    for spec in gpus().values():
        found = thresholds(spec)
        tokens = found.mlp_corrected
        assert tokens is not None
        flops = 4 * f * tokens * d**2
        moved = s * (2 * f * d**2 + 2 * tokens * d + 2 * f * tokens * d)
        assert flops / moved == pytest.approx(found.beta, rel=1e-9)
        tokens = found.attention_corrected
        assert 4 * tokens**2 * d / (4 * tokens * d * s) == pytest.approx(found.beta, rel=1e-9)


def test_none_where_no_length_suffices() -> None:
    assert mlp_threshold(5000, 2) is None
    most = 2 * 4 * 2048 / ((1 + 4) * 2)  # the intensity that activations alone allow
    assert mlp_threshold(most, 2) is None
    assert mlp_threshold(most * 0.999, 2) == pytest.approx(1000 * 4 * 2048 / 5, rel=0.01)


def test_a_gpu_that_the_paper_has_not() -> None:
    assert published_thresholds(gpus()["l40s"]) is None


def test_dense_peaks_lower_the_suspect_ones() -> None:
    for name in ("mi325x", "rtx-4090"):
        spec = gpus()[name]
        printed = published_thresholds(spec)
        assert printed is not None
        assert thresholds(spec).beta < 0.6 * printed.beta


PRINTED = [  # Table 7: name, beta, attention, MLP; then beta and attention of the datasheet
    ("h100-sxm", 295, 295, 590, 295.34, 590.69),
    ("a100-sxm-80gb", 156, 156, 312, 153.02, 306.03),
    ("rtx-4090", 330, 330, 660, 163.89, 327.78),
    ("l4", 605, 605, 1210, 403.33, 806.67),
    ("tpu-v6e", 574, 574, 1148, 560.44, 1120.88),
    ("mi325x", 417, 417, 834, 217.90, 435.80),
    ("gaudi3", 453, 453, 906, 453.51, 907.03),
]


@pytest.mark.parametrize(("name", "beta", "attention", "mlp", "true_beta", "corrected"), PRINTED)
def test_table_7(
    name: str, beta: float, attention: float, mlp: float, true_beta: float, corrected: float
) -> None:
    spec = gpus()[name]
    assert spec.published is not None
    assert (spec.published.beta, spec.published.attention_tokens) == (beta, attention)
    assert spec.published.mlp_tokens == mlp
    found = thresholds(spec)
    assert found.beta == pytest.approx(true_beta, abs=0.005)
    assert found.attention_corrected == pytest.approx(corrected, abs=0.01)


def test_only_the_l4_misprints_its_own_ratio() -> None:
    wrong = {
        name
        for name, *_ in PRINTED
        if (printed := gpus()[name].published)
        and (again := published_thresholds(gpus()[name]))
        and abs(again.beta / printed.beta - 1) > 0.002
    }
    assert wrong == {"l4"}


def test_the_mlp_of_the_checkpoint() -> None:
    config = component("wan2.1-t2v-1.3b-denoiser").config
    width = config["num_attention_heads"] * config["attention_head_dim"]
    found = thresholds(gpus()["h100-sxm"], width=width, expansion=config["ffn_dim"] / width)
    assert (width, config["ffn_dim"]) == (1536, 8960)
    assert found.mlp_corrected == pytest.approx(381.2, abs=0.1)
    assert found.mlp_from_published_intensity == pytest.approx(1074.93, abs=0.01)
    assert found.attention_corrected == thresholds(gpus()["h100-sxm"]).attention_corrected


def test_half_the_bytes_at_twice_the_speed_change_nothing() -> None:
    spec = gpus()["h100-sxm"]
    wide, narrow = thresholds(spec, "bfloat16"), thresholds(spec, "float8")
    assert narrow.beta == pytest.approx(2 * wide.beta, rel=1e-3)
    assert narrow.attention_corrected == pytest.approx(wide.attention_corrected, rel=1e-3)


def test_every_dtype_has_a_size_and_every_peak_a_threshold() -> None:
    assert set(SCALAR_BYTES) == set(DTYPES)
    for spec in gpus().values():
        for dtype in spec.peak_flops:
            assert 0 < thresholds(spec, dtype).attention_corrected < 2000


def test_a_dtype_that_a_gpu_lacks_is_refused() -> None:
    with pytest.raises(InputError, match="a100-sxm-80gb has no published float8 peak; known: "):
        thresholds(gpus()["a100-sxm-80gb"], "float8")
