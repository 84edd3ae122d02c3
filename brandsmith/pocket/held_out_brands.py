"""Brands that no one tuned on: other letters, colours and emblem shapes, each made from its number by the scene maker.

They are drawn on demand (the artwork is fetched, see `artwork`), never shown to pocket, and used for one thing: to see
whether settings chosen on the demo concept hold for a brand that nobody looked at.

    python -m brandsmith.pocket.held_out_brands OUT ARTWORK_FOLDER [PHOTOS_FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from brandsmith.pocket.demo import MARK, draw_demo
from brandsmith.pocket.marks import LETTERS, Mark

NUMBER = 3
_BRANDS = 0xB4A2D  # names the random stream
PATCHES = ("orange", "teal", "purple", "brown")
"""Of those colours the brand suite asks one product at most."""


def held_out_mark(number: int) -> Mark:
    """The mark of brand `number`: three to five different letters, none of the demo's word, on a patch of its own."""
    rng = np.random.default_rng([_BRANDS, number])
    letters = [letter for letter in LETTERS if letter not in MARK.text]
    text = "".join(rng.choice(letters, int(rng.integers(3, 6)), replace=False))
    patch = PATCHES[number % len(PATCHES)]
    shape = ("square", "oval", "rounded")[number % 3]
    name = f"{patch}_{text.lower()}_logo"
    return Mark(text, patch, "white", shape, int(rng.integers(1, 4)), name)


def draw_held_out_brands(folder: Path, artwork: Path, photos: Path | None = None) -> list[Path]:
    """Write the concept folders `brand-0` and on; those that are there stay."""
    folders = [folder / f"brand-{number}" for number in range(NUMBER)]
    for number, own in enumerate(folders):
        if not (own / "concept.yaml").is_file():
            draw_demo(own, artwork, photos, seed=900 + number, mark=held_out_mark(number))
    return folders


if __name__ == "__main__":
    draw_held_out_brands(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
