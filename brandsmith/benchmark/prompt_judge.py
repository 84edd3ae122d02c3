"""How often the judge `obeyed` errs, on true captioned pictures: their own captions must pass, changed captions must
not.

A caption describes what its picture shows. Changed captions name another colour, or another thing (another garment
where a person wears it: the mistakes that are easiest to make).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from brandsmith.concept.concept import Concept, load_examples
from brandsmith.core.pictures import load_rgb_all
from brandsmith.evaluate.prompt_phrases import NUMBERS
from brandsmith.judges.judge import Verdict
from brandsmith.judges.obeyed import Obeyed, Phrase, Request, request_of
from brandsmith.results.statistics import rate

KINDS = ("own caption", "another colour", "another thing", "another number")
GARMENTS = ("t shirt", "sweater", "dress", "coat")


@dataclass(frozen=True)
class CaptionShares:
    """The judge's answers to captions of one kind."""

    correct: float
    interval: tuple[float, float]
    """Wilson's 95 % interval of `correct`."""
    n: int
    not_measured: float
    """Share of pictures that the judge would not judge."""
    not_measured_n: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"interval": list(self.interval)}


def captioned_pictures(concept: Concept) -> tuple[list[np.ndarray], list[str]]:
    """The concept's true pictures that have captions: training ones, and held-out ones where captions lie beside
    them.
    """
    held_out = concept.folder / "held_out"
    captioned = held_out.is_dir() and any(held_out.glob("*.txt"))
    examples = [*concept.examples, *(load_examples(held_out, concept.token) if captioned else ())]
    return load_rgb_all(example.image for example in examples), [example.caption for example in examples]


def obeyed_error(
    judge: Obeyed, pictures: Sequence[np.ndarray], captions: Sequence[str], seed: int = 0
) -> dict[str, CaptionShares]:
    """By kind of caption: own captions accepted, changed ones refused, and what was not measured. Captions that name
    nothing the classifier knows, or a photo, are left out.
    """
    rng = np.random.default_rng(seed)
    tests: dict[str, tuple[list[np.ndarray], list[str]]] = {name: ([], []) for name in KINDS}
    for picture, caption in zip(pictures, captions, strict=True):
        for kind, text in {"own caption": caption, **changed_captions(judge, caption, rng)}.items():
            tests[kind][0].append(picture)
            tests[kind][1].append(text)
    result: dict[str, CaptionShares] = {}
    for kind, (shown, prompts) in ((kind, test) for kind, test in tests.items() if test[0]):
        verdicts = judge.score_prompted(shown, prompts)
        answered = [v for v in verdicts if v.value is not None and v.details.get("seen")]
        unsure = [v for v in verdicts if v.reason.startswith("the classifier is unsure")]
        result[kind] = _shares(answered, unsure, right=kind == "own caption")
    return result


def _shares(answered: Sequence[Verdict], unsure: Sequence[Verdict], right: bool) -> CaptionShares:
    correct = rate([(v.value == 1.0) is right for v in answered])
    abstained = rate([False] * len(answered) + [True] * len(unsure))
    return CaptionShares(
        round(correct.value, 4),
        (round(correct.low, 4), round(correct.high, 4)),
        correct.n,
        round(abstained.value, 4),
        abstained.n,
    )


def changed_captions(judge: Obeyed, caption: str, rng: np.random.Generator) -> dict[str, str]:
    """The caption with its first thing in another colour, with another first thing, and with another number where it
    counts one thing.
    """
    vocabulary, palette, whole = judge.classifier.vocabulary, judge.classifier.palette, judge.request(caption)
    for phrase in judge.parse(caption):
        request = request_of([phrase], vocabulary, palette)
        if request.demands:
            changed = _other_colour(caption, phrase, request, palette, rng) | {
                "another thing": _other_thing(caption, phrase, whole, vocabulary, rng)
            }
            return changed | (_other_number(caption, whole.demands[0].count, rng) if whole.counted else {})
    return {}


def _other_number(caption: str, number: int | None, rng: np.random.Generator) -> dict[str, str]:
    """One more or one less; captions count to four."""
    written = next((word for word, value in NUMBERS.items() if value == number), None)
    near = [word for word, value in NUMBERS.items() if number is not None and abs(value - number) == 1]
    return {"another number": re.sub(rf"\b{written}\b", str(rng.choice(near)), caption, count=1)} if written else {}


def _other_colour(
    caption: str, phrase: Phrase, request: Request, palette: Sequence[str], rng: np.random.Generator
) -> dict[str, str]:
    colour = request.demands[0].colour
    if colour is None:
        return {}
    other = str(rng.choice([c for c in palette if c != colour]))
    return {"another colour": re.sub(rf"\b{re.escape(colour)}\b", other, caption, count=1)}


def _other_thing(
    caption: str, phrase: Phrase, whole: Request, vocabulary: Sequence[str], rng: np.random.Generator
) -> str:
    shown = {demand.word for demand in whole.demands}
    others = [word for word in (GARMENTS if whole.worn else vocabulary) if word not in shown]
    return caption.replace(phrase.noun, str(rng.choice(others)), 1)
