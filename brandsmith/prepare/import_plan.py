"""What becomes of another trainer's pictures: one concept for each token, with a new name for each file.

Pure: an inventory and what the user says in, a plan out. Names that meet, that Windows does not take or that differ in
letter case alone get others; captions without the token get it in front.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from brandsmith.concept.concept import check_token
from brandsmith.core.errors import InvalidConcept, InvalidConfig
from brandsmith.core.files import legal_name
from brandsmith.core.heic import HEIC_SUFFIXES
from brandsmith.core.text import one_line
from brandsmith.prepare.layouts.choice import Wanted
from brandsmith.prepare.layouts.source import Inventory, SourcePicture, SourceSet


@dataclass(frozen=True)
class PlannedPicture:
    """A file of the new concept and where it comes from."""

    source: SourcePicture
    name: str
    """With its suffix."""
    caption: str | None
    token_added: bool = False

    @property
    def anew(self) -> bool:
        """Saved as PNG; else copied."""
        return self.source.image.suffix.lower() in HEIC_SUFFIXES

    @property
    def renamed(self) -> bool:
        return self.name != self.source.image.name


@dataclass(frozen=True)
class PlannedConcept:
    """One concept folder to write."""

    token: str
    class_word: str
    expected_text: str
    images: tuple[PlannedPicture, ...]
    class_images: tuple[PlannedPicture, ...] = ()
    repeats: Mapping[str, int] = field(default_factory=dict)
    """By pattern, as `concept.yaml` has them."""
    weights: Mapping[str, float] = field(default_factory=dict)
    given_token: str = ""
    """What the source calls it, where that is another word."""
    class_guessed: bool = False
    """Neither the source nor the user says the class word."""

    def config(self) -> dict[str, object]:
        """Of `concept.yaml`, without what is at its default."""
        every: dict[str, object] = {
            "token": self.token,
            "class_word": self.class_word,
            "expected_text": self.expected_text,
            "repeats": dict(self.repeats),
            "weights": dict(self.weights),
        }
        return {key: value for key, value in every.items() if value}


@dataclass
class _Names:
    """Names of one folder that are taken, whatever their case."""

    taken: set[str] = field(default_factory=set)

    def free(self, stem: str) -> str:
        wanted = legal_name(stem.strip() or "picture")
        candidates = (wanted, *(f"{wanted}-{number}" for number in range(2, 1_000_000)))
        found = next(own for own in candidates if own.casefold() not in self.taken)
        self.taken.add(found.casefold())
        return found


def plan_concepts(inventory: Inventory, wanted: Wanted) -> list[PlannedConcept]:
    """Raises InvalidConfig for a token that is none, InvalidConcept where it has to be said which."""
    groups = _by_token(inventory)
    if wanted.only:
        if wanted.only.lower() not in groups:
            raise InvalidConfig(f"--only is '{wanted.only}'", hint=f"the source holds: {', '.join(groups) or 'none'}")
        groups = {wanted.only.lower(): groups[wanted.only.lower()]}
    if wanted.token and len(groups) > 1:
        raise InvalidConfig(
            f"--token is given, and the source holds {len(groups)} concepts: {', '.join(groups)}",
            hint="choose one of them with --only, or leave --token out to import all",
        )
    planned = [_concept(token, sets, wanted) for token, sets in groups.items()]
    return _with_class_images(planned, [own for own in inventory.sets if own.of_class])


def _by_token(inventory: Inventory) -> dict[str, list[SourceSet]]:
    """Training sets by token in lower case; a folder that is named twice counts once."""
    groups: dict[str, list[SourceSet]] = {}
    met: set[Path] = set()
    for own in inventory.sets:
        if own.of_class:
            continue
        if own.folder in met:
            inventory.passed_over.setdefault(own.folder, "named again: taken once")
        elif own.pictures:
            groups.setdefault(own.token.lower(), []).append(own)
        met.add(own.folder)
    return groups


def _concept(token: str, sets: Sequence[SourceSet], wanted: Wanted) -> PlannedConcept:
    if not (wanted.token or token):
        raise InvalidConcept("nothing there says the token", hint="give the word that will mean it with --token")
    try:
        word = check_token(wanted.token or token)
    except InvalidConfig as error:
        raise InvalidConfig(str(error), hint=f"{error.hint}; give one with --token") from None
    class_word = wanted.class_word or next((own.class_word for own in sets if own.class_word), "")
    files = _files(sets, lambda own, picture: _captioned(own, picture, word, token))
    repeats, weights = _counted(sets, "images")
    return PlannedConcept(
        word,
        class_word or "logo",
        wanted.expected_text,
        tuple(file for own in files for file in own),
        repeats=repeats,
        weights=weights,
        given_token=token if token not in ("", word) else "",
        class_guessed=not class_word,
    )


def _captioned(own: SourceSet, picture: SourcePicture, token: str, given: str) -> tuple[str, bool]:
    """The caption with the token, and whether that was put in front."""
    said = picture.caption or own.default_caption or f"a {token}"
    if given and given != token:
        said = re.sub(rf"(?<![\w-]){re.escape(given)}(?![\w-])", lambda _: token, said, flags=re.IGNORECASE)
    return (said, False) if token in said.lower() else (f"{token}, {said}", True)


Captioner = Callable[[SourceSet, SourcePicture], tuple[str | None, bool]]


def _files(sets: Sequence[SourceSet], captioned: Captioner) -> list[list[PlannedPicture]]:
    """The files of each set. Where sets differ in repeats or weight, names start with their set's folder."""
    names, prefixed = _Names(), _differ(sets)
    planned = []
    for own in sets:
        start = f"{legal_name(own.folder.name)}-" if prefixed else ""
        planned.append([_file(own, picture, start, names, captioned) for picture in own.pictures])
    return planned


