"""Where the mark is in training pictures: masks, and boxes of labels. Both are cut and moved as the picture."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from brandsmith.concept.concept import Example
from brandsmith.concept.crops import Share, known_box
from brandsmith.core.pictures import load_alpha, load_image, picture_size
from brandsmith.methods.pixels import Cropped, views_of_image


def mask_picture(example: Example) -> Image.Image | None:
    """White where a picture counts more: its mask, else what of it is not transparent; None: nothing says."""
    return load_alpha(example.image) if example.mask is None else load_image(example.mask)


def place_weights_of(
    examples: Sequence[Example],
    images: Sequence[Cropped],
    size: tuple[int, int],
    latents: torch.Tensor,
    weight: float,
) -> torch.Tensor | None:
    """`place_weights` of the latents (N * views, C, h, w) of pictures with masks and without; None: none has one."""
    views, shape = len(latents) // len(images), latents.shape[-2:]
    found: list[torch.Tensor | None] = []
    for number, (example, cut) in enumerate(zip(examples, images, strict=True)):
        mask = mask_picture(example)
        shown = None if mask is None else views_of_mask(mask, cut, size, views, number)
        found.append(None if shown is None else place_weights(shown, shape, weight))
    if all(own is None for own in found):
        return None
    return torch.cat([torch.ones(views, 1, *shape) if own is None else own for own in found])


def place_weights(masks: torch.Tensor, latent_px: Sequence[int], weight: float) -> torch.Tensor:
    """What masks (N, 1, H, W) in [0, 1] make each place of the latents count: (N, 1, h, w), with mean 1 over a picture.

    A place under a white mask counts `weight` times as much as one under black.
    """
    covered = F.adaptive_avg_pool2d(masks, (latent_px[0], latent_px[1]))
    places = 1 + (weight - 1) * covered
    return places / places.mean(dim=(1, 2, 3), keepdim=True)


def marks_of(
    examples: Sequence[Example], images: Sequence[Cropped], size: tuple[int, int], latents: torch.Tensor
) -> torch.Tensor:
    """(N * views, 1, h, w) in [0, 1]: how much of each place of the latents (N * views, C, h, w) the mark covers, by
    the picture's mask or else its labelled box; 0 everywhere where neither is known.
    """
    views = len(latents) // len(images)
    shown = [
        views_of_mask(mark_picture(example), cut, size, views, number)
        for number, (example, cut) in enumerate(zip(examples, images, strict=True))
    ]
    return F.adaptive_avg_pool2d(torch.cat(shown), (latents.shape[-2], latents.shape[-1]))


def views_of_mask(mask: Image.Image, cut: Cropped, size: tuple[int, int], views: int, number: int) -> torch.Tensor:
    """(views, 1, height, width) in [0, 1], cut and moved as the picture itself, and in its own colour."""
    own = cut._replace(kind=replace(cut.kind, colour=0.0))
    return views_of_image(mask, own, size, views, number).mean(dim=1, keepdim=True) / 2 + 0.5


def shows_where(example: Example) -> bool:
    """Whether the place of the mark in a picture is known."""
    return example.mask is not None or known_box(_home(example), example.image) is not None


def digest_of_boxes(examples: Sequence[Example]) -> str:
    """Changes with any box that `marks_of` takes."""
    boxes = [None if example.mask else known_box(_home(example), example.image) for example in examples]
    return hashlib.sha256(repr(boxes).encode()).hexdigest()[:16]


def mark_picture(example: Example) -> Image.Image:
    """White where the mark is, in the size of the picture; black where its place is not known."""
    if example.mask is not None:
        return load_image(example.mask)
    box, shape = known_box(_home(example), example.image), picture_size(example.image)
    drawn = Image.new("RGB", shape)
    if box is not None:
        ImageDraw.Draw(drawn).rectangle(pixels_of(box, shape), fill="white")
    return drawn


def pixels_of(box: Share, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """First and last column and row of a box in a picture of (width, height)."""
    left, top, right, bottom = (round(share * side) for share, side in zip(box, (*shape, *shape), strict=True))
    return left, top, max(left, right - 1), max(top, bottom - 1)


def _home(example: Example) -> Path:
    """The concept's folder, where its labels are."""
    return example.image.parent.parent
