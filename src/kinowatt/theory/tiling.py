"""Tiled decoding: the tiles that diffusers cuts, and what blending their seams costs."""

from dataclasses import dataclass
from typing import Any

from kinowatt.facts.components import Tiling
from kinowatt.theory.expressions import ceil, floor, larger, smaller, where

Number = Any
RGB = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """Tiles along one axis: groups of equal size in latents, as (count, size)."""

    groups: tuple[tuple[Number, Number], ...]
    tiles: Number


@dataclass(frozen=True, kw_only=True, slots=True)
class TileGrid:
    """The tiles of one decode; their sizes along the axes are independent."""

    rows: Axis
    columns: Axis
    tiling: Tiling


def cut(tiling: Tiling, h: Number, w: Number) -> TileGrid:
    """The tiles of a latent of h x w: starts at every stride, cut short at the far edge.

    A latent no larger than one tile is decoded whole (diffusers tests `>` on either axis; if one
    axis is longer, both are walked). Works on numbers and arrays.
    """
    tiled = 1 - (h <= tiling.tile[0]) * (w <= tiling.tile[1]) * 1
    return TileGrid(
        rows=_axis(h, tiling.tile[0], tiling.stride[0], tiled),
        columns=_axis(w, tiling.tile[1], tiling.stride[1], tiled),
        tiling=tiling,
    )


def _axis(length: Number, tile: int, stride: int, tiled: Number) -> Axis:
    starts = ceil(length / stride)
    full = smaller(larger(floor((length - tile) / stride) + 1, 0), starts)
    groups: list[tuple[Number, Number]] = [(where(tiled, full, 0), tile)]
    for i in range(-(-tile // stride)):
        left = length - (full + i) * stride
        partial = (full + i < starts) * 1
        groups.append((where(tiled, partial, 1 - min(i, 1)), where(tiled, larger(left, 1), length)))
    return Axis(groups=tuple(groups), tiles=where(tiled, starts, 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Seams:
    """Blending of overlapping tiles: line operations and the elements they touch, per video."""

    lines: Number
    elements: Number


def seams(grid: TileGrid, frames: Number) -> Seams:
    """What diffusers' blend_v and blend_h do: per seam and line of the overlap one weighted sum.

    Every tile but those of the first row is blended with the tile above, along its whole width,
    over tile - stride pixels (or the shorter tile); columns likewise. `frames` are pixel frames.
    """
    scale = grid.tiling.scale
    down = _overlap(grid.rows, grid.tiling, 0)
    right = _overlap(grid.columns, grid.tiling, 1)
    width = sum(count * size for count, size in grid.columns.groups) * scale
    height = sum(count * size for count, size in grid.rows.groups) * scale
    lines = down * grid.columns.tiles + right * grid.rows.tiles
    elements = RGB * frames * (down * width + right * height)
    return Seams(lines=lines, elements=elements)


def _overlap(axis: Axis, tiling: Tiling, index: int) -> Number:
    """Blended pixel lines along an axis, over all seams."""
    overlap = tiling.tile[index] - tiling.stride[index]
    lines: Number = 0
    for count, size in axis.groups:
        lines = lines + count * smaller(size, overlap) * tiling.scale
    first = axis.groups[0]
    first_size = where(first[0] > 0, first[1], axis.groups[1][1])
    return lines - smaller(first_size, overlap) * tiling.scale
