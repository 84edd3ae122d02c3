"""Which settings are tried: Optuna's samplers and Optuna's storage, one Optuna study per method.

An Optuna trial stands for a *setting*; its value is the mean KPI over training seeds, its intermediate values are the
rungs. One per method, so that methods with different settings get the same number of tries. Settings belong to the
study, not to a process: what a killed process left RUNNING is simply taken over by the next one, which the study's lock
makes safe. (Optuna's heartbeats do the same for `Study.optimize`; with ask and tell, which side-by-side halving needs,
Optuna itself warns against them.)

Optuna's own SuccessiveHalvingPruner is not used: it decides as soon as a trial arrives, by what happens to be there, so
an interruption or a second machine would change the outcome. `halving.py` waits for the whole rung and decides from the
rows alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from brandsmith.methods.registry import method_named
from brandsmith.study.config import MethodSpace, Search, StudyConfig
from brandsmith.study.space import Setting, build_setting, told_apart
from brandsmith.study.storage import open_storage, storage_errors, storage_place

optuna.logging.set_verbosity(optuna.logging.ERROR)


def distributions(space: MethodSpace) -> dict[str, BaseDistribution]:
    """Lists as categories, ranges as numbers; a setting that is a whole number gets whole numbers."""
    fields = method_named(space.method).config.model_fields
    return {
        name: _distribution(given, whole=fields[name].annotation is int) for name, given in sorted(space.search.items())
    }


def _distribution(given: Any, *, whole: bool) -> BaseDistribution:
    if isinstance(given, list):
        return CategoricalDistribution(given)
    log = given.get("log", False)
    if whole:
        return IntDistribution(int(given["low"]), int(given["high"]), log=log)
    return FloatDistribution(float(given["low"]), float(given["high"]), log=log)


def num_settings(space: MethodSpace, search: Search) -> int:
    """How many settings of a method there will be."""
    if search.sampler == "tpe":
        return search.trials_per_method if space.search else 1
    return prod(len(given) if isinstance(given, list) else 1 for given in space.search.values())


def wanted_by_round(totals: Sequence[int], search: Search) -> range:
    """How many settings of each method there are after each round: a grid is one round, tpe learns from each before it
    proposes more.
    """
    size = search.round_size if search.sampler == "tpe" else max(totals)
    return range(size, max(totals) + size, size)


@dataclass(frozen=True)
class Proposal:
    """A setting and the number of its Optuna trial."""

    setting: Setting
    number: int


class Proposals:
    """The settings of one method, in the order they were proposed. A storage that fails is a BrandsmithError."""

    def __init__(
        self,
        storage: optuna.storages.RDBStorage,
        place: str,
        name: str,
        space: MethodSpace,
        search: Search,
        apart: Mapping[str, Any] | None = None,
    ) -> None:
        self.place, self.space, self.search, self.distributions = place, space, search, distributions(space)
        self.apart = apart or {}
        # Telling must not consult the grid sampler: it tries to stop an optimize() loop that is not running.
        with storage_errors(place):
            self.study = optuna.create_study(
                storage=storage,
                study_name=name,
                direction="maximize",
                load_if_exists=True,
                sampler=optuna.samplers.RandomSampler(),
            )

    @property
    def total(self) -> int:
        return num_settings(self.space, self.search)

    def first(self, number: int) -> list[Proposal]:
        """The first `number` proposals (or all); those that are not there yet are made."""
        number = min(number, self.total)
        with storage_errors(self.place):
            known = self._known()
            while len(known) < number:
                self._ask(len(known))
                known = self._known()
        return known[:number]

    def _known(self) -> list[Proposal]:
        known = []
        for trial in self.study.get_trials(deepcopy=False):
            if trial.params.keys() == self.distributions.keys():
                known.append(Proposal(build_setting(self.space, trial.params, self.apart), trial.number))
            elif not trial.state.is_finished():  # a kill between two parameters
                self.study.tell(trial.number, state=TrialState.FAIL)
        return known

    def _ask(self, number: int) -> None:
        """The sampler reads the storage, and its seed follows from the proposal's number: a restart draws the same."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.study.sampler = self._sampler(number)
        try:
            self.study.ask(self.distributions)
        finally:
            self.study.sampler = optuna.samplers.RandomSampler()

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        if self.search.sampler == "tpe":
            return optuna.samplers.TPESampler(seed=self.search.seed * 100_003 + number, constant_liar=True)
        grid = {name: d.choices for name, d in self.distributions.items() if isinstance(d, CategoricalDistribution)}
        return optuna.samplers.GridSampler(grid, seed=self.search.seed)

    def tell(self, proposal: Proposal, value: float | None, rungs: Mapping[int, float], *, stopped: bool) -> None:
        """Record how a setting did, once: rung values, then its KPI (None: it failed), or that it was stopped."""
        state = TrialState.PRUNED if stopped else TrialState.FAIL if value is None else TrialState.COMPLETE
        with storage_errors(self.place):
            frozen = self.study.trials[proposal.number]
            if frozen.state.is_finished():
                return
            trial = optuna.trial.Trial(self.study, frozen._trial_id)
            for rung, measured in sorted(rungs.items()):
                trial.report(measured, rung)
            self.study.tell(proposal.number, value if state is TrialState.COMPLETE else None, state=state)


def open_proposals(config: StudyConfig, folder: Path, created: str) -> list[Proposals]:
    """One per method of the study; `created` keeps studies of the same name apart in a shared database."""
    storage, place = open_storage(config.storage, folder), storage_place(config.storage, folder)
    return [
        Proposals(
            storage,
            place,
            f"{config.name} {created} {i} {space.method}",
            space,
            config.search,
            told_apart(config, space),
        )
        for i, space in enumerate(config.methods)
    ]
