"""Which orders of a plan a store has rows of already: imported ones are not measured again."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kinowatt.campaign.checking import Checked
from kinowatt.campaign.queue import DONE
from kinowatt.campaign.reading import StoredRow
from kinowatt.campaign.store import Store

Asked = tuple[Mapping[str, Any], Mapping[str, Any]]  # build and request of an order
# What an order and a row must have in common, by the names of each
SETTINGS = ("height_px", "width_px", "steps", "guidance_scale", "batch_size", "prompt_tokens")
BUILT = {
    **{name: name for name in ("device", "weights", "revision", "offload", "tiling", "compile")},
    "attention": "attention_backend",
    "twin": "twin",
}


def answers(row: Mapping[str, Any], build: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    """Whether a row is what an order asks for: same model, settings, protocol and pipeline.

    Frames may be those asked for or those that ran. What neither states counts as its default.
    """
    workload, conditions = row["workload"], row["conditions"]
    frames = {workload["frames"], workload["effective"]["frames"]}
    return (
        row["model"] == build["model"]
        and row["protocol"] == request["protocol"]
        and row["recipe"] == request["recipe"]
        and request["frames"] in frames
        and all(workload.get(name) == request.get(name) for name in SETTINGS)
        and all(conditions.get(theirs) == build.get(ours) for ours, theirs in BUILT.items())
        and build.get("dtype") is None  # else the row cannot say whether all parts were cast
        and "prompt" not in request
    )


def known_rows(
    rows: Iterable[StoredRow], orders: Mapping[int, Asked], *, free: bool
) -> Iterator[tuple[int, int]]:
    """(order, row) by their ids, each order and each row at most once; `free`: rows of no order."""
    left = dict(orders)
    for stored in rows:
        if free and stored.order_id is not None:
            continue
        row = stored.row.to_dict()
        found = next((key for key, order in left.items() if answers(row, *order)), None)
        if found is not None:
            del left[found]
            yield found, stored.id


def lacking(checked: Checked, store: Store, gpu: str) -> Checked:
    """A plan without the orders that rows of a store answer, whichever campaign measured them."""
    orders = {n: (order.row.build, order.row.request) for n, order in enumerate(checked.orders)}
    done = {order for order, _ in known_rows(store.rows({"gpu": gpu}), orders, free=False)}
    left = tuple(order for n, order in enumerate(checked.orders) if n not in done)
    return replace(checked, orders=left, known=len(done))


def adopt(store: Store, campaign_id: int, gpu: str) -> int:
    """Ends the orders of a campaign that rows of no campaign answer, measured on `gpu`.

    Returns how many there were. Whoever runs the campaign next measures the rest.
    """
    orders = {
        order.order_id: (order.build, order.request)
        for order in store.wanted(campaign_id)
        if order.state != DONE
    }
    rows = store.rows({"gpu": gpu})
    return sum(store.adopt(order, row) for order, row in list(known_rows(rows, orders, free=True)))
