"""Which rows are repeats, and what their spread is of."""

import pytest

from kinowatt.analysis.own.rows import as_it_comes, grouped, left_out, nearness

COMPOSED = {"steps": 50, "timed_steps": 8}
ASKED = {"offload": "none", "tiling": False, "prompt_tokens": 40}


@pytest.mark.parametrize(
    "unlike",
    [
        {"gpu": "h200-sxm"},
        {"torch": "2.12.0"},
        {"attention_backend": "flash"},
        {"dtype": {"denoiser": "float32"}},
        {"offload": "model"},
        {"compile": "blocks"},
        {"steps": 49},
        {"composed": COMPOSED, "protocol": "sampled"},
    ],
)
def test_unlike_conditions_are_not_averaged(make, unlike) -> None:
    first, second = grouped([make(runs=(10.0,)), make(runs=(30.0,), **unlike)])
    assert (first.latency_s.mean, second.latency_s.mean) == (10.0, 30.0)
    assert first.latency_s.sd is second.latency_s.sd is None


def test_rows_composed_by_different_rules_are_not_averaged(make) -> None:
    one = make(composed=COMPOSED, protocol="sampled")
    other = make(composed={**COMPOSED, "windows": 1}, protocol="sampled")
    assert len(grouped([one, other])) == 2


def test_other_meters_than_the_gpus_do_not_part_rows(make) -> None:
    reading = {"scope": "gpu", "meter": "nvml-counter", "energy_j": 1.0}
    with_ram = make(meters={"nvml-counter": {}, "ram-v3": {}}, readings=[reading])
    without = make(meters={"nvml-counter": {}}, readings=[reading])
    assert len(grouped([with_ram, without])) == 1
    sampled = make(readings=[reading | {"meter": "nvml-power-instant"}])
    assert len(grouped([with_ram, sampled])) == 2


def test_spread_between_rows_of_several_machines(make) -> None:
    (group,) = grouped([make(runs=(10.0,), gpu_uuid="A"), make(runs=(12.0,), gpu_uuid="B")])
    found = group.latency_s
    assert (found.mean, found.n, found.over) == (11.0, 2, "2 machines")
    assert found.sd == pytest.approx(2**0.5)
    assert group.gpu_wh is not None
    assert group.gpu_wh.mean == pytest.approx(2.2)


def test_spread_between_the_runs_of_one_row(make) -> None:
    (group,) = grouped([make(runs=(10.0, 11.0, 12.0))])
    assert group.latency_s.sd == pytest.approx(1.0)
    assert group.latency_s.over == "3 runs, 1 machine"


def test_one_run_has_no_spread_and_says_so(make) -> None:
    (group,) = grouped([make()])
    assert (group.latency_s.sd, group.latency_s.over) == (None, "1 run")


def test_what_is_left_out(make) -> None:
    old = "h100-sxm-finish-once.jsonl"
    assert "only once" in (left_out(make(file=old, composed=COMPOSED, protocol="sampled")) or "")
    assert left_out(make(file=old)) is None
    assert "twin" in (left_out(make(twin=True)) or "")
    assert grouped([make(twin=True)]) == []


def test_nearest_to_the_paper(make) -> None:
    plain, h200, composed = grouped(
        [
            make(),
            make(gpu="h200-sxm"),
            make(composed=COMPOSED, protocol="sampled"),
        ]
    )
    ranked = sorted(
        [h200, composed, plain],
        key=lambda group: nearness(group, ASKED, "h100-sxm"),
        reverse=True,
    )
    assert ranked == [plain, composed, h200]


@pytest.mark.parametrize("changed", [{"attention_backend": "flash"}, {"compile": "blocks"}])
def test_a_what_if_is_told_from_a_pipeline_as_it_comes(make, changed) -> None:
    plain, other = grouped([make(), make(**changed)])
    assert (as_it_comes(plain), as_it_comes(other)) == (True, False)


def test_committed_rows_are_grouped_without_loss(rows) -> None:
    groups = grouped(rows)
    out = [row for row in rows if left_out(row)]
    assert sum(len(group.rows) for group in groups) + len(out) == len(rows)
    unmetered = [group for group in groups if group.first.row["energy_wh"]["gpu"] is None]
    assert {group.first.meter for group in unmetered} <= {None}
    assert {group.first.meter for group in groups if group not in unmetered} == {"nvml-counter"}
