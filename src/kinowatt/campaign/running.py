"""A checked plan, a store and an executor become a campaign that runs."""

import hashlib
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from kinowatt.campaign import rescue
from kinowatt.campaign.agenda import in_order
from kinowatt.campaign.checking import Checked
from kinowatt.campaign.coordinator import Conduct, Coordinator, Listener
from kinowatt.campaign.executors import Executor
from kinowatt.campaign.known import adopt
from kinowatt.campaign.queue import Failure, Progress
from kinowatt.campaign.store import Store
from kinowatt.lab.worker import canonical

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How a campaign stands when its command ends.

    `failures`: every failed try. `missing`: the last one of each order that has no row and is not
    tried again. `rescued`: rows that an earlier command could not store. `known`: orders that rows
    of the store answered before anything was measured.
    """

    progress: Progress
    failures: tuple[Failure, ...]
    missing: tuple[Failure, ...]
    store: str
    interrupted: bool
    rescued: int
    known: int = 0

    @property
    def complete(self) -> bool:
        return self.progress.done == self.progress.total

    def to_dict(self) -> dict[str, Any]:
        """As `sweep --json` prints it."""
        return {
            "store": self.store,
            "interrupted": self.interrupted,
            "rescued": self.rescued,
            "known": self.known,
            **asdict(self.progress),
            "missing": [asdict(failure) for failure in self.missing],
            "failures": [asdict(failure) for failure in self.failures],
        }


def orders_of(checked: Checked) -> list[dict[str, Any]]:
    """The orders of a plan in the order in which they are claimed, as a store keeps them."""
    return [
        {
            "position": position,
            "build": dict(order.row.build),
            "request": dict(order.row.request),
            "expected_s": order.outlook.expected_s,
        }
        for position, order in enumerate(in_order(checked.orders))
    ]


def digest_of(orders: list[dict[str, Any]]) -> str:
    """The same for plans that measure the same rows, whatever is predicted of them."""
    texts = sorted(canonical({"build": o["build"], "request": o["request"]}) for o in orders)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def run(
    name: str,
    orders: list[dict[str, Any]],
    store: Store,
    executor: Executor,
    listener: Listener,
    conduct: Conduct,
) -> Result:
    """Begins a campaign or goes on with it; Ctrl-C finishes the rows, twice stops at once."""
    digest = digest_of(orders)
    campaign_id = store.begin(name, digest, orders)
    if conduct.retry_failed:
        store.reopen(campaign_id)
    rescued = rescue.restore(digest, store)
    known = adopt(store, campaign_id, conduct.known_gpu) if conduct.known_gpu else 0
    coordinator = Coordinator(store, campaign_id, digest, listener, conduct)
    listener({"event": "progress", "progress": store.progress(campaign_id), "rescued": rescued})
    with interrupts(coordinator, listener) as count:
        progress = coordinator.run(executor)
    failures = store.failures(campaign_id)
    return Result(
        progress=progress,
        failures=tuple(failures),
        missing=_missing(store, campaign_id, failures) if progress.failed else (),
        store=store.name,
        interrupted=count["signals"] > 0,
        rescued=rescued,
        known=known,
    )


def _missing(store: Store, campaign_id: int, failures: list[Failure]) -> tuple[Failure, ...]:
    done = {found.order_id for found in store.rows({"campaign": campaign_id})}
    last = {failure.position: failure for failure in failures if failure.order_id not in done}
    return tuple(last[position] for position in sorted(last))


@contextmanager
def interrupts(coordinator: Coordinator, listener: Listener) -> Iterator[Mapping[str, int]]:
    """Ctrl-C and SIGTERM are told to a coordinator while it runs, in the main thread alone."""
    count = {"signals": 0}
    if threading.current_thread() is not threading.main_thread():
        yield count
        return

    def handle(number: int, _: Any) -> None:
        count["signals"] += 1
        coordinator.interrupt()
        listener({"event": "interrupt", "times": count["signals"]})

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield count
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
