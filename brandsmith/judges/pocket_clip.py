"""CLIP scores in pocket's own words: the judges `clip_pocket` (CLIP-T) and `clip_i_pocket`, over the pair that ships in a base's folder.

It is the *same pair* whose text tower conditioned the U-Net: a base drawn from it may please it for its own reasons. So it never
decides alone, is no part of the usable verdict, and every row says so. It hears colours and is hard of hearing for
things (docs/judges.md has the figures). Where a folder holds no pair every verdict is "not measured".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.nn.functional import normalize

from brandsmith.core.files import sha256_of
from brandsmith.judges.clip import ClipText, Identity
from brandsmith.judges.detector import Detector
from brandsmith.judges.encoders import BATCH
from brandsmith.judges.judge import Verdict, not_measured

NOTE = "the same pair whose text tower conditioned the U-Net: never the sole judge"
FILES = ("clip/config.json", "clip/model.safetensors", "text_encoder/model.safetensors")


def has_pair(base_folder: Path) -> bool:
    return all((base_folder / file).is_file() for file in FILES)


class PocketPair:
    """The two towers as unit vectors (N, D). Pictures of other shapes are squeezed into the tower's square."""

    def __init__(self, base_folder: Path) -> None:
        from safetensors.torch import load_file
        from transformers import AutoTokenizer, CLIPConfig, CLIPModel

        image, text = (load_file(base_folder / file) for file in FILES[1:])
        self.model = CLIPModel(CLIPConfig.from_pretrained(base_folder / "clip", local_files_only=True)).float().eval()
        self.model.load_state_dict(image | {f"text_model.{name.removeprefix('text_model.')}": value for name, value in text.items()})
        self.tokenizer = AutoTokenizer.from_pretrained(base_folder / "tokenizer", local_files_only=True)

    @torch.inference_mode()
    def of_pictures(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        side = self.model.config.vision_config.image_size
        parts = []
        for start in range(0, len(pictures), BATCH):
            square = [_squeezed(picture, side) for picture in pictures[start : start + BATCH]]
            pixels = torch.from_numpy(np.stack(square)).permute(0, 3, 1, 2).float().div(127.5).sub(1)
            parts.append(normalize(self.model.visual_projection(self.model.vision_model(pixel_values=pixels).pooler_output), dim=-1))
        return torch.cat(parts).numpy()

    @torch.inference_mode()
    def of_texts(self, texts: Sequence[str]) -> np.ndarray:
        longest = self.model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt")
        pooled = self.model.text_model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).pooler_output
        return normalize(self.model.text_projection(pooled), dim=-1).numpy()


def _squeezed(picture: np.ndarray, side: int) -> np.ndarray:
    return picture if picture.shape[:2] == (side, side) else cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


class _OverPair:
    """What both judges share; stands before the judges over declared weights and replaces where their towers come from."""

    version = "1"
    place: Path | None

    def _take(self, base_folder: Path) -> None:
        self.base_folder, self.place = base_folder, base_folder if has_pair(base_folder) else None
        self.weights_hash = "".join(sha256_of(base_folder / file)[:6] for file in FILES[1:]) if self.place else "missing"

    @cached_property
    def _encoder(self) -> PocketPair:
        return PocketPair(self.base_folder)

    def _missing(self, count: int) -> list[Verdict]:
        return [not_measured(f"'{self.base_folder.name}' holds no CLIP pair of its own (clip/)")] * count

    @property
    def _beside(self) -> dict[str, Any]:
        return {"model": f"{self.base_folder.name}/clip", "scale": "cosine x 1", "note": NOTE}


class PocketClipText(_OverPair, ClipText):
    """The judge `clip_pocket`: cosine of picture and prompt, the taught token read as the class word."""

    name = "clip_pocket"

    def __init__(self, token: str, class_word: str, base_folder: Path) -> None:
        self.token, self.class_word = token, class_word
        self._take(base_folder)


class PocketIdentity(_OverPair, Identity):
    """The judge `clip_i_pocket`: mean cosine to held-out real pictures, whole and on the crop round the mark."""

    def __init__(self, held_out: Sequence[np.ndarray], base_folder: Path, detector: Detector | None = None) -> None:
        self.name, self.held_out, self.detector = "clip_i_pocket", list(held_out), detector
        self._take(base_folder)
