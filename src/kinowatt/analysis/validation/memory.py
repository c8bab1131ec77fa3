"""Peak memory: measured by torch beside predicted from weights and live tensors; nothing fitted."""

from collections.abc import Sequence

from kinowatt.analysis.features import Row, row_scenario
from kinowatt.analysis.validation.cases import Case
from kinowatt.facts.operator_tables import operator_table
from kinowatt.theory.memory import peak_memory
from kinowatt.theory.recipe import plan

MEMORY = "peak memory"


def memory_cases(rows: Sequence[Row]) -> list[Case]:
    """GiB of every row that has a peak."""
    found = []
    for index, row in enumerate(rows):
        if not row.get("peak_memory_gib"):
            continue
        chosen = row_scenario(row)
        resolved = plan(chosen.model, chosen.workload, chosen.recipe, chosen.tiling)
        memory = peak_memory(chosen.model, resolved, operator_table, chosen.offload)
        found.append(
            Case(
                scheme="nothing fitted",
                quantity=MEMORY,
                regime="gpu",
                index=index,
                model=row["model"],
                sweep=row.get("sweep", ""),
                label=index,
                measured=float(row["peak_memory_gib"]),
                predicted=float(memory.peak_gib),
                power_w=row.get("power_w"),
            )
        )
    return found
