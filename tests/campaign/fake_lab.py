"""Campaigns on sessions without torch (`fake_session`), in this process or one of their own.

As a program, it is the coordinator of a campaign: for tests to kill.
"""

import json
import os
import resource
import sys
from typing import Any

from kinowatt.campaign.coordinator import Conduct
from kinowatt.campaign.executors import LocalExecutor
from kinowatt.campaign.running import Result, run
from kinowatt.campaign.store import open_store
from kinowatt.errors import KinowattError

FACTORY = "campaign.fake_session:open_session"
PATIENCE = {"lease_s": 2.0, "patience_s": 20.0, "idle_s": 5.0}


def orders(count: int, builds: int = 2, seconds: float = 0.05, **key: Any) -> list[dict[str, Any]]:
    """So many orders in order of position, the builds one after another."""
    return [
        {
            "position": number,
            "build": {"model": f"m{number * builds // count}", "device": "cpu", **key},
            "request": {"number": number, "seconds": seconds},
            "expected_s": seconds,
        }
        for number in range(count)
    ]


def numbers(url: str) -> list[int]:
    """The orders whose rows are in a store, in order; a row that is there twice is listed twice."""
    with open_store(url, create=False) as store:
        return sorted(found.row.conditions["number"] for found in store.rows())


def campaign(
    url: str,
    rows: list[dict[str, Any]],
    *,
    slots: int = 1,
    listener: Any = lambda _: None,
    **conduct: Any,
) -> Result:
    """A campaign on this laboratory, in this process."""
    executor = LocalExecutor(on_gpu=False, slots=slots, factory=FACTORY, grace_s=0.5)
    executor.prepare()
    with open_store(url) as store:
        options = Conduct(**{**PATIENCE, **conduct})
        return run("fake", rows, store, executor, listener, options)


def _tell(event: dict[str, Any]) -> None:
    """Each row that the store has taken, the moment it has."""
    if event["event"] == "row" and event["new"]:
        os.write(1, f"{event['row']['conditions']['number']}\n".encode())
    elif event["event"] in ("failure", "store", "waiting"):
        sys.stderr.write(f"{event['event']}: {event.get('detail') or event.get('why')}\n")


def main(text: str) -> int:
    """`python -m campaign.fake_lab JSON`: url, orders, slots, conduct and full_at.

    `full_at`: once that order is claimed no file may grow beyond 8 KiB, as on a full disk: the
    store can't, a new small file can.
    """
    asked = json.loads(text)
    full_at = asked.pop("full_at", None)

    def listener(event: dict[str, Any]) -> None:
        if event["event"] == "claimed" and event["order"].request["number"] == full_at:
            resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
        _tell(event)

    try:
        result = campaign(asked.pop("url"), asked.pop("orders"), listener=listener, **asked)
    except KinowattError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0 if result.complete else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
