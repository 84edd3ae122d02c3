"""What the OCR judge's reader reads in a finished ad: the headline and the mark, each in its own place.

The whole ad is read as a phone shows it; a reader that goes through lines from left to right would mix the headline's
words with those on a product beside it, so only words inside a text's own box count for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from brandsmith.create.ad_compose import ComposedAd
from brandsmith.create.fonts import is_right_to_left
from brandsmith.judges.boxes import Box
from brandsmith.judges.ocr import Ocr, Word, compare

READ_AT_PX = 960
"""Longest side at which an ad is read, as on a phone; narrow strips are enlarged until they have LEAST_HEIGHT_PX."""
LEAST_HEIGHT_PX = 180
LATIN_BELOW = 0x250
"""Code point: Latin and its extensions."""


def read_ad(ad: ComposedAd, picture: np.ndarray, mark_text: str) -> dict[str, Any]:
    """`headline` and `mark`: {"exact", "similarity", "read"}, or {"exact": None, "reason"} where the reader knows no
    such letters or the mark carries none.
    """
    headline = next(live.placed for live in ad.texts if live.name == "headline")
    text = " ".join(headline.block.lines)
    scale = reading_scale(ad.format.width, ad.format.height)
    words = Ocr(text, num_threads=1).read([scaled(picture, scale)])[0]
    return {
        "headline": _not_read(text) or _compared(_inside(words, headline.box, scale), text),
        "mark": _not_read(mark_text) or _compared(_inside(words, ad.slots.mark_clear, scale), mark_text),
    }


def reading_scale(width: int, height: int) -> float:
    return max(min(1.0, READ_AT_PX / max(height, width)), LEAST_HEIGHT_PX / height)


def scaled(picture: np.ndarray, scale: float) -> np.ndarray:
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _inside(words: Sequence[Word], box: Box, scale: float) -> list[Word]:
    """Words whose middle is in a box of the ad."""
    x0, y0, x1, y1 = (scale * value for value in box)
    return [
        word
        for word in words
        if x0 <= (word.box[0] + word.box[2]) / 2 <= x1 and y0 <= (word.box[1] + word.box[3]) / 2 <= y1
    ]


def _compared(words: Sequence[Word], expected: str) -> dict[str, Any]:
    reading = compare(words, expected)
    return {"exact": reading.exact, "similarity": round(reading.similarity, 4), "read": reading.best}


def _not_read(text: str) -> dict[str, Any] | None:
    if not text:
        return {"exact": None, "reason": "it carries no text"}
    if is_right_to_left(text) or any(ord(one) >= LATIN_BELOW and one.isalpha() for one in text):
        return {"exact": None, "reason": "the reader knows Latin letters only"}
    return None
