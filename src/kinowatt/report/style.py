"""One look for all figures: colours that colour-blind readers tell apart, legible in print."""

from collections.abc import Mapping
from typing import Any

from kinowatt.errors import require_extra

# Okabe and Ito's palette, ordered so that neighbours in a stack differ in lightness too
COLOURS: Mapping[str, str] = {
    "self-attention": "#0072B2",
    "cross-attention": "#56B4E9",
    "MLP": "#E69F00",
    "other denoiser work": "#F0E442",
    "VAE decoder": "#009E73",
    "text encoder": "#CC79A7",
    "host": "#999999",
}
INK = "#1a1a1a"
MEASURED = "#D55E00"
OWN = "#000000"
SCOPES: Mapping[str, str] = {"gpu": "#0072B2", "cpu": "#E69F00", "ram": "#009E73"}


def plotting() -> Any:
    """matplotlib's pyplot, set up for reproducible SVG."""
    matplotlib = require_extra("report", "matplotlib")
    matplotlib.use("Agg")
    matplotlib.rcParams.update(
        {
            "svg.hashsalt": "kinowatt",
            "svg.fonttype": "path",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "axes.grid": True,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "legend.frameon": False,
            "figure.constrained_layout.use": True,
        }
    )
    return require_extra("report", "matplotlib.pyplot")
