"""What the committed rows of one and two GPUs say, recomputed, and that a disturbance would show."""

import json
from copy import deepcopy
from dataclasses import replace

import pytest

from kinowatt.analysis.own.two_gpus import (
    Pair,
    committed,
    finish_table,
    slow_share,
    speed_up,
    spells_table,
)


@pytest.fixture(scope="module")
def taken():
    return committed()


def test_every_row_was_taken_both_ways_and_is_in_both_logs(taken) -> None:
    works = {pair.work for pair in taken.pairs}
    assert len(works) == 31
    assert [{each.work for each in taken.logs[gpus]} for gpus in (1, 2)] == [works, works]
    assert {each.worker for each in taken.logs[1]} == {0}
    assert [each.worker for each in taken.logs[2]].count(1) == 16
    for run in ("alone", "beside"):
        rows = [getattr(pair, run) for pair in taken.pairs]
        assert all(row["stability"]["stable"] for row in rows)
    assert len({pair.alone["conditions"]["gpu_uuid"] for pair in taken.pairs}) == 1
    assert len({pair.beside["conditions"]["gpu_uuid"] for pair in taken.pairs}) == 2


def test_two_gpus_are_nearly_twice_as_fast_but_for_the_start(taken) -> None:
    found = speed_up(taken)
    assert found.whole == pytest.approx(401.9 / 211.2)
    assert found.commands == pytest.approx(403.705 / 213.833)
    held_s = 2 * 211.2 - 28.1 - 28.1
    assert found.busy == pytest.approx((211.2 - 28.1 + 204.5 - 28.1) / held_s)
    assert found.equal_rows == pytest.approx(1.963, abs=0.001)
    assert found.paced_by_gpu == pytest.approx(1.977, abs=0.001)
    assert found.measuring == pytest.approx(1.969, abs=0.001)
    assert found.start_s == pytest.approx({1: 11.7, 2: 13.4}, abs=0.1)


def test_no_row_that_the_gpu_paces_is_slower_by_a_percent_on_the_same_gpu(taken) -> None:
    same = taken.chosen(host_paced=False, same_gpu=True)
    assert len(same) == 15
    changes = [pair.change_pct("denoiser") for pair in same]
    assert (min(changes), max(changes)) == pytest.approx((-0.416, 0.750), abs=0.001)
    assert max(pair.change_pct() for pair in same) == pytest.approx(0.92, abs=0.01)
    energies = [pair.energy_pct() for pair in same]
    assert (min(energies), max(energies)) == pytest.approx((-0.289, 0.640), abs=0.001)


def test_a_disturbed_row_would_show(taken) -> None:
    pair = taken.chosen(host_paced=False, same_gpu=True)[0]
    slower = deepcopy(pair.beside)
    slower["stages"]["denoiser"]["latency_s"] *= 1.02
    made = Pair(work=pair.work, alone=pair.alone, beside=slower)
    change = 100 * (1.02 * (1 + pair.change_pct("denoiser") / 100) - 1)
    assert made.change_pct("denoiser") == pytest.approx(change)


def test_the_scatter_of_rows_that_the_host_paces_is_slow_steps_of_the_denoiser(taken) -> None:
    host = [pair for pair in taken.pairs if pair.host_paced]
    rows = [row for pair in host for row in (pair.alone, pair.beside)]
    told = [row for row in spells_table(taken).rows if row["all quick_s"] is not None]
    quick_s = [row["all quick_s"] / row["steps"] for row in told]
    taken_s = [row["denoiser_s"] / row["steps"] for row in spells_table(taken).rows]
    assert max(taken_s) / min(taken_s) == pytest.approx(1.19, abs=0.01)
    assert max(quick_s) / min(quick_s) == pytest.approx(1.05, abs=0.01)
    steps = [step for row in rows for step in row["stages"]["denoiser"]["steps_s"]]
    assert len(steps) == 310
    shares = {which: [slow_share(getattr(p, which)) for p in host] for which in ("alone", "beside")}
    assert shares["alone"] == pytest.approx([4 / 70, 11 / 85])
    assert shares["beside"] == pytest.approx([8 / 70, 23 / 85])
    assert {row["conditions"]["clock_mhz"]["min"] for row in rows} == {1980.0}
    assert all(row["stages"]["denoiser"]["lag_s"] < 0.001 for row in rows)


def test_the_forecast_was_within_ten_percent(taken, root) -> None:
    forecast = json.loads((root / "docs/evidence/two-gpus-forecast.json").read_text("utf-8"))
    rows = finish_table(taken, forecast).rows
    assert [row["predicted over it_pct"] for row in rows] == pytest.approx([4.46, 3.77], abs=0.01)
    late = replace(taken, logs={**taken.logs, 2: (replace(taken.logs[2][-1], done_s=300.0),)})
    assert finish_table(late, forecast).rows[1]["predicted over it_pct"] == pytest.approx(
        -26.9, 0.01
    )
