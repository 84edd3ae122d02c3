"""Which pictures a path holds, and what each was drawn from: the reading half of `brandsmith judge run`.

runs/<id>/                      a run whose checkpoints were drawn: samples/step-…/case-0_seed-1000.png, settings.json
out/samples/                    what `brandsmith sample` wrote: prompt-0_seed-1000.png, prompts.json
any folder of pictures          each prompt in a .txt beside its picture; without one there is no prompt
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brandsmith.concept.concept import IMAGE_SUFFIXES
from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.rows import Shot
from brandsmith.core.run import RunDirectory

NOTES = ("settings.json", "prompts.json")
_DRAWN = re.compile(r"(?:case|prompt)-(\d+)_seed-(-?\d+)")
_STEP = re.compile(r"step-(\d+)")


@dataclass(frozen=True)
class Album:
    """The pictures of one checkpoint, or of one folder. `base` is the base that drew them, where that is written
    down.
    """

    folder: Path
    shots: tuple[Shot, ...]
    paths: tuple[Path, ...]
    base: str | None = None

    @property
    def title(self) -> str:
        return f"{self.shots[0].run} step {self.shots[0].step}" if self.shots[0].step else self.shots[0].run


def find_albums(where: Path, step: int | None = None) -> list[Album]:
    """One album per drawn checkpoint of a run (`step` picks one), or one for a folder. Raises MissingResource or
    InvalidInput.
    """
    if not where.is_dir():
        raise MissingResource(f"no folder at '{where}'", hint="give a run directory or a folder of pictures")
    if (where / "config.json").is_file():
        return _of_run(where, step)
    if step is not None:
        raise InvalidInput(
            f"--step {step}, but '{where}' is no run directory", hint="leave --step out for a folder of pictures"
        )
    return [_of_folder(where, where.name, 0)]


def _of_run(run: Path, step: int | None) -> list[Album]:
    folders = {
        int(match[1]): folder
        for folder in sorted((run / "samples").glob("step-*"))
        if (match := _STEP.fullmatch(folder.name))
    }
    if not folders:
        raise MissingResource(
            f"run '{run}' has no pictures yet",
            hint=f"draw some: brandsmith sample --run {run} --out DIR; then: judge run DIR",
        )
    if step is not None and step not in folders:
        raise InvalidInput(
            f"run '{run}' has no pictures of step {step}", hint=f"allowed: {', '.join(map(str, folders))}"
        )
    base = RunDirectory(run).config().get("base")
    return [_of_folder(folder, run.name, at, base) for at, folder in folders.items() if step in (None, at)]


def _of_folder(folder: Path, run: str, step: int, base: str | None = None) -> Album:
    paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise MissingResource(f"no pictures in '{folder}'", hint=f"judges look at {', '.join(IMAGE_SUFFIXES)}")
    note = _note(folder)
    prompts: Sequence[str] = note.get("prompts", ())
    drawn = [_DRAWN.fullmatch(path.stem) for path in paths]
    if prompts and all(drawn):
        shots = [_drawn_shot(match, prompts, run, step, folder) for match in drawn if match]
    else:
        shots = _captioned_shots(paths, run, step)
    return Album(folder, tuple(shots), tuple(paths), base or note.get("base"))


def _note(folder: Path) -> dict[str, Any]:
    """What was written down beside drawn pictures; empty where nothing was."""
    file = next((folder / name for name in NOTES if (folder / name).is_file()), None)
    if file is None:
        return {}
    try:
        note = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"'{file}' is not JSON ({error})",
            hint="draw again, or delete it: the pictures are then judged without prompts",
        ) from None
    return note if isinstance(note, dict) else {}


def _drawn_shot(match: re.Match[str], prompts: Sequence[str], run: str, step: int, folder: Path) -> Shot:
    case = int(match[1])
    if case >= len(prompts):
        raise InvalidInput(
            f"'{folder}' holds '{match[0]}' but names {len(prompts)} prompts",
            hint="pictures and prompts belong together: draw again",
        )
    return Shot(case, prompts[case], int(match[2]), run, step)


def _captioned_shots(paths: Sequence[Path], run: str, step: int) -> list[Shot]:
    """A case per distinct prompt; the seed counts a prompt's pictures."""
    cases: dict[str, int] = {}
    counts: dict[str, int] = {}
    shots = []
    for path in paths:
        prompt = _caption(path.with_suffix(".txt"))
        counts[prompt] = counts.get(prompt, -1) + 1
        shots.append(Shot(cases.setdefault(prompt, len(cases)), prompt, counts[prompt], run, step))
    return shots


def _caption(file: Path) -> str:
    return " ".join(file.read_text(encoding="utf-8", errors="replace").split()) if file.is_file() else ""
