"""The contract of a store, the same on SQLite and on PostgreSQL."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from kinowatt.campaign.store import Store, open_store
from kinowatt.campaign.writing import Added
from kinowatt.errors import InputError
from kinowatt.lab.measurement import Measurement

Row = Callable[..., dict[str, Any]]


def orders(number: int, build: str = "a") -> list[dict[str, Any]]:
    return [
        {"build": {"model": build}, "request": {"steps": n}, "expected_s": float(n)}
        for n in range(number)
    ]


def test_begin_makes_a_campaign_once(store: Store) -> None:
    first = store.begin("plan", "digest", orders(3))
    assert store.begin("plan", "digest", orders(3)) == first
    assert store.begin("other", "digest 2", orders(1)) != first
    assert store.progress(first).total == 3


def test_orders_come_as_planned_or_of_the_builds_asked_for(store: Store) -> None:
    plan = [order | {"position": n} for n, order in enumerate(orders(3, "a") + orders(2, "b"))]
    campaign = store.begin("plan", "d", reversed(plan))
    taken = [store.claim(campaign, "w", 60, [{"model": "b"}]) for _ in range(3)]
    taken += [store.claim(campaign, "w", 60) for _ in range(4)]
    assert [(o.build["model"], o.request["steps"]) if o else None for o in taken] == [
        *(("b", 0), ("b", 1), None),
        *(("a", 0), ("a", 1), ("a", 2), None),
    ]


def test_what_is_held_and_what_remains(store: Store, make_row: Row) -> None:
    campaign = store.begin("plan", "d", orders(3, "a") + orders(2, "b"))
    done, held, lapsed = (store.claim(campaign, f"w{n}", 60) for n in range(3))
    assert done
    assert held
    assert lapsed
    store.renew(lapsed.order_id, "w2", -5)
    store.finish(done.order_id, "w0", make_row(1))
    found = store.claims(campaign)
    assert [(c.order_id, c.worker) for c in found] == [
        (held.order_id, "w1"),
        (lapsed.order_id, "w2"),
    ]
    assert 50 < found[0].left_s <= 60
    assert -6 < found[1].left_s <= -5
    left = [(rest.build, rest.waiting, rest.expected_s) for rest in store.remaining(campaign)]
    assert left == [({"model": "a"}, 1, 2.0), ({"model": "b"}, 2, 1.0)]
    progress = store.progress(campaign)
    assert (progress.latency_s, progress.energy_wh_gpu) == (
        make_row(1)["latency_s"],
        make_row(1)["energy_wh"]["gpu"],
    )
    assert progress.workers == ("w1", "w2")


def test_a_held_order_is_given_to_nobody_else_until_its_lease_lapses(store: Store) -> None:
    campaign = store.begin("plan", "d", orders(1))
    held = store.claim(campaign, "w", 60)
    assert held
    assert held.attempts == 1
    assert store.claim(campaign, "x", 60) is None
    assert store.renew(held.order_id, "w", -1)
    again = store.claim(campaign, "x", 60)
    assert again
    assert (again.order_id, again.attempts) == (held.order_id, 2)
    assert not store.renew(held.order_id, "w", 60)
    (failure,) = store.failures(campaign)
    assert (failure.worker, failure.attempt, failure.failure["cause"]) == ("w", 1, "lease lapsed")


def test_finish_counts_once_whoever_comes_first(store: Store, make_row: Row) -> None:
    campaign = store.begin("plan", "d", orders(1))
    held = store.claim(campaign, "w", -1)
    assert held
    assert store.claim(campaign, "x", 60)
    assert store.finish(held.order_id, "w", make_row(1))
    assert not store.finish(held.order_id, "x", make_row(2))
    assert not store.fail(held.order_id, "x", {"cause": "late"}, retry=True)
    assert [stored.row.to_dict() for stored in store.rows()] == [make_row(1)]
    assert store.progress(campaign).done == 1


def test_a_bad_row_leaves_the_order_held(store: Store, make_row: Row) -> None:
    campaign = store.begin("plan", "d", orders(1))
    held = store.claim(campaign, "w", 60)
    assert held
    with pytest.raises(InputError, match="latency_s"):
        store.finish(held.order_id, "w", make_row(latency_s=-1.0))
    assert store.progress(campaign).leased == 1
    assert store.count() == 0


def test_failures_are_kept_and_orders_wait_or_end(store: Store, make_row: Row) -> None:
    campaign = store.begin("plan", "d", orders(2))
    first, second = store.claim(campaign, "w", 60), store.claim(campaign, "w", 60)
    assert first
    assert second
    assert store.fail(first.order_id, "w", {"cause": "oom", "detail": "é"}, retry=True)
    assert store.fail(second.order_id, "w", {"cause": "hang"}, retry=False)
    found = store.progress(campaign)
    assert (found.waiting, found.leased, found.failed, found.expected_left_s) == (1, 0, 1, 0.0)
    assert [f.failure["cause"] for f in store.failures(campaign)] == ["oom", "hang"]
    assert store.reopen(campaign) == 1
    assert store.progress(campaign).waiting == 2


def test_a_released_order_was_not_tried(store: Store) -> None:
    campaign = store.begin("plan", "d", orders(1))
    held = store.claim(campaign, "w", 60)
    assert held
    assert store.release(held.order_id, "w")
    assert not store.release(held.order_id, "w")
    again = store.claim(campaign, "x", 60)
    assert again
    assert again.attempts == 1


def test_a_dead_worker_holds_nothing(store: Store) -> None:
    campaign = store.begin("plan", "d", orders(3))
    for _ in range(2):
        store.claim(campaign, "dead", 60)
    store.claim(campaign, "alive", 60)
    assert store.abandon(campaign, "dead") == 2
    assert store.abandon(campaign, "dead") == 0
    found = store.progress(campaign)
    assert (found.waiting, found.leased, found.workers) == (2, 1, ("alive",))
    again = store.claim(campaign, "next", 60)
    assert again
    assert again.attempts == 2
    assert [f.failure["cause"] for f in store.failures(campaign)] == ["coordinator_died"] * 2


def test_many_claimers_share_without_a_double(store: Store, url: str) -> None:
    campaign = store.begin("plan", "d", orders(40))
    taken: list[int] = []

    def work(name: str) -> None:
        with open_store(url) as own:
            while found := own.claim(campaign, name, 60):
                taken.append(found.order_id)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 40
    assert len(set(taken)) == 40


def test_rows_come_back_bit_for_bit(store: Store, make_row: Row) -> None:
    given = make_row(0)
    assert store.add([Measurement.from_dict(given)]) == Added(added=1, known=0)
    assert store.add([Measurement.from_dict(given)]) == Added(added=0, known=1)
    (back,) = store.rows()
    assert json.dumps(back.row.to_dict()) == json.dumps(given)
    assert store.row(str(back.id)) == store.row(back.digest[:8]) == back


def test_pages_follow_each_other(store: Store, make_row: Row) -> None:
    store.add(Measurement.from_dict(make_row(n)) for n in range(7))
    first = store.measurements(limit=3)
    second = store.measurements(after=first.after, limit=3)
    third = store.measurements(after=second.after, limit=3)
    assert [len(p.rows) for p in (first, second, third)] == [3, 3, 1]
    assert third.after is None
    latencies = [s.row.latency_s for p in (first, second, third) for s in p.rows]
    assert latencies == [make_row(n)["latency_s"] for n in range(7)]


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        (["model=wan2.1-t2v-1.3b"], 5),
        (["model!=wan2.1-t2v-1.3b"], 0),
        (["latency_s>=2.3", "latency_s < 4"], 2),
        (["size=480x832", "steps>=50"], 5),
        (["size!=480x832"], 0),
        (["taken_at>=2026-11-24", "taken_at<2026-11-24T17:56:02+01:00"], 5),
        (["taken_at>2026-11-25"], 0),
        ({"model": ["x", "wan2.1-t2v-1.3b"], "frames": 81}, 5),
        (["campaign=1"], 0),
    ],
)
def test_filters(store: Store, make_row: Row, filters: Any, left: int) -> None:
    store.add(Measurement.from_dict(make_row(n)) for n in range(5))
    assert store.count(filters) == len(list(store.rows(filters))) == left


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (["modle=x"], "did you mean 'model'"),
        (["steps"], "is not NAME"),
        (["steps=many"], "not a whole number"),
        (["steps=99999999999"], "out of range"),
        (["latency_s<fast"], "not a number"),
        (["taken_at>yesterday"], "no date"),
        (["size=big"], "HEIGHTxWIDTH"),
        (["size<1x1"], "takes = or !="),
    ],
)
def test_bad_filters_are_explained(store: Store, filters: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        store.measurements(filters)


def test_what_rows_have_and_whether_more_came(store: Store, make_row: Row) -> None:
    assert (store.values("model"), store.state()) == ([], (0, 0))
    for number, model in enumerate(("b", "a", "b")):
        store.add([Measurement.from_dict(make_row(number, model=model))])
    assert store.values("model") == ["a", "b"]
    assert store.state() == (3, 3)


def test_only_like_rows_are_averaged(store: Store, make_row: Row) -> None:
    other = {"torch": "2.12.0", "energy_null": {"cpu": "no meter", "gpu": "none"}}
    unlike = make_row(9, conditions=other, energy_wh={"gpu": None, "cpu": None, "ram": 1.0})
    store.add(map(Measurement.from_dict, (make_row(1), make_row(2), unlike)))
    pair, single = store.summary()
    assert (pair.n, pair.n_energy, pair.latency_s_min) == (2, 2, make_row(1)["latency_s"])
    assert pair.latency_s_mean == pytest.approx(1.8)
    assert pair.energy_wh_gpu_mean == pytest.approx(1.5 + 1 / 3)
    assert (single.torch, single.energy_wh_gpu_mean) == ("2.12.0", None)
