"""Intervals cover what they promise, tests reject as often as they may, and the known numbers come out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from brandsmith.results.statistics import (
    PictureSpread,
    clustered_mean,
    clustered_ratio,
    describe_power,
    detectable_difference,
    holm,
    paired_difference,
    power_of,
    rate,
    spearman,
    t_quantile,
    two_sided_p,
    wilson_interval,
)


def simulated(rng, num_prompts, num_seeds, prompt_sd=0.08, seed_sd=0.06):
    level = 0.6 + rng.normal(0, prompt_sd, num_prompts)[:, None] + rng.normal(0, seed_sd, (num_prompts, num_seeds))
    return level.ravel(), np.repeat(np.arange(num_prompts), num_seeds)


@pytest.mark.slow
@pytest.mark.parametrize(("num_prompts", "num_seeds"), [(5, 8), (10, 4), (25, 4)])
def test_the_clustered_interval_covers_the_truth_as_promised(num_prompts, num_seeds):
    rng = np.random.default_rng(7)
    covered, num_trials = 0, 500
    for trial in range(num_trials):
        estimate = clustered_mean(*simulated(rng, num_prompts, num_seeds), seed=trial)
        covered += estimate.low <= 0.6 <= estimate.high
    assert 0.93 <= covered / num_trials <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("num_prompts", [5, 9, 10, 30])
def test_the_interval_of_a_ratio_covers_the_truth_as_promised(num_prompts):
    """Failures left by failures before, as the guidance benchmark counts them: numerator and denominator both vary."""
    rng = np.random.default_rng(11)
    covered, num_trials, prompts = 0, 400, np.repeat(np.arange(num_prompts), 12)
    for trial in range(num_trials):
        ease = rng.uniform(0.4, 0.9, num_prompts)
        before = rng.binomial(1, ease[prompts])
        found = clustered_ratio(before * rng.binomial(1, 0.5, len(prompts)), before, prompts, seed=trial)
        covered += found.low <= 0.5 <= found.high
    assert 0.92 <= covered / num_trials <= 0.98


def test_a_ratio_by_nothing_has_no_value_and_a_mean_is_a_ratio_by_ones():
    nothing = clustered_ratio([1.0, 2.0], [0.0, 0.0], ["p", "q"])
    assert np.isnan(nothing.value) and np.isinf(nothing.low) and np.isinf(nothing.high)
    values, prompts = [0.2, 0.4, 0.9], ["p", "p", "q"]
    assert clustered_ratio(values, [1.0] * 3, prompts) == clustered_mean(values, prompts)
    rare = clustered_ratio([1.0] * 20, [1.0] + [0.0] * 19, range(20))
    assert rare.value == 20 and np.isfinite(rare.low) and np.isfinite(rare.high)


def test_resampling_pictures_instead_of_prompts_would_not_cover():
    rng = np.random.default_rng(7)
    hits = 0
    for trial in range(60):
        values, _ = simulated(rng, 10, 6)
        estimate = clustered_mean(values, range(len(values)), seed=trial)  # every picture its own cluster
        hits += estimate.low <= 0.6 <= estimate.high
    assert hits / 60 < 0.8


@pytest.mark.slow
def test_the_paired_test_rejects_a_true_null_five_times_in_a_hundred():
    rng = np.random.default_rng(3)
    rejected = 0
    for trial in range(400):
        keys = [(p, s) for p in range(10) for s in range(4)]
        level = dict(zip(keys, np.repeat(rng.normal(0, 0.3, 10), 4), strict=True))
        first, second = ({k: level[k] + rng.normal(0, 0.06) for k in keys} for _ in range(2))
        rejected += paired_difference(first, second, seed=trial).p_value < 0.05
    assert 0.02 <= rejected / 400 <= 0.08


def test_pairing_finds_what_the_spread_of_prompts_hides():
    rng = np.random.default_rng(1)
    keys = [(p, s) for p in range(25) for s in range(4)]
    level = dict(zip(keys, np.repeat(rng.normal(0.5, 0.2, 25), 4), strict=True))
    better = {k: level[k] + 0.05 + rng.normal(0, 0.03) for k in keys}
    worse = {k: level[k] + rng.normal(0, 0.03) for k in keys}
    result = paired_difference(better, worse)
    assert result.p_value < 0.01 and 0.03 < result.estimate.low < 0.05 < result.estimate.high < 0.07
    apart = clustered_mean(list(better.values()), [k[0] for k in keys])
    assert apart.low < np.mean(list(worse.values())) < apart.high


def test_what_only_one_side_has_is_left_out_and_counted():
    result = paired_difference({(0, 0): 1.0, (1, 0): 1.0, (2, 0): 9.0}, {(0, 0): 0.0, (1, 0): 0.0, (3, 0): 9.0})
    assert result.estimate.value == 1.0 and result.estimate.n == 2 and result.num_unpaired == 2
    with pytest.raises(ValueError, match="in common"):
        paired_difference({(0, 0): 1.0}, {(1, 0): 1.0})


def test_few_prompts_can_never_be_significant():
    same = {(p, 0): 1.0 for p in range(5)}
    assert paired_difference(same, dict.fromkeys(same, 0.0)).p_value == pytest.approx(2 / 32)


def test_one_prompt_has_no_interval():
    estimate = clustered_mean([0.1, 0.2], ["p", "p"])
    assert np.isinf(estimate.low) and np.isinf(estimate.high) and estimate.num_clusters == 1
    with pytest.raises(ValueError):
        clustered_mean([], [])


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(14, 20, 0.48, 0.86), (70, 100, 0.60, 0.78), (280, 400, 0.65, 0.74), (0, 100, 0.0, 0.037)],
)
def test_wilson_gives_the_published_intervals(hits, n, low, high):
    estimate = rate([True] * hits + [False] * (n - hits))
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.006)


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (3, 7), (8, 10), (399, 400), (1, 10_000)])
def test_wilson_agrees_with_scipy_where_scipy_has_it(hits, n):
    theirs = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson_interval(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-15)
    with pytest.raises(TypeError):
        stats.binomtest(2.5, 7.25)  # the reason that ours is there: an effective sample size is no whole number


def test_a_rate_whose_prompts_agree_counts_prompts_not_pictures():
    all_or_nothing = [p < 5 for p in range(10) for _ in range(20)]
    prompts = [p for p in range(10) for _ in range(20)]
    clustered, plain = rate(all_or_nothing, prompts), rate(all_or_nothing)
    ten = rate([p < 5 for p in range(10)])
    assert clustered.value == plain.value == 0.5
    assert (
        clustered.high - clustered.low == pytest.approx(ten.high - ten.low, abs=0.06)
        and clustered.low < plain.low - 0.1
    )


def test_holm_by_hand():
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03})
    assert list(adjusted) == ["a", "b", "c"]
    assert list(adjusted.values()) == pytest.approx([0.03, 0.06, 0.06])
    assert holm({"only": 0.2}) == {"only": 0.2}


@pytest.mark.parametrize(
    ("level", "degrees", "value"),
    [(0.975, 4, 2.7764), (0.975, 24, 2.0639), (0.8, 9, 0.8834), (0.975, 1, 12.706), (0.975, 999, 1.96)],
)
def test_t_quantiles_of_the_tables(level, degrees, value):
    assert t_quantile(level, degrees) == pytest.approx(value, rel=2e-3)


def test_quantiles_and_tails_agree_far_out_and_at_fractions():
    for degrees in (1, 1.5, 4, 299, 301, 1e4):
        for level in (0.6, 0.975, 0.9999):
            assert two_sided_p(t_quantile(level, degrees), degrees) == pytest.approx(2 * (1 - level), rel=1e-9)


def test_power_agrees_with_the_reference_study_and_with_itself():
    assert power_of(0.02, 25, 4) == pytest.approx(0.54, abs=0.1)
    assert power_of(0.02, 50, 4) == pytest.approx(0.84, abs=0.1)
    assert power_of(detectable_difference(25, 4), 25, 4) == pytest.approx(0.8, abs=0.02)
    assert detectable_difference(25, 4) == pytest.approx(0.03, abs=0.004)
    assert detectable_difference(25, 4, PictureSpread(0.2, 0.1)) > 0.08
    assert describe_power(25, 4) == "25 prompts x 4 seeds can show a difference of 0.03"
    assert "add prompts" in describe_power(5, 20)


def test_more_prompts_beat_more_seeds():
    assert detectable_difference(50, 2) < detectable_difference(25, 4) < detectable_difference(10, 10)


def test_spearman_by_hand():
    assert spearman([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 2, 2, 3], [1, 3, 2, 4]) == pytest.approx(0.9487, abs=1e-4)
    assert np.isnan(spearman([1, 1], [1, 2]))
