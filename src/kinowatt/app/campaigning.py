"""`kinowatt sweep` without `--dry-run`: a live view on stderr while a campaign runs."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kinowatt.app.measuring import describe
from kinowatt.app.render import console, grid
from kinowatt.app.sweeping import LISTED, checked_plan, costing_of, store_of
from kinowatt.campaign.checking import Checked
from kinowatt.campaign.choosing import Choose
from kinowatt.campaign.coordinator import Conduct
from kinowatt.campaign.executors import Executor, LocalExecutor, on_gpu
from kinowatt.campaign.forecast import Costing
from kinowatt.campaign.running import Result, orders_of
from kinowatt.campaign.running import run as run_orders
from kinowatt.campaign.standing import Standing
from kinowatt.campaign.store import open_store
from kinowatt.errors import unknown_name
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.units import format_grams, format_number, format_seconds, format_wh

EXECUTORS = ("local", "ray")
REFRESH_PER_S = 2
QUIET = ("step", "claimed", "progress", "begun")
Listener = Callable[[dict[str, Any]], None]
Chooses = Callable[[Checked], Choose]


def run(plan: str | None, given: Mapping[str, Any], chooser: Chooses | None = None) -> Result:
    """Checks everything, then measures; nothing is written before all of it is in order.

    `chooser`: makes of the checked plan what says which row is next; None: all rows.
    """
    checked, costing = checked_plan(plan, given), costing_of(given)
    orders = orders_of(checked)
    executor = _executor(given, on_gpu(order["build"] for order in orders))
    conduct = Conduct(
        time_limit_s=checked.plan.time_limit_s,
        retry_failed=given.get("retry_failed", False),
        choose=None if chooser is None else chooser(checked),
        known_gpu=find_gpu(given["gpu"]).name if given.get("known") else None,
    )
    executor.prepare()
    url = store_of(checked, given)
    name = checked.plan.plan
    try:
        with open_store(url) as store, view(name, store.name, costing) as listener:
            return run_orders(name, orders, store, executor, listener, conduct)
    finally:
        executor.close()


def _executor(given: Mapping[str, Any], gpus: bool) -> Executor:
    kind = given["executor"]
    if kind not in EXECUTORS:
        raise unknown_name("executor", kind, EXECUTORS)
    if kind == "ray":
        from kinowatt.campaign.on_ray import RayExecutor

        return RayExecutor(on_gpu=gpus, slots=given.get("gpus"), address=given.get("address"))
    return LocalExecutor(on_gpu=gpus, slots=given.get("gpus"))


@contextmanager
def view(plan: str, store: str, costing: Costing) -> Iterator[Listener]:
    """A live panel on a terminal; a line per event elsewhere."""
    standing = Standing()
    out = Console(stderr=True, highlight=False)
    if not out.is_terminal:
        started = time.monotonic()

        def tell(event: dict[str, Any]) -> None:
            standing.tell(event)
            if event["event"] not in QUIET:
                told = filter(None, (line(event, standing), standing.news))
                at = f"{time.monotonic() - started:8.1f} s"
                sys.stderr.writelines(f"{at}  {each}\n" for each in told)

        yield tell
        return
    with Live(
        get_renderable=lambda: panel(plan, store, standing, costing),
        console=out,
        refresh_per_second=REFRESH_PER_S,
        transient=True,
    ):
        yield standing.tell


def panel(plan: str, store: str, standing: Standing, costing: Costing) -> RenderableType:
    """The whole state in a few lines: bar, what is left, what it cost, each slot."""
    head = Table.grid(padding=(0, 2))
    done = standing.done + standing.failed
    head.add_row(
        Text(plan, style="bold"),
        ProgressBar(total=max(1, standing.total), completed=done, width=30),
        Text(" · ".join(_figures(standing, costing))),
    )
    slots = Table.grid(padding=(0, 2))
    for name, place in standing.places.items():
        state = {"event": place.phase, **place.state}
        slots.add_row(Text(name, style="cyan"), place.model, describe(state, None))
    lines: list[RenderableType] = [head, slots, Text(_hint(standing, store), style="dim")]
    lines += [Text(each, style="yellow") for each in standing.throttled.values()]
    if standing.trouble:
        lines.append(Text(standing.trouble, style="red"))
    return Group(*lines)


def _figures(standing: Standing, costing: Costing) -> list[str]:
    """Rows, failures, time left, watts, and what it cost so far."""
    found = [f"{standing.done}/{standing.total} rows"]
    if standing.failed:
        found.append(f"{standing.failed} failed")
    if (left_s := standing.remaining_s()) is not None:
        found.append(f"about {format_seconds(max(1.0, left_s))} left")
    if (power_w := standing.power_w()) is not None:
        found.append(f"{power_w:.0f} W")
    if standing.energy_wh is not None:
        found.append(format_wh(standing.energy_wh))
        grams = costing.co2e_g(standing.energy_wh, standing.busy_s)
        found += [] if grams is None else [f"{format_grams(grams)} CO2e"]
    usd = costing.cost_usd(standing.busy_s)
    return found if usd is None else [*found, f"{format_number(usd)} USD"]


def _hint(standing: Standing, store: str) -> str:
    if standing.stopping > 1:
        return "stopping"
    if standing.stopping:
        return "finishing the rows under way; Ctrl-C again stops at once"
    return f"rows go to {store}; Ctrl-C finishes the row, the same command goes on"


def line(event: Mapping[str, Any], standing: Standing) -> str:
    """One event as a line of a log."""
    kind, slot = event["event"], event.get("slot", "")
    count = f"{standing.done + standing.failed}/{standing.total}"
    if kind == "row":
        row = event["row"]
        energy = row["energy_wh"]["gpu"]
        wh = "" if energy is None else f", {format_wh(energy)}"
        return f"{count}  {slot}  {_asked(event)}  {format_seconds(row['latency_s'])}{wh}"
    if kind == "failure":
        then = "tried again" if event["retry"] else "no row"
        return f"{count}  {slot}  {_asked(event)}  {event['cause']}: {event['detail']}; {then}"
    if kind == "interrupt":
        return _hint(standing, "")
    return f"{count}  {slot}  {event.get('why') or event.get('detail') or kind}"


def _asked(event: Mapping[str, Any]) -> str:
    build, request = event["order"].build, event["order"].request
    size = f"{request['height_px']}x{request['width_px']}"
    return f"{build['model']} {size} {request['frames']} frames {request['steps']} steps"


def report_result(result: Result, out: Console | None = None, *, adaptive: bool = False) -> None:
    """What there is now, and why the rest is missing; `adaptive`: some rows were never wanted."""
    out = out or console()
    found = result.progress
    out.print(
        f"[bold]{found.name}[/]  {found.done} of {found.total} rows measured,"
        f" {found.failed} failed, {found.waiting + found.leased} left; in {result.store}"
    )
    if result.known:
        out.print(f"{result.known} of them are rows that the store had already")
    if result.rescued:
        out.print(f"{result.rescued} rows of an earlier command were stored first")
    if result.missing:
        table = grid("No row", "order", "tries", "cause", "label")
        for failure in result.missing[:LISTED]:
            why = str(failure.failure["detail"])
            table.add_row(
                str(failure.position), str(failure.attempt), str(failure.failure["cause"]), why
            )
        out.print(table)
        if len(result.missing) > LISTED:
            out.print(
                Text(f"and {len(result.missing) - LISTED} more (--json has all)", style="dim")
            )
    if found.waiting + found.leased and (result.interrupted or not adaptive):
        out.print("The same command goes on.")
