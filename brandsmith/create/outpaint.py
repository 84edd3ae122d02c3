"""Outpainting: a picture on a canvas of another shape, and the scene drawn on beyond its edges.

The canvas is the smallest of that shape which holds the picture as it is. From the picture outwards it is drawn in
windows of the base's own size, each half over what is there already, so that any length can be reached (a leaderboard
is eight times as wide as high). What lies further than the feather inside the picture stays bit for bit.

A window starts from a smooth continuation of what is there, so that a plain ground stays plain. Not here: text or
marks on the canvas.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from brandsmith.base.base import Base
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.pictures import MAX_PIXELS
from brandsmith.core.seeds import generator_for
from brandsmith.create.redraw_part import Place, draw_in_places, feathered, laid_in
from brandsmith.guidance.settings import DrawSettings

MOST_ASPECT = 12.0
"""Longer side by shorter; a leaderboard of 970 x 90 has 10.8."""


@dataclass(frozen=True)
class OutpaintSettings:
    """How the scene is drawn on."""

    feather_px: int | None = None
    """How far inside the picture's open sides it goes over into what is drawn; None: one latent cell at the scale of
    drawing."""
    place: float = 0.5
    """Where the picture lies in the free space: 0 left or top, 1 right or bottom."""
    strength: float | None = None
    """The share of the run that is drawn from the continued rows; 1 starts from noise alone. None: 0.15 beside a plain
    ground, 0.3 beside any other."""

    def __post_init__(self) -> None:
        if self.feather_px is not None and not 0 <= self.feather_px <= 512:
            raise InvalidConfig(f"feather is {self.feather_px} px", hint="allowed: 0 to 512")
        if not 0 <= self.place <= 1:
            raise InvalidConfig(f"place is {self.place:g}", hint="allowed: 0 (left or top) to 1 (right or bottom)")
        if self.strength is not None and not 0 < self.strength <= 1:
            raise InvalidConfig(f"strength is {self.strength:g}", hint="allowed: above 0 to 1")


@dataclass(frozen=True)
class Outpainted:
    picture: np.ndarray
    """(H, W, 3) uint8."""
    kept: tuple[int, int, int, int]
    """(x0, y0, x1, y1): where the given picture lies."""
    feather_px: int
    """Of its open sides; further inside it is as it was, bit for bit."""


DEFAULT = OutpaintSettings()
RIM = 16
"""The share of a window, one by this, whose tone is carried on."""
THING = 6.0
"""Of 255: where opposite rims depart from their usual tones by more than that from each other, a thing touches one."""
PLAIN = 3.0
"""Of 255: a ground whose rows vary less than this along the rim is plain."""
STRENGTH_ON_PLAIN, STRENGTH_ELSEWHERE = 0.15, 0.3
"""Beside a plain ground more draws the thing of the prompt a second time (pocket: from 0.25 on)."""


def outpaint(
    base: Base,
    picture: np.ndarray,
    aspect: float,
    prompt: str,
    seed: int,
    settings: DrawSettings,
    how: OutpaintSettings = DEFAULT,
) -> Outpainted:
    """`picture` (H, W, 3) uint8 on a canvas of `aspect` (width / height), with the scene drawn on from `prompt`.

    base: loaded, its adapter on. settings: resolved; their size does not count. An aspect equal to the picture's gives
    the picture back. Raises InvalidInput as `check_outpaint` does.
    """
    canvas = check_outpaint(picture.shape[:2], aspect)
    if canvas == picture.shape[:2]:
        return Outpainted(picture, (0, 0, picture.shape[1], picture.shape[0]), 0)
    if canvas[0] == picture.shape[0]:
        return _widened(base, picture, canvas[1], prompt, seed, settings, how)
    turned = _widened(base, _turned(picture), canvas[0], prompt, seed, settings, how, upright=False)
    y0, x0, y1, x1 = turned.kept
    return Outpainted(_turned(turned.picture), (x0, y0, x1, y1), turned.feather_px)


def _turned(picture: np.ndarray) -> np.ndarray:
    """Mirrored at the diagonal: rows become columns."""
    return np.ascontiguousarray(picture.swapaxes(0, 1))


def _widened(
    base: Base,
    picture: np.ndarray,
    width: int,
    prompt: str,
    seed: int,
    settings: DrawSettings,
    how: OutpaintSettings,
    *,
    upright: bool = True,
) -> Outpainted:
    """Drawn on to the left and right. Not `upright`: the picture is turned, and its windows are turned back to be
    drawn.
    """
    height, own_width = picture.shape[:2]
    native = base.image_px if upright else base.image_px[::-1]
    scale = native[0] / height
    left = round((width - own_width) * how.place)
    first, last = round(left * scale), round((left + own_width) * scale)
    strip = _Strip(native, max(native[1], round(width * scale)), first, last)
    strip.lay(_scaled(picture, (native[0], last - first)))
    for number, places in enumerate(strip.places()):
        seeds = [generator_for(seed, number, side).initial_seed() % 2**31 for side in range(len(places))]
        given = places if upright else [_turned_place(place) for place in places]
        usual = STRENGTH_ON_PLAIN if all(place.plain for place in places) else STRENGTH_ELSEWHERE
        drawn = draw_in_places(base, given, [prompt] * len(given), seeds, settings, how.strength or usual)
        strip.take(drawn if upright else [_turned(one) for one in drawn])
    canvas = _scaled(strip.pixels[:, : max(1, round(width * scale))], (height, width)).astype(np.float32)
    whole = np.zeros((height, width, 3), np.uint8)
    whole[:, left : left + own_width] = picture
    open_sides = np.ones((height, width), bool)
    open_sides[:, left : left + own_width] = False
    feather = max(1, round(base.vae_scale / scale)) if how.feather_px is None else how.feather_px
    laid = laid_in(whole, canvas, feathered(open_sides, feather))
    return Outpainted(laid, (left, 0, left + own_width, height), feather)


def _turned_place(place: Place) -> Place:
    return Place(
        _turned(place.picture), _turned(place.mask), None if place.start is None else _turned(place.start), place.plain
    )


def _scaled(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if pixels.shape[:2] == size:
        return pixels
    way = cv2.INTER_AREA if size[0] <= pixels.shape[0] else cv2.INTER_LANCZOS4
    return cv2.resize(pixels, size[::-1], interpolation=way)


class _Strip:
    """The canvas at the base's own height, known from `first` to `last`; grows outwards by half a window a time."""

    def __init__(self, window: tuple[int, int], length: int, first: int, last: int) -> None:
        self.window, self.length, self.first, self.last = window, length, first, last
        self.pixels = np.zeros((window[0], length, 3), np.uint8)
        self._drawn: list[tuple[int, np.ndarray]] = []

    def lay(self, picture: np.ndarray) -> None:
        self.pixels[:, self.first : self.last] = picture

    def places(self) -> Iterator[list[Place]]:
        """What is to be drawn next: a window on either side, or one where it holds all that is open. `take` follows."""
        while self.first > 0 or self.last < self.length:
            starts = self._starts()
            self._drawn = [(start, self._open(start)) for start in starts]
            yield [self._place(start, mask) for start, mask in self._drawn]

    def take(self, drawn: Sequence[np.ndarray]) -> None:
        for (start, mask), values in zip(self._drawn, drawn, strict=True):
            columns = slice(start, start + self.window[1])
            self.pixels[:, columns] = laid_in(self.pixels[:, columns], values, mask.astype(np.float32))
            self.first, self.last = min(self.first, start), max(self.last, start + self.window[1])

    def _starts(self) -> list[int]:
        wide, half = self.window[1], self.window[1] // 2
        left = max(0, min(self.first, self.last - half) - half) if self.first > 0 else None
        right = min(self.length - wide, max(self.last - half, 0)) if self.last < self.length else None
        starts = dict.fromkeys(start for start in (left, right) if start is not None)
        return list(starts)

    def _open(self, start: int) -> np.ndarray:
        columns = np.arange(start, start + self.window[1])
        known = (columns >= self.first) & (columns < self.last)
        return np.repeat(~known[None], self.window[0], axis=0)

    def _place(self, start: int, mask: np.ndarray) -> Place:
        columns = slice(start, start + self.window[1])
        return Place(self.pixels[:, columns].copy(), mask, self._continued()[:, columns], self._is_plain(mask))

    def _is_plain(self, mask: np.ndarray) -> bool:
        """Whether the ground beside what is open in a window hardly varies along its rows."""
        rims = self._rims()
        open_left, open_right = mask[0, 0], mask[0, -1]
        spreads = [
            float(np.median(rim.std(1))) for rim, wanted in zip(rims, (open_left, open_right), strict=True) if wanted
        ]
        return max(spreads) < PLAIN

    def _rims(self) -> tuple[np.ndarray, np.ndarray]:
        """The outermost columns of what is known, left and right, as float32."""
        rim = max(1, min(self.window[1] // RIM, self.last - self.first))
        known = self.pixels[:, self.first : self.last].astype(np.float32)
        return known[:, :rim], known[:, -rim:]

    def _continued(self) -> np.ndarray:
        """The strip with the rows of its ground carried on."""
        left, right = (np.median(rim, axis=1) for rim in self._rims())
        carried = self.pixels.copy()
        for place, own, other in ((slice(0, self.first), left, right), (slice(self.last, None), right, left)):
            tones = cv2.GaussianBlur(ground_tones(own, other)[:, None], (1, 9), 0)
            carried[:, place] = tones.reshape(-1, 1, 3).round()
        return carried


def ground_tones(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(H, 3) float32: the ground's tone row by row, from the tones of a rim and of the opposite one (H, 3) each.

    Where both depart alike from their usual tone they are the ground (a floor and a wall run through). Elsewhere a
    thing touches one of them: where the rim then departs from what the ground is above and below, that is carried on in
    its place.
    """
    apart = np.abs((own - np.median(own, 0)) - (other - np.median(other, 0))).max(1)
    most = max(THING, 2 * float(np.median(apart)))  # a busy ground differs from itself
    agreed, rows = apart < most, np.arange(len(own))
    between = np.stack([np.interp(rows, rows[agreed], own[agreed, channel]) for channel in range(3)], 1)
    return np.where((np.abs(own - between).max(1) > most)[:, None], between, own).astype(np.float32)


def check_outpaint(size: tuple[int, int], aspect: float) -> tuple[int, int]:
    """The canvas (height, width) for a picture of `size` (height, width). Raises InvalidInput for an aspect beyond
    12:1 and for a canvas of more pixels than are read.
    """
    if not 1 / MOST_ASPECT <= aspect <= MOST_ASPECT:
        raise InvalidInput(f"the aspect is {aspect:.6g}:1", hint=f"allowed: 1:{MOST_ASPECT:g} to {MOST_ASPECT:g}:1")
    height, width = size
    canvas = max(height, round(width / aspect)), max(width, round(height * aspect))
    if canvas[0] * canvas[1] > MAX_PIXELS:
        raise InvalidInput(
            f"the canvas would be {canvas[1]} x {canvas[0]} px",
            hint=f"allowed: {MAX_PIXELS // 1_000_000} million pixels; scale the picture down first",
        )
    return canvas
