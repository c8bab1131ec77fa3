"""A laboratory whose rows were measured long ago: it answers with the committed ones."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[2] / "data" / "measurements" / "h100-sxm-d-models.jsonl"
NAMES = ("height_px", "width_px", "frames", "steps", "batch_size")


class Session:
    """Of one pipeline."""

    def __init__(self, key: Mapping[str, Any]) -> None:
        found = [json.loads(line) for line in DATA.read_text("utf-8").splitlines()]
        self.rows = [row for row in found if row["model"] == key["model"]]

    def measure(self, request: Mapping[str, Any]) -> dict[str, Any]:
        wanted = [request[name] for name in NAMES]
        return next(r for r in self.rows if [r["workload"][name] for name in NAMES] == wanted)

    def close(self) -> None:
        pass


def open_session(key: Mapping[str, Any], emit: Any) -> Session:
    return Session(key)
