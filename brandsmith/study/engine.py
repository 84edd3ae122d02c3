"""Runs a study: proposes settings, has trials trained and judged rung by rung, reports the best.

    for each round of settings:  rung 1: train a little, a few pictures ─► the worst stop ─► rung 2 … ─►
                                 the rest to the end, all selection pictures of all checkpoints
    then:                        report pictures of the chosen checkpoints ─► result.json

Every decision is a function of files, every piece of work may be interrupted and done again: kill the study at any
moment, start it again, and it ends in the same table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from rich.console import Console

from brandsmith.base.sources import check_base, family_of
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.errors import BrandsmithError, NotEnoughMemory
from brandsmith.core.files import write_json, write_text
from brandsmith.core.run import RunDirectory
from brandsmith.core.table import as_csv, as_markdown
from brandsmith.core.trackers import check_trackers
from brandsmith.guidance.sampling import check_drawable
from brandsmith.judges.fit import load_judges
from brandsmith.methods.job import check_job
from brandsmith.results.choosing import ScoredSetting, group_settings
from brandsmith.results.kpi import COLUMNS, footnote
from brandsmith.results.study_records import TrialRecord
from brandsmith.results.study_result import StudyResult, result_of
from brandsmith.study.board import Board, Entry
from brandsmith.study.config import Halving, StudyConfig
from brandsmith.study.disk_space import check_study_space
from brandsmith.study.executors import OpenExecutor, check_executor
from brandsmith.study.folder import StudyFolder, prompts_of
from brandsmith.study.halving import share_of_steps, survivors
from brandsmith.study.job import Job
from brandsmith.study.proposals import Proposal, Proposals, open_proposals, wanted_by_round
from brandsmith.study.space import Trial, build_trials, check_no_doubles, example_trials
from brandsmith.study.storage import open_storage
from brandsmith.study.worker import Judges, LocalExecutor

SCREEN = (*COLUMNS, "usable_rate", "n", "state")
TABLE = (*COLUMNS, "usable_rate", "kpi_low", "kpi_high", "spread_between_seeds", "n", "state")


def run_study(
    config: StudyConfig,
    text: str,
    folder: Path,
    *,
    console: Console,
    judges: Judges | None = None,
    executor: OpenExecutor = LocalExecutor,
) -> StudyResult:
    """Run a study, or go on with it, to its end; the content of `result.json`. `executor` is a class of `executors.py`.

    Raises InvalidInput or MissingResource before anything is written, and BrandsmithError when the budget is spent
    or every trial failed (what is there is kept, and the next call goes on).
    """
    concept, study = check_study(config, text, folder, judges, executor)
    finished = study.finished_result()
    if finished:  # nothing is written: the place may take nothing
        return finished
    with study.locked():
        study.create(config, text, concept)
        study.remove_leftovers()
        finished = study.finished_result()  # by another process, meanwhile
        return finished or StudyRunner(study, config, console, judges, executor).run()


def check_study(
    config: StudyConfig, text: str, folder: Path, judges: Judges | None = None, executor: OpenExecutor = LocalExecutor
) -> tuple[Concept, StudyFolder]:
    """Everything that trials will need, before anything is written: base, settings, prompts, judges, executor, storage,
    space. A complete study needs nothing more.

    Raises InvalidInput or MissingResource.
    """
    concept, study = load_concept(config.concept), StudyFolder(folder)
    study.check_folder(text)
    study.check_config(config)
    if study.finished_result():
        return concept, study
    check_base(config.base_name)
    family = family_of(config.base_name)
    check_trackers(config.trackers)
    draw = config.cases.draw.resolved(config.base_name, fine_tuned=True, defaults=family.draws)
    check_drawable(prompts_of(config, concept), draw, family)
    check_no_doubles(config)
    for trial in (one for space in config.methods for one in example_trials(config, space)):
        check_job(trial.config, concept, config.base_name, study.trial_folder(trial.name))
    check_study_space(config, concept, study.folder)
    if judges is None:
        load_judges(concept)
    check_executor(executor)
    if config.storage:
        open_storage(config.storage, folder)
    return concept, study


def settings_to_report(settings: Sequence[ScoredSetting]) -> list[ScoredSetting]:
    """Those that deserve report pictures: all that finished, and the best of every method that has none."""
    chosen = [s for s in settings if s.state == "finished" and s.chosen_step is not None]
    methods = {s.method for s in chosen}
    for setting in settings:
        if setting.method not in methods and setting.state == "stopped" and setting.chosen_step is not None:
            methods.add(setting.method)
            chosen.append(setting)
    return chosen


class StudyRunner:
    def __init__(
        self, study: StudyFolder, config: StudyConfig, console: Console, judges: Judges | None, executor: OpenExecutor
    ) -> None:
        self.study, self.config = study, config
        self.proposals = open_proposals(config, study.folder, study.about().created)
        self.board = Board(console, f"study {config.name}", 0)
        self.executor = executor(study, judges=judges, on_step=self.board.on_step)
        self.selection, self.report = tuple(config.cases.selection_seeds), tuple(config.cases.report_seeds)
        self.trials: dict[str, list[Trial]] = {}

    def run(self) -> StudyResult:
        with self.board:
            try:
                wanted = wanted_by_round([p.total for p in self.proposals], self.config.search)
                for before, number in pairwise((0, *wanted)):
                    self._round(before, number)
                self._check_success()
                self._report()
                self._check_memory()
            except (BudgetSpent, NothingSucceeded, NotEnoughMemory):
                self._write_result(complete=False)
                raise
        return self._write_result(complete=True)

    def _check_success(self) -> None:
        records = [self.study.read_trial(t.name) for trials in self.trials.values() for t in trials]
        if all(record.failed for record in records):
            reasons = list(dict.fromkeys(record.reason for record in records))
            raise NothingSucceeded(
                f"all {len(records)} trials failed: {reasons[0]}" + " (and other reasons)" * (len(reasons) > 1),
                hint=f"each trial's reason is in '{self.study.folder}': change the settings, or run the command again",
            )

    def _check_memory(self) -> None:
        """Trials that did not fit here may fit elsewhere: the study is not complete, and tries them when run again."""
        records = [self.study.read_trial(t.name) for trials in self.trials.values() for t in trials]
        unfit = [record for record in records if record.failed and "memory" in record.reason.partition(":")[0]]
        if unfit:
            raise NotEnoughMemory(
                f"{len(unfit)} of {len(records)} trials did not fit into memory: {unfit[0].reason}",
                hint=f"the others' table is '{self.study.folder / 'table.md'}'; run the command again with more memory",
            )

    def _round(self, before: int, wanted: int) -> None:
        """Take the next settings of every method and run them to their ends, side by side."""
        proposed = [(p, proposal) for p in self.proposals for proposal in p.first(wanted)[before:]]
        fresh = {}
        for p, proposal in proposed:
            if proposal.setting.name not in self.trials:
                fresh[proposal.setting.name] = build_trials(self.config, p.space, proposal.setting)
        self.trials |= fresh
        self._register([t for trials in fresh.values() for t in trials])
        alive = list(fresh)
        if self.config.halving:
            for rung in self.config.halving.rungs:
                alive = self._rung(alive, rung, self.config.halving)
        self._finish(alive)
        self._record(proposed)

    def _register(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            if not self.study.has_trial(trial.name):
                self.study.write_trial(_trial_record(trial))
        self.board.planned_steps += self._share(len(trials)) * sum(t.config.steps for t in trials)
        self.board.add(
            Entry(t.name, t.config.steps, RunDirectory(self.study.trial_folder(t.name)).step()) for t in trials
        )

    def _share(self, num_trials: int) -> float:
        halving, num_settings = self.config.halving, num_trials // len(self.config.training_seeds)
        return (
            share_of_steps(num_settings, halving.rungs, halving.keep_one_in, self.config.checkpoints)
            if halving and num_settings
            else 1.0
        )

    def _rung(self, names: Sequence[str], rung: int, halving: Halving) -> list[str]:
        """Train all settings to a rung, score a few pictures, stop the worst; the names that go on."""
        few = self.selection[: halving.seeds]
        trials = [t for name in names for t in self.trials[name]]
        self._execute(Job(t.name, t.config, t.checkpoint_step(rung), ((t.checkpoint_step(rung), few),)) for t in trials)
        scored = {s.name: s for s in self._scored(names)}
        kpis = {name: self._rung_kpi(scored[name], rung, few) for name in names}
        kept = survivors(kpis, halving.keep_one_in)
        for name in names:
            if name not in kept:
                self._stop(name, rung, kpis[name], len(kept), len(names))
        return [name for name in names if name in kept]

    def _rung_kpi(self, setting: ScoredSetting, rung: int, few: Sequence[int]) -> float | None:
        """From the rung's own few pictures alone, however many more were drawn since."""
        if setting.state == "failed":
            return None
        step = self.trials[setting.name][0].checkpoint_step(rung)
        values = [v for training in setting.values(step, few) for v in training.values()]
        return sum(values) / len(values) if values else None

    def _stop(self, name: str, rung: int, kpi: float | None, num_kept: int, num_before: int) -> None:
        for trial in self.trials[name]:
            record = self.study.read_trial(trial.name)
            if record.state == "failed":
                continue
            seen = "could not be scored" if kpi is None else f"scored {kpi:.3f}"
            step = trial.checkpoint_step(rung)
            record = replace(
                record,
                state="stopped",
                stopped_at_step=step,
                reason=f"{seen} at checkpoint {rung}; the best {num_kept} of {num_before} settings went on",
            )
            self.study.write_trial(record)
            RunDirectory(self.study.trial_folder(trial.name)).remove_state()
            self.board.update(trial.name, "stopped", step, kpi)

    def _finish(self, names: Sequence[str]) -> None:
        """Train to the end and draw every checkpoint's selection pictures."""
        numbers = range(1, self.config.checkpoints + 1)
        trials = [t for name in names for t in self.trials[name]]
        jobs = [
            Job(t.name, t.config, t.config.steps, tuple((t.checkpoint_step(n), self.selection) for n in numbers))
            for t in trials
        ]
        self._execute(jobs)
        for job in jobs:
            record = self.study.read_trial(job.trial)
            if record.state == "running":
                self.study.write_trial(replace(record, state="finished"))
                self._show(job)

    def _report(self) -> None:
        by_name = {t.name: t for trials in self.trials.values() for t in trials}
        jobs = []
        for setting in settings_to_report(self._scored(self.trials)):
            step = setting.chosen_step
            assert step is not None  # `settings_to_report` leaves out what has no chosen checkpoint
            for trial in (by_name[scored.name] for scored in setting.trials):
                jobs.append(Job(trial.name, trial.config, step, ((step, self.report),)))
        self._execute(jobs)

    def _execute(self, jobs: Iterable[Job]) -> None:
        def done(job: Job) -> None:
            self._show(job)
            self._check_budget()

        self._check_budget()
        self.executor.run(list(jobs), done)

    def _show(self, job: Job) -> None:
        record = self.study.read_trial(job.trial)
        setting = self._scored([record.setting], only={job.trial})[0]
        kpis = [kpi for step in setting.steps if (kpi := setting.selection_kpi(step)) is not None]
        self.board.update(job.trial, record.state, job.train_to, max(kpis, default=None))

    def _check_budget(self) -> None:
        limit = self.config.budget.max_time
        if limit is not None and (spent := self._seconds_spent()) >= limit:
            raise BudgetSpent(
                f"the budget of {limit / 60:g} min is spent ({spent / 60:.1f} min of training and sampling)",
                hint="what is done is kept: raise budget.max_time in study.yaml and run the same command again",
            )

    def _seconds_spent(self) -> float:
        records = [self.study.read_trial(t.name) for trials in self.trials.values() for t in trials]
        return sum((r.train_seconds or 0.0) + (r.sample_seconds or 0.0) for r in records)

    def _scored(self, names: Iterable[str], only: set[str] | None = None) -> list[ScoredSetting]:
        wanted = only or {t.name for name in names for t in self.trials[name]}
        return group_settings(self.study.records(wanted))

    def _record(self, proposed: Sequence[tuple[Proposals, Proposal]]) -> None:
        scored = {s.name: s for s in self._scored({proposal.setting.name for _, proposal in proposed})}
        for proposals, proposal in proposed:
            setting = scored[proposal.setting.name]
            kpi = None if setting.chosen_step is None else setting.selection_kpi(setting.chosen_step)
            rungs = self._measured_rungs(setting)
            proposals.tell(proposal, kpi, rungs, stopped=setting.state == "stopped")

    def _measured_rungs(self, setting: ScoredSetting) -> dict[int, float]:
        halving = self.config.halving
        if not halving:
            return {}
        few = self.selection[: halving.seeds]
        kpis = {rung: self._rung_kpi(setting, rung, few) for rung in halving.rungs}
        return {rung: kpi for rung, kpi in kpis.items() if kpi is not None}

    def _write_result(self, *, complete: bool) -> StudyResult:
        records = self.study.records({t.name for trials in self.trials.values() for t in trials})
        result = replace(result_of(records), complete=complete)
        if result.leaderboard:
            lines = result.table(TABLE)
            write_text(self.study.folder / "table.csv", as_csv(lines))
            write_text(
                self.study.folder / "table.md",
                as_markdown(lines, footnote(row for t in records.trials for row in t.rows)),
            )
        write_json(self.study.result_file, result.as_json())
        return result


class NothingSucceeded(BrandsmithError):
    """Every trial of a study failed."""


class BudgetSpent(BrandsmithError):
    """The time a study was given is over; it can go on."""


def _trial_record(trial: Trial) -> TrialRecord:
    given = trial.config.model_dump(mode="json", exclude_unset=True, exclude={"seed", "checkpoint_every", "method"})
    shown = given | {"steps": trial.config.steps, "learning_rate": trial.config.learning_rate}
    return TrialRecord(trial.name, trial.setting.name, trial.setting.method, shown, trial.seed)
