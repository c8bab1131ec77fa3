"""From a plan to its rows, one after another; how many they are is known before one is made."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from kinowatt.campaign.plan import Axes, Block, Plan, Protocol
from kinowatt.campaign.settings import SEED_OF_BUILD, SIZE, settings
from kinowatt.errors import InputError
from kinowatt.facts.models import model
from kinowatt.lab.measure import sorted_out
from kinowatt.lab.request import BuildOptions, FullOptions, VideoRequest
from kinowatt.lab.worker import canonical

MAX_ROWS = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What one row asks for; `build` and `request` as a worker of the lab gets them.

    `key`: one text for equal builds.
    """

    block: int
    build: Mapping[str, Any]
    request: Mapping[str, Any]
    key: str

    @property
    def model(self) -> str:
        return str(self.build["model"])


def axes_of(block: Block, name: str) -> Axes:
    """The grid of a block for one of its models."""
    own = block.overrides.get(name, {})
    return {**block.grid, **own}


def count(plan: Plan) -> int:
    """Rows of a plan before any is excluded, without making one."""
    return sum(_of_block(block) for block in plan.blocks)


def _of_block(block: Block) -> int:
    zipped = len(next(iter(block.zip.values()))) if block.zip else 1
    points = sum(math.prod(map(len, axes_of(block, name).values())) for name in block.models)
    return points * zipped * len(block.protocol)


def check_count(plan: Plan) -> None:
    """`InputError` with the count for a plan that nobody can want to run."""
    rows = count(plan)
    if rows <= MAX_ROWS:
        return
    block = max(plan.blocks, key=_of_block)
    axes = {**axes_of(block, block.models[0]), **block.zip}
    longest = sorted(axes.items(), key=lambda item: -len(item[1]))[:3]
    told = ", ".join(f"{len(values):,} of {name}" for name, values in longest)
    raise InputError(
        f"{plan.plan}: {rows:,} rows, at most {MAX_ROWS:,} make sense; the largest block has {told}"
    )


Place = tuple[int, int]  # of an entry of `exclude`: its block, and where in it


def exclusions(plan: Plan) -> set[Place]:
    """Every entry of `exclude`."""
    return {(b, e) for b, block in enumerate(plan.blocks) for e in range(len(block.exclude))}


def expand(plan: Plan, met: set[Place] | None = None) -> Iterator[Row]:
    """The rows of a plan that are not excluded, in the order of the file.

    `met` gathers the entries of `exclude` that some row meets; the others are likely mistyped.
    """
    check_count(plan)
    for index, block in enumerate(plan.blocks):
        for row in _rows(plan, index):
            left_out = {(index, e) for e, entry in enumerate(block.exclude) if holds(entry, row)}
            if met is not None:
                met |= left_out
            if not left_out:
                yield row


def _rows(plan: Plan, index: int) -> Iterator[Row]:
    block = plan.blocks[index]
    for name in block.models:
        for given in _points(plan, block, name):
            for protocol in block.protocol:
                try:
                    yield _row(plan, index, name, given, protocol)
                except InputError as error:
                    raise InputError(f"{plan.plan}, {title(plan, index)}: {error}") from None


def title(plan: Plan, index: int) -> str:
    """What a block is called."""
    return plan.blocks[index].label or f"block {index + 1}"


def _points(plan: Plan, block: Block, name: str) -> Iterator[dict[str, Any]]:
    """Settings of each point of grid and zip."""
    axes = axes_of(block, name)
    fixed = _merged(plan.set, block.set)
    zipped = list(zip(*block.zip.values(), strict=True)) if block.zip else [()]
    for point in product(*axes.values()):
        for together in zipped:
            yield _merged(
                fixed,
                dict(zip(axes, point, strict=True)),
                dict(zip(block.zip, together, strict=True)),
            )


def _merged(*groups: Mapping[str, Any]) -> dict[str, Any]:
    """Later groups win; a size is two settings."""
    found: dict[str, Any] = {}
    for group in groups:
        for name, value in group.items():
            if name == SIZE:
                found["height_px"], found["width_px"] = value
            else:
                found[name] = value
    return found


def _row(plan: Plan, index: int, name: str, given: Mapping[str, Any], protocol: Protocol) -> Row:
    spec = model(name)
    asked = dict(given)
    seeds = {"seed": asked.pop(SEED_OF_BUILD, 0)}
    seed = asked.pop("seed", 0)
    build, request = sorted_out(spec, asked)
    build.pop("model")
    video = VideoRequest.of(spec, **{"preset": "default", **request, "seed": seed}).to_dict()
    options = {"idle_s": FullOptions().idle_s, **protocol.options}
    if protocol.name == "full":
        options = asdict(FullOptions(**options))
    made = asdict(BuildOptions(**{**build, **seeds}))
    whole = {"model": spec.name, "meters": list(plan.meters), **made}
    return Row(
        block=index,
        build=whole,
        key=canonical(whole),
        request={k: v for k, v in video.items() if v is not None}
        | {k: v for k, v in options.items() if v is not None}
        | {"protocol": protocol.name},
    )


def holds(condition: Mapping[str, Any], row: Row) -> bool:
    """Whether all of an entry of `exclude` is true of a row."""
    return all(_value(name, row) in allowed for name, allowed in condition.items())


def _value(name: str, row: Row) -> Any:
    if name == SIZE:
        return row.request["height_px"], row.request["width_px"]
    if name == SEED_OF_BUILD:
        return row.build["seed"]
    source = row.build if name == "model" or settings()[name].of == "build" else row.request
    return source.get(name)
