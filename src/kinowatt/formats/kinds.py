"""What a figure of a row rests on, in one word, and the scope of its energy."""

from collections.abc import Mapping
from typing import Any

from kinowatt.formats.writers import table

SCOPES = ("gpu", "cpu", "ram")
EXPLAINED = {
    "measured": "read from a meter or a clock while whole videos were generated",
    "composed": "measured parts (timed steps, the decoder alone) put together to a whole video",
    "modelled": "computed from a model of the hardware, not metered",
    "published": "stated by the source that the row names",
    "claimed": "read from a file of somebody else's, which does not say how it was obtained",
}


def latency_kind(row: Mapping[str, Any]) -> str:
    """measured, composed, published or claimed."""
    conditions = table(row.get("conditions"))
    imported = table(conditions.get("imported"))
    if imported:
        return "published" if imported.get("source") else "claimed"
    return "composed" if conditions.get("composed") else "measured"


def energy_kind(row: Mapping[str, Any], scope: str) -> str | None:
    """As `latency_kind`, or modelled; None where the row has no energy of that scope."""
    if table(row.get("energy_wh")).get(scope) is None:
        return None
    conditions = table(row.get("conditions"))
    if scope in (table(conditions.get("imported")).get("modelled") or ()):
        return "modelled"
    readings = [table(found) for found in conditions.get("readings") or ()]
    methods = {found.get("method") for found in readings if found.get("scope") == scope}
    if methods - {"measured", None}:
        return "modelled"
    return latency_kind(row)


def scope_words(row: Mapping[str, Any]) -> str:
    """`gpu measured, ram modelled`: every scope that has energy, or `no energy`."""
    kinds = {scope: energy_kind(row, scope) for scope in SCOPES}
    return ", ".join(f"{scope} {kind}" for scope, kind in kinds.items() if kind) or "no energy"
