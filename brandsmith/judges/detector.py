"""Is the mark there? A compact anchor-free detector in plain torch: one class, a heatmap and four distances.

After CenterNet (Zhou et al. 2019, arXiv:1904.07850: objects as points of a heatmap) and FCOS (Tian et al. 2019,
arXiv:1904.01355: each point regresses its distances to the four sides). We differ in that all cells in the middle of a
box are positive (no Gaussian), trained by cross-entropy against the hardest background cells, so that the confidence of
a clear mark comes near 1. Small enough to train on one CPU thread in minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NotRequired

import cv2
import numpy as np
import torch
from pydantic import ConfigDict, Field, TypeAdapter, with_config
from torch import nn
from typing_extensions import TypedDict

from brandsmith.core.errors import MissingResource
from brandsmith.core.files import sha256_of
from brandsmith.core.json_files import read_record
from brandsmith.core.safe_weights import load_module
from brandsmith.judges.boxes import Box, as_box, overlap
from brandsmith.judges.judge import Verdict, check_pictures

STRIDE = 4


@dataclass(frozen=True)
class Detection:
    box: Box
    """In pixels of the picture as given."""
    confidence: float


class MarkNet(nn.Module):
    """Pictures (N, 3, S, S) in [-1, 1] -> heat logits (N, 1, S/4, S/4) and distances (N, 4, S/4, S/4) in cells,
    positive.
    """

    def __init__(self, widths: tuple[int, int, int, int] = (24, 32, 64, 112)) -> None:
        super().__init__()
        a, b, c, d = widths
        self.stem = _block(3, a, 5, 2)
        self.quarter = nn.Sequential(_block(a, b, 3, 2), _block(b, b))
        self.eighth = nn.Sequential(_block(b, c, 3, 2), _block(c, c), _block(c, c))
        self.sixteenth = nn.Sequential(_block(c, d, 3, 2), _block(d, d), _block(d, d), _block(d, d))
        self.to_eighth = _block(d, c, 1)
        self.join_eighth = _block(c, c)
        self.to_quarter = _block(c, b, 1)
        self.join_quarter = _block(b, b)
        self.heat = nn.Conv2d(b, 1, 1)
        self.sides = nn.Conv2d(b, 4, 1)
        nn.init.constant_(self.heat.get_parameter("bias"), -3.0)

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        quarter = self.quarter(self.stem(pictures))
        eighth = self.eighth(quarter)
        deep = self.to_eighth(self.sixteenth(eighth))
        eighth = self.join_eighth(eighth + nn.functional.interpolate(deep, size=eighth.shape[-2:], mode="nearest"))
        quarter = self.join_quarter(
            quarter + nn.functional.interpolate(self.to_quarter(eighth), size=quarter.shape[-2:], mode="nearest")
        )
        return self.heat(quarter), nn.functional.softplus(self.sides(quarter))


def _block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def channels_last(net: MarkNet) -> MarkNet:
    """The same network, its weights laid out as CPU convolutions are fastest."""
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's types


def build_targets(boxes: Sequence[Box | None], size_px: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Heat targets (N, G, G): 1 in the middle of a box, 0 outside it, -1 (no opinion) between; sides (N, 4, G, G) in
    cells.
    """
    cells = size_px // STRIDE
    heat = torch.zeros(len(boxes), cells, cells)
    sides = torch.zeros(len(boxes), 4, cells, cells)
    centres = (torch.arange(cells) + 0.5) * STRIDE
    for i, box in enumerate(boxes):
        if box is None:
            continue
        x0, y0, x1, y1 = box
        left, right, up, down = centres - x0, x1 - centres, centres - y0, y1 - centres
        sides[i] = torch.stack(torch.broadcast_tensors(left[None], up[:, None], right[None], down[:, None])) / STRIDE
        across = ((centres - (x0 + x1) / 2).abs() / max(x1 - x0, 1e-6))[None]
        along = ((centres - (y0 + y1) / 2).abs() / max(y1 - y0, 1e-6))[:, None]
        heat[i][(across < 0.5) & (along < 0.5)] = -1
        middle = (across < 0.13) & (along < 0.2)
        nearest = (centres - (y0 + y1) / 2).abs().argmin(), (centres - (x0 + x1) / 2).abs().argmin()
        heat[i][middle] = 1
        heat[i][nearest] = 1
    return heat, sides


