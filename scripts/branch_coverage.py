"""branch_coverage.py PACKAGE PERCENT: fails where fewer branches of a package were taken."""

import json
import sys
import tempfile
from pathlib import Path

from coverage import Coverage


def branches(package: str) -> dict[str, tuple[int, int]]:
    """(taken, all) branches of each file of a package, out of the last `.coverage`."""
    coverage = Coverage()
    coverage.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        coverage.json_report(outfile=str(report), include=[f"*/{package}/*"])
        files = json.loads(report.read_text("utf-8"))["files"]
    summaries = {name: entry["summary"] for name, entry in files.items()}
    return {n: (s["covered_branches"], s["num_branches"]) for n, s in summaries.items()}


def main(package: str, percent: str) -> None:
    found = branches(package)
    taken, total = (sum(column) for column in zip(*found.values(), strict=True))
    for name, (some, every) in found.items():
        if some < every:
            print(f"{name}: {some} of {every} branches")
    share = 100 * taken / total
    print(f"{package}: {taken} of {total} branches taken, {share:.1f}% (needed: {percent}%)")
    sys.exit(share < float(percent))


if __name__ == "__main__":
    main(*sys.argv[1:])
