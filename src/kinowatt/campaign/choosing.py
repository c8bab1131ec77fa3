"""How a campaign stands, for a function that chooses its next order; the caller passes that in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kinowatt.campaign.queue import DONE, LEASED, WAITING, Wanted
from kinowatt.campaign.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Orders by id. `rows`: of those that are done. `took_s`: GPU-seconds by the clock of this
    command, failed tries and starts included. `built`: the pipeline of the slot that asks."""

    orders: Mapping[int, Wanted]
    rows: Mapping[int, Mapping[str, Any]]
    took_s: Mapping[int, float]
    built: str | None

    @property
    def waiting(self) -> list[int]:
        return self._of(WAITING)

    @property
    def under_way(self) -> list[int]:
        return self._of(LEASED)

    def _of(self, state: str) -> list[int]:
        return [order_id for order_id, order in self.orders.items() if order.state == state]


# The id of the order to measure next; None: enough is known, or nothing fits
Choose = Callable[[Standing], int | None]


def standing(
    store: Store, campaign_id: int, took_s: Mapping[int, float], built: str | None
) -> Standing:
    """All orders of a campaign, and the rows that anybody has measured for it."""
    orders = {order.order_id: order for order in store.wanted(campaign_id)}
    rows = {
        found.order_id: found.row.to_dict()
        for found in store.rows({"campaign": campaign_id})
        if found.order_id is not None and orders[found.order_id].state == DONE
    }
    return Standing(orders=orders, rows=rows, took_s=dict(took_s), built=built)
