"""What every test may use: where the repo is, and a Python that starts fresh."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def fresh_python() -> Callable[..., str]:
    """Runs code in a new interpreter and returns what it printed; fails with its stderr."""

    def run(code: str, **options: object) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, **options
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
