"""The whole way in a real browser, once; then every page at a desk and on a phone, light and dark."""

from __future__ import annotations

import re

import pytest
from PIL import Image

from brandsmith.benchmark import studio_browser
from brandsmith.benchmark.studio_browser import MOST_GIF_BYTES, film
from brandsmith.benchmark.studio_flow import measure_flow

LOOKS = ((1440, "light"), (390, "dark"))
"""The benchmark takes all four; `test_every_page.py` has the contrast of the others."""


@pytest.mark.slow
def test_upload_to_download_in_a_browser(tmp_path):
    said: list[str] = []
    bars = measure_flow(tmp_path, said.append, LOOKS)
    assert {bar.name: bar.value for bar in bars} == dict.fromkeys((bar.name for bar in bars), 0), "\n".join(said)
    assert len(bars) == 4 and all(bar.passed and bar.n > 8 for bar in bars)
    shots = tmp_path / "flow"
    for width, theme in LOOKS:
        assert len(list(shots.glob(f"*-{width}-{theme}.png"))) >= 15
    assert (shots / "way.gif").stat().st_size <= MOST_GIF_BYTES
    seen = [re.sub(r"^\d+-|\.png$", "", own.name) for own in sorted(shots.glob("[0-9][0-9]-*.png"))]
    assert seen.index("upload") < seen.index("doctor") < seen.index("previews") < seen.index("mask")
    assert seen.index("mask") < seen.index("ad") < seen.index("comparison")


def test_a_film_is_never_larger_than_a_page_bears(tmp_path, monkeypatch):
    shots = []
    for number in range(3):
        shots.append(tmp_path / f"{number}.png")
        Image.effect_noise((900, 500), 80).save(shots[-1])
    monkeypatch.setattr(studio_browser, "MOST_GIF_BYTES", 400_000)
    film(shots, tmp_path / "way.gif")
    with Image.open(tmp_path / "way.gif") as made:
        assert made.n_frames == 3 and made.width < studio_browser.GIF_PX
    assert (tmp_path / "way.gif").stat().st_size <= 400_000
