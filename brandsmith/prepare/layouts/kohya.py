"""kohya's folders: `10_sks dog/` holds pictures that count ten times, of the class `dog`, called `sks`.

A source is one such folder, or one that holds several, or the folder of its graphical interface with `img/` and `reg/`
in it. Pictures of regularisation lie in folders of the same form (`1_dog`). A dataset's `.toml` names the folders and
the rest itself.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brandsmith.core.errors import InvalidConcept
from brandsmith.core.text import read_text
from brandsmith.prepare.layouts.gather import CAPTION_SUFFIXES, CaptionRule, gather
from brandsmith.prepare.layouts.source import MOST_REPEATS, Inventory, SourceSet
from brandsmith.prepare.layouts.values import as_count, as_flag, as_table, as_tables, as_text, ask_for

FOLDER = re.compile(r"(\d+)_(.+)", re.S)
IMAGES, REGULARISATION = ("img", "image", "images", "train"), ("reg", "regularization", "regularisation")
_SETTINGS = {
    "caption_dropout_rate": "caption_dropout",
    "caption_tag_dropout_rate": "tag_dropout",
    "keep_tokens": "keep_tags",
    "shuffle_caption": "shuffle_tags",
    "enable_bucket": "buckets",
    "flip_aug": "mirror_views",
    "random_crop": "random_crop",
}
"""Keys of a dataset's file → settings of a training."""


def is_kohya(folder: Path) -> bool:
    """Whether the folder, or one directly in it, has kohya's name of a set."""
    return bool(FOLDER.fullmatch(folder.name)) or any(_sets_in(place) for place in (folder, *_parts(folder, IMAGES)))


def read_kohya(inventory: Inventory, folder: Path) -> None:
    """All sets of the layout into `inventory`."""
    if FOLDER.fullmatch(folder.name) and not _sets_in(folder):
        return _add(inventory, folder, of_class=False)
    parts = _parts(folder, IMAGES)
    for place in parts or [folder]:
        for own in _sets_in(place):
            _add(inventory, own, of_class=False)
    for place in _parts(folder, REGULARISATION):
        read_class_folder(inventory, place)
    taken = {own.folder for own in inventory.sets} | {*parts, *_parts(folder, REGULARISATION)}
    for entry in sorted(folder.iterdir()):
        if entry not in taken and entry not in inventory.passed_over:
            inventory.passed_over[entry] = "not of a set: no folder such as '10_token class'"
    return None


def read_class_folder(inventory: Inventory, folder: Path) -> None:
    """Pictures of the class: folders such as `1_dog`, or the folder itself."""
    for own in _sets_in(folder) or [folder]:
        _add(inventory, own, of_class=True)


def _sets_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and FOLDER.fullmatch(path.name)]


def _parts(folder: Path, names: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        return []
    return [
        path for path in sorted(folder.iterdir()) if path.is_dir() and path.name.lower() in names and _sets_in(path)
    ]


def _add(inventory: Inventory, folder: Path, *, of_class: bool) -> None:
    found = FOLDER.fullmatch(folder.name)
    repeats, words = (int(found[1][:9]), found[2].strip()) if found else (1, "")
    if not 1 <= repeats <= MOST_REPEATS:
        inventory.passed_over[folder] = f"repeats {repeats}: kohya's scripts leave such folders out too"
        return
    token, _, class_word = words.partition(" ")
    if of_class:
        token, class_word = "", words
    inventory.sets.append(
        SourceSet(folder, gather(inventory, folder), token, class_word.strip(), words, repeats, of_class=of_class)
    )


# ----------------------------------------------------------------------------- a dataset's file


def read_kohya_toml(inventory: Inventory, file: Path) -> None:
    """Every `[[datasets.subsets]]` of a dataset's file. Raises InvalidConcept for what is no TOML."""
    try:
        record = tomllib.loads(read_text(file, error=InvalidConcept))
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InvalidConcept(f"'{file}' is not valid TOML ({error})", hint="correct the file") from None
    faults, name = inventory.faults, f"'{file.name}'"
    general = as_table(record, "general", faults, name)
    for place, dataset in as_tables(record, "datasets", faults, name):
        for where, subset in as_tables(dataset, "subsets", faults, place):
            _subset(inventory, file.parent, {**general, **dataset, **subset}, where)
    if not inventory.sets and not inventory.faults:
        raise InvalidConcept(f"'{file}' names no subsets", hint="it needs [[datasets.subsets]] with image_dir")


def _subset(inventory: Inventory, beside: Path, keys: Mapping[str, Any], where: str) -> None:
    faults = inventory.faults
    folder = inventory.named_folder(as_text(keys, "image_dir", faults, where), beside, where)
    repeats = as_count(keys, "num_repeats", 1, faults, where)
    of_class = as_flag(keys, "is_reg", faults, where)
    words = as_text(keys, "class_tokens", faults, where)
    suffix = as_text(keys, "caption_extension", faults, where) or ".caption"
    masks = as_text(keys, "conditioning_data_dir", faults, where)
    of_masks = inventory.named_folder(masks, beside, where) if masks else None
    for key, setting in _SETTINGS.items():
        ask_for(inventory.settings, setting, keys, key, faults, where)
    if folder is None:
        return
    rule = CaptionRule((suffix, *CAPTION_SUFFIXES))
    token, _, class_word = words.partition(" ")
    if of_class:
        token, class_word = "", words
    pictures = gather(inventory, folder, rule, of_masks)
    inventory.sets.append(SourceSet(folder, pictures, token, class_word.strip(), words, repeats, of_class=of_class))
