"""Losses are those of a loop that was written independently."""

from __future__ import annotations

import pytest
from bases import build_tiny
from lessons import write_concept
from PIL import Image

from brandsmith.benchmark.training import REFERENCES, reference_difference


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCES)
def test_losses_are_those_of_an_independent_loop(name, tmp_path):
    family, settings = REFERENCES[name]
    concept = write_concept(tmp_path / "concept")
    for number, size in enumerate(((160, 72), (72, 150))):  # buckets of three shapes
        file = concept.folder / "images" / f"{number}.png"
        Image.open(file).resize(size).save(file)
    difference = reference_difference(build_tiny(family), concept, tmp_path, settings)
    print(f"reference_max_rel_diff {name}: {difference:.2e}")
    assert difference <= 1e-5
