"""Marks that are almost right, made from pictures of the right one.

A detector that has seen only the mark and its absence gives a *wrong* mark nearly the right one's confidence. The cure
is to show it wrong ones. Each kind here takes a picture and the box of its mark and returns the picture with one thing
wrong inside that box; nothing but the box (and, for lettering, the word) needs to be known, so it works on a user's own
photos.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from brandsmith.judges.boxes import Box
from brandsmith.judges.labelled import Marked

LOOK_ALIKES = {
    "A": "RH4",
    "B": "8RE",
    "C": "GO",
    "D": "OP",
    "E": "FB",
    "F": "EP",
    "G": "COQ",
    "H": "NA",
    "I": "LT",
    "J": "IU",
    "K": "XR",
    "L": "IE",
    "M": "NW",
    "N": "MH",
    "O": "QCD",
    "P": "RF",
    "Q": "OGC",
    "R": "PA",
    "S": "5Z",
    "T": "IY",
    "U": "VO",
    "V": "UY",
    "W": "VM",
    "X": "KY",
    "Y": "VT",
    "Z": "2S",
}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NUM_PARTS = 4  # a mark is cut into this many columns to swap, drop or double; about one letter of a short word


def mirrored(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return crop[:, ::-1]


def upturned(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return crop[::-1, ::-1]


def recoloured(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hue turned by at least 45 degrees; a mark without colour is inverted."""
    hsv = cv2.cvtColor(crop, cv2.COLOR_RGB2HSV)
    if hsv[..., 1].mean() < 40:
        return 255 - crop
    hsv[..., 0] = ((hsv[..., 0].astype(int) + int(rng.integers(23, 157))) % 180).astype(np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def inverted(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Patch and ink exchange their colours."""
    patch, ink = patch_and_ink(crop)
    share = ink_share(crop, patch, ink)[..., None]
    outside = _outside(np.abs(crop.astype(np.float32) - patch).max(axis=2) > 60)[..., None]
    return np.where(outside, crop, ink * (1 - share) + patch * share).round().clip(0, 255).astype(np.uint8)


def swapped(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    edges = _column_edges(crop)
    parts = [crop[:, a:b] for a, b in itertools.pairwise(edges)]
    at = int(rng.integers(1, len(parts) - 2))
    parts[at], parts[at + 1] = parts[at + 1], parts[at]
    return np.concatenate(parts, axis=1)


def dropped(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One part is gone and the rest is stretched over its place."""
    edges = _column_edges(crop)
    at = int(rng.integers(1, len(edges) - 2))
    rest = np.concatenate([crop[:, : edges[at]], crop[:, edges[at + 1] :]], axis=1)
    return _stretched(rest, crop)


def doubled(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    edges = _column_edges(crop)
    at = int(rng.integers(1, len(edges) - 2))
    return _stretched(np.concatenate([crop[:, : edges[at + 1]], crop[:, edges[at] :]], axis=1), crop)


def erased(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One part is painted over with the patch's colour."""
    wrong = crop.copy()
    edges = _column_edges(crop)
    at = int(rng.integers(1, len(edges) - 2))
    high = crop.shape[0]
    wrong[int(high * 0.1) : int(high * 0.9) + 1, edges[at] : edges[at + 1]] = patch_and_ink(crop)[0].round()
    return wrong


def struck(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A bar of ink through the mark."""
    wrong = crop.copy()
    high, wide = crop.shape[:2]
    ink = tuple(float(v) for v in patch_and_ink(crop)[1])
    thick = max(2, round(high * 0.12))
    if rng.random() < 0.5:
        y = int(high * rng.uniform(0.35, 0.65))
        cv2.line(wrong, (int(wide * 0.1), y), (int(wide * 0.9), y), ink, thick)
    else:
        x = int(wide * rng.uniform(0.25, 0.75))
        cv2.line(wrong, (x, int(high * 0.1)), (x, int(high * 0.9)), ink, thick)
    return wrong


def warped(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The inside is bent by waves that no cloth makes."""
    high, wide = crop.shape[:2]
    ys, xs = np.mgrid[0:high, 0:wide].astype(np.float32)
    inside = np.sin(np.pi * np.clip(xs / wide, 0, 1)) * np.sin(np.pi * np.clip(ys / high, 0, 1))
    size = rng.uniform(0.12, 0.2) * high
    bend_x = size * np.sin(ys / high * rng.uniform(6, 11) + rng.uniform(0, 6.3)) * inside
    bend_y = size * np.sin(xs / wide * rng.uniform(9, 16) + rng.uniform(0, 6.3)) * inside
    return cv2.remap(
        crop,
        xs + bend_x.astype(np.float32),
        ys + bend_y.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


CROP_KINDS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "mirrored": mirrored,
    "upturned": upturned,
    "recoloured": recoloured,
    "inverted": inverted,
    "swapped": swapped,
    "dropped": dropped,
    "doubled": doubled,
    "erased": erased,
    "struck": struck,
    "warped": warped,
}
LETTER_KINDS = ("misspelt", "reworded")
KINDS = (*CROP_KINDS, *LETTER_KINDS)


def kinds_for(expected_text: str, marked: Sequence[Marked] = ()) -> tuple[str, ...]:
    """Every kind that makes sense for a mark: lettering is only mangled where there is some, and a mark that is its own
    mirror image is not mirrored, for that would be the right mark called wrong.
    """
    kinds = KINDS if expected_text else tuple(CROP_KINDS)
    return tuple(kind for kind in kinds if kind not in TURNS or not _turns_into_itself(marked, TURNS[kind]))


TURNS = {"mirrored": mirrored, "upturned": upturned}
ITSELF_FROM = 0.97
"""Correlation of the mean mark with the mean turned mark. A ring with a bar 0.997; a teapot mirrored 0.73, lettering
0.51.
"""


def _turns_into_itself(
    marked: Sequence[Marked], turn: Callable[[np.ndarray, np.random.Generator], np.ndarray], side: int = 32
) -> bool:
    means = [np.zeros((side, side, 3)), np.zeros((side, side, 3))]
    for one in marked[:60]:
        x0, y0, x1, y1 = (max(0, round(v)) for v in one.box)
        crop = cv2.resize(one.pixels[y0:y1, x0:x1], (side, side), interpolation=cv2.INTER_AREA).astype(float)
        for mean, picture in zip(means, (crop, turn(crop, np.random.default_rng(0))), strict=True):
            mean += picture - picture.mean((0, 1))
    return bool(marked) and float(np.corrcoef(means[0].ravel(), means[1].ravel())[0, 1]) > ITSELF_FROM


def make_near_miss(
    picture: np.ndarray, box: Box, kind: str, rng: np.random.Generator, expected_text: str = ""
) -> np.ndarray:
    """A copy of `picture` (H, W, 3) uint8 whose mark in `box` is wrong in the way `kind` names."""
    x0, y0, x1, y1 = (round(v) for v in box)
    x0, y0 = max(0, x0), max(0, y0)
    crop = picture[y0:y1, x0:x1]
    if min(crop.shape[:2]) < 6:
        return picture.copy()
    wrong = picture.copy()
    if kind in LETTER_KINDS:
        wrong[y0:y1, x0:x1] = relettered(crop, wrong_word(kind, expected_text, rng), rng)
    else:
        wrong[y0:y1, x0:x1] = CROP_KINDS[kind](crop, rng)
    return wrong


def oval_patch(picture: np.ndarray, box: Box) -> np.ndarray:
    """A copy whose patch is the ellipse that fills its box, its lettering a tenth narrower, the ground round it grown
    over the corners.

    Not one of KINDS: it needs what lies outside the box, and the judges are measured on it without ever having been
    trained on it.
    """
    x0, y0, x1, y1 = round(box[0]), round(box[1]), round(box[2]), round(box[3])
    x0, y0 = max(0, x0), max(0, y0)
    crop = picture[y0:y1, x0:x1]
    high, wide = crop.shape[:2]
    if min(high, wide) < 6:
        return picture.copy()
    patch, ink = patch_and_ink(crop)
    share = ink_share(crop, patch, ink)
    narrow = cv2.resize(share, (max(2, round(wide * 0.9)), high), interpolation=cv2.INTER_AREA)
    left = (wide - narrow.shape[1]) // 2
    letters = np.pad(narrow, ((0, 0), (left, wide - narrow.shape[1] - left)))[..., None]
    body = patch * (1 - letters) + ink * letters
    around = np.zeros(picture.shape[:2], np.uint8)
    around[max(0, y0 - 2) : y1 + 2, max(0, x0 - 2) : x1 + 2] = 1  # two pixels more: the patch's soft edge
    wrong = cv2.inpaint(picture, around, 3, cv2.INPAINT_TELEA)
    ys, xs = np.mgrid[0:high, 0:wide] + 0.5
    from_edge = 1 - np.hypot(2 * xs / wide - 1, 2 * ys / high - 1)
    inside = np.clip(from_edge * min(high, wide) / 2 + 0.5, 0, 1)[..., None]
    wrong[y0:y1, x0:x1] = (body * inside + wrong[y0:y1, x0:x1] * (1 - inside)).round().clip(0, 255).astype(np.uint8)
    return wrong


def wrong_word(kind: str, right: str, rng: np.random.Generator) -> str:
    """`misspelt`: one edit away, or its letters in another order; `reworded`: any other letters."""
    while True:
        word = (
            _one_edit(right, rng)
            if kind == "misspelt"
            else "".join(rng.choice(list(ALPHABET), max(2, len(right) + int(rng.integers(-1, 2)))))
        )
        if word and word.casefold() != right.casefold():
            return word


def _one_edit(right: str, rng: np.random.Generator) -> str:
    at, roll = int(rng.integers(len(right))), rng.random()
    letter = right[at].upper()
    if roll < 0.55:
        allowed = LOOK_ALIKES.get(letter, ALPHABET) if rng.random() < 0.6 else ALPHABET
        return right[:at] + str(rng.choice(list(allowed))) + right[at + 1 :]
    if roll < 0.7:
        return right[:at] + right[at + 1 :]
    if roll < 0.8:
        return right[: at + 1] + right[at:]
    return "".join(rng.permutation(list(right)))


def relettered(crop: np.ndarray, word: str, rng: np.random.Generator) -> np.ndarray:
    """The crop with its ink painted out and `word` written in its place, in the same ink."""
    patch, ink = patch_and_ink(crop)
    share = ink_share(crop, patch, ink)
    rows, columns = np.nonzero(share > 0.5)
    if len(rows) < 4:
        return crop
    blank = crop * (1 - share[..., None]) + patch * share[..., None]
    blank = np.where(cv2.dilate(share, np.ones((3, 3)))[..., None] > 0.3, patch * 0.7 + blank * 0.3, blank)
    y0, y1 = np.percentile(rows, [1, 99])
    x0, x1 = np.percentile(columns, [1, 99])
    glyphs = _glyphs(word, max(4, round(x1 - x0 + 1)), max(4, round(y1 - y0 + 1)), int(rng.integers(0, 9)))
    layer: np.ndarray = np.zeros(crop.shape[:2], np.float32)
    y0, x0 = int(y0), int(x0)
    high, wide = min(glyphs.shape[0], layer.shape[0] - y0), min(glyphs.shape[1], layer.shape[1] - x0)
    layer[y0 : y0 + high, x0 : x0 + wide] = glyphs[:high, :wide]
    return (blank * (1 - layer[..., None]) + ink * layer[..., None]).round().clip(0, 255).astype(np.uint8)


def _glyphs(word: str, wide: int, high: int, stroke: int) -> np.ndarray:
    font = ImageFont.load_default(size=120)
    left, top, right, bottom = font.getbbox(word, stroke_width=stroke)
    art = Image.new("L", (int(right - left), int(bottom - top)), 0)
    ImageDraw.Draw(art).text((-left, -top), word, fill=255, font=font, stroke_width=stroke)
    return np.asarray(art.resize((wide, high), Image.Resampling.LANCZOS), np.float32) / 255


def patch_and_ink(crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two main colours of a mark's inside, RGB floats: patch (the one along its edge) and ink."""
    high, wide = crop.shape[:2]
    inner = crop[int(high * 0.12) : int(high * 0.88) + 1, int(wide * 0.06) : int(wide * 0.94) + 1].astype(np.float32)
    pixels = inner.reshape(-1, 3)
    axis = np.linalg.svd(pixels - pixels.mean(0), full_matrices=False)[2][0]
    along = pixels @ axis
    middle = (np.percentile(along, 5) + np.percentile(along, 95)) / 2
    above = along > middle
    if above.all() or not above.any():
        return pixels.mean(0), pixels.mean(0)
    colours = np.median(pixels[~above], axis=0), np.median(pixels[above], axis=0)
    edge = np.concatenate([inner[0], inner[-1], inner[:, 0], inner[:, -1]]) @ axis
    return (colours[1], colours[0]) if (edge > middle).mean() > 0.5 else colours


def ink_share(crop: np.ndarray, patch: np.ndarray, ink: np.ndarray) -> np.ndarray:
    """How much of each pixel (H, W) in [0, 1] is ink: its place on the line from patch to ink.

    What shows round a patch's corners is no ink, whatever its colour.
    """
    line = ink - patch
    share = np.clip((crop.astype(np.float32) - patch) @ line / max(float(line @ line), 1.0), 0, 1)
    return share * ~_outside(share > 0.3)


def _outside(unlike_patch: np.ndarray) -> np.ndarray:
    """The connected regions that hold a corner of the crop."""
    _, regions = cv2.connectedComponents(unlike_patch.astype(np.uint8), connectivity=4)
    corners = {int(v) for v in regions[[0, 0, -1, -1], [0, -1, 0, -1]]} - {0}
    return np.isin(regions, list(corners))


def _column_edges(crop: np.ndarray) -> list[int]:
    """Left margin, equal parts of the ink's extent, right margin: the edges between them, as columns."""
    share = ink_share(crop, *patch_and_ink(crop))
    wide = crop.shape[1]
    inked = np.nonzero((share > 0.5).mean(axis=0)[int(wide * 0.05) : int(wide * 0.95)] > 0.15)[0]
    left, right = (
        (inked[0] + int(wide * 0.05), inked[-1] + 1 + int(wide * 0.05))
        if len(inked) > wide * 0.3
        else (int(wide * 0.1), int(wide * 0.9))
    )
    return [0, *np.linspace(left, right, _NUM_PARTS + 1).round().astype(int).tolist(), wide]


def _stretched(art: np.ndarray, like: np.ndarray) -> np.ndarray:
    return cv2.resize(art, (like.shape[1], like.shape[0]), interpolation=cv2.INTER_LINEAR)
