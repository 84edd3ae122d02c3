"""Where a scene's mark is, and crops round it, cut on the device that trains."""

from __future__ import annotations

import torch

from brandsmith.pocket.vae import MARK_WEIGHT


def mark_box(truth: dict) -> tuple[float, float, float, float]:
    """(x0, y0, x1, y1) of a scene's mark; zeros where there is none."""
    return tuple(truth["marks"][0]["box"]) if truth["marks"] else (0.0, 0.0, 0.0, 0.0)


def cut_out(
    pixels: torch.Tensor, boxes: torch.Tensor, rows: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cuts (B, size, size, 3) uint8 of pictures (N, 128, 128, 3), near their mark where there is one, and the loss's
    weights (B, 1, size, size).

    On the grid of cells: the code is stationary only there.
    """
    box, spread = boxes[rows], pixels.shape[1] - size
    marked = box[:, 2] > 0
    free = torch.rand(len(rows), 2, device=rows.device) * spread
    near = (box[:, :2] + box[:, 2:]) / 2 - size / 2 + 32 * (torch.rand(len(rows), 2, device=rows.device) - 0.5)
    corner = torch.where(marked[:, None], near, free).clamp(0, spread).div(8).floor().long() * 8
    along = torch.arange(size, device=rows.device)
    xs, ys = corner[:, :1] + along, corner[:, 1:] + along
    cut = pixels[rows[:, None, None], ys[:, :, None], xs[:, None, :]]
    inside_x = (xs >= box[:, :1].floor()) & (xs < box[:, 2:3].floor())
    inside_y = (ys >= box[:, 1:2].floor()) & (ys < box[:, 3:].floor())
    return cut, 1 + (MARK_WEIGHT - 1) * (inside_y[:, :, None] & inside_x[:, None, :])[:, None].float()
