"""Go on from what was trained before: from another run's adapter, or with more steps in the run itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from brandsmith.base.base import Base
from brandsmith.base.sources import outline_of
from brandsmith.core.errors import InvalidConfig, MissingResource
from brandsmith.core.files import sha256_of
from brandsmith.core.run import RunDirectory
from brandsmith.core.safe_weights import check_finite_file, check_floats, differences, read_header
from brandsmith.methods.adapter import expected_files, read_adapter_info
from brandsmith.methods.settings import TrainSettings


@dataclass(frozen=True)
class Start:
    """The adapter that a training starts from."""

    checkpoint: Path
    adapter_hash: str


def find_start(source: Path | str, step: int | None = None) -> Start:
    """The adapter of a run (`step` None: the last) or of a checkpoint folder. Raises MissingResource, InvalidInput."""
    folder = Path(source)
    if RunDirectory(folder).config_file.is_file():
        folder = RunDirectory(folder).checkpoint_at(step)
    elif not folder.is_dir():
        raise MissingResource(f"no run and no checkpoint at '{folder}'", hint="give a run directory, or a checkpoint")
    read_adapter_info(folder)
    digest = hashlib.sha256("".join(sha256_of(file) for file in sorted(folder.glob("*.safetensors"))).encode())
    return Start(folder, digest.hexdigest()[:16])


def check_start(config: TrainSettings, base: Base | str, start: Start) -> None:
    """Raise InvalidConfig unless the adapter has just the weights that the settings train on this base."""
    info = read_adapter_info(start.checkpoint)
    if info.method != config.method:
        raise InvalidConfig(
            f"'{start.checkpoint}' is a {info.method} adapter, and {config.method} is to be trained",
            hint=f"brandsmith train {info.method} --from {start.checkpoint}",
        )
    outline = outline_of(base)
    for file, expected in expected_files(replace(info, settings=config), outline, start.checkpoint).items():
        path = start.checkpoint / file
        if not path.is_file():
            raise InvalidConfig(f"'{start.checkpoint}' has no {file}, which these settings train", hint=_SAME)
        header = read_header(path)
        check_floats(header)
        check_finite_file(path)
        if different := differences(header, expected):
            raise InvalidConfig(f"'{path}' has other weights than these settings train: {different}", hint=_SAME)


_SAME = "give the settings that it was trained with, such as its rank"


def may_grow(have: Mapping[str, Any], want: Mapping[str, Any]) -> bool:
    """Whether a run with these settings, flat, may go on with the steps that are wanted: nothing before its old end
    depended on where that was.
    """
    before, after = have.get("settings.steps"), want.get("settings.steps")
    constant = all(
        known.get("settings.schedule") == "constant" and not known.get("settings.cooldown") for known in (have, want)
    )
    grows = isinstance(before, int) and isinstance(after, int) and after > before
    return bool(constant and have.get("settings.keep_state") and grows)


def more_steps(run: RunDirectory, more: int) -> int:
    """How many steps a run has with `more` on top. Raises MissingResource when it is no run."""
    settings = run.config().get("settings", {})
    if not isinstance(settings.get("steps"), int):
        raise InvalidConfig(f"'{run.config_file}' names no steps", hint="restore the file from a copy")
    return int(settings["steps"]) + more
