"""Campaigns on a real Ray cluster of two nodes on this machine; one of them is killed."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from campaign import fake_lab
from kinowatt.campaign.coordinator import Conduct
from kinowatt.campaign.on_ray import RayExecutor
from kinowatt.campaign.running import Result, run
from kinowatt.campaign.store import open_store
from kinowatt.errors import InputError
from kinowatt.lab.host import module_environment

NODES = 2


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without CPUs, which runs nothing, and two nodes of one CPU each."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ["PYTHONPATH"] = module_environment()["PYTHONPATH"]  # of the nodes' processes
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(NODES):
        found.add_node(num_cpus=1)
    ray.init(address=found.address, log_to_driver=False, logging_level="error")
    found.wait_for_nodes()
    yield found
    ray.shutdown()
    found.shutdown()


def campaign(
    url: str, rows: list[dict[str, Any]], told: list[dict[str, Any]], slots: int | None = None
) -> Result:
    executor = RayExecutor(on_gpu=False, slots=slots, factory=fake_lab.FACTORY, grace_s=0.5)
    executor.prepare()
    with open_store(url) as store:
        conduct = Conduct(lease_s=60.0, patience_s=20.0, idle_s=60.0)
        return run("ray", rows, store, executor, told.append, conduct)


def reasons(result: Result) -> list[str]:
    """Why tries failed, in few words."""
    return [
        f"{f.position} {f.failure['cause']} {f.failure['detail']:.300}" for f in result.failures
    ]


def nodes(told: list[dict[str, Any]]) -> set[str]:
    """Where slots were placed."""
    steps = [event["of"] for event in told if event["event"] == "step"]
    return {step["node"] for step in steps if step["event"] == "placed"}


def test_a_ray_of_this_process(tmp_path: Path) -> None:
    """Without an address; what is started is ended."""
    import ray

    os.environ["PYTHONPATH"] = module_environment()["PYTHONPATH"]
    url, told = str(tmp_path / "rows.db"), []  # type: tuple[str, list[dict[str, Any]]]
    result = campaign(url, fake_lab.orders(3), told, slots=1)
    assert result.complete, reasons(result)
    assert fake_lab.numbers(url) == [0, 1, 2]
    assert not ray.is_initialized()


@pytest.mark.torture
def test_rows_are_spread_over_the_nodes_and_told_live(cluster: Any, tmp_path: Path) -> None:
    url, told = str(tmp_path / "rows.db"), []  # type: tuple[str, list[dict[str, Any]]]
    result = campaign(url, fake_lab.orders(6, seconds=1.5), told)
    assert result.complete, reasons(result)
    assert fake_lab.numbers(url) == list(range(6))
    assert {event["slot"] for event in told if event["event"] == "row"} == {"ray 0", "ray 1"}
    assert len(nodes(told)) == NODES
    steps = [event["of"] for event in told if event["event"] == "step"]
    assert {"event": "run", "run": 1, "of": 1, "power_instant_w": 500.0} in steps


@pytest.mark.torture
def test_more_slots_than_the_cluster_has_are_refused(cluster: Any) -> None:
    with pytest.raises(InputError, match="the Ray cluster has 2 CPUs"):
        RayExecutor(on_gpu=False, slots=9).prepare()
    with pytest.raises(InputError, match="the Ray cluster has 0 GPUs"):
        RayExecutor(on_gpu=True).prepare()


@pytest.mark.torture
def test_a_killed_node_loses_no_row(cluster: Any, tmp_path: Path) -> None:
    url, told = str(tmp_path / "rows.db"), []  # type: tuple[str, list[dict[str, Any]]]
    rows = fake_lab.orders(8, seconds=1.0)

    def kill() -> None:
        while not any(event["event"] == "row" for event in told):
            time.sleep(0.05)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    result = campaign(url, rows, told)
    killer.join()
    assert result.complete, reasons(result)
    assert fake_lab.numbers(url) == list(range(8))
    assert {found.failure["cause"] for found in result.failures} <= {"lost"}
    lost = [event for event in told if event["event"] == "failure"]
    waiting = [e for e in told if e["event"] == "waiting" and "lost" in e["why"]]
    assert lost or waiting  # the node had a slot, busy or not
