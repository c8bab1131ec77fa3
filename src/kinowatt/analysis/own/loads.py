"""Power and clock of one GPU at several loads, as its microbench saw them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.tables import Table
from kinowatt.units import TERA

Bench = Mapping[str, Any]


def loads_table(bench: Bench) -> Table:
    """One operator again and again with pauses, after the idle GPU; the whole load where it is."""
    idle = {"operator": "idle", "busy_pct": 0.0, **_sampled(bench["idle"], bench)}
    rows: list[dict[str, Any]] = [idle | dict.fromkeys(("tflop_per_s", "tb_per_s"))]
    rows += [_load(load, load, load["duty"], bench) for load in bench["loads"]]
    whole = [point for point in bench["points"] if point.get("sustained") and _loaded(point, bench)]
    rows += [_load(point, point["sustained"], 1.0, bench) for point in whole]
    rows.sort(key=lambda row: (row["operator"] != "idle", row["operator"], row["busy_pct"]))
    columns = ("operator", "busy_pct", "power_w", "above_idle_w", "clock_mhz")
    return Table(
        name="partial_loads",
        title="One operator with pauses, by the microbench",
        columns=(*columns, "samples_at_the_limit_pct", "tflop_per_s", "tb_per_s"),
        rows=tuple(rows),
        notes=(
            "Busy: the share of time that was planned for the operator at the speed of a short"
            " burst; where the limit slows it, it is busy for longer than that. –: of element-wise"
            " work no FLOPs are counted.",
        ),
    )


def _loaded(point: Mapping[str, Any], bench: Bench) -> bool:
    same = ("op", "params", "dtype", "data")
    return any(all(point[name] == load[name] for name in same) for load in bench["loads"])


def _load(
    what: Mapping[str, Any], seen: Mapping[str, Any], busy: float, bench: Bench
) -> dict[str, Any]:
    return {
        "operator": operator_name(what),
        "busy_pct": 100.0 * busy,
        **_sampled(seen, bench),
        **_rates(what, seen["seconds_per_call"]),
    }


def _sampled(seen: Mapping[str, Any], bench: Bench) -> dict[str, Any]:
    power_w = seen["power_w"]["mean"]
    return {
        "power_w": power_w,
        "above_idle_w": power_w - bench["idle"]["power_w"]["mean"],
        "clock_mhz": seen["clock_mhz"]["mean"],
        "samples_at_the_limit_pct": 100.0 * seen["throttled"].get("power_cap", 0.0),
    }


def _rates(what: Mapping[str, Any], call_s: float) -> dict[str, float | None]:
    """FLOP/s are None of work of which none are counted."""
    flops, nbytes = what["flops"] / call_s / TERA, what["bytes"] / call_s / TERA
    return {"tflop_per_s": flops if what["flops"] else None, "tb_per_s": nbytes}


def operator_name(what: Mapping[str, Any]) -> str:
    """An operator of the microbench in words: what it is, its sizes, its values."""
    names = {"linear": "matrix product", "memory": "element-wise " + what["op"]}
    sizes = "×".join(str(size) for size in what["params"].values())
    zeros = " of zeros" if what["data"] == "zeros" else ""
    name = names.get(what["family"], what["op"].replace("scaled_dot_product_", ""))
    return f"{name.replace('_', ' ')}{zeros}, {sizes}, {what['dtype']}"


def sustained_table(bench: Bench) -> Table:
    """One operator without pauses, until power and clock have settled; most power first."""
    rows = [
        {
            "operator": operator_name(point),
            **_sampled(point["sustained"], bench),
            **_rates(point, point["sustained"]["seconds_per_call"]),
        }
        for point in bench["points"]
        if point.get("sustained")
    ]
    rows.sort(key=lambda row: -row["power_w"])
    return Table(
        name="sustained_loads",
        title="One operator without pauses, by the microbench",
        rows=tuple(rows),
        notes=(
            "Each for about 1.5 s after a burst: the chip is not yet as warm as in a long video.",
        ),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Zeros:
    """The same matrix product without pauses, of random numbers and of zeros: mean watts; of the
    zeros also the share of samples at the limit."""

    random_w: float
    zeros_w: float
    zeros_capped_pct: float


def zeros_beside_random(bench: Bench) -> Zeros:
    """Of the first product that was measured with both."""
    held = [point for point in bench["points"] if point.get("sustained")]
    zeros = next(point for point in held if point["data"] == "zeros")
    other = next(
        point
        for point in held
        if point["data"] != "zeros"
        and (point["op"], point["params"]) == (zeros["op"], zeros["params"])
    )
    powers = [_sampled(point["sustained"], bench) for point in (other, zeros)]
    return Zeros(
        random_w=powers[0]["power_w"],
        zeros_w=powers[1]["power_w"],
        zeros_capped_pct=powers[1]["samples_at_the_limit_pct"],
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Watts of one operator: a straight line through idle and its lightest load, whose clock nothing
    held down, what the line says of no pauses at all (`unlimited_w`) and what was drawn then."""

    watts_per_tflop_per_s: float
    idle_w: float
    unlimited_w: float
    limited_w: float
    limit_w: float
    clock_share: float


def line_beyond_the_limit(table: Table, limit_w: float) -> Line:
    """Of the heaviest operator that was measured both with pauses and without."""
    whole = max((row for row in table.rows if row["busy_pct"] == 100.0), key=lambda r: r["power_w"])
    free = table.rows[0]
    mine = [row for row in table.rows if row["operator"] == whole["operator"]]
    light = min(mine, key=lambda row: row["busy_pct"])
    slope = light["above_idle_w"] / light["busy_pct"]
    return Line(
        watts_per_tflop_per_s=light["above_idle_w"] / light["tflop_per_s"],
        idle_w=free["power_w"],
        unlimited_w=free["power_w"] + 100.0 * slope,
        limited_w=whole["power_w"],
        limit_w=limit_w,
        clock_share=whole["clock_mhz"] / free["clock_mhz"],
    )
