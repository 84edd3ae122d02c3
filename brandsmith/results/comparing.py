"""Is one setting better than another? Paired by prompt and starting noise, with the spread between trainings counted
in.

Two things make a mean uncertain. One is the pictures: those of a prompt resemble each other, so errors are clustered by
prompt. The other is the training seed: the same setting trained again has another mean. Its variance is estimated from
every setting that was trained more than once, as the difference of two of its trainings beyond what their pictures
explain. Both enter one standard error; Student's t with Satterthwaite's degrees of freedom; Holm over all comparisons
(1979). A setting is called better only when the widened interval excludes zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from brandsmith.results.statistics import clustered_mean, holm, t_quantile, two_sided_p

LEVEL = 0.05
POWER = 0.8
NOT_WORTH_FINDING = 0.005
"""Differences under this get no "about N would be needed"."""

Values = Mapping[tuple[int, int], float]
"""{(case, picture seed): KPI} of one training's chosen checkpoint"""


@dataclass(frozen=True)
class Spread:
    """Variance of a training's mean KPI between training seeds, and its degrees of freedom (0: unknown)."""

    variance: float = 0.0
    degrees: int = 0


@dataclass(frozen=True)
class Gap:
    """Mean of first minus second, its standard error and degrees of freedom."""

    value: float
    error: float
    degrees: float
    num_images: int
    num_prompts: int
    num_trainings: int
    """The smaller number of the two."""

    @property
    def p_value(self) -> float:
        if self.error == 0:
            return 1.0 if self.value == 0 else 0.0
        return two_sided_p(self.value / self.error, self.degrees) if math.isfinite(self.error) else 1.0

    def half_width(self, level: float) -> float:
        return t_quantile(1 - level / 2, max(1.0, self.degrees)) * self.error if math.isfinite(self.error) else math.inf


@dataclass(frozen=True)
class Comparison:
    first: str
    second: str
    gap: Gap
    low: float
    high: float
    """The interval at the level that Holm's procedure gives this comparison."""
    p_holm: float
    level: float = LEVEL
    """The level that Holm's procedure requires of this comparison."""

    @property
    def better(self) -> bool:
        return self.p_holm < LEVEL and self.low > 0

    @property
    def worse(self) -> bool:
        return self.p_holm < LEVEL and self.high < 0

    def sentence(self) -> str:
        if self.better or self.worse:
            return (
                f"{'better' if self.better else 'worse'} by {abs(self.gap.value):.3f} ({self.low:+.3f} to"
                f" {self.high:+.3f}){self._caveat()}"
            )
        return f"not distinguishable with {self.gap.num_images} images{self._needed()}{self._caveat()}"

    def _needed(self) -> str:
        needed = images_needed(self.gap, self.level)
        if needed is None:
            return "" if math.isfinite(self.gap.error) else "; one prompt tells nothing about others"
        if abs(self.gap.value) < NOT_WORTH_FINDING:
            return "; the difference is too small to be worth finding"
        return f"; about {needed} would be needed"

    def _caveat(self) -> str:
        return (
            ""
            if self.gap.num_trainings > 1
            else "; trained once: this is about these checkpoints, not about the settings"
        )


def spread_between_trainings(settings: Sequence[Sequence[Values]]) -> Spread:
    """Pooled over settings, each a list of its trainings: half the squared difference of two, less what pictures
    explain.
    """
    weighted, degrees = 0.0, 0
    for trainings in settings:
        pairs = [_variance_of_pair(a, b) for a, b in combinations(trainings, 2) if a.keys() & b.keys()]
        if pairs:
            weighted += (len(trainings) - 1) * fmean(pairs)
            degrees += len(trainings) - 1
    return Spread(max(0.0, weighted / degrees), degrees) if degrees else Spread()


def _variance_of_pair(first: Values, second: Values) -> float:
    value, error, _ = _paired(first, second)
    return (value**2 - (error**2 if math.isfinite(error) else 0.0)) / 2


def _paired(first: Values, second: Values) -> tuple[float, float, int]:
    """Mean gap over shared pictures, its error clustered by prompt, and the number of prompts."""
    shared = sorted(first.keys() & second.keys())
    estimate = clustered_mean([first[k] - second[k] for k in shared], [case for case, _ in shared])
    if estimate.num_clusters < 2:
        return estimate.value, math.inf, estimate.num_clusters
    half = (estimate.high - estimate.low) / 2
    return estimate.value, half / t_quantile(0.975, estimate.num_clusters - 1), estimate.num_clusters


def pooled(trainings: Sequence[Values]) -> dict[tuple[int, int], float]:
    """Each picture's mean over the trainings that all have it."""
    shared = set.intersection(*(set(t) for t in trainings)) if trainings else set()
    return {key: fmean(t[key] for t in trainings) for key in shared}


def measure_gap(first: Sequence[Values], second: Sequence[Values], spread: Spread) -> Gap | None:
    """First minus second, each a list of trainings; None when they share no picture."""
    a, b = pooled(first), pooled(second)
    if not a.keys() & b.keys():
        return None
    value, error, num_prompts = _paired(a, b)
    by_pictures, by_training = error**2, spread.variance * (1 / len(first) + 1 / len(second))
    total = by_pictures + by_training
    degrees = float(max(1, num_prompts - 1))
    if by_training > 0 and math.isfinite(total):
        degrees = total**2 / (by_pictures**2 / degrees + by_training**2 / spread.degrees)
    num_images = len(a.keys() & b.keys()) * min(len(first), len(second))
    return Gap(value, math.sqrt(total), degrees, num_images, num_prompts, min(len(first), len(second)))


def compare_all(gaps: Mapping[tuple[str, str], Gap]) -> list[Comparison]:
    """Comparisons that hold together, in the order given."""
    by_name = {repr(names): gap for names, gap in gaps.items()}
    p_values = {name: gap.p_value for name, gap in by_name.items()}
    adjusted = holm(p_values)
    ranks = {name: rank for rank, name in enumerate(sorted(p_values, key=p_values.__getitem__))}
    found = []
    for (first, second), (name, gap) in zip(gaps, by_name.items(), strict=True):
        level = LEVEL / (len(gaps) - ranks[name])
        half = gap.half_width(level)
        found.append(Comparison(first, second, gap, gap.value - half, gap.value + half, adjusted[name], level))
    return found


def images_needed(gap: Gap, level: float = LEVEL) -> int | None:
    """About how many images per setting (prompts and trainings growing alike) show a gap of this size in four of five
    studies.

    With Student's quantiles, and at the level that Holm's procedure requires of this comparison: with five prompts both
    weigh more than the number of images. At least one prompt more than there were.
    """
    if not math.isfinite(gap.error) or gap.value == 0:
        return None

    def shown(num_prompts: int) -> bool:
        factor = num_prompts / gap.num_prompts
        degrees = max(1, int(gap.degrees * factor))
        wanted = t_quantile(1 - level / 2, degrees) + t_quantile(POWER, degrees)
        return wanted * gap.error / math.sqrt(factor) <= abs(gap.value)

    too_few, enough = gap.num_prompts, gap.num_prompts + 1
    while not shown(enough):
        too_few, enough = enough, 2 * enough
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if shown(middle) else (middle, enough)
    return math.ceil(gap.num_images * enough / gap.num_prompts)
