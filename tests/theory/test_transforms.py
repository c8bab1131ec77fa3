import pytest

from kinowatt import predict
from kinowatt.errors import InputError
from kinowatt.theory.transforms import transform, transforms


def test_text_cache_removes_exactly_the_text_projections() -> None:
    d, text, layers, forwards = 1536, 512, 30, 100
    before = predict("wan-1.3b").flops["cross_attention"]
    after = predict("wan-1.3b", what_if={"text-cache": "on"}).flops["cross_attention"]
    assert before - after == forwards * layers * 4 * text * d**2


def test_window_scales_the_scores() -> None:
    whole, quarter = predict("wan-1.3b"), predict("wan-1.3b", what_if={"window": "0.25"})
    tokens, d = 32760, 1536
    scores = 100 * 30 * 4 * tokens**2 * d
    removed = whole.flops["self_attention"] - quarter.flops["self_attention"]
    assert removed == pytest.approx(0.75 * scores)


def test_cache_leaves_out_that_share_of_the_blocks() -> None:
    whole, half = predict("wan-1.3b"), predict("wan-1.3b", what_if={"cache": "0.5"})
    for part in ("self_attention", "cross_attention", "mlp"):
        assert half.flops[part] == pytest.approx(whole.flops[part] / 2)
    assert half.flops["other"] == whole.flops["other"]


def test_eight_bits_only_where_the_gpu_has_them() -> None:
    assert predict("wan-1.3b", what_if={"linear": "fp8"}).latency_s < predict("wan-1.3b").latency_s
    with pytest.raises(InputError, match="no published float8 peak"):
        predict("cogvideox-5b", gpu="a100", what_if={"linear": "fp8"})


def test_unfused_attention_moves_the_scores() -> None:
    fused, math = predict("wan-1.3b"), predict("wan-1.3b", what_if={"attention": "math"})
    assert math.flops["total"] == fused.flops["total"]
    assert math.latency_s > 1.5 * fused.latency_s
    assert predict("wan-1.3b", what_if={"attention": "fused"}).latency_s == fused.latency_s


@pytest.mark.parametrize(
    ("what_if", "message"),
    [
        ({"lienar": "fp8"}, "did you mean 'linear'"),
        ({"linear": "fp4"}, "unknown value of linear 'fp4'"),
        ({"cache": "1"}, "from 0 to below 1"),
        ({"cache": "half"}, "must be a number"),
        ({"window": "0"}, "above 0"),
    ],
)
def test_refuses_in_one_line(what_if: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        predict("wan-1.3b", what_if=what_if)


def test_a_name_is_registered_once() -> None:
    assert set(transforms()) == {"linear", "cache", "text-cache", "window", "attention", "compile"}
    with pytest.raises(ValueError, match="registered twice"):
        transform("cache", (), "again", "computed")(lambda operators, value: list(operators))
