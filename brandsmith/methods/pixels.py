"""Training pictures as pixels: cut to the training shape, in one or several views."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps

from brandsmith.concept.crops import CENTRE, Crop
from brandsmith.core.pictures import load_image
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.views import PLAIN_VIEWS, ViewKind, crop_of_view, views_of


class Cropped(NamedTuple):
    """How a picture is cut, and how its views differ from it."""

    image: Path
    centering: tuple[float, float] = CENTRE
    kind: ViewKind = PLAIN_VIEWS


def load_pixels(path: Path, size: tuple[int, int], centering: tuple[float, float] = CENTRE) -> torch.Tensor:
    """(3, height, width) in [-1, 1]: upright, on white where transparent, scaled and cropped to the centre, or to where
    the mark is (`concept.crops`).
    """
    return fitted_pixels(load_image(path), size, centering)


def fitted_pixels(image: Image.Image, size: tuple[int, int], centering: tuple[float, float] = CENTRE) -> torch.Tensor:
    """`load_pixels` of an RGB picture in memory."""
    fitted = ImageOps.fit(image, (size[1], size[0]), Image.Resampling.LANCZOS, centering=centering)
    return torch.from_numpy(np.asarray(fitted).copy()).permute(2, 0, 1).float() / 127.5 - 1


def view_kind(settings: TrainSettings, crop: Crop) -> ViewKind:
    """What the views of a picture may do; one with a known box is cut where that stays inside."""
    return ViewKind(settings.mirror_views, settings.colour_views, settings.random_crop and crop.box is None)


def view_pixels(cut: Cropped, size: tuple[int, int], views: int, number: int) -> torch.Tensor:
    """(views, 3, height, width) in [-1, 1] of the picture with this number."""
    return views_of_image(load_image(cut.image), cut, size, views, number)


def views_of_image(image: Image.Image, cut: Cropped, size: tuple[int, int], views: int, number: int) -> torch.Tensor:
    """`view_pixels` of an RGB picture in memory, which is cut and moved as the file would be."""
    if not cut.kind.random_crop:
        return views_of(fitted_pixels(image, size, cut.centering), views, number, cut.kind)
    cuts = [crop_of_view(cut.centering, number, view, cut.kind) for view in range(views)]
    shown = [views_of(fitted_pixels(image, size, own), views, number, cut.kind) for own in cuts]
    return torch.stack([shown[view][view] for view in range(views)])
