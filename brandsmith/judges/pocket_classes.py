"""What a picture in pocket's world shows: object and colour words, by a small network trained on true scenes.

The weights ship with their card (own accuracy on unseen true scenes). The network looks at windows round what stands
out from the backdrop; in a garment photo, which has no plain backdrop, at the place where garments lie. It knows only
pocket's words: a probability it gives to other art means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from pydantic import ConfigDict, Field, TypeAdapter, with_config
from torch import nn
from typing_extensions import TypedDict

from brandsmith.base.shared_parts import owner_of
from brandsmith.core.errors import MissingResource
from brandsmith.core.json_files import read_record
from brandsmith.core.safe_weights import load_module
from brandsmith.judges.boxes import Box, as_box
from brandsmith.judges.object_boxes import PHOTO_BOX, as_many_as, boxes_apart

INPUT_PX = 48
VERSION = "2"
"""Of weights and card: 2 has the photo look."""


def all_words(drawn: Sequence[str], photographed: Sequence[str]) -> list[str]:
    """The answers of the classifier in their order: what is drawn, then what is seen in photos only."""
    return [*drawn, *(word for word in photographed if word not in drawn)]


class PocketNet(nn.Module):
    """Four strided convolutions and three heads; about 0.3 M parameters."""

    def __init__(self, num_words: int, num_colours: int) -> None:
        super().__init__()
        widths = (3, 32, 64, 128, 160)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        self.words = nn.Linear(160 * 9, num_words)
        self.colours = nn.Sequential(nn.Linear(160, 96), nn.ReLU(), nn.Linear(96, num_colours))
        self.photo = nn.Linear(160, 1)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(N, 3, 48, 48) in [-1, 1] -> word logits (N, words), colour logits (N, colours), logit of being a photo
        (N,).
        """
        features = self.trunk(pixels)  # (N, 160, 3, 3)
        pooled = features.mean(dim=(2, 3))
        return self.words(features.flatten(1)), self.colours(pooled), self.photo(pooled)[:, 0]


