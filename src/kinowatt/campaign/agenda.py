"""Which pipeline a free worker takes next, and how long a whole campaign lasts by that rule.

Executors and `--dry-run` share it: what is promised is what is done.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kinowatt.campaign.checking import Order
from kinowatt.lab.duration import start_seconds

# Where nothing is predicted, rows count as equally long
UNKNOWN_S = 1.0


def in_order(orders: Iterable[Order]) -> list[Order]:
    """As they are to be claimed: builds with the most work first, in each the longest rows first.

    What does not fit in memory comes last of its build: it may cost the process.
    """
    found = list(orders)
    work: dict[str, float] = {}
    for order in found:
        work[order.row.key] = work.get(order.row.key, 0.0) + seconds_of(order)
    return sorted(
        found,
        key=lambda o: (-work[o.row.key], o.row.key, o.outlook.fits is False, -seconds_of(o)),
    )


def seconds_of(order: Order, end: str = "expected") -> float:
    return order.outlook.seconds.get(end, UNKNOWN_S)


def preferred(
    mine: str | None, left_s: Mapping[str, float], busy: Mapping[str, int], start_s: float
) -> list[str]:
    """The builds that a free worker should ask for, the best first.

    Its own, which costs no start; then those that nobody works on, the longest first; then those
    where a helper is worth its own start.
    """
    if mine is not None and mine in left_s:
        return [mine]
    free = sorted((b for b in left_s if not busy.get(b)), key=lambda b: -left_s[b])
    shared = sorted((b for b in left_s if busy.get(b)), key=lambda b: -left_s[b] / (busy[b] + 1))
    return free + [b for b in shared if left_s[b] / (busy[b] + 1) > start_s]


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """A campaign on so many workers: `wall_s` until the last is done, `busy_s` of all together."""

    wall_s: float
    busy_s: float


def course(orders: Sequence[Order], workers: int, end: str = "expected") -> Course:
    """Plays a campaign through, its orders as `in_order` has them.

    `end`: of which seconds (`expected`, `80_low`, …).
    """
    queues: dict[str, list[Order]] = {}
    for order in orders:
        queues.setdefault(order.row.key, []).append(order)
    for queue in queues.values():
        queue.reverse()  # the next one is popped from the end
    starts = {key: start_seconds(queue[0].row.request) for key, queue in queues.items()}
    left = {key: sum(seconds_of(o, end) for o in queue) for key, queue in queues.items()}
    free = [(0.0, index) for index in range(workers)]
    builds: dict[int, str | None] = dict.fromkeys(range(workers))
    wall_s = busy_s = 0.0
    while left:
        now_s, index = heapq.heappop(free)
        mine, builds[index] = builds[index], None
        busy = {b: sum(1 for o in builds.values() if o == b) for b in left}
        wanted = preferred(mine, left, busy, min(starts.values()))
        if not wanted:
            continue  # this worker is not needed any more
        chosen = wanted[0]
        order = queues[chosen].pop()
        took_s = seconds_of(order, end) + (starts[chosen] if chosen != mine else 0.0)
        left[chosen] -= seconds_of(order, end)
        if not queues[chosen]:
            del left[chosen]
        builds[index] = chosen
        busy_s += took_s
        wall_s = max(wall_s, now_s + took_s)
        heapq.heappush(free, (now_s + took_s, index))
    return Course(wall_s=wall_s, busy_s=busy_s)
