"""One resumable stage of building pocket: a model, an optimiser, an average of the weights, a log.

Every step draws its data from `(seed, step)`, so an interrupted stage goes on as if it had not stopped. The learning
rate warms up, stays, and falls over the last share of the steps (`fall`), or of the time where a stage is given
`limit_sec`: a machine that is lent for minutes must end with a finished fall, however many steps it managed.
`in_parallel` runs a stage in several processes that average their gradients: on CPUs, two processes of one thread are a
fifth faster than one process of two.
"""

from __future__ import annotations

import contextlib
import json
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from brandsmith.base.hardware import multiplies_bf16
from brandsmith.pocket.muon import Muon

SAVE_EVERY_SEC = 90
Model = TypeVar("Model", bound=nn.Module)


def in_parallel(work: Callable[..., object], num_workers: int, *args: object) -> None:
    """Run `work(rank, *args)` in `num_workers` single-threaded processes that share gradients (gloo, this machine
    only).

    SIGTERM is passed on, so that the stages save and stop; workers left behind would write the same checkpoint.
    """
    with tempfile.TemporaryDirectory() as meeting:
        point = f"file://{meeting}/point"
        workers = torch.multiprocessing.spawn(_worker, (num_workers, point, work, args), num_workers, join=False)
        previous = signal.signal(signal.SIGTERM, lambda *_: [process.terminate() for process in workers.processes])
        try:
            while not workers.join():
                pass
        finally:
            signal.signal(signal.SIGTERM, previous)


def _worker(rank: int, num_workers: int, meeting: str, work: Callable[..., object], args: tuple) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=num_workers)
    try:
        work(rank, *args)
    finally:
        dist.destroy_process_group()


def compute_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fast_autocast(device: torch.device) -> contextlib.AbstractContextManager:
    """bf16 autocast where the hardware multiplies bf16; elsewhere plain fp32."""
    if multiplies_bf16(device):
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def _as_it_lies(tensor: torch.Tensor) -> torch.Tensor:
    """A flat window on a dense tensor in the order of its memory; every process lays its tensors out alike.

    Reading a channels-last tensor row by row instead made averaging gradients an eighth of a step.
    """
    return tensor.as_strided((tensor.numel(),), (1,))


def _tables(model: nn.Module) -> list[torch.Tensor]:
    return [part.weight for part in model.modules() if isinstance(part, nn.Embedding)]


def put_weights(checkpoint: Path, weights: dict[str, torch.Tensor], optimizer: dict | None = None) -> None:
    """Other weights (and another optimiser's state) for a stage's checkpoint; the stage stays as far on its way as it
    was.
    """
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    state |= {"model": weights, "average": weights} | ({"optimizer": optimizer} if optimizer else {})
    partial = checkpoint.with_suffix(".part")
    torch.save(state, partial)
    partial.replace(checkpoint)


@dataclass(frozen=True)
class StageSettings:
    """How one stage is trained."""

    num_steps: int
    learning_rate: float
    """The highest: after the warm-up, before the fall."""
    ema_decay: float = 0.999
    weight_decay: float = 0.01
    warmup_steps: int = 200
    fall: float = 0.2
    """The last share of the steps, or of `limit_sec`, over which the learning rate goes down."""
    muon: bool = False
    """Muon for matrices (`pocket/muon.py`); else AdamW."""
    limit_sec: float | None = None
    capturable: bool = False
    """Muon's step can be captured in a CUDA graph."""

    def build_optimizer(self, model: nn.Module, trained: list[nn.Parameter]) -> torch.optim.Optimizer:
        if self.muon:
            return Muon(
                trained,
                self.learning_rate,
                weight_decay=self.weight_decay,
                tables=_tables(model),
                capturable=self.capturable,
            )
        return torch.optim.AdamW(
            trained, lr=self.learning_rate, betas=(0.9, 0.99), weight_decay=self.weight_decay, fused=True
        )


