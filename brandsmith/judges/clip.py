"""Scores over declared weights: CLIP-T (does it follow the prompt?), CLIP-I and DINOv2 (does it look like the
subject?).

Every number stands beside the model id, its revision and the scale (a cosine, times 1): CLIP-T is published times 1,
2.5 and 100 and with two models. CLIP sees no spelling and reads a prompt as a bag of words; DINO's agreement with
people was measured as 0.32 (Ruiz et al. 2023, arXiv:2208.12242). Without sealed weights every verdict is "not measured:
weights X missing".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from brandsmith.concept.concept import with_token
from brandsmith.judges.detector import Detector
from brandsmith.judges.encoders import ClipEncoder, ImageEncoder, PairEncoder, PictureEncoder
from brandsmith.judges.judge import Verdict, check_pictures, not_measured
from brandsmith.judges.weights import declared, find_weights, missing_reason

IDENTITY_WEIGHTS = {"clip_i": "clip-vit-base-patch32", "dinov2": "dinov2-small"}


class _Weighted:
    """What judges over declared weights share: the weights' name, where they are, and what to write beside a number."""

    version = "1"

    def __init__(self, weights: str, folder: Path | None) -> None:
        self.weights = declared(weights)
        self.place = find_weights(weights, folder)
        self.weights_hash = self.weights.weights_hash if self.place else "missing"

    def _missing(self, count: int) -> list[Verdict]:
        return [not_measured(missing_reason(self.weights.name))] * count

    @property
    def _beside(self) -> dict[str, Any]:
        return {"model": self.weights.model, "revision": self.weights.revision, "scale": "cosine x 1"}


class ClipText(_Weighted):
    """The judge `clip`, CLIP-T: cosine of picture and prompt. The concept's token, which CLIP never saw, reads as its
    class word.
    """

    name = "clip"

    def __init__(
        self, token: str, class_word: str, folder: Path | None = None, weights: str = "clip-vit-base-patch32"
    ) -> None:
        super().__init__(weights, folder)
        self.token, self.class_word = token, class_word

    @cached_property
    def _encoder(self) -> PairEncoder:
        assert self.place is not None
        return ClipEncoder(self.place)

    def score(self, pictures: Sequence[np.ndarray]) -> list[Verdict]:
        check_pictures(pictures)
        return [not_measured("clip needs the prompt")] * len(pictures) if self.place else self._missing(len(pictures))

    def score_prompted(self, pictures: Sequence[np.ndarray], prompts: Sequence[str]) -> list[Verdict]:
        check_pictures(pictures)
        if not self.place or not len(pictures):
            return self._missing(len(pictures))
        texts = [with_token(prompt, self.token).replace(self.token, self.class_word) for prompt in prompts]
        distinct = list(dict.fromkeys(texts))
        rows = dict(zip(distinct, self._encoder.of_texts(distinct), strict=True))
        seen = self._encoder.of_pictures(pictures)
        return [self._verdict(float(vector @ rows[text]), text) for vector, text in zip(seen, texts, strict=True)]

    def _verdict(self, cosine: float, text: str) -> Verdict:
        return (
            Verdict(round(cosine, 6), details=self._beside | {"text": text})
            if text.strip()
            else not_measured("there is no prompt")
        )


class Identity(_Weighted):
    """The judges `clip_i` and `dinov2`: mean cosine to the concept's held-out real pictures, on the whole picture and,
    beside it, on the crop round the mark (a whole picture also scores for a copied background). Read it between
    `ceiling` and the score of the base alone.
    """

    def __init__(
        self,
        name: str,
        weights: str,
        held_out: Sequence[np.ndarray],
        folder: Path | None = None,
        detector: Detector | None = None,
    ) -> None:
        super().__init__(weights, folder)
        self.name, self.held_out, self.detector = name, list(held_out), detector

    @cached_property
    def _encoder(self) -> PictureEncoder:
        assert self.place is not None
        return ImageEncoder(self.place)

    @cached_property
    def _references(self) -> np.ndarray:
        return self._encoder.of_pictures(self.held_out)

    @cached_property
    def _crop_references(self) -> np.ndarray:
        crops = [crop for crop in self._crops(self.held_out) if crop is not None]
        return self._encoder.of_pictures(crops) if crops else np.zeros((0, self._references.shape[1]))

    def score(self, pictures: Sequence[np.ndarray]) -> list[Verdict]:
        check_pictures(pictures)
        if not self.place:
            return self._missing(len(pictures))
        if not self.held_out or not len(pictures):
            return [not_measured(f"{self.name} needs held-out real pictures (held_out/)")] * len(pictures)
        whole = self._encoder.of_pictures(pictures) @ self._references.T
        beside = self._beside | {"num_references": len(self.held_out)}
        crops = self._crop_scores(pictures)
        return [
            Verdict(round(float(row.mean()), 6), details=beside | {"crop": crop})
            for row, crop in zip(whole, crops, strict=True)
        ]

    def ceiling(self) -> float | None:
        """Mean cosine of held-out pictures to one another: what real pictures reach. None without weights or with fewer
        than two.
        """
        if not self.place or len(self.held_out) < 2:
            return None
        alike = self._references @ self._references.T
        return float(alike[~np.eye(len(alike), dtype=bool)].mean())

    def _crops(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        """The picture inside the best box; None where there is no detector or no mark."""
        if self.detector is None:
            return [None] * len(pictures)
        crops: list[np.ndarray | None] = []
        for picture, found in zip(pictures, self.detector.detect(pictures), strict=True):
            x0, y0, x1, y1 = (round(v) for v in found[0].box) if found else (0, 0, 0, 0)
            crops.append(np.ascontiguousarray(picture[y0:y1, x0:x1]) if x1 - x0 >= 4 and y1 - y0 >= 4 else None)
        return crops

    def _crop_scores(self, pictures: Sequence[np.ndarray]) -> list[float | None]:
        crops = self._crops(pictures)
        there = {i: crop for i, crop in enumerate(crops) if crop is not None}
        scores: list[float | None] = [None] * len(crops)
        if there and len(self._crop_references):
            alike = self._encoder.of_pictures(list(there.values())) @ self._crop_references.T
            for i, row in zip(there, alike, strict=True):
                scores[i] = round(float(row.mean()), 6)
        return scores
