"""A folder that the Hugging Face hub takes as a dataset: Parquet, and a card that explains it."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from kinowatt.formats.flat import COLUMNS, MEANING, parquet_file
from kinowatt.formats.grouped import Overview
from kinowatt.formats.kinds import EXPLAINED
from kinowatt.formats.papers import methods
from kinowatt.formats.writers import Options, Row

DATA = Path("data/train-00000-of-00001.parquet")


def dataset_folder(rows: Iterable[Row], options: Options, path: Path) -> None:
    """`README.md` (the card) and `data/train-00000-of-00001.parquet`."""
    found = Overview()
    (path / DATA).parent.mkdir(parents=True)
    parquet_file(found.seen(rows), options, path / DATA)
    (path / "README.md").write_text("".join(_card(found, options)), encoding="utf-8")


def _card(found: Overview, options: Options) -> Iterator[str]:
    title = options.title or "Cost of generated videos"
    yield f"---\npretty_name: {json.dumps(title)}\n"
    yield f"license: {json.dumps(options.licence or 'unknown')}\n"
    yield "tags: [energy, text-to-video, kinowatt]\n"
    yield f"size_categories: [{_size(found.rows)}]\n"
    yield "configs:\n- config_name: default\n  data_files:\n  - split: train\n"
    yield f"    path: {DATA.as_posix()}\n---\n\n# {title}\n\n"
    yield "One row is one video, or like videos of one sitting: time, energy by scope, memory.\n"
    yield "`kinowatt store import` reads this folder back, to the last digit.\n\n"
    yield from methods(found, "How it was obtained")
    yield "\n## What figures rest on\n\n"
    yield from (f"- **{kind}**: {words}\n" for kind, words in EXPLAINED.items())
    yield "\n## Columns\n\n| column | type | what it is |\n| --- | --- | --- |\n"
    yield from (f"| `{n}` | {kind} | {MEANING.get(n, '')} |\n" for n, kind in COLUMNS.items())


def _size(rows: int) -> str:
    """As the hub has it."""
    steps = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
    return next((name for most, name in steps if rows < most), "100K<n<1M")
