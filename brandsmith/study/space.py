"""From a study's search space to trainings: a setting is a method with its searched values, a trial is a setting and a
seed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from brandsmith.core.errors import InvalidConfig
from brandsmith.methods.presets import preset_for
from brandsmith.methods.registry import build_config, method_named
from brandsmith.methods.settings import TrainSettings
from brandsmith.study.config import MethodSpace, StudyConfig

LONGEST_NAME = 90  # run names become folder names beside suffixes; file systems stop at 255 bytes


@dataclass(frozen=True)
class Setting:
    """A method with the values the search gave it. Its name is made of them, so that order and restarts do not
    matter.
    """

    method: str
    values: Mapping[str, Any]
    name: str


@dataclass(frozen=True)
class Trial:
    """One training. `name` is its run directory's."""

    name: str
    setting: Setting
    seed: int
    config: TrainSettings

    def checkpoint_step(self, number: int) -> int:
        """The step of checkpoint `number`, counted from 1."""
        return number * self.config.checkpoint_every


def name_setting(method: str, values: Mapping[str, Any]) -> str:
    """For example `lora_learning_rate-0.001_rank-8`; too long a name ends in a digest instead."""
    parts = [
        f"{key}-{value:g}".replace("e+", "e") if isinstance(value, float) else f"{key}-{value}"
        for key, value in sorted(values.items())
    ]
    name = re.sub(r"[^A-Za-z0-9_.\-]", "-", "_".join([method_named(method).short, *parts]))
    exact = json.dumps({k: values[k] for k in sorted(values)}, default=str)
    lossy = len(name) > LONGEST_NAME or any(_loses(value) for value in values.values())
    return f"{name[: LONGEST_NAME - 9]}-{hashlib.sha256(exact.encode()).hexdigest()[:8]}" if lossy else name


def _loses(value: Any) -> bool:
    """Whether a name cannot show the value whole: digits cut, letters replaced, or letter case (nothing on Windows)."""
    if isinstance(value, float):
        return float(f"{value:g}") != value
    if isinstance(value, str):  # a space becomes "-", so that a "-" must be told from it
        return bool(re.search(r"[^a-z0-9_. ]", value))
    return not isinstance(value, int | None)


def build_setting(space: MethodSpace, values: Mapping[str, Any], apart: Mapping[str, Any] | None = None) -> Setting:
    """`apart`: what tells this space from others of its method (`told_apart`); it counts as a value of the search."""
    method, values = method_named(space.method).name, dict(apart or {}) | dict(values)
    return Setting(method, dict(sorted(values.items())), name_setting(method, values))


def told_apart(config: StudyConfig, space: MethodSpace) -> dict[str, Any]:
    """Those of a space's fixed settings that differ between the spaces of its method; empty for a method that the study
    lists once. Without them two different trainings would get one name.
    """
    method = method_named(space.method).name
    alike = [other.fixed for other in config.methods if method_named(other.method).name == method]
    return {
        key: value
        for key, value in space.fixed.items()
        if any(key not in fixed or fixed[key] != value or type(fixed[key]) is not type(value) for fixed in alike)
    }


def check_no_doubles(config: StudyConfig) -> None:
    """Raise InvalidConfig where a grid tries the same setting twice."""
    seen: dict[str, int] = {}
    for number, space in enumerate(config.methods):
        lists = {name: given for name, given in space.search.items() if isinstance(given, list)}
        if lists.keys() != space.search.keys():  # ranges are not listed
            continue
        apart = told_apart(config, space)
        for values in product(*lists.values()):
            name = build_setting(space, dict(zip(lists, values, strict=True)), apart).name
            if name in seen:
                raise InvalidConfig(
                    f"the study tries '{name}' twice (methods.{seen[name]} and methods.{number})",
                    hint="leave one out: equal settings are one training",
                )
            seen[name] = number


def build_trials(config: StudyConfig, space: MethodSpace, setting: Setting) -> list[Trial]:
    """The setting's trainings, one per training seed."""
    options = preset_for(setting.method, config.base_name) | space.fixed | dict(setting.values)
    options["checkpoint_every"] = build_config(setting.method, **options).steps // config.checkpoints
    configs = {seed: build_config(setting.method, **(options | {"seed": seed})) for seed in config.training_seeds}
    return [Trial(f"{setting.name}_seed-{seed}", setting, seed, trained) for seed, trained in configs.items()]


def example_trial(config: StudyConfig, space: MethodSpace) -> Trial:
    """The first training of the first values of a method's space."""
    return example_trials(config, space)[0]


def example_trials(config: StudyConfig, space: MethodSpace) -> list[Trial]:
    """One training for every value that a method's space names, the other settings at their first."""
    named = {name: given if isinstance(given, list) else _ends(given) for name, given in space.search.items()}
    first = {name: values[0] for name, values in named.items()}
    tried = [first] + [first | {name: value} for name, values in named.items() for value in values[1:]]
    apart = told_apart(config, space)
    return [build_trials(config, space, build_setting(space, values, apart))[0] for values in tried]


def _ends(given: Mapping[str, Any]) -> list[Any]:
    return [given["low"], given["high"]]
