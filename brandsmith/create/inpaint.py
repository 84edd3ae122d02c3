"""Inpainting: what a mask covers is drawn anew from a prompt, at the base's own size, whatever the picture's.

A square window around the mask is cut out with some of its surroundings, scaled to the size the base draws, drawn
there, scaled back and laid in. Pixels further than the feather from the mask are the picture's own, bit for bit. Not
here: where a mask comes from (`mask_files.py`, `phrase_mask.py`), and which of several results is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from brandsmith.base.base import Base
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.create.redraw_part import Place, draw_in_places, feathered, filled, laid_in
from brandsmith.guidance.settings import DrawSettings


@dataclass(frozen=True)
class InpaintSettings:
    """How a part is drawn anew."""

    feather_px: int | None = None
    """How far outside the mask pixels go over into the picture; None: one latent cell at the scale of drawing."""
    surroundings: float = 1.2
    """Side of the window that is drawn, in longer sides of the mask: a thing is drawn as large as a base knows it, and
    what is beside it is seen."""
    strength: float = 1.0
    """The share of the run that is drawn; below 1 it starts from a smooth continuation of the surroundings."""

    repeats: int | None = None
    """How often each step of the first half is made again, so that what is drawn fits what stays (RePaint). None: three
    times with ddim and ddpm, and never with others, whose steps remember each other."""

    def __post_init__(self) -> None:
        if self.feather_px is not None and not 0 <= self.feather_px <= 512:
            raise InvalidConfig(f"feather is {self.feather_px} px", hint="allowed: 0 to 512")
        if not 1 <= self.surroundings <= 16:
            raise InvalidConfig(f"surroundings is {self.surroundings:g}", hint="allowed: 1 to 16 sides of the mask")
        if not 0 < self.strength <= 1:
            raise InvalidConfig(f"strength is {self.strength:g}", hint="allowed: above 0 to 1")
        if self.repeats is not None and not 0 <= self.repeats <= 20:
            raise InvalidConfig(f"repeats is {self.repeats}", hint="allowed: 0 to 20")

    def repeats_with(self, scheduler: str) -> int:
        """The repeats with a scheduler by name."""
        usual = USUAL_REPEATS if scheduler in ("ddim", "ddpm") else 0
        return usual if self.repeats is None else self.repeats


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture that is drawn at another size; it may reach over the picture's edges."""

    left: int
    top: int
    width: int
    height: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1)."""
        return self.left, self.top, self.left + self.width, self.top + self.height


LARGEST_ENLARGEMENT = 8


@dataclass(frozen=True)
class Inpainted:
    pictures: list[np.ndarray]
    """(H, W, 3) uint8 each."""
    feather_px: int
    """Pixels further than this from the mask are as they were, bit for bit."""


DEFAULT = InpaintSettings()
USUAL_REPEATS = 3
"""On pocket the seam is seen half as much, for 2.5 times the time (docs/editing.md)."""


def inpaint(
    base: Base,
    picture: np.ndarray,
    mask: np.ndarray,
    prompt: str,
    seeds: Sequence[int],
    settings: DrawSettings,
    how: InpaintSettings = DEFAULT,
) -> Inpainted:
    """One picture per seed: `picture` (H, W, 3) uint8 with what `mask` (H, W) bool covers drawn from `prompt`.

    settings: resolved; their size does not count. Raises InvalidInput for a mask that `check_mask` refuses.
    """
    check_mask(mask, picture.shape[:2])
    size = base.image_px
    window = window_around(mask, size, how.surroundings)
    place = cut(picture, mask, window, size)
    repeats = 0 if base.is_inpainting or mask.all() else how.repeats_with(settings.scheduler)
    drawn = []
    for start in range(0, len(seeds), settings.batch_size):
        part = list(seeds[start : start + settings.batch_size])
        num = len(part)
        drawn += draw_in_places(base, [place] * num, [prompt] * num, part, settings, how.strength, repeats)
    feather = feather_of(how, base.vae_scale, window, size)
    weight = feathered(mask, feather)
    return Inpainted([laid_in(picture, put_back(picture, one, window), weight) for one in drawn], feather)


def check_mask(mask: np.ndarray, size: tuple[int, int]) -> None:
    """Raise InvalidInput for a mask of another (height, width) than the picture's, or one that covers nothing."""
    if mask.shape != size:
        given, wanted = (f"{side[1]} x {side[0]}" for side in (mask.shape, size))
        raise InvalidInput(f"the mask is {given} px and the picture {wanted} px", hint="give a mask of the same size")
    if not mask.any():
        raise InvalidInput("the mask covers nothing", hint="white (or opaque) is what is drawn anew")


