"""Was the rest of the prompt followed? The judge `obeyed` for pocket's world: are its objects there, in their colours?

A prompt is read as noun phrases (by a parser that the caller gives: judges know no prompt language) and held against
the vocabulary of the shipped classifier, which was trained on true scenes. A word outside it is named as not measured
and never guessed; a thing the classifier is unsure of makes the picture "not measured" unless something else has
already failed. `two blue cats` alone are counted. Of a prompt for a photo it judges only whether a drawing came
instead: garments in true photos it names right too seldom (its card). Who wears a garment (`male model`) and settings
(`a blue wall`) are outside its world.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import cv2
import numpy as np

from brandsmith.judges.boxes import Box
from brandsmith.judges.judge import Verdict, check_pictures, not_measured
from brandsmith.judges.object_boxes import PHOTO_BOX, as_many_as, boxes_apart, count_sure
from brandsmith.judges.pocket_classes import Look, PocketClasses, object_boxes

SURE_FROM = 0.9
"""Confidence under which the judge abstains. Chosen on true scenes shrunk to 20 px and back, with noise: at 0.5 two of
98 right pictures are refused, at 0.7 one of 97, at 0.9 none of 96 (docs/judges.md).
"""
WORLD_PX = 128
MOST_THINGS = 3
WORN_AT = {1: ((0.35, 1.0),), 2: ((0.23, 0.60), (0.54, 0.98))}
"""Where garments sit in the box of a whole person, as shares of its height, by how many are worn (measured on true
scenes).
"""
PEOPLE = frozenset(["man", "woman", "model", "person", "boy", "girl", "people", "men", "women", "models"])
SYNONYMS = {
    "perfume": "fragrance",
    "perfume bottle": "fragrance",
    "fragrance bottle": "fragrance",
    "tee": "t shirt",
    "t-shirt": "t shirt",
    "tshirt": "t shirt",
    "trousers": "pants",
    "grey": "gray",
}


@dataclass(frozen=True)
class Phrase:
    """A noun phrase as it stands in a prompt."""

    noun: str
    attributes: tuple[str, ...] = ()
    count: int | None = None
    """The number word before it."""


Parser = Callable[[str], Sequence[Phrase]]


@dataclass(frozen=True)
class Demand:
    """A thing that must be seen; `colour` None: any; `count` None: at least one."""

    word: str
    colour: str | None = None
    count: int | None = None

    @property
    def label(self) -> str:
        return f"{self.colour} {self.word}" if self.colour else self.word


@dataclass(frozen=True)
class Request:
    """A prompt in the classifier's words."""

    demands: tuple[Demand, ...]
    worn: bool
    """A person wears the garments named."""
    unmeasured: tuple[str, ...]
    """What the prompt also names, in words the classifier does not know."""

    @property
    def counted(self) -> bool:
        """A number of one thing, and nothing else that could be confused with it."""
        return len(self.demands) == 1 and self.demands[0].count is not None and not self.worn


def request_of(phrases: Sequence[Phrase], vocabulary: Sequence[str], palette: Sequence[str]) -> Request:
    """Split what a prompt names into what can be looked for and what cannot."""
    demands: list[Demand] = []
    unmeasured: list[str] = []
    worn = False
    for phrase in phrases:
        word = _known(phrase.noun, vocabulary)
        worn = worn or phrase.noun.lower().split()[-1] in PEOPLE
        if word is None:
            unmeasured.append(" ".join((*phrase.attributes, phrase.noun)))
            continue
        colours = [colour for attribute in phrase.attributes if (colour := _known(attribute, palette))]
        unmeasured += [a for a in phrase.attributes if _known(a, palette) is None]
        unmeasured += colours[1:]
        demands.append(Demand(word, colours[0] if colours else None, phrase.count))
    request = Request(tuple(demands), worn, tuple(unmeasured))
    return request if request.counted else _uncounted(request)


def _uncounted(request: Request) -> Request:
    """Numbers among several things are not measured."""
    numbers = [f"{demand.count} of {demand.label}" for demand in request.demands if demand.count is not None]
    demands = tuple(Demand(demand.word, demand.colour) for demand in request.demands)
    return Request(demands, request.worn, (*request.unmeasured, *numbers))


def _known(text: str, words: Sequence[str]) -> str | None:
    """The word of the list that `text` means, singular or plural."""
    text = text.lower()
    text = SYNONYMS.get(text, text)
    forms = (
        text,
        text.removesuffix("s"),
        text.removesuffix("es"),
        f"{text}s",
        re.sub("ies$", "y", text),
        re.sub("ves$", "f", text),
    )
    return next((form for form in forms if form in words), None)