def _file(own: SourceSet, picture: SourcePicture, start: str, names: _Names, captioned: Captioner) -> PlannedPicture:
    suffix = ".png" if picture.image.suffix.lower() in HEIC_SUFFIXES else picture.image.suffix
    caption, added = captioned(own, picture)
    return PlannedPicture(picture, names.free(start + picture.image.stem) + suffix, caption, added)


def _differ(sets: Sequence[SourceSet]) -> bool:
    return len({(own.repeats, own.weight) for own in sets}) > 1


def _counted(sets: Sequence[SourceSet], folder: str) -> tuple[dict[str, int], dict[str, float]]:
    """Repeats and weights by pattern, those of 1 left out."""
    repeats: dict[str, int] = {}
    weights: dict[str, float] = {}
    for own in sets:
        start = f"{glob.escape(legal_name(own.folder.name))}-" if _differ(sets) else ""
        if own.repeats != 1:
            repeats[f"{folder}/{start}*"] = own.repeats
        if own.weight != 1:
            weights[f"{folder}/{start}*"] = own.weight
    return repeats, weights


def _with_class_images(planned: list[PlannedConcept], sets: Sequence[SourceSet]) -> list[PlannedConcept]:
    """Each set of the class with the concept of its class word, others with the first."""
    mine: dict[int, list[SourceSet]] = {}
    for own in sets:
        words = one_line(own.class_word).lower()
        fitting = [number for number, concept in enumerate(planned) if concept.class_word.lower() == words]
        mine.setdefault(fitting[0] if fitting else 0, []).append(own)
    return [_with_sets(concept, mine.get(number, [])) for number, concept in enumerate(planned)]


def _with_sets(concept: PlannedConcept, sets: Sequence[SourceSet]) -> PlannedConcept:
    """With pictures of the class; what a caption says of the token there is taken out."""
    if not sets:
        return concept
    files = _files(sets, lambda own, picture: (_of_the_class(picture.caption, concept.token), False))
    repeats, weights = _counted(sets, "class_images")
    return replace(
        concept,
        class_images=tuple(file for own in files for file in own),
        repeats={**concept.repeats, **repeats},
        weights={**concept.weights, **weights},
    )


def _of_the_class(caption: str | None, token: str) -> str | None:
    if caption is None or token not in caption.lower():
        return caption
    return one_line(re.sub(re.escape(token), "", caption, flags=re.IGNORECASE)) or None
