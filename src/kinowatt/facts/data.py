"""Where measured and published data lie: the repo's `data/`, or the copy inside a wheel."""

import json
from pathlib import Path
from typing import Any

from kinowatt.errors import FactsError

_PACKAGED = Path(__file__).parents[1] / "_data"
_CHECKOUT = Path(__file__).parents[3] / "data"


def data_path(name: str) -> Path:
    """The path of a data file such as `paper/wan_steps.csv`; `FactsError` if it is nowhere."""
    for folder in (_CHECKOUT, _PACKAGED):
        if (folder / name).is_file():
            return folder / name
    raise FactsError(f"{name}: no such data file in this installation")


def data_lines(name: str) -> list[dict[str, Any]]:
    """The objects of a data file of JSON Lines, in its order."""
    lines = data_path(name).read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def data_folder(name: str) -> Path:
    """The path of a data folder such as `measurements`; `FactsError` if it is nowhere."""
    for folder in (_CHECKOUT, _PACKAGED):
        if (folder / name).is_dir():
            return folder / name
    raise FactsError(f"{name}: no such data folder in this installation")
