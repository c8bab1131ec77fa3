"""Measured rows with the work that their operators come to: counted, not read off a GPU."""

from collections.abc import Iterable
from dataclasses import dataclass

from kinowatt.analysis.features import row_operators
from kinowatt.analysis.own.rows import OwnRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """`flops` of the whole video, `forward_flops` of one forward of the denoiser (their mean)."""

    own: OwnRow
    flops: float
    forward_flops: float


def counted(rows: Iterable[OwnRow]) -> list[Counted]:
    return [_counted(row) for row in rows]


def _counted(own: OwnRow) -> Counted:
    operators = row_operators(own.row)
    denoiser = sum(each.flops for each in operators if each.stage == "denoiser")
    passes = own.row["workload"]["effective"]["forward_passes"]
    flops = sum(each.flops for each in operators)
    return Counted(own=own, flops=flops, forward_flops=denoiser / passes)
