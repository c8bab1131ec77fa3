"""Mounts the dashboard beside REST: no telemetry, no uploads, nothing from elsewhere."""

import os
import warnings
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from kinowatt.app.serve.browse import Rows

HERE = Path(__file__).parent


def with_dashboard(app: FastAPI, rows: Rows) -> Any:
    """The application with its pages at `/`; `rows`: those that it shows."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read while Gradio is imported
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # Several pages are never rendered on the server, and Gradio says so at every start.
    warnings.filterwarnings("ignore", message="SSR mode is not supported")
    import gradio

    from kinowatt.app.serve.dashboard.pages import build

    return gradio.mount_gradio_app(
        app,
        build(rows),
        path="/",
        footer_links=[],
        show_error=False,
        max_file_size=1,
        css=(HERE / "page.css").read_text("utf-8"),
        head=(HERE / "head.html").read_text("utf-8"),
        theme=gradio.themes.Default(
            primary_hue="blue", neutral_hue="zinc", font=("system-ui", "sans-serif")
        ),
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
    )
