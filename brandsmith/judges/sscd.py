"""Copies by SSCD, a descriptor trained for copy detection (Pizzi et al. 2022, arXiv:2202.10261): the judge `copying`,
version `sscd-1`.

It takes the place of the weightless `copying` when its weights are sealed in the user's folder; the version in every
row names which of the two it was. From a cosine of 0.75 two pictures are copies with 90 % precision on its authors'
benchmark (their README), so that, or a third of the way from the nearest held-out picture to equality where that is
higher, is where "copy" begins. The weights were not available to us: the code was run on a small network in the same
file format.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from brandsmith.base.hardware import choose_device
from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import sha256_of
from brandsmith.judges.copying import Copying
from brandsmith.judges.weights import SSCD, declared, find_weights

COPY_FROM = 0.75
SIDE_PX = 320
"""Its authors' square for batches."""
MEAN, SPREAD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
BATCH = 16


class SscdCopying(Copying):
    """The scale of `copying`: 0.5 is where a copy begins, 1 is the same picture."""

    version = "sscd-1"

    def __init__(self, training: Sequence[np.ndarray], held_out: Sequence[np.ndarray], place: Path) -> None:
        self.place = place
        super().__init__(training, held_out)
        self.weights_hash = f"{declared(SSCD).weights_hash[:6]}{self.weights_hash[:6]}"

    @cached_property
    def _net(self) -> Any:
        """A TorchScript file is a program: only the declared one is ever run, so the seal alone is not trusted here."""
        weights, file = declared(SSCD), self.place / declared(SSCD).main_file
        if sha256_of(file) != weights.files[weights.main_file]:
            raise InvalidInput(
                f"'{file}' is not the declared file", hint="delete it and run: brandsmith judge weights fetch " + SSCD
            )
        return torch.jit.load(str(file), map_location=choose_device()).eval()

    @torch.inference_mode()
    def describe(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        parts = []
        for start in range(0, len(pictures), BATCH):
            square = np.stack(
                [cv2.resize(p, (SIDE_PX, SIDE_PX), interpolation=_kernel(p)) for p in pictures[start : start + BATCH]]
            )
            pixels = torch.from_numpy((square.astype(np.float32) / 255 - MEAN) / SPREAD).permute(0, 3, 1, 2)
            parts.append(torch.nn.functional.normalize(self._net(pixels.to(choose_device())).float(), dim=-1))
        return torch.cat(parts).cpu().numpy()

    def scaled_above(self, similarities: np.ndarray, edge: float) -> np.ndarray:
        edge = min(max(edge, 1e-3), 1 - 1e-3)
        copy_from = max(COPY_FROM, edge + (1 - edge) / 3)
        return np.interp(similarities, [0, edge, copy_from, 1], [0, 0.5 * edge / copy_from, 0.5, 1])


def _kernel(picture: np.ndarray) -> int:
    return cv2.INTER_AREA if min(picture.shape[:2]) > SIDE_PX else cv2.INTER_LINEAR


def copying_judge(
    training: Sequence[np.ndarray], held_out: Sequence[np.ndarray], weights: Path | None = None
) -> Copying:
    """By SSCD when its weights are sealed (in `weights`, else where weights are kept), else without any weights."""
    place = find_weights(SSCD, weights)
    return SscdCopying(training, held_out, place) if place else Copying(training, held_out)
