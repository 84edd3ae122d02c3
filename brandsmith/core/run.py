"""One training's folder on disk: its configuration, progress and outputs. Knows files, not models.

    runs/<id>/
      config.json                 the configuration, fully resolved; another one needs another folder
      status.json                 running | interrupted | diverged | finished, and the step
      metrics.jsonl               one row per step
      checkpoints/step-000100/    adapters, each a folder that stock diffusers reads
      state/training.safetensors  weights and optimizer for resuming; gone once finished
      cache/                      latents

Everything is written under a temporary name and renamed, so that a kill at any moment leaves the run resumable.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from safetensors import safe_open

from brandsmith.core.errors import InvalidConfig, MissingResource
from brandsmith.core.files import only_one, read_jsonl, write_json, write_safetensors, write_text

if TYPE_CHECKING:  # reading a run's files needs no torch
    import torch

Status = Literal["new", "running", "interrupted", "diverged", "finished"]
_CHECKPOINT = re.compile(r"step-(\d{6,})")


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
    def state_file(self) -> Path:
        return self.folder / "state" / "training.safetensors"

    @property
    def cache_folder(self) -> Path:
        return self.folder / "cache"

    def config(self) -> dict[str, Any]:
        """The configuration. Raises MissingResource when this is no run directory."""
        if not self.config_file.is_file():
            raise MissingResource(
                f"'{self.folder}' is not a run directory (no config.json)",
                hint="give a folder that 'brandsmith train' wrote",
            )
        return json.loads(self.config_file.read_text(encoding="utf-8"))

    def check_config(self, requested: Mapping[str, Any]) -> None:
        """Raise InvalidConfig naming each key that differs from the configuration this folder has."""
        if not self.config_file.is_file():
            return
        have, want = flatten(self.config()), flatten(requested)
        different = [key for key in sorted(have.keys() | want.keys()) if have.get(key) != want.get(key)]
        if different:
            shown = "; ".join(f"{key}: there {have.get(key)!r}, requested {want.get(key)!r}" for key in different[:4])
            raise InvalidConfig(
                f"run directory '{self.folder}' was started with other settings ({shown})",
                hint="give the same settings to resume, or give another run directory",
            )

    def start(self, requested: Mapping[str, Any]) -> None:
        """Write the configuration once; a resumed run keeps the file it has."""
        self.check_config(requested)
        if not self.config_file.is_file():
            write_json(self.config_file, dict(requested))

    def status(self) -> Status:
        return self._status_record().get("status", "new")

    def step(self) -> int:
        """The last step the status mentions; 0 before any."""
        return self._status_record().get("step", 0)

    def _status_record(self) -> dict[str, Any]:
        return json.loads(self.status_file.read_text(encoding="utf-8")) if self.status_file.is_file() else {}

    def set_status(self, status: Status, step: int) -> None:
        write_json(self.status_file, {"status": status, "step": step})

    def metrics(self) -> list[dict[str, Any]]:
        return read_jsonl(self.metrics_file)

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
        partial = final.with_name(f".{final.name}.{os.getpid()}.part")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield partial
            if final.exists():  # left by a run killed between its checkpoint and its state
                shutil.rmtree(final)
            os.replace(partial, final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def save_state(self, step: int, tensors: Mapping[str, torch.Tensor]) -> None:
        """Weights and optimizer in one file, so that no crash can separate them."""
        write_safetensors(self.state_file, tensors, {"step": str(step)})

    def load_state(self) -> tuple[int, dict[str, torch.Tensor]] | None:
        """(step, tensors) of the last save, or None. Copies: Windows replaces no file that is mapped to memory."""
        if not self.state_file.is_file():
            return None
        with safe_open(self.state_file, "pt") as stored:
            names = stored.keys()
            return int(stored.metadata()["step"]), {name: stored.get_tensor(name).clone() for name in names}

    def finish(self, step: int) -> None:
        """Mark done and drop what only resuming needs."""
        self.set_status("finished", step)
        shutil.rmtree(self.state_file.parent, ignore_errors=True)

    def remove_leftovers(self) -> None:
        """Delete the temporary names that a killed process left (call only under `locked`)."""
        for partial in self.folder.rglob(".*.part"):
            if partial.is_dir():
                shutil.rmtree(partial, ignore_errors=True)
            else:
                partial.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Refuse a second trainer in the same folder."""
        refusal = InvalidConfig(
            f"another process is training in '{self.folder}'", hint="wait for it, or give another run directory"
        )
        with only_one(self.folder, refusal):
            yield


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys: {'a': {'b': 1}} -> {'a.b': 1}."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
