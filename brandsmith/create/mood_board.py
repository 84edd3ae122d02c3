"""A mood board: many candidates, those that pass the judges, the most diverse of them, and the colours they have.

Not here: how it looks (`mood_board_page.py`) and the folder (`mood_board_command.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brandsmith.concept.brand_kit import BrandKit
from brandsmith.core.errors import BrandsmithError
from brandsmith.create.candidates import Candidate
from brandsmith.create.diverse import most_diverse
from brandsmith.create.palette import BrandColour, lab_of
from brandsmith.create.view_prompts import filled
from brandsmith.draw.writer import Request
from brandsmith.judges.copying import vendi_of_vectors

RANDOM_SETS = 200
"""Random choices at the same floor that a chosen set is compared with."""


@dataclass(frozen=True)
class Choice:
    """Which candidates were chosen, the leader first, and how diverse they are by the Vendi score: 1 is one picture
    over and over, `len(chosen)` is nothing in common. `random_vendi`: mean over random sets of the usable ones.
    """

    chosen: tuple[Candidate, ...]
    vendi: float
    random_vendi: float
    usable: int
    drawn: int
    by: str
    seen_by: str
    """What the vectors were made of."""

    def ordered(self, chosen: Sequence[Candidate]) -> Choice:
        """The same pictures in another order."""
        return replace(self, chosen=tuple(chosen))

    @property
    def gain(self) -> float:
        return self.vendi / self.random_vendi

    def as_json(self) -> dict[str, Any]:
        return {
            "chosen": [own.path.name for own in self.chosen],
            "by": self.by,
            "compared_by": self.seen_by,
            "vendi": round(self.vendi, 3),
            "random_vendi": round(self.random_vendi, 3),
            "random_sets": RANDOM_SETS,
            "usable": self.usable,
            "drawn": self.drawn,
        }


def board_requests(prompts: Sequence[str], number: int, first_seed: int, folder: Path) -> list[Request]:
    """`number` candidates, the prompts in turn, each turn with a seed of its own."""
    requests = []
    for i in range(number):
        turn, case = divmod(i, len(prompts))
        seed = first_seed + turn
        requests.append(Request(folder / f"case-{case}_seed-{seed}.png", prompts[case], seed))
    return requests


def board_prompts(theme: str, given: Sequence[str], standard: Sequence[str], token: str) -> list[str]:
    """What is drawn: the prompts given, or the concept's standard prompts, each with the theme behind it.

    A given prompt may say {theme} and {token}. Raises InvalidConfig for other names in braces.
    """
    if given:
        return list(dict.fromkeys(filled(prompt, {"theme": theme, "token": token}) for prompt in given))
    return [f"{prompt}, {theme}" for prompt in standard]


def check_enough(candidates: Sequence[Candidate], wanted: int) -> list[Candidate]:
    """Those that pass every check that their prompt asks for. Raises BrandsmithError, with the reasons, for too few."""
    usable = [own for own in candidates if own.usable.verdict is True]
    if len(usable) < wanted:
        reasons = Counter(own.usable.reason for own in candidates if own.usable.verdict is not True)
        raise BrandsmithError(
            f"{len(usable)} of {len(candidates)} candidates pass the judges, and the board wants {wanted}",
            details=[f"{number} × {reason}" for reason, number in reasons.most_common()],
            hint="give more --candidates, other prompts, or fewer --pictures; what is drawn is kept",
        )
    return usable


def choose(
    candidates: Sequence[Candidate], vectors: np.ndarray, number: int, by: str, seen_by: str, drawn: int
) -> Choice:
    """The most diverse `number` of usable candidates (vectors: (N, D) unit, in their order)."""
    places = most_diverse(vectors, number, by)
    chosen = [candidates[i] for i in places]
    random_vendi = float(np.mean(random_scores(vectors, number)))
    vendi = vendi_of_vectors(vectors[places])
    return Choice(tuple(chosen), vendi, random_vendi, len(candidates), drawn, by, seen_by)


def random_scores(vectors: np.ndarray, number: int) -> list[float]:
    """Vendi scores of RANDOM_SETS sets of `number` drawn at random."""
    rng = np.random.default_rng(0)
    sets = [rng.choice(len(vectors), number, replace=False) for _ in range(RANDOM_SETS)]
    return [vendi_of_vectors(vectors[own]) for own in sets]


def arranged(chosen: Sequence[Candidate], pictures: Mapping[Path, np.ndarray]) -> list[Candidate]:
    """The best judged first, as the leader; the others by the hue of their mean colour, so that neighbours go together.

    Pictures of hardly any colour come last, dark to light.
    """
    leader = max(chosen, key=lambda own: (round(own.score, 6), -chosen.index(own)))
    others = [own for own in chosen if own is not leader]
    return [leader, *sorted(others, key=lambda own: _place_in_hues(pictures[own.path]))]


GREY = 6.0
"""Mean chroma in CIELAB below which a picture has no hue to speak of."""


def _place_in_hues(picture: np.ndarray) -> tuple[bool, float]:
    lightness, a, b = lab_of(picture).reshape(-1, 3).mean(axis=0)
    grey = float(np.hypot(a, b)) < GREY
    return grey, float(lightness if grey else np.arctan2(b, a))


def kit_colours(kit: BrandKit | None) -> list[BrandColour]:
    return [BrandColour(own.name, own.hex.upper(), own.tolerance) for own in kit.palette] if kit else []
