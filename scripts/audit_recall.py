"""audit_recall.py [--json] [--seeds N] [--first N]: how well the audit finds faults, and only faults.

Faults are those of `faulty_tables`: every kind in each of its tables, with N seeds from the first on
(thresholds were set on 0). Found: a flag of
a right kind (error or warning), at least half of whose rows are at fault. False alarms: rows of
clean tables and of our own files that an error or a warning names.
"""

import json
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faulty_tables import BASES, FAULTS, Faulted, inject
from faulty_tables.bases import to_csv
from kinowatt.analysis.audit.flags import Audit
from kinowatt.analysis.audit.forecasts import Forecaster
from kinowatt.analysis.audit.run import audit
from kinowatt.facts.data import data_folder

OWN = ("measurements", "protocol")
FORECASTS = Forecaster()


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One faulted table, whether its fault was found, and what was flagged."""

    fault: str
    base: str
    seed: int
    found: bool
    kinds: tuple[str, ...]


def answered(made: Faulted, answer: Audit) -> bool:
    """Whether a flag of a right kind names mainly rows at fault."""
    return any(
        flag.kind in made.fault.answers
        and flag.severity != "note"
        and 2 * len(made.lines.intersection(flag.lines)) >= len(flag.lines)
        for flag in answer.flags
    )


def of_text(text: str, folder: Path) -> Audit:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return audit(path, forecaster=FORECASTS)


def try_all(seeds: range, folder: Path) -> Iterator[Tried]:
    for fault in FAULTS.values():
        for base in fault.bases:
            for seed in seeds:
                made = inject(fault, base, seed)
                answer = of_text(made.text, folder)
                yield Tried(
                    fault=fault.name,
                    base=base,
                    seed=seed,
                    found=answered(made, answer),
                    kinds=tuple(sorted({f.kind for f in answer.flags if f.severity != "note"})),
                )


def clean(seeds: range, folder: Path) -> Iterator[tuple[str, int, int, list[str]]]:
    """Of every clean table and file of ours: name, rows, rows flagged, and by what."""
    for name, base in BASES.items():
        for seed in seeds:
            rows = base(random.Random(f"clean/{name}/{seed}"))
            answer = of_text(to_csv(rows), folder)
            yield f"{name}/{seed}", len(rows), len(answer.flagged), _alarms(answer)
    for part in OWN:
        for file in sorted(data_folder(part).glob("*.jsonl")):
            answer = audit(file, forecaster=FORECASTS)
            yield file.name, answer.rows, len(answer.flagged), _alarms(answer)


def _alarms(answer: Audit) -> list[str]:
    return [f"{f.kind} {list(f.lines)}: {f.what}" for f in answer.flags if f.severity != "note"]


def report(seeds: range) -> dict[str, Any]:
    """Recall by fault and over all, and the share of clean rows that were flagged."""
    with tempfile.TemporaryDirectory() as name:
        tried = list(try_all(seeds, Path(name)))
        cleaned = list(clean(seeds, Path(name)))
    by_fault = {
        fault: [item for item in tried if item.fault == fault]
        for fault in dict.fromkeys(item.fault for item in tried)
    }
    rows, alarms = sum(item[1] for item in cleaned), sum(item[2] for item in cleaned)
    return {
        "kinds": len(by_fault),
        "tables": len(tried),
        "recall": sum(item.found for item in tried) / len(tried),
        "recall_by_kind": {
            fault: sum(item.found for item in items) / len(items)
            for fault, items in by_fault.items()
        },
        "clean_rows": rows,
        "false_alarm_rows": alarms,
        "false_alarms": alarms / rows,
        "missed": [
            f"{i.fault}/{i.base}/{i.seed}: {', '.join(i.kinds)}" for i in tried if not i.found
        ],
        "alarms": {item[0]: item[3] for item in cleaned if item[3]},
    }


def _option(argv: list[str], name: str, otherwise: int) -> int:
    return int(argv[argv.index(name) + 1]) if name in argv else otherwise


def main(argv: list[str]) -> None:
    first, count = _option(argv, "--first", 0), _option(argv, "--seeds", 1)
    found = report(range(first, first + count))
    if "--json" in argv:
        print(json.dumps(found, indent=1))
        return
    print(f"{found['kinds']} kinds in {found['tables']} tables: recall {found['recall']:.1%}")
    print(f"{found['clean_rows']} clean rows: {found['false_alarms']:.2%} flagged")
    for kind, share in sorted(found["recall_by_kind"].items(), key=lambda item: item[1]):
        print(f"  {share:6.1%}  {kind}")
    for line in found["missed"]:
        print("missed", line)
    for name, flags in found["alarms"].items():
        print("alarm", name, *flags, sep="\n   ")


if __name__ == "__main__":
    main(sys.argv[1:])
