"""The error of the judge `obeyed` on fresh true scenes: with and without marks, three things, things alike (a tool of
the recipe; no run imports it).

    python -m brandsmith.pocket.obeyed_truth ARTWORK_FOLDER [CLASSIFIER_FOLDER]

Each scene is also judged softened, noisy, and as good as ruined, as a small or overfitted generator's pictures are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from brandsmith.base.base import pocket_folder
from brandsmith.benchmark.prompt_judge import CaptionShares, obeyed_error
from brandsmith.evaluate.prompt_phrases import parser_for
from brandsmith.judges.augment import seen_by_another_camera
from brandsmith.judges.obeyed import Obeyed
from brandsmith.judges.pocket_classes import PocketClasses
from brandsmith.pocket.artwork import Artwork
from brandsmith.pocket.demo import TOKEN, marked_scene, plain_scene
from brandsmith.pocket.scenes import KINDS, Scene, SceneMaker

SEED = 991
NUM_MARKED, NUM_PLAIN = 110, 110


def measure_on_scenes(artwork: Path, classifier: Path) -> dict[str, dict[str, CaptionShares]]:
    """The error on marked scenes, plain ones, three things and things alike, each clean and changed in the ways of
    CHANGES.
    """
    maker = SceneMaker(Artwork(artwork))
    judge = Obeyed(PocketClasses(classifier), parser_for(TOKEN))
    sorts = {
        "marked": [marked_scene(maker, np.random.default_rng([SEED, 0, i])) for i in range(NUM_MARKED)],
        "plain": [plain_scene(maker, np.random.default_rng([SEED, 1, i])) for i in range(NUM_PLAIN)],
        "three": [KINDS["triple"](maker, np.random.default_rng([SEED, 4, i]), None) for i in range(NUM_PLAIN)],
        "alike": [KINDS["several"](maker, np.random.default_rng([SEED, 5, i]), None) for i in range(NUM_PLAIN)],
    }
    return {
        f"{sort}, {name}": _measure(judge, scenes, change)
        for sort, scenes in sorts.items()
        for name, change in CHANGES.items()
    }


def _measure(
    judge: Obeyed, scenes: list[Scene], change: Callable[[np.ndarray, int], np.ndarray]
) -> dict[str, CaptionShares]:
    return obeyed_error(
        judge, [change(scene.pixels, i) for i, scene in enumerate(scenes)], [scene.caption for scene in scenes]
    )


def _ruined(pixels: np.ndarray, number: int) -> np.ndarray:
    """Shrunk to 20 px and back, with noise: objects can hardly be recognised, and the judge should rather abstain."""
    small = cv2.resize(
        cv2.resize(pixels, (20, 20), interpolation=cv2.INTER_AREA), pixels.shape[1::-1], interpolation=cv2.INTER_CUBIC
    )
    noise = np.random.default_rng([SEED, 3, number]).normal(0, 18, small.shape)
    return (small + cv2.GaussianBlur(noise, (0, 0), 1.2)).clip(0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "clean": lambda pixels, i: pixels,
    "softened": lambda pixels, i: cv2.GaussianBlur(pixels, (0, 0), 1.5),  # pixels of 128
    "another camera": lambda pixels, i: seen_by_another_camera(pixels, np.random.default_rng([SEED, 2, i])),
    "ruined": _ruined,
}

if __name__ == "__main__":
    folders = [Path(argument) for argument in sys.argv[1:]]
    for name, error in measure_on_scenes(folders[0], folders[1] if len(folders) > 1 else pocket_folder()).items():
        print(name, json.dumps({kind: shares.as_json() for kind, shares in error.items()}))
