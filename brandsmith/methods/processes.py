"""One training by several processes, one for each card: each takes its share of a step, gradients are averaged.

Started by `torchrun --nproc-per-node 2 -m brandsmith train …` or `accelerate launch`, which name the processes in
environment variables. A step then has so many times the samples: the losses are those of one process with a batch so
many times larger. The first process alone writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import distributed

from brandsmith.core.errors import InvalidConfig
from brandsmith.methods.settings import TrainSettings


@dataclass(frozen=True)
class Processes:
    """Which one this is, of how many."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    @torch.no_grad()
    def average(self, tensors: Iterable[torch.Tensor]) -> None:
        """Replace each by its mean over the processes."""
        if self.count > 1:
            for tensor in tensors:
                distributed.all_reduce(tensor)
                tensor /= self.count

    def any(self, here: bool, device: torch.device) -> bool:
        """Whether it is so in any process."""
        told = torch.tensor(float(here), device=device)
        self.average([told])
        return bool(told > 0)

    def wait(self) -> None:
        """For all processes to come here."""
        if self.count > 1:
            distributed.barrier()


ALONE = Processes()


def join_processes() -> Processes:
    """The processes that a launcher started together; alone without one."""
    if not distributed.is_available():
        return ALONE
    if not distributed.is_initialized():
        if int(os.environ.get("WORLD_SIZE", "1")) <= 1:
            return ALONE
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return Processes(distributed.get_rank(), distributed.get_world_size())


def check_shared(config: TrainSettings, processes: Processes) -> None:
    """Raises InvalidConfig for what steps before gradients can be averaged."""
    if processes.count > 1 and config.fused_backward:
        raise InvalidConfig(
            f"fused_backward does not go with {processes.count} processes: it steps before gradients are averaged",
            hint="leave fused_backward out, or train in one process",
        )
