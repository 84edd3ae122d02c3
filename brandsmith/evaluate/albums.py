"""Which pictures a path holds, and what each was drawn from: the reading half of `brandsmith judge run`.

runs/<id>/                 a run whose checkpoints were drawn: samples/step-000100/case-0_seed-1000.png
out/samples/               what `brandsmith sample` wrote; every picture carries its recipe
any folder of pictures     each prompt in a .txt beside its picture; without one there is no prompt
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.pictures import PICTURE_SUFFIXES, list_pictures
from brandsmith.core.rows import Shot
from brandsmith.core.run import RunDirectory
from brandsmith.core.text import is_there, one_line, read_text
from brandsmith.draw.legacy import read_note
from brandsmith.draw.recipe import Recipe, read_recipe

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
    paths = list_pictures(folder)
    if not paths:
        raise MissingResource(f"no pictures in '{folder}'", hint=f"judges look at {', '.join(PICTURE_SUFFIXES)}")
    recipes = [recipe for path in paths if (recipe := read_recipe(path))]
    if len(recipes) == len(paths):
        return Album(folder, _recipe_shots(paths, recipes, run, step), tuple(paths), base or recipes[0].origin.base)
    note = read_note(folder)
    prompts: Sequence[str] = note.get("prompts", ())
    drawn = [_DRAWN.fullmatch(path.stem) for path in paths]
    if prompts and all(drawn):
        shots = [_drawn_shot(match, prompts, run, step, folder) for match in drawn if match]
    else:
        shots = _captioned_shots(paths, run, step)
    return Album(folder, tuple(shots), tuple(paths), base or note.get("base"))


def _recipe_shots(paths: Sequence[Path], recipes: Sequence[Recipe], run: str, step: int) -> tuple[Shot, ...]:
    """The case is the one in the file's name, or counts distinct prompts where names say nothing."""
    named = [_DRAWN.fullmatch(path.stem) for path in paths]
    order = {prompt: case for case, prompt in enumerate(dict.fromkeys(recipe.prompt for recipe in recipes))}
    cases = [int(match[1]) for match in named if match]
    if len(cases) < len(paths):
        cases = [order[recipe.prompt] for recipe in recipes]
    return tuple(Shot(case, r.prompt, r.seed, run, step) for case, r in zip(cases, recipes, strict=True))


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
    return one_line(read_text(file)) if is_there(file) else ""
