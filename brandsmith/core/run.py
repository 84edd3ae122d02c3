"""One training's folder on disk: its configuration, progress and outputs. Knows files, not models.

    runs/<id>/
      config.json                 the configuration, fully resolved; another one needs another folder. Its key
                                  `brandsmith` (the version that started the run) marks the folder as ours
      status.json                 running | interrupted | diverged | finished, and the step
      metrics.jsonl               one row per step
      preview_means.jsonl         one row per step that previews were judged at
      checkpoints/step-000100/    adapters, each a folder that stock diffusers reads
      state/training.safetensors  weights and optimizer for resuming; gone once finished
      cache/                      latents

Everything is written under a temporary name and renamed, so that a kill at any moment leaves the run resumable. A
folder with other files in it is refused, and in a run folder only our own files are replaced or removed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from safetensors import SafetensorError, safe_open
from typing_extensions import TypedDict

from brandsmith.core.errors import InvalidConfig, InvalidInput, MissingResource
from brandsmith.core.files import (
    explained,
    only_one,
    partial_beside,
    remove_entry,
    remove_leftovers,
    write_json,
    write_safetensors,
    write_text,
)
from brandsmith.core.json_files import read_record, read_rows, read_value
from brandsmith.core.output import check_output_folder, foreign_folder, is_unused
from brandsmith.core.safe_weights import Header, read_header
from brandsmith.core.text import is_there, shortened
from brandsmith.core.version import package_version

if TYPE_CHECKING:  # reading a run's files needs no torch
    import torch

Status = Literal["new", "running", "interrupted", "diverged", "finished"]
_CHECKPOINT = re.compile(r"step-(\d{6,18})")
MARK = "brandsmith"
_STARTED_WITH = {"base", "concept", "settings"}
"""Keys of every config.json; version 0.1 wrote no mark."""
_BEFORE_TRAINING = ("trial.json",)
"""What a study writes into a run directory before its training starts."""
_OLD_PARTIAL = re.compile(r"\.(?P<name>.+)\.(?:[0-9a-f]{8}|\d+)\.part", re.S)
"""Temporary names of version 0.1."""
_WRITTEN = re.compile(
    r"(?:config|status|trial|checkpoints|tensorboard|mlflow|wandb)\.json|metrics\.jsonl|step-\d{6,}"
    r"|(?:training|latents-[0-9a-f]+|class-[0-9a-f]+)\.safetensors|case-\d+_seed--?\d+\.png"
)
"""Names that we write in a run directory under a temporary name first."""
_ANOTHER = "restore the file from a copy, or give another run directory"
Step = Annotated[int, Field(ge=0, le=10**18)]


@with_config(ConfigDict(extra="allow", strict=True))
class _Concept(TypedDict, total=False):
    token: str


@with_config(ConfigDict(extra="allow", strict=True))
class _Config(TypedDict, total=False):
    """What others read of `config.json`; further keys are allowed."""

    base: str
    concept: _Concept
    settings: dict[str, Any]


@with_config(ConfigDict(extra="allow", strict=True))
class _StatusRecord(TypedDict, total=False):
    status: Status
    step: Step


@with_config(ConfigDict(extra="allow", strict=True))
class _MetricsRow(TypedDict):
    step: Step


_CONFIG, _STATUS, _METRICS = TypeAdapter(_Config), TypeAdapter(_StatusRecord), TypeAdapter(_MetricsRow)


FreeKeys = Callable[[Mapping[str, Any], Mapping[str, Any]], set[str]]
"""(what is there, what is requested), both flat -> the keys that may differ."""


def _none_free(have: Mapping[str, Any], want: Mapping[str, Any]) -> set[str]:
    return set()


@dataclass(frozen=True)
class RunDirectory:
    folder: Path

    @property
    def config_file(self) -> Path:
        return self.folder / "config.json"

    @property
    def status_file(self) -> Path:
        return self.folder / "status.json"

    @property
    def metrics_file(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def preview_means_file(self) -> Path:
        return self.folder / "preview_means.jsonl"

    @property
    def state_file(self) -> Path:
        return self.folder / "state" / "training.safetensors"

    @property
    def cache_folder(self) -> Path:
        return self.folder / "cache"

    def config(self) -> dict[str, Any]:
        """The configuration. Raises MissingResource when this is no run directory."""
        if not is_there(self.config_file):
            raise MissingResource(
                f"'{self.folder}' is not a run directory (no config.json)",
                hint="give a folder that 'brandsmith train' wrote",
            )
        config = read_record(self.config_file, _CONFIG, _ANOTHER)
        return {**config}

    def check_folder(self) -> None:
        """Raise InvalidInput when the folder holds files and is no run of ours, or cannot be written to,
        or has no space. Writes nothing; a finished run needs no place that can be written to.
        """
        with explained(self.folder):
            ours = self._is_ours()
            if not ours and not is_unused(self.folder, _BEFORE_TRAINING):
                raise foreign_folder(self.folder, "a run directory", "--run")
            if not ours or self.status() != "finished":
                check_output_folder(self.folder)

    def _is_ours(self) -> bool:
        if not self.config_file.is_file():
            return False
        config = read_value(self.config_file)
        return isinstance(config, dict) and (MARK in config or config.keys() >= _STARTED_WITH)

    def check_config(
        self, requested: Mapping[str, Any], defaults: Mapping[str, Any] | None = None, free: FreeKeys = _none_free
    ) -> None:
        """Raise InvalidConfig naming each key that differs from the configuration this folder has.

        defaults: what a key meant that an earlier version did not write. free: which keys may differ.
        """
        if not self.config_file.is_file():
            return
        have, want = flatten(defaults or {}) | flatten(self.config()), flatten(requested)
        have.pop(MARK, None)  # a later version goes on
        different = [
            key for key in sorted((have.keys() | want.keys()) - free(have, want)) if have.get(key) != want.get(key)
        ]
        if different:
            shown = "; ".join(f"{key}: there {have.get(key)!r}, requested {want.get(key)!r}" for key in different[:4])
            raise InvalidConfig(
                f"run directory '{self.folder}' was started with other settings ({shown})",
                hint="give the same settings to resume, or give another run directory",
            )

    def start(
        self, requested: Mapping[str, Any], defaults: Mapping[str, Any] | None = None, free: FreeKeys = _none_free
    ) -> None:
        """Write the configuration once; a resumed run keeps the file it has, but for the number of its steps."""
        self.check_folder()
        self.check_config(requested, defaults, free)
        if not self.config_file.is_file():
            write_json(self.config_file, {MARK: package_version(), **requested})
            return
        have, steps = self.config(), flatten(requested).get("settings.steps")
        if steps is not None and flatten(have).get("settings.steps") != steps:
            write_json(self.config_file, {**have, "settings": {**have["settings"], "steps": steps}})

    def status(self) -> Status:
        return self._status_record().get("status", "new")

    def step(self) -> int:
        """The last step the status mentions; 0 before any."""
        return self._status_record().get("step", 0)

    def _status_record(self) -> _StatusRecord:
        return read_record(self.status_file, _STATUS, _ANOTHER) if is_there(self.status_file) else {}

    def set_status(self, status: Status, step: int) -> None:
        write_json(self.status_file, {"status": status, "step": step})

    def metrics(self) -> list[dict[str, Any]]:
        return [{**row} for row in read_rows(self.metrics_file, _METRICS, _ANOTHER)]

    def preview_means(self) -> list[dict[str, Any]]:
        """A row for each step that previews were judged at: the share that is usable, and each judge's mean."""
        return [{**row} for row in read_rows(self.preview_means_file, _METRICS, _ANOTHER)]

    def cut_metrics(self, last_step: int) -> None:
        """Forget rows after `last_step`: a resumed run writes them again."""
        kept = [json.dumps(row, ensure_ascii=False) for row in self.metrics() if row["step"] <= last_step]
        write_text(self.metrics_file, "".join(f"{line}\n" for line in kept))

    def checkpoints(self) -> list[tuple[int, Path]]:
        """(step, folder) of every complete checkpoint, in order of steps."""
        folders = (self.folder / "checkpoints").glob("step-*")
        found = [(int(match[1]), folder) for folder in folders if (match := _CHECKPOINT.fullmatch(folder.name))]
        return sorted(found)

    def checkpoints_at(self, step: int | None = None) -> list[tuple[int, Path]]:
        """(step, folder) of the checkpoint at `step` alone (None: of all), in order of steps; never empty.

        Raises MissingResource when this is no run directory, InvalidConfig when it has no such checkpoint.
        """
        self.config()
        found = self.checkpoints()
        if not found:
            raise InvalidConfig(
                f"run '{self.folder}' has no checkpoint yet", hint="let 'brandsmith train' reach its first checkpoint"
            )
        chosen = [(at, folder) for at, folder in found if step in (None, at)]
        if not chosen:
            raise InvalidConfig(
                f"run '{self.folder}' has no checkpoint at step {step}",
                hint=f"allowed: {', '.join(str(at) for at, _ in found)}",
            )
        return chosen

    def checkpoint_at(self, step: int | None = None) -> Path:
        """The folder of the checkpoint at `step` (None: the last). Raises as `checkpoints_at` does."""
        return self.checkpoints_at(step)[-1][1]

    @contextmanager
    def writing_checkpoint(self, step: int) -> Iterator[Path]:
        """Yield an empty folder; it becomes the checkpoint of `step`, whole, when the block ends without an error."""
        final = self.folder / "checkpoints" / f"step-{step:06d}"
        partial = partial_beside(final)
        with explained(final):
            partial.mkdir(parents=True)
            try:
                yield partial
                _put_in_place(partial, final)
            finally:
                shutil.rmtree(partial, ignore_errors=True)

    def keep_checkpoints(self, number: int) -> None:
        """Delete all checkpoints but the last `number`; a folder that somebody put more into keeps that."""
        for _, folder in self.checkpoints()[:-number]:
            for file in folder.glob("*.safetensors"):
                file.unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()

    def save_state(self, step: int, tensors: Mapping[str, torch.Tensor]) -> None:
        """Weights and optimizer in one file, so that no crash can separate them."""
        write_safetensors(self.state_file, tensors, {"step": str(step)})

    def state_to_resume(self, steps: int) -> Header | None:
        """What the saved state says of itself; None where there is none to resume for so many steps. Raises
        InvalidInput; opens no tensors.
        """
        done = self.status() == "finished" and self.step() >= steps
        return None if done or not self.state_file.is_file() else read_header(self.state_file)

    def step_of(self, header: Header) -> int:
        """The step of a saved state. Raises InvalidInput."""
        step = header.metadata.get("step", "")
        if not re.fullmatch(r"\d{1,18}", step, re.ASCII):
            raise InvalidInput(f"'{self.state_file}' does not name its step ({shortened(step)})", hint=_ANOTHER)
        return int(step)

    def load_state(self) -> tuple[int, dict[str, torch.Tensor]] | None:
        """(step, tensors) of the last save, or None. Copies: Windows replaces no file that is mapped to memory."""
        if not self.state_file.is_file():
            return None
        step = self.step_of(read_header(self.state_file))
        try:
            with safe_open(self.state_file, "pt") as stored:
                names = stored.keys()
                return step, {name: stored.get_tensor(name).clone() for name in names}
        except (SafetensorError, OSError, ValueError) as error:
            raise InvalidInput(f"'{self.state_file}' cannot be read ({error})", hint=_ANOTHER) from None

    def finish(self, step: int) -> None:
        """Mark done and drop what only resuming needs."""
        self.set_status("finished", step)
        self.remove_state()

    def remove_state(self) -> None:
        """Delete what only resuming needs, and its folder unless somebody put more into it."""
        remove_leftovers(self.state_file.parent)
        with suppress(OSError):
            self.state_file.unlink(missing_ok=True)
            self.state_file.parent.rmdir()

    def remove_leftovers(self) -> None:
        """Delete the temporary names that a killed process left where we write (call only under `locked`).

        Nothing else that is hidden, and nothing behind a symbolic link.
        """
        checkpoints = (folder for _, folder in self.checkpoints())
        samples = [*(self.folder / "samples").glob("step-*"), *(self.folder / "previews").glob("step-*")]
        places = (self.folder / name for name in ("", "checkpoints", "state", "cache", "trackers"))
        for place in (*places, *checkpoints, *samples):
            if place.is_dir() and not (place != self.folder and place.is_symlink()):
                remove_leftovers(place)
                _remove_old_leftovers(place)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Refuse a second trainer in the same folder."""
        refusal = InvalidConfig(
            f"another process is training in '{self.folder}'", hint="wait for it, or give another run directory"
        )
        with only_one(self.folder, refusal):
            yield


def _put_in_place(partial: Path, final: Path) -> None:
    """Give a complete checkpoint its name. One is there when a run was killed between its checkpoint and its state.

    Files that somebody put beside that one's stay where they are.
    """
    if final.is_symlink() or (final.exists() and not final.is_dir()):
        raise InvalidConfig(f"'{final}' is not a folder of ours", hint="move it away, or give another run directory")
    if final.is_dir():
        new = {file.name for file in partial.iterdir()}
        if any(file.name not in new or file.is_symlink() or file.is_dir() for file in final.iterdir()):
            for name in sorted(new):
                os.replace(partial / name, final / name)
            return
        shutil.rmtree(final)
    os.replace(partial, final)


def _remove_old_leftovers(place: Path) -> None:
    with os.scandir(place) as entries:
        for entry in entries:
            match = _OLD_PARTIAL.fullmatch(entry.name)
            if match and _WRITTEN.fullmatch(match["name"]) and not entry.is_symlink():
                remove_entry(entry)


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys: {'a': {'b': 1}} -> {'a.b': 1}."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
