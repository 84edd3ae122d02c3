"""Other trainers' folders and files, as `concept import` reads them."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from campaign_harness import Input
from campaign_mutations import NAUGHTY, mutated_file, mutated_value
from campaign_pictures import drawing, mutated_yaml

from brandsmith.concept.concept import load_concept
from brandsmith.prepare.import_concept import plan_import, write_import
from brandsmith.prepare.layouts.choice import Source, Wanted

TOKEN = "zorb"
_TOML = '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "set"\nclass_tokens = "zorb logo"\nnum_repeats = 2\n'


def layouts(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """One of the files that say what is taken, mutated; or what lies in a folder of pictures."""
    number = 0
    while True:
        number += 1
        place = scratch / "imports" / str(number) / "in"
        picture(place / "set" / "a.png", "a zorb")
        picture(place / "set" / "b.png", "zorb, red")
        what = draw.choice(sorted(KINDS))
        source = KINDS[what](draw, place)
        out = place.parent / "out"
        yield Input(
            "imports", f"{what} {source.name}", partial(_taken, source, out), place, right=wrong_import, out=out
        )
        shutil.rmtree(place.parent, ignore_errors=True)


def picture(file: Path, caption: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    drawing().save(file)
    file.with_suffix(".txt").write_text(caption, encoding="utf-8")


def _taken(source: Path, out: Path) -> tuple[Any, Path]:
    planned = plan_import(Source(source), Wanted(token=TOKEN), out)
    write_import(planned)
    return planned, source


def wrong_import(found: tuple[Any, Path]) -> str:
    """What was taken lies in the source, and what was written is a concept."""
    planned, source = found
    home = (source if source.is_dir() else source.parent).resolve()
    files = [own.source.image for concept in planned.concepts for own in (*concept.images, *concept.class_images)]
    if not all(path.resolve().is_relative_to(home) for path in files):
        return "a picture from outside"
    for concept in planned.concepts:
        load_concept(planned.folder_of(concept))
    return ""


def _rows(draw: random.Random, place: Path) -> Path:
    rows = [{"file_name": "a.png", "text": "a zorb"}, {"file_name": "b.png", "text": "zorb, red"}]
    raw = "\n".join(json.dumps(mutated_value(draw, row)) for row in rows)
    (place / "set" / "metadata.jsonl").write_text(raw)
    return place / "set"


def _onetrainer(draw: random.Random, place: Path) -> Path:
    value = [{"path": "set", "balancing": 2.0, "enabled": True, "text": {"prompt_source": "sample"}, "loss_weight": 1}]
    (place / "concepts.json").write_text(json.dumps(mutated_value(draw, value)))
    return place / "concepts.json"


def _ai_toolkit(draw: random.Random, place: Path) -> Path:
    dataset = {"folder_path": "set", "caption_ext": "txt", "num_repeats": 2, "mask_path": "set"}
    value = {"config": {"process": [{"trigger_word": TOKEN, "datasets": [dataset]}]}}
    (place / "job.yaml").write_bytes(mutated_yaml(draw, value))
    return place / "job.yaml"


def _kohya_file(draw: random.Random, place: Path) -> Path:
    file = place / "data.toml"
    file.write_text(_TOML)
    file.write_bytes(mutated_file(draw, file, _TOML.encode()))
    return file


def _kohya_folder(draw: random.Random, place: Path) -> Path:
    names = [n for n in NAUGHTY if n.strip() and "/" not in n and "\0" not in n and len(n.encode()) < 200]
    name = draw.choice(("0_zorb logo", "99999999999_zorb", "3_", "3_ ", "-1_zorb", f"4_{draw.choice(names)}"))
    picture(place / name / "c.png", "a zorb")
    return place


def _folder(draw: random.Random, place: Path) -> Path:
    change = draw.randrange(4)
    folder = place / "set"
    if change == 0:
        outside = place.parent / "secret.txt"
        outside.write_text("secret")
        (folder / "a.txt").unlink()
        (folder / "a.txt").symlink_to(outside)
    elif change == 1:
        (folder / "loop").symlink_to(folder)
        (folder / "c.png").symlink_to("c.png")
    else:
        name = draw.choice(("a.png", "a.txt"))
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(mutated_file(draw, folder / name, whole))
    return folder


KINDS: dict[str, Callable[[random.Random, Path], Path]] = {
    "rows": _rows,
    "onetrainer": _onetrainer,
    "ai-toolkit": _ai_toolkit,
    "kohya file": _kohya_file,
    "kohya folder": _kohya_folder,
    "folder": _folder,
}
