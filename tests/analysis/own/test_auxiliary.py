"""What of a video is not the denoiser."""

from dataclasses import replace

import pytest

from kinowatt.analysis.own.auxiliary import (
    models_table,
    nearest_to_cards,
    parts,
    powers_table,
    range_table,
    steps_ladders,
    steps_table,
)
from kinowatt.analysis.own.counted import counted


@pytest.fixture(scope="module")
def video(make):
    """Ten seconds: 8 of the denoiser, 1 of the decoder, 0.5 of the text encoder; 1 Wh, 100 W idle."""
    found = parts(counted([make()]))[0]
    seconds = {"text_encoder": 0.5, "denoiser": 8.0, "vae_decoder": 1.0, "host": 0.5}
    wh = {"text_encoder": None, "denoiser": 0.85, "vae_decoder": 0.1}
    return replace(
        found, latency_s=10.0, gpu_wh=1.0, idle_w=100.0, seconds=seconds, wh=wh, steps=4, whole=True
    )


def test_shares_add_up(video) -> None:
    assert video.auxiliary_pct == pytest.approx(20)
    assert sum(video.share_pct(part) for part in video.seconds) == pytest.approx(100)
    assert video.energy_pct("vae_decoder") == pytest.approx(10)
    assert video.rest_wh == pytest.approx(0.05)
    assert video.rest_over_denoiser == pytest.approx(0.05 / 1.0 / (0.85 / 8.0))
    assert video.idle_pct == pytest.approx(100 * 100 * 10 / 3600)
    assert video.largest_auxiliary == "vae_decoder"


def test_what_was_not_metered_is_none(video) -> None:
    short = replace(video, wh=dict.fromkeys(video.wh), idle_w=None)
    assert (short.rest_wh, short.idle_pct, short.rest_over_denoiser) == (None, None, None)
    (row,) = models_table([short]).rows
    assert row["all_three_energy_pct"] is None
    assert row["idle_energy_pct"] is None
    assert powers_table([short, video]).rows[0]["rows"] == 1


def test_the_host_is_what_is_left_of_a_row(rows) -> None:
    for found in parts(counted(rows[:3])):
        assert sum(found.seconds.values()) == pytest.approx(found.latency_s)
        assert found.seconds["host"] >= 0


def test_the_card_is_told_by_its_work_and_ties_by_what_was_metered(video) -> None:
    bare = replace(video, idle_w=None)
    small = replace(video, flops=video.flops / 4)
    assert nearest_to_cards([bare, small, video]) == [video]


def test_a_ladder_differs_in_steps_alone(video) -> None:
    """2 s besides 2 s a step: 19 steps until the 2 s are 5% of the whole."""
    longer = replace(video, steps=8, latency_s=18.0, seconds=video.seconds | {"denoiser": 16.0})
    others = [replace(video, guidance=1.0, steps=2), replace(video, batch=2, steps=2)]
    composed = replace(video, steps=16, whole=False)
    (ladder,) = steps_ladders([longer, video, *others, composed])
    assert [each.steps for each in ladder.videos] == [4, 8]
    assert ladder.auxiliary_s == pytest.approx(2)
    assert ladder.step_s == pytest.approx(2)
    assert steps_table([ladder]).rows[0]["steps_until_5_percent"] == 19


def test_range_names_both_ends(video) -> None:
    worse = replace(video, setting="small", seconds=video.seconds | {"denoiser": 2.0})
    (row,) = range_table([worse, video]).rows
    assert (row["least_pct"], row["most_pct"]) == pytest.approx((20, 80))
    assert row["at_"] == "small"
