"""gpu_tests.py LOG: runs every test marked `gpu` and writes what became of each to a file.

Any Python will do that has pytest, sybil and what the extra `measure` brings; `make test-gpu`.
"""

import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from kinowatt.lab.conditions import gpu_state, software

ROOT = Path(__file__).parents[1]
# Other packages' tests need extras that a GPU machine may lack
ARGUMENTS = ("-m", "gpu", "tests/lab", "--tb=short")
WIDTH = 120  # of a reason


class Results:
    """A plugin of pytest: outcome, seconds and reason of each test."""

    def __init__(self) -> None:
        self.tests: dict[str, tuple[str, float, str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome, seconds, reason = self.tests.get(report.nodeid, ("passed", 0.0, ""))
        if not report.passed:
            outcome, reason = report.outcome, reason_of(report)
        self.tests[report.nodeid] = (outcome, seconds + report.duration, reason)

    def lines(self) -> list[str]:
        """One for each test, a second one where it did not pass."""
        found = []
        for name, (outcome, seconds, reason) in self.tests.items():
            found.append(f"{outcome:8}{seconds:7.2f} s  {name.removeprefix('tests/')}")
            if reason:
                found.append(f"{'':19}{reason}")
        return found

    def summary(self) -> str:
        counts = Counter(outcome for outcome, _, _ in self.tests.values())
        seconds = sum(seconds for _, seconds, _ in self.tests.values())
        return f"{', '.join(f'{n} {name}' for name, n in counts.items())} in {seconds:.0f} s"


def reason_of(report: pytest.TestReport) -> str:
    """The first line of why a test failed or was skipped; no path of this machine."""
    found: Any = report.longrepr
    crash = getattr(found, "reprcrash", None)
    text = found[2] if isinstance(found, tuple) else str(crash.message if crash else found)
    line = next(iter(text.removeprefix("Skipped: ").splitlines()), "").replace(str(ROOT), ".")
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def heading() -> list[str]:
    """When, and on what."""
    known = {**software(), **gpu_state(torch.device("cuda"))}
    names = ("python", "torch", "cuda", "cudnn", "diffusers", "transformers", "codecarbon")
    return [
        f"date      {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"GPU       {known['gpu_name']}, driver {known['driver']}, {known['power_limit_w']} W",
        f"software  {', '.join(f'{name} {known[name]}' for name in names)}",
        f"command   make test-gpu, which runs pytest {' '.join(ARGUMENTS)}",
    ]


def main(log: str) -> int:
    if not torch.cuda.is_available():
        print(f"torch {torch.__version__} sees no GPU: `kinowatt doctor` says why", file=sys.stderr)
        return 1
    results = Results()
    status = pytest.main([f"--rootdir={ROOT}", *ARGUMENTS], plugins=[results])
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    lines = [*heading(), f"result    {results.summary()}", "", *results.lines()]
    Path(log).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
