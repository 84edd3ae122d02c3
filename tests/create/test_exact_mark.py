"""The exact mark: a garbled mark becomes the true one, at its place and in its light; what cannot be done is said."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from printed_marks import cloth, garbled, printed

import brandsmith
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.errors import InvalidInput
from brandsmith.create.drawn_outline import mask_drawn
from brandsmith.create.exact_mark import exact_mark, replace_mark
from brandsmith.create.find_drawn import Drawn, coloured_patches, find_drawn
from brandsmith.create.mark_place import fit_place, place_of
from brandsmith.create.true_mark import TrueMark, load_true_mark
from brandsmith.judges.boxes import overlap
from brandsmith.judges.detector import Detection
from brandsmith.judges.fit import FittedJudges, load_judges
from brandsmith.prepare.printing import print_on


class Blind:
    """A detector that sees nothing: the finder's own eyes are tested."""

    def detect(self, pictures):
        return [[] for _ in pictures]


@pytest.fixture(scope="module")
def demo() -> Concept:
    return load_concept("demo")


@pytest.fixture(scope="module")
def mark(demo: Concept) -> TrueMark:
    return load_true_mark(demo)


@pytest.fixture(scope="module")
def judges(demo: Concept) -> FittedJudges:
    return load_judges(demo)


@pytest.mark.slow
def test_the_finder_sees_garbled_marks_that_no_detector_sees(mark):
    wrong = printed(mark, garbled(mark))
    (found,) = find_drawn(wrong.picture, mark, Blind())
    assert found.found_by == "colour" and overlap(found.box, wrong.box) > 0.9
    assert coloured_patches(cloth(), mark) == []
    red = cloth((200, 40, 50))
    assert coloured_patches(red, mark) == []


def test_a_patch_that_is_found_twice_is_one_mark(mark):
    wrong = printed(mark, garbled(mark))

    class Sure:
        def detect(self, pictures):
            x0, y0, x1, y1 = wrong.box
            return [[Detection((x0 + 5, y0 + 3, x1 + 4, y1 + 2), 0.9)] for _ in pictures]

    (found,) = find_drawn(wrong.picture, mark, Sure())
    assert found.found_by == "detector" and found.confidence == 0.9 and overlap(found.box, wrong.box) > 0.9


@pytest.mark.parametrize("seed", range(3))
def test_the_place_is_found_to_a_third_of_a_pixel(mark, seed):
    """The fitted corners against those that the mark was printed at, without a bend."""
    rng = np.random.default_rng(seed)
    figures = np.array([64.3, 66.8, np.log(50.0), rng.normal(0, 0.05), 0.02, 0, 0.02, -0.02, np.log(0.4)])
    true = place_of(figures, mark.aspect)
    high, wide = mark.pixels.shape[:2]
    corners = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners - 0.5, (true.corners * 4 - 0.5).astype(np.float32))  # pixels' middles
    art = garbled(mark).astype(np.float32)
    art[..., :3] *= art[..., 3:] / 255
    laid = cv2.warpPerspective(cv2.GaussianBlur(art, (0, 0), 2), matrix, (512, 512))
    laid = cv2.resize(laid, (128, 128), interpolation=cv2.INTER_AREA)
    picture = (cloth() * (1 - laid[..., 3:] / 255) + laid[..., :3]).clip(0, 255).astype(np.uint8)
    (found,) = find_drawn(picture, mark, Blind())
    mask = mask_drawn(picture, found.box, mark)
    assert mask is not None
    place = fit_place(mask, mark)
    assert np.abs(place.corners - true.corners).max() < 0.6
    assert np.abs(place.corners.mean(axis=0) - true.corners.mean(axis=0)).max() < 0.15


def test_the_result_is_near_the_true_composite(mark):
    true, wrong = printed(mark, mark.pixels), printed(mark, garbled(mark))
    (found,) = find_drawn(wrong.picture, mark, Blind())
    done, laid = replace_mark(wrong.picture, found, mark)
    x0, y0, x1, y1 = (round(v) for v in true.box)
    before, after = (
        np.abs(p[y0:y1, x0:x1].astype(float) - true.picture[y0:y1, x0:x1]).mean() for p in (wrong.picture, done)
    )
    assert after < 7 and after < 0.3 * before
    assert laid.light.read_from == "patch"


def test_nothing_else_changes_and_the_same_picture_gives_the_same_pixels(mark):
    wrong = printed(mark, garbled(mark))
    given = wrong.picture.copy()
    (found,) = find_drawn(wrong.picture, mark, Blind())
    done, _ = replace_mark(wrong.picture, found, mark)
    again, _ = replace_mark(wrong.picture, found, mark)
    assert (done == again).all() and (wrong.picture == given).all()
    x0, y0, x1, y1 = found.box
    far = np.ones(done.shape[:2], bool)
    far[int(y0) - 6 : int(y1) + 7, int(x0) - 6 : int(x1) + 7] = False
    assert (done[far] == given[far]).all()


