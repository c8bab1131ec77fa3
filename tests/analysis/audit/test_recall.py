"""The audit against the fault generator: recall by kind, and false alarms on clean rows."""

from dataclasses import replace
from pathlib import Path

import pytest

from audit_recall import answered, clean, of_text, report
from faulty_tables import FAULTS, inject

RECALL = 0.90
FALSE_ALARMS = 0.02
MISSED = int((1 - RECALL) * len(FAULTS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit")


def test_nine_of_ten_kinds_of_fault_are_found(folder: Path) -> None:
    missed = []
    for fault in FAULTS.values():
        made = inject(fault, fault.bases[0], 0)  # the others for `make torture`
        if not answered(made, of_text(made.text, folder)):
            missed.append(fault.name)
    assert len(missed) <= MISSED, missed


def test_a_flag_of_another_kind_or_of_other_rows_does_not_count(folder: Path) -> None:
    made = inject(FAULTS["negative_energy"], "steps", 0)
    answer = of_text(made.text, folder)
    assert answered(made, answer)
    other = inject(FAULTS["wrong_steps"], "steps", 0)
    assert not answered(other, answer)
    assert not answered(replace(made, lines=frozenset({99})), answer)


def test_clean_rows_are_left_alone(folder: Path) -> None:
    found = list(clean(range(1), folder))
    rows, alarms = sum(item[1] for item in found), sum(item[2] for item in found)
    assert rows > 200
    assert alarms / rows <= FALSE_ALARMS, [item for item in found if item[2]]


@pytest.mark.torture
def test_recall_over_every_table_and_three_seeds() -> None:
    found = report(range(3))
    assert found["recall"] >= RECALL, found["missed"]
    assert min(found["recall_by_kind"].values()) >= 0.5, found["recall_by_kind"]
    assert found["false_alarms"] <= FALSE_ALARMS, found["alarms"]
