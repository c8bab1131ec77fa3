"""make_plans.py: writes data/plans/BLOCK.jsonl for `take_rows.py`, and prints what each will cost.

The rows stand in `plan_blocks.py`, how their seconds are estimated in `plan_cost.py`. GPU time is
lent in sittings of half an hour and commands of at most ten minutes; `SECONDS` in the table is
what to give to `take_rows.py` so that a command ends in nine: no row is begun after it.
"""

import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from plan_blocks import PLANS, Order, distinct
from plan_cost import builds_of, plan_seconds, restart_seconds, seconds_of

FOLDER = Path(__file__).parents[1] / "data" / "plans"
COMMAND_S = 540  # nine minutes
SITTING_S = 1680  # of thirty minutes, two go to the start of the machine and to copies
H100, H200 = "H100", "H200"
# In which sitting a plan is taken, in this order inside it; None: where time is left over.
SITTINGS: dict[str, int | None] = {
    "g-repeats": 1,
    "c-steps": 1,
    "d-models": 1,
    "b-wan-sampled": 2,
    "b-wan-large": 2,
    "microbench": 3,
    "a-end-to-end": 3,
    "a-end-to-end-long": 3,
    "e-below-the-limit": 3,
    "what-if": 4,
    "experiments": 4,
    "microbench-h200": 5,
    "f-h200": 5,
    "reserve": None,
}
# What is not made of rows: (how many, seconds, longest). Three microbenches took 74 to 79 s.
OTHERS = {"microbench": (1, 90, 90), "microbench-h200": (1, 90, 90), "experiments": (5, 600, 200)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """One line of the table: `seconds` in all, `longest_s` of a row, `limit_s` for a command."""

    plan: str
    rows: int
    seconds: float
    longest_s: float
    sitting: int | None

    @property
    def limit_s(self) -> int:
        """No row is begun after so many seconds; the last may still take the longest's time."""
        return max(1, math.floor((COMMAND_S - 1.1 * self.longest_s) / 10) * 10)

    @property
    def machine(self) -> str:
        return H200 if "h200" in self.plan else H100


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in plans().items():
        (FOLDER / f"{name}.jsonl").write_text(text, "utf-8")
    sys.stdout.write("\n".join(table(budgets())) + "\n")


def plans() -> dict[str, str]:
    """The text of every plan."""
    return {name: written(distinct(orders())) for name, orders in PLANS.items()}


def written(orders: Iterable[Order]) -> str:
    return "".join(json.dumps(order) + "\n" for order in orders)


def budgets() -> list[Budget]:
    """In the order in which the plans are taken."""
    return [_budget(name, sitting) for name, sitting in SITTINGS.items()]


def _budget(name: str, sitting: int | None) -> Budget:
    if name in OTHERS:
        rows, seconds, longest_s = OTHERS[name]
        return Budget(plan=name, rows=rows, seconds=seconds, longest_s=longest_s, sitting=sitting)
    orders = distinct(PLANS[name]())
    once = Budget(
        plan=name,
        rows=len(orders),
        seconds=plan_seconds(orders),
        longest_s=max(map(seconds_of, orders)),
        sitting=sitting,
    )
    again_s = (commands(orders, once.limit_s) - 1) * restart_seconds(orders)
    return Budget(
        plan=name,
        rows=once.rows,
        seconds=once.seconds + again_s,
        longest_s=once.longest_s,
        sitting=sitting,
    )


def commands(orders: Sequence[Order], limit_s: float) -> int:
    """How often `take_rows.py` is called until a plan is through."""
    calls, spent_s = 1, 0.0
    for order in orders:
        if spent_s > limit_s:
            calls, spent_s = calls + 1, 0.0
        spent_s += seconds_of(order)
    return calls


def table(lines: Sequence[Budget]) -> list[str]:
    """Markdown as it stands in data/README.md, then the sums of the sittings."""
    names = ("plan", "rows", "builds", "planned", "spent", "longest", "`SECONDS`", "GPU", "sitting")
    found = [f"| {' | '.join(names)} |", "|" + " --- |" * len(names)]
    for line in lines:
        by_rows = line.plan in PLANS
        builds = builds_of(distinct(PLANS[line.plan]())) if by_rows else "-"
        limit, sitting = line.limit_s if by_rows else "-", line.sitting or "what is left"
        found.append(
            f"| `{line.plan}` | {line.rows} | {builds} | {line.seconds:.0f} | | {line.longest_s:.0f}"
            f" | {limit} | {line.machine} | {sitting} |"
        )
    sums = [f"{sitting}: {seconds:.0f}" for sitting, seconds in sittings(lines).items()]
    return [*found, "", f"GPU-seconds by sitting, of {SITTING_S}: {', '.join(sums)}."]


def sittings(lines: Iterable[Budget]) -> dict[int, float]:
    """GPU-seconds of each sitting."""
    found: dict[int, float] = {}
    for line in lines:
        if line.sitting is not None:
            found[line.sitting] = found.get(line.sitting, 0.0) + line.seconds
    return found


if __name__ == "__main__":
    main()