def feather_of(how: InpaintSettings, cell_px: int, window: Window, size: tuple[int, int]) -> int:
    """The feather in pixels of the picture: what was asked for, or one latent cell at the scale of drawing."""
    return how.feather_px if how.feather_px is not None else max(1, round(cell_px * window.height / size[0]))


def window_around(mask: np.ndarray, size: tuple[int, int], surroundings: float) -> Window:
    """The window that is drawn at `size` (height, width): of that shape, with the mask in its middle.

    It may reach over the picture's edges: a thing drawn beside the middle of a window would be cut by the mask. No
    smaller than an eighth of `size`; a mask of all the picture is that picture.
    """
    if mask.all():
        surroundings = 1.0
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    tall, wide = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
    scale = max(1 / LARGEST_ENLARGEMENT, surroundings * max(tall / size[0], wide / size[1]))
    height, width = round(size[0] * scale), round(size[1] * scale)
    top, left = ((places[0] + places[-1] + 1 - side) // 2 for places, side in ((rows, height), (columns, width)))
    return Window(int(left), int(top), width, height)


def cut(picture: np.ndarray, mask: np.ndarray, window: Window, size: tuple[int, int]) -> Place:
    """The window at `size`. Over the picture's edges its ground goes on, and is held to: nothing is drawn there."""
    x0, y0, x1, y1 = window.box
    height, width = mask.shape
    over = (max(0, -y0), max(0, y1 - height)), (max(0, -x0), max(0, x1 - width))
    inside = slice(max(0, y0), min(height, y1)), slice(max(0, x0), min(width, x1))
    pixels, covered = picture[inside], mask[inside]
    if any(side for pair in over for side in pair):
        ground = np.pad(filled(Place(pixels, covered)), (*over, (0, 0)), mode="edge")
        rows, columns = (slice(before, before + side) for (before, _), side in zip(over, covered.shape, strict=True))
        ground[rows, columns] = pixels
        pixels, covered = ground, np.pad(covered, over)
    if pixels.shape[:2] == size:
        return Place(pixels, covered)
    way = cv2.INTER_AREA
    if pixels.shape[0] < size[0]:
        pixels, way = filled(Place(pixels, covered)), cv2.INTER_CUBIC  # which mixes what is covered into its neighbours
    small = cv2.resize(pixels, size[::-1], interpolation=way)
    share = cv2.resize(covered.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    return Place(small, share > 0)


def put_back(picture: np.ndarray, drawn: np.ndarray, window: Window) -> np.ndarray:
    """(H, W, 3) float32 of the picture's size with `drawn` in the window; zeros elsewhere."""
    if drawn.shape[:2] != (window.height, window.width):
        way = cv2.INTER_AREA if drawn.shape[0] >= window.height else cv2.INTER_CUBIC
        drawn = cv2.resize(drawn, (window.width, window.height), interpolation=way)
    whole = np.zeros(picture.shape, np.float32)
    x0, y0, x1, y1 = window.box
    height, width = picture.shape[:2]
    rows, columns = slice(max(0, y0), min(height, y1)), slice(max(0, x0), min(width, x1))
    whole[rows, columns] = drawn[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0]
    return whole
