"""Pages of experiments: what measured rows say of one question, each with a picture."""

from collections.abc import Mapping, Sequence
from typing import Any

from kinowatt.analysis.own.auxiliary import parts
from kinowatt.analysis.own.counted import counted
from kinowatt.analysis.own.lines import BOTH, committed_lines
from kinowatt.analysis.own.models import PAPER_GPU
from kinowatt.analysis.own.rows import OwnRow, as_shipped
from kinowatt.analysis.own.two_gpus import committed
from kinowatt.report.experiments.auxiliary import auxiliary
from kinowatt.report.experiments.codecarbon import codecarbon
from kinowatt.report.experiments.operators import operators
from kinowatt.report.experiments.pages import Experiment
from kinowatt.report.experiments.power import power
from kinowatt.report.experiments.prompts import prompts
from kinowatt.report.experiments.stack import stack
from kinowatt.report.experiments.traces import traces
from kinowatt.report.experiments.two_gpus import two_gpus
from kinowatt.report.experiments.weights import weights

__all__ = ["Experiment", "experiments"]


def experiments(
    rows: Sequence[OwnRow], bench: Mapping[str, Any], forecast: Mapping[str, Any]
) -> list[Experiment]:
    """All that need no GPU. `bench`: the microbench of the same GPU, as a mapping.

    `forecast`: of the campaign on two GPUs, as committed before it ran.
    """
    usable = counted(as_shipped(rows, PAPER_GPU))
    videos = parts(usable)
    return [
        power(usable, bench),
        auxiliary(videos),
        codecarbon(committed_lines("codecarbon")),
        prompts(committed_lines("prompts", BOTH)),
        traces(committed_lines("traces")),
        operators(committed_lines("operators"), bench),
        weights(committed_lines("weights", BOTH), rows),
        two_gpus(committed(), forecast),
        stack(committed_lines("stack"), rows, videos),
    ]