@dataclass(frozen=True)
class Answer:
    """What was seen of one demand. `word_right` and `colour_right` are None where the classifier was unsure or nothing
    was requested.
    """

    demand: Demand
    seen: Look | None
    word_right: bool | None
    colour_right: bool | None = None

    @property
    def failed(self) -> str:
        if self.word_right is False:
            return f"no {self.demand.word}"
        return (
            f"{self.demand.word} is {self.seen.colour}, not {self.demand.colour}"
            if self.colour_right is False and self.seen
            else ""
        )

    @property
    def unsure(self) -> bool:
        return not self.failed and (
            self.word_right is None or (self.demand.colour is not None and self.colour_right is None)
        )

    def as_json(self) -> dict[str, Any]:
        if self.seen is None:
            return {"word": None, "confidence": 0.0}
        return {
            "word": self.seen.word,
            "confidence": round(self.seen.words[self.seen.word], 3),
            "colour": self.seen.colour,
            "colour_confidence": round(self.seen.colours[self.seen.colour], 3),
        }


class Obeyed:
    """The judge `obeyed`: 1 when everything requested that its classifier knows is there in its colour, 0 when
    something is not.
    """

    name = "obeyed"
    version = "2"

    def __init__(self, classifier: PocketClasses, parse: Parser, weights_hash: str = "none") -> None:
        self.classifier, self.parse, self.weights_hash = classifier, parse, weights_hash

    def score(self, pictures: Sequence[np.ndarray]) -> list[Verdict]:
        check_pictures(pictures)
        return [not_measured("obeyed needs the prompt")] * len(pictures)

    def score_prompted(self, pictures: Sequence[np.ndarray], prompts: Sequence[str]) -> list[Verdict]:
        check_pictures(pictures)
        return [self._verdict(picture, prompt) for picture, prompt in zip(pictures, prompts, strict=True)]

    def request(self, prompt: str) -> Request:
        return request_of(self.parse(prompt), self.classifier.vocabulary, self.classifier.palette)

    def why_not(self, prompt: str) -> str:
        """Why no picture of `prompt` can be judged; empty when one can."""
        return _why_not(prompt, self.request(prompt))

    def _verdict(self, picture: np.ndarray, prompt: str) -> Verdict:
        request = self.request(prompt)
        reason = _why_not(prompt, request)
        if reason:
            return Verdict(None, reason, {"unmeasured": list(request.unmeasured)})
        small = _at_world_size(picture)
        if _wants_photo(prompt):
            return self._photo_verdict(small, request)
        if request.counted:
            return self._counted(small, request)
        answers = (
            best_answers(request.demands, self._looks_at(small, places_of(small, request))) if request.demands else []
        )
        details = {
            "seen": {a.demand.label: a.as_json() for a in answers},
            "failed": [a.failed for a in answers if a.failed],
            "unmeasured": list(request.unmeasured),
        }
        unsure = [a.demand.label for a in answers if a.unsure]
        if unsure and not details["failed"]:
            return Verdict(None, f"the classifier is unsure of '{unsure[0]}'", details)
        return Verdict(0.0 if details["failed"] else 1.0, details=details)

    def _photo_verdict(self, picture: np.ndarray, request: Request) -> Verdict:
        drawn = 1 - self._looks_at(picture, [PHOTO_BOX])[0].photo
        details = {
            "seen": {"drawn": round(drawn, 3)},
            "unmeasured": [*(d.label for d in request.demands), *request.unmeasured],
        }
        if drawn >= SURE_FROM:
            return Verdict(0.0, details=details | {"failed": ["drawn, not a photo"]})
        return Verdict(None, "things in photos are not told apart well enough to judge", details | {"failed": []})

    def _counted(self, picture: np.ndarray, request: Request) -> Verdict:
        """How many of a thing in its colour; silent when what is not clear could make the number right."""
        demand = request.demands[0]

        def shows(look: Look) -> bool | None:
            answer = _answer(demand, look)
            return None if answer.unsure else not answer.failed

        number, doubtful = count_sure(picture, lambda boxes: self._looks_at(picture, boxes), shows)
        details = {"seen": {demand.label: number}, "failed": [], "unmeasured": list(request.unmeasured)}
        if (doubtful and number != demand.count) or doubtful > 1:
            return Verdict(None, f"the classifier is unsure of {doubtful} of what may be '{demand.label}'", details)
        if number != demand.count:
            details["failed"] = [f"{number} of '{demand.label}', not {demand.count}"]
        return Verdict(0.0 if details["failed"] else 1.0, details=details)

    def _looks_at(self, picture: np.ndarray, places: Sequence[Box]) -> list[Look]:
        """One look per place: the mean over the place and two shifts of it."""
        looks = self.classifier.look_at([picture], [[shifted for place in places for shifted in _shifts(place)]])[0]
        return [_mean_look(looks[i : i + 3]) for i in range(0, len(looks), 3)]


