"""`kinowatt store` and `kinowatt export`: opens what was named, calls one function, shows it."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from kinowatt.app.render import console, grid
from kinowatt.errors import InputError, require_extra
from kinowatt.formats import writers
from kinowatt.formats.kinds import energy_kind, latency_kind
from kinowatt.formats.mapping import parse_map
from kinowatt.units import format_seconds, format_wh

if TYPE_CHECKING:
    from kinowatt.campaign.migrating import Migration
    from kinowatt.campaign.queue import Progress
    from kinowatt.campaign.reading import Group, Page, StoredRow
    from kinowatt.campaign.sources import Difference
    from kinowatt.campaign.store import Store

SUFFIXES = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl", ".tex": "latex"}
SHOWN = 20  # rows of a difference


def opened(source: str) -> Any:
    """A store or files of rows, for reading, as a context."""
    require_extra("campaign", "sqlalchemy")
    from kinowatt.campaign.sources import open_source

    return open_source(source)


def page(source: str, where: Sequence[str], after: str | None, limit: int) -> "Page":
    with opened(source) as store:
        found: Page = store.measurements(where, after, limit)
        return found


def page_data(found: "Page") -> dict[str, Any]:
    return {"rows": [row_data(row) for row in found.rows], "after": found.after}


def row_data(found: "StoredRow") -> dict[str, Any]:
    place = {"id": found.id, "digest": found.digest, "order_id": found.order_id}
    return place | {"row": found.row.to_dict()}


def show_page(found: "Page") -> None:
    out = console()
    headers = ("model", "gpu", "size", "frames", "steps", "protocol", "time", "GPU energy", "taken")
    table = grid("", "id", *headers)
    for stored in found.rows:
        table.add_row(*_cells(stored))
    out.print(table)
    out.print(Text("* composed of parts   ~ modelled   ' claimed or published", style="dim"))
    if found.after:
        out.print(Text(f"More rows: --after {found.after}", style="dim"))


def _cells(stored: "StoredRow") -> tuple[str, ...]:
    row, work = stored.row, stored.row.workload
    return (
        str(stored.id),
        row.model,
        row.gpu,
        f"{work['height_px']}x{work['width_px']}",
        str(work["frames"]),
        str(work["steps"]),
        row.protocol,
        *_figures(row.to_dict()),
        row.taken_at[:10],
    )


def _figures(row: Mapping[str, Any]) -> tuple[str, str]:
    marks = {"measured": "", "composed": "*", "modelled": "~"}
    energy, kind = row["energy_wh"]["gpu"], energy_kind(row, "gpu")
    return (
        format_seconds(row["latency_s"]) + marks.get(latency_kind(row), "'"),
        "–" if energy is None else format_wh(energy) + marks.get(kind or "", "'"),
    )


def one(source: str, name: str) -> "StoredRow":
    with opened(source) as store:
        found: StoredRow = store.row(name)
        return found


def show_row(found: "StoredRow") -> None:
    """As `kinowatt measure` shows a row it took."""
    out = console()
    row = found.row
    out.print(Text(f"row {found.id}, digest {found.digest[:16]}, taken {row.taken_at}"))
    data = row.to_dict()
    table = grid("", "", "value", "by")
    table.add_row("model", f"{row.model} on {row.gpu}", "")
    table.add_row("protocol", row.protocol, "")
    for name, value in row.workload.items():
        if name != "effective":
            table.add_row(name, str(value), "")
    table.add_row("latency", format_seconds(row.latency_s), latency_kind(data))
    for scope, energy in row.energy_wh.items():
        shown = "–" if energy is None else format_wh(energy)
        reason = "" if energy is not None else row.conditions["energy_null"][scope]
        table.add_row(f"energy, {scope.upper()}", shown, energy_kind(data, scope) or reason)
    for stage, values in row.stages.items():
        table.add_row(stage, format_seconds(values["latency_s"]), "")
    for name in ("driver", "torch", "diffusers", "attention_backend", "weights", "power_limit_w"):
        table.add_row(name, str(row.conditions.get(name, "–")), "")
    out.print(table)
    out.print(Text("--json prints the whole row.", style="dim"))


def summary(source: str, where: Sequence[str]) -> list["Group"]:
    with opened(source) as store:
        found: list[Group] = store.summary(where)
        return found


def show_summary(found: Sequence["Group"]) -> None:
    headers = ("model", "gpu", "size", "steps", "torch", "n", "time", "range", "GPU energy")
    table = grid("Means of rows under like conditions", *headers)
    for group in found:
        lowest, highest = format_seconds(group.latency_s_min), format_seconds(group.latency_s_max)
        energy = group.energy_wh_gpu_mean
        table.add_row(
            group.model,
            group.gpu,
            f"{group.size}x{group.frames}",
            str(group.steps),
            group.torch or "–",
            str(group.n),
            format_seconds(group.latency_s_mean),
            "" if group.n == 1 else f"{lowest} - {highest}",
            "–" if energy is None else format_wh(energy),
        )
    console().print(table)


def campaigns(source: str) -> list["Progress"]:
    with opened(source) as store:
        found: list[Progress] = store.campaigns()
        return found


def show_campaigns(found: Sequence["Progress"]) -> None:
    headers = ("name", "rows", "done", "failed", "leased", "waiting", "expected left")
    table = grid("Campaigns", "id", *headers)
    for one_of in found:
        counts = (one_of.total, one_of.done, one_of.failed, one_of.leased, one_of.waiting)
        left = format_seconds(one_of.expected_left_s)
        table.add_row(str(one_of.campaign_id), one_of.name, *map(str, counts), left)
    console().print(table)


def compare(left: str, right: str, where: Sequence[str]) -> "Difference":
    with opened(left) as first, opened(right) as second:
        from kinowatt.campaign.sources import diff

        return diff(first, second, where)


def show_difference(found: "Difference", left: str, right: str) -> None:
    out = console()
    out.print(
        f"{found.same} rows are the same, {len(found.only_left)} only in {left},"
        f" {len(found.only_right)} only in {right}, {len(found.changed)} differ"
    )
    for sign, digests in (("<", found.only_left), (">", found.only_right)):
        for digest in digests[:SHOWN]:
            out.print(Text(f"{sign} {digest[:16]}"))
    for changed in found.changed[:SHOWN]:
        out.print(Text(f"! {changed.digest[:16]}  {', '.join(changed.names[:6])}"))


def take_in(
    target: str, files: Sequence[str], assume: tuple[str, ...], mapping: tuple[str, ...]
) -> list[dict[str, Any]]:
    require_extra("campaign", "sqlalchemy")
    from kinowatt.campaign import importing
    from kinowatt.campaign.claimed import parse_assumed
    from kinowatt.campaign.store import open_store

    assumed, columns = parse_assumed(assume), parse_map(mapping)
    # All begun before a store is made for nothing
    sources = [s for file in files for s in importing.sources(Path(file), assumed, columns)]
    with open_store(target) as store:
        found = [asdict(importing.take_in(store, source)) for source in sources]
    for imported in found:
        for note in imported.pop("notes"):
            sys.stderr.write(f"{note}\n")
    return found


def migrate(target: str) -> "Migration":
    require_extra("campaign", "sqlalchemy")
    from kinowatt.campaign.store import migrate_store

    return migrate_store(target)


def migration_data(found: "Migration") -> dict[str, Any]:
    backup = None if found.backup is None else str(found.backup)
    return {"before": found.before, "after": found.after, "backup": backup}


def show_migration(target: str, found: "Migration") -> None:
    out = console()
    if found.before == found.after:
        out.print(f"{target} is a store of version {found.after} already.")
        return
    kept = "" if found.backup is None else f"; as it was: {found.backup}"
    out.print(f"{target} is a store of version {found.after} now, before {found.before}{kept}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """What was asked for."""

    source: str
    format: str | None
    output: str | None
    where: Sequence[str]
    force: bool
    published: Mapping[str, str | None]

    @property
    def writer(self) -> str:
        """The format named, else what the name of the output says."""
        if self.format:
            return writers.writer(self.format).name
        suffix = Path(self.output or "").suffix
        if suffix in SUFFIXES:
            return SUFFIXES[suffix]
        raise InputError(f"which format? --to {', '.join(writers.writers())}")

    @property
    def options(self) -> writers.Options:
        return writers.Options(**self.published)


def _rows(store: "Store", where: Sequence[str]) -> Iterator[writers.Row]:
    if not store.count(where):
        raise InputError("no rows are left to export; `kinowatt store list` shows what there is")
    return (writers.Row(document=d.text, alike=d.alike) for d in store.documents(where))


def print_rows(asked: Export, json_: bool) -> None:
    name = "jsonl" if json_ and not asked.format else asked.writer
    with opened(asked.source) as store:
        rows = _rows(store, asked.where)
        for piece in writers.pieces(writers.writer(name), rows, asked.options):
            sys.stdout.write(piece)


def export(asked: Export) -> dict[str, Any]:
    name, path = asked.writer, Path(asked.output or "")
    with opened(asked.source) as store:
        rows = _rows(store, asked.where)
        target = writers.Target(path=path, force=asked.force, options=asked.options)
        writers.write(name, rows, target)
        return {"format": name, "output": str(path), "rows": store.count(asked.where)}


def show_export(found: Mapping[str, Any]) -> None:
    console().print(f"{found['rows']} rows as {found['format']}: {found['output']}")
