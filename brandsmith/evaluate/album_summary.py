"""The summary of one album: means, usable rate, KPI, leakage. Pure functions of rows, one record out.

What rows do not hold (how alike pictures are to one another and to the training pictures) is handed in, measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brandsmith.core.rows import Row, judge_name
from brandsmith.results.kpi import CONFIDENCE_JUDGES, footnote, kpi_of
from brandsmith.results.leakage import Leakage, logo_leakage
from brandsmith.results.statistics import clustered_mean, wilson_interval
from brandsmith.results.usable import checks_for, reasons, usable_by_picture


@dataclass(frozen=True)
class LikenessScale:
    """What a likeness score lies between; None where it was not measured."""

    floor: float | None
    """The base's own score on the same prompts and noises."""
    ceiling: float | None
    """Real pictures against real pictures."""


@dataclass(frozen=True)
class JudgeMean:
    """One judge over the album. `low` and `high`: 95 %, prompts resampled; None with one prompt only."""

    judge: str
    """`name@version`"""
    weights: str
    mean: float | None
    low: float | None
    high: float | None
    n: int
    not_measured: int
    reason: str
    """The most frequent reason why a picture was not measured; empty when all were."""
    scale: LikenessScale | None = None
    """Of likeness judges alone."""

    def as_json(self) -> dict[str, Any]:
        scale = {"floor": self.scale.floor, "ceiling": self.scale.ceiling} if self.scale else {}
        return {
            "judge": self.judge,
            "weights": self.weights,
            "mean": self.mean,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "not_measured": self.not_measured,
            "reason": self.reason,
            **scale,
        }


@dataclass(frozen=True)
class AlbumKpi:
    """The thesis' KPI, rounded."""

    average: float | None
    mean_confidence_score: float | None
    mean_ocr_score: float | None
    exact_match_rate: float | None
    footnote: str

    def as_json(self) -> dict[str, Any]:
        return {
            "average(ocr, yolo)": self.average,
            "mean_confidence_score": self.mean_confidence_score,
            "mean_ocr_score": self.mean_ocr_score,
            "exact_match_rate": self.exact_match_rate,
            "footnote": self.footnote,
        }


@dataclass(frozen=True)
class UsableRate:
    """Over the pictures that could be decided; `low` and `high` are Wilson's, 95 %."""

    rate: float | None
    low: float | None
    high: float | None
    n: int
    not_measured: int
    checks: Sequence[str]
    reasons: Mapping[str, int]
    """How often each reason kept a picture from being usable, most frequent first."""

    def as_json(self) -> dict[str, Any]:
        return {
            "rate": self.rate,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "not_measured": self.not_measured,
            "checks": list(self.checks),
            "reasons": dict(self.reasons),
        }


@dataclass(frozen=True)
class CopyingSummary:
    memorising_ratio: float | None
    """Under 1 the pictures lie nearer to the training pictures than held-out real ones do."""
    by: str | None
    """`name@version` of the judge."""
    sscd: str
    """Why SSCD did not measure it; empty when it did."""

    def as_json(self) -> dict[str, Any]:
        return {"memorising_ratio": self.memorising_ratio, "by": self.by, "sscd": self.sscd}


@dataclass(frozen=True)
class PromptDiversity:
    vendi: float
    n: int

    def as_json(self) -> dict[str, Any]:
        return {"vendi": self.vendi, "n": self.n}


@dataclass(frozen=True)
class Diversity:
    """Vendi score of each prompt's pictures, two or more. It grows with n: compare at equal n."""

    mean_vendi: float | None
    by_prompt: Mapping[str, PromptDiversity]

    def as_json(self) -> dict[str, Any]:
        by_prompt = {prompt: one.as_json() for prompt, one in self.by_prompt.items()}
        return {"mean_vendi": self.mean_vendi, "by_prompt": by_prompt}


@dataclass(frozen=True)
class AlbumSummary:
    pictures: int
    prompts: int
    run: str
    step: int
    judges: Mapping[str, JudgeMean]
    kpi: AlbumKpi
    usable: UsableRate
    copying: CopyingSummary
    diversity: Diversity
    logo_leakage: Leakage
    """Over pictures whose prompt does not name the mark."""
    rows: Path

    @property
    def title(self) -> str:
        return f"{self.run} step {self.step}" if self.step else self.run

    def with_floor(self, floors: Mapping[str, float]) -> AlbumSummary:
        """The same with the base's scores by likeness judge."""
        judges = {name: _floored(mean, floors.get(name)) for name, mean in self.judges.items()}
        return replace(self, judges=judges)

    def as_json(self) -> dict[str, Any]:
        """As `summary.json` stores it."""
        return {
            "pictures": self.pictures,
            "prompts": self.prompts,
            "run": self.run,
            "step": self.step,
            "judges": {name: mean.as_json() for name, mean in self.judges.items()},
            "kpi": self.kpi.as_json(),
            "usable": self.usable.as_json(),
            "copying": self.copying.as_json(),
            "diversity": self.diversity.as_json(),
            "logo_leakage": _leakage_json(self.logo_leakage),
            "rows": str(self.rows),
        }


