"""A kind of video model that Brandsmith draws with and does not train: its parts by class, and how stock diffusers'
pipeline is told what to draw.

A film is drawn by diffusers' own pipeline over the user's folder: the numbers are diffusers'. One file a kind beside
this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from diffusers import ModelMixin
from transformers import PreTrainedModel

from brandsmith.base.base import ReadConfig
from brandsmith.base.draw_defaults import DrawDefaults


@dataclass(frozen=True)
class FilmDefaults:
    """What a model draws where nobody says otherwise, as its authors or diffusers' pipeline have it."""

    frames: int
    fps: float
    size_px: tuple[int, int]
    """(height, width)."""


@dataclass(frozen=True)
class VideoKind:
    """`name` stands in recipes and never changes. Shapes: F frames."""

    name: str
    pipeline: str
    """The stock pipeline's class in diffusers."""
    denoiser_class: type[ModelMixin]
    encoder_classes: Mapping[str, type[PreTrainedModel]]
    vae_class: type[ModelMixin]
    draws: DrawDefaults
    film: Callable[[ReadConfig], FilmDefaults]
    text_width: str
    """Where the transformer's configuration says how wide the text encoder is."""
    text_length: int
    """Tokens of a prompt that are read."""
    frame_unit: Callable[[ModelMixin], int]
    """Of the VAE: F is a multiple of it, and one more."""
    size_unit: Callable[[ModelMixin, ModelMixin], int]
    """Of transformer and VAE: height and width are multiples of so many pixels."""
    frame_bytes: Callable[[ModelMixin, int], int]
    """Of the VAE and F: about what decoding holds at once for each pixel of a frame."""
    second: str = ""
    """A second transformer that a folder may have, for steps of low noise."""
    options: tuple[str, ...] = ()
    """Of `model_index.json`, which the pipeline takes."""
    told: Callable[[Any, float], Mapping[str, Any]] = lambda pipeline, fps: {}
    """What the pipeline is told beside: of it, and of the frames a second."""
