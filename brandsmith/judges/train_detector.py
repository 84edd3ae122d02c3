"""Train a concept's detector from its labelled pictures.

It learns from three kinds of picture: with the mark, without it (regularising), and with a mark that is almost right
(`near_miss`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from brandsmith.judges.augment import augmented
from brandsmith.judges.boxes import Box
from brandsmith.judges.detector import MarkNet, build_targets, channels_last, to_tensor
from brandsmith.judges.labelled import Labelled, Marked
from brandsmith.judges.near_miss import kinds_for, make_near_miss


@dataclass(frozen=True)
class FitSettings:
    """How the detector is trained. The defaults take under six minutes on one CPU thread."""

    num_steps: int = 900
    batch_size: int = 32
    learning_rate: float = 3e-3
    size_px: int = 128
    widths: tuple[int, int, int, int] = (24, 32, 64, 112)
    seed: int = 0
    share_marked: float = 0.42
    share_near_miss: float = 0.34
    """Near misses made on the spot; what is left are the folder's own pictures without the mark."""


def fit_detector(
    marked: Sequence[Marked],
    unmarked: Sequence[Labelled],
    settings: FitSettings,
    *,
    expected_text: str = "",
    leave_out: tuple[str, ...] = (),
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> MarkNet:
    """Train from random weights. `leave_out` names kinds of near miss that it must not see (to measure on them)."""
    torch.manual_seed(settings.seed)
    net = channels_last(MarkNet(settings.widths)).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.num_steps, pct_start=0.15
    )
    kinds = tuple(k for k in kinds_for(expected_text, marked) if k not in leave_out)
    for step in range(settings.num_steps):
        rng = np.random.default_rng([settings.seed, step])
        pictures, boxes = draw_batch(marked, unmarked, settings, kinds, expected_text, rng)
        heat, sides = net(to_tensor(pictures))
        loss = detection_loss(heat[:, 0], sides, *build_targets(boxes, settings.size_px))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        on_step(step, float(loss.detach()))
    return net.eval()


def draw_batch(
    marked: Sequence[Marked],
    unmarked: Sequence[Labelled],
    settings: FitSettings,
    kinds: tuple[str, ...],
    expected_text: str,
    rng: np.random.Generator,
) -> tuple[list[np.ndarray], list[Box | None]]:
    """Augmented pictures and their boxes (None: no mark)."""
    pictures: list[np.ndarray] = []
    boxes: list[Box | None] = []
    for _ in range(settings.batch_size):
        roll = rng.random()
        if roll >= settings.share_marked + settings.share_near_miss and unmarked:
            source, box = unmarked[int(rng.integers(len(unmarked)))].pixels, None
        else:
            chosen = marked[int(rng.integers(len(marked)))]
            source, box = chosen.pixels, chosen.box
        if roll < settings.share_marked:
            picture, moved = augmented(source, box, rng, settings.size_px)
        elif box is not None:
            wrong = make_near_miss(source, box, str(rng.choice(kinds)), rng, expected_text)
            picture, moved = augmented(wrong, box, rng, settings.size_px)[0], None
        else:
            picture, moved = augmented(source, None, rng, settings.size_px)
        pictures.append(picture)
        boxes.append(moved)
    return pictures, boxes


def detection_loss(
    heat: torch.Tensor, sides: torch.Tensor, target: torch.Tensor, target_sides: torch.Tensor
) -> torch.Tensor:
    """Cross-entropy over the middle cells and each picture's hardest background cells, plus 1 - IoU of the boxes.

    heat (N, G, G) logits, sides (N, 4, G, G) in cells; targets as `build_targets` makes them.
    """
    inside, outside = target == 1, target == 0
    found = nn.functional.softplus(-heat[inside]).mean() if inside.any() else heat.sum() * 0
    background = nn.functional.softplus(heat).masked_fill(~outside, 0).flatten(1)
    hardest = background.topk(8, dim=1).values.mean()
    if not inside.any():
        return hardest
    mine, theirs = sides.permute(0, 2, 3, 1)[inside], target_sides.permute(0, 2, 3, 1)[inside]
    return found + hardest + background.mean() + 0.5 * box_loss(mine, theirs)


def box_loss(mine: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """1 - IoU of boxes given as distances (left, up, right, down) from one shared point (UnitBox, arXiv:1608.01471)."""
    shared = torch.minimum(mine, theirs)
    inner = (shared[:, 0] + shared[:, 2]) * (shared[:, 1] + shared[:, 3])
    area = (mine[:, 0] + mine[:, 2]) * (mine[:, 1] + mine[:, 3]) + (theirs[:, 0] + theirs[:, 2]) * (
        theirs[:, 1] + theirs[:, 3]
    )
    return (1 - inner / (area - inner).clamp_min(1e-6)).mean()
