"""What every test may use: where the repo is, and a Python that starts fresh."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
os.environ.setdefault("HF_HUB_OFFLINE", "1")


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


@pytest.fixture(autouse=True)
def _no_user_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own KINOWATT_FACTS must not decide what the tests see."""
    monkeypatch.delenv("KINOWATT_FACTS", raising=False)


@pytest.fixture
def user_facts(tmp_path, monkeypatch):
    """A user's facts folder; every cache forgets what it knew before and after."""
    from kinowatt.facts import components, gpus, grids, models, operator_tables, profiles, tables

    caches = [
        components.component,
        components.component_files,
        gpus.gpus,
        gpus.gpu,
        grids.grids,
        models.models,
        models.model,
        models.model_files,
        models._read,
        operator_tables.operator_table,
        profiles._load,
        profiles.profile_files,
        tables.prices,
        tables.overheads,
        tables.tasks,
    ]

    def clear():
        for cache in caches:
            cache.cache_clear()

    monkeypatch.setenv("KINOWATT_FACTS", str(tmp_path))
    clear()
    yield tmp_path
    monkeypatch.undo()
    clear()
