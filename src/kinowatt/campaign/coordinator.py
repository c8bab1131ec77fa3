"""Runs the orders of a campaign on slots, one thread each, until nothing more can be had.

The store decides who takes what, so any number of coordinators may work on one campaign, and any
may be killed: what it held is free again once its lease lapses, or at once where its process is
known to be dead. A row is done when the store says so, and not before.
"""

import contextlib
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from kinowatt.campaign import rescue, verdicts
from kinowatt.campaign.agenda import preferred
from kinowatt.campaign.choosing import Choose, standing
from kinowatt.campaign.executors import Executor, Slot
from kinowatt.campaign.holders import known_dead, own_name
from kinowatt.campaign.queue import Order, Progress, Remaining
from kinowatt.campaign.store import Store
from kinowatt.errors import InputError, KinowattError, StoreError
from kinowatt.lab.duration import start_seconds
from kinowatt.lab.worker import Failure, Outcome, canonical

Listener = Callable[[dict[str, Any]], None]
Answer = TypeVar("Answer")
LOOK_S = 0.25  # between two looks for work where there is none just now, later rarer
LAST_LOOK_S = 2.0
FIRST_WAIT_S = 0.5  # for a store that does not answer, doubled up to the last
LAST_WAIT_S = 15.0
LEAST_LIMIT_S = 600.0
UNKNOWN_LIMIT_S = 3600.0
LIMIT_FACTOR = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Conduct:
    """How patient a coordinator is.

    `lease_s`: how long an order stays taken when its coordinator falls silent. `patience_s`: how
    long the store may not answer, and `idle_s`: how long no slot may be ready, before it gives up.
    `time_limit_s`: of a row; None: by its prediction. `retry_failed`: whether orders that have
    failed for good are begun anew. `choose`: says which order is next, and when it is enough;
    None: all, in the order of the plan. `known_gpu`: rows of this GPU that the store has already
    count as measured; None: all are measured anew.
    """

    lease_s: float = 60.0
    patience_s: float = 600.0
    idle_s: float = 600.0
    time_limit_s: float | None = None
    retry_failed: bool = False
    choose: Choose | None = None
    known_gpu: str | None = None


