"""A refactor changes no number: what `tests/golden.py` measures is what `tests/golden.json` keeps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from golden import FILE, measure

KEPT = json.loads(FILE.read_text(encoding="utf-8"))
TOLERANCE = {"losses": {"rel": 1e-4}, "picture": {"abs": 2.0}, "row": {"abs": 2e-3}, "study": {"abs": 1e-6}}
"""Other processors round differently: losses relatively, mean colours of 255, verdicts, figures of a study."""


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return measure()


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(TOLERANCE))
def test_golden_numbers(measured, kind):
    names = [name for name in KEPT if name.startswith(f"{kind}/")]
    assert len(names) >= 2 and {n for n in measured if n.startswith(f"{kind}/")} == set(names)
    for name in names:
        assert_close(measured[name], KEPT[name], name, TOLERANCE[kind])


def assert_close(now: Any, kept: Any, where: str, tolerance: dict[str, float]) -> None:
    """Numbers within the tolerance, everything else the same."""
    if isinstance(kept, dict):
        assert now.keys() == kept.keys(), where
        for key in kept:
            assert_close(now[key], kept[key], f"{where}.{key}", tolerance)
    elif isinstance(kept, list):
        assert len(now) == len(kept), where
        for i, (one, other) in enumerate(zip(now, kept, strict=True)):
            assert_close(one, other, f"{where}[{i}]", tolerance)
    elif isinstance(kept, float):
        assert now == pytest.approx(kept, **tolerance), where
    else:
        assert now == kept, where
