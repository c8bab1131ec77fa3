"""Plays adaptive, random and cheapest-first choice on the committed rows: 20 starts each.

`python scripts/adaptive_curves.py` writes docs/evidence/adaptive.json; `--draw` makes the picture
in docs/images/ of it. Both ways to count GPU time: rows alone, and with the start of a process
wherever the pipeline changes (the full set: one for each pipeline). Some ten minutes.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kinowatt.analysis.design.replay import STRATEGIES, choice, curve, replay, starts
from kinowatt.app.replaying import committed_pool
from kinowatt.lab.duration import start_seconds

DOCS = Path(__file__).parents[1] / "docs"
EVIDENCE = DOCS / "evidence" / "adaptive.json"
PICTURE = DOCS / "images" / "adaptive.png"
STARTS = 20
CLAIM, FAR = 0.05, 0.1
# Each budget is a run of its own; less of it is read off the same run
RUNS = {CLAIM: (0.02, 0.03, 0.04, CLAIM), FAR: (0.06, 0.07, 0.08, 0.09, FAR)}
MARKS = {"adaptive": "o-", "random": "s--", "cheapest first": "^:"}


def taken(start_s: float) -> dict[str, Any]:
    """All curves with one way to count GPU time."""
    of = committed_pool(start_s)
    curves = [
        asdict(point)
        for name in STRATEGIES
        for budget, shares in RUNS.items()
        for point in curve(of, name, paths(of, name, budget * of.full_took_s), shares)
    ]
    return {"start_s": start_s, "full_took_s": of.full_took_s, "curves": curves}


def paths(of: Any, name: str, budget_s: float) -> list[Any]:
    """One choice played from every start."""
    return [
        list(replay(of, choice(name, of, budget_s, seed), first, budget_s))
        for seed, first in enumerate(starts(of, STARTS))
    ]


def draw(found: list[dict[str, Any]]) -> None:
    """Error over GPU time, one plot for each way to count it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for axis, way in zip(axes, found, strict=True):
        for name, mark in MARKS.items():
            x, y = zip(*_points(way, name), strict=True)
            axis.plot(x, y, mark, label=name)
        full = way["curves"][0]["full_error_pct"]
        axis.axhline(full, color="0.4", label=f"all rows: {full:.1f}%")
        axis.axhline(full + 0.5, color="0.7", linestyle="--", label="all rows + 0.5 points")
        starts_too = "with starts of pipelines" if way["start_s"] else "rows alone"
        axis.set_title(f"{starts_too}; all rows: {way['full_took_s']:,.0f} GPU-s", fontsize=10)
        axis.set_xlabel("GPU time, % of that of all rows")
        axis.set_ylim(1.5, 6)
    axes[0].set_ylabel("mean error, whole videos left out (%)")
    axes[0].legend(fontsize=8)
    figure.savefig(PICTURE, dpi=110)


def _points(way: dict[str, Any], name: str) -> Iterator[tuple[float, float]]:
    for point in way["curves"]:
        if point["strategy"] == name and point["error_pct"] is not None:
            yield 100 * point["share"], point["error_pct"]


def main(words: list[str]) -> None:
    if "--draw" not in words:
        found = [taken(0.0), taken(start_seconds({"idle_s": 3.0}))]
        EVIDENCE.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    draw(json.loads(EVIDENCE.read_text("utf-8")))


if __name__ == "__main__":
    main(sys.argv[1:])
