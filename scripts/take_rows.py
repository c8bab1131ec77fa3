"""take_rows.py PLAN STORE [SECONDS [K/N]]: measures rows of a plan, one pipeline after another.

PLAN is JSON Lines: {"build": {"model": …, fields of BuildOptions}, "request": {"protocol": …,
fields of VideoRequest and FullOptions}}. Rows that STORE has already are left out, so that the
same command goes on where it was cut off. After SECONDS no further row is begun. K/N: of N machines
or GPUs, each with a STORE of its own, this is the K-th and takes every N-th row. One process for
all, which saves what starting costs (`kinowatt measure` has one for each pipeline): a crash ends
it, and the next call goes on.
"""

import gc
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from kinowatt.errors import InputError
from kinowatt.lab.conditions import source_of
from kinowatt.lab.measurement import Measurement
from kinowatt.lab.meters.sampler import shared
from kinowatt.lab.rows import append_failure, append_row
from kinowatt.lab.session import Session, open_session

Order = dict[str, Any]
CAUSES = {torch.OutOfMemoryError: "out_of_memory", InputError: "refused"}


def orders(plan: str, store: str, share: str) -> list[Order]:
    """What is still to be measured, pipeline by pipeline in the order of the plan."""
    done = {line for line in taken(store) if line}
    found = [json.loads(line) for line in Path(plan).read_text("utf-8").splitlines() if line]
    mine, shares = (int(number) for number in share.split("/"))
    found = found[mine - 1 :: shares]
    left = [order for order in found if name_of(order) not in done]
    builds = [json.dumps(order["build"], sort_keys=True) for order in found]
    return sorted(left, key=lambda order: builds.index(json.dumps(order["build"], sort_keys=True)))


def taken(store: str) -> Iterator[str]:
    """Orders that were carried out: their names stand in a file beside the rows."""
    notes = Path(f"{store}.done")
    if notes.exists():
        yield from notes.read_text("utf-8").splitlines()


def name_of(order: Order) -> str:
    return json.dumps(order, sort_keys=True)


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def take(session: Session, order: Order, store: str) -> None:
    """One row, or a line about why there is none."""
    started = time.perf_counter()
    try:
        row = Measurement.from_dict(session.measure(order["request"]))
        append_row(store, row)
        energy = row.energy_wh["gpu"]
        told = f"{row.latency_s:.3f} s, {'-' if energy is None else f'{energy:.4f}'} Wh"
    except Exception as error:  # noqa: BLE001 (pipelines raise what they like; the next row goes on)
        cause = CAUSES.get(type(error), "error")
        detail = str(error).strip().splitlines()[0]
        append_failure(store, order["build"], order["request"], {"cause": cause, "detail": detail})
        told = f"{cause}: {detail}"
    with Path(f"{store}.done").open("a", encoding="utf-8") as notes:
        notes.write(name_of(order) + "\n")
    say(f"{time.perf_counter() - started:6.1f} s  {order['request']}  {told}")


def main(plan: str, store: str, seconds: str = "inf", share: str = "1/1") -> None:
    until = time.perf_counter() + float(seconds)
    source = source_of(torch.device("cuda")) if torch.cuda.is_available() else None
    sampler = shared(source) if source else None  # polls on while pipelines change
    session: Session | None = None
    built: Any = None
    for order in orders(plan, store, share):
        if time.perf_counter() > until:
            say("no time left: the same command goes on")
            break
        if order["build"] != built:
            if session is not None:
                session.close()
                session = None
                gc.collect()
                torch.cuda.empty_cache()
            started = time.perf_counter()
            built = order["build"]
            session = open_session(built, lambda _: None)
            say(f"{time.perf_counter() - started:6.1f} s  {built}")
        assert session is not None
        take(session, order, store)
    if session is not None:
        session.close()
    if sampler is not None:
        sampler.release()


if __name__ == "__main__":
    main(*sys.argv[1:])
