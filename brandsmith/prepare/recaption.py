"""New or edited captions for a concept, in a copy: the concept's own files stay as they are.

A captioner describes each picture; the token takes the place of the class word in what it says, or stands in front.
Edits then find and replace, and put text before and after, whatever lines a caption has.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brandsmith.concept.concept import ConceptConfig, demo_folder, load_config
from brandsmith.concept.leaks import given_away
from brandsmith.core.errors import BrandsmithError, InvalidConcept, InvalidConfig, MissingResource
from brandsmith.core.files import replacing_folder
from brandsmith.core.output import check_output_folder
from brandsmith.core.pictures import list_pictures, load_rgb
from brandsmith.core.text import is_there, one_line, read_text, shortened
from brandsmith.prepare.caption_choice import CaptionChoice

Captioner = Callable[[np.ndarray], str]
"""(H, W, 3) uint8 -> what is seen. Raises BrandsmithError."""
Progress = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Edit:
    """What is done to every caption, in this order."""

    replace: tuple[tuple[str, str], ...] = ()
    prefix: str = ""
    suffix: str = ""

    def apply(self, caption: str) -> str:
        """Lines stay; the prefix goes before the first, the suffix behind the last."""
        for old, new in self.replace:
            caption = caption.replace(old, new)
        return f"{self.prefix}{caption}{self.suffix}"


@dataclass(frozen=True)
class Caption:
    """Of one picture, before and after."""

    image: Path
    before: str | None
    after: str
    leak: str = ""
    """The mark's lettering in it."""
    problem: str = ""
    """Why the captioner said nothing."""

    @property
    def changed(self) -> bool:
        return self.after != self.before


@dataclass(frozen=True)
class Recaptioned:
    """All captions of a concept."""

    concept: Path
    captions: tuple[Caption, ...]

    def lines(self) -> Iterator[str]:
        """A line for each picture whose caption changes, and for what is wrong with one."""
        for own in self.captions:
            if own.changed:
                yield f"{own.image.name}: {one_line(own.after)}"
            if own.problem:
                yield f"{own.image.name}: not captioned: {own.problem}"
            if own.leak:
                yield f"{own.image.name}: says '{own.leak}' beside the token: that is then not learnt as part of it"
        yield f"{sum(own.changed for own in self.captions)} of {len(self.captions)} captions change"

    def as_json(self) -> dict[str, Any]:
        return {
            own.image.name: {"before": own.before, "after": own.after, "leak": own.leak, "problem": own.problem}
            for own in self.captions
        }


def build_edit(replace: Sequence[str], prefix: str, suffix: str) -> Edit:
    """`replace` as OLD=NEW; `OLD=` takes OLD out. Raises InvalidConfig."""
    pairs = []
    for text in replace:
        old, sign, new = text.partition("=")
        if not sign or not old:
            raise InvalidConfig(f"--replace is {shortened(text)}", hint="write OLD=NEW; OLD= takes it out")
        pairs.append((old, new))
    return Edit(tuple(pairs), prefix, suffix)


FAILURES_AT_FIRST = 3
"""So many in a row from the first picture on, and nobody is asked about the others."""


def recaption(
    concept: str, edit: Edit, captioner: Captioner | None, *, only_missing: bool, progress: Progress = lambda *_: None
) -> Recaptioned:
    """New captions for a concept's folder; pictures may have none yet. Writes nothing.

    A picture of which the captioner says nothing keeps its caption. Raises InvalidConcept, MissingResource, and what
    the captioner raises where it fails for every picture, or for the first ones.
    """
    folder = demo_folder() if concept == "demo" else Path(concept)
    if not folder.is_dir():
        raise MissingResource(f"no concept folder at '{concept}'", hint="give a folder with concept.yaml and images/")
    config, images = load_config(folder / "concept.yaml"), list_pictures(folder / "images")
    if not images:
        raise InvalidConcept(f"no images in '{folder / 'images'}'", hint="put 10 to 150 pictures there")
    captions = []
    failed: list[BrandsmithError] = []
    for number, image in enumerate(images, 1):
        before = _own_caption(image)
        said, problem = before, ""
        if captioner and not (only_missing and before):
            try:
                said = with_concept(captioner(load_rgb(image)), config)
            except BrandsmithError as error:
                failed.append(error)
                problem = str(error)
                if len(failed) == number == FAILURES_AT_FIRST:
                    raise failed[0] from None
            progress("caption", number, len(images), "")
        captions.append(_edited(image, before, said, edit, config, problem))
    if failed and len(failed) == len(images):
        raise failed[0]
    return Recaptioned(folder, tuple(captions))


def _edited(
    image: Path, before: str | None, said: str | None, edit: Edit, config: ConceptConfig, problem: str
) -> Caption:
    after = edit.apply(said if said is not None else f"a {config.token}")
    if config.token not in after.lower():
        raise InvalidConcept(
            f"'{image.name}': its caption would lose the token '{config.token}': {shortened(after)}",
            hint="edits must leave the token in every caption",
        )
    return Caption(image, before, after, given_away(after, config.token, config.expected_text), problem)


def _own_caption(image: Path) -> str | None:
    file = image.with_suffix(".txt")
    return (read_text(file, error=InvalidConcept).strip() or None) if is_there(file) else None


def with_concept(said: str, config: ConceptConfig) -> str:
    """What a captioner says, with the token in the class word's place, or in front."""
    said = one_line(said)
    if config.token in said.lower():
        return said
    word = re.compile(rf"(?<!\w){re.escape(config.class_word)}(?!\w)", re.IGNORECASE)
    return word.sub(config.token, said, count=1) if word.search(said) else f"a {config.token}, {said}"


def write_recaptioned(made: Recaptioned, out: Path) -> None:
    """A copy of the concept with the new captions, in the new folder `out`. Raises InvalidInput."""
    with replacing_folder(out) as partial:
        for path in sorted(made.concept.rglob("*")):
            relative = path.relative_to(made.concept)
            if path.is_file() and not relative.name.startswith("."):
                (partial / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, partial / relative)
        for own in made.captions:
            file = partial / "images" / own.image.with_suffix(".txt").name
            file.write_text(own.after + "\n", encoding="utf-8", newline="")


def recaption_named(choice: CaptionChoice, concept: str, out: Path | None, progress: Progress) -> Recaptioned:
    """`recaption` with the options of a command line; with `out` the copy is written. Raises InvalidInput."""
    from brandsmith.prepare.captioners import build_captioner

    if out is not None:
        if out.exists() or out.is_symlink():
            raise InvalidConfig(f"'{out}' exists", hint="give a new folder with --out: nothing is overwritten")
        check_output_folder(out)
    edit = build_edit(choice.replace or (), choice.prefix or "", choice.suffix or "")
    captioner = build_captioner(choice)
    made = recaption(concept, edit, captioner, only_missing=bool(choice.only_missing), progress=progress)
    if out is not None:
        write_recaptioned(made, out)
    return made