def _at_world_size(picture: np.ndarray) -> np.ndarray:
    return (
        picture
        if picture.shape[:2] == (WORLD_PX, WORLD_PX)
        else cv2.resize(picture, (WORLD_PX, WORLD_PX), interpolation=cv2.INTER_AREA)
    )


def _wants_photo(prompt: str) -> bool:
    return re.search(r"\bphoto(graph)?s?\b", prompt, re.IGNORECASE) is not None


def _why_not(prompt: str, request: Request) -> str:
    """Why a prompt cannot be judged; empty when it can."""
    if not prompt.strip():
        return "there is no prompt to obey"
    if _wants_photo(prompt):
        return ""
    if not request.demands and request.unmeasured:
        return f"'{request.unmeasured[0]}' is outside the classifier's vocabulary"
    most = len(WORN_AT) if request.worn else MOST_THINGS
    return f"more than {most} things are asked for" if len(request.demands) > most else ""


def places_of(picture: np.ndarray, request: Request) -> list[Box]:
    """Where to look in a 128-px picture: garments on a person, one thing with what else stands out, or things side by
    side.
    """
    if len(request.demands) == MOST_THINGS:
        return as_many_as(boxes_apart(picture), MOST_THINGS)
    found = object_boxes(picture)
    if not found:
        return []
    if request.worn:
        x0, y0, x1, y1 = found[0]
        return [
            (x0, y0 + top * (y1 - y0), x1, y0 + bottom * (y1 - y0)) for top, bottom in WORN_AT[len(request.demands)]
        ]
    if len(request.demands) == 1:
        whole = tuple(f(values) for f, values in zip((min, min, max, max), zip(*found, strict=True), strict=True))
        return [
            found[0],
            whole,
            *found[1 : 1 + len(request.unmeasured)],
        ]  # a billboard's posts may stand apart from its face
    if len(request.demands) == 2 and len(found) == 1 and found[0][2] - found[0][0] > 0.6 * WORLD_PX:
        x0, y0, x1, y1 = found[0]
        return [(x0, y0, (x0 + x1) / 2, y1), ((x0 + x1) / 2, y0, x1, y1)]
    return found[: len(request.demands)]


def _shifts(box: Box) -> list[Box]:
    x0, y0, x1, y1 = box
    step = 0.05 * max(x1 - x0, y1 - y0)
    return [box, (x0, y0 + step, x1, y1 + step), (x0, y0 - step, x1, y1 - step)]


def _mean_look(looks: Sequence[Look]) -> Look:
    def mean(tables: Sequence[dict[str, float]]) -> dict[str, float]:
        return {key: float(np.mean([table[key] for table in tables])) for key in tables[0]}

    photo = float(np.mean([look.photo for look in looks]))
    return Look(looks[0].box, mean([look.words for look in looks]), mean([look.colours for look in looks]), photo)


def best_answers(demands: Sequence[Demand], looks: Sequence[Look]) -> list[Answer]:
    """Each demand answered at a place of its own, the places dealt out so that the demands are met as well as they can
    be.
    """
    places: list[Look | None] = [*looks, *[None] * max(0, len(demands) - len(looks))]

    def fit(dealt: Iterable[Look | None]) -> float:
        pairs = [(d, look) for d, look in zip(demands, dealt, strict=True) if look]
        return sum(look.words[d.word] + 0.1 * (look.colours[d.colour] if d.colour else 0.0) for d, look in pairs)

    return [_answer(d, look) for d, look in zip(demands, max(permutations(places, len(demands)), key=fit), strict=True)]


def _answer(demand: Demand, look: Look | None) -> Answer:
    if look is None:
        return Answer(demand, None, False)
    word_right = _surely(look.words, demand.word)
    return Answer(
        demand, look, word_right, _surely(look.colours, demand.colour) if word_right and demand.colour else None
    )


def _surely(probabilities: dict[str, float], wanted: str) -> bool | None:
    """True or False when some word, wanted or other, has SURE_FROM of the probability."""
    if probabilities[wanted] >= SURE_FROM:
        return True
    return False if max(probabilities.values()) >= SURE_FROM else None
