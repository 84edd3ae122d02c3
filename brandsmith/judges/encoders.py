"""CLIP and DINOv2 over transformers, from sealed folders only: pictures and texts as unit vectors.

Loading is late: importing this costs nothing, and nothing is ever downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import normalize

from brandsmith.base.hardware import choose_device
from brandsmith.base.parts import said_of
from brandsmith.core.safe_weights import check_finite

BATCH = 16
_VERIFY = "delete the folder and fetch it again: brandsmith judge weights fetch"


class PictureEncoder(Protocol):
    """Pictures, of any sizes, as unit vectors (N, D)."""

    def of_pictures(self, pictures: Sequence[np.ndarray]) -> np.ndarray: ...


class PairEncoder(PictureEncoder, Protocol):
    """Pictures and texts as unit vectors (N, D) of one space."""

    def of_texts(self, texts: Sequence[str]) -> np.ndarray: ...


class ImageEncoder:
    """Unit vectors (N, D) of pictures. DINOv2: its class token (`pooler_output`); CLIP: the projected image
    embedding.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoConfig, AutoImageProcessor, AutoModel

        with said_of(folder, _VERIFY):
            self.kind = AutoConfig.from_pretrained(folder, local_files_only=True).model_type
            self.model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
            self.prepare = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        check_finite(self.model.state_dict().items(), folder)
        self.device = choose_device()
        self.model.to(self.device)

    @torch.inference_mode()
    def of_pictures(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        parts = []
        for start in range(0, len(pictures), BATCH):
            images = [Image.fromarray(p) for p in pictures[start : start + BATCH]]
            pixels = self.prepare(images=images, return_tensors="pt")["pixel_values"].to(self.device)
            parts.append(normalize(self._vectors(pixels).float(), dim=-1))
        return torch.cat(parts).cpu().numpy()

    def _vectors(self, pixels: torch.Tensor) -> torch.Tensor:
        if self.kind != "clip":
            return self.model(pixel_values=pixels).pooler_output
        return self.model.visual_projection(self.model.vision_model(pixel_values=pixels).pooler_output)


class ClipEncoder(ImageEncoder):
    """CLIP's two towers."""

    def __init__(self, folder: Path) -> None:
        from transformers import CLIPTokenizer

        super().__init__(folder)
        with said_of(folder, _VERIFY):
            self.tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)

    @torch.inference_mode()
    def of_texts(self, texts: Sequence[str]) -> np.ndarray:
        tokens = self.tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self.model.config.text_config.max_position_embeddings,
            return_tensors="pt",
        ).to(self.device)
        pooled = self.model.text_model(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).pooler_output
        return normalize(self.model.text_projection(pooled).float(), dim=-1).cpu().numpy()
