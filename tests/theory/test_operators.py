"""FLOPs against closed forms derived by hand, at the sizes that people run."""

import pytest

from kinowatt.errors import InputError
from kinowatt.facts.models import model
from kinowatt.facts.operator_tables import operator_table
from kinowatt.theory.operators import flops_per_call, table_operators
from kinowatt.theory.predict import flops_by_part


def forward(name: str, role: str = "denoiser", **symbols: int):
    table = operator_table(model(name).table(role))
    return table_operators(table, symbols, role, "one")


def parts(operators) -> dict[str, float]:
    return flops_by_part(tuple(operators))


@pytest.mark.parametrize(
    ("name", "d", "ff", "n"),
    [("wan2.1-t2v-1.3b", 1536, 8960, 30), ("wan2.1-t2v-14b", 5120, 13824, 40)],
)
def test_wan_denoiser(name: str, d: int, ff: int, n: int) -> None:
    f, h, w, text = 21, 90, 160, 512
    tokens = f * h * w // 4
    found = parts(forward(name, f=f, h=h, w=w, b=1, l=text))
    assert found["self_attention"] == n * (8 * tokens * d**2 + 4 * tokens**2 * d)
    assert found["cross_attention"] == n * (
        4 * tokens * d**2 + 4 * text * d**2 + 4 * tokens * text * d
    )
    assert found["mlp"] == n * 4 * tokens * d * ff
    assert found["timestep"] == 2 * (256 * d + 7 * d**2)
    assert found["other"] == 2 * 2 * tokens * d * 4 * 16 + 2 * text * (4096 * d + d**2)


@pytest.mark.parametrize(
    ("name", "d", "n"), [("cogvideox-2b", 1920, 30), ("cogvideox-5b", 3072, 42)]
)
def test_cogvideox_denoiser(name: str, d: int, n: int) -> None:
    f, h, w, text = 13, 60, 90, 226
    tokens = f * h * w // 4
    joint = tokens + text
    found = parts(forward(name, f=f, h=h, w=w, b=2, l=text))
    assert found["self_attention"] == 2 * n * (8 * joint * d**2 + 4 * joint**2 * d)
    assert found["mlp"] == 2 * n * 16 * joint * d**2
    assert found["cross_attention"] == 0
    timestep = 2 * (512 * d + 512**2) + n * 4 * 512 * 6 * d + 2 * 512 * 2 * d
    assert found["timestep"] == 2 * timestep
    assert found["other"] == 2 * (2 * 2 * tokens * d * 4 * 16 + 2 * text * 4096 * d)


def test_ltx_denoiser() -> None:
    f, h, w, text, d, n = 16, 20, 28, 256, 4096, 48
    tokens = f * h * w
    found = parts(forward("ltx", f=f, h=h, w=w, b=2, l=text))
    assert found["self_attention"] == 2 * n * (8 * tokens * d**2 + 4 * tokens**2 * d)
    assert found["mlp"] == 2 * n * 16 * tokens * d**2
    assert found["cross_attention"] == 2 * n * (
        4 * tokens * d**2 + 4 * text * d**2 + 4 * tokens * text * d
    )


def test_mochi_attention_runs_over_valid_tokens() -> None:
    f, h, w, v, d, n = 14, 60, 106, 40, 3072, 48
    tokens = f * h * w // 4
    operators = forward("mochi", f=f, h=h, w=w, b=2, l=256, v=v)
    joint = [o for o in operators if o.kind == "attention" and o.dims["q"] > 1000]
    assert sum(o.flops for o in joint) == 2 * n * 4 * (tokens + v) ** 2 * d


@pytest.mark.parametrize(("role_of", "length"), [("wan2.1-t2v-1.3b", 512), ("mochi", 256)])
def test_t5_encoders_are_gated(role_of: str, length: int) -> None:
    d = 4096
    found = forward(role_of, "text_encoder", b=1, l=length)
    expected = 24 * (8 * length * d**2 + 4 * length**2 * d + 6 * length * d * 10240)
    assert sum(o.flops for o in found) == expected


def test_clip() -> None:
    d, length = 768, 77
    found = forward("animatediff", "text_encoder", b=1, l=length)
    assert sum(o.flops for o in found) == 12 * (
        8 * length * d**2 + 4 * length**2 * d + 4 * length * d * 3072
    )


def test_wan_decoder_counts_its_last_stage() -> None:
    f, h, w = 21, 90, 160
    found = forward("wan2.1-t2v-1.3b", "vae_decoder", f=f, h=h, w=w, b=1)
    assert sum(o.flops for o in found) == pytest.approx(6.39e14, rel=1e-3)
    attention = f * (8 * 384**2 * h * w + 4 * (h * w) ** 2 * 384)
    middle = [o for o in found if o.kind == "attention"]
    assert sum(o.flops for o in middle) == f * 4 * (h * w) ** 2 * 384
    assert attention > sum(o.flops for o in middle)


@pytest.mark.parametrize("f", [1, 2, 3, 4, 5, 12, 21])
def test_decoder_cases_meet(f: int) -> None:
    """Every latent count has exactly one case; work grows with it."""
    for name in ("wan2.1-t2v-1.3b", "cogvideox-5b", "mochi", "ltx"):
        here = sum(o.flops for o in forward(name, "vae_decoder", f=f, h=16, w=16, b=1))
        more = sum(o.flops for o in forward(name, "vae_decoder", f=f + 1, h=16, w=16, b=1))
        assert 0 < here < more


def test_arrays_equal_numbers() -> None:
    import numpy as np

    table = operator_table(model("cogvideox-5b").table("vae_decoder"))
    frames = np.array([1.0, 3.0, 4.0, 13.0, 14.0])
    many = table_operators(
        table, {"f": frames, "h": 20.0, "w": 30.0, "b": 1}, "vae_decoder", "x", 1
    )
    total = sum(o.flops for o in many), sum(o.bytes for o in many), sum(o.calls for o in many)
    for i, f in enumerate(frames):
        one = forward("cogvideox-5b", "vae_decoder", f=int(f), h=20, w=30, b=1)
        assert total[0][i] == sum(o.flops for o in one)
        assert total[1][i] == sum(o.bytes for o in one)
        assert total[2][i] == sum(o.calls for o in one)


def test_kinds_without_flops() -> None:
    assert flops_per_call("norm", {"row": 1536}) == 0


def test_no_case_is_an_error() -> None:
    table = operator_table("wan2.1-vae.float32")
    with pytest.raises(InputError, match="no case"):
        table_operators(table, {"f": 0, "h": 8, "w": 8, "b": 1}, "vae_decoder", "x")
