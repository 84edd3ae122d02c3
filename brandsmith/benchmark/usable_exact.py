"""The usable benchmark's pictures with the true mark laid in (`create/exact_mark.py`), judged again.

They are composites: what they reach stands beside what was drawn, and never counts as learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brandsmith.benchmark.usable_figures import Marked
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import InvalidInput
from brandsmith.core.pictures import load_rgb, save_png
from brandsmith.core.rows import Shot
from brandsmith.create.exact_mark import exact_mark
from brandsmith.create.exact_mark_command import check_publishable
from brandsmith.create.true_mark import TrueMark, load_true_mark
from brandsmith.evaluate.checkpoint import judge_checkpoint
from brandsmith.judges.fit import FittedJudges, load_judges
from brandsmith.judges.judge import Judge


@dataclass(frozen=True)
class Marker:
    """What lays a concept's true mark into pictures."""

    mark: TrueMark
    judges: FittedJudges

    def marked(self, picture: np.ndarray) -> np.ndarray:
        """The picture (H, W, 3) uint8 as `create mark` would write it; as it stood where that refuses."""
        exact = exact_mark(picture, self.mark, self.judges)
        try:
            check_publishable(exact, "picture")
        except InvalidInput:
            return picture
        return exact.picture


def marker_for(concept: Concept) -> Marker:
    """Raises MissingResource for a concept without judges, or with neither brand kit nor `mark.png`."""
    return Marker(load_true_mark(concept), load_judges(concept))


def lay_marks(marker: Marker, pictures: Sequence[Path], folder: Path) -> list[Path]:
    """`pictures` with the true mark, under their names in `folder`; what is there already is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / path.name for path in pictures]
    for path, file in zip(pictures, files, strict=True):
        if not file.is_file():
            save_png(file, marker.marked(load_rgb(path)))
    return files


def judge_marked(
    marker: Marker, pictures: Sequence[Path], shots: Sequence[Shot], folder: Path, judges: Sequence[Judge]
) -> Marked:
    """Lay the marks into the pictures of `shots` and judge them again; `folder` keeps pictures and rows."""
    files = lay_marks(marker, pictures, folder)
    laid = sum(not np.array_equal(load_rgb(one), load_rgb(other)) for one, other in zip(pictures, files, strict=True))
    return Marked(judge_checkpoint(folder.with_suffix(".jsonl"), shots, files, judges), laid)
