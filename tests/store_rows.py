"""Rows to put into stores and files, and an empty database to put them into."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


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


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter: a PostgreSQL runs as one where the tests are root's.

    Not below pytest's own: each pytest that starts takes that away from all other users again.
    """
    folder = Path(tempfile.mkdtemp(prefix="kinowatt-pg-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: Any) -> str:
    name = f"t{uuid.uuid4().hex}"
    server.psql(f"CREATE DATABASE {name}")
    return str(server.get_uri(database=name)).replace("postgresql://", "postgresql+psycopg://")
