"""`brandsmith study run --dry-run`: what a study will take, before it is run. Nothing is written where the study would
be.

Counts are computed; the pace is measured on this machine, by training each method a few steps and drawing a few
pictures in a folder that is thrown away. Class pictures for prior preservation and the loading of the base are not
counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

from brandsmith.concept.concept import Concept
from brandsmith.core.errors import BrandsmithError
from brandsmith.core.run import RunDirectory
from brandsmith.results.study_records import TrialRecord
from brandsmith.study.config import MethodSpace, StudyConfig
from brandsmith.study.folder import StudyFolder
from brandsmith.study.halving import share_of_steps
from brandsmith.study.job import Job
from brandsmith.study.proposals import num_settings, wanted_by_round
from brandsmith.study.space import Trial, example_trial
from brandsmith.study.worker import Judges, Worker

PROBE_STEPS = 4
"""Of each method; the first is left out, it warms up."""


@dataclass(frozen=True)
class MethodPlan:
    """One method's part in the study, every trial trained to its end."""

    method: str
    settings: int
    trials: int
    steps: float
    """Of one trial (the mean where steps are searched)."""
    seconds_per_step: float | None = None


@dataclass(frozen=True)
class Plan:
    """`training_steps` and `pictures` are upper bounds under halving (methods of unequal length) and tpe (a setting
    proposed twice).
    """

    methods: tuple[MethodPlan, ...]
    settings: int
    trials: int
    training_steps: int
    share_of_grid: float
    """Training steps over those of the same trials without halving."""
    pictures: int
    seconds_per_picture: float | None = None

    @property
    def seconds(self) -> float | None:
        """Training, sampling and judging on one worker; None before the pace was measured."""
        if self.seconds_per_picture is None:
            return None
        training = sum(m.trials * m.steps * (m.seconds_per_step or 0.0) for m in self.methods)
        return self.share_of_grid * training + self.pictures * self.seconds_per_picture

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"seconds": self.seconds}


def plan_study(config: StudyConfig, concept: Concept) -> Plan:
    """What will be trained and drawn, counted."""
    totals = [num_settings(space, config.search) for space in config.methods]
    seeds = len(config.training_seeds)
    methods = tuple(
        MethodPlan(trial.setting.method, total, total * seeds, _mean_steps(space, trial))
        for space, total in zip(config.methods, totals, strict=True)
        for trial in [example_trial(config, space)]
    )
    rounds = list(_settings_by_round(totals, config))
    share = fmean(_share(config, number) for number in rounds for _ in range(number))
    steps = share * sum(m.trials * m.steps for m in methods)
    prompts = len(config.cases.prompts or concept.prompts())
    pictures = (
        prompts
        * seeds
        * (sum(_drawn_for_choosing(config, number) for number in rounds) + _drawn_for_report(config, rounds))
    )
    return Plan(methods, sum(totals), seeds * sum(totals), ceil(steps), round(share, 4), pictures)


def _mean_steps(space: MethodSpace, trial: Trial) -> float:
    given = space.search.get("steps")
    return (
        fmean(given if isinstance(given, list) else (given["low"], given["high"]))
        if given
        else float(trial.config.steps)
    )


def _settings_by_round(totals: Sequence[int], config: StudyConfig) -> Iterator[int]:
    """How many new settings, of all methods together, compete in each round."""
    for before, wanted in pairwise((0, *wanted_by_round(totals, config.search))):
        yield sum(min(total, wanted) - min(total, before) for total in totals)


def _share(config: StudyConfig, number: int) -> float:
    halving = config.halving
    return share_of_steps(number, halving.rungs, halving.keep_one_in, config.checkpoints) if halving else 1.0


def _survivors(config: StudyConfig, number: int) -> int:
    if config.halving:
        for _ in config.halving.rungs:
            number = max(1, number // config.halving.keep_one_in)
    return number


def _drawn_for_choosing(config: StudyConfig, number: int) -> int:
    """(training's checkpoint, selection seed) pairs of a round's settings: a few seeds at each rung, all seeds of the
    survivors' checkpoints.
    """
    everything, halving = config.checkpoints * len(config.cases.selection_seeds), config.halving
    if not halving:
        return number * everything
    drawn, alive = 0, number
    for _ in halving.rungs:
        drawn += alive * halving.seeds
        alive = max(1, alive // halving.keep_one_in)
    return drawn + alive * (everything - len(halving.rungs) * halving.seeds)


def _drawn_for_report(config: StudyConfig, rounds: Sequence[int]) -> int:
    """Report pictures of all that finish, and of one setting of every method that has none that finished."""
    finished = sum(_survivors(config, number) for number in rounds)
    others = len(config.methods) - 1 if config.halving else 0
    return min(finished + others, sum(rounds)) * len(config.cases.report_seeds)


def measure_pace(plan: Plan, config: StudyConfig, text: str, concept: Concept, judges: Judges | None = None) -> Plan:
    """The plan with seconds per step and per picture, measured here. Raises what the study would: no judges, no memory,
    an unloadable base.
    """
    with TemporaryDirectory(prefix="brandsmith-dry-run-") as folder:
        study = StudyFolder(Path(folder))
        study.create(config.model_copy(update={"trackers": []}), text, concept)
        worker = Worker(study, judges, lambda *_: None)
        trials = [_begin_probe(study, config, space) for space in config.methods]
        paces = [_seconds_per_step(worker, trial) for trial in trials]
        per_picture = _seconds_per_picture(worker, trials[0], config)
    methods = tuple(
        MethodPlan(**(asdict(m) | {"seconds_per_step": pace})) for m, pace in zip(plan.methods, paces, strict=True)
    )
    return Plan(**(vars(plan) | {"methods": methods, "seconds_per_picture": per_picture}))


def _begin_probe(study: StudyFolder, config: StudyConfig, space: MethodSpace) -> Trial:
    trial = example_trial(config, space)
    few = {"steps": PROBE_STEPS, "checkpoint_every": PROBE_STEPS, "num_class_images": 2, "class_image_steps": 2}
    study.write_trial(TrialRecord(trial.name, trial.setting.name, trial.setting.method, {}, trial.seed))
    return Trial(trial.name, trial.setting, trial.seed, trial.config.model_copy(update=few))


def _seconds_per_step(worker: Worker, trial: Trial) -> float:
    worker.do(Job(trial.name, trial.config, PROBE_STEPS))
    rows = RunDirectory(worker.study.trial_folder(trial.name)).metrics()
    if len(rows) < PROBE_STEPS:
        reason = worker.study.read_trial(trial.name).reason
        raise BrandsmithError(
            f"{trial.setting.method} does not train here: {reason}", hint="the study would fail in the same way"
        )
    return round(median(row["seconds"] for row in rows[1:]), 4)


def _seconds_per_picture(worker: Worker, trial: Trial, config: StudyConfig) -> float:
    """Drawn and judged, by the second of two seeds: the first loads the judges."""
    spent = []
    for seed in (config.cases.selection_seeds[0], config.cases.report_seeds[0]):
        worker.do(Job(trial.name, trial.config, PROBE_STEPS, ((PROBE_STEPS, (seed,)),)))
        spent.append(worker.study.read_trial(trial.name).sample_seconds or 0.0)
    return round((spent[1] - spent[0]) / len(worker.study.cases(()).prompts), 4)
