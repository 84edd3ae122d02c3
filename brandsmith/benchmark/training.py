"""`brandsmith benchmark training`: how fast a LoRA trains beside diffusers' way, whether losses are those of an
independent loop, and whether the plan of memory holds. Ratios, all of one run on one machine.
"""

from __future__ import annotations

import copy
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file

from brandsmith.base.base import Base
from brandsmith.base.random_sd15 import build_random_sd15
from brandsmith.base.random_small import build_tiny
from brandsmith.base.sources import load_base
from brandsmith.benchmark.preview_cost import PreviewCost, measure_previews
from brandsmith.benchmark.reference_loop import reference_losses, stock_steps
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.errors import unknown_name
from brandsmith.core.progress import Log
from brandsmith.methods.compute import training_format
from brandsmith.methods.loop import prepare, train
from brandsmith.methods.lora import LoraConfig
from brandsmith.methods.memory_plan import plan_memory
from brandsmith.methods.pixels import load_pixels
from brandsmith.methods.presets import preset_for
from brandsmith.methods.registry import build_config

GROUPS = ("losses", "speed", "memory", "previews")
ROUNDS = 3
REFERENCES: dict[str, tuple[str, dict[str, Any]]] = {
    "sd1": ("sd1", {}),
    "sd2": ("sd2", {}),
    "sdxl": ("sdxl", {}),
    "sdxl, buckets": ("sdxl", {"buckets": True}),
    "sd1, prior, min-SNR": (
        "sd1",
        {"prior_weight": 0.5, "num_class_images": 2, "class_image_steps": 2, "min_snr_gamma": 0.1},
    ),
    "sd2, min-SNR": ("sd2", {"min_snr_gamma": 0.1}),
}
"""Family and settings of the trainings whose losses are compared with the independent loop's. A gamma of 0.1 changes
the weights of most timesteps.
"""
PLANNED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("lora", {"batch_size": 4}),
    ("lora", {"batch_size": 8, "gradient_checkpointing": True}),
    ("textual_inversion", {"batch_size": 4}),
    ("dreambooth", {"batch_size": 2, "fused_backward": True, "gradient_clip": 0.0}),
)
"""Trainings of pocket whose memory is planned and measured."""


@dataclass(frozen=True)
class Speed:
    """Medians of rounds that took turns, LoRA of rank 16 on attention."""

    base: str
    image_px: int
    batch_size: int
    compute: str
    """The number format that ours chose; diffusers' is its default, fp32."""
    seconds_stock: float
    seconds_ours: float
    lora_step_speedup: float


@dataclass(frozen=True)
class Planned:
    """Peak memory of one training of pocket, in MiB."""

    method: str
    settings: dict[str, Any]
    planned_mib: float
    measured_mib: float
    ratio: float


@dataclass(frozen=True)
class TrainingFigures:
    """Of the groups that were asked for; the others are empty."""

    speed: tuple[Speed, ...] = ()
    reference_max_rel_diff: dict[str, float] = field(default_factory=dict)
    """By training, as REFERENCES has them: the largest relative difference of a step's loss."""
    memory: tuple[Planned, ...] = ()
    previews: PreviewCost | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "preview_cost": self.previews and self.previews.preview_cost,
            "memory_worst": max((abs(one.ratio - 1) for one in self.memory), default=None),
        }


def benchmark_training(
    concept: Concept, only: Sequence[str], *, sd15: bool, num_steps: int = 4, log: Log = lambda what: None
) -> TrainingFigures:
    """The figures of the groups in `only` (none: of all); `sd15`: also the speed at Stable Diffusion 1.5's real size
    with random weights, at 128 px. Raises InvalidConfig for a group that there is not.
    """
    for name in (name for name in only if name not in GROUPS):
        raise unknown_name("group", name, GROUPS)
    wanted, found = set(only or GROUPS), TrainingFigures()
    if "losses" in wanted:
        log("losses beside an independent loop")
        found = replace(found, reference_max_rel_diff=_losses(concept))
    if "speed" in wanted:
        found = replace(found, speed=_speeds(concept, sd15, num_steps, log))
    if "memory" in wanted:
        log("planned memory beside measured")
        found = replace(found, memory=tuple(measure_memory(method, settings) for method, settings in PLANNED))
    if "previews" in wanted:
        log("previews")
        found = replace(found, previews=measure_previews(str(concept.folder)))
    return found


def _losses(concept: Concept) -> dict[str, float]:
    with TemporaryDirectory() as folder:
        return {
            name: reference_difference(build_tiny(family, context=77), concept, Path(folder) / name, settings)
            for name, (family, settings) in REFERENCES.items()
        }


