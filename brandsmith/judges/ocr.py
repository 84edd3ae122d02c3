"""Is it spelled right? RapidOCR reads the picture, rapidfuzz compares what it read with what was expected.

The reader's models travel in its wheel; nothing is downloaded. It reads letter by letter and does not correct words,
which is what a spelling judge needs. Pictures are small, so they are enlarged first: at 128 px, twice reads as well as
three or four times (1.00 on 80 true pictures; 0.54 against 0.53 on 60 softened by an early autoencoder) and costs less.
Text that cannot be found scores 0; None is kept for what could not be measured.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rapidfuzz.distance import Levenshtein

from brandsmith.judges.boxes import Box, as_box
from brandsmith.judges.judge import Verdict, check_pictures, not_measured

READ_AT_PX = 256
"""Pictures smaller than this are enlarged about this far."""


@dataclass(frozen=True)
class Word:
    text: str
    box: Box
    """In pixels of the picture as given."""
    confidence: float


@dataclass(frozen=True)
class Reading:
    """How well the words of a picture spell the expected text."""

    similarity: float
    """1 - edit distance / longer length, of the best run of whole words; 0 when nothing was read."""
    exact: bool
    """Letter for letter, ignoring case, spaces and Unicode form."""
    best: str
    box: Box | None
    stray: tuple[str, ...]
    """Other readable words (two letters and more)."""


class Ocr:
    """The judge `ocr`: similarity of what is read to the expected text."""

    name = "ocr"
    version = "2"

    def __init__(self, expected_text: str, *, num_threads: int | None = None) -> None:
        self.expected_text = expected_text
        self.num_threads = num_threads or max(
            1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
        )
        self._thread = threading.local()

    @property
    def weights_hash(self) -> str:
        return _weights_hash()

    def score(self, pictures: Sequence[np.ndarray]) -> list[Verdict]:
        check_pictures(pictures)
        if not self.expected_text:
            return [not_measured("the concept declares no expected_text")] * len(pictures)
        return [self._verdict(words) for words in self.read(pictures)]

    def _verdict(self, words: list[Word]) -> Verdict:
        reading = compare(words, self.expected_text)
        details: dict[str, Any] = {
            "read": [w.text for w in words],
            "exact": reading.exact,
            "stray": list(reading.stray),
        }
        if reading.box:
            details |= {"best": reading.best, "box": [round(v, 1) for v in reading.box]}
        return Verdict(round(reading.similarity, 6), details=details)

    def read(self, pictures: Sequence[np.ndarray]) -> list[list[Word]]:
        """The words of each picture in reading order."""
        if self.num_threads == 1 or len(pictures) < 2:
            return [self._read_one(p) for p in pictures]
        with ThreadPoolExecutor(self.num_threads) as pool:
            return list(pool.map(self._read_one, pictures))

    def _read_one(self, picture: np.ndarray) -> list[Word]:
        scale = _enlargement(picture.shape[:2])
        large = picture if scale == 1 else cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        output = self._engine()(np.ascontiguousarray(large[..., ::-1]))  # the reader takes BGR
        if not output.txts:
            return []
        words = []
        for text, corners, confidence in zip(output.txts, output.boxes, output.scores, strict=True):
            if text.strip():
                low, high = np.min(corners, axis=0) / scale, np.max(corners, axis=0) / scale
                words.append(Word(text.strip(), as_box((*low, *high)), float(confidence)))
        return in_reading_order(words)

    def _engine(self) -> Any:
        """One reader per thread: each runs on one core and keeps no state that another could disturb."""
        if not hasattr(self._thread, "engine"):
            self._thread.engine = _build_engine()
        return self._thread.engine


def _build_engine() -> Any:
    from rapidocr import RapidOCR  # imported late: it loads onnxruntime

    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    one_core = {"EngineConfig.onnxruntime.intra_op_num_threads": 1, "EngineConfig.onnxruntime.inter_op_num_threads": 1}
    size = {"Det.limit_side_len": 224, "Det.limit_type": "min"}  # its own 736 would enlarge once more, for nothing
    upright = {"Global.use_cls": False}  # a mark on its head is a wrong mark
    return RapidOCR(params={"Global.log_level": "error", **one_core, **size, **upright})


def _enlargement(shape: tuple[int, int]) -> int:
    return max(1, round(READ_AT_PX / max(shape)))


@lru_cache(maxsize=1)
def _weights_hash() -> str:
    """Hash of the reader's two models in the installed wheel."""
    import rapidocr

    digest = hashlib.sha256()
    for model in sorted((Path(rapidocr.__file__).parent / "models").glob("*.onnx")):
        if "_cls_" not in model.name:
            digest.update(model.read_bytes())
    return digest.hexdigest()[:12]


def in_reading_order(words: list[Word]) -> list[Word]:
    """Lines from top to bottom, words of a line from left to right. Words share a line when their middles are near."""
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda w: w.box[1] + w.box[3]):
        middle, height = (word.box[1] + word.box[3]) / 2, word.box[3] - word.box[1]
        last = lines[-1][-1] if lines else None
        if last and abs(middle - (last.box[1] + last.box[3]) / 2) < 0.5 * min(height, last.box[3] - last.box[1]):
            lines[-1].append(word)
        else:
            lines.append([word])
    return [word for line in lines for word in sorted(line, key=lambda w: w.box[0])]


def compare(words: Sequence[Word], expected: str) -> Reading:
    """The run of whole words that spells `expected` best.

    Whole words, not any substring: QQOGA contains QOGA and is still wrong. Spaces do not count, so a mark of two words
    is found whether the reader joins or parts it.
    """
    wanted = normalised(expected)
    pieces = [(normalised(part), word) for word in words for part in word.text.split() if normalised(part)]
    best: tuple[float, int, int] = (0.0, 0, 0)
    longest_run = max(3, len(expected.split()) + 1)
    for start in range(len(pieces)):
        for end in range(start + 1, min(start + longest_run, len(pieces)) + 1):
            similarity = Levenshtein.normalized_similarity(wanted, "".join(text for text, _ in pieces[start:end]))
            if similarity > best[0]:
                best = (similarity, start, end)
    similarity, start, end = best
    used = [word for _, word in pieces[start:end]]
    stray = tuple(text for i, (text, _) in enumerate(pieces) if not start <= i < end and len(text) >= 2)
    text = "".join(text for text, _ in pieces[start:end])
    return Reading(similarity, similarity == 1.0, text, _hull(used), stray)


def normalised(text: str) -> str:
    """Compatibility form, case folded, without spaces."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _hull(words: Sequence[Word]) -> Box | None:
    if not words:
        return None
    corners = np.array([w.box for w in words])
    return as_box((*corners[:, :2].min(axis=0), *corners[:, 2:].max(axis=0)))
