"""Orders that rows of a store answer already are not measured again."""

from collections.abc import Callable
from typing import Any

import pytest

from kinowatt.campaign.known import BUILT, SETTINGS, adopt, answers
from kinowatt.campaign.store import Store
from kinowatt.lab.measurement import Measurement

Made = Callable[..., dict[str, Any]]
STATED = {
    "device": "cuda",
    "weights": "random",
    "revision": None,
    "offload": "none",
    "tiling": False,
    "compile": "none",
    "attention_backend": "default",
    "twin": False,
}


@pytest.fixture
def taken(make_row: Made) -> dict[str, Any]:
    """A row that states how its pipeline was built."""
    row = make_row()
    return row | {"conditions": {**row["conditions"], **STATED}}


def order_of(row: dict[str, Any], **changed: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What would be asked for to get a row."""
    build = {ours: row["conditions"].get(theirs) for ours, theirs in BUILT.items()}
    build |= {"model": row["model"], "dtype": None, "meters": ["auto"], "seed": 0}
    request = {name: row["workload"][name] for name in (*SETTINGS, "frames")}
    request |= {"protocol": row["protocol"], "recipe": row["recipe"], "idle_s": 3}
    for name, value in changed.items():
        (build if name in build else request)[name] = value
    return build, request


def test_a_row_answers_what_it_was_asked_for(taken: dict[str, Any]) -> None:
    assert answers(taken, *order_of(taken))
    ran = taken["workload"] | {"frames": 83, "effective": {**taken["workload"]["effective"]}}
    assert answers(taken | {"workload": ran}, *order_of(taken))  # 83 asked for run as 81


@pytest.mark.parametrize(
    "changed",
    [
        *({name: 7} for name in (*SETTINGS, "frames")),
        {"model": "mochi-1-preview"},
        {"protocol": "sampled"},
        {"recipe": "card"},
        {"dtype": "float32"},
        {"prompt": "a cat"},
        {"tiling": True},
        {"attention": "math"},
        {"compile": "blocks"},
        {"weights": "hub"},
        {"twin": True},
    ],
    ids=str,
)
def test_no_row_answers_anything_else(taken: dict[str, Any], changed: dict[str, Any]) -> None:
    assert not answers(taken, *order_of(taken, **changed))


def test_known_orders_are_done_and_each_row_counts_once(
    store: Store, taken: dict[str, Any]
) -> None:
    asked = [order_of(taken), order_of(taken), order_of(taken, steps=20)]
    orders = [{"build": build, "request": request, "expected_s": 1.0} for build, request in asked]
    campaign_id = store.begin("plan", "digest", orders)
    store.add([Measurement.from_dict(taken)])
    assert adopt(store, campaign_id, "h200-sxm") == 0
    assert adopt(store, campaign_id, "h100-sxm") == 1
    assert adopt(store, campaign_id, "h100-sxm") == 0
    progress = store.progress(campaign_id)
    assert (progress.done, progress.waiting) == (1, 2)
    (stored,) = store.rows({"campaign": campaign_id})
    assert stored.row.to_dict() == taken
    left = [store.claim(campaign_id, "me", 60.0) for _ in range(2)]
    assert [order.request["steps"] for order in left if order] == [50, 20]


def test_a_row_that_came_meanwhile_is_not_replaced(store: Store, taken: dict[str, Any]) -> None:
    build, request = order_of(taken)
    campaign_id = store.begin("plan", "digest", [{"build": build, "request": request}])
    order = store.claim(campaign_id, "me", 60.0)
    assert order is not None
    assert store.finish(order.order_id, "me", taken)
    store.add([Measurement.from_dict(taken | {"latency_s": 1.0})])
    assert adopt(store, campaign_id, "h100-sxm") == 0
    assert store.adopt(order.order_id, 2) is False
