"""The odd one among pictures of one prompt is not the one that is shown."""

from __future__ import annotations

import cv2
import numpy as np
from fake_drawing import FakeDrawing

from brandsmith.core.pictures import save_png
from brandsmith.create.typical import most_typical_first, typical_order
from brandsmith.draw.writer import Request


def test_the_one_unlike_the_others_comes_last(tmp_path):
    requests = [Request(tmp_path / f"{seed}.png", "a cap", seed) for seed in range(5)]
    for request in requests:
        picture = np.full((64, 64, 3), 225, np.uint8)
        shift = request.seed
        cv2.ellipse(picture, (32 + shift, 34), (18, 14), 0, 0, 360, (30, 60, 200), -1)
        if request.seed == 1:
            cv2.rectangle(picture, (6, 4), (58, 20), (220, 30, 30), -1)
        save_png(request.path, picture)
    drawn = FakeDrawing(lambda prompt, seed: True).judge(None, requests)
    ordered = most_typical_first(drawn, None)
    assert ordered[-1].seed == 1 and {own.seed for own in ordered} == set(range(5))
    assert most_typical_first(drawn[:2], None) == drawn[:2], "of two none is the odd one"


def test_equal_ones_stay_in_their_order():
    assert typical_order(np.eye(3)) == [0, 1, 2]
    assert typical_order(np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])) == [1, 2, 0]
