"""ai-toolkit's configuration (YAML or JSON): `datasets` of its first process, with a trigger word.

In captions `[trigger]` stands for the trigger word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from brandsmith.core.errors import InvalidConcept
from brandsmith.core.text import read_text
from brandsmith.core.yaml_lines import read_yaml
from brandsmith.prepare.layouts.gather import CAPTION_SUFFIXES, CaptionRule, gather
from brandsmith.prepare.layouts.source import Inventory, SourcePicture, SourceSet
from brandsmith.prepare.layouts.values import as_count, as_flag, as_number, as_tables, as_text, ask_for

TRIGGER = "[trigger]"
_SETTINGS = {
    "caption_dropout_rate": "caption_dropout",
    "token_dropout_rate": "tag_dropout",
    "shuffle_tokens": "shuffle_tags",
    "keep_tokens": "keep_tags",
    "flip_x": "mirror_views",
}
"""Keys of a dataset → settings of a training."""


def is_ai_toolkit(value: object) -> bool:
    """Whether a configuration has processes with datasets."""
    return any("datasets" in process for process in _processes(value))


def read_ai_toolkit(inventory: Inventory, file: Path) -> None:
    """All datasets. Raises InvalidConcept for a file without any, naming the line of what is no YAML."""
    found = read_yaml(read_text(file, error=InvalidConcept))
    if found.problems:
        line, problem = found.problems[0]
        raise InvalidConcept(f"'{file}' line {line}: {problem}", hint="correct the line and run it again")
    if not is_ai_toolkit(found.value):
        raise InvalidConcept(f"'{file}' names no datasets", hint="it needs config, process, datasets, folder_path")
    for process in _processes(found.value):
        trigger = as_text(process, "trigger_word", inventory.faults, f"'{file.name}'")
        for where, own in as_tables(process, "datasets", inventory.faults, f"'{file.name}'"):
            _dataset(inventory, file.parent, own, trigger, where)


def _processes(value: object) -> Iterator[Mapping[str, Any]]:
    config = value.get("config") if isinstance(value, dict) else None
    processes = config.get("process") if isinstance(config, dict) else None
    yield from (own for own in (processes if isinstance(processes, list) else []) if isinstance(own, dict))


def _dataset(inventory: Inventory, beside: Path, keys: Mapping[str, Any], trigger: str, where: str) -> None:
    faults = inventory.faults
    name = as_text(keys, "folder_path", faults, where) or as_text(keys, "dataset_path", faults, where)
    folder = inventory.named_folder(name, beside, where)
    repeats = as_count(keys, "num_repeats", 1, faults, where)
    weight = as_number(keys, "loss_multiplier", 1, faults, where)
    of_class = as_flag(keys, "is_reg", faults, where)
    suffix = as_text(keys, "caption_ext", faults, where)
    masks = as_text(keys, "mask_path", faults, where)
    of_masks = inventory.named_folder(masks, beside, where) if masks else None
    token = as_text(keys, "trigger_word", faults, where) or trigger
    default = as_text(keys, "default_caption", faults, where).replace(TRIGGER, token)
    for key, setting in _SETTINGS.items():
        ask_for(inventory.settings, setting, keys, key, faults, where)
    if folder is None:
        return
    rule = CaptionRule((*(f".{suffix.lstrip('.')}",) * bool(suffix), *CAPTION_SUFFIXES))
    pictures = tuple(_triggered(own, token) for own in gather(inventory, folder, rule, of_masks))
    inventory.sets.append(
        SourceSet(
            folder,
            pictures,
            "" if of_class else token,
            default_caption=default,
            repeats=repeats,
            weight=weight,
            of_class=of_class,
        )
    )


def _triggered(picture: SourcePicture, token: str) -> SourcePicture:
    if picture.caption is None or not token:
        return picture
    return replace(picture, caption=picture.caption.replace(TRIGGER, token))
