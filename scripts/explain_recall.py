"""explain_recall.py [--json]: how often `kinowatt explain` ranks the true cause first, or in three.

The paper's rows, whose true causes are known. Every setting of its three sweeps, and the cross-model
rows as they ran, are of the software of 2025; every fourth row of the steps sweep, labelled with the
81 frames that the paper states, ran 49; and the cross-model rows of Wan, labelled 480x832 with 60
steps, ran 720x1280 with 50. Then our own rows with one thing changed (kernel of attention, compiled
blocks, tiling, two videos at once, no guidance), labelled as if nothing had been. Rows inside the
expected range have no cause and do not count.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from statistics import fmean
from typing import Any

from kinowatt.analysis.explain import Explanation, explain
from kinowatt.analysis.rows import WAN, PaperRow, cross_model_rows, paper_rows
from kinowatt.facts.data import data_path

SOFTWARE = (("software", ""),)
FRAMES = (("settings", "49 frames"),)
SIZE = (("settings", "720x1280, 81 frames, 50 steps"), ("settings", "720x1280, 50 steps"))
CHANGED = "measurements/h100-sxm-what-if.jsonl"
KERNEL = {"flash": "flash", "efficient": "memory-efficient"}
EVERY = 4  # of the steps sweep, whose rows are all alike


@dataclass(frozen=True, kw_only=True)
class Known:
    """A row as labelled, and the causes (kind, words that begin so) that count as the true one."""

    what: str
    model: str
    settings: Mapping[str, Any]
    latency_s: float
    energy_wh: float | None
    truth: tuple[tuple[str, str], ...]


def known() -> Iterator[Known]:
    """All cases, as the module's first lines have them."""
    for sweep, every in (("resolution", 1), ("frames", 1), ("steps", EVERY)):
        for row in paper_rows(sweep)[::every]:
            yield _known(f"{sweep} sweep, as it ran", row, SOFTWARE)
    for row in paper_rows("steps")[::EVERY]:
        yield _known("steps sweep, labelled 81 frames", row, FRAMES, frames=81)
    for means in cross_model_rows():
        yield Known(
            what="cross-model, as it ran",
            model=means.model,
            settings={"preset": "paper"},
            latency_s=means.latency_s,
            energy_wh=means.energy_wh["gpu"],
            truth=SOFTWARE,
        )
        if means.model.startswith("wan"):
            yield Known(
                what="cross-model Wan, labelled 480x832 and 60 steps",
                model=means.model,
                settings={"height_px": 480, "width_px": 832, "frames": 81, "steps": 60},
                latency_s=means.latency_s,
                energy_wh=means.energy_wh["gpu"],
                truth=SIZE,
            )


def changed() -> Iterator[Known]:
    """Our rows of changes, each with the labels of the usual row."""
    for row in map(json.loads, data_path(CHANGED).read_text("utf-8").splitlines()):
        conditions, work = row["conditions"], row["workload"]
        label = {name: work[name] for name in ("height_px", "width_px", "frames", "steps")}
        if work["guidance_scale"] > 1:
            label["guidance_scale"] = work["guidance_scale"]
        yield Known(
            what="ours with one thing changed, as it was not",
            model=row["model"],
            settings=label | {"recipe": row["recipe"], "software": conditions},
            latency_s=row["latency_s"],
            energy_wh=row["energy_wh"]["gpu"],
            truth=tuple(_truth(conditions, work)),
        )


def _truth(conditions: Mapping[str, Any], work: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if conditions["attention_backend"] != "default":
        yield "attention", KERNEL[conditions["attention_backend"]]
    if conditions["compile"] != "none":
        yield "compiled", ""
    if conditions["tiling"]:
        yield "tiling", ""
    if work["batch_size"] > 1:
        yield "settings", f"batches of {work['batch_size']}"
    if work["guidance_scale"] <= 1:
        yield "settings", "without guidance"


def _known(what: str, row: PaperRow, truth: tuple[tuple[str, str], ...], **label: int) -> Known:
    names = ("height_px", "width_px", "frames", "steps")
    return Known(
        what=what,
        model=WAN,
        settings={name: getattr(row, name) for name in names} | label,
        latency_s=row.seconds,
        energy_wh=row.gpu_energy_wh,
        truth=truth,
    )


def place(case: Known, found: Explanation) -> int | None:
    """Place of the true cause, from 1; None where it is not among those shown."""
    for number, each in enumerate(found.causes, 1):
        if any(each.kind == kind and each.words.startswith(words) for kind, words in case.truth):
            return number
    return None


def ranks(cases: Iterator[Known]) -> dict[str, list[int | None]]:
    """Places by what the cases are."""
    found: dict[str, list[int | None]] = {}
    for case in cases:
        said = explain(
            case.model, latency_s=case.latency_s, energy_wh=case.energy_wh, **case.settings
        )
        if said.verdict != "normal":  # what is as expected has no cause
            found.setdefault(case.what, []).append(place(case, said))
    return found


def shares(places: list[int | None]) -> dict[str, float]:
    return {
        "n": len(places),
        "first": fmean(place == 1 for place in places),
        "in_three": fmean(place is not None and place <= 3 for place in places),
    }


def main(argv: list[str]) -> None:
    found = ranks(chain(known(), changed()))
    table = {what: shares(places) for what, places in found.items()}
    table["all"] = shares([place for places in found.values() for place in places])
    if "--json" in argv:
        print(json.dumps(table, indent=1))
        return
    for what, each in table.items():
        print(
            f"{each['n']:4.0f}  first {each['first']:6.1%}  in three {each['in_three']:6.1%}  {what}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