def _floored(mean: JudgeMean, floor: float | None) -> JudgeMean:
    if mean.scale is None or floor is None:
        return mean
    return replace(mean, scale=LikenessScale(round(floor, 4), mean.scale.ceiling))


def _leakage_json(leaked: Leakage) -> dict[str, Any]:
    return {
        "rate": _rounded(leaked.rate),
        "interval": [round(v, 4) for v in leaked.interval],
        "n": leaked.n,
        "num_not_measured": leaked.num_not_measured,
        "by_prompt": dict(leaked.by_prompt),
    }


# ----------------------------------------------------------------------------- from rows


def summarise(
    rows: Sequence[Row],
    token: str,
    *,
    copying: CopyingSummary,
    diversity: Diversity,
    ceilings: Mapping[str, float | None],
    rows_file: Path,
) -> AlbumSummary:
    """Everything that is printed of one album. Usable rate and KPI are over the pictures whose prompt names the mark
    (`token`) or that have no prompt: a picture of another prompt is right not to show it.

    ceilings: by likeness judge.
    """
    groups = by_judge(rows)
    requested = [row for row in rows if not row.prompt or token.lower() in row.prompt.lower()]
    return AlbumSummary(
        pictures=len(next(iter(groups.values()))),
        prompts=len({row.prompt for row in rows}),
        run=rows[0].run,
        step=rows[0].step,
        judges={
            name: judge_mean(of_one, LikenessScale(None, _rounded(ceilings[name])) if name in ceilings else None)
            for name, of_one in groups.items()
        },
        kpi=album_kpi(requested),
        usable=usable_summary(requested, prompted=any(row.prompt for row in rows)),
        copying=copying,
        diversity=diversity,
        logo_leakage=logo_leakage([row for row in rows if row.prompt], token),
        rows=rows_file,
    )


def by_judge(rows: Sequence[Row]) -> dict[str, list[Row]]:
    names = list(dict.fromkeys(judge_name(row) for row in rows))
    return {name: [row for row in rows if judge_name(row) == name] for name in names}


def judge_mean(rows: Sequence[Row], scale: LikenessScale | None = None) -> JudgeMean:
    """Of one judge's rows: mean with an interval that resamples prompts, and why some were not measured."""
    values = [row.value for row in rows if row.value is not None]
    why = Counter(row.reason for row in rows if row.value is None).most_common(1)
    mean = clustered_mean(values, [row.prompt for row in rows if row.value is not None]) if values else None
    bounded = mean is not None and bool(np.isfinite(mean.low))
    return JudgeMean(
        rows[0].judge,
        rows[0].weights,
        mean=round(mean.value, 4) if mean else None,
        low=round(mean.low, 4) if mean and bounded else None,
        high=round(mean.high, 4) if mean and bounded else None,
        n=len(values),
        not_measured=len(rows) - len(values),
        reason=why[0][0] if why else "",
        scale=scale,
    )


def album_kpi(rows: Sequence[Row]) -> AlbumKpi:
    """The thesis' KPI; where another program's detections are among the rows they are the confidence half, as in the
    thesis.
    """
    own, foreign = CONFIDENCE_JUDGES
    has_foreign = any(judge_name(row) == foreign for row in rows)
    counted = [row for row in rows if not (has_foreign and judge_name(row) == own)]
    kpi = kpi_of(counted)
    return AlbumKpi(
        _rounded(kpi.average),
        _rounded(kpi.mean_confidence_score),
        _rounded(kpi.mean_ocr_score),
        _rounded(kpi.exact_rate),
        footnote(counted),
    )


def usable_summary(rows: Sequence[Row], *, prompted: bool) -> UsableRate:
    """The usable rate over the pictures that could be decided. Pictures without any prompt cannot fail to follow one:
    that check is left out.
    """
    checks = [check for check in checks_for(by_judge(rows)) if prompted or check != "obeyed"]
    verdicts = list(usable_by_picture(rows, checks).values())
    decided = [v.verdict for v in verdicts if v.verdict is not None]
    low, high = wilson_interval(sum(decided), len(decided))
    return UsableRate(
        _rounded(sum(decided) / len(decided)) if decided else None,
        _rounded(low),
        _rounded(high),
        n=len(decided),
        not_measured=len(verdicts) - len(decided),
        checks=checks,
        reasons=dict(reasons(verdicts).most_common()),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
