"""What can draw in a workspace: every run's checkpoints, and bases alone; and which concept's judges look at it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.errors import BrandsmithError, InvalidInput
from brandsmith.core.run import RunDirectory
from brandsmith.core.text import shortened
from brandsmith.studio.workspace import Workspace

POCKET = "pocket"


@dataclass(frozen=True)
class Model:
    """A run at a step, or a base alone (`run` empty)."""

    run: str
    step: int
    method: str
    token: str
    base: str
    steps: tuple[int, ...] = ()
    """All checkpoints of the run."""

    @property
    def key(self) -> str:
        """As a form sends it: `lora-11@900`, or `base:pocket`."""
        return f"{self.run}@{self.step}" if self.run else f"base:{self.base}"

    @property
    def has_strength(self) -> bool:
        return self.method == "lora"

    def arguments(self, strength: float = 1.0) -> list[str]:
        """For a command that draws."""
        if not self.run:
            return ["--base", self.base]
        own = ["--run", f"runs/{self.run}", "--step", str(self.step)]
        return own if strength == 1 or not self.has_strength else [*own, "--adapter-strength", f"{strength:g}"]


def models(workspace: Workspace) -> list[Model]:
    """Runs that have a checkpoint, the newest first, at their last step; then pocket as it is."""
    runs = sorted(workspace.items("runs"), key=lambda own: -workspace.item("runs", own).stat().st_mtime)
    found = [model for run in runs if (model := _of_run(workspace, run)) is not None]
    return [*found, Model("", 0, "", "", POCKET)]


def _of_run(workspace: Workspace, identity: str) -> Model | None:
    with suppress(BrandsmithError, OSError):
        run = RunDirectory(workspace.item("runs", identity))
        steps = tuple(step for step, _ in run.checkpoints())
        if steps:
            config = run.config()
            token = config.get("concept", {}).get("token", "")
            method = config.get("settings", {}).get("method", "")
            return Model(identity, steps[-1], str(method), str(token), str(config.get("base", POCKET)), steps)
    return None


def model_named(workspace: Workspace, key: str) -> Model:
    """Raises InvalidInput for a model that is not there."""
    if key == f"base:{POCKET}":
        return Model("", 0, "", "", POCKET)
    run, _, step = key.rpartition("@")
    found = _of_run(workspace, run) if run in workspace.items("runs") else None
    if found is None or not step.isdecimal() or int(step) not in found.steps:
        raise InvalidInput(f"there is no model {shortened(key)} here", hint="choose one of the list")
    return Model(found.run, int(step), found.method, found.token, found.base, found.steps)


# ----------------------------------------------------------------------------- concepts


@dataclass(frozen=True)
class Taught:
    """A concept of the workspace as forms need it; `id` empty: the demo that ships."""

    id: str
    concept: Concept
    judged: bool
    """Whether its judges are there."""

    @property
    def folder(self) -> str:
        """As a command of the workspace names it."""
        return f"concepts/{self.id}" if self.id else "demo"


def taught(workspace: Workspace) -> list[Taught]:
    """Concepts that can be read."""
    found = []
    for identity in workspace.items("concepts"):
        folder = workspace.item("concepts", identity)
        if (folder / "concept.yaml").is_file():
            with suppress(BrandsmithError, OSError):
                judges = folder.with_name(f"{identity}-judges")
                found.append(Taught(identity, load_concept(folder), judges.is_dir()))
    return found


def taught_by(workspace: Workspace, model: Model) -> Taught | None:
    """The concept that a model was taught, with judges if any such has; the first of all for a base alone."""
    known = taught(workspace)
    if model.token:
        demo = load_concept("demo")
        known = [own for own in known if own.concept.token == model.token]
        known += [Taught("", demo, True)] if demo.token == model.token else []
    return next((own for own in known if own.judged), known[0] if known else None)
