"""Rows as flat columns, for CSV and Parquet; `row_json` is the row itself, so both come back."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from kinowatt.errors import InputError, require_extra
from kinowatt.formats.kinds import SCOPES, energy_kind, latency_kind
from kinowatt.formats.writers import Options, Row, table

WORKLOAD = (
    *("height_px", "width_px", "frames", "steps", "guidance_scale"),
    *("batch_size", "prompt_tokens", "fps", "video_s"),
)
EFFECTIVE = ("height_px", "width_px", "frames", "tokens", "forward_passes", "sequences_per_pass")
STAGES = ("text_encoder", "denoiser", "vae_decoder", "other")
CONDITIONS = (
    *("gpu_name", "driver", "torch", "cuda", "diffusers", "attention_backend", "compile"),
    *("offload", "tiling", "weights", "revision", "twin", "power_limit_w", "host_bound"),
    *("virtualised", "kinowatt"),
)
DOCUMENT = "row_json"
BATCH = 1000

# Column → type in Parquet; what each holds is in `MEANING` for those that need words
COLUMNS: Mapping[str, str] = {
    **dict.fromkeys(("model", "gpu", "recipe", "protocol", "taken_at"), "string"),
    **dict.fromkeys(WORKLOAD, "float64"),
    **{name: "int64" for name in WORKLOAD if name.endswith(("_px", "s", "_size", "_tokens"))},
    "fps": "float64",
    "video_s": "float64",
    **{f"effective_{name}": "int64" for name in EFFECTIVE},
    "latency_s": "float64",
    "latency_by": "string",
    **{
        f"energy_wh_{scope}{end}": kind
        for scope in SCOPES
        for end, kind in (("", "float64"), ("_by", "string"))
    },
    **dict.fromkeys(("power_w_gpu", "idle_power_w_gpu"), "float64"),
    **dict.fromkeys(("peak_memory_gib", "peak_reserved_gib"), "float64"),
    **dict.fromkeys(("warmup_runs", "timed_runs"), "int64"),
    "stable": "string",
    **{f"{stage}_latency_s": "float64" for stage in STAGES},
    **dict.fromkeys(CONDITIONS, "string"),
    "alike": "string",
    DOCUMENT: "string",
}
MEANING: Mapping[str, str] = {
    "latency_s": "seconds of one pipeline call, from prompt to frames in memory",
    "latency_by": "what the seconds rest on",
    **{f"energy_wh_{scope}": f"Wh of the {scope.upper()} alone" for scope in SCOPES},
    **{f"energy_wh_{scope}_by": f"what the {scope.upper()} energy rests on" for scope in SCOPES},
    "power_w_gpu": "mean W of the GPU over the video",
    "idle_power_w_gpu": "W of the GPU with the pipeline loaded and nothing running",
    "peak_memory_gib": "torch's max_memory_allocated, GiB",
    "alike": "equal for rows under like conditions, which alone may be averaged",
    DOCUMENT: "the whole row, with its runs, stages and conditions",
}


def flat(row: Row) -> dict[str, Any]:
    """A row by column; None where it does not say."""
    data = json.loads(row.document)
    workload, energy = data["workload"], data["energy_wh"]
    effective, conditions = table(workload.get("effective")), table(data["conditions"])
    return {
        **{name: data[name] for name in ("model", "gpu", "recipe", "protocol", "taken_at")},
        **{name: workload[name] for name in WORKLOAD},
        **{f"effective_{name}": effective.get(name) for name in EFFECTIVE},
        "latency_s": data["latency_s"],
        "latency_by": latency_kind(data),
        **{f"energy_wh_{scope}": energy[scope] for scope in SCOPES},
        **{f"energy_wh_{scope}_by": energy_kind(data, scope) for scope in SCOPES},
        "power_w_gpu": data["power_w"],
        "idle_power_w_gpu": data["idle_power_w"],
        **{name: data[name] for name in ("peak_memory_gib", "peak_reserved_gib", "warmup_runs")},
        "timed_runs": len(data["runs"]),
        "stable": _text(table(data["stability"]).get("stable")),
        **{f"{stage}_latency_s": table(data["stages"].get(stage)).get("latency_s")
           for stage in STAGES},
        **{name: _text(conditions.get(name)) for name in CONDITIONS},
        "alike": row.alike,
        DOCUMENT: row.document,
    }  # fmt: skip


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def csv_text(rows: Iterable[Row], _options: Options) -> Iterator[str]:
    """A header and a line per row; floats to their last digit, an empty cell for null."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(flat(row))
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def json_lines(rows: Iterable[Row], _options: Options) -> Iterator[str]:
    """Each row's own text, a line each."""
    return (f"{row.document}\n" for row in rows)


def parquet_file(rows: Iterable[Row], _options: Options, path: Path) -> None:
    """The columns of the CSV with types; written in groups, so memory does not grow with rows."""
    arrow: Any = require_extra("campaign", "pyarrow")
    parquet: Any = require_extra("campaign", "pyarrow.parquet")
    schema = arrow.schema([(name, getattr(arrow, kind)()) for name, kind in COLUMNS.items()])
    rest = iter(rows)
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(islice(rest, BATCH)):
            values = [_typed(flat(row)) for row in batch]
            writer.write_table(arrow.Table.from_pylist(values, schema=schema))


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    """Whole numbers of columns of floats as floats; Arrow would refuse some."""
    return {
        name: float(value) if COLUMNS[name] == "float64" and value is not None else value
        for name, value in values.items()
    }


def documents_in_csv(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and JSON text of each row of a CSV that Kinowatt wrote."""
    csv.field_size_limit(2**27)
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            text = row.get(DOCUMENT)
            if not text:
                raise InputError(f"{path}:{reader.line_num}: no {DOCUMENT} in this line")
            yield reader.line_num, text


def documents_in_parquet(path: Path) -> Iterator[tuple[int, str]]:
    """Number and JSON text of each row of a Parquet file that Kinowatt wrote."""
    parquet: Any = require_extra("campaign", "pyarrow.parquet")
    try:
        with parquet.ParquetFile(path) as file:
            if DOCUMENT not in file.schema_arrow.names:
                raise InputError(f"{path}: a Parquet file without {DOCUMENT}, so not Kinowatt's")
            number = 0
            for batch in file.iter_batches(batch_size=BATCH, columns=[DOCUMENT]):
                for text in batch.column(0).to_pylist():
                    number += 1
                    yield number, text
    except (ValueError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: no whole Parquet file ({error})") from None
