"""The way through the studio as a film."""

from __future__ import annotations

from PIL import Image

from brandsmith.benchmark import studio_flow
from brandsmith.benchmark.studio_flow import film


def test_a_film_is_never_larger_than_a_page_bears(tmp_path, monkeypatch):
    shots = []
    for number in range(3):
        shots.append(tmp_path / f"{number}.png")
        Image.effect_noise((900, 500), 80).save(shots[-1])
    monkeypatch.setattr(studio_flow, "MOST_GIF_BYTES", 400_000)
    film(shots, tmp_path / "way.gif")
    with Image.open(tmp_path / "way.gif") as made:
        assert made.n_frames == 3 and made.width < studio_flow.GIF_PX
    assert (tmp_path / "way.gif").stat().st_size <= 400_000
