"""The page Paper: every table and figure of the reproduction."""

import base64
import json
import tempfile
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from kinowatt.app.reproducing import run
from kinowatt.app.serve.dashboard.tables import Column, download, table
from kinowatt.app.serve.dashboard.words import code, notice
from kinowatt.errors import MissingExtraError
from kinowatt.report.build import CAPTIONS, DATA_OF

INTRODUCTION = (
    "Video Killed the Energy Budget (Delavande, Pierrard, Luccioni, 2025): every table and figure "
    "as published, recomputed and corrected, and what we measured beside them."
)


@lru_cache(maxsize=1)
def page() -> str:
    """The reproduction as one page; made once, some seconds after it was first asked for."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            summary = run(folder, lambda text: None, ("svg",))
        except MissingExtraError as error:
            return notice([str(error)], "error")
        return _page(Path(folder), summary)


def _page(folder: Path, summary: dict[str, Any]) -> str:
    figures = "".join(_figure(folder, name) for name in summary["figures"])
    tables = "".join(_table(path) for path in sorted((folder / "tables").glob("*.csv")))
    claims = f"{summary['claims']} claims: {summary['verdicts']}."
    again = code("The same on the command line", "kinowatt reproduce -o out")
    return f"<p>{escape(INTRODUCTION)}</p><p>{escape(claims)}</p>{figures}{tables}{again}"


def _figure(folder: Path, name: str) -> str:
    title, caption, alt = CAPTIONS[name]
    svg = base64.b64encode((folder / "figures" / f"{name}.svg").read_bytes()).decode()
    data = DATA_OF.get(name, f"data/{name}.csv")
    link = download(name, (folder / data).read_text("utf-8")) if data else ""
    return (
        f'<figure><img alt="{escape(alt)}" src="data:image/svg+xml;base64,{svg}">'
        f"<figcaption><b>{escape(title)}</b> {escape(caption)}</figcaption></figure>{link}"
    )


def _table(path: Path) -> str:
    rows = json.loads(path.with_suffix(".json").read_text("utf-8"))
    title = path.with_suffix(".md").read_text("utf-8").partition("\n")[0].strip("* ")
    if not rows:
        return ""
    columns = [
        Column(
            key=key, label=key.replace("_", " "), show=_shown, left=isinstance(rows[0][key], str)
        )
        for key in rows[0]
    ]
    shown = table(path.stem, title, columns, rows)
    return f"<details><summary>{escape(title)}</summary>{shown}</details>"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
