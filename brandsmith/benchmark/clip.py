"""How often the CLIP pair for judging prefers a true picture's caption to a changed one: `brandsmith benchmark clip`.

The changed captions are those of `obeyed_error`: another colour, another thing. CLIP has no threshold; only the order
counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from brandsmith.benchmark.prompt_judge import changed_captions
from brandsmith.judges.judge import PromptJudge
from brandsmith.judges.obeyed import Obeyed
from brandsmith.results.statistics import wilson_interval


def clip_error(
    judge: PromptJudge, words: Obeyed, pictures: Sequence[np.ndarray], captions: Sequence[str], seed: int = 0
) -> dict[str, Any]:
    """Per kind of change: the share of pictures whose own caption scores higher, with Wilson's interval, and both
    means.
    """
    pairs: dict[str, list[tuple[float, float]]] = {"another colour": [], "another thing": []}
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        changed = changed_captions(words, caption, np.random.default_rng([seed, i]))
        own, *others = judge.score_prompted([picture] * (1 + len(changed)), [caption, *changed.values()])
        for kind, other in zip(changed, others, strict=True):
            if own.value is not None and other.value is not None:
                pairs[kind].append((own.value, other.value))
    return {kind: _shares(values) for kind, values in pairs.items()}


def _shares(values: Sequence[tuple[float, float]]) -> dict[str, Any]:
    if not values:
        return {"own above changed": None, "interval": [0.0, 1.0], "n": 0, "mean own": None, "mean changed": None}
    above = sum(own > other for own, other in values)
    own, other = np.mean(values, axis=0)
    return {
        "own above changed": round(above / len(values), 4),
        "interval": [round(v, 4) for v in wilson_interval(above, len(values))],
        "n": len(values),
        "mean own": round(float(own), 4),
        "mean changed": round(float(other), 4),
    }
