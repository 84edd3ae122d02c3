"""How good a concept's judges are, measured on labelled pictures that they never saw: the figures of their card.

Each sort of picture is measured separately and every figure stands beside its n.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from brandsmith.judges.boxes import Box, overlap
from brandsmith.judges.correctness import Correctness
from brandsmith.judges.detector import Detection
from brandsmith.judges.judge import Judge
from brandsmith.judges.labelled import Labelled, with_mark
from brandsmith.judges.near_miss import kinds_for, make_near_miss
from brandsmith.judges.ocr import Ocr

NUM_PLAIN_READ = 60
"""Plain pictures that the OCR judge is measured on: each costs a second, and false reads are rare."""


# ----------------------------------------------------------------------------- detector


class MarkFinder(Protocol):
    """Our detector, or another program's detections read back from a file."""

    def detect(self, pictures: Sequence[np.ndarray]) -> list[list[Detection]]:
        """Detections of each picture, most confident first."""
        ...


@dataclass(frozen=True)
class MeanOf:
    mean: float | None
    """None: of nothing."""
    n: int


@dataclass(frozen=True)
class DetectorFigures:
    """`ap50` and `false_alarm_rate` are over marked, plain and other brands' pictures; near misses, which a detector
    need not distinguish, enter `ap50_with_near_misses`.
    """

    recall: float | None
    ap50: float
    ap50_with_near_misses: float
    mean_iou: float | None
    confidence_on_marks: float | None
    n_marks: int
    false_alarm_rate: float | None
    n_free: int
    confidence_without: Mapping[str, MeanOf]
    """By sort of picture without the mark."""
    right_wrong_auc: Mapping[str, float]
    """By sort of labelled near miss: how often a right mark scores above it."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure_detector(detector: MarkFinder, pictures: Sequence[Labelled]) -> DetectorFigures:
    """Recall and AP50, false alarms, and confidence on each sort of picture without the mark."""
    found = detector.detect([p.pixels for p in pictures])
    best = [d[0].confidence if d else 0.0 for d in found]
    truths = [p.box for p in pictures]
    marked = [i for i, box in enumerate(truths) if box is not None]
    quality = [_overlap_of_best(found[i], truths[i]) for i in marked]
    hits = [best[i] >= 0.5 and q >= 0.5 for i, q in zip(marked, quality, strict=True)]
    free = [i for i, p in enumerate(pictures) if p.sort in ("plain", "other")]
    clear = sorted({*marked, *free})
    by_sort = {s: [b for b, p in zip(best, pictures, strict=True) if p.sort == s] for s in _sorts_without(pictures)}
    on_marks = [best[i] for i in marked]
    return DetectorFigures(
        recall=_mean(hits),
        ap50=average_precision([found[i] for i in clear], [truths[i] for i in clear]),
        ap50_with_near_misses=average_precision(found, truths),
        mean_iou=_mean(quality),
        confidence_on_marks=_mean(on_marks),
        n_marks=len(marked),
        false_alarm_rate=_mean([best[i] >= 0.5 for i in free]),
        n_free=len(free),
        confidence_without={sort: MeanOf(_mean(values), len(values)) for sort, values in by_sort.items()},
        right_wrong_auc={s: area_under_curve(on_marks, v) for s, v in by_sort.items() if s.startswith("near-")},
    )


def _sorts_without(pictures: Sequence[Labelled]) -> list[str]:
    return sorted({p.sort for p in pictures} - {"mark"})


def _overlap_of_best(found: Sequence[Detection], truth: Box | None) -> float:
    return overlap(found[0].box, truth) if found and truth is not None else 0.0


def average_precision(
    found: Sequence[Sequence[Detection]], truths: Sequence[Box | None], at_overlap: float = 0.5
) -> float:
    """Area under the precision-recall curve over all detections of all pictures, one true box per picture at most."""
    ranked = sorted(((d.confidence, i, d.box) for i, ds in enumerate(found) for d in ds), key=lambda r: -r[0])
    wanted = sum(t is not None for t in truths)
    taken: set[int] = set()
    right = []
    for _, i, box in ranked:
        truth = truths[i]
        hit = truth is not None and i not in taken and overlap(box, truth) >= at_overlap
        taken |= {i} if hit else set()
        right.append(hit)
    if not right or not wanted:
        return 0.0
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return round(float(np.sum(envelope * right) / wanted), 4)


def area_under_curve(right: Sequence[float], wrong: Sequence[float]) -> float:
    """How often a right mark scores above a wrong one (ties count half)."""
    a, b = np.asarray(right)[:, None], np.asarray(wrong)[None]
    return round(float((a > b).mean() + 0.5 * (a == b).mean()), 4)


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if len(values) else None


# ----------------------------------------------------------------------------- correctness


@dataclass(frozen=True)
class RateOf:
    rate: float
    n: int


@dataclass(frozen=True)
class ReliabilityBin:
    """Of the pictures in one bin of stated probability: the mean stated and the true share."""

    stated: float
    true: float
    n: int


@dataclass(frozen=True)
class CorrectnessFigures:
    right_accepted: float
    n_right: int
    wrong_refused: Mapping[str, RateOf]
    """By kind: `made-…` were made from the very same marks, the others are labelled pictures."""
    right_wrong_auc: Mapping[str, float]
    reliability: Sequence[ReliabilityBin]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure_correctness(
    judge: Correctness, pictures: Sequence[Labelled], expected_text: str, seed: int = 0
) -> CorrectnessFigures:
    """The whole chain (detector's box, then correctness) on true marks and on near misses made from them; unfound marks
    score 0.
    """
    marked = with_mark(pictures)
    right = _values(judge, [p.pixels for p in marked])
    kinds: dict[str, list[float]] = {}
    for kind in kinds_for(expected_text, marked):
        made = [
            make_near_miss(p.pixels, p.box, kind, np.random.default_rng([seed, i]), expected_text)
            for i, p in enumerate(marked)
        ]
        kinds[f"made-{kind}"] = _values(judge, made)
    for sort in sorted({p.sort for p in pictures if p.sort.startswith("near-") or p.sort == "other"}):
        kinds[sort] = _values(judge, [p.pixels for p in pictures if p.sort == sort])
    every = [v for values in kinds.values() for v in values]
    return CorrectnessFigures(
        right_accepted=float(np.mean(np.array(right) >= judge.threshold)),
        n_right=len(right),
        wrong_refused={
            k: RateOf(round(float(np.mean(np.array(v) < judge.threshold)), 4), len(v)) for k, v in kinds.items()
        },
        right_wrong_auc={k: area_under_curve(right, v) for k, v in kinds.items()},
        reliability=reliability([*right, *every], [1] * len(right) + [0] * len(every)),
    )


def _values(judge: Judge, pictures: Sequence[np.ndarray]) -> list[float]:
    return [0.0 if verdict.value is None else verdict.value for verdict in judge.score(pictures)]


def reliability(probabilities: Sequence[float], truths: Sequence[int], num_bins: int = 5) -> list[ReliabilityBin]:
    """Reliability curve over equal bins of stated probability; empty bins are left out."""
    stated, true = np.array(probabilities), np.array(truths)
    which = np.minimum((stated * num_bins).astype(int), num_bins - 1)
    return [
        ReliabilityBin(
            stated=round(float(stated[which == b].mean()), 4),
            true=round(float(true[which == b].mean()), 4),
            n=int((which == b).sum()),
        )
        for b in range(num_bins)
        if (which == b).any()
    ]


# ----------------------------------------------------------------------------- OCR


@dataclass(frozen=True)
class OcrFigures:
    similarity: float
    exact: float
    """Share of pictures read letter for letter."""
    n: int


def measure_ocr(judge: Ocr, pictures: Sequence[Labelled]) -> dict[str, OcrFigures]:
    """By sort of picture: mean similarity and exact-match rate on true marks and on wrong ones; on plain pictures these
    are false reads.
    """
    sorts = {sort: [p for p in pictures if p.sort == sort] for sort in sorted({p.sort for p in pictures})}
    if "plain" in sorts:
        sorts["plain"] = sorts["plain"][:NUM_PLAIN_READ]
    return {sort: _read_as(judge, chosen) for sort, chosen in sorts.items()}


def _read_as(judge: Ocr, pictures: Sequence[Labelled]) -> OcrFigures:
    verdicts = judge.score([p.pixels for p in pictures])
    return OcrFigures(
        similarity=round(float(np.mean([v.value for v in verdicts if v.value is not None])), 4),
        exact=round(float(np.mean([v.details["exact"] for v in verdicts])), 4),
        n=len(pictures),
    )
