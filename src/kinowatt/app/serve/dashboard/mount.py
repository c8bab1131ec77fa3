"""Mounts the dashboard beside REST: no telemetry, no uploads, nothing from elsewhere."""

import gzip
import os
import warnings
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response

from kinowatt.app.serve.browse import Rows
from kinowatt.app.serve.heavy import apart

HERE = Path(__file__).parent


def with_dashboard(app: FastAPI, rows: Rows) -> Any:
    """The application with its pages at `/`; `rows`: those that it shows."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read while Gradio is imported
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # Several pages are never rendered on the server, and Gradio says so at every start.
    warnings.filterwarnings("ignore", message="SSR mode is not supported")
    import gradio

    from kinowatt.app.serve.dashboard.pages import build

    app.add_route("/plotly.js", _plotly, include_in_schema=False)
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


async def _plotly(request: Request) -> Response:
    """What draws the figures, 5 MB or a third of it."""
    headers = {"cache-control": "private, max-age=86400", "vary": "accept-encoding"}
    packed = "gzip" in request.headers.get("accept-encoding", "")
    if packed:
        headers["content-encoding"] = "gzip"
    content = await apart(lambda: _drawing(packed))
    return Response(content, headers=headers, media_type="text/javascript")


@cache
def _drawing(packed: bool) -> bytes:
    content = files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
    return gzip.compress(content, 6) if packed else content