class Stage(Generic[Model]):
    """Trains `model` by `loss_of(step, rng) -> (loss, figures)`, as `settings` say; `average` is its EMA copy."""

    def __init__(self, name: str, folder: Path, model: Model, settings: StageSettings, seed: int) -> None:
        self.name, self.folder, self.model, self.settings, self.seed = name, folder, model, settings, seed
        self.started = time.monotonic()
        self.rank, self.num_workers = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = settings.build_optimizer(model, self.trained)
        self.average = {k: v.detach().clone().float() for k, v in model.state_dict().items()}
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.checkpoint = folder / f"{name}.pt"
        if self.checkpoint.is_file():
            self._load()

    def _load(self) -> None:
        state = torch.load(self.checkpoint, weights_only=True, map_location=next(self.model.parameters()).device)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average, self.step = state["average"], state["step"]

    def save(self) -> None:
        if self.rank != 0:
            return
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "step": self.step,
        }
        partial = self.checkpoint.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(self.checkpoint)

    def progress(self) -> float:
        """How much of the steps, or of the time since `run` started, is used up; the larger of the two, from 0 to 1."""
        by_clock = (time.monotonic() - self.started) / self.settings.limit_sec if self.settings.limit_sec else 0.0
        return max(self.step / self.settings.num_steps, by_clock)

    def learning_rate_now(self) -> float:
        fall = min(1.0, (1 - self.progress()) / self.settings.fall)
        return self.settings.learning_rate * min(1.0, (self.step + 1) / self.settings.warmup_steps) * max(fall, 0.02)

    def run(
        self,
        loss_of: Callable[[int, np.random.Generator], tuple[torch.Tensor, dict]],
        log_every: int = 50,
        *,
        steps_itself: bool = False,
    ) -> None:
        """Train to the last step, saving every 90 s and on SIGTERM or Ctrl-C. `steps_itself`: `loss_of` has taken the
        step when it returns.
        """
        self.model.train()
        # workers stop at the same step: when all of them know of a signal, not at their own
        signalled, stop = False, False

        def note_signal(*_: object) -> None:
            nonlocal signalled
            signalled = True

        previous = signal.signal(signal.SIGTERM, note_signal)
        saved_at = self.started = time.monotonic()
        first_step = self.step
        try:
            while self.progress() < 1 and not stop:
                if not steps_itself:
                    for group in self.optimizer.param_groups:
                        group["lr"] = self.learning_rate_now()
                loss, figures = loss_of(self.step, np.random.default_rng([self.seed, self.step, self.rank]))
                stop = signalled if steps_itself else self._take_step(loss, signalled)
                self.step += 1
                if self.step % log_every == 0:
                    pace = (self.step - first_step) / (time.monotonic() - self.started)
                    self._log(
                        {"step": self.step, "loss": float(loss.detach()), **figures, "steps_per_sec": round(pace, 2)}
                    )
                if time.monotonic() - saved_at > SAVE_EVERY_SEC:
                    self.save()
                    saved_at = time.monotonic()
        finally:
            self.save()
            signal.signal(signal.SIGTERM, previous)

    def _take_step(self, loss: torch.Tensor, stop: bool) -> bool:
        """Returns whether any of the processes got a signal to stop."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        stop = self._average_gradients(stop)
        norm = nn.utils.clip_grad_norm_(self.trained, 1.0)
        if torch.isfinite(norm):
            self.optimizer.step()
        self._update_average()
        return stop

    @torch.no_grad()
    def _average_gradients(self, stop: bool) -> bool:
        """Average gradients over the processes in place; returns whether any of them was asked to stop."""
        if self.num_workers == 1:
            return stop
        grads = [_as_it_lies(p.grad) for p in self.trained if p.grad is not None]
        flat = torch.cat([*grads, torch.tensor([float(stop)])])
        dist.all_reduce(flat)
        sizes = [g.numel() for g in grads]
        torch._foreach_copy_(grads, list((flat[:-1] / self.num_workers).split(sizes)))
        return bool(flat[-1] > 0)

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.settings.ema_decay, (2 + self.step) / (11 + self.step))
        mine, own = list(self.average.values()), [v.float() for v in self.model.state_dict().values()]
        torch._foreach_lerp_(mine, own, 1 - decay)

    def _log(self, row: dict) -> None:
        if self.rank != 0:
            return
        with (self.folder / f"{self.name}.jsonl").open("a", encoding="utf-8", newline="\n") as log:
            log.write(json.dumps(row) + "\n")
        print(self.name, json.dumps(row), flush=True)

    def hand_over(self, name: str) -> None:
        """Put the averaged weights into the checkpoint of the stage called `name`, which stays as far on its way as it
        was.
        """
        put_weights(self.folder / f"{name}.pt", self.average, self.optimizer.state_dict())

    def averaged_model(self) -> Model:
        """The model with the averaged weights loaded, in eval mode."""
        self.model.load_state_dict({k: v.to(self.model.state_dict()[k].dtype) for k, v in self.average.items()})
        return self.model.eval()
