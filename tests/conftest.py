"""What every test may use: where the repo is, and a Python that starts fresh."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

# An example may wait for a core; what hypothesis decides of itself elsewhere and in CI stays
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a reproduction with our own rows, and its summary."""
    from kinowatt.app.reproducing import run

    folder = tmp_path_factory.mktemp("reproduction")
    return folder, run(str(folder), lambda text: None)


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


@pytest.fixture(autouse=True)
def _no_user_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own KINOWATT_FACTS must not decide what the tests see."""
    monkeypatch.delenv("KINOWATT_FACTS", raising=False)


def forget_facts() -> None:
    """Empties every cache of the package, so that the next look-up reads the files again."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "kinowatt":
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


@pytest.fixture
def user_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's facts folder; every cache forgets what it knew before and after."""
    monkeypatch.setenv("KINOWATT_FACTS", str(tmp_path))
    forget_facts()
    yield tmp_path
    monkeypatch.undo()
    forget_facts()


@pytest.fixture
def forget() -> Callable[[], None]:
    return forget_facts
