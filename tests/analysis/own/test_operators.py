"""Kernels of forwards by kind of operator, beside the microbench's laws."""

import pytest

from kinowatt.analysis.own.lines import committed_lines
from kinowatt.analysis.own.operators import (
    attentions,
    forwards_table,
    groups_table,
    profiled,
)
from kinowatt.app.validating import committed_bench


@pytest.fixture(scope="module")
def lines():
    return committed_lines("operators")


@pytest.fixture(scope="module")
def found(lines):
    return {(each.model, each.stage): each for each in profiled(lines, committed_bench())}


def test_every_kernel_is_of_one_kind(lines, found) -> None:
    """The sum of kinds is that of all kernels, and twice profiled it is the same to 1%."""
    assert len(found) == 7 + 4
    for line in lines:
        each = found[line["model"], line["variant"]]
        seconds = sum(group.seconds for group in each.groups)
        assert seconds == pytest.approx(sum(call["seconds"] for call in line["calls"]))
        assert seconds == pytest.approx(each.busy_s, rel=0.01)


def test_a_kind_is_measured_and_counted_alike(found) -> None:
    """Wan-1.3B at 33 frames: 30 blocks of two attentions and ten products, six more around them."""
    wan = found["wan2.1-t2v-1.3b", "denoiser"]
    attention, linear = wan.by_name["attention"], wan.by_name["linear"]
    assert (attention.calls, linear.calls) == (60, 306)
    assert attention.seconds == pytest.approx(0.06074, abs=1e-5)
    assert attention.law_s == pytest.approx(0.06648, abs=1e-4)
    assert wan.off_pct(linear) == pytest.approx(-0.687, abs=0.01)


def test_a_slower_clock_stretches_laws_of_compute_alone(lines) -> None:
    (line,) = (each for each in lines if each["model"] == "cogvideox-5b")
    sampled = {**line["sampled"], "clock_mhz": {"mean": 990.0, "min": 990.0, "max": 990.0}}
    quick, slow = profiled([line, {**line, "sampled": sampled}], committed_bench())
    ratio = quick.forward.clock_mhz / 990.0
    for kind in ("memory", "norms of tokens"):
        assert slow.by_name[kind].law_s == quick.by_name[kind].law_s
    linear = slow.by_name["linear"].law_s / quick.by_name["linear"].law_s
    assert 0.95 * ratio < linear <= ratio


def test_idle_of_the_device_is_told_where_it_is_positive(found) -> None:
    rows = {(row["model"], row["stage"]): row for row in forwards_table(list(found.values())).rows}
    wan = rows["wan2.1-t2v-1.3b", "denoiser"]
    assert wan["idle_us"] == pytest.approx(1e6 * (0.19331 - 0.186198) / 1833, abs=0.02)
    assert wan["between_us"] == pytest.approx(1e6 * 0.006746 / 1833, abs=0.001)
    assert rows["cogvideox-2b", "vae decoder"]["idle_us"] is None


def test_the_table_leaves_out_what_takes_nothing(found) -> None:
    rows = groups_table(list(found.values())).rows
    of = [row["kind"] for row in rows if row["model"] == "mochi-1-preview"]
    decoder = ["linear", "convolution", "group norms", "memory"]
    assert of == ["attention", "linear", "memory", *decoder]


def test_prompts_of_guidance_are_of_unlike_length(lines) -> None:
    few, many = attentions(lines, "mochi-1-preview")
    assert (few.tokens, many.tokens) == (6361, 6400)
    assert few.calls == many.calls == 48
    assert few.seconds > many.seconds  # the last tile of 128 keys is full
