"""What becomes of an order whose row failed: how often each cause is worth another try."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from kinowatt.campaign.queue import DIED, LAPSED
from kinowatt.lab.worker import Failure

# Memory may have been fragmented, or taken by a neighbour; a crash may have been a kill
RETRIES: Mapping[str, int] = {
    "out_of_memory": 1,
    "refused": 0,
    "error": 1,
    "crash": 2,
    "hang": 1,
    "start": 1,
    "lost": 5,
}
# Whoever held it died: mostly not the order's fault, unless it happens again and again
DEATHS = 20
FAULTLESS = (LAPSED, DIED)


def again(cause: str, before: Iterable[Mapping[str, Any]]) -> bool:
    """Whether an order is tried again after this failure; `before`: its earlier ones."""
    causes = Counter(str(failure["cause"]) for failure in before)
    deaths = sum(causes[name] for name in FAULTLESS)
    return causes[cause] < RETRIES.get(cause, 0) and deaths < DEATHS


def settled(failure: Failure) -> bool:
    """Whether a pipeline that could not be made would fail the same way for every row of it."""
    return failure.cause == "start" and failure.bad_input


def untried(failure: Failure) -> dict[str, Any]:
    """The failure of a row whose pipeline is known not to start."""
    return {
        **failure.to_dict(),
        "detail": f"not tried, its pipeline cannot start: {failure.detail}",
    }
