"""What a training will take and whether the machine has it, before it starts; and the means that make it fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from brandsmith.base.base import Base
from brandsmith.base.hardware import choose_device, choose_format, free_memory
from brandsmith.base.sources import family_of, outline_of
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import NotEnoughMemory
from brandsmith.core.optional import is_installed
from brandsmith.core.output import free_bytes
from brandsmith.methods.buckets import bucket_counts
from brandsmith.methods.frozen_storage import PACKAGES, SMALLER
from brandsmith.methods.memory_plan import MemoryPlan, plan_memory
from brandsmith.methods.optimizer_kinds import KINDS
from brandsmith.methods.registry import method_named
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.training_data import image_size

SPARE = 1.15
"""Free memory must be so many times the plan: it may be 15 % off."""
_GIB = 2**30
Means = dict[str, Any]
"""Settings by name."""


@dataclass(frozen=True)
class TrainingPlan:
    """What a training will take on one device."""

    device: str
    compute: str
    size_px: tuple[int, int]
    pictures: int
    samples_per_step: int
    steps: int
    memory: MemoryPlan
    free_memory: int
    disk: int
    free_disk: int
    means: Means
    """Settings that `--fit` changed."""
    seconds_per_step: float | None = None
    buckets: Mapping[str, int] = field(default_factory=dict)
    """Pictures of each shape, `height x width`; empty where all are cut to one."""

    @property
    def fits(self) -> bool:
        return self.memory.peak * SPARE <= self.free_memory

    @property
    def epochs(self) -> float:
        """How often every picture is seen."""
        return self.steps * self.samples_per_step / self.pictures

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"memory": self.memory.as_json(), "fits": self.fits, "epochs": round(self.epochs, 2)}

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        height, width = self.size_px
        yield f"device      {self.device}, {self.compute}"
        yield f"pictures    {self.pictures} at {height} x {width} px, {self.samples_per_step} a step"
        if self.buckets:
            yield f"buckets     {', '.join(f'{count} at {shape}' for shape, count in self.buckets.items())}"
        yield f"steps       {self.steps}, {self.epochs:.1f} epochs"
        yield f"memory      {gib(self.memory.peak)} at most, of {gib(self.free_memory)} free"
        yield f"disk        {gib(self.disk)} at most, of {gib(self.free_disk)} free"
        if self.seconds_per_step is not None:
            minutes = self.steps * self.seconds_per_step / 60
            yield f"time        {minutes:.1f} min of steps ({self.seconds_per_step:.3g} s each)"
        if self.means:
            yield f"to fit      {shown(self.means)}"
        if not self.fits:
            yield "it may not fit: --fit looks for the cheapest means that do"


def gib(number: int) -> str:
    return f"{number / _GIB:.2f} GiB"


def shown(means: Means) -> str:
    """As options of the command line."""
    return " ".join(f"--set {name}={str(value).lower()}" for name, value in means.items())


def plan_training(
    base: Base | str, concept: Concept, config: TrainSettings, folder: Path, *, means: Means | None = None
) -> TrainingPlan:
    """The plan without its time. Loads no weights, writes nothing."""
    device = choose_device() if isinstance(base, str) else base.device
    memory, outline = plan_memory(base, config, device), outline_of(base)
    size = image_size(outline, config)
    counts = bucket_counts(concept, size, outline.family.training_cell(outline)) if config.buckets else {}
    kept = -(-config.steps // config.checkpoint_every)
    if config.keep_checkpoints:
        kept = min(kept, config.keep_checkpoints + 1)
    return TrainingPlan(
        device=str(device),
        compute=str(choose_format(device, "train", config.precision)).removeprefix("torch."),
        size_px=size,
        pictures=sum(len(own.training_examples) for own in concept.every),
        samples_per_step=config.batch_size * config.accumulate,
        steps=config.steps,
        memory=memory,
        free_memory=free_memory(device),
        disk=kept * memory.saved + 2 * memory.state,
        free_disk=free_bytes(folder),
        means=means or {},
        buckets={f"{height} x {width}": count for (height, width), count in counts.items()},
    )


def cheaper(
    config: TrainSettings, device: torch.device, *, is_flow: bool = False
) -> Iterator[tuple[Means, TrainSettings]]:
    """Settings that need less and less memory, those first that cost the least time; the first are the given ones.

    Smaller batches whose gradients are added, gradient checkpointing, the optimizer in main memory: none changes what
    is learnt. Then, beside a flow transformer, its frozen weights in fewer bits or in main memory. Last, for weights of
    the whole base, steps inside the backward pass with Adafactor, which does.
    """
    found: Means = {}

    def step(more: Means) -> tuple[Means, TrainSettings]:
        found.update(more)
        return dict(found), config.model_copy(update=found)

    yield step({})
    if not config.fused_backward:
        for size in (part for part in range(config.batch_size - 1, 0, -1) if config.batch_size % part == 0):
            yield step({"batch_size": size, "accumulate": config.accumulate * config.batch_size // size})
    if not config.gradient_checkpointing:
        yield step({"gradient_checkpointing": True})
    may_offload = KINDS[config.optimizer].per_weight and not config.fused_backward
    if device.type != "cpu" and may_offload and not config.offload_optimizer:
        yield step({"offload_optimizer": True})
    whole = method_named(config.method).trains_base_weights
    for more in SMALLER if is_flow and not whole and device.type != "cpu" else ():
        if all(is_installed(PACKAGES[name]) for name in more.values() if name in PACKAGES):
            yield step(dict(more))
    if whole and found.get("accumulate", config.accumulate) == 1 and not config.fused_backward:
        fused = {"fused_backward": True, "gradient_clip": 0.0, "optimizer": "adafactor"}
        yield step(fused | ({"offload_optimizer": False} if "offload_optimizer" in found else {}))


def fit(base: Base | str, config: TrainSettings, device: torch.device, free: int, below: int | None = None) -> Means:
    """The cheapest means with which a training fits into `free` bytes, and needs less than `below`; {} when it does as
    it is. Raises NotEnoughMemory when nothing helps.
    """
    least = 0
    for means, settings in cheaper(config, device, is_flow=family_of(base).noising.is_flow):
        least = plan_memory(base, settings, device).peak
        if least * SPARE <= free and (below is None or least < below):
            return means
    raise NotEnoughMemory(
        f"not enough memory: with every means the training needs about {gib(least)} of {gib(free)}",
        hint="smaller pictures (--set image_px=...), a method that trains less (lora), or another device",
    )


def advise(base: Base, config: TrainSettings) -> NotEnoughMemory:
    """The error for a training that ran out of memory: the plan that would have fitted, or that none does."""
    if base.device.type == "cuda":
        torch.cuda.empty_cache()
    try:
        needed = plan_memory(base, config, base.device).peak
        means = fit(base, config, base.device, free_memory(base.device) + needed, below=int(0.9 * needed))
    except NotEnoughMemory as error:
        return error
    except Exception:  # a base that cannot be traced: the error is still about memory
        hint = "try --set gradient_checkpointing=true, a smaller --batch-size, or smaller pictures"
        return NotEnoughMemory(f"out of memory on {base.device}", hint=hint)
    said = f"out of memory on {base.device}: the training needs about {gib(needed)}"
    return NotEnoughMemory(said, hint=f"would have fitted: {shown(means)}", means=means)
