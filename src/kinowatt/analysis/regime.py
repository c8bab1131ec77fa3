"""What set the pace of a measured stage, its GPU or its host: by the row's own record, before any
fit."""

from collections.abc import Mapping, Sequence
from typing import Any

HOST_SHARE = 0.8  # of a call, from which its host may have set the pace
LAG_SHARE = 0.15  # of a call that the GPU still works after its host is done


def device_bound(stage: Mapping[str, Any]) -> bool:
    """Whether the device set the pace of a stage.

    The host returned early from its calls, or it was so far ahead at their end that it must have
    waited for room in the queue: its seconds then hold those of waiting. A row that does not say
    counts as one whose device did.
    """
    call_s, host_s, lag_s = (stage.get(name) for name in ("call_s", "host_s", "lag_s"))
    if not call_s or host_s is None:
        return True
    return bool(host_s < HOST_SHARE * call_s or (lag_s or 0.0) > LAG_SHARE * call_s)


def waiting_hosts_bound(stages: Sequence[Mapping[str, Any]], calls: Sequence[float]) -> list[bool]:
    """The same of one model's stages whose forward synchronises: its host's seconds are those of the
    device, and say nothing.

    `calls`: operator calls of one forward. The least seconds for a call that any of these rows
    needed bound what the host alone would have needed; less than 0.8 of the forward, and the
    device set the pace.
    """
    known = [stage.get("call_s") or 0.0 for stage in stages]
    each_s = [call_s / n for call_s, n in zip(known, calls, strict=True) if call_s and n]
    least_s = min(each_s, default=0.0)
    return [
        device_bound(stage) or (call_s > 0 and least_s * n < HOST_SHARE * call_s)
        for stage, call_s, n in zip(stages, known, calls, strict=True)
    ]
