"""Pictures of version 0.1 and before, which carry no recipe: what was noted beside them instead.

settings.json   of studies and the demo: num_steps, guidance_scale, scheduler, prompts
prompts.json    of `brandsmith sample`: prompts, seeds, run, base
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from brandsmith.core.json_files import read_record
from brandsmith.guidance.settings import DrawSettings

NOTES = ("settings.json", "prompts.json")


@with_config(ConfigDict(extra="allow", strict=True))
class _Note(TypedDict, total=False):
    prompts: list[str]
    base: str | None


_NOTE = TypeAdapter(_Note)


def read_note(folder: Path) -> dict[str, Any]:
    """What was noted beside drawn pictures; empty where nothing was. Raises InvalidInput for a broken file."""
    file = next((folder / name for name in NOTES if (folder / name).is_file()), None)
    if file is None:
        return {}
    note = read_record(file, _NOTE, "draw again, or delete it: the pictures are then judged without prompts")
    return {**note}


def drawn_before_recipes(picture: Path, prompt: str, settings: DrawSettings) -> list[str]:
    """What differs between a note and what is to be drawn now; a picture without any note is not ours."""
    note = read_note(picture.parent)
    if not note:
        return ["it carries no recipe, and nothing beside it says what it is"]
    now = settings.model_dump(mode="json", include={"num_steps", "guidance_scale", "scheduler"})
    changed = [
        f"{key} was {note[key]}, now {value}" for key, value in now.items() if key in note and note[key] != value
    ]
    known = note.get("prompts", [prompt])
    return changed if prompt in known else [*changed, f"prompt '{prompt}' is not among those noted"]
