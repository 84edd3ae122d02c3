"""Pictures as tensors, cut and put together: what `redraw` and `layout` share."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F


def as_pixels(picture: np.ndarray) -> torch.Tensor:
    """(3, H, W) in [-1, 1] of a picture (H, W, 3) uint8."""
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 127.5 - 1


def as_picture(pixels: torch.Tensor) -> np.ndarray:
    """(H, W, 3) uint8 of pixels (3, H, W) in [-1, 1]."""
    return ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()


def resized(pixels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(pixels[None], size, mode="bicubic", antialias=True, align_corners=False)[0]


def soft_edge(side: int, fade: float) -> torch.Tensor:
    """(side, side): 1 in the middle, falling to 0 at the edges over a share `fade` of the way."""
    ramp = ((1 - torch.linspace(-1, 1, side).abs()) / fade).clamp(0, 1)
    return ramp[:, None] * ramp[None]
