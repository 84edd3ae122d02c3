"""Verdicts that lie beside their picture: `x.png`, and in `x.jsonl` one row per judge; nothing is judged twice.

Not here: albums with verdicts in a folder of their own (`album_scores.py`), and what makes a picture usable
(`results/usable.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from brandsmith.base.sources import resolve_base
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import write_text
from brandsmith.core.pictures import load_rgb_all
from brandsmith.core.rows import Row, Shot, read_score_rows
from brandsmith.draw.recipe import read_recipe
from brandsmith.draw.source import Source
from brandsmith.evaluate.chain import judges_for
from brandsmith.judges.judge import Judge, judge_id, score_shots
from brandsmith.results.usable import Usable, usable_as_asked

Asked = tuple[Path, str, int]
"""(picture, prompt, seed)"""


@dataclass(frozen=True)
class DrawnJudges:
    """The judges of a concept for pictures of one base. Made by `drawn_judges`."""

    concept: Concept
    judges: Mapping[str, Judge]

    def verdicts(self, pictures: Sequence[Path]) -> dict[Path, Usable]:
        """Of pictures that carry a recipe: judged, written beside them, decided. Raises InvalidInput without one."""
        asked = [(picture, *_prompt_and_seed(picture)) for picture in pictures]
        rows = judge_beside(asked, self.judges)
        token = self.concept.token
        return {own[0]: usable_as_asked(found, own[1], token) for own, found in zip(asked, rows, strict=True)}


def drawn_judges(concept: str, source: Source) -> DrawnJudges:
    """Raises MissingResource for a concept without fitted judges; loads no weights of the base."""
    loaded = load_concept(concept)
    return DrawnJudges(loaded, judges_for(loaded, resolve_base(source.base)))


def _prompt_and_seed(picture: Path) -> tuple[str, int]:
    recipe = read_recipe(picture)
    if recipe is None:
        raise InvalidInput(f"'{picture}' carries no recipe", hint="give pictures that Brandsmith drew")
    return recipe.prompt, recipe.seed


def rows_file(picture: Path) -> Path:
    return picture.with_suffix(".jsonl")


def judge_beside(pictures: Sequence[Asked], judges: Mapping[str, Judge]) -> list[list[Row]]:
    """The rows of every picture, in the order given; a picture is judged once by the same judges."""
    known = {asked: _known_rows(asked[0], judges) for asked in pictures}
    missing = [asked for asked in pictures if not known[asked]]
    known |= dict(zip(missing, _judged(missing, judges), strict=True))
    return [known[asked] for asked in pictures]


def _known_rows(picture: Path, judges: Mapping[str, Judge]) -> list[Row]:
    """The rows beside a picture; none where these judges did not give them."""
    rows = read_score_rows(rows_file(picture))
    given = [(row.judge, row.weights) for row in rows]
    return rows if given == [(judge_id(judge), judge.weights_hash) for judge in judges.values()] else []


def _judged(pictures: Sequence[Asked], judges: Mapping[str, Judge]) -> list[list[Row]]:
    if not pictures:
        return []
    arrays = load_rgb_all([path for path, _, _ in pictures])
    shots = [Shot(0, prompt, seed, "", 0) for _, prompt, seed in pictures]
    by_judge = [score_shots(judge, shots, arrays) for judge in judges.values()]
    by_picture = [list(rows) for rows in zip(*by_judge, strict=True)]
    for (path, _, _), rows in zip(pictures, by_picture, strict=True):
        write_text(rows_file(path), "".join(json.dumps(row.as_json(), ensure_ascii=False) + "\n" for row in rows))
    return by_picture
