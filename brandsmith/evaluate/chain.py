"""The chain of judges that scores a concept, the same in every command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brandsmith.base.shared_parts import owner_of
from brandsmith.concept.brand_kit import has_brand_kit, load_brand_kit
from brandsmith.concept.concept import Concept
from brandsmith.core.files import sha256_of
from brandsmith.core.pictures import list_pictures, load_rgb_all
from brandsmith.core.rows import Shot
from brandsmith.evaluate.prompt_phrases import parser_for
from brandsmith.judges.background import Background
from brandsmith.judges.clip import IDENTITY_WEIGHTS, ClipText, Identity
from brandsmith.judges.colour import MarkColour, ProductColour
from brandsmith.judges.copying_of_base import CopyingOfBase
from brandsmith.judges.detector import Detector
from brandsmith.judges.fit import FittedJudges, load_judges
from brandsmith.judges.judge import Judge, score_shots
from brandsmith.judges.obeyed import Obeyed
from brandsmith.judges.pocket_classes import PocketClasses
from brandsmith.judges.pocket_clip import PocketClipText, PocketIdentity, has_pair
from brandsmith.judges.sscd import copying_judge
from brandsmith.results.kpi import kpi_of

CLASSES_FILE = "classes.safetensors"


def judges_for(
    concept: Concept,
    base_folder: Path | None = None,
    weights: Path | None = None,
    fitted: FittedJudges | None = None,
    of_base: Sequence[np.ndarray] = (),
) -> dict[str, Judge]:
    """By name: detector, ocr (with an expected text only), correctness, copying; and obeyed when `base_folder` (of the
    base that draws) holds a classifier of its world, as pocket's does. Copying is SSCD's where its weights are sealed
    (in `weights`, else where weights are kept).

    fitted: the concept's own judges; None loads them. of_base: what the untrained base draws
    (`evaluate/base_pictures.py`), which copying then knows. Raises MissingResource when there are none.
    """
    fitted = fitted or load_judges(concept)
    held_out = held_out_pictures(concept)
    training = training_pictures(concept)
    copying = copying_judge(training, held_out, weights)
    chain = [*fitted.chain, CopyingOfBase(copying, training, held_out, of_base) if len(of_base) else copying]
    if base_folder and (owner_of(base_folder) / CLASSES_FILE).is_file():
        chain.append(obeyed_judge(concept, base_folder))
    return {judge.name: judge for judge in chain}


def obeyed_judge(concept: Concept, base_folder: Path) -> Obeyed:
    """Is the prompt followed, by the classifier in a base's folder? Raises MissingResource without one."""
    return Obeyed(
        PocketClasses(base_folder), parser_for(concept.token), sha256_of(owner_of(base_folder) / CLASSES_FILE)[:12]
    )


def weighted_judges(concept: Concept, folder: Path | None = None, detector: Detector | None = None) -> dict[str, Judge]:
    """clip (CLIP-T), clip_i and dinov2 over the sealed weights in `folder`; without them every picture is "not
    measured: weights X missing".
    """
    held_out = held_out_pictures(concept)
    judges: list[Judge] = [
        ClipText(concept.token, concept.config.class_word, folder),
        *(Identity(name, weights, held_out, folder, detector) for name, weights in IDENTITY_WEIGHTS.items()),
    ]
    return {judge.name: judge for judge in judges}


def every_judge(concept: Concept, base_folder: Path | None = None, weights: Path | None = None) -> dict[str, Judge]:
    """`judges_for`, then what informs without deciding: background, CLIP on the pair for judging where there is one,
    colour where there is a brand kit, and the judges over sealed weights.
    """
    fitted, held_out = load_judges(concept), held_out_pictures(concept)
    chain = judges_for(concept, base_folder, weights, fitted)
    beside: list[Judge] = [Background(training_pictures(concept), held_out, fitted.detector)]
    if base_folder and has_pair(base_folder):
        beside += [
            PocketClipText(concept.token, concept.config.class_word, base_folder),
            PocketIdentity(held_out, base_folder, fitted.detector),
        ]
    beside += colour_judges(concept, fitted)
    return chain | {judge.name: judge for judge in beside} | weighted_judges(concept, weights, fitted.detector)


def colour_judges(concept: Concept, fitted: FittedJudges) -> list[Judge]:
    """mark_colour and product_colour, where the concept has a brand kit. Raises InvalidConfig for a wrong one."""
    if not has_brand_kit(concept.folder):
        return []
    palette, reference = load_brand_kit(concept.folder).palette, fitted.correctness.reference
    return [
        MarkColour(palette, reference, fitted.detector),
        ProductColour(palette, reference, fitted.detector),
    ]


def training_pictures(concept: Concept) -> list[np.ndarray]:
    return load_rgb_all(example.image for example in concept.examples)


def held_out_pictures(concept: Concept) -> list[np.ndarray]:
    """True pictures of the concept that no training may use: the control for copying."""
    return load_rgb_all(list_pictures(concept.folder / "held_out"))


def thesis_kpi(judges: dict[str, Judge], pictures: Sequence[np.ndarray]) -> float | None:
    """average(ocr, detector) over pictures that belong to no run; None when a half could not be measured."""
    shots = [Shot(0, "", i, "loose", 0) for i in range(len(pictures))]
    halves = [judges[name] for name in ("detector", "ocr") if name in judges]
    return kpi_of([row for judge in halves for row in score_shots(judge, shots, pictures)]).average
