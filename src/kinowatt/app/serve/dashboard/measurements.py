"""The page Measurements: the rows of a store, predicted beside measured, what an audit says."""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape
from typing import Any
from urllib.parse import urlencode

from kinowatt.app.serve.browse import NAMES, UNREADABLE, Asked, Audited, Rows
from kinowatt.app.serve.dashboard import charts
from kinowatt.app.serve.dashboard.tables import Column, table
from kinowatt.app.serve.dashboard.words import address, code, notice
from kinowatt.errors import KinowattError, StoreError
from kinowatt.formats.kinds import energy_kind, latency_kind
from kinowatt.units import format_seconds, format_wh

ANY = "any"
SIZES = (10, 25, 50, 100)  # rows of a page
FEW = 25
COLUMNS = (
    Column(key="id", label="Row"),
    Column(key="model", label="Model", left=True, whole=True),
    Column(key="gpu", label="GPU", left=True, whole=True),
    Column(key="runs", label="Size, frames", left=True, whole=True),
    Column(key="steps", label="Steps"),
    Column(key="latency_s", label="Time", show=format_seconds),
    Column(key="latency_kind", label="Time by", left=True, whole=True),
    Column(key="predicted_latency_s", label="Predicted time", show=format_seconds),
    Column(key="ratio", label="Ratio", show=lambda ratio: f"{ratio:.2f}"),
    Column(key="verdict", label="Time is", left=True),
    Column(key="audit", label="Audit", left=True, whole=True),
    Column(key="energy_wh_gpu", label="GPU energy", show=format_wh),
    Column(key="energy_kind", label="Energy by", left=True, whole=True),
    Column(key="predicted_energy_wh_gpu", label="Predicted energy", show=format_wh),
    Column(key="energy_verdict", label="Energy is", left=True),
    Column(key="protocol", label="Protocol", left=True, whole=True),
    Column(key="taken_at", label="Taken", left=True, whole=True, show=lambda text: text[:10]),
)
FLAGS = (
    Column(key="id", label="Row"),
    Column(key="severity", label="Severity", left=True),
    Column(key="what", label="What", left=True),
    Column(key="suggestion", label="Suggested", left=True),
)
PENDING = "being audited"
EXPLAINED = (
    "Ratio: this time over the predicted one; the verdict is by its 95% interval. A profile that "
    "was fitted on some of these rows is nearer to them than to new ones: kinowatt validate says "
    "by how much."
)
State = Mapping[str, Any]
# notice, chart, table, flags, code, pending, next cursor, address
Answer = tuple[str, Any, str, str, str, str, str, str]


def first_page(_: State) -> dict[str, Any]:
    """Of other filters, the first page."""
    return {"after": ""}


def forward(after: str, cursor: str) -> str:
    """The way to the next page: cursors of all pages before, so that there is a way back."""
    return f"{after},{cursor}".strip(",") if cursor else after


def back(after: str) -> str:
    return after.rpartition(",")[0]


def choices(rows: Rows) -> dict[str, list[str]]:
    """What the rows can be chosen by; nothing where they cannot be read, which the page says."""
    try:
        return {name: [ANY, *rows.choices(name)] for name in NAMES}
    except KinowattError:
        return {}


def asked(state: State) -> Asked:
    """What the store is asked, of what the page holds."""
    return Asked(
        chosen={name: state[name] for name in NAMES if state.get(name) not in (None, "", ANY)},
        after=(state.get("after") or "").rpartition(",")[2] or None,
        limit=_size(state.get("limit")),
    )


def _size(asked: Any) -> int:
    """Rows of a page: one of those offered, whatever a client sends."""
    return next((size for size in SIZES if str(size) == asked), FEW)


def answer(rows: Rows, state: State) -> Answer:
    """Everything below the controls, without waiting for an audit that is not done yet."""
    try:
        return _answer(rows, state)
    except StoreError:
        return _refused(UNREADABLE, state)
    except KinowattError as error:
        return _refused(str(error), state)


def wait(rows: Rows, pending: str) -> None:
    """Until the rows are audited, however long it takes, where an answer says that they are not."""
    with suppress(KinowattError):  # which the answer then says
        if pending:
            rows.audited().result()


