"""Layouts of images as a GPU has them, which `meta` does not follow by itself."""

import torch
from torch._prims_common import suggest_memory_format

INNERMOST = {4: torch.channels_last, 5: torch.channels_last_3d}  # channels, by dimensions


def as_cudnn_lays_out(out: torch.Tensor, image: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """cuDNN writes channels innermost where image or weight has them there; `meta` never does."""
    layout = INNERMOST.get(out.dim())
    if layout is None or layout not in map(suggest_memory_format, (image, weight)):
        return out
    return torch.empty_like(out, memory_format=layout)


def turned_around(image: torch.Tensor, out: torch.Tensor) -> bool:
    """Whether images with channels innermost become images with channels outermost."""
    if out.dim() != 4 or not out.is_contiguous():
        return False
    return bool(suggest_memory_format(image) == torch.channels_last)
