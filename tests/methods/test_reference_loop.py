"""Losses are those of a loop that was written independently."""

from __future__ import annotations

import pytest
from bases import build_tiny
from lessons import write_concept

from brandsmith.benchmark.training import REFERENCE_FAMILIES, reference_difference


@pytest.mark.slow
@pytest.mark.parametrize("family", REFERENCE_FAMILIES)
def test_losses_are_those_of_an_independent_loop(family, tmp_path):
    difference = reference_difference(build_tiny(family), write_concept(tmp_path / "concept"), tmp_path)
    print(f"reference_max_rel_diff {family}: {difference:.2e}")
    assert difference <= 1e-5
