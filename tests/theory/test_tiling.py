"""Tiles and seams against the loop that every VAE in diffusers runs."""

from collections import Counter

import numpy as np
import pytest

from kinowatt.facts.components import Tiling, component
from kinowatt.theory.tiling import cut, seams

WAN = Tiling(tile=(32, 32), stride=(24, 24), scale=8)


def sizes(h: int, w: int, tiling: Tiling) -> Counter:
    grid = cut(tiling, h, w)
    return Counter(
        {(a, b): n * m for n, a in grid.rows.groups for m, b in grid.columns.groups if n * m}
    )


def walked(h: int, w: int, tiling: Tiling) -> Counter:
    """The loop that every VAE in diffusers runs."""
    if h <= tiling.tile[0] and w <= tiling.tile[1]:
        return Counter({(h, w): 1})
    return Counter(
        (min(tiling.tile[0], h - i), min(tiling.tile[1], w - j))
        for i in range(0, h, tiling.stride[0])
        for j in range(0, w, tiling.stride[1])
    )


@pytest.mark.parametrize("h", [8, 24, 32, 33, 48, 56, 60, 90, 91, 126])
@pytest.mark.parametrize("w", [8, 31, 32, 50, 104, 106, 160])
def test_cuts_as_the_loop_does(h: int, w: int) -> None:
    for name in ("wan2.1-vae", "cogvideox-vae", "ltx-0.9.7-vae", "sd-vae"):
        tiling = component(name).tiling
        assert tiling is not None
        assert sizes(h, w, tiling) == walked(h, w, tiling)


def test_arrays() -> None:
    h = np.array([20, 60, 90, 33])
    grid = cut(WAN, h, np.array([20, 104, 160, 20]))
    tiles = sum(n * m for n, _ in grid.rows.groups for m, _ in grid.columns.groups)
    expected = [walked(a, b, WAN).total() for a, b in zip(h, (20, 104, 160, 20), strict=True)]
    assert tiles.tolist() == expected
    assert grid.rows.tiles.tolist() == [1, 3, 4, 2]


def test_seams_count_every_blended_line() -> None:
    """Against a walk over tiles, with each seam's lines and their lengths."""
    h, w, frames = 60, 104, 5
    lines = elements = 0
    rows = [min(32, h - i) for i in range(0, h, 24)]
    columns = [min(32, w - j) for j in range(0, w, 24)]
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            if i:
                lines += min(row, 8) * 8
                elements += 3 * frames * min(row, 8) * 8 * column * 8
            if j:
                lines += min(column, 8) * 8
                elements += 3 * frames * min(column, 8) * 8 * row * 8
    found = seams(cut(WAN, h, w), frames)
    assert (found.lines, found.elements) == (lines, elements)
