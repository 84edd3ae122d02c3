"""`brandsmith concept …` as functions: names of a concept and a base in, folders and lines out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from brandsmith.base.sources import check_base, load_base, load_tokenizers
from brandsmith.concept.concept import Concept, ConceptConfig, load_concept
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.files import replacing_folder, write_text
from brandsmith.core.output import check_output_folder
from brandsmith.core.progress import training_bar
from brandsmith.methods.tokens import check_token_is_new
from brandsmith.prepare.captions import Completed
from brandsmith.prepare.expand import (
    Expansion,
    check_expansion,
    copy_concept,
    expand_concept,
    new_concept,
)
from brandsmith.prepare.import_concept import Import, import_concept
from brandsmith.prepare.layouts.choice import ImportChoice
from brandsmith.prepare.mark_file import check_mark_file


def expand_named(concept: str, base: str, out: Path, expansion: Expansion, console: Console) -> int:
    """Expand a concept into the new folder `out`; how many pictures were made."""
    loaded = load_concept(concept)
    check_new_folder(out)
    check_expansion(loaded.folder, expansion)
    check_base(base)
    with training_bar(console, "expand") as progress:
        return expand_concept(loaded, load_base(base), out, expansion, progress)


def new_of_pictures(pictures: Path, mark: Path | None, token: str, class_word: str, text: str, out: Path) -> Import:
    """Make a concept of a folder of photos; what cannot be read is left out and said. Raises InvalidConfig where a mark
    is given too, and as `plan_import`.
    """
    if mark is not None:
        raise InvalidConfig("--pictures and --mark are given", hint="give the photos, or the mark alone")
    choice = ImportChoice(token, class_word, text, layout="folder", skip_faulty=True)
    return import_concept(choice, pictures, out, write=True)


def new_named(
    mark: Path | None,
    token: str,
    class_word: str,
    text: str,
    base: str,
    out: Path,
    expansion: Expansion,
    console: Console,
) -> int:
    """Make a concept from a mark's file in the new folder `out`; how many pictures it has."""
    if mark is None:
        raise InvalidConfig("nothing is given to make a concept of", hint="give --pictures FOLDER, or --mark FILE")
    try:
        config = ConceptConfig(token=token, class_word=class_word, expected_text=text)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise InvalidConfig(f"{wrong['loc'][0]} is {wrong['input']!r}", hint=wrong["msg"]) from None
    check_new_folder(out)
    check_mark_file(mark)
    check_base(base)
    for tokenizer in load_tokenizers(base):
        check_token_is_new(tokenizer, token)
    with training_bar(console, "compose") as progress:
        return new_concept(mark, config, load_base(base), out, expansion, progress)


def caption_lines(completed: Sequence[tuple[Path, Completed]]) -> Iterator[str]:
    """A line per true picture: what its caption does not say."""
    for image, own in completed:
        missing = f"not said in the caption: {', '.join(own.added)}" if own.added else "complete"
        yield f"{image.name}: {missing}"


def write_completed(concept: Concept, completed: Sequence[tuple[Path, Completed]], out: Path) -> None:
    """Write a copy of `concept` with completed captions into the new folder `out`."""
    check_new_folder(out)
    with replacing_folder(out) as partial:
        copy_concept(concept, partial)
        for image, own in completed:
            write_text(partial / "images" / image.with_suffix(".txt").name, own.caption + "\n")


def check_new_folder(out: Path) -> None:
    """Raise InvalidInput when `out` is there already or cannot be written."""
    if out.exists() or out.is_symlink():
        raise InvalidInput(f"'{out}' exists", hint="give a new folder with --out: nothing is overwritten")
    check_output_folder(out)
