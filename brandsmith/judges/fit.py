"""`brandsmith judge fit CONCEPT`: train a concept's judges, measure them on pictures they never saw, write weights and
a card.

The card is about the files beside it: judges are measured as loaded from disk. `load_judges` gives whoever scores
pictures the whole chain for a concept; the demo concept's ships trained.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from brandsmith.concept.concept import Concept, demo_folder
from brandsmith.core.errors import InvalidConcept
from brandsmith.core.files import write_json, write_safetensors
from brandsmith.judges.correctness import VERSION as CORRECTNESS_VERSION
from brandsmith.judges.correctness import Correctness, fit_correctness, load_correctness
from brandsmith.judges.detector import MarkNet, load_detector
from brandsmith.judges.judge import Judge
from brandsmith.judges.labelled import Labelled, described_source, load_split
from brandsmith.judges.near_miss import kinds_for, make_near_miss
from brandsmith.judges.ocr import Ocr
from brandsmith.judges.train_detector import FitSettings, area_under_curve, fit_detector, measure_detector

DETECTOR_VERSION = "1"
FEWEST_MARKS = 10


def judges_folder(concept: Concept) -> Path:
    """Where a concept's trained judges live: beside the concept, never in it; the demo's ship."""
    name = "demo_judges" if concept.folder == demo_folder() else f"{concept.folder.name}-judges"
    return concept.folder.with_name(name)


def load_judges(concept: Concept, folder: Path | None = None) -> list[Judge]:
    """detector, ocr (only with an expected text) and correctness, each model loaded once. Raises MissingResource when
    not fitted.
    """
    folder = folder or judges_folder(concept)
    detector = load_detector(folder)
    spelling = [Ocr(concept.config.expected_text)] if concept.config.expected_text else []
    return [detector, *spelling, load_correctness(folder, detector)]


def fit_concept(
    concept: Concept,
    out: Path | None = None,
    settings: FitSettings | None = None,
    *,
    num_right_views: int = 700,
    num_views_per_kind: int = 80,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> dict[str, Any]:
    """Train on `detector/train`, measure on `detector/val`; returns the card. `on_step` hears the detector's (step,
    loss).
    """
    out, settings = out or judges_folder(concept), settings or FitSettings()
    training, validation = load_split(concept.folder, "train"), load_split(concept.folder, "val")
    marked = [p for p in training if p.box is not None]
    if len(marked) < FEWEST_MARKS:
        raise InvalidConcept(
            f"{len(marked)} labelled pictures with a mark in '{concept.folder / 'detector' / 'train'}'",
            hint=f"a detector needs {FEWEST_MARKS} to 150",
        )
    text, start = concept.config.expected_text, time.process_time()
    net = fit_detector(marked, [p for p in training if p.box is None], settings, expected_text=text, on_step=on_step)
    save_detector(out, net, concept.token, settings)
    seconds = {"detector": time.process_time() - start}
    fit_correctness(
        marked,
        out,
        expected_text=text,
        token=concept.token,
        seed=settings.seed,
        num_right=num_right_views,
        num_per_kind=num_views_per_kind,
    )
    seconds["correctness"] = time.process_time() - start - seconds["detector"]
    return write_card(concept, out, settings, training, validation, seconds)


def save_detector(out: Path, net: MarkNet, token: str, settings: FitSettings) -> None:
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}
    write_safetensors(out / "detector.safetensors", tensors, {"token": token})
    write_json(out / "card.json", {"detector": _detector_card(settings)})


def _detector_card(settings: FitSettings) -> dict[str, Any]:
    return {"version": DETECTOR_VERSION, "size_px": settings.size_px, "widths": list(settings.widths)}


def write_card(
    concept: Concept,
    out: Path,
    settings: FitSettings,
    training: list[Labelled],
    validation: list[Labelled],
    cpu_seconds: dict[str, float],
) -> dict[str, Any]:
    """Measure the judges in `out` and write what they can and cannot do beside them."""
    judges = {judge.name: judge for judge in load_judges(concept, out)}
    detector, correctness = judges["detector"], judges["correctness"]
    num_marked = sum(p.box is not None for p in training)
    source = described_source(concept.folder)
    seen = {"trained_on": {"marked": num_marked, "without": len(training) - num_marked, "pictures": source}}
    card: dict[str, Any] = {
        "concept": concept.token,
        "detector": _detector_card(settings)
        | seen
        | {
            "weights": detector.weights_hash,
            "parameters": _num_parameters(detector.net),
            "settings": json.loads(json.dumps(asdict(settings))),
            "fit_cpu_seconds": round(cpu_seconds["detector"], 1),
            "validation": measure_detector(detector, validation),
        },
        "correctness": seen
        | {
            "version": CORRECTNESS_VERSION,
            "weights": correctness.weights_hash,
            "parameters": _num_parameters(correctness.net),
            "fit_cpu_seconds": round(cpu_seconds["correctness"], 1),
            "validation": measure_correctness(correctness, validation, concept.config.expected_text),
        },
    }
    if "ocr" in judges:
        ocr = judges["ocr"]
        card["ocr"] = {"version": ocr.version, "weights": ocr.weights_hash, "validation": measure_ocr(ocr, validation)}
    write_json(out / "card.json", card)
    return card


def _num_parameters(net: Any) -> int:
    return sum(p.numel() for p in net.parameters())


def measure_correctness(
    judge: Correctness, pictures: list[Labelled], expected_text: str, seed: int = 0
) -> dict[str, Any]:
    """The whole chain (detector's box, then correctness) on true marks and on near misses made from them; unfound marks
    score 0.
    """
    marked = [p for p in pictures if p.box is not None]
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
    return {
        "right_accepted": float(np.mean(np.array(right) >= judge.threshold)),
        "n_right": len(right),
        "wrong_refused": {
            k: {"rate": round(float(np.mean(np.array(v) < judge.threshold)), 4), "n": len(v)} for k, v in kinds.items()
        },
        "right_wrong_auc": {k: area_under_curve(right, v) for k, v in kinds.items()},
        "reliability": reliability([*right, *every], [1] * len(right) + [0] * len(every)),
    }


def _values(judge: Judge, pictures: list[np.ndarray]) -> list[float]:
    return [0.0 if verdict.value is None else verdict.value for verdict in judge.score(pictures)]


def reliability(probabilities: list[float], truths: list[int], num_bins: int = 5) -> list[dict[str, float]]:
    """Reliability curve: per bin of stated probability, the mean stated and the true share, with n."""
    stated, true = np.array(probabilities), np.array(truths)
    which = np.minimum((stated * num_bins).astype(int), num_bins - 1)
    return [
        {
            "stated": round(float(stated[which == b].mean()), 4),
            "true": round(float(true[which == b].mean()), 4),
            "n": int((which == b).sum()),
        }
        for b in range(num_bins)
        if (which == b).any()
    ]


def measure_ocr(judge: Ocr, pictures: list[Labelled]) -> dict[str, Any]:
    """Mean similarity and exact-match rate on true marks and on each sort of wrong one (60 plain pictures: false
    reads).
    """
    plain = [p for p in pictures if p.sort == "plain"][:60]
    sorts: dict[str, dict[str, float]] = {}
    for sort in sorted({p.sort for p in pictures}):
        chosen = plain if sort == "plain" else [p for p in pictures if p.sort == sort]
        verdicts = judge.score([p.pixels for p in chosen])
        sorts[sort] = {
            "similarity": round(float(np.mean([v.value for v in verdicts])), 4),
            "exact": round(float(np.mean([v.details["exact"] for v in verdicts])), 4),
            "n": len(chosen),
        }
    return sorts
