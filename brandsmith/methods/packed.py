"""Many trials trained together in one process on one frozen base: one forward pass serves them all.

A trial's samples, noise, learning rates, clipping, schedule and end are its own, named by its own settings, so that it
ends where `loop.train` alone would end (up to rounding). The numbers per step are made here; everything a trial writes
(rows, checkpoints, state) is written by its own `loop.Training`, so a trial started here can go on alone and
the reverse.

Why it is faster: a small batch leaves a processor waiting for each operation to start, whatever its size.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from brandsmith.base.base import Base, Conditioning, encode_ids
from brandsmith.base.memory_format import channels_last
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import InvalidConfig, TrainingDiverged
from brandsmith.core.run import RunDirectory
from brandsmith.methods.compute import computing_in, training_attention, training_format
from brandsmith.methods.job import TrainingJob, check_job
from brandsmith.methods.loop import Training, load_trainable, prepare
from brandsmith.methods.lora import LoraConfig
from brandsmith.methods.optimizer import set_learning_rates
from brandsmith.methods.packed_layers import SampleRows, packed_layers
from brandsmith.methods.packed_optimizer import PackedAdamW
from brandsmith.methods.packed_stack import Stack
from brandsmith.methods.registry import method_named
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.stopping import StopRequest, stop_requests
from brandsmith.methods.training_data import Drawn, Progress

PACKABLE = ("lora", "textual_inversion")
OnStep = Callable[[RunDirectory, int], None]


@dataclass(frozen=True)
class Trial:
    """One training of a pack, as `loop.train` takes it."""

    config: TrainSettings
    concept: Concept
    run_dir: Path | str


def pack_key(config: TrainSettings) -> tuple[object, ...]:
    """Trials on one base whose keys are equal can be packed. Raises InvalidConfig when this one never can be."""
    if config.method not in PACKABLE:
        raise InvalidConfig(
            f"{config.method} trials cannot be packed", hint=f"allowed: {', '.join(PACKABLE)}; train this one alone"
        )
    if config.optimizer != "adamw":
        raise InvalidConfig(
            f"trials with optimizer '{config.optimizer}' cannot be packed", hint="use adamw, or train this one alone"
        )
    means = ("accumulate", "gradient_checkpointing", "fused_backward", "offload_optimizer")
    if own := [name for name in means if getattr(config, name) not in (False, 1)]:
        raise InvalidConfig(f"trials with `{own[0]}` cannot be packed", hint="leave it out, or train this one alone")
    changing = ("buckets", "preservation_weight", "attention_loss_weight", "shuffle_tags", "tag_dropout", "ema_decay")
    if own := [name for name in (*changing, "caption_dropout") if getattr(config, name)]:
        raise InvalidConfig(f"trials with `{own[0]}` cannot be packed", hint="leave it out, or train this one alone")
    if isinstance(config, LoraConfig) and (name := _not_plain(config)):
        raise InvalidConfig(f"LoRA trials with `{name}` cannot be packed", hint="leave it out, or train this one alone")
    if isinstance(config, LoraConfig) and config.convolutions:
        raise InvalidConfig(
            "LoRA trials with `convolutions` cannot be packed", hint="leave it out, or train this one alone"
        )
    if isinstance(config, LoraConfig) and config.num_vectors:
        raise InvalidConfig(
            "LoRA trials with a new word (`num_vectors`) cannot be packed", hint="leave it out, or train this one alone"
        )
    return config.image_px, config.precision, config.clip_skip


def _not_plain(config: LoraConfig) -> str:
    """The first setting by which the layers are not plain low-rank ones at one learning rate; empty: none."""
    kinds = {"kind": config.kind != "lora", "dropout": config.dropout > 0, "block_weights": bool(config.block_weights)}
    return next((name for name, on in kinds.items() if on), "")


def check_packable(trials: Sequence[Trial]) -> None:
    """Raise InvalidConfig unless the trials can be one pack."""
    if not trials:
        raise InvalidConfig("a pack of no trials", hint="give at least one")
    keys = {pack_key(trial.config): trial.run_dir for trial in trials}
    if len(keys) > 1:
        shown = "; ".join(
            f"'{folder}': image_px {px}, precision {precision}, clip_skip {skip}"
            for (px, precision, skip), folder in keys.items()
        )
        raise InvalidConfig(
            f"trials of one pack must share resolution, precision and clip skip ({shown})",
            hint="make a pack of each (see pack_key)",
        )
    folders = [Path(trial.run_dir).resolve() for trial in trials]
    twice = sorted({str(folder) for folder in folders if folders.count(folder) > 1})
    if twice:
        raise InvalidConfig(f"two trials of a pack in one run directory '{twice[0]}'", hint="give each trial its own")


def train_packed(
    trials: Sequence[Trial],
    base: Base | str,
    *,
    progress: Progress = lambda *_: None,
    on_step: OnStep = lambda *_: None,
    until: int | None = None,
    cache_dir: Path | str | None = None,
    device: str | None = None,
) -> list[RunDirectory]:
    """Train LoRA and Textual Inversion trials together; every one gets an ordinary run directory.

    As `loop.train`: finished trials are left alone, half-finished ones resume (each at its own step), signals save all
    and stop. on_step: called with a trial's run directory and step when that is on disk. until: a checkpoint's step
    after which all stop, to go on another time. `cache_dir` defaults to the first unfinished trial's. Raises
    InvalidInput before anything is written. When trials diverge, the others are trained to their end first; then
    TrainingDiverged names those that did.
    """
    check_packable(trials)
    jobs = [check_job(trial.config, trial.concept, base, trial.run_dir) for trial in trials]
    unfinished = [job for job in jobs if job.run.status() != "finished"]
    if unfinished:
        base = load_trainable(base, unfinished[0].config, device)
        with ExitStack() as locks:
            for job in unfinished:
                locks.enter_context(job.run.locked())
            cache = Path(cache_dir) if cache_dir else unfinished[0].run.cache_folder
            _train(base, unfinished, cache, Watch(progress, on_step, until))
    return [job.run for job in jobs]


@dataclass(frozen=True)
class Watch:
    """Who is told of a pack's steps, and where it stops before its trials' ends."""

    progress: Progress
    on_step: OnStep
    until: int | None


def _train(base: Base, jobs: Sequence[TrainingJob], cache: Path, watch: Watch) -> None:
    for job in jobs:
        job.begin()
    compute = training_format(base, jobs[0].config.precision)
    if compute == torch.float16:
        raise InvalidConfig("trials in fp16 cannot be packed: it needs loss scaling", hint="use bf16 or fp32")
    with channels_last(base.denoiser), training_attention(base, compute), stop_requests() as stop:
        members = [Member(_build_training(base, job, cache, watch.progress), watch.until) for job in jobs]
        going, num_steps = [member for member in members if member.going], sum(member.last for member in members)
        while going:  # once for every set of trials that is still training
            pack = Pack(base, [member.training for member in going])
            attached = [member.training.attached for member in going]
            with packed_layers(base, pack.stack, attached, pack.rows), computing_in(base, compute):
                while all(member.going for member in going):
                    _step(pack, going, stop)
                    done = sum(member.done for member in members)
                    watch.progress("train", done, num_steps, f"{len(going)} trials together")
                    for member in going:
                        watch.on_step(member.training.directory, member.done)
            going = [member for member in going if member.going]
    failures = [member.failure for member in members if member.failure]
    if failures:
        raise TrainingDiverged("; ".join(map(str, failures)), hint=failures[0].hint)


def _build_training(base: Base, job: TrainingJob, cache: Path, progress: Progress) -> Training:
    """A trial with its starting weights and its words, made by its own method, which then leaves the base."""
    config = job.config
    material = prepare(base, job.concept, config, cache, progress)
    attached = method_named(config.method).attach(base, config, job.words)
    try:
        return Training(base, config, job.words, material, attached, job.run)
    finally:
        attached.detach()


class Member:
    """A trial and how far it is."""

    def __init__(self, training: Training, until: int | None) -> None:
        self.training, self.done = training, training.resume()
        self.last = training.config.steps if until is None else min(until, training.config.steps)
        self.failure: TrainingDiverged | None = None

    @property
    def going(self) -> bool:
        return self.failure is None and self.done < self.last

    def attempt(self, action: Callable[..., None], *given: Any) -> None:
        """Run a part of a step unless this trial has failed; divergence is kept: it must not end the others."""
        if self.failure is None:
            try:
                action(*given)
            except TrainingDiverged as error:
                self.failure = TrainingDiverged(f"'{self.training.directory.folder}': {error}", hint=error.hint)


def _step(pack: Pack, members: Sequence[Member], stop: StopRequest) -> None:
    """One step of every member, on disk when it returns."""
    started = time.perf_counter()
    steps = [member.done + 1 for member in members]
    numbers = pack.gradients(steps)
    for member, step, own in zip(members, steps, numbers, strict=True):
        member.attempt(member.training.check_finite, step, own)
    pack.optimizer.step()
    seconds = (time.perf_counter() - started) / len(members)  # a trial's share, so that sums over trials are true
    stopping = bool(stop)
    for member, step, own in zip(members, steps, numbers, strict=True):
        member.attempt(member.training.keep, member.training.row(step, own, seconds), stopping)
        member.done = step if member.failure is None else member.done
    if stopping and any(member.going for member in members):
        stop.obey()


class Pack:
    """The arithmetic of a fixed set of trials; the base must be under `packed_layers`."""

    def __init__(self, base: Base, trainings: Sequence[Training]) -> None:
        self.base, self.trainings = base, trainings
        self.stack = Stack([training.attached.groups for training in trainings])
        self.rows = SampleRows(len(trainings), base.device)
        clips = [training.config.gradient_clip or math.inf for training in trainings]
        self.optimizer = PackedAdamW(self.stack, [(t.attached.groups, t.optimizer) for t in trainings], clips)

    def gradients(self, steps: Sequence[int]) -> list[dict[str, float]]:
        """Set learning rates and clipped gradients of each trial's own step; its losses and gradient norm."""
        for training, step in zip(self.trainings, steps, strict=True):
            set_learning_rates(training.optimizer, training.attached.groups, step, training.config)
        parts = self.losses([training.draw(step) for training, step in zip(self.trainings, steps, strict=True)])
        totals = [training.total(own) for training, own in zip(self.trainings, parts, strict=True)]
        self.stack.differentiate(torch.stack(totals).sum())
        norms = self.optimizer.clip()
        values = iter(torch.stack([*(value.detach() for own in parts for value in own.values()), *norms]).tolist())
        numbers = [{name: next(values) for name in own} for own in parts]
        return [own | {"gradient_norm": next(values)} for own in numbers]

    def losses(self, drawn: Sequence[Drawn]) -> list[dict[str, torch.Tensor]]:
        """Mean losses of each trial from one pass of the denoiser over everyone's samples."""
        counts = [len(own.prompts) for own in drawn]
        batch = Drawn.cat(drawn).prepared_for(self.base)
        conditioning = self.encode([own.prompts for own in drawn])
        self.rows.set(_repeated(range(len(drawn)), counts))
        errors = self.trainings[0].loss.errors(
            batch.latents, conditioning, batch.noise, batch.timesteps, batch.places, batch.input_noise
        )
        pairs = zip(self.trainings, errors.split(counts), batch.timesteps.split(counts), strict=True)
        return [training.means(own * training.loss.weights(timesteps)) for training, own, timesteps in pairs]

    def encode(self, prompts: Sequence[Sequence[str]]) -> Conditioning:
        """Everyone's prompts in order: one pass of the text encoders for the trials that train them, tables for the
        rest.
        """
        encoders = [training.encode for training in self.trainings]
        with_text = [k for k, encode in enumerate(encoders) if encode.trains_text]
        pieces = {
            k: encode(own)
            for k, (encode, own) in enumerate(zip(encoders, prompts, strict=True))
            if not encode.trains_text
        }
        if with_text:
            counts = [len(prompts[k]) for k in with_text]
            ids = [
                torch.cat(column)
                for column in zip(*(encoders[k].token_ids(prompts[k]) for k in with_text), strict=True)
            ]
            self.rows.set(_repeated(with_text, counts))
            encoded, start = encode_ids(self.base, ids, encoders[0].size, encoders[0].clip_skip), 0
            for k, count in zip(with_text, counts, strict=True):
                pieces[k] = encoded.rows(slice(start, start + count))
                start += count
        return Conditioning.cat([pieces[k] for k in range(len(prompts))])


def _repeated(trials: Iterable[int], counts: Sequence[int]) -> list[int]:
    return [k for k, count in zip(trials, counts, strict=True) for _ in range(count)]
