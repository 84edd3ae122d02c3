"""Pocket's classifier and its card; things kept separate although their shadows touch, cut where they touch themselves,
and counted.
"""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest

from brandsmith.base.base import pocket_folder
from brandsmith.benchmark.base_card import write_card
from brandsmith.benchmark.base_figures import BaseFigures
from brandsmith.core.errors import MissingResource
from brandsmith.judges.object_boxes import as_many_as, boxes_apart, count_sure, side_by_side
from brandsmith.judges.pocket_classes import Look, PocketClasses


def scene(*boxes: tuple[int, int, int, int], shadow: bool = True, backdrop: int = 200) -> np.ndarray:
    """Red boxes on a lit backdrop, their shadows running into one another."""
    picture = np.full((128, 128, 3), backdrop, np.float32) + np.linspace(12, -12, 128)[:, None, None]
    if shadow:
        cast = np.zeros((128, 128), np.float32)
        for x0, _, x1, y1 in boxes:
            cv2.ellipse(cast, ((x0 + x1) // 2, y1), (x1 - x0, 5), 0, 0, 360, 0.3, -1)
        picture *= 1 - cv2.GaussianBlur(cast, (0, 0), 2)[..., None]
    for x0, y0, x1, y1 in boxes:
        picture[y0:y1, x0:x1] = (220, 40, 50)
    return picture.clip(0, 255).astype(np.uint8)


THREE = ((8, 50, 38, 90), (48, 50, 78, 90), (88, 50, 118, 90))


def near(found, wanted) -> bool:
    return len(found) == len(wanted) and all(
        np.abs(np.subtract(a, b)).max() <= 3 for a, b in zip(sorted(found), sorted(wanted), strict=True)
    )


def test_a_shadow_joins_nothing():
    assert near(boxes_apart(scene(*THREE)), THREE)
    assert boxes_apart(scene()) == []
    assert len(boxes_apart(scene(*THREE, backdrop=90))) == 3


def test_what_touches_is_cut_where_something_is_missing():
    assert side_by_side((0.0, 0.0, 30.0, 10.0), 3) == [
        (0.0, 0.0, 10.0, 10.0),
        (10.0, 0.0, 20.0, 10.0),
        (20.0, 0.0, 30.0, 10.0),
    ]
    touching = boxes_apart(scene((8, 50, 78, 90), (88, 50, 118, 90)))
    assert near(as_many_as(touching, 3), [(8, 50, 43, 90), (43, 50, 78, 90), (88, 50, 118, 90)])
    assert as_many_as([], 3) == [] and len(as_many_as(boxes_apart(scene(*THREE)), 2)) == 2


@pytest.mark.parametrize(
    ("boxes", "expected"), [(THREE, (3, 0)), (THREE[:2], (2, 0)), ((), (0, 0)), (((8, 50, 78, 90), THREE[2]), (2, 1))]
)
def test_a_place_whose_halves_look_like_the_thing_may_be_two(boxes, expected):
    """A box is the thing when it is about as wide as high; the wide one is too, and so are its halves."""

    def look(places):
        return [
            Look(box, {"cat": 0.99 if 0.6 < (box[2] - box[0]) / (box[3] - box[1]) < 2 else 0.0}, {}) for box in places
        ]

    assert count_sure(scene(*boxes), look, lambda one: one.words["cat"] > 0.9) == expected


def test_a_classifier_of_an_older_version_is_refused_in_one_line(tmp_path):
    for name in ("classes.json", "classes.safetensors"):
        shutil.copy(pocket_folder() / name, tmp_path / name)
    card = json.loads((tmp_path / "classes.json").read_text())
    (tmp_path / "classes.json").write_text(json.dumps(card | {"version": "1"}))
    with pytest.raises(MissingResource, match="version 1"):
        PocketClasses(tmp_path)


def test_the_card_of_a_base_without_photos_can_be_written(tmp_path):
    for name in ("classes.json", "history.txt", "check.json"):
        shutil.copy(pocket_folder() / name, tmp_path / name)
    card = json.loads((tmp_path / "classes.json").read_text())
    bare = {key: value for key, value in card.items() if not key.startswith("photo_")} | {"photo_words": []}
    (tmp_path / "classes.json").write_text(json.dumps(bare))
    write_card(tmp_path, BaseFigures(**json.loads((tmp_path / "check.json").read_text())))
    assert "photos it never saw" not in (tmp_path / "README.md").read_text()
    shutil.copy(pocket_folder() / "classes.json", tmp_path / "classes.json")
    write_card(tmp_path, BaseFigures(**json.loads((tmp_path / "check.json").read_text())))
    assert (tmp_path / "README.md").read_text() == (pocket_folder() / "README.md").read_text(), (
        "the shipped card is not what its figures say"
    )
