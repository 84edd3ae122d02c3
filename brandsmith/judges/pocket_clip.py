"""CLIP scores in pocket's own words: the judges `clip_pocket` (CLIP-T) and `clip_i_pocket`.

They look through a pair of towers of their own, in the folder `NAME_judge` beside the base `NAME`: the recipe of the
pair whose text tower conditions the U-Net, on the same true scenes, trained separately from another start, so that
the two do not share their mistakes. It is no part of the usable verdict (docs/judges.md has its
own error). Where a base has no such folder every verdict is "not measured".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch.nn.functional import normalize

from brandsmith.base.parts import check_weights, load_tokenizer, read_json, said_of
from brandsmith.base.shared_parts import owner_of
from brandsmith.core.files import sha256_of
from brandsmith.core.safe_weights import check_finite
from brandsmith.judges.clip import ClipText, Identity
from brandsmith.judges.detector import Detector
from brandsmith.judges.encoders import BATCH
from brandsmith.judges.judge import Verdict, not_measured

if TYPE_CHECKING:  # transformers takes seconds to load
    from transformers import CLIPModel

NOTE = "a pair trained apart from the one that conditions the U-Net"
FILES = ("config.json", "model.safetensors")


def pair_folder(base_folder: Path) -> Path:
    base = owner_of(base_folder)
    return base.with_name(f"{base.name}_judge")


def has_pair(base_folder: Path) -> bool:
    return all((pair_folder(base_folder) / file).is_file() for file in FILES)


class PocketPair:
    """The two towers as unit vectors (N, D). Pictures of other shapes are squeezed into the tower's square."""

    def __init__(self, folder: Path) -> None:
        self.model = _load_towers(folder)
        self.tokenizer = load_tokenizer(folder)

    @torch.inference_mode()
    def of_pictures(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        side = self.model.config.vision_config.image_size
        parts = []
        for start in range(0, len(pictures), BATCH):
            square = [_squeezed(picture, side) for picture in pictures[start : start + BATCH]]
            pixels = torch.from_numpy(np.stack(square)).permute(0, 3, 1, 2).float().div(127.5).sub(1)
            parts.append(
                normalize(
                    self.model.visual_projection(self.model.vision_model(pixel_values=pixels).pooler_output), dim=-1
                )
            )
        return torch.cat(parts).numpy()

    @torch.inference_mode()
    def of_texts(self, texts: Sequence[str]) -> np.ndarray:
        longest = self.model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt")
        pooled = self.model.text_model(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).pooler_output
        return normalize(self.model.text_projection(pooled), dim=-1).numpy()


def _load_towers(folder: Path) -> CLIPModel:
    """CLIP from a folder, its weights compared with its config.json first. Raises InvalidInput, MissingResource."""
    from transformers import CLIPConfig, CLIPModel

    with said_of(folder):
        with torch.device("meta"):
            outline = CLIPModel(CLIPConfig.from_dict(read_json(folder / "config.json")))
        check_weights(folder, outline)
        towers = CLIPModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).float().eval()
    check_finite(towers.state_dict().items(), folder)
    return towers


def _squeezed(picture: np.ndarray, side: int) -> np.ndarray:
    return (
        picture
        if picture.shape[:2] == (side, side)
        else cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    )


class _OverPair:
    """What both judges share: first in their bases, it replaces the declared weights by the folder's pair."""

    version = "2"
    place: Path | None

    def _take(self, base_folder: Path) -> None:
        self.folder = pair_folder(base_folder)
        self.place = self.folder if has_pair(base_folder) else None
        self.weights_hash = sha256_of(self.folder / "model.safetensors")[:12] if self.place else "missing"

    @cached_property
    def _encoder(self) -> PocketPair:
        return PocketPair(self.folder)

    def _missing(self, count: int) -> list[Verdict]:
        return [not_measured(f"there is no CLIP pair for judging in '{self.folder.name}'")] * count

    @property
    def _beside(self) -> dict[str, Any]:
        return {"model": self.folder.name, "scale": "cosine x 1", "note": NOTE}


class PocketClipText(_OverPair, ClipText):
    """The judge `clip_pocket`: cosine of picture and prompt, the concept's token read as the class word."""

    name = "clip_pocket"

    def __init__(self, token: str, class_word: str, base_folder: Path) -> None:
        self.token, self.class_word = token, class_word
        self._take(base_folder)


class PocketIdentity(_OverPair, Identity):
    """The judge `clip_i_pocket`: mean cosine to held-out real pictures, whole and on the crop round the mark."""

    def __init__(self, held_out: Sequence[np.ndarray], base_folder: Path, detector: Detector | None = None) -> None:
        self.name, self.held_out, self.detector = "clip_i_pocket", list(held_out), detector
        self._take(base_folder)