class Coordinator:
    """One process's share in a campaign; `interrupt` may be called from any thread."""

    def __init__(
        self,
        store: Store,
        campaign_id: int,
        digest: str,
        listener: Listener,
        conduct: Conduct | None = None,
    ) -> None:
        self.store = store
        self.campaign_id = campaign_id
        self.digest = digest
        self.listener = listener
        self.conduct = conduct or Conduct()
        self.name = own_name()
        self._stopping = threading.Event()  # no further row
        self._aborted = threading.Event()  # nor the present one
        self._over = threading.Event()
        self._held: dict[int, str] = {}
        self._busy: dict[str, str] = {}  # slot → build
        self._took_s: dict[int, float] = defaultdict(float)  # by order
        self._cannot: dict[str, Failure] = {}
        self._errors: list[BaseException] = []
        self._claiming = threading.Lock()
        self._telling = threading.Lock()

    def run(self, executor: Executor) -> Progress:
        """Measures until every order is done or failed, or until it is interrupted.

        Raises the first error of the store or of a slot that patience did not heal.
        """
        self._patiently(self._bury)
        if self._finished():
            return self.store.progress(self.campaign_id)
        slots = executor.open(lambda slot, event: self._tell("step", slot=slot, of=event))
        self._tell("begun", slots=[slot.name for slot in slots])
        threads = [threading.Thread(target=self._guarded, args=(slot,)) for slot in slots]
        heart = threading.Thread(target=self._beat, daemon=True)
        for thread in (*threads, heart):
            thread.start()
        try:
            self._watch(threads, slots)
        finally:
            self._over.set()
            executor.close()
        if self._errors:
            raise self._errors[0]
        return self._patiently(lambda: self.store.progress(self.campaign_id))

    def interrupt(self) -> None:
        """The first time rows under way are finished, the second time they end at once."""
        if self._stopping.is_set():
            self._aborted.set()
        self._stopping.set()

    def _watch(self, threads: Sequence[threading.Thread], slots: Sequence[Slot]) -> None:
        """Waits for the threads in a way that lets signals through."""
        stopped = False
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(LOOK_S / len(threads))
            if self._aborted.is_set() and not stopped:
                stopped = True
                for slot in slots:
                    slot.stop()

    # One slot -------------------------------------------------------------------------------------

    def _guarded(self, slot: Slot) -> None:
        """An error that nobody expected ends the campaign with its message, not a thread alone."""
        try:
            self._serve(slot)
        except BaseException as error:  # noqa: BLE001 (raised again by `run`)
            self._errors.append(error)
            self._stopping.set()

    def _serve(self, slot: Slot) -> None:
        mine: str | None = None
        idle_since = time.monotonic()
        why: str | None = None
        while not self._stopping.is_set():
            before, why = why, slot.ready()
            if why is not None and why != before:
                self._tell("waiting", slot=slot.name, why=why)
            order = None if why is not None else self._claim(slot, mine)
            if order is not None:
                mine = canonical(order.build)
                self._take(slot, order)
                idle_since = time.monotonic()
                continue
            self._busy.pop(slot.name, None)
            if self._finished():
                return
            if why is not None and self._nobody_ready(idle_since):
                raise KinowattError(f"{why}; the same command goes on where this one ended")
            idle_s = time.monotonic() - idle_since
            self._stopping.wait(min(LAST_LOOK_S, LOOK_S + idle_s / 20))

    def _nobody_ready(self, since_s: float) -> bool:
        """Whether all slots have waited in vain for too long."""
        return not self._held and time.monotonic() - since_s > self.conduct.idle_s

    def _claim(self, slot: Slot, mine: str | None) -> Order | None:
        """The next order for a slot, of the build that suits it best."""
        with self._claiming:  # the slots of one process see each other's builds
            self._busy.pop(slot.name, None)
            if self.conduct.choose is not None:
                return self._chosen(slot, mine, self.conduct.choose)
            left = self._patiently(lambda: self.store.remaining(self.campaign_id))
            for build in self._preferred(mine, left):
                order = self._patiently(partial(self._claim_of, slot, build))
                if order is not None:
                    return self._hold(slot, order)
        return None

    def _chosen(self, slot: Slot, mine: str | None, choose: Choose) -> Order | None:
        """The order that somebody else chooses; no further one where none is under way either."""
        known = self._patiently(lambda: standing(self.store, self.campaign_id, self._took_s, mine))
        order_id = choose(known)
        if order_id is None:
            if not known.under_way:
                self._stopping.set()
            return None
        order = self._patiently(partial(self._claim_of, slot, order_id))
        return None if order is None else self._hold(slot, order)

    def _hold(self, slot: Slot, order: Order) -> Order:
        self._held[order.order_id] = self._worker(slot)
        self._busy[slot.name] = canonical(order.build)
        return order

    def _preferred(self, mine: str | None, left: Sequence[Remaining]) -> list[str]:
        # Where nothing is predicted, orders count as equally long
        seconds = {canonical(f.build): max(f.expected_s, 1e-9 * f.waiting) for f in left}
        known = any(found.expected_s for found in left)
        start_s = start_seconds({}) if known else 0.0
        return preferred(mine, seconds, Counter(self._busy.values()), start_s)

    def _claim_of(self, slot: Slot, what: str | int) -> Order | None:
        """The next order of a build, or one order by its id."""
        only = what if isinstance(what, int) else [json.loads(what)]
        return self.store.claim(self.campaign_id, self._worker(slot), self.conduct.lease_s, only)

    def _worker(self, slot: Slot) -> str:
        return f"{self.name}/{slot.name}"

    def _take(self, slot: Slot, order: Order) -> None:
        """Measures an order and settles it, whatever comes."""
        try:
            known = self._cannot.get(canonical(order.build))
            if known is not None:
                self._failed(slot, order, verdicts.untried(known), known.cause, retry=False)
                return
            self._tell("claimed", slot=slot.name, order=order)
            started_s = time.monotonic()
            outcome = slot.run(order.build, order.request, self._limit_s(order))
            took_s = time.monotonic() - started_s
            self._took_s[order.order_id] += took_s
            self._settle(slot, order, outcome, took_s)
        finally:
            self._held.pop(order.order_id, None)

    def _limit_s(self, order: Order) -> float:
        if self.conduct.time_limit_s is not None:
            return self.conduct.time_limit_s
        if order.expected_s is None:
            return UNKNOWN_LIMIT_S
        return max(LEAST_LIMIT_S, LIMIT_FACTOR * order.expected_s)

    def _settle(self, slot: Slot, order: Order, outcome: Outcome, took_s: float) -> None:
        if outcome.row is not None:
            self._finish(slot, order, outcome.row, took_s)
            return
        assert outcome.failure is not None
        if self._aborted.is_set():
            with contextlib.suppress(StoreError):
                self.store.release(order.order_id, self._worker(slot))
            return
        failure = outcome.failure
        if verdicts.settled(failure):
            self._cannot[canonical(order.build)] = failure
        before = [
            found.failure
            for found in self._patiently(lambda: self.store.failures(self.campaign_id))
            if found.order_id == order.order_id
        ]
        retry = not failure.bad_input and verdicts.again(failure.cause, before)
        self._failed(slot, order, failure.to_dict(), failure.cause, retry=retry)

    def _finish(self, slot: Slot, order: Order, row: dict[str, Any], took_s: float) -> None:
        worker = self._worker(slot)
        try:
            new = self._patiently(lambda: self.store.finish(order.order_id, worker, row))
        except InputError as error:
            failure = {"cause": "error", "detail": f"the row breaks its contract: {error}"}
            self._failed(slot, order, {**failure, "row": row}, "error", retry=False)
            return
        except StoreError as error:
            kept = rescue.keep(self.digest, self.store.name, order.order_id, row)
            where = f"the row is kept in {kept}" if kept else f"the row: {json.dumps(row)}"
            raise StoreError(f"{error}; {where}; the same command stores it and goes on") from None
        self._tell("row", slot=slot.name, order=order, row=row, new=new, took_s=took_s)

    def _failed(
        self, slot: Slot, order: Order, failure: dict[str, Any], cause: str, retry: bool
    ) -> None:
        worker = self._worker(slot)
        self._patiently(lambda: self.store.fail(order.order_id, worker, failure, retry))
        detail = failure["detail"]
        self._tell("failure", slot=slot.name, order=order, cause=cause, detail=detail, retry=retry)

    # The store ------------------------------------------------------------------------------------

    def _finished(self) -> bool:
        """Whether nothing is left for anybody; what dead coordinators held is freed first."""
        found = self._patiently(lambda: self.store.progress(self.campaign_id))
        if found.waiting == 0 and found.leased > len(self._held):
            self._patiently(self._bury)
        return found.waiting + found.leased == 0

    def _bury(self) -> None:
        """Frees the orders of coordinators whose processes have certainly ended."""
        for worker in {claim.worker for claim in self.store.claims(self.campaign_id)}:
            if known_dead(worker):
                self.store.abandon(self.campaign_id, worker)

    def _patiently(self, call: Callable[[], Answer]) -> Answer:
        """Waits for a store that does not answer, as long as patience lasts."""
        since_s, wait_s = time.monotonic(), FIRST_WAIT_S
        while True:
            try:
                return call()
            except StoreError as error:
                left_s = self.conduct.patience_s - (time.monotonic() - since_s)
                if left_s <= 0 or self._aborted.is_set():
                    raise
                self._tell("store", detail=str(error), wait_s=wait_s, left_s=left_s)
                self._aborted.wait(min(wait_s, left_s))
                wait_s = min(2 * wait_s, LAST_WAIT_S)

    def _beat(self) -> None:
        """Keeps the leases of what is being measured."""
        while not self._over.wait(self.conduct.lease_s / 3):
            for order_id, worker in list(self._held.items()):
                with contextlib.suppress(StoreError):
                    self.store.renew(order_id, worker, self.conduct.lease_s)

    def _tell(self, event: str, **values: Any) -> None:
        """One event at a time; a terminal that is gone costs no row."""
        with self._telling, contextlib.suppress(OSError):
            self.listener({"event": event, **values})
