"""How much a training will write, known from shapes alone: checked against the free space before weights load.

A lower bound, so that nothing is refused that would fit: latents, rows and pictures are not counted, of the state only
what every optimizer keeps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from brandsmith.base.base import Base
from brandsmith.base.sources import outline_of
from brandsmith.core.output import LEAST_FREE_BYTES, check_output_folder
from brandsmith.core.run import RunDirectory
from brandsmith.methods.method import Words
from brandsmith.methods.optimizer_kinds import KINDS
from brandsmith.methods.registry import method_named
from brandsmith.methods.settings import TrainSettings


@dataclass(frozen=True)
class TrainingSize:
    """In bytes."""

    checkpoint: int
    state: int

    def total(self, num_checkpoints: int) -> int:
        """The most that lies on the disk at once: every checkpoint but the last has a state beside it, and a new state
        is whole before the old one goes.
        """
        before_last = (num_checkpoints - 1) * self.checkpoint + min(2, num_checkpoints - 1) * self.state
        return max(before_last, num_checkpoints * self.checkpoint + min(1, num_checkpoints - 1) * self.state)


def training_size(config: TrainSettings, words: Words, base: Base | str) -> TrainingSize:
    """Of one checkpoint and of the state for resuming. Loads no weights."""
    outline = outline_of(base)
    with torch.device("meta"):
        attached = method_named(config.method).attach(outline, config, words)
    stored = sum(num_bytes(tensors.values()) for tensors in attached.tensors().values())
    trained = sum(num_bytes(group.parameters.values()) for group in attached.groups)
    moments = int(KINDS[config.optimizer].bytes_per_weight // 4)
    return TrainingSize(stored if config.save_precision == "fp32" else stored // 2, (1 + moments) * trained)


def check_training_space(config: TrainSettings, words: Words, base: Base | str, run: RunDirectory) -> None:
    """Raise InvalidInput when a run, or what is left of it, does not fit on its disk."""
    size = training_size(config, words, base)
    num_checkpoints = -(-config.steps // config.checkpoint_every)
    if config.keep_checkpoints:  # the next one is written before an old one goes
        num_checkpoints = min(num_checkpoints, config.keep_checkpoints + 1)
    there = bytes_below(run.folder / "checkpoints") + bytes_below(run.state_file.parent)
    check_output_folder(run.folder, max(LEAST_FREE_BYTES, size.total(num_checkpoints) - there))


def base_bytes(base: str, dtype: torch.dtype) -> int:
    """Of a whole base as a folder, in another number format. Loads no weights."""
    return sum(p.numel() for module in outline_of(base).modules() for p in module.parameters()) * dtype.itemsize


def num_bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def bytes_below(folder: Path) -> int:
    """Of all files below `folder`; 0 where there is none."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
