"""Slots on a Ray cluster: one actor for each GPU (or CPU), wherever Ray has room for it.

The coordinator alone speaks with the store, so nodes need neither the store nor its password. A
node that is lost takes its row with it: the row is tried again, and the slot waits for room.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

from kinowatt.campaign.executors import LocalSlot, OnEvent, Slot
from kinowatt.errors import InputError, require_extra
from kinowatt.lab.measure import FACTORY
from kinowatt.lab.worker import Failure, Outcome

LOOK_S = 1.0  # between two looks at the progress of a row


class Bench:
    """What an actor holds: a slot of its node, and what was last told of the row under way."""

    def __init__(self, name: str, on_gpu: bool, factory: str, limits: Mapping[str, float]) -> None:
        gpu = os.environ.get("CUDA_VISIBLE_DEVICES") if on_gpu else None
        self.told: dict[str, Any] = {}
        self.slot = LocalSlot(
            name, gpu, lambda _, event: self.told.update(event), factory, **limits
        )

    def node(self) -> str:
        """Where it is."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def ready(self) -> str | None:
        return self.slot.ready()

    def run(
        self, build: Mapping[str, Any], request: Mapping[str, Any], limit_s: float
    ) -> dict[str, Any]:
        self.told.clear()
        outcome = self.slot.run(build, request, limit_s)
        failure = outcome.failure
        return {"row": outcome.row, "failure": None if failure is None else failure.to_dict()}

    def latest(self) -> dict[str, Any]:
        return dict(self.told)

    def close(self) -> None:
        self.slot.close()


class RaySlot:
    """One actor, made anew where its node is lost."""

    def __init__(self, ray: Any, name: str, make: Any, on_event: OnEvent) -> None:
        self._ray = ray
        self._name = name
        self._make = make
        self._on_event = on_event
        self._actor: Any = None
        self._asked: Any = None
        self._placed = False

    @property
    def name(self) -> str:
        return self._name

    def ready(self) -> str | None:
        """Asks without waiting: Ray makes the actor when there is room."""
        if self._actor is None:
            self._actor = self._make(self._name)
            self._asked, self._placed = None, False
        if self._asked is None:
            self._asked = self._actor.ready.remote()
        done, _ = self._ray.wait([self._asked], timeout=LOOK_S)
        if not done:
            return "waiting for a free GPU or CPU of the cluster"
        asked, self._asked = self._asked, None
        try:
            found: str | None = self._ray.get(asked)
            if found is None and not self._placed:
                self._placed = True
                node = self._ray.get(self._actor.node.remote())
                self._on_event(self._name, {"event": "placed", "node": node})
        except self._ray.exceptions.RayError as error:
            self._actor = None
            return f"its node was lost: {_first_line(error)}"
        return found

    def run(self, build: Mapping[str, Any], request: Mapping[str, Any], limit_s: float) -> Outcome:
        asked = self._actor.run.remote(dict(build), dict(request), limit_s)
        try:
            while not self._ray.wait([asked], timeout=LOOK_S)[0]:
                with contextlib.suppress(self._ray.exceptions.GetTimeoutError):
                    told = self._ray.get(self._actor.latest.remote(), timeout=LOOK_S)
                    if told:
                        self._on_event(self._name, told)
            found = self._ray.get(asked)
        except self._ray.exceptions.RayError as error:
            self._actor = None
            detail = f"the node or the actor of {self._name} was lost: {_first_line(error)}"
            return Outcome(failure=Failure(cause="lost", detail=detail))
        if found["row"] is not None:
            return Outcome(row=found["row"])
        return Outcome(failure=Failure(**found["failure"]))

    def stop(self) -> None:
        actor = self._actor
        if actor is not None:
            self._ray.kill(actor)

    def close(self) -> None:
        actor, self._actor = self._actor, None
        if actor is not None:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.get(actor.close.remote(), timeout=10.0)
            self._ray.kill(actor)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


class RayExecutor:
    """Slots for all GPUs (or CPUs) of a cluster; without an address a Ray of this process."""

    def __init__(
        self,
        *,
        on_gpu: bool,
        slots: int | None = None,
        address: str | None = None,
        factory: str = FACTORY,
        **limits: float,
    ) -> None:
        self.on_gpu = on_gpu
        self.wanted = slots
        self.address = address or os.environ.get("RAY_ADDRESS")
        self.factory = factory
        self.limits = limits
        self._ray: Any = None
        self._ours = False
        self._count = 0
        self._slots: list[RaySlot] = []

    def prepare(self) -> None:
        self._ray = require_extra("campaign", "ray")
        self._connect()
        kind = "GPU" if self.on_gpu else "CPU"
        there = int(self._ray.cluster_resources().get(kind, 0))
        if there < (self.wanted or 1):
            wanted = f"--gpus {self.wanted}: " if self.wanted else ""
            self.close()
            raise InputError(f"{wanted}the Ray cluster has {there} {kind}s")
        self._count = self.wanted or there

    def open(self, on_event: OnEvent) -> Sequence[Slot]:
        ray = self._ray
        actor = ray.remote(Bench).options(
            max_concurrency=2,  # a row, and the question how it goes
            max_restarts=0,
            num_cpus=0 if self.on_gpu else 1,
            num_gpus=1 if self.on_gpu else 0,
            scheduling_strategy="SPREAD",
        )

        def make(name: str) -> Any:
            return actor.remote(name, self.on_gpu, self.factory, self.limits)

        self._slots = [RaySlot(ray, f"ray {n}", make, on_event) for n in range(self._count)]
        return self._slots

    def _connect(self) -> None:
        """Joins a cluster, or starts one of this machine's GPUs and CPUs."""
        if self._ray.is_initialized():
            return
        common = {"log_to_driver": False, "logging_level": "error"}
        try:
            if self.address:
                self._ray.init(address=self.address, **common)
            else:
                self._ray.init(include_dashboard=False, **common)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f"no Ray at {self.address or 'this machine'}: {error}") from None
        self._ours = True

    def close(self) -> None:
        for slot in self._slots:
            slot.close()
        self._slots.clear()
        if self._ours:
            self._ray.shutdown()
            self._ours = False
