"""One line of `kinowatt doctor`."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "limited", "missing"]
INSTALL = "pip install 'kinowatt[measure]'"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What one capability is here, what that means for a measurement, and the exact fix if any."""

    name: str
    status: Status
    found: str
    meaning: str
    fix: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