def window(
    pixels: np.ndarray, box: np.ndarray | Box, grow: float = 1.12, shift: np.ndarray | tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """A square window around `box` (x0, y0, x1, y1), edge-padded, resized to 48 px; uint8 in and out."""
    x0, y0, x1, y1 = (float(v) for v in box)
    side = max(x1 - x0, y1 - y0) * grow
    cx, cy = (x0 + x1) / 2 + shift[0] * side, (y0 + y1) / 2 + shift[1] * side
    scale = INPUT_PX / side
    matrix = np.array([[scale, 0, INPUT_PX / 2 - cx * scale], [0, scale, INPUT_PX / 2 - cy * scale]], np.float32)
    if scale < 1:
        pixels = cv2.GaussianBlur(pixels, (0, 0), 0.4 / scale)
    return cv2.warpAffine(pixels, matrix, (INPUT_PX, INPUT_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def object_boxes(pixels: np.ndarray) -> list[Box]:
    """Boxes of what stands out from the backdrop, largest first: colour distance from the border rows, then
    components.
    """
    smooth = cv2.GaussianBlur(pixels, (0, 0), 1.0)
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB).astype(np.float32)
    edge = np.concatenate(
        [lab[:, :3], lab[:, -3:]], axis=1
    )  # each row's own backdrop: gradients and floors are horizontal
    backdrop = np.median(edge, axis=1, keepdims=True)
    distance = np.abs(lab - backdrop) * [0.6, 1.0, 1.0]
    mask = (distance.sum(axis=2) > 14).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    found = [(s[4], (s[0], s[1], s[0] + s[2], s[1] + s[3])) for s in stats[1:] if s[4] >= 80]
    return [as_box(box) for _, box in sorted(found, key=lambda f: -f[0])]


@dataclass(frozen=True)
class Look:
    """Probabilities at one window."""

    box: Box
    words: dict[str, float]
    colours: dict[str, float]
    photo: float = 0.0
    """How likely the picture is a photo and no drawing."""

    @property
    def word(self) -> str:
        return max(self.words, key=self.words.__getitem__)

    @property
    def colour(self) -> str:
        return max(self.colours, key=self.colours.__getitem__)


_BUILD = "copy the base whole, or build it: brandsmith base build pocket"
_Words = Annotated[list[Annotated[str, Field(min_length=1, max_length=60)]], Field(min_length=1, max_length=2000)]


@with_config(ConfigDict(extra="allow", strict=True, allow_inf_nan=False))
class ClassesCard(TypedDict):
    """What is read of `classes.json`; how often the classifier errs on true scenes stands there too."""

    version: str
    words: _Words
    photo_words: list[str]
    colours: _Words
    n: int
    chain_on_true: dict[str, Any]


_CARD = TypeAdapter(ClassesCard)


class PocketClasses:
    """The shipped classifier. `card` holds how often it errs on true scenes. Raises MissingResource without one, and
    InvalidInput for a damaged one.
    """

    name = "pocket_classes"

    def __init__(self, base_folder: Path) -> None:
        folder = owner_of(base_folder)
        if not (folder / "classes.safetensors").is_file():
            raise MissingResource(f"no classifier in '{folder}'", hint=_BUILD)
        self.card = read_record(folder / "classes.json", _CARD, _BUILD)
        if self.card["version"] != VERSION:
            raise MissingResource(
                f"the classifier in '{folder}' is of version {self.card['version']}, this code reads version {VERSION}",
                hint=_BUILD,
            )
        self.vocabulary, self.palette = self.card["words"], self.card["colours"]
        self.photo_words: list[str] = self.card["photo_words"]
        """Garments that it knows in photos; some of them pocket draws in that look only."""
        self.every_word = all_words(self.vocabulary, self.photo_words)
        self.version = self.card["version"]
        self.net = PocketNet(len(self.every_word), len(self.palette))
        load_module(self.net, folder / "classes.safetensors", _BUILD)
        self.net.eval()

    @torch.inference_mode()
    def look_at(self, pictures: list[np.ndarray], boxes: list[list[Box]]) -> list[list[Look]]:
        """The looks at the given windows of each picture."""
        cuts = [window(p, b) for p, own in zip(pictures, boxes, strict=True) for b in own]
        if not cuts:
            return [[] for _ in pictures]
        x = torch.from_numpy(np.stack(cuts)).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        answers = [self.net(part) for part in x.split(256)]
        words = torch.cat([F.softmax(a[0], 1) for a in answers]).numpy()
        colours = torch.cat([F.softmax(a[1], 1) for a in answers]).numpy()
        photo = torch.cat([a[2].sigmoid() for a in answers]).tolist()
        looks, i = [], 0
        for own in boxes:
            looks.append([self._look(box, words[i + k], colours[i + k], photo[i + k]) for k, box in enumerate(own)])
            i += len(own)
        return looks

    def _look(self, box: Box, words: np.ndarray, colours: np.ndarray, photo: float) -> Look:
        return Look(
            box,
            dict(zip(self.every_word, words.tolist(), strict=True)),
            dict(zip(self.palette, colours.tolist(), strict=True)),
            photo,
        )

    def look_at_photos(self, pictures: list[np.ndarray]) -> list[Look]:
        """What a garment photo shows, at the place where garments lie in the photos it was trained on."""
        return [own[0] for own in self.look_at(pictures, [[PHOTO_BOX]] * len(pictures))]

    def look(self, pictures: list[np.ndarray], num_objects: int = 2) -> list[list[Look]]:
        """Find up to `num_objects` things in each picture and name each; a merged blob is cut in parts."""
        return self.look_at(pictures, [self._windows(p, num_objects) for p in pictures])

    @staticmethod
    def _windows(picture: np.ndarray, num_objects: int) -> list[Box]:
        if num_objects > 2:
            return as_many_as(boxes_apart(picture), num_objects)
        found = object_boxes(picture)[:num_objects]
        if num_objects == 2 and len(found) == 1 and found[0][2] - found[0][0] > 0.6 * picture.shape[1]:
            x0, y0, x1, y1 = found[0]
            middle = (x0 + x1) / 2
            found = [(x0, y0, middle, y1), (middle, y0, x1, y1)]
        return found


def both_seen(looks: Sequence[Look], words: tuple[str, str], colours: tuple[str, str]) -> tuple[bool, bool]:
    """(both words found at two different windows, and each with its own colour)."""
    present = coloured = False
    for first in looks:
        for second in looks:
            if first is not second and first.word == words[0] and second.word == words[1]:
                present = True
                coloured = coloured or (first.colour == colours[0] and second.colour == colours[1])
    return present, coloured