def _speeds(concept: Concept, sd15: bool, num_steps: int, log: Log) -> tuple[Speed, ...]:
    """pocket as one picture a step, which caches help most, and as its preset trains it."""
    shipped = int(preset_for("lora", "pocket")["batch_size"])
    builders: list[tuple[str, int, Callable[[], Base]]] = [
        ("pocket", batch_size, lambda: load_base("pocket", precision="fp32")) for batch_size in (1, shipped)
    ]
    if sd15:
        builders.append(("random-sd15", 1, build_random_sd15))
    speed = []
    for name, batch_size, build in builders:
        log(f"steps of {name}, batch {batch_size}")
        speed.append(measure_speed(build(), concept, 128, num_steps, batch_size))
    return tuple(speed)


def reference_difference(
    base: Base, concept: Concept, folder: Path, settings: Mapping[str, Any], num_steps: int = 3
) -> float:
    """Between the losses of our loop and of an independent one, in fp32, the largest relative one."""
    options: dict[str, Any] = {
        "steps": num_steps,
        "checkpoint_every": 1,
        "batch_size": 2,
        "precision": "fp32",
        "learning_rate": 1e-3,
    }
    config = build_config("lora", **options, **settings)
    assert isinstance(config, LoraConfig)
    # a checkpoint before anything was learnt: at a rate of nearly nothing
    start = train(
        config.model_copy(update={"steps": 1, "learning_rate": 1e-30, "weight_decay": 0.0}),
        concept,
        base,
        folder / "start",
    )
    run = train(config, concept, base, folder / "run")
    material = prepare(base, concept, config, folder / "cache", lambda *_: None)
    stored = load_file(start.checkpoint_at() / "pytorch_lora_weights.safetensors")
    weights = {name.removeprefix("unet."): tensor for name, tensor in stored.items()}
    wanted = reference_losses(base, config, material.concept, weights, material.prior)
    found = [row["loss"] for row in run.metrics()]
    return max(abs(one - other) / abs(other) for one, other in zip(found, wanted, strict=True))


def measure_speed(base: Base, concept: Concept, image_px: int, num_steps: int, batch_size: int = 1) -> Speed:
    """Rounds of both ways take turns, so that a busy machine slows both."""
    options: dict[str, Any] = {
        "image_px": image_px,
        "batch_size": batch_size,
        "steps": num_steps,
        "checkpoint_every": num_steps,
        "learning_rate": 1e-4,
    }
    config = build_config("lora", **options)
    assert isinstance(config, LoraConfig)
    examples = concept.examples[:8]
    pictures = torch.stack([load_pixels(example.image, (image_px, image_px)) for example in examples])
    stock_base = copy.copy(base)
    stock_base.denoiser = copy.deepcopy(base.denoiser)
    step = stock_steps(stock_base, pictures, [example.caption for example in examples], config)
    ours: list[float] = []
    stock: list[float] = []
    with TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            run = train(config, concept, base, Path(folder) / str(number), cache_dir=Path(folder) / "cache")
            ours += [row["seconds"] for row in run.metrics()[1:]]
            for turn in range(num_steps):
                started = time.perf_counter()
                step()
                stock += [time.perf_counter() - started] if turn else []
    compute = str(training_format(base, config.precision)).removeprefix("torch.")
    speedup = round(median(stock) / median(ours), 3)
    return Speed(base.name, image_px, batch_size, compute, round(median(stock), 4), round(median(ours), 4), speedup)


def measure_memory(method: str, settings: dict[str, Any]) -> Planned:
    """Planned here, measured in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        planned, measured = pool.apply(planned_and_measured, (method, settings))
    mib = [round(number / 2**20, 1) for number in (planned, measured)]
    return Planned(method, settings, mib[0], mib[1], round(planned / measured, 4))


def planned_and_measured(method: str, settings: dict[str, Any]) -> tuple[int, int]:
    """Bytes: of the plan, and that torch's allocator then held at most, weights among it."""
    config = build_config(method, base="pocket", steps=2, checkpoint_every=9, precision="fp32", **settings)
    planned = plan_memory("pocket", config, torch.device("cpu")).peak
    base = load_base("pocket", device="cpu", precision="fp32")
    with TemporaryDirectory() as folder:
        measured = allocated_at_most(base, lambda: train(config, load_concept("demo"), base, Path(folder) / "run"))
    return planned, measured


def allocated_at_most(base: Base, work: Callable[[], object]) -> int:
    """Bytes that torch's allocator for main memory held at most; the base's weights are made anew where it watches."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        for module in base.modules():
            for parameter in module.parameters():
                parameter.data = parameter.data.clone()
        work()
    now = most = 0
    events = [event for event in watched.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most
