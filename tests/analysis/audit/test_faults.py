"""The fault generator: every fault changes its rows, and only those."""

import csv
import io
import random

import pytest

from faulty_tables import BASES, FAULTS, inject
from faulty_tables.bases import every_frame, to_csv

CASES = [(name, fault.bases[0]) for name, fault in FAULTS.items()]


def test_there_are_thirty_kinds_and_each_states_its_size() -> None:
    assert len(FAULTS) >= 30
    assert all(fault.size.endswith(".") and fault.answers for fault in FAULTS.values())


@pytest.mark.parametrize(("name", "base"), CASES)
def test_a_fault_changes_the_rows_that_it_names(name: str, base: str) -> None:
    found = inject(FAULTS[name], base, 0)
    rng = random.Random(f"{name}/{base}/0")
    clean = (every_frame if base == "every_frame" else BASES[base])(rng)
    before = list(csv.DictReader(io.StringIO(to_csv(clean))))
    after = list(csv.DictReader(io.StringIO(found.text)))
    changed = {n + 2 for n, row in enumerate(after) if n >= len(before) or row != before[n]}
    if name == "staircase":
        assert changed == set()  # what is wrong is the choice of rows
    elif name in ("duplicated", "no_warm_up"):
        assert changed - found.lines == ({*range(3, len(after) + 2)} if "warm" in name else set())
    elif name in ("copied_under_other_settings", "copied_with_jitter", "throttled", "drift"):
        assert changed <= found.lines  # the source of a copy stays as it is
        assert changed
    else:
        assert changed <= found.lines
        assert len(changed) >= len(found.lines) / 2


def test_the_same_seed_makes_the_same_table() -> None:
    one, again, other = (inject(FAULTS["wrong_steps"], "grid", seed) for seed in (1, 1, 2))
    assert one.text == again.text
    assert one.text != other.text
