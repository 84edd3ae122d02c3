"""What `benchmark usable` trains: the presets of methods, and the settings that a study chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brandsmith.core.errors import InvalidInput
from brandsmith.core.run import RunDirectory
from brandsmith.methods.presets import preset_for
from brandsmith.methods.registry import build_config
from brandsmith.methods.settings import TrainSettings
from brandsmith.results.leaderboard import Standing, best_of_each_method, standings_of
from brandsmith.results.study_files import read_records


@dataclass(frozen=True)
class Recipe:
    """One way of training."""

    name: str
    """In the table, and the first part of its folders' names."""
    method: str
    settings: Mapping[str, Any] | None = None
    """None: the preset for the base."""
    step: int | None = None
    """The checkpoint that is drawn with; None: the last."""

    def config(self, base: str, seed: int) -> TrainSettings:
        """Of one training."""
        own = preset_for(self.method, base) if self.settings is None else dict(self.settings)
        return build_config(
            self.method, **{key: value for key, value in own.items() if key != "method"} | {"seed": seed}
        )

    def checkpoint(self, run: RunDirectory) -> tuple[int, Path]:
        """The step and the folder that are drawn with."""
        found = run.checkpoints()
        return next((own for own in found if own[0] == self.step), found[-1])


def presets_of(methods: Sequence[str]) -> tuple[Recipe, ...]:
    """A recipe for each method's preset."""
    return tuple(Recipe(method, method) for method in methods)


def winners_of(study: Path) -> tuple[Recipe, ...]:
    """The best finished setting of each method of a study, at the checkpoint that was chosen for it. Raises
    MissingResource when the folder is no study, InvalidInput when nothing in it is finished.
    """
    records = read_records(study)
    finished = [own for own in standings_of(records) if own.state == "finished"]
    if not finished:
        raise InvalidInput(f"no setting of study '{study}' is finished", hint="go on: brandsmith study run study.yaml")
    return tuple(_recipe(own) for own in best_of_each_method(finished))


def _recipe(own: Standing) -> Recipe:
    trial = own.trials[0]
    settings = trial.config.get("settings") or dict(trial.settings)
    return Recipe(f"{own.method}-of-study", own.method, settings, own.step)
