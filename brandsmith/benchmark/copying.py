"""`brandsmith benchmark copying`: the judge of copies with and without what the untrained base draws, side by side.

Copies are planted: training pictures as an overfitted model gives them back, shifted, and in other colours. What is no
copy: held-out true pictures, judged with the other half of them as control, and what the base draws from noises that
the judge does not know it by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brandsmith.base.sources import load_base
from brandsmith.benchmark.judges import as_given_back
from brandsmith.benchmark.usable import BENCHMARK_SETTINGS, DRAWING_SEEDS
from brandsmith.concept.brand_suite import brand_suite
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.pictures import load_rgb
from brandsmith.evaluate.base_pictures import draw_of_base
from brandsmith.evaluate.chain import held_out_pictures, training_pictures
from brandsmith.evaluate.checkpoint import Cases
from brandsmith.judges.copying import Copying
from brandsmith.judges.copying_of_base import FALSE_ALARMS, CopyingOfBase
from brandsmith.judges.judge import Judge
from brandsmith.judges.sscd import copying_judge
from brandsmith.prepare.recolour import recolour

KNOWN_NOISES = 3
"""Of the drawing seeds: those from which the judge knows the base's pictures; the others' are judged."""
COPIES = 4
"""Of each training picture, in each way."""
SHIFT_PX = (4, 9)
"""Of a shifted copy, along each side, either way."""
Pictures = Sequence[np.ndarray]
COPIES_OF = ("as given back", "shifted", "in other colours")


@dataclass(frozen=True)
class Looked:
    """One kind of picture: the share that each version calls copies."""

    kind: str
    copies: bool
    """Whether they are."""
    n: int
    without_base: float
    with_base: float

    @classmethod
    def of(cls, kind: str, copies: bool, called: np.ndarray) -> Looked:
        """called: (2, N) bool, by the judge without and with the base's pictures."""
        without, with_base = (round(float(own.mean()), 4) for own in called)
        return cls(kind, copies, called.shape[1], without, with_base)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def benchmark_copying(
    base_name: str, concept_name: str, folder: Path, log: Callable[[str], None] = lambda what: None
) -> list[Looked]:
    """A line per kind of picture; `folder` keeps the base's pictures, as `benchmark usable` lays them there."""
    concept = load_concept(concept_name)
    base = load_base(base_name)
    log("the untrained base's own pictures")
    prompts = tuple(entry.prompt for entry in brand_suite(concept) if entry.mark)
    cases = Cases(prompts, DRAWING_SEEDS, BENCHMARK_SETTINGS)
    of_base = draw_of_base(base, concept, folder / concept.folder.name / "base", cases)
    log("planted copies")
    return compare_versions(concept, copying_judge, of_base)


def compare_versions(
    concept: Concept,
    copying_from: Callable[[Pictures, Pictures], Copying],
    of_base: Mapping[str, Pictures],
) -> list[Looked]:
    """copying_from: the judge of copies from training and held-out pictures. of_base: the untrained base's pictures by
    prompt, at least one noise more than KNOWN_NOISES.
    """
    training, held_out = training_pictures(concept), held_out_pictures(concept)
    known = [one for own in of_base.values() for one in own[:KNOWN_NOISES]]

    def versions(controls: Pictures) -> Versions:
        copying = copying_from(training, controls)
        return Versions(copying, CopyingOfBase(copying, training, controls, known))

    whole = versions(held_out)
    looked = [whole.looked(kind, True, copies) for kind in COPIES_OF if (copies := planted_copies(concept, kind))]
    others = [one for own in of_base.values() for one in own[KNOWN_NOISES:]]
    halves = (held_out[::2], held_out[1::2])
    apart = [versions(controls).called(judged) for controls, judged in (halves, halves[::-1])]
    held = Looked.of("held-out pictures, half by half", False, np.concatenate(apart, axis=1))
    return [*looked, held, whole.looked("the base's own, other noises", False, others)]


@dataclass(frozen=True)
class Versions:
    """The judge of copies without the base's pictures, and with them."""

    without_base: Judge
    with_base: Judge

    def called(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """(2, N) bool: whether each version calls a picture a copy."""
        found = [judge.score(pictures) for judge in (self.without_base, self.with_base)]
        return np.array([[v.value is not None and v.value >= 0.5 for v in verdicts] for verdicts in found])

    def looked(self, kind: str, copies: bool, pictures: Sequence[np.ndarray]) -> Looked:
        return Looked.of(kind, copies, self.called(pictures))


def planted_copies(concept: Concept, kind: str) -> list[np.ndarray]:
    """Copies of every training picture; one of which neither product nor ground can be recoloured has no copy in other
    colours.
    """
    planted = []
    for i, example in enumerate(concept.examples):
        picture = load_rgb(example.image)
        for number in range(COPIES):
            rng = np.random.default_rng([COPIES_OF.index(kind), i, number])
            planted.append(_copy(picture, example.caption, concept.token, kind, rng))
    return [copy for copy in planted if copy is not None]


def _copy(picture: np.ndarray, caption: str, token: str, kind: str, rng: np.random.Generator) -> np.ndarray | None:
    if kind == "in other colours":
        coloured = recolour(picture, caption, token, rng)
        return as_given_back(coloured.picture, rng) if coloured else None
    if kind == "shifted":
        along = rng.integers(*SHIFT_PX, 2) * rng.choice([-1, 1], 2)
        high, wide = picture.shape[:2]
        rim = np.pad(picture, ((SHIFT_PX[1],) * 2, (SHIFT_PX[1],) * 2, (0, 0)), mode="edge")
        y, x = SHIFT_PX[1] + along
        picture = np.ascontiguousarray(rim[y : y + high, x : x + wide])
    return as_given_back(picture, rng)


def may_count(looked: Sequence[Looked]) -> bool:
    """Whether the judge that knows the base finds as many of the planted copies of every kind, and calls at most
    FALSE_ALARMS of what is none a copy.
    """
    return all(own.with_base >= own.without_base if own.copies else own.with_base <= FALSE_ALARMS for own in looked)
