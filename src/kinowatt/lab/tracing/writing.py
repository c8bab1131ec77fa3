"""The committed, readable form of an operator table: JSON, one row a line."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kinowatt.lab.tracing import fitting
from kinowatt.lab.tracing.access import DENSE
from kinowatt.lab.tracing.fitting import Terms
from kinowatt.lab.tracing.tables import Row, Totals

FORMAT_VERSION = 1


def config_digest(config: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=list).encode()).hexdigest()[
        :16
    ]


def row_record(row: Row, totals: Totals) -> dict[str, Any]:
    """Dims are of one call, bytes of all calls of the row together."""
    return {
        "part": row.part,
        "kind": row.kind,
        "op": row.op,
        "dtype": row.dtype,
        "storage": row.storage,
        **({} if row.access == DENSE else {"access": row.access}),
        "dims": {name: fitting.render(terms) for name, terms in row.dims},
        "calls": fitting.render(totals.calls),
        "bytes": fitting.render(totals.nbytes),
        "modules": _modules(totals.modules),
    }


def _modules(names: set[str], shown: int = 3) -> str:
    ordered = sorted(names)
    rest = len(ordered) - shown
    return ", ".join(ordered[:shown]) + (f" and {rest} more" if rest > 0 else "")


def memory_record(terms: Terms, worst: float) -> dict[str, Any]:
    return {"live_bytes": fitting.render(terms), "worst_relative_error": round(worst, 4)}


def write_table(path: Path, header: Mapping[str, Any], cases: Sequence[Mapping[str, Any]]) -> None:
    """Header fields one a line, then every case with its rows one a line."""
    lines = ["{"]
    lines += [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in header.items()]
    lines.append(' "cases": [')
    for index, case in enumerate(cases):
        lines.append(f'  {{"when": {json.dumps(case["when"])}, "rows": [')
        rows = [f"   {json.dumps(row)}" for row in case["rows"]]
        lines.append(",\n".join(rows))
        lines.append("  ]}" + ("," if index + 1 < len(cases) else ""))
    lines += [" ]", "}"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
