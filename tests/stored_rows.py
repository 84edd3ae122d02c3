"""Rows of JSON as Brandsmith stores them, valid, for tests that change them."""

from __future__ import annotations

ARM_ROW = {
    "set": "two",
    "arm": "plain",
    "case": 0,
    "try": 0,
    "prompt": "a",
    "seed": 1,
    "present": True,
    "strict": True,
    "success": True,
    "coloured": True,
    "each": [True],
    "seconds": 0.5,
    "extra_passes": 0,
}
"""Of the guidance benchmark."""
