"""An X/Y/Z grid: contenders (checkpoint × strength) and prompts at fixed seeds. A creation like others, whose folders
are ordinary outputs of `sample`:

    creations/<id>/grid.json                             what is compared
    creations/<id>/lora-11.900.x0.5/case-0_seed-1000.png one folder a contender, with verdicts beside the pictures
    creations/<id>/votes.jsonl                           people's votes (`voting.py`)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.files import write_json
from brandsmith.core.json_files import read_record
from brandsmith.core.text import shortened
from brandsmith.studio.create.checks import checked_number, checked_text
from brandsmith.studio.create.drawing import LARGEST_SEED
from brandsmith.studio.gallery import Picture, of_item
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job, JobRequest
from brandsmith.studio.models import Model, model_named, taught_by
from brandsmith.studio.workspace import Workspace

FILE = "grid.json"
MOST_CONTENDERS, MOST_PROMPTS, MOST_SEEDS = 12, 31, 16


@dataclass(frozen=True)
class Contender:
    """A model at a strength."""

    model: str
    """As `Model.key`."""
    strength: float = 1.0

    @property
    def name(self) -> str:
        """Of its folder, and in votes."""
        plain = self.model.replace("base:", "base.").replace("@", ".")
        return plain if self.strength == 1 else f"{plain}.x{self.strength:g}"

    @property
    def label(self) -> str:
        run, _, step = self.model.rpartition("@")
        told = f"{run} · {step}" if run else self.model.removeprefix("base:")
        return told if self.strength == 1 else f"{told} × {self.strength:g}"


@dataclass(frozen=True)
class Grid:
    title: str
    contenders: tuple[Contender, ...]
    prompts: tuple[str, ...]
    first_seed: int
    num_seeds: int

    @property
    def seeds(self) -> range:
        return range(self.first_seed, self.first_seed + self.num_seeds)

    def named(self, name: str) -> Contender | None:
        return next((own for own in self.contenders if own.name == name), None)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


_GRID: TypeAdapter[Grid] = TypeAdapter(Grid)


def checked_grid(
    workspace: Workspace,
    models: Sequence[str],
    strengths: Sequence[float],
    prompts: Sequence[str],
    seeds: tuple[int, int],
) -> Grid:
    """Every model at every strength, where it has one. seeds: (first, how many). Raises InvalidInput."""
    known = [model_named(workspace, key) for key in dict.fromkeys(models)]
    wanted = [checked_number("strength", own, -2, 3) for own in dict.fromkeys(strengths)] or [1.0]
    contenders = [
        Contender(model.key, strength) for model in known for strength in (wanted if model.has_strength else [1.0])
    ]
    texts = tuple(dict.fromkeys(checked_text("a prompt", own) for own in prompts if own.strip()))
    if len(contenders) < 2:
        raise InvalidInput(f"{len(contenders)} to compare", hint="choose two checkpoints, or two strengths of one")
    if len(contenders) > MOST_CONTENDERS or not 1 <= len(texts) <= MOST_PROMPTS:
        raise InvalidInput(
            f"{len(contenders)} contenders and {len(texts)} prompts",
            hint=f"at most {MOST_CONTENDERS} contenders, and 1 to {MOST_PROMPTS} prompts",
        )
    first = int(checked_number("seed", seeds[0], 0, LARGEST_SEED))
    number = int(checked_number("number of seeds", seeds[1], 1, MOST_SEEDS))
    title = " / ".join(dict.fromkeys(model.run or model.base for model in known))
    return Grid(title[:120], tuple(contenders), texts, first, number)


def order(workspace: Workspace, grid: Grid, user: str) -> tuple[str, list[Job]]:
    """One job a contender; the comparison's id."""
    identity = workspace.reserve("creations", f"compare {grid.title}")
    write_json(workspace.item("creations", identity) / FILE, grid.as_json())
    return identity, [queue.add(workspace, _request(workspace, grid, own, identity, user)) for own in grid.contenders]


def _request(workspace: Workspace, grid: Grid, contender: Contender, identity: str, user: str) -> JobRequest:
    folder = f"creations/{identity}/{contender.name}"
    command = ["brandsmith", "sample", *_model_arguments(workspace, contender)]
    command += [
        "--seeds",
        str(grid.num_seeds),
        "--first-seed",
        str(grid.first_seed),
        "--out",
        folder,
        "--",
        *grid.prompts,
    ]
    return JobRequest(tuple(command), user, folder=folder, title=f"{grid.title}: {contender.label}"[:120])


def _model_arguments(workspace: Workspace, contender: Contender) -> list[str]:
    model: Model = model_named(workspace, contender.model)
    known = taught_by(workspace, model)
    judged = ["--judge", "--concept", known.folder] if known is not None and known.judged else []
    return [*model.arguments(contender.strength), *judged]


def grids(workspace: Workspace) -> list[str]:
    """Ids of the comparisons, the newest first."""
    found = [own for own in workspace.items("creations") if (workspace.item("creations", own) / FILE).is_file()]
    return sorted(found, key=lambda own: -(workspace.item("creations", own) / FILE).stat().st_mtime)


def read_grid(workspace: Workspace, identity: str) -> Grid:
    """Raises MissingResource when there is no such comparison."""
    file = workspace.item("creations", identity) / FILE
    if not file.is_file():
        raise MissingResource(f"there is no comparison {shortened(identity)}", hint="see the page Compare")
    return read_record(file, _GRID)


Cells = dict[tuple[str, int, int], Picture]
"""By (contender's name, case, seed)."""


def cells(workspace: Workspace, identity: str) -> Cells:
    """The pictures that are drawn so far."""
    found: Cells = {}
    for picture in of_item(workspace, "creations", identity):
        folder, _, name = picture.path.rpartition("/")
        case = name.removeprefix("case-").partition("_seed-")[0]
        if picture.recipe is not None and case.isdecimal() and folder:
            found[folder, int(case), picture.recipe.seed] = picture
    return found
