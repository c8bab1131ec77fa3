"""Faults for the audit to find: clean rows in, a faulted table and the truth about it out."""

from faulty_tables import bookkeeping, energy, labels, neighbours  # each registers its faults
from faulty_tables.bases import BASES
from faulty_tables.registry import FAULTS, Fault, Faulted, inject

__all__ = [
    "BASES",
    "FAULTS",
    "Fault",
    "Faulted",
    "bookkeeping",
    "energy",
    "inject",
    "labels",
    "neighbours",
]
