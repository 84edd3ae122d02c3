"""OneTrainer's concepts: a JSON list, or the `concepts` of a whole configuration, each with the path of its folder.

Masks lie beside pictures as `name-masklabel.png`. Repeats are called balancing there. The file names no token: it is
given with the command.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brandsmith.core.errors import InvalidConcept
from brandsmith.core.json_files import read_value
from brandsmith.prepare.layouts.gather import BESIDE, CaptionRule, gather, read_caption, walk_folders
from brandsmith.prepare.layouts.source import Inventory, SourceSet
from brandsmith.prepare.layouts.values import as_choice, as_flag, as_number, as_table, as_text, ask_for

_TYPES = ("STANDARD", "VALIDATION", "PRIOR_PREDICTION")
_STRATEGIES = ("REPEATS", "SAMPLES")
_PROMPT_SOURCES = ("sample", "concept", "filename")


def is_onetrainer(value: object) -> bool:
    """Whether a JSON value is a list of concepts, or a configuration with one."""
    concepts = value.get("concepts") if isinstance(value, dict) else value
    return isinstance(concepts, list) and any(isinstance(own, dict) and "path" in own for own in concepts)


def read_onetrainer(inventory: Inventory, file: Path) -> None:
    """All concepts that are on. Raises InvalidConcept for a file without any."""
    value = read_value(file, "export the concepts again")
    concepts = value.get("concepts") if isinstance(value, dict) else value
    if not isinstance(concepts, list) or not is_onetrainer(value):
        raise InvalidConcept(f"'{file}' holds no list of concepts with paths", hint="give OneTrainer's concepts.json")
    for number, own in enumerate(concepts, 1):
        where = f"'{file.name}' concept {number}"
        if not isinstance(own, dict):
            inventory.faults.append(f"{where} is no object")
        elif not as_flag(own, "enabled", inventory.faults, where, default=True):
            inventory.passed_over[Path(str(own.get("path")))] = "switched off in OneTrainer"
        else:
            _concept(inventory, file.parent, own, where)


def _concept(inventory: Inventory, beside: Path, keys: Mapping[str, Any], where: str) -> None:
    faults = inventory.faults
    path = as_text(keys, "path", faults, where)
    folder = inventory.named_folder(path, beside, where)
    kind = as_choice(keys, "type", _TYPES, faults, where)
    balancing = "repeats" if "balancing" not in keys else "balancing"
    repeats = as_number(keys, balancing, 1, faults, where)
    if as_choice(keys, "balancing_strategy", _STRATEGIES, faults, where) == "SAMPLES":
        faults.append(f"{where}: balanced by a number of samples; set a number of repeats")
    elif repeats != int(repeats) or repeats < 1:
        faults.append(f"{where}: {balancing} is {repeats:g}; whole numbers from 1 are read")
    weight = as_number(keys, "loss_weight", 1, faults, where)
    text = as_table(keys, "text", faults, where)
    rule, default = _captions(inventory, beside, text, where)
    _settings(inventory, text, as_table(keys, "image", faults, where), where)
    if folder is None:
        return
    if kind == "VALIDATION" or as_flag(keys, "validation_concept", faults, where):
        inventory.passed_over[folder] = "for validation: put such pictures into held_out/ of the concept"
        return
    inner = as_flag(keys, "include_subdirectories", faults, where)
    places = list(walk_folders(inventory, folder)) if inner else [folder]
    pictures = tuple(own for place in places for own in gather(inventory, place, rule))
    for place in places[1:]:
        inventory.passed_over.pop(place, None)
    inventory.sets.append(
        SourceSet(
            folder,
            pictures,
            default_caption=default,
            repeats=max(1, int(repeats)),
            weight=weight,
            of_class=kind == "PRIOR_PREDICTION",
        )
    )


def _captions(inventory: Inventory, beside: Path, text: Mapping[str, Any], where: str) -> tuple[CaptionRule, str]:
    """Where captions are, and the caption of pictures that have none."""
    source = as_choice(text, "prompt_source", _PROMPT_SOURCES, inventory.faults, where)
    if source == "filename":
        return CaptionRule(from_name=True), ""
    if source != "concept":
        return BESIDE, ""
    name = as_text(text, "prompt_path", inventory.faults, where)
    file = Path(name) if Path(name).is_absolute() else beside / name
    if not name or not inventory.inside(file):
        inventory.faults.append(f"{where}: prompt_path '{name}' lies outside '{beside}'; allow it with --allow FOLDER")
        return CaptionRule(()), ""
    lines = [line.strip() for line in (read_caption(inventory, file) or "").splitlines() if line.strip()]
    if len(lines) > 1:
        inventory.faults.append(f"{where}: '{name}' holds {len(lines)} prompts to choose from; captions have one each")
    return CaptionRule(()), lines[0] if lines else ""


def _settings(inventory: Inventory, text: Mapping[str, Any], image: Mapping[str, Any], where: str) -> None:
    settings, faults = inventory.settings, inventory.faults
    if as_flag(text, "enable_tag_shuffling", faults, where):
        ask_for(settings, "shuffle_tags", text, "enable_tag_shuffling", faults, where)
        ask_for(settings, "keep_tags", {"keep_tags_count": 1, **text}, "keep_tags_count", faults, where)
    if as_flag(text, "tag_dropout_enable", faults, where):
        ask_for(settings, "tag_dropout", text, "tag_dropout_probability", faults, where)
    ask_for(settings, "mirror_views", image, "enable_random_flip", faults, where)