def test_a_tinted_light_stays(mark):
    """Under warm light the laid mark is warm: its letters are no whiter than the light."""
    wrong = printed(mark, garbled(mark))
    warm = (wrong.picture * [1.0, 0.9, 0.72]).astype(np.uint8)
    (found,) = find_drawn(warm, mark, Blind())
    _, laid = replace_mark(warm, found, mark)
    _, green, blue = laid.light.gain / laid.light.gain[0]
    assert green == pytest.approx(0.9, abs=0.06) and blue == pytest.approx(0.72, abs=0.08)


def test_a_mark_that_the_edge_cuts_off_is_refused(mark):
    cut = printed(mark, garbled(mark), at=(14, 70))
    with pytest.raises(InvalidInput, match="cut off by the picture's edge"):
        replace_mark(cut.picture, Drawn(cut.box, "detector", 0.9), mark)


def test_a_half_hidden_mark_is_refused(mark):
    wrong = printed(mark, garbled(mark))
    hidden = wrong.picture.copy()
    hidden[:, 60:] = cloth((230, 200, 60))[:, 60:]
    with pytest.raises(InvalidInput, match=r"hidden|told"):
        replace_mark(hidden, Drawn(wrong.box, "detector", 0.9), mark)


def test_a_ground_like_the_patch_is_refused(mark):
    red = cloth(tuple(int(v) for v in mark.colours[0]))
    picture = print_on(red, garbled(mark), (64, 70), 52, np.random.default_rng(0)).picture
    with pytest.raises(InvalidInput, match=r"told|hidden|cut off"):
        replace_mark(picture, Drawn((38.0, 58.0, 90.0, 82.0), "detector", 0.9), mark)


@pytest.mark.slow
def test_garbled_marks_become_right_and_well_spelled(mark, judges):
    wrong = printed(mark, garbled(mark))
    done = exact_mark(wrong.picture, mark, judges)
    assert not done.refused and len(done.laid) == 1 and done.is_composite
    assert done.right and done.spelled
    assert done.before["ocr"].value < 1 and done.as_json()["right"] is True


@pytest.mark.slow
def test_every_mark_of_a_picture_is_replaced(mark, judges):
    first = print_on(cloth(side=160), garbled(mark), (80, 40), 56, np.random.default_rng(1))
    both = print_on(first.picture, garbled(mark), (76, 110), 60, np.random.default_rng(2))
    done = exact_mark(both.picture, mark, judges)
    assert len(done.laid) == 2 and not done.refused and done.right and done.spelled


@pytest.mark.slow
def test_without_a_mark_the_picture_stays_and_a_sentence_says_so(mark, judges):
    done = exact_mark(cloth(), mark, judges)
    assert (done.picture == cloth()).all() and not done.is_composite
    assert done.refused == ("no mark was found in the picture: draw it again, or lay the mark in by hand",)


def test_colours_of_a_mark_are_its_own_and_not_its_edges(mark):
    assert len(mark.colours) == 2 and mark.is_patch
    assert np.abs(mark.colours[1] - 255).max() < 3 and mark.shares[0] > 0.7
    plain = replace(mark, pixels=np.full((40, 90, 4), 255, np.uint8))
    assert len(plain.colours) == 1 and plain.filled == 1.0


def wordmark() -> TrueMark:
    """Dark letters without a patch."""
    art = Image.new("RGBA", (900, 240), (20, 20, 30, 0))
    pen = ImageDraw.Draw(art)
    pen.text(
        (450, 120), "MIRVA", font=ImageFont.load_default(size=230), fill=(20, 20, 30, 255), anchor="mm", stroke_width=4
    )
    return TrueMark(np.asarray(art.crop(art.getbbox())))


def test_lettering_without_a_patch_is_replaced_too():
    """Garbled letters take up the true ones' room. Where in it a letter stood they do not tell, nor a slant."""
    mark = wordmark()
    assert not mark.is_patch and len(mark.colours) == 1
    wrong = print_on(cloth(), mark.pixels[:, ::-1].copy(), (64, 66), 70, np.random.default_rng(0), bend=0)
    done, laid = replace_mark(wrong.picture, Drawn(wrong.box, "detector", 0.9), mark)
    x0, y0, x1, y1 = wrong.box
    middle = laid.place.corners.mean(axis=0)
    assert abs(middle[0] - (x0 + x1) / 2) < 4 and abs(middle[1] - (y0 + y1) / 2) < 1
    assert laid.place.width_px == pytest.approx(x1 - x0, rel=0.06)
    ink = [float((p[int(y0) : int(y1), int(x0) : int(x1)].sum(axis=2) < 160).mean()) for p in (wrong.picture, done)]
    assert ink[1] == pytest.approx(ink[0], rel=0.25)


NEVER = ("study", "results", "report", "evaluate", "methods", "guidance", "judges", "draw", "prepare", "demo")


def test_learning_is_never_measured_on_an_exact_mark():
    """Nothing that trains, draws, judges, counts or reports imports what composes."""
    root, looked_at = Path(brandsmith.__file__).parent, 0
    for file in [
        path for part in NEVER for path in ([root / f"{part}.py"] if part == "demo" else (root / part).glob("*.py"))
    ]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                looked_at += 1
                names = (
                    [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                )
                assert not any(name.startswith("brandsmith.create") for name in names), file
    assert looked_at > 600
