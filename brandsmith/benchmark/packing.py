"""`brandsmith benchmark pack`: what packed training saves, and whether it changes what is learnt.

The same LoRA trials, batch 1 each, with different ranks, learning rates and seeds, are trained one after another and
then together, by one process that has the base loaded and the pictures encoded. Times are of the whole training calls;
memory is the highest that the process held (on a GPU, that torch took there) during each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from brandsmith.base.base import Base
from brandsmith.concept.concept import Concept
from brandsmith.core.memory import peak_memory
from brandsmith.core.progress import Log
from brandsmith.core.run import RunDirectory
from brandsmith.methods.loop import prepare, train
from brandsmith.methods.packed import Trial, train_packed
from brandsmith.methods.presets import preset_for
from brandsmith.methods.registry import build_config
from brandsmith.methods.settings import TrainSettings

RANKS = (4, 8, 16, 16)
RATES = (1.0, 0.5, 2.0)
"""Learning rates of the trials, in units of the preset's."""


@dataclass(frozen=True)
class PackFigures:
    """Packed training beside one trial after another; differences are defined at `Difference`, the largest of all."""

    time_ratio: float
    """Of the whole training calls, packed over alone; below 1 is faster."""
    memory_ratio: float | None
    max_rel_diff: float
    max_element_diff: float
    max_adapter_diff: float
    trials: int
    step_time_ratio: float
    """Of the steps alone, without what comes before and after them."""
    steps: int
    seconds_alone: list[float]
    seconds_packed: float
    seconds_per_packed_trial: list[float]
    peak_mb_alone: float | None
    """The highest of the trials trained alone, in 10^6 bytes; None where the system does not record it."""
    peak_mb_packed: float | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def benchmark_pack(
    base: Base,
    concept: Concept,
    out: Path,
    *,
    num_trials: int = 8,
    num_steps: int = 20,
    precision: str = "fp32",
    image_px: int | None = None,
    log: Log = lambda what: None,
) -> PackFigures:
    """The figures. `out` is an empty folder, for the run directories of both ways."""
    configs = trial_configs(base.name, num_trials, num_steps, precision, image_px)
    cache = out / "cache"
    prepare(base, concept, configs[0], cache, lambda *_: None)
    log("a warm-up trial")
    train(configs[0].model_copy(update={"steps": 2}), concept, base, out / "warm-up", cache_dir=cache)
    alone = []
    for i, config in enumerate(configs):
        log(f"trial {i + 1} of {num_trials} alone")
        work = partial(_train_alone, config, concept, base, out / f"alone-{i}", cache)
        alone.append(measured(base.device, work))
    log(f"{num_trials} trials together")
    trials = [Trial(config, concept, out / f"packed-{i}") for i, config in enumerate(configs)]
    packed = measured(base.device, lambda: train_packed(trials, base, cache_dir=cache))
    return figures(alone, packed)


def trial_configs(
    base_name: str, num_trials: int, num_steps: int, precision: str, image_px: int | None
) -> list[TrainSettings]:
    """LoRA trials of batch 1 that differ in rank, learning rate and seed. What they end at is compared in fp32 only:
    bf16 rounds.
    """
    first = build_config("lora", **preset_for("lora", base_name))
    fixed = {
        "batch_size": 1,
        "steps": num_steps,
        "checkpoint_every": num_steps,
        "precision": precision,
        "convolutions": False,
        "num_vectors": 0,
        "spell": False,
        "image_px": image_px,
    }
    return [
        first.model_copy(
            update=fixed
            | {"rank": RANKS[i % len(RANKS)], "learning_rate": first.learning_rate * RATES[i % len(RATES)], "seed": i}
        )
        for i in range(num_trials)
    ]


@dataclass(frozen=True)
class Measured:
    runs: list[RunDirectory]
    seconds: float
    peak_mb: float | None
    """None where the system does not record it."""


def _train_alone(config: TrainSettings, concept: Concept, base: Base, folder: Path, cache: Path) -> list[RunDirectory]:
    return [train(config, concept, base, folder, cache_dir=cache)]


def measured(device: torch.device, work: Callable[[], list[RunDirectory]]) -> Measured:
    with peak_memory(on_gpu=device.type == "cuda") as peak:
        started = time.perf_counter()
        runs = work()
        seconds, peak_bytes = time.perf_counter() - started, peak()
    return Measured(runs, seconds, None if peak_bytes is None else round(peak_bytes / 1e6, 1))


def figures(alone: Sequence[Measured], packed: Measured) -> PackFigures:
    pairs = list(zip((run for one in alone for run in one.runs), packed.runs, strict=True))
    differences = [compare_runs(*pair) for pair in pairs]
    peaks = [one.peak_mb for one in alone if one.peak_mb]
    seconds = sum(one.seconds for one in alone)
    steps = [sum(row["seconds"] for pair in pairs for row in pair[side].metrics()) for side in (0, 1)]
    return PackFigures(
        time_ratio=round(packed.seconds / seconds, 4),
        memory_ratio=round(packed.peak_mb / max(peaks), 4) if peaks and packed.peak_mb else None,
        max_rel_diff=max(difference.relative for difference in differences),
        max_element_diff=max(difference.element for difference in differences),
        max_adapter_diff=max(difference.adapter for difference in differences),
        trials=len(pairs),
        step_time_ratio=round(steps[1] / steps[0], 4),
        steps=alone[0].runs[0].step(),
        seconds_alone=[round(one.seconds, 3) for one in alone],
        seconds_packed=round(packed.seconds, 3),
        seconds_per_packed_trial=[round(sum(row["seconds"] for row in run.metrics()), 3) for run in packed.runs],
        peak_mb_alone=max(peaks, default=None),
        peak_mb_packed=packed.peak_mb,
    )


@dataclass(frozen=True)
class Difference:
    """Between two runs, the largest over all tensors of all checkpoints, relative to the first run's tensor.

    `relative` compares norms, |a - b| / |a|. `element` compares the worst element with the tensor's largest: Adam moves
    an element whose gradient is lost in rounding by a whole learning rate in either direction, so this one measures
    rounding, and training alone with another memory layout shows as much of it.
    """

    relative: float
    element: float
    adapter: float
    """|a - b| / |a| over all weights together."""


def compare_runs(one: RunDirectory, other: RunDirectory) -> Difference:
    """Raises ValueError when the runs do not hold the same checkpoints and tensors, or none."""
    mine, theirs = _weights(one), _weights(other)
    if not mine or mine.keys() != theirs.keys():
        raise ValueError(f"'{one.folder}' and '{other.folder}' hold different tensors")
    pairs = [(tensor, (tensor - theirs[key])) for key, tensor in mine.items()]
    relative = max(float(gap.norm() / tensor.norm().clamp(min=1e-12)) for tensor, gap in pairs)
    element = max(float(gap.abs().max() / tensor.abs().max().clamp(min=1e-12)) for tensor, gap in pairs)
    whole, apart = (torch.cat([pair[side].flatten() for pair in pairs]).norm() for side in (0, 1))
    return Difference(relative, element, float(apart / whole))


def _weights(run: RunDirectory) -> dict[tuple[int, str, str], torch.Tensor]:
    files = [(step, file) for step, folder in run.checkpoints() for file in sorted(folder.glob("*.safetensors"))]
    return {(step, file.name, name): tensor for step, file in files for name, tensor in load_file(file).items()}