def _refused(line: str, state: State) -> Answer:
    return (notice([line], "error"), charts.nothing(), "", "", "", "", "", address_of(state))


def address_of(state: State) -> str:
    """What of a state the page's link says."""
    usual = {"limit": str(FEW), **dict.fromkeys(NAMES, ANY)}
    return address({name: value for name, value in state.items() if value != usual.get(name)})


def _answer(rows: Rows, state: State) -> Answer:
    wanted = asked(state)
    page, count = rows.page(wanted)
    future = rows.audited()
    audited = future.result() if future.done() else None
    found = [_row(rows, stored, audited) for stored in page.rows]
    return (
        _said(count, audited),
        charts.agreement(found),
        _table(rows, found, count),
        _flagged(page.rows, audited),
        _words(rows, wanted),
        "" if audited else "yes",
        page.after or "",
        address_of(state),
    )


def _said(count: int, audited: Audited | None) -> str:
    if not count:
        return notice(["no rows are left by these filters"], "warning")
    if audited is not None and audited.reason:
        return notice([f"not audited: {audited.reason}"], "warning")
    return ""


def _row(rows: Rows, stored: Any, audited: Audited | None) -> dict[str, Any]:
    row, work, judged = stored.row, stored.row.workload, rows.judged(stored)
    data = row.to_dict()
    found = {
        "id": stored.id,
        "model": row.model,
        "gpu": row.gpu,
        "runs": "{height_px} x {width_px} x {frames}".format(**work),
        "steps": work["steps"],
        "latency_s": row.latency_s,
        "latency_kind": latency_kind(data),
        "energy_wh_gpu": row.energy_wh["gpu"],
        "energy_kind": energy_kind(data, "gpu"),
        "protocol": row.protocol,
        "taken_at": row.taken_at,
        "audit": _flags(stored.digest, audited),
    }
    if isinstance(judged, str):
        return {**found, "predicted_latency_s": None, "verdict": f"not predicted: {judged}"}
    return {
        **found,
        "predicted_latency_s": judged.predicted_s,
        "predicted_energy_wh_gpu": judged.predicted_wh_gpu,
        "ratio": judged.ratio,
        "verdict": judged.verdict,
        "energy_verdict": judged.energy_verdict,
    }


def _flags(digest: str, audited: Audited | None) -> str | None:
    """What the audit says of a row in a few words; None where it does not know the row."""
    if audited is None:
        return PENDING
    flags = audited.of(digest)
    if flags is None:
        return None
    return "; ".join(f"{flag['severity']}: {flag['kind']}" for flag in flags) or "nothing found"


def _flagged(page: Sequence[Any], audited: Audited | None) -> str:
    """What the audit says of the rows of a page, in its own words."""
    rows = [
        {"id": stored.id, **flag}
        for stored in page
        for flag in (audited and audited.of(stored.digest)) or ()
    ]
    return table("flags", "What the audit says of these rows", FLAGS, rows) if rows else ""


def _table(rows: Rows, found: Sequence[Mapping[str, Any]], count: int) -> str:
    caption = f"{len(found)} of {count} rows of {rows.title}, predicted beside them"
    return f'{table("measurements", caption, COLUMNS, found)}<p class="runs">{EXPLAINED}</p>'


def _words(rows: Rows, wanted: Asked) -> str:
    """Command, Python and link that give the same rows."""
    where = [f"{name}={value}" for name, value in wanted.chosen.items()]
    words = ["kinowatt", "store", "list", rows.name, "--limit", str(wanted.limit)]
    for text in where:
        words += ["--where", text]
    if wanted.after:
        words += ["--after", wanted.after]
    python = (
        "import kinowatt.campaign.sources\n\n"
        f"with kinowatt.campaign.sources.open_source({rows.name!r}) as store:\n"
        f"    page = store.measurements({where!r}, {wanted.after!r}, {wanted.limit})"
    )
    query = {**wanted.chosen, "limit": wanted.limit, "predicted": "true", "audit": "true"}
    if wanted.after:
        query["after"] = wanted.after
    link = escape(f"/v1/measurements?{urlencode(query)}")
    return (
        f'<p><a class="csv" href="{link}">These rows as JSON, by REST</a></p>'
        + code("The same on the command line", shlex.join(words))
        + code("The same in Python", python)
    )
