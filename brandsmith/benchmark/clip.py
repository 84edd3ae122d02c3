"""How often the CLIP pair for judging prefers a true picture's caption to a changed one: `brandsmith benchmark clip`.

The changed captions are those of `obeyed_error`: another colour, another thing. CLIP has no threshold; only the order
counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brandsmith.benchmark.prompt_judge import changed_captions
from brandsmith.judges.judge import PromptJudge
from brandsmith.judges.obeyed import Obeyed
from brandsmith.results.statistics import wilson_interval


@dataclass(frozen=True)
class CaptionPreference:
    """How a picture's own caption scores beside a changed one; None without pictures."""

    own_above: float | None
    """Share of pictures whose own caption scores higher."""
    interval: tuple[float, float]
    """Wilson's 95 % interval of that share."""
    n: int
    mean_own: float | None
    mean_changed: float | None

    def as_json(self) -> dict[str, Any]:
        return {
            "own above changed": self.own_above,
            "interval": list(self.interval),
            "n": self.n,
            "mean own": self.mean_own,
            "mean changed": self.mean_changed,
        }


def clip_error(
    judge: PromptJudge, words: Obeyed, pictures: Sequence[np.ndarray], captions: Sequence[str], seed: int = 0
) -> dict[str, CaptionPreference]:
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
    return {kind: _preference(values) for kind, values in pairs.items()}


def _preference(values: Sequence[tuple[float, float]]) -> CaptionPreference:
    above = sum(own > other for own, other in values)
    interval = (0.0, 1.0) if not values else wilson_interval(above, len(values))
    own, other = np.mean(values, axis=0) if values else (None, None)
    return CaptionPreference(
        None if own is None else round(above / len(values), 4),
        (round(interval[0], 4), round(interval[1], 4)),
        len(values),
        None if own is None else round(float(own), 4),
        None if other is None else round(float(other), 4),
    )