def letterboxed(picture: np.ndarray, size_px: int) -> tuple[np.ndarray, float]:
    """The picture scaled so that its longer side is `size_px`, padded grey to a square; and the scale used."""
    high, wide = picture.shape[:2]
    scale = size_px / max(high, wide)
    if scale == 1 and high == wide:
        return picture, 1.0
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(picture, (max(1, round(wide * scale)), max(1, round(high * scale))), interpolation=method)
    square = np.full((size_px, size_px, 3), 128, np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    return square, scale


def to_tensor(squares: Sequence[np.ndarray]) -> torch.Tensor:
    batch = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)  # NHWC memory is channels_last already
    return batch.to(torch.float32).div_(127.5).sub_(1)


class Detector:
    """The judge `detector`: the highest confidence of a detection in the picture, 0 where nothing is above `floor`."""

    name = "detector"

    def __init__(
        self, net: MarkNet, *, size_px: int, version: str = "1", weights_hash: str = "none", floor: float = 0.05
    ) -> None:
        self.net = channels_last(net.eval())
        self.size_px, self.version, self.weights_hash, self.floor = size_px, version, weights_hash, floor

    def score(self, pictures: Sequence[np.ndarray]) -> list[Verdict]:
        verdicts = []
        for found in self.detect(pictures):
            best = found[0] if found else None
            details = (
                {"box": [round(v, 1) for v in best.box], "count": sum(d.confidence >= 0.5 for d in found)}
                if best
                else {"count": 0}
            )
            verdicts.append(Verdict(round(best.confidence, 6) if best else 0.0, details=details))
        return verdicts

    def detect(self, pictures: Sequence[np.ndarray], batch_size: int = 32) -> list[list[Detection]]:
        """Detections of each picture, most confident first, overlapping ones removed."""
        check_pictures(pictures)
        found: list[list[Detection]] = []
        for start in range(0, len(pictures), batch_size):
            ready = [letterboxed(p, self.size_px) for p in pictures[start : start + batch_size]]
            with torch.inference_mode():
                heat, sides = self.net(to_tensor([square for square, _ in ready]))
            for h, s, (_, scale), picture in zip(
                heat.sigmoid().numpy(), sides.numpy(), ready, pictures[start:], strict=False
            ):
                found.append(_decode(h[0], s, scale, picture.shape[:2], self.floor))
        return found


def _decode(heat: np.ndarray, sides: np.ndarray, scale: float, shape: tuple[int, int], floor: float) -> list[Detection]:
    found: list[Detection] = []
    for cell in np.argsort(heat, axis=None)[::-1][:60]:
        y, x = divmod(int(cell), heat.shape[1])
        if heat[y, x] < floor:
            break
        left, up, right, down = sides[:, y, x] * STRIDE
        cx, cy = (x + 0.5) * STRIDE, (y + 0.5) * STRIDE
        corners = np.array([cx - left, cy - up, cx + right, cy + down]) / scale
        box = as_box(np.clip(corners, 0, [shape[1], shape[0]] * 2))
        if all(overlap(box, other.box) < 0.3 for other in found):
            found.append(Detection(box, float(heat[y, x])))
    return found


_Width = Annotated[int, Field(ge=1, le=1024)]
_FIT = "train it again: brandsmith judge fit CONCEPT"


@with_config(ConfigDict(extra="allow", strict=True, allow_inf_nan=False))
class _Validation(TypedDict, total=False):
    false_alarm_rate: float | None


@with_config(ConfigDict(extra="allow", strict=True, allow_inf_nan=False))
class DetectorOutline(TypedDict):
    """What is needed to load a detector's weights, and how good it is once that was measured."""

    version: str
    size_px: Annotated[int, Field(ge=STRIDE, le=4096)]
    widths: Annotated[list[_Width], Field(min_length=4, max_length=4)]
    validation: NotRequired[_Validation]


@with_config(ConfigDict(extra="allow", strict=True))
class _Card(TypedDict):
    detector: DetectorOutline


_CARD = TypeAdapter(_Card)


def read_detector_card(file: Path) -> DetectorOutline:
    """The detector's part of a `card.json`. Raises InvalidInput naming what is wrong."""
    return read_record(file, _CARD, _FIT)["detector"]


def load_detector(folder: Path) -> Detector:
    """The detector that `fit` wrote into a folder. Raises MissingResource when it is not there, InvalidInput for other
    weights than its card describes.
    """
    weights, card_file = folder / "detector.safetensors", folder / "card.json"
    if not weights.is_file() or not card_file.is_file():
        raise MissingResource(f"no trained detector in '{folder}'", hint="train it: brandsmith judge fit CONCEPT")
    card = read_detector_card(card_file)
    a, b, c, d = card["widths"]
    net = MarkNet((a, b, c, d))
    load_module(net, weights, f"'{card_file}' describes another detector; {_FIT}")
    return Detector(net, size_px=card["size_px"], version=card["version"], weights_hash=sha256_of(weights)[:12])
