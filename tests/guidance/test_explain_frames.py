"""`explain --frames`: every step as a picture, each named by what it shows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from bases import build_tiny

from brandsmith.core.pictures import load_rgb
from brandsmith.guidance.explain import explain
from brandsmith.guidance.explain_frames import FRAMES, NUM_NOISED, SCALES
from brandsmith.guidance.settings import DrawSettings


@pytest.mark.slow
def test_frames_are_all_steps_all_words_and_all_scales(tmp_path):
    base, settings = build_tiny(), DrawSettings(num_steps=3, guidance_scale=1.5)
    plain = explain(base, "a red cat and a blue bowl", 4, tmp_path / "plain", settings)
    found = explain(base, "a red cat and a blue bowl", 4, tmp_path / "frames", settings, frames=True)
    assert np.array_equal(found.picture, plain.picture)
    told = json.loads((tmp_path / "frames" / FRAMES).read_text())
    assert [own["step"] for own in told["denoising"]] == [1, 2, 3] and len(told["noising"]) == NUM_NOISED
    assert [own["words"] for own in told["attention"]] == ["red cat", "blue bowl"]
    assert [len(own["files"]) for own in told["attention"]] == [3, 3] and len(told["attention"][0]["peaks"]) == 3
    assert [own["scale"] for own in told["scales"]] == list(SCALES)
    named = [own["file"] for key in ("noising", "scales") for own in told[key]]
    named += [own[kind] for own in told["denoising"] for kind in ("latents", "imagined")]
    named += [file for own in told["attention"] for file in own["files"]]
    there = {path.relative_to(tmp_path / "frames").as_posix() for path in (tmp_path / "frames" / "frames").iterdir()}
    assert set(named) == there and len(named) == len(there)

    def far(name):  # weights in another memory layout round differently
        return np.abs(load_rgb(tmp_path / "frames" / name).astype(int) - found.picture).max()

    assert far(told["denoising"][-1]["latents"]) <= 1 and far(told["noising"][0]["file"]) < 40
    assert far(told["scales"][SCALES.index(1.5)]["file"]) <= 1 < far(told["scales"][0]["file"])
