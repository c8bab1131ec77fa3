"""A meter without hardware: the sampled counter over a made GPU, for tests and dry runs."""

import json
from typing import Any

from kinowatt.lab.meters.nvml_meters import NvmlCounter


class Fake(NvmlCounter):
    """The energy counter of a GPU that draws what it is told; fields as in `FakeSource`."""

    name = "fake"

    def __init__(self, **fields: Any) -> None:
        super().__init__("fake:" + json.dumps(fields))
