"""`kinowatt sweep PLAN --adaptive`: the rows that tell most per GPU-second, until it is enough."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from kinowatt.analysis.bench_physics import Bench, physics_of_bench
from kinowatt.analysis.design.belief import believe
from kinowatt.analysis.design.candidates import Candidates, candidates
from kinowatt.analysis.design.proposal import Ahead, Bill, Goal, Proposal, Spent, ahead, propose
from kinowatt.analysis.learning import like_bench
from kinowatt.app.render import console, grid
from kinowatt.app.sweeping import predictor
from kinowatt.campaign.agenda import in_order
from kinowatt.campaign.checking import Checked, Order
from kinowatt.campaign.choosing import Standing
from kinowatt.campaign.forecast import described
from kinowatt.campaign.outlook import asked_of, moves_s
from kinowatt.errors import FactsError, InputError
from kinowatt.facts.data import data_path
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.lab.duration import row_seconds, start_seconds
from kinowatt.lab.microbench.result import read_microbench
from kinowatt.lab.spent import video_of_row, video_of_stages
from kinowatt.lab.worker import canonical
from kinowatt.units import format_seconds

if TYPE_CHECKING:
    from kinowatt.campaign.running import Result

WHY = {
    "target": "the expected error is what was asked for",
    "budget": "no waiting row fits in what is left of the budget",
    "rows": "every row of the plan is measured",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """The rows of a plan to choose from, by their place; `places`: by what is asked for.

    `waiting`: those that fit in memory.
    """

    orders: tuple[Order, ...]
    of: Candidates
    bench: Bench
    bill: Bill
    goal: Goal
    places: Mapping[str, int]
    waiting: tuple[int, ...]


def field_of(checked: Checked, given: Mapping[str, Any]) -> Field:
    """Everything that a choice needs; `InputError` where a plan or the goal allows none."""
    if "budget_s" not in given:
        raise InputError("--adaptive needs --budget-s, the GPU-seconds that may be spent")
    goal = Goal(budget_s=given["budget_s"], target_error_pct=given.get("target_error"))
    orders = tuple(in_order(checked.orders))
    if any(order.outlook.expected_s is None for order in orders):
        raise InputError(
            f"{checked.plan.plan}: --adaptive learns a GPU's profile, and twins and CPUs teach"
            " nothing of it; leave those rows out"
        )
    bench = _bench(given)
    asked = [_asked(order, given) for order in orders]
    return Field(
        orders=orders,
        of=candidates(asked, physics_of_bench(bench)),
        bench=bench,
        bill=_bill(orders, asked),
        goal=goal,
        places={_key(order.row.build, order.row.request): i for i, order in enumerate(orders)},
        waiting=tuple(i for i, order in enumerate(orders) if order.outlook.fits is not False),
    )


def _bench(given: Mapping[str, Any]) -> Bench:
    name = find_gpu(given["gpu"]).name
    try:
        path = given.get("microbench") or str(data_path(f"microbench/{name}.json"))
    except FactsError:
        raise InputError(
            f"no microbench of {name} comes with kinowatt; take one on it with `kinowatt microbench"
            " -o FILE.json`, and give it as --microbench FILE.json"
        ) from None
    return read_microbench(path).to_dict()


def _asked(order: Order, given: Mapping[str, Any]) -> dict[str, Any]:
    """An order as a row that nobody has measured."""
    build, request = order.row.build, order.row.request
    predict = predictor(given["gpu"], given.get("profile"))
    found = predict(order.row.model, asked_of(build, request))
    return {
        **{name: found[name] for name in ("model", "gpu", "recipe", "workload")},
        "protocol": request["protocol"],
        "stages": {},
        "moves_s": moves_s(found["stages"]),  # which the laws of a GPU say nothing of
        "conditions": {
            "tiling": build["tiling"],
            "offload": build["offload"],
            "compile": build["compile"],
            "attention_backend": build["attention"],
        },
    }


def _bill(orders: Sequence[Order], asked: Sequence[Mapping[str, Any]]) -> Bill:
    def row_s(index: int, stages: Sequence[float]) -> float:
        row, video = orders[index].row, video_of_stages(asked[index], stages)
        video = replace(video, before_s=video.before_s + asked[index]["moves_s"])
        return row_seconds(row.build, row.request, video)

    return Bill(
        row_s=row_s,
        builds=[order.row.key for order in orders],
        start_s=max(start_seconds(order.row.request) for order in orders),
    )


def _key(build: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    return canonical({"build": dict(build), "request": dict(request)})


@dataclass(kw_only=True, slots=True)
class Chooser:
    """Chooses the next order of a campaign whenever a slot asks; `last`: what it said last."""

    field: Field
    last: Proposal | None = None
    spent_s: float = 0.0

    def __call__(self, standing: Standing) -> int | None:
        places = {
            order_id: self.field.places[_key(order.build, order.request)]
            for order_id, order in standing.orders.items()
        }
        ids = {place: order_id for order_id, place in places.items()}
        measured = self._teaching({places[i]: row for i, row in standing.rows.items()})
        under_way = [places[order_id] for order_id in standing.under_way]
        belief = believe(self.field.of, measured, under_way)
        built = frozenset({standing.built} if standing.built else ())
        costs = self.field.bill.costs(belief, built)
        self.spent_s = sum(_spent(standing)) + sum(float(costs[place]) for place in under_way)
        waiting = {places[order_id] for order_id in standing.waiting} & {*self.field.waiting}
        spent = Spent(spent_s=self.spent_s, built=built)
        self.last = propose(belief, waiting, self.field.bill, self.field.goal, spent)
        return None if self.last.index is None else ids[self.last.index]

    def _teaching(self, rows: Mapping[int, Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
        """Rows of the microbench's GPU and software; `InputError` where there is none such."""
        places = sorted(rows)
        taken, _ = like_bench(self.field.bench, [rows[place] for place in places])
        return {places[index]: rows[places[index]] for index in taken}


