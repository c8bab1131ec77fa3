"""Other kernels of attention, and what compiled blocks still move through memory."""

from collections import Counter

import numpy as np
import pytest

from kinowatt import predict, predict_many
from kinowatt.analysis.predict import scenario
from kinowatt.errors import InputError
from kinowatt.facts.operator_tables import operator_table
from kinowatt.theory.kernels import compiled_blocks, other_kernels
from kinowatt.theory.operators import COMPUTE_KINDS, Operator
from kinowatt.theory.passes import plan_operators
from kinowatt.theory.recipe import plan

WAN = "wan2.1-t2v-1.3b"
TOKENS, WIDTH, HIDDEN, TEXT, FORWARDS, BLOCKS = 32760, 1536, 8960, 512, 100, 30


def denoiser(model: str) -> list[Operator]:
    chosen = scenario(model)
    resolved = plan(chosen.model, chosen.workload, chosen.recipe, chosen.tiling)
    found = plan_operators(chosen.model, chosen.workload, resolved, operator_table)
    return [operator for operator in found if operator.stage == "denoiser"]


def test_a_compiled_block_by_hand() -> None:
    """Tensors of a block, in bytes of bfloat16: five of the residual in each branch, queries and
    keys read and written in attention, the hidden activations read and written in the MLP."""
    stream = 2.0 * TOKENS * WIDTH
    each = {
        "fused.self_attention": 5 * stream + 4 * stream,
        "fused.cross_attention": 5 * stream + 2 * stream + 2 * 2.0 * TEXT * WIDTH,
        "fused.mlp": 5 * stream + 2 * 2.0 * TOKENS * HIDDEN,
    }
    fused = [o for o in compiled_blocks(denoiser(WAN)) if o.op.startswith("fused")]
    assert {o.op: o.bytes for o in fused} == pytest.approx(
        {op: FORWARDS * BLOCKS * nbytes for op, nbytes in each.items()}
    )
    assert sum(o.calls for o in fused) == FORWARDS * BLOCKS * (4 + 4 + 3)


def test_compiled_attention_reads_angles_that_are_as_large_as_its_queries() -> None:
    """LTX has cosines and sines in float32 for each of queries and keys, all as large as they are."""
    usual = denoiser("ltx-video-0.9.7-dev")
    fused = next(o for o in compiled_blocks(usual) if o.op == "fused.self_attention")
    attention = next(o for o in usual if o.kind == "attention" and o.part == fused.part)
    rows = attention.dims["batch"] * attention.dims["q"]
    width = attention.dims["heads"] * attention.dims["head"]
    each = (5 * 2 + 4 * 2 + 4 * 4) * rows * width
    assert fused.bytes == pytest.approx(attention.calls * each)


@pytest.mark.parametrize("model", [WAN, "ltx-video-0.9.7-dev", "cogvideox-2b"])
def test_compiling_keeps_every_product_and_moves_less(model: str) -> None:
    usual = denoiser(model)
    compiled = compiled_blocks(usual)

    def products(operators: list[Operator]) -> Counter[tuple[str, float]]:
        return Counter((o.kind, float(o.flops)) for o in operators if o.kind in COMPUTE_KINDS)

    assert products(compiled) == products(usual)
    moved, before = (sum(o.bytes or 0.0 for o in each) for each in (compiled, usual))
    assert moved < before
    assert sum(o.calls for o in compiled) < sum(o.calls for o in usual)


def test_a_block_breaks_where_a_size_is_known_to_the_gpu_only() -> None:
    """Mochi's attention picks the tokens of the prompt that are not padding, and puts them back."""
    usual, compiled = (f(denoiser("mochi-1-preview")) for f in (list, compiled_blocks))
    stays = {"nonzero", "index", "cat", "constant_pad_nd"}
    for op in stays:
        mine, left = (
            [o for o in found if o.op == op and o.part == "self_attention"]
            for found in (usual, compiled)
        )
        assert mine
        assert left == mine
    assert next(o for o in compiled if o.op == "fused.self_attention").calls == 64 * 48 * 4
    others = [o for o in compiled if o.part == "self_attention" and o.op not in stays]
    assert {o.kind for o in others if not o.op.startswith("fused")} == {"linear", "attention"}


@pytest.mark.parametrize("model", ["animatediff-lightning", "wan2.1-t2v-1.3b-as-published"])
def test_only_transformers_are_compiled(model: str) -> None:
    with pytest.raises(InputError, match="transformers alone"):
        predict(model, what_if={"compile": "blocks"})


def test_kernels_in_the_order_in_which_they_were_measured() -> None:
    seconds = {
        kernel: predict(WAN, what_if={"attention": kernel}).latency_s
        for kernel in ("cudnn", "flash", "efficient", "math")
    }
    assert sorted(seconds, key=lambda kernel: seconds[kernel]) == list(seconds)


def test_another_kernel_is_no_surer_than_the_usual_one() -> None:
    usual, other = predict(WAN), predict(WAN, what_if={"attention": "flash"})

    def width(found: object) -> float:
        low, high = found.intervals["latency_s"]["95"]  # type: ignore[attr-defined]
        return float(high / low)

    assert width(other) >= width(usual) * (1 - 1e-12)
    many = predict_many(WAN, what_if={"attention": "flash"})
    assert many["latency_s_95_high"] == pytest.approx(other.intervals["latency_s"]["95"][1])


def test_what_counts_as_another_kernel() -> None:
    changes = (
        {"attention": "flash"},
        {"compile": "blocks"},
        {"attention": "math"},
        {"cache": "0.5"},
    )
    assert [other_kernels(change) for change in changes] == [True, True, False, False]


def test_a_profile_without_a_law_refuses_and_says_what_it_knows() -> None:
    with pytest.raises(InputError, match="knows no attention kernel flash; it knows fused, math"):
        predict(WAN, gpu="a100", what_if={"attention": "flash"})


def test_columns_of_compiled_blocks() -> None:
    given = {"frames": np.array([31, 37]), "steps": np.array([10, 20])}
    how = {"what_if": {"compile": "blocks"}}
    many = predict_many("mochi-1-preview", **given, **how)
    for index, latency_s in enumerate(many["latency_s"]):
        alone = {name: column[index].item() for name, column in given.items()}
        assert predict("mochi-1-preview", **alone, **how).latency_s == pytest.approx(latency_s)
    with pytest.raises(InputError, match="ask for them apart"):
        predict_many("mochi-1-preview", **given, guidance_scale=np.array([1.0, 5.0]), **how)
