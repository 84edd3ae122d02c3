"""THE training loop: the same for every method.

One step: pick the next samples, noise them, let the denoiser predict, follow the gradient. Everything random is named
by (seed, running number), so that an interrupted and resumed run ends, on a CPU, in the same bits as an undisturbed
one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch

from brandsmith.base.base import Base
from brandsmith.base.hardware import choose_device, choose_format, prepare_card
from brandsmith.base.memory_format import channels_last
from brandsmith.base.sources import load_in
from brandsmith.base.weight_storage import back_on
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import TrainingDiverged
from brandsmith.core.files import append_jsonl
from brandsmith.core.memory import is_out_of_memory
from brandsmith.core.run import RunDirectory, Status
from brandsmith.methods.adapter import build_metadata, round_files, taking_over
from brandsmith.methods.attention_loss import TokenAttention
from brandsmith.methods.buckets import bucketed_set
from brandsmith.methods.compute import (
    checkpointed,
    computing_in,
    frozen_parts_small,
    training_attention,
    training_format,
)
from brandsmith.methods.continuing import Start
from brandsmith.methods.diffusion_loss import DiffusionLoss
from brandsmith.methods.disk_space import check_training_space
from brandsmith.methods.flow_timesteps import sampling_changes
from brandsmith.methods.frozen_storage import offloaded_blocks, quantise
from brandsmith.methods.job import TrainingJob, check_job
from brandsmith.methods.learning_check import LearningCheck, check_saved, predicted
from brandsmith.methods.loss_scaling import LossScaling
from brandsmith.methods.low_rank import dropping_out
from brandsmith.methods.method import Attached, Words
from brandsmith.methods.optimizer import build_optimizer, restore_training, set_learning_rates, training_tensors
from brandsmith.methods.optimizer_kinds import averaged_weights
from brandsmith.methods.optimizer_means import close, norm_of
from brandsmith.methods.preservation import framed, preservation_loss
from brandsmith.methods.processes import ALONE, Processes, check_shared, join_processes
from brandsmith.methods.prompt_encoder import PromptEncoder
from brandsmith.methods.registry import method_named
from brandsmith.methods.samples import Material, Samples
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.stopping import StopRequest, stop_requests
from brandsmith.methods.training_data import (
    Drawn,
    Progress,
    class_set,
    concept_set,
    image_size,
)
from brandsmith.methods.training_plan import advise
from brandsmith.methods.watcher import Watcher
from brandsmith.methods.weight_average import WeightAverage, split_average


def train(
    config: TrainSettings,
    concept: Concept,
    base: Base | str,
    run_dir: Path | str,
    *,
    progress: Progress = lambda *_: None,
    cache_dir: Path | str | None = None,
    device: str | None = None,
    start: Start | None = None,
    watcher: Watcher | None = None,
) -> RunDirectory:
    """Teach `concept` to `base` and leave the base as it was. A finished run does nothing, a half-finished one resumes.

    `base` may be a name: it is then loaded only after everything that can be checked without weights. `cache_dir`
    shares latents and class pictures between runs (default: inside the run). `start` is the adapter that is trained
    on, None: a new one. `watcher` draws previews. Ctrl-C and SIGTERM save and then raise
    KeyboardInterrupt and SystemExit. Raises InvalidInput before anything is written, TrainingDiverged when the loss
    or a gradient is not finite (the last checkpoint stays), NotEnoughMemory with settings that would have fitted.
    """
    processes = join_processes()
    check_shared(config, processes)
    job = check_job(config, concept, base, run_dir, processes, start)
    run = job.run
    processes.wait()  # all have checked before the first writes
    if run.status() == "finished" and config.steps <= run.step():
        if not config.keep_state:
            run.remove_state()  # a kill may have left it
        return run
    if isinstance(base, str):
        check_training_space(config, job.words, base, run)
    base = load_trainable(base, config, device)
    with run.locked() if processes.first else nullcontext():
        if processes.first:
            job.begin()
        cache = Path(cache_dir) if cache_dir else run.cache_folder
        try:
            if watcher:
                watcher.begin(base)
            _train(job, base, cache, progress, watcher)
            processes.wait()
            return run
        except Exception as error:
            if not is_out_of_memory(error):
                raise
    raise advise(base, config)  # outside, where no traceback holds tensors any more


def _train(job: TrainingJob, base: Base, cache: Path, progress: Progress, watcher: Watcher | None = None) -> None:
    config = job.config
    compute = training_format(base, config.precision)
    if not job.processes.first:
        job.processes.wait()  # the first fills the cache
    material = prepare(base, job.concept, config, cache, progress)
    if job.processes.first:
        job.processes.wait()
    with channels_last(base.denoiser), training_attention(base, compute), stop_requests() as stop:
        attached = method_named(config.method).attach(base, config, job.words)
        try:
            if job.start:
                attached.read(job.start.checkpoint)
            training = Training(base, config, job.words, material, attached, job.run, job.processes)
            training.watcher = watcher
            encodes = attached.trains_text or training.samples.captions.reorders
            with computing_in(base, compute), frozen_parts_small(base, compute, trains_text=encodes):
                training.run(progress, stop)
        finally:
            attached.detach()


def load_trainable(base: Base | str, config: TrainSettings, device: str | None = None) -> Base:
    """The base, loaded for this training if it is a name: on a card what stays frozen is held in the format that is
    computed in, and what trains in fp32. Raises InvalidConfig when its noise schedule is not one we can train.
    """
    if isinstance(base, str):
        place = choose_device(device)
        on_card = place.type == "cuda"
        compute = choose_format(place, "train", config.precision) if on_card else choose_format(place, "draw")
        prepare_card(place, config.precision)
        stored = torch.float32 if method_named(config.method).trains_base_weights else compute
        base = load_in(base, place, compute, stored=stored)
        quantise(base, config.quantise)
    DiffusionLoss(base)
    return base


def prepare(base: Base, concept: Concept, config: TrainSettings, cache: Path, progress: Progress) -> Material:
    size = image_size(base, config)
    prior = class_set(base, concept, config, size, cache, progress) if config.prior_weight > 0 else None
    made = bucketed_set if config.buckets else concept_set
    return Material(made(base, concept, config, size, cache, progress), prior, size)


class Training:
    """One run in progress."""

    def __init__(
        self,
        base: Base,
        config: TrainSettings,
        words: Words,
        material: Material,
        attached: Attached,
        run: RunDirectory,
        processes: Processes = ALONE,
    ) -> None:
        self.processes = processes
        self.watcher: Watcher | None = None
        self.base, self.config, self.words = base, config, words
        self.material, self.attached, self.directory = material, attached, run
        self.loss = DiffusionLoss(base, config.min_snr_gamma, sampling_changes(config))
        self.samples = Samples(config, words, material, self.loss.noising)
        self.optimizer = build_optimizer(config, attached.groups)
        self.average = WeightAverage(attached.groups, config.ema_decay)
        self.scaling = LossScaling(base.device, training_format(base, config.precision))
        self.encode = PromptEncoder(
            base,
            self.samples.prompts,
            trains_text=attached.trains_text,
            size=material.size,
            clip_skip=config.clip_skip,
        )
        self.token_attention = TokenAttention(base, config, words.tokens)
        self.parameters = [parameter for group in attached.groups for parameter in group.parameters.values()]

    def run(self, progress: Progress, stop: StopRequest) -> None:
        try:
            with ExitStack() as stack:
                if self.config.gradient_checkpointing:
                    stack.enter_context(checkpointed(self.base.denoiser))
                if self.config.offload_blocks:
                    stack.enter_context(offloaded_blocks(self.base.denoiser, self.base.device))
                self.steps(progress, stop)
        finally:
            close(self.optimizer)

    def steps(self, progress: Progress, stop: StopRequest) -> None:
        last = self.config.steps
        first = self.resume() + 1
        check = LearningCheck(self.base, self.attached.groups) if first == 1 else None
        for step in range(first, last + 1):
            row = self.step(step)
            if check:
                check.look(step, last)
            progress("train", step, last, f"loss {row['loss']:.4f}")
            stopping = self.processes.any(bool(stop), self.base.device)
            if self.processes.first:
                self.keep(row, stopping)
            if stopping and step < last:
                stop.obey()
        if first <= last and self.processes.first:
            self.check_saved(last)

    def check_saved(self, step: int) -> None:
        """The last checkpoint, read afresh, predicts as the training does."""
        prompt = self.material.concept.prompts[:1]
        with averaged_weights(self.optimizer), self.average.in_place():
            sample = self.samples.pieces(1)[0].first(1).prepared_for(self.base)
            folder, precision = self.directory.checkpoint_at(step), self.config.save_precision
            check_saved(self.attached, lambda: predicted(self.base, self.encode(prompt), sample), folder, precision)

    def keep(self, row: dict[str, Any], stopping: bool) -> None:
        """Put a step on disk: its row, and the checkpoint and the state that are due."""
        step, last = row["step"], self.config.steps
        due = step % self.config.checkpoint_every == 0
        append_jsonl(self.directory.metrics_file, row)
        if due or step == last:
            self.save_checkpoint(step)
            self.show(step)
        if step == last and self.config.keep_state:
            self.save_state(step, "finished")
        elif step == last:
            self.directory.finish(last)
        elif stopping:
            self.save_state(step, "interrupted")
        elif due:
            self.save_state(step, "running")

    def resume(self) -> int:
        """Return the last step that is safely on disk, with its weights and optimizer in place; 0 for a new run."""
        saved = self.directory.load_state()
        step = saved[0] if saved else 0
        if saved:
            self.restore(*saved)
        self.processes.wait()  # nothing is written before all have read
        if self.processes.first:
            self.directory.cut_metrics(step)
            self.directory.set_status("running", step)
        return step

    def restore(self, step: int, tensors: dict[str, torch.Tensor]) -> None:
        averages, training = split_average(tensors)
        self.scaling.restore(restore_training(self.optimizer, self.attached.groups, training))
        self.average.restore(averages)

    def step(self, step: int) -> dict[str, Any]:
        """One optimizer step (counted from 1); the row for `metrics.jsonl`."""
        started = time.perf_counter()
        set_learning_rates(self.optimizer, self.attached.groups, step, self.config)
        parts = self.backward(step)
        self.scaling.unscale(self.optimizer)
        norm = {"gradient_norm": norm_of(self.optimizer, self.parameters, self.config.gradient_clip).item()}
        numbers: dict[str, float] = {name: value.item() for name, value in parts.items()}
        self.check_finite(step, numbers if self.scaling.on else numbers | norm)
        stepped = self.scaling.step(self.optimizer)
        if self.scaling.exhausted:
            raise self.diverged(step, norm)
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update()
        numbers |= norm if stepped else {"skipped": 1}
        return self.row(step, numbers, time.perf_counter() - started)

    def backward(self, step: int) -> dict[str, torch.Tensor]:
        """Gradients of a step's batches together, of all processes; their mean losses."""
        batches, shared = self.config.accumulate, self.processes
        found: list[dict[str, torch.Tensor]] = []
        for turn in range((step - 1) * batches, step * batches):
            number = turn * shared.count + shared.rank + 1
            # also in the backward pass: checkpointing runs the forward pass again there
            with self.dropping(number), self.token_attention.batch():
                parts = self.losses(number)
                self.scaling.backward(self.total(parts) / batches)
            found.append({name: value.detach() for name, value in parts.items()})
        means = {name: torch.stack([parts[name] for parts in found]).mean() for name in found[0]}
        shared.average([*means.values(), *(p.grad for p in self.parameters if p.grad is not None)])
        return means

    def dropping(self, number: int) -> AbstractContextManager[None]:
        """Dropout in the trained layers for a batch, where the settings want it."""
        if not getattr(self.config, "dropout", 0.0):
            return nullcontext()
        return dropping_out(self.base.modules(), self.config.seed, number)

    def row(self, step: int, numbers: dict[str, float], seconds: float) -> dict[str, Any]:
        rates = {
            f"learning_rate/{group.name}": known["lr"]
            for group, known in zip(self.attached.groups, self.optimizer.param_groups, strict=True)
        }
        return {"step": step, **numbers, **rates, "seconds": round(seconds, 4)}

    def losses(self, number: int) -> dict[str, torch.Tensor]:
        """Mean losses of a batch's concept samples and class samples, from one pass of the denoiser for each shape;
        batches count from 1.
        """
        pieces = [piece.prepared_for(self.base) for piece in self.samples.pieces(number)]
        kept = self.preserved(pieces) if self.config.preservation_weight else {}  # first: it swaps weights
        return self.means(torch.cat([self.values(piece) for piece in pieces])) | kept | self.token_attention.means()

    def preserved(self, pieces: Sequence[Drawn]) -> dict[str, torch.Tensor]:
        """The mean loss of what should stay as it was, over a batch's concept samples."""
        left, own = self.config.batch_size, []
        for piece in pieces:
            concept, left = piece.first(left), left - min(left, len(piece.prompts))
            if concept.prompts:
                own.append(preservation_loss(self.base, self.attached, self.encode, self.words, concept))
        return {"preservation_loss": torch.cat(own).mean()}

    def values(self, drawn: Drawn) -> torch.Tensor:
        """Losses (N,) of samples of one shape."""
        conditioning = framed(self.encode(drawn.prompts), drawn)
        how = drawn.noise, drawn.timesteps, drawn.places, drawn.input_noise
        with self.token_attention.reading(drawn):
            return self.loss(drawn.latents, conditioning, *how)

    def means(self, values: torch.Tensor) -> dict[str, torch.Tensor]:
        """Mean losses from the losses (N,) of a step's samples, in the order of `draw`."""
        return dict(
            zip(("loss", "prior_loss"), (part.mean() for part in values.split(self.config.batch_size)), strict=False)
        )

    def total(self, parts: dict[str, torch.Tensor]) -> torch.Tensor:
        weights = self.config.loss_weights
        total = parts["loss"]
        for name in weights.keys() & parts.keys():
            total = total + weights[name] * parts[name]
        return total

    def draw(self, number: int) -> Drawn:
        """A batch's concept samples, then its class samples; without buckets, as packed training has it."""
        return self.samples.draw(number)

    def check_finite(self, step: int, numbers: dict[str, float]) -> None:
        if not all(math.isfinite(number) for number in numbers.values()):
            raise self.diverged(step, numbers)

    def diverged(self, step: int, numbers: dict[str, float]) -> TrainingDiverged:
        if self.processes.first:
            self.directory.set_status("diverged", step)
        bad = ", ".join(f"{name} = {number}" for name, number in numbers.items() if not math.isfinite(number))
        kept = self.directory.checkpoints()
        where = f"the last good checkpoint is '{kept[-1][1]}'" if kept else "there is no checkpoint yet"
        return TrainingDiverged(
            f"training diverged at step {step}: {bad}",
            hint=f"{where}; lower the learning rate ({self.config.learning_rate:g})",
        )

    def save_checkpoint(self, step: int) -> None:
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self.parameters):
            raise self.diverged(step, {"weights": math.nan})
        with (
            self.directory.writing_checkpoint(step) as folder,
            averaged_weights(self.optimizer),
            self.average.in_place(),
        ):
            self.attached.write(folder, build_metadata(self.config, self.base, self.words, step))
            round_files(folder, self.attached, self.config.save_precision)
        if self.config.keep_checkpoints:
            self.directory.keep_checkpoints(self.config.keep_checkpoints)

    def show(self, step: int) -> None:
        """Let the watcher draw with the adapter as the checkpoint has it."""
        if self.watcher is None:
            return
        base, below = self.base, self.config.acts_below
        parts = [base.vae, *base.text_encoders]
        with ExitStack() as drawing:
            drawing.enter_context(torch.no_grad())
            drawing.enter_context(averaged_weights(self.optimizer))
            drawing.enter_context(self.average.in_place())
            drawing.enter_context(back_on(base.device, parts))
            drawing.enter_context(taking_over(base, below, self.words, self.attached))
            self.watcher.at_checkpoint(base, self.directory, step)

    def save_state(self, step: int, status: Status) -> None:
        numbers = self.scaling.values()
        tensors = training_tensors(self.optimizer, self.attached.groups, numbers) | self.average.tensors()
        self.directory.save_state(step, tensors)
        self.directory.set_status(status, step)