def _spent(standing: Standing) -> Iterator[float]:
    """GPU-seconds of all orders that were begun: by the clock; of an earlier command's, estimated.

    Each estimate has a start: what stood ready then is not known.
    """
    yield from standing.took_s.values()
    for order_id, row in standing.rows.items():
        if order_id not in standing.took_s:
            order = standing.orders[order_id]
            yield start_seconds(order.request)
            yield row_seconds(order.build, order.request, video_of_row(row))


def dry_run(checked: Checked, given: Mapping[str, Any]) -> tuple[Field, Ahead]:
    """The rows that would be taken if all came out as the microbench predicts."""
    found = field_of(checked, given)
    return found, ahead(found.of, found.waiting, found.bill, found.goal)


def run(plan: str | None, given: Mapping[str, Any]) -> tuple["Result", Chooser]:
    """Measures row by row, each chosen by all before it; the same command goes on."""
    from kinowatt.app.campaigning import run as run_campaign

    made: list[Chooser] = []

    def chooser(checked: Checked) -> Chooser:
        made.append(Chooser(field=field_of(checked, given)))
        return made[0]

    return run_campaign(plan, given, chooser), made[0]


def as_data(found: Field, course: Ahead) -> dict[str, Any]:
    """Plain data for --json."""
    steps = [
        {**asdict(step), "model": found.orders[step.index].row.model}
        | {"request": dict(found.orders[step.index].row.request)}
        for step in course.steps
    ]
    return {
        "rows": len(found.orders),
        "goal": asdict(found.goal),
        "expected_error_pct": course.before_pct,
        "stop": course.stop,
        "steps": steps,
        "provenance": {"kind": "predicted"},
    }


def report(found: Field, course: Ahead, out: Console | None = None) -> None:
    """The rows in the order in which they would be measured."""
    out = out or console()
    table = grid("Predicted", "", "model", "row", "protocol", "GPU time", "so far", "error then")
    for number, step in enumerate(course.steps, start=1):
        order = found.orders[step.index]
        table.add_row(
            str(number),
            order.row.model,
            described(order),
            str(order.row.request["protocol"]),
            format_seconds(step.cost_s),
            format_seconds(step.spent_s),
            f"{step.error_pct:.1f}%",
        )
    out.print(
        f"{len(course.steps)} of {len(found.orders)} rows; by the microbench alone other videos are"
        f" expected to be missed by {course.before_pct:.1f}%"
    )
    out.print(table)
    out.print(Text(f"Ends there: {WHY[course.stop]}.", style="dim"))
    out.print(
        Text(
            "GPU time with the start of a pipeline where it changes. Error: mean over the plan's"
            " GPU-paced videos, expected by a linear model. What is measured changes the order.",
            style="dim",
        )
    )


def ended(chooser: Chooser) -> dict[str, Any]:
    """Why no further row was chosen, for --json; `stop` None where the command was interrupted."""
    last = chooser.last
    return {
        "stop": last.stop if last else None,
        "expected_error_pct": last.error_pct if last else None,
        "spent_s": chooser.spent_s,
    }


def report_end(chooser: Chooser, out: Console | None = None) -> None:
    """Why no further row was chosen, and how to learn the profile."""
    out = out or console()
    if chooser.last is None or chooser.last.stop is None:
        return
    out.print(
        f"Ended: {WHY[chooser.last.stop]}. Expected error {chooser.last.error_pct:.1f}% after"
        f" {format_seconds(chooser.spent_s)} of GPU time; the plan without --adaptive measures the"
        " rest, `kinowatt calibrate` learns the profile."
    )
