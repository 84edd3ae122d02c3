"""Is the mark right, or only nearly? The judge `correctness`: probability that the mark in the best box is the
concept's own.

A small network compares the mark, laid over the reference (`rectify`), with the reference itself and looks for the
worst local difference; the rectified comparison's own figures enter beside it. It is trained on the concept's labelled
marks against near misses made from the very same marks (`near_miss`), so that only what is wrong tells them apart. A
patch of the wrong outline, which the network lets pass, is refused by its corners (`outline`): under the lowest share
that right training marks have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.files import sha256_of, write_safetensors
from brandsmith.core.pictures import load_rgb, save_png
from brandsmith.core.safe_weights import load_module, read_header
from brandsmith.core.text import shortened
from brandsmith.judges.augment import augmented
from brandsmith.judges.boxes import Box, as_box
from brandsmith.judges.detector import Detector
from brandsmith.judges.judge import LARGEST_RATIO, Verdict, check_pictures, not_measured
from brandsmith.judges.labelled import Marked
from brandsmith.judges.near_miss import kinds_for, make_near_miss
from brandsmith.judges.outline import corner_share
from brandsmith.judges.rectify import (
    NUM_FEATURES,
    WIDTH_PX,
    Reference,
    as_sharp_as,
    build_reference,
    compare_laid,
    cut_out,
    lay_over,
)

NET_PX = (112, 56)  # width, height of what the network sees
VERSION = "2"


@dataclass(frozen=True)
class View:
    """One mark, ready for the network."""

    planes: np.ndarray  # (56, 112, 6) uint8: the mark laid over the reference, and the reference at the same sharpness
    features: np.ndarray  # (NUM_FEATURES,) float32
    right: bool
    kind: str = ""

    @property
    def corner_share(self) -> float | None:
        return corner_share(self.planes[..., :3], self.planes[..., 3:])


def view_of(picture: np.ndarray, box: Box, reference: Reference, right: bool = True, kind: str = "") -> View:
    laid, how = lay_over(cut_out(picture, box, reference.size), reference)
    like = as_sharp_as(reference.pixels, box[2] - box[0])
    features = np.array(compare_laid(laid, like, how).features(), np.float32)
    planes = [cv2.resize(plane, NET_PX, interpolation=cv2.INTER_AREA) for plane in (laid, like)]
    return View(np.dstack(planes), features, right, kind)


class CorrectnessNet(nn.Module):
    """(N, 6, 56, 112) in [-1, 1] and (N, NUM_FEATURES) -> logits (N,): above 0 is right."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            _layer(9, 24, 2), _layer(24, 32, 2), _layer(32, 48, 1), _layer(48, 48, 2), _layer(48, 64, 1)
        )
        self.drop = nn.Dropout(0.2)
        self.head = nn.Sequential(nn.Linear(64 * 2 + NUM_FEATURES, 48), nn.ReLU(), nn.Linear(48, 1))

    def forward(self, planes: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        laid, like = planes[:, :3], planes[:, 3:]
        seen = self.trunk(torch.cat([laid, like, (laid - like).abs()], dim=1))
        pooled = torch.cat([seen.amax(dim=(2, 3)), seen.mean(dim=(2, 3))], dim=1)
        return self.head(torch.cat([self.drop(pooled), features], dim=1))[:, 0]


def _layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def _batch(views: Sequence[View]) -> tuple[torch.Tensor, torch.Tensor]:
    planes = torch.from_numpy(np.stack([v.planes for v in views])).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
    return planes, torch.from_numpy(np.stack([v.features for v in views]))


# ----------------------------------------------------------------------------- training


def training_views(
    marked: Sequence[Marked],
    reference: Reference,
    expected_text: str,
    *,
    num_right: int = 700,
    num_per_kind: int = 80,
    seed: int = 0,
) -> list[View]:
    """Augmented right marks and near misses of every kind, boxes a little off as a detector's are."""
    kinds = ["", *kinds_for(expected_text, marked)]
    wanted = [kind for kind in kinds for _ in range(num_per_kind if kind else num_right)]
    views = []
    for i, kind in enumerate(wanted):
        rng = np.random.default_rng([seed, i])
        source = marked[int(rng.integers(len(marked)))]
        picture = make_near_miss(source.pixels, source.box, kind, rng, expected_text) if kind else source.pixels
        size = max(128, min(512, max(picture.shape[:2])))
        picture, box = augmented(picture, source.box, rng, size)
        views.append(view_of(picture, loosened(box, rng), reference, right=not kind, kind=kind))
    return views


def loosened(box: Box, rng: np.random.Generator, amount: float = 0.03) -> Box:
    wide, high = box[2] - box[0], box[3] - box[1]
    return as_box(np.array(box) + rng.normal(0, amount, 4) * [wide, high, wide, high])


def fit_net(views: Sequence[View], *, num_epochs: int = 10, seed: int = 0, leave_out: str = "") -> CorrectnessNet:
    """Train on the views whose kind is not `leave_out`; right and wrong weigh the same."""
    torch.manual_seed(seed)
    kept = [v for v in views if not leave_out or v.kind != leave_out]
    planes, features = _batch(kept)
    right = torch.tensor([float(v.right) for v in kept])
    weight = torch.where(right > 0, 0.5 / right.mean(), 0.5 / (1 - right.mean()))
    net = CorrectnessNet().train()
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.05)
    num_batches = (len(kept) + 63) // 64
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=num_epochs * num_batches, pct_start=0.2)
    order_of = torch.Generator().manual_seed(seed)
    for _ in range(num_epochs):
        for index in torch.randperm(len(kept), generator=order_of).chunk(num_batches):
            logits = net(_unevenly_lit(planes[index], order_of), features[index])
            loss = nn.functional.binary_cross_entropy_with_logits(logits, right[index] * 0.96 + 0.02, weight[index])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def _unevenly_lit(planes: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The laid-over half moved by a few pixels and relit: never the same view twice."""
    shift = [int(torch.randint(-2, 3, (1,), generator=generator)) for _ in range(2)]
    laid = torch.roll(planes[:, :3], shift, dims=(2, 3))
    laid = laid * (0.9 + 0.2 * torch.rand(len(planes), 1, 1, 1, generator=generator)) + 0.1 * torch.randn(
        len(planes), 3, 1, 1, generator=generator
    )
    return torch.cat([laid, planes[:, 3:]], dim=1)


def probabilities(net: CorrectnessNet, views: Sequence[View]) -> list[float]:
    if not views:
        return []
    with torch.inference_mode():
        return torch.cat([net(*_batch(views[i : i + 64])) for i in range(0, len(views), 64)]).sigmoid().tolist()


def fit_correctness(
    marked: Sequence[Marked],
    out: Path,
    *,
    expected_text: str,
    token: str,
    seed: int = 0,
    num_right: int = 700,
    num_per_kind: int = 80,
) -> tuple[CorrectnessNet, Reference]:
    """Train on labelled marks; writes `correctness.safetensors` (which also holds how full a right mark's corners are)
    and `reference.png`.
    """
    reference = build_reference([p.pixels for p in marked], [p.box for p in marked])
    views = training_views(marked, reference, expected_text, num_right=num_right, num_per_kind=num_per_kind, seed=seed)
    net = fit_net(views, seed=seed)
    save_png(out / "reference.png", reference.pixels, smallest=True)
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}
    least = least_corner_share(marked, reference, seed)
    write_safetensors(
        out / "correctness.safetensors",
        tensors,
        {"token": token} | ({} if least is None else {"least_corner_share": f"{least:.4f}"}),
    )
    return net, reference


def least_corner_share(marked: Sequence[Marked], reference: Reference, seed: int = 0) -> float | None:
    """The lowest share of patch in the corners of right marks, at most 0.5: what has less is refused. None for a mark
    without such corners.
    """
    views = [
        view_of(p.pixels, loosened(p.box, np.random.default_rng([seed, 2, i])), reference) for i, p in enumerate(marked)
    ]
    shares = [share for view in views if (share := view.corner_share) is not None]
    return min(0.5, *shares) if len(shares) == len(views) else None


def outlined(probability: float, share: float | None, least: float | None) -> float:
    """The probability, held down where corners are missing: at most 0.5 at the lowest share of right marks, steeply
    less under it.
    """
    return probability if share is None or least is None else min(probability, 0.5 * (share / max(least, 1e-6)) ** 4)


# ----------------------------------------------------------------------------- the judge


class Correctness:
    """The judge `correctness`. Above `threshold` the mark counts as right."""

    name = "correctness"
    version = VERSION
    threshold = 0.5

    def __init__(
        self,
        net: CorrectnessNet,
        reference: Reference,
        detector: Detector,
        *,
        least_corner_share: float | None = None,
        weights_hash: str = "none",
    ) -> None:
        self.net, self.reference, self.detector, self.least_corner_share = (
            net.eval(),
            reference,
            detector,
            least_corner_share,
        )
        self.weights_hash = weights_hash

    def score(self, pictures: Sequence[np.ndarray]) -> list[Verdict]:
        check_pictures(pictures)
        found = self.detector.detect(pictures)
        seen = [i for i, detections in enumerate(found) if detections]
        views = [view_of(pictures[i], found[i][0].box, self.reference) for i in seen]
        verdicts = [not_measured("no mark found to compare with the reference")] * len(pictures)
        for i, view, probability in zip(seen, views, probabilities(self.net, views), strict=True):
            value = outlined(probability, view.corner_share, self.least_corner_share)
            verdicts[i] = Verdict(round(value, 6), details=self._details(view, found[i][0].box))
        return verdicts

    def _details(self, view: View, box: Box) -> dict[str, Any]:
        share = view.corner_share
        return {
            "box": [round(v, 1) for v in box],
            "worst_cell": round(float(view.features[0]), 3),
            "corner_share": None if share is None else round(share, 3),
            "colour_distance": round(float(max(view.features[4:6])) * 50, 1),
        }


_FIT = "train it: brandsmith judge fit CONCEPT"


def load_correctness(folder: Path, detector: Detector) -> Correctness:
    """The judge that `fit` wrote into a folder. Raises MissingResource when it is not there, InvalidInput for files
    that are damaged.
    """
    weights, mark = folder / "correctness.safetensors", folder / "reference.png"
    if not weights.is_file() or not mark.is_file():
        raise MissingResource(f"no trained correctness judge in '{folder}'", hint=_FIT)
    net = CorrectnessNet()
    load_module(net, weights, _FIT)
    least = _stored_share(weights)
    reference = Reference(load_rgb(mark))
    if reference.size[0] != WIDTH_PX or reference.size[1] > LARGEST_RATIO * WIDTH_PX:
        wide, high = reference.size
        raise InvalidInput(f"'{mark}' is {wide} x {high} pixels; fit writes {WIDTH_PX} a row", hint=_FIT)
    return Correctness(
        net,
        reference,
        detector,
        least_corner_share=least,
        weights_hash=sha256_of(weights)[:12],
    )


def _stored_share(weights: Path) -> float | None:
    """`least_corner_share` as `fit_correctness` wrote it into the header; None for a mark without such corners."""
    written = read_header(weights).metadata.get("least_corner_share")
    if written is None:
        return None
    try:
        share = float(written)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise InvalidInput(f"'{weights}': least_corner_share is {shortened(written)}, allowed: 0 to 1", hint=_FIT)
    return share
