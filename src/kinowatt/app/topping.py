"""`kinowatt top`: looks at the GPUs and the running watches, once or until Ctrl-C."""

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Group
from rich.live import Live
from rich.text import Text

from kinowatt.analysis.costs import Accounting, account
from kinowatt.app.options import answer
from kinowatt.app.render import console, grid
from kinowatt.errors import InputError, KinowattError
from kinowatt.lab.live import GpuNow, Now, View, WatchNow
from kinowatt.units import format_number, format_seconds, format_wh

SHORT_S = 1.0
MIN_INTERVAL_S, MAX_INTERVAL_S = 0.1, 3600.0


def run(once: bool, interval_s: float, json_: bool, given: Mapping[str, Any]) -> None:
    """Shows what there is; `KinowattError` where no GPU can be read, after the watches."""
    if not math.isfinite(interval_s) or not MIN_INTERVAL_S <= interval_s <= MAX_INTERVAL_S:
        raise InputError(
            f"--interval must be from {MIN_INTERVAL_S:g} to {MAX_INTERVAL_S:g} s, "
            f"not {interval_s:g}"
        )
    money = account({name: value for name, value in given.items() if value is not None})
    with View() as view:
        now = view.now()
        if once or json_ or now.problem or not sys.stdout.isatty():
            answer(_data(now, money), json_, lambda: console().print(_screen(now, money)))
        else:
            _live(view, now, interval_s, money)
    if now.problem:
        raise KinowattError(f"no GPU can be read: {now.problem}; {now.fix}")


def _live(view: View, now: Now, interval_s: float, money: Accounting) -> None:
    """Redraws until Ctrl-C, which is how one leaves."""
    with Live(_screen(now, money), console=console(), auto_refresh=False) as live:
        try:
            while True:
                time.sleep(interval_s)
                live.update(_screen(view.now(), money), refresh=True)
        except KeyboardInterrupt:
            click.echo("", err=True)


def _data(now: Now, money: Accounting) -> dict[str, Any]:
    found = now.to_dict()
    for watch, shown in zip(now.watches, found["watches"], strict=True):
        shown["cost_usd"] = money.cost_usd(watch.elapsed_s)
        shown["co2e_g"] = _co2e_g(watch, money)
    return {**found, "options": money.shown()}


def _co2e_g(watch: WatchNow, money: Accounting) -> float | None:
    return None if watch.energy_wh is None else money.co2e_g(watch.energy_wh, watch.elapsed_s)


def _screen(now: Now, money: Accounting) -> Group:
    parts: list[Any] = []
    if now.gpus:
        parts.append(_gpus(now))
    parts.append(_watches(now, money) if now.watches else Text("No watch of yours is running."))
    reasons = dict.fromkeys(watch.reason for watch in now.watches if watch.reason)
    parts += [Text(f"– {reason}", style="dim") for reason in reasons]
    if now.watches:
        note = "Wh: of the whole GPU since the block began (measured)"
        parts.append(Text(f"{note}; money: GPU time at your price." if money.usd_per_gpu_hour else
                          f"{note}.", style="dim"))  # fmt: skip
    return Group(*parts)


def _gpus(now: Now) -> Any:
    table = grid(
        "GPUs", "GPU", "power", "limit", _since(now), "clock",
        "temperature", "memory", "processes",
    )  # fmt: skip
    for gpu in now.gpus:
        if gpu.problem:
            table.add_row(_name(gpu), Text(gpu.problem, style="yellow"))
            continue
        table.add_row(
            _name(gpu),
            _unit(gpu.power_w, "W"),
            _unit(gpu.power_limit_w, "W"),
            "–" if gpu.energy_wh is None or now.watched_s < SHORT_S else format_wh(gpu.energy_wh),
            _unit(gpu.sm_clock_mhz, "MHz"),
            _unit(gpu.temperature_c, "°C"),
            _of(gpu.memory_used_gib, gpu.memory_gib),
            "–" if gpu.processes is None else ", ".join(map(str, gpu.processes)) or "none",
        )
    return table


def _since(now: Now) -> str:
    """Over less than a second the counter has hardly moved."""
    return "energy" if now.watched_s < SHORT_S else f"energy, {format_seconds(now.watched_s)}"


def _name(gpu: GpuNow) -> str:
    return gpu.name if gpu.index is None else f"{gpu.index} {gpu.name}"


def _unit(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:,.0f} {unit}"


def _of(used: float | None, total: float | None) -> str:
    if used is None or total is None:
        return "–"
    return f"{format_number(used)} of {format_number(total)} GiB"


def _watches(now: Now, money: Accounting) -> Any:
    costs = money.usd_per_gpu_hour is not None
    carbon = money.g_per_kwh is not None
    table = grid(
        "Running watches", "pipeline", "pid", "device", "for", "calls", "last", "now", "energy",
        *(("USD",) if costs else ()), *(("g CO2e",) if carbon else ()),
    )  # fmt: skip
    table.columns[0].no_wrap = False
    for watch in now.watches:
        state = watch.state
        grams = _co2e_g(watch, money)
        usd = money.cost_usd(watch.elapsed_s)
        table.add_row(
            state.pipeline,
            str(state.pid),
            state.device,
            format_seconds(watch.elapsed_s),
            str(state.calls),
            "–" if state.last_call_s is None else format_seconds(state.last_call_s),
            "waiting" if watch.call_s is None else f"calling {format_seconds(watch.call_s)}",
            "–" if watch.energy_wh is None else format_wh(watch.energy_wh),
            *((f"{usd:.4f}",) if usd is not None else ()),
            *(("–" if grams is None else format_number(grams),) if carbon else ()),
        )
    return table
