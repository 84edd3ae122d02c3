"""A piece of work on one trial, done from files and left in files: train to a step, draw some pictures, have them
judged.

Whoever executes jobs (this process, or a cluster's: `ray_executor.py`) needs the study's folder and the job, nothing
else. A job that is already done does nothing, a half-done one resumes; doing it twice changes nothing. Pictures are
always drawn in the same batches (prompts of one seed) and judged one by one, so that an interruption changes no bit of
them: batches of other sizes round otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from brandsmith.base.base import Base
from brandsmith.base.hardware import choose_device
from brandsmith.base.sources import resolve_base
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import (
    BrandsmithError,
    InvalidConcept,
    InvalidConfig,
    InvalidInput,
    NotEnoughMemory,
    TrainingDiverged,
)
from brandsmith.core.memory import is_out_of_memory, peak_memory
from brandsmith.core.run import RunDirectory
from brandsmith.core.secrets import mask_secrets
from brandsmith.core.trackers import tracked
from brandsmith.draw.writer import picture_name
from brandsmith.evaluate.chain import judges_for
from brandsmith.evaluate.checkpoint import judge_checkpoint, sample_checkpoint
from brandsmith.judges.judge import CachedJudge, Judge, PromptJudge, Verdict
from brandsmith.methods.loop import load_trainable, train
from brandsmith.methods.packed import Trial, train_packed
from brandsmith.methods.registry import method_named
from brandsmith.methods.settings import TrainSettings
from brandsmith.study.folder import StudyFolder, mend_last_line
from brandsmith.study.job import Job
from brandsmith.study.packs import packs_of

Judges = Callable[[Concept], Sequence[Judge]]
OnStep = Callable[[str, int], None]
"""Called as (trial, step) while it trains."""


# torch's own errors, out of memory among them; InvalidInput: weights that are not finite
_OF_ONE_TRIAL = (
    TrainingDiverged,
    NotEnoughMemory,
    InvalidInput,
    RuntimeError,
    MemoryError,
    ArithmeticError,
    ValueError,
)


class Executor(Protocol):
    """Where jobs are done. `done` is called once for each, in any order, when its files are in place."""

    def run(self, jobs: Sequence[Job], done: Callable[[Job], None]) -> None: ...


class LocalExecutor:
    """One job after another, in this process; trainings that can share a base are made together (`packs.py`)."""

    def __init__(self, study: StudyFolder, *, judges: Judges | None = None, on_step: OnStep = lambda *_: None) -> None:
        self.worker = Worker(study, judges, on_step)

    def run(self, jobs: Sequence[Job], done: Callable[[Job], None]) -> None:
        packing = self.worker.study.config().packed
        for pack in packs_of(jobs, packing, choose_device().type):
            self.worker.train_together(pack)
            for job in pack:
                self.worker.do(job)
                done(job)


class RungReached(Exception):
    """Raised out of a training that has reached its job's last step; its state is on disk."""


class OneByOne:
    """A judge that sees every picture alone, so that batch composition cannot change a score."""

    def __init__(self, judge: Judge) -> None:
        self.judge, self.name, self.version, self.weights_hash = judge, judge.name, judge.version, judge.weights_hash

    def score(self, pictures: Sequence[np.ndarray]) -> list[Verdict]:
        return [self.judge.score([picture])[0] for picture in pictures]


class PromptedOneByOne(OneByOne):
    """The same for a judge that needs the prompt."""

    judge: PromptJudge

    def score_prompted(self, pictures: Sequence[np.ndarray], prompts: Sequence[str]) -> list[Verdict]:
        return [
            self.judge.score_prompted([picture], [prompt])[0] for picture, prompt in zip(pictures, prompts, strict=True)
        ]


def one_by_one(judge: Judge) -> OneByOne:
    return PromptedOneByOne(judge) if isinstance(judge, PromptJudge) else OneByOne(judge)


