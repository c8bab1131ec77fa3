"""The rows that the server shows: pages, predictions beside them, what an audit says of each."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from kinowatt.analysis.audit.flags import Audit, Flag
from kinowatt.analysis.audit.run import audit_text
from kinowatt.analysis.explain import judge_row
from kinowatt.app.storing import opened, row_data
from kinowatt.errors import InputError, StoreError, unknown_name
from kinowatt.facts.gpus import gpus
from kinowatt.facts.models import models
from kinowatt.formats.claims import known_gpu, known_model
from kinowatt.formats.kinds import energy_kind, latency_kind
from kinowatt.rows import COMMITTED

if TYPE_CHECKING:
    from kinowatt.campaign.reading import Page, StoredRow
    from kinowatt.campaign.store import Store

log = logging.getLogger("kinowatt.serve")
NAMES = ("model", "gpu", "protocol")  # what rows are chosen by, beside `where`
KNOWN = {"model": (known_model, models), "gpu": (known_gpu, gpus)}
MOST_AUDITED = 20_000  # rows of a store that are audited as a whole
MOST_KEPT = 20_000  # judgements that are remembered
UNREADABLE = "the store cannot be read now; the server's log says why"

Said = Mapping[str, Any]  # one flag, of one row


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Which rows, and what beside them; `chosen` by name (`NAMES`), `where` as the command's."""

    chosen: Mapping[str, str]
    where: Sequence[str] = ()
    after: str | None = None
    limit: int = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Audited:
    """Flags by digest of a row; those of rows that came later are not known yet."""

    by_digest: Mapping[str, Sequence[Said]]
    reason: str | None = None  # why there are none

    def of(self, digest: str) -> Sequence[Said] | None:
        """Flags of a row, None where it was not audited."""
        return self.by_digest.get(digest)


class Rows:
    """One source of rows, opened once; any thread may ask."""

    def __init__(self, source: str | None) -> None:
        self.source = source or COMMITTED
        self._lock = Lock()
        self._held = ExitStack()
        self._store: Store | None = None
        self._judged: dict[str, Any] = {}
        self._auditor = ThreadPoolExecutor(1, "kinowatt-audit")
        self._audit: tuple[tuple[int, int], Future[Audited]] | None = None

    @property
    def name(self) -> str:
        """What commands that a page shows call the source: never a path or a host of this one."""
        url = self.source.startswith("postgres") and "://" in self.source
        return "POSTGRESQL_URL" if url else Path(self.source).name

    @property
    def title(self) -> str:
        return "the committed measurements" if self.source == COMMITTED else self.name

    @property
    def store(self) -> "Store":
        with self._lock:
            if self._store is None:
                self._store = self._held.enter_context(opened(self.source))
            return self._store

    def check(self) -> None:
        """`InputError` where there is no such source."""
        self.store.count()

    def close(self) -> None:
        self._auditor.shutdown(cancel_futures=True)
        self._held.close()

    def choices(self, name: str) -> list[str]:
        """What rows have as `model`, `gpu` or `protocol`."""
        return self.store.values(name)

    def page(self, asked: Asked) -> tuple["Page", int]:
        """A page, and how many rows the filters leave in all."""
        where = [*self._chosen(asked.chosen), *asked.where]
        return self.store.measurements(where, asked.after, asked.limit), self.store.count(where)

    def _chosen(self, chosen: Mapping[str, str]) -> list[str]:
        """Filters of the store for names, of which aliases are understood."""
        found = []
        for name, said in chosen.items():
            look_up, facts = KNOWN.get(name, (lambda text: None, dict))
            value = look_up(said) or said
            known = {**facts(), **dict.fromkeys(self.choices(name))}
            if value not in known:
                raise unknown_name(name, said, known)
            found.append(f"{name}={value}")
        return found

    def judged(self, stored: "StoredRow") -> Any:
        """A row's `Judgement`, or the line that says why it cannot be predicted."""
        if stored.digest not in self._judged:
            if len(self._judged) >= MOST_KEPT:
                self._judged.clear()
            try:
                self._judged[stored.digest] = judge_row(stored.row.to_dict())
            except InputError as error:
                self._judged[stored.digest] = str(error)
        return self._judged[stored.digest]

    def audited(self) -> "Future[Audited]":
        """The audit of all rows, made once for each state of the store, apart."""
        state = self.store.state()
        with self._lock:
            if self._audit is None or (self._audit[0] != state and self._audit[1].done()):
                self._audit = (state, self._auditor.submit(self._audited, state[0]))
            return self._audit[1]

    def _audited(self, count: int) -> Audited:
        if count > MOST_AUDITED:
            words = f"{count:,} rows: only up to {MOST_AUDITED:,} are audited here"
            return Audited(by_digest={}, reason=f"{words}; kinowatt audit FILE takes any number")
        try:
            found = list(self.store.documents())
        except StoreError:
            log.exception("the rows could not be read for their audit")
            return Audited(by_digest={}, reason=UNREADABLE)
        if not found:
            return Audited(by_digest={})
        audit = audit_text("\n".join(row.text for row in found), file=self.name)
        return Audited(by_digest=_by_digest(audit, [row.digest for row in found]))


def _by_digest(audit: Audit, digests: Sequence[str]) -> dict[str, list[Said]]:
    found: dict[str, list[Said]] = {digest: [] for digest in digests}
    for flag in audit.flags:
        for line in flag.lines:
            found[digests[line - 1]].append(_said(flag))
    return found


def _said(flag: Flag) -> Said:
    return {name: getattr(flag, name) for name in ("kind", "severity", "what", "suggestion")}


def page_data(rows: Rows, asked: Asked, predicted: bool, audit: bool) -> dict[str, Any]:
    """A page as REST answers it; what is null has its reason beside it."""
    page, count = rows.page(asked)
    audited = rows.audited().result() if audit else None
    found = [_row_data(rows, stored, predicted, audited) for stored in page.rows]
    return {"rows": found, "count": count, "after": page.after}


def _row_data(
    rows: Rows, stored: "StoredRow", predicted: bool, audited: Audited | None
) -> dict[str, Any]:
    data = row_data(stored)
    row = data["row"]
    kinds = {"latency_s": latency_kind(row), "energy_wh_gpu": energy_kind(row, "gpu")}
    data["kinds"] = kinds
    if predicted:
        judged = rows.judged(stored)
        known = not isinstance(judged, str)
        data["predicted"] = judged.to_dict() if known else None
        data["predicted_null"] = None if known else judged
    if audited is not None:
        data["flags"] = flags = audited.of(stored.digest)
        later = audited.reason or "the row came after the audit; ask again"
        data["flags_null"] = later if flags is None else None
    return data
