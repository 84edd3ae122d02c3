"""What `brandsmith benchmark usable` reports, from the judges' rows of its pictures. Needs no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from brandsmith.benchmark.usable_share import verdicts_of
from brandsmith.core.rows import Row
from brandsmith.results.kpi import kpi_of
from brandsmith.results.usable import CHECKS, Usable


@dataclass(frozen=True)
class ExactMarkFigures:
    """The same pictures with the true mark laid in, judged again. Composites: they never count as learning."""

    n: int
    laid: int
    """Pictures that it was laid into; the others count as they stood."""
    usable_rate: float
    low: float
    high: float
    """95 % of the usable rate, over prompts."""
    not_measured: int


@dataclass(frozen=True)
class UsableFigures:
    """One method on one concept, all its trainings together. Rates from 0 to 1, None: not measured."""

    concept: str
    method: str
    trainings: int
    n: int
    usable_rate: float
    low: float
    high: float
    """95 % of the usable rate, over prompts."""
    not_measured: int
    refused: Mapping[str, float]
    """Share of pictures that each check refuses, whatever else refuses them too."""
    refused_by_it_alone: Mapping[str, float]
    copied: float
    kpi: float | None
    exact: float | None
    obeyed: float | None
    """Share of pictures that follow the prompt, of those where that could be measured."""
    vendi: float
    """Effective number of different pictures per prompt (Friedman & Dieng 2023), mean over prompts."""
    vendi_of_base: float
    draws_for_one: float
    """Pictures drawn for one usable one, median over prompts and trainings; above the seeds drawn where none was."""
    train_seconds: float
    """Mean of the trainings."""
    seconds_to_kpi: float | None
    """Of training, until the first checkpoint whose KPI on the standard prompts was KPI_REACHED; None: never."""
    exact_mark: ExactMarkFigures | None = None
    """None: not asked for."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Marked:
    """The rows of one training's pictures with the true mark laid in, and how many it was laid into."""

    rows: Sequence[Row]
    laid: int


@dataclass(frozen=True)
class Drawn:
    """The rows of one training's pictures, with what was measured beside them."""

    rows: Sequence[Row]
    vendi: float
    vendi_of_base: float
    train_seconds: float
    seconds_to_kpi: float | None
    marked: Marked | None = None


def usable_figures(concept: str, method: str, trainings: Sequence[Drawn], num_seeds: int) -> UsableFigures:
    """The figures of trainings that differ in their seed alone."""
    verdicts = verdicts_of([training.rows for training in trainings])
    share, everyone = verdicts.share(), list(verdicts.by_picture.values())
    kpi = kpi_of([row for training in trainings for row in training.rows])
    reached = [training.seconds_to_kpi for training in trainings if training.seconds_to_kpi is not None]
    return UsableFigures(
        concept,
        method,
        len(trainings),
        share.n,
        share.rate,
        share.low,
        share.high,
        share.not_measured,
        refused_shares(everyone, verdicts.checks, alone=False),
        refused_shares(everyone, verdicts.checks, alone=True),
        _share(own.checks.get("not copied") is False for own in everyone),
        _rounded(kpi.average),
        _rounded(kpi.exact_rate),
        _obeyed(everyone),
        _mean([training.vendi for training in trainings]),
        _mean([training.vendi_of_base for training in trainings]),
        draws_for_one(verdicts.decided(), num_seeds),
        _mean([training.train_seconds for training in trainings]),
        _mean(reached) if reached else None,
        exact_mark_figures([training.marked for training in trainings if training.marked]),
    )


def exact_mark_figures(trainings: Sequence[Marked]) -> ExactMarkFigures | None:
    """None where the true mark was not asked for."""
    if not trainings:
        return None
    own = verdicts_of([training.rows for training in trainings]).share()
    laid = sum(training.laid for training in trainings)
    return ExactMarkFigures(own.n, laid, own.rate, own.low, own.high, own.not_measured)


def refused_shares(verdicts: Sequence[Usable], checks: Sequence[str], *, alone: bool) -> dict[str, float]:
    """Share of pictures that each check refuses; `alone`: only those that no other check refuses."""
    counts: Counter[str] = Counter()
    for verdict in verdicts:
        failed = [name for name in checks if verdict.checks[name] is False]
        counts.update(failed if not alone or len(failed) == 1 else ())
    return {CHECKS[name].failure: round(counts[name] / len(verdicts), 4) for name in checks}


def draws_for_one(usable: Mapping[tuple[int, int, int], bool], num_seeds: int) -> float:
    """Median over (training, prompt) of the number of the first usable picture, in the order of seeds."""
    by_prompt: dict[tuple[int, int], list[bool]] = {}
    for key in sorted(usable):
        by_prompt.setdefault(key[:2], []).append(usable[key])
    firsts = [own.index(True) + 1 if True in own else num_seeds + 1 for own in by_prompt.values()]
    return float(median(firsts))


def _obeyed(verdicts: Sequence[Usable]) -> float | None:
    answers = [own.checks["obeyed"] for own in verdicts if own.checks.get("obeyed") is not None]
    return round(sum(map(bool, answers)) / len(answers), 4) if answers else None


def _share(answers: Any) -> float:
    answers = list(answers)
    return round(sum(answers) / len(answers), 4) if answers else 0.0


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