class Worker:
    """Holds what jobs share: the loaded base, the judges (None: the concept's own chain). Both load when first
    needed.
    """

    def __init__(self, study: StudyFolder, judges: Judges | None, on_step: OnStep) -> None:
        self.study, self._judges, self.on_step = study, judges, on_step
        self._base: tuple[tuple[object, ...], Base] | None = None

    @cached_property
    def concept(self) -> Concept:
        return self.study.concept()

    def base_for(self, config: TrainSettings) -> Base:
        """The base as this training needs it, kept for the next job of its kind: a card holds one."""
        on_card = choose_device().type == "cuda"
        kind = (method_named(config.method).trains_base_weights, config.precision) if on_card else ()
        if self._base is None or self._base[0] != kind:
            self._base = None
            self._base = (kind, load_trainable(self.study.about().base, config))
        return self._base[1]

    @cached_property
    def judges(self) -> list[Judge]:
        chain = (
            self._judges(self.concept)
            if self._judges
            else judges_for(self.concept, resolve_base(self.study.about().base)).values()
        )
        return [CachedJudge(one_by_one(judge), self.study.folder / "verdicts.jsonl") for judge in chain]

    def train_together(self, jobs: Sequence[Job]) -> None:
        """Train jobs of one pack, as far as that goes: what is left `do` trains alone, and finds out why. A pack that
        does not fit into memory is halved.
        """
        waiting = [job for job in jobs if self._has_steps_left(job)]
        if len(waiting) < 2 or self._trained_together(waiting):
            return
        for half in (waiting[: len(waiting) // 2], waiting[len(waiting) // 2 :]):
            self.train_together(half)

    def _has_steps_left(self, job: Job) -> bool:
        run = RunDirectory(self.study.trial_folder(job.trial))
        return run.status() not in ("finished", "diverged") and run.step() < job.train_to

    def _trained_together(self, jobs: Sequence[Job]) -> bool:
        """False where it needs more memory than there is."""
        about, first = self.study.about(), jobs[0]
        runs = [RunDirectory(self.study.trial_folder(job.trial)) for job in jobs]
        trials = [Trial(job.config, self.concept, run.folder) for job, run in zip(jobs, runs, strict=True)]
        with peak_memory(on_gpu=torch.cuda.is_available()) as peak, ExitStack() as stack:
            looks = [stack.enter_context(tracked(run, about.trackers, about.name)) for run in runs]

            def on_step(run: RunDirectory, step: int) -> None:
                self.on_step(run.folder.name, step)
                for look in looks:
                    look()

            try:
                cache = self.study.folder / "cache"
                base = self.base_for(first.config)
                train_packed(trials, base, on_step=on_step, until=first.train_to, cache_dir=cache)
            except _OF_ONE_TRIAL as error:
                return not is_out_of_memory(error)
            if (peak_bytes := peak()) is not None:
                for job in jobs:
                    self.study.note(job.trial, peak_memory_mib=round(peak_bytes / 2**20, 1))
        return True

    def do(self, job: Job) -> None:
        """A trial that diverges or breaks, in training or after it, fails alone, and the reason is noted there. What is
        missing or changed for every trial ends the study.
        """
        mend_last_line(self.study.trial_folder(job.trial) / "scores.jsonl")
        if self.study.read_trial(job.trial).state not in ("finished", "stopped"):
            self.study.note(job.trial, state="running", reason="")
        with peak_memory(on_gpu=torch.cuda.is_available()) as peak:
            try:
                worked = self._train_to_fit(job)
                worked = self._score(job) or worked
            except (InvalidConfig, InvalidConcept):
                raise
            except _OF_ONE_TRIAL as error:
                self._note_failure(job, error)
                return
            if worked and (peak_bytes := peak()) is not None:
                known = self.study.read_trial(job.trial).peak_memory_mib or 0.0
                self.study.note(job.trial, peak_memory_mib=round(max(known, peak_bytes / 2**20), 1))

    def _note_failure(self, job: Job, error: Exception) -> None:
        said = mask_secrets(str(error))
        reason = said if isinstance(error, BrandsmithError) else f"{type(error).__name__}: {said[:200]}"
        step = RunDirectory(self.study.trial_folder(job.trial)).step()
        self.study.note(job.trial, state="failed", reason=reason, stopped_at_step=step)

    def _train_to_fit(self, job: Job) -> bool:
        """`_train`, once more where a plan would have fitted into memory."""
        try:
            return self._train(job)
        except NotEnoughMemory as error:
            if not error.means:
                raise
            return self._train(replace(job, config=job.config.model_copy(update=error.means)))

    def _train(self, job: Job) -> bool:
        """False when there was nothing left to do."""
        run = RunDirectory(self.study.trial_folder(job.trial))
        if run.status() == "diverged":
            raise TrainingDiverged(f"training diverged at step {run.step()}")
        if run.status() == "finished":
            run.remove_state()  # a kill may have left it
        if run.status() == "finished" or (run.step() >= job.train_to and run.checkpoints()):
            self._note_training(job, run)  # a kill, or a full disk, may have kept it from being noted
            return False

        def progress(what: str, step: int, total: int, note: str) -> None:
            look()
            if what != "train":
                return
            if step > job.train_to:
                raise RungReached
            self.on_step(job.trial, step)

        about = self.study.about()
        with tracked(run, about.trackers, about.name) as look:
            try:
                train(
                    job.config,
                    self.concept,
                    self.base_for(job.config),
                    run.folder,
                    progress=progress,
                    cache_dir=self.study.folder / "cache",
                )
            except RungReached:
                pass
            finally:
                self._note_training(job, run)
        return True

    def _note_training(self, job: Job, run: RunDirectory) -> None:
        """What the training took, in the trial's record."""
        seconds = sum(row["seconds"] for row in run.metrics())
        self.study.note(job.trial, train_seconds=round(seconds, 2), adapter_bytes=_adapter_bytes(run))

    def _score(self, job: Job) -> bool:
        """False when there was nothing left to do."""
        run = RunDirectory(self.study.trial_folder(job.trial))
        checkpoints, worked = dict(run.checkpoints()), False
        for step, seeds in job.score:
            started = time.perf_counter()
            if self._draw_and_judge(job, step, checkpoints[step], seeds):
                worked = True
                before = self.study.read_trial(job.trial).sample_seconds or 0.0
                spent = before + time.perf_counter() - started
                self.study.note(job.trial, sample_seconds=round(spent, 2))
        return worked

    def _draw_and_judge(self, job: Job, step: int, checkpoint: Path, seeds: Sequence[int]) -> bool:
        """The standard prompts of one checkpoint; False when there was nothing left to do."""
        run = RunDirectory(self.study.trial_folder(job.trial))
        scores, folder = run.folder / "scores.jsonl", run.folder / "samples" / checkpoint.name
        cases = self.study.cases(tuple(seeds))
        shots = sorted(cases.shots(run.folder.name, step), key=lambda shot: (seeds.index(shot.seed), shot.case))
        paths = [folder / picture_name(shot.case, shot.seed) for shot in shots]
        missing = not all(path.is_file() for path in paths)
        if missing:
            batch_size = even_batch(len(cases.prompts), cases.settings.batch_size)
            even = replace(cases, settings=cases.settings.model_copy(update={"batch_size": batch_size}))
            sample_checkpoint(self.base_for(job.config), folder, even, shots, checkpoint)
        before = scores.stat().st_size if scores.is_file() else 0
        judge_checkpoint(scores, shots, paths, self.judges)
        return missing or scores.stat().st_size > before


def even_batch(num_prompts: int, at_most: int) -> int:
    """The largest batch that no seed's prompts share with another seed's."""
    return max(size for size in range(1, min(num_prompts, at_most) + 1) if num_prompts % size == 0)


def _adapter_bytes(run: RunDirectory) -> int | None:
    found = run.checkpoints()
    return sum(f.stat().st_size for f in found[-1][1].rglob("*") if f.is_file()) if found else None
