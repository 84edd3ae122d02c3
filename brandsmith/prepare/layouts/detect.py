"""Which trainer's layout a source is, by what lies in it, and its reading."""

from __future__ import annotations

from pathlib import Path

from brandsmith.core.errors import BrandsmithError, InvalidConcept, MissingResource
from brandsmith.core.json_files import read_value
from brandsmith.prepare.layouts.ai_toolkit import read_ai_toolkit
from brandsmith.prepare.layouts.choice import Layout, Source
from brandsmith.prepare.layouts.gather import gather
from brandsmith.prepare.layouts.hugging_face import check_rows, read_hugging_face
from brandsmith.prepare.layouts.kohya import is_kohya, read_class_folder, read_kohya, read_kohya_toml
from brandsmith.prepare.layouts.onetrainer import is_onetrainer, read_onetrainer
from brandsmith.prepare.layouts.source import Inventory, SourceSet


def take_inventory(source: Source) -> Inventory:
    """Read a source. Faults of single files are in the result. Raises InvalidInput where nothing can be made of it."""
    place = source.place
    if not place.exists():
        raise MissingResource(f"there is no '{place}'", hint="give a folder of pictures, or a trainer's file")
    layout = source.layout or detect(place)
    home = place if place.is_dir() else place.parent
    roots = tuple(folder.resolve() for folder in (home, *source.allowed, *filter(None, [source.class_images])))
    inventory = Inventory(layout, roots)
    _read(inventory, place, source.caption_key)
    if source.class_images:
        if not source.class_images.is_dir():
            raise MissingResource(f"there is no folder '{source.class_images}'", hint="check --class-images")
        read_class_folder(inventory, source.class_images)
    if not any(own.pictures for own in inventory.sets if not own.of_class) and not inventory.faults:
        raise InvalidConcept(f"no pictures of a concept in '{place}' ({layout})", hint=_hint(place))
    return inventory


def detect(place: Path) -> Layout:
    """Raises InvalidConcept for a file of no known kind."""
    if place.is_dir():
        if is_kohya(place):
            return "kohya"
        return "huggingface" if check_rows(place) else "folder"
    suffix = place.suffix.lower()
    if suffix == ".toml":
        return "kohya"
    if suffix in (".yaml", ".yml"):
        return "ai-toolkit"
    if place.name.lower() in ("metadata.jsonl", "metadata.csv"):
        return "huggingface"
    if suffix == ".json":
        return "onetrainer" if is_onetrainer(_json(place)) else "ai-toolkit"
    raise InvalidConcept(
        f"'{place}' is of no layout that is read",
        hint="allowed: a folder, kohya's .toml, OneTrainer's concepts.json, ai-toolkit's .yaml, metadata.jsonl",
    )


def _json(file: Path) -> object:
    try:
        return read_value(file)
    except BrandsmithError:
        return []  # OneTrainer's reader says what is wrong


def _read(inventory: Inventory, place: Path, caption_key: str) -> None:
    folder = place if place.is_dir() else place.parent
    if inventory.layout in ("onetrainer", "ai-toolkit"):
        if place.is_dir():
            raise InvalidConcept(f"'{place}' is a folder", hint=f"give {inventory.layout}'s own file")
        (read_onetrainer if inventory.layout == "onetrainer" else read_ai_toolkit)(inventory, place)
    elif inventory.layout == "huggingface":
        if not check_rows(folder):
            raise InvalidConcept(f"'{folder}' has no metadata.jsonl or metadata.csv", hint="give the folder that has")
        read_hugging_face(inventory, folder, caption_key)
    elif inventory.layout == "kohya":
        if place.is_dir():
            read_kohya(inventory, place)
        else:
            read_kohya_toml(inventory, place)
    else:
        inventory.sets.append(SourceSet(folder, gather(inventory, folder)))


def _hint(place: Path) -> str:
    inner = sum(path.is_dir() for path in place.iterdir()) if place.is_dir() else 0
    return f"it has {inner} sub-folders: give the one with pictures" if inner else "put 10 to 150 pictures there"
