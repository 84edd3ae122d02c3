"""How well a phrase finds its thing: boxes of `create/phrase_mask.py` against true boxes of fresh scenes (a tool of the
recipe; no run imports it).

    python -m brandsmith.pocket.phrase_truth ARTWORK_FOLDER [NUM]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from brandsmith.base.sources import load_base
from brandsmith.core.errors import InvalidInput
from brandsmith.create.phrase_mask import phrase_mask
from brandsmith.judges.boxes import Box
from brandsmith.pocket.artwork import Artwork
from brandsmith.pocket.scenes import KINDS, SceneMaker

SEED = 993
ASKED = ("single", "pair", "triple")


def measure_phrases(artwork: Path, num: int) -> dict[str, list[float | None]]:
    """Kind of scene → intersection over union of box and true box, one per thing of `num` scenes; None: refused."""
    base, maker = load_base("pocket"), SceneMaker(Artwork(artwork))
    found: dict[str, list[float | None]] = {}
    for kind in ASKED:
        for number in range(num):
            scene = KINDS[kind](maker, np.random.default_rng([SEED, number]), None)
            for thing in scene.things:
                phrase = f"the {thing.colour or ''} {thing.word}"
                try:
                    found.setdefault(kind, []).append(overlap(phrase_mask(base, scene.pixels, phrase), thing.box))
                except InvalidInput:
                    found[kind].append(None)
    return found


def overlap(mask: np.ndarray, box: Box) -> float:
    """Intersection over union of the box of a mask (H, W) and a box."""
    if not mask.any():
        return 0.0
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    own = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    wide, tall = min(own[2], box[2]) - max(own[0], box[0]), min(own[3], box[3]) - max(own[1], box[1])
    shared = max(0.0, float(wide)) * max(0.0, float(tall))
    areas = sum(float((one[2] - one[0]) * (one[3] - one[1])) for one in (own, box))
    return shared / (areas - shared)


if __name__ == "__main__":
    for kind, every in measure_phrases(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20).items():
        shares = [share for share in every if share is not None]
        figures = {
            "n": len(every),
            "refused": len(every) - len(shares),
            "mean": round(float(np.mean(shares)), 3),
            "median": round(float(np.median(shares)), 3),
        }
        print(kind, json.dumps(figures | {"above half": round(float(np.mean(np.array(shares) > 0.5)), 3)}), flush=True)
