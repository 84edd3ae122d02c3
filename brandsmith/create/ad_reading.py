"""What the OCR judge's reader reads in a finished ad: the headline and the mark."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from PIL import Image

from brandsmith.create.fonts import is_right_to_left
from brandsmith.judges.ocr import Ocr, compare

READ_AT_PX = 960
"""Longest side at which an ad is read, as on a phone; narrow strips are enlarged until they have LEAST_HEIGHT_PX."""
LEAST_HEIGHT_PX = 180


def read_ad(ad: Image.Image, headline: str, mark_text: str) -> dict[str, Any]:
    """`headline` and `mark`: {"exact", "similarity", "read"}, or {"exact": None, "reason"} where the reader knows no
    such letters or the mark carries none.
    """
    words = Ocr(headline, num_threads=1).read([at_reading_size(np.asarray(ad))])[0]
    return {
        "headline": _not_read(headline) or _compared(words, headline),
        "mark": _compared(words, mark_text) if mark_text else {"exact": None, "reason": "the mark carries no text"},
    }


def at_reading_size(ad: np.ndarray) -> np.ndarray:
    height, width = ad.shape[:2]
    scale = min(1.0, READ_AT_PX / max(height, width))
    scale = max(scale, LEAST_HEIGHT_PX / height)
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(ad, (round(width * scale), round(height * scale)), interpolation=kind)


def _compared(words: Any, expected: str) -> dict[str, Any]:
    reading = compare(words, expected)
    return {"exact": reading.exact, "similarity": round(reading.similarity, 4), "read": reading.best}


def _not_read(text: str) -> dict[str, Any] | None:
    if is_right_to_left(text) or (not text.isascii() and not _is_latin(text)):
        return {"exact": None, "reason": "the reader knows Latin letters only"}
    return None


def _is_latin(text: str) -> bool:
    return all(ord(character) < 0x250 or not character.isalpha() for character in text)
