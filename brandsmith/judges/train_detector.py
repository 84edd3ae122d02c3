"""Train a concept's detector from its labelled pictures, and measure how good it is.

Three kinds of picture teach it: with the mark, without it (regularising), and with a mark that is almost right
(`near_miss`). It is measured on a split it never saw, each sort of picture apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from brandsmith.judges.augment import augmented
from brandsmith.judges.detector import Box, Detector, MarkNet, build_targets, overlap, to_tensor
from brandsmith.judges.labelled import Labelled
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
    marked: list[Labelled],
    unmarked: list[Labelled],
    settings: FitSettings,
    *,
    expected_text: str = "",
    leave_out: tuple[str, ...] = (),
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> MarkNet:
    """Train from random weights. `leave_out` names kinds of near miss that it must not see (to measure on them)."""
    torch.manual_seed(settings.seed)
    net = MarkNet(settings.widths).to(memory_format=torch.channels_last).train()
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
    marked: list[Labelled],
    unmarked: list[Labelled],
    settings: FitSettings,
    kinds: tuple[str, ...],
    expected_text: str,
    rng: np.random.Generator,
) -> tuple[list[np.ndarray], list[Box | None]]:
    """Augmented pictures and their boxes (None: no mark)."""
    pictures, boxes = [], []
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


# ----------------------------------------------------------------------------- how good is it


def measure_detector(detector: Detector, pictures: list[Labelled]) -> dict[str, Any]:
    """What a card says: recall and AP50, false alarms, and confidence on each sort of picture without the mark; n
    beside each.

    `ap50` and `false_alarm_rate` are over marked, plain and other brands' pictures; near misses, which a detector need
    not tell apart, enter `ap50_with_near_misses`.
    """
    found = detector.detect([p.pixels for p in pictures])
    best = [d[0].confidence if d else 0.0 for d in found]
    marked = [i for i, p in enumerate(pictures) if p.box is not None]
    quality = [overlap(found[i][0].box, pictures[i].box) if found[i] else 0.0 for i in marked]
    hits = [best[i] >= 0.5 and q >= 0.5 for i, q in zip(marked, quality, strict=True)]
    free = [i for i, p in enumerate(pictures) if p.sort in ("plain", "other")]
    clear = sorted({*marked, *free})
    sorts = sorted({p.sort for p in pictures} - {"mark"})
    return {
        "recall": _mean(hits),
        "ap50": average_precision([found[i] for i in clear], [pictures[i].box for i in clear]),
        "ap50_with_near_misses": average_precision(found, [p.box for p in pictures]),
        "mean_iou": _mean(quality),
        "confidence_on_marks": _mean([best[i] for i in marked]),
        "n_marks": len(marked),
        "false_alarm_rate": _mean([best[i] >= 0.5 for i in free]),
        "n_free": len(free),
        "confidence_without": {
            s: {
                "mean": _mean([b for b, p in zip(best, pictures, strict=True) if p.sort == s]),
                "n": sum(p.sort == s for p in pictures),
            }
            for s in sorts
        },
        "right_wrong_auc": {
            s: area_under_curve(
                [best[i] for i in marked], [b for b, p in zip(best, pictures, strict=True) if p.sort == s]
            )
            for s in sorts
            if s.startswith("near-")
        },
    }


def average_precision(found: list[list], truths: list[Box | None], at_overlap: float = 0.5) -> float:
    """Area under the precision-recall curve over all detections of all pictures, one true box per picture at most."""
    ranked = sorted(((d.confidence, i, d.box) for i, ds in enumerate(found) for d in ds), key=lambda r: -r[0])
    wanted = sum(t is not None for t in truths)
    taken: set[int] = set()
    right = []
    for _, i, box in ranked:
        hit = truths[i] is not None and i not in taken and overlap(box, truths[i]) >= at_overlap
        taken |= {i} if hit else set()
        right.append(hit)
    if not right or not wanted:
        return 0.0
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return round(float(np.sum(envelope * right) / wanted), 4)


def area_under_curve(right: list[float], wrong: list[float]) -> float:
    """How often a right mark scores above a wrong one (ties count half)."""
    a, b = np.asarray(right)[:, None], np.asarray(wrong)[None]
    return round(float((a > b).mean() + 0.5 * (a == b).mean()), 4)


def _mean(values: list) -> float | None:
    return round(float(np.mean(values)), 4) if len(values) else None
