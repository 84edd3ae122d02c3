"""The ranking that votes give, its intervals, and how far it agrees with another."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from brandsmith.core.errors import InvalidInput
from brandsmith.results.votes import Vote, agreement, rank_by_votes, read_votes

NAMES = ("a", "b", "c", "d")


def vote(left, right, choice, prompt="a cap", seed=1, user="eva"):
    return Vote(user, left, right, prompt, seed, choice)


def simulated(rng, strengths, num_prompts, votes_per_prompt):
    votes = []
    for prompt in range(num_prompts):
        for _ in range(votes_per_prompt):
            left, right = rng.choice(len(strengths), 2, replace=False)
            won = rng.random() < 1 / (1 + math.exp(strengths[right] - strengths[left]))
            votes.append(vote(NAMES[left], NAMES[right], "left" if won else "right", f"prompt {prompt}"))
    return votes


def test_two_contenders_have_the_odds_of_their_votes():
    votes = [vote("a", "b", "left", seed=seed) for seed in range(30)]
    votes += [vote("a", "b", "right", seed=seed) for seed in range(30, 40)]
    first, second = rank_by_votes(votes, ["b", "a"])
    assert (first.name, first.n, second.n) == ("a", 40, 40) and first.strength == pytest.approx(-second.strength)
    odds = math.exp(first.strength - second.strength)
    assert odds == pytest.approx(3, rel=0.12)  # 30 to 10, less what the drawn votes pull
    assert first.low > second.strength and first.beats_average[0] > 0.5 > second.beats_average[0]


def test_where_a_picture_stood_and_who_never_lost_do_not_matter():
    votes = [vote("a", "b", "left"), vote("b", "a", "right", seed=2), vote("b", "c", "left")]
    ranked = {own.name: own for own in rank_by_votes(votes, NAMES)}
    assert list(ranked) == ["a", "b", "c", "d"] and math.isfinite(ranked["a"].strength)
    assert (ranked["d"].n, ranked["d"].low, ranked["d"].high) == (0, -math.inf, math.inf)
    assert ranked["d"].beats_average == (0.5, 0.0, 1.0)
    turned = [Vote(v.user, v.right, v.left, v.prompt, v.seed, _other(v.choice)) for v in votes]
    for own in rank_by_votes(turned, NAMES):
        assert own.strength == pytest.approx(ranked[own.name].strength, abs=1e-9)


def _other(choice):
    return {"left": "right", "right": "left", "same": "same"}[choice]


def test_nothing_voted_is_no_ranking():
    assert [(own.name, own.n) for own in rank_by_votes([], NAMES)] == [(name, 0) for name in NAMES]
    assert rank_by_votes([vote("a", "stranger", "left"), vote("a", "a", "left")], ["a", "b"])[0].n == 0


@pytest.mark.parametrize("num_prompts", [5, 12])
def test_the_interval_covers_the_truth_as_promised(num_prompts):
    rng, truth = np.random.default_rng(3), np.array([0.9, 0.2, -0.3, -0.8])
    covered = total = 0
    for _ in range(60):
        for own in rank_by_votes(simulated(rng, truth, num_prompts, 16), NAMES):
            covered += own.low <= truth[NAMES.index(own.name)] <= own.high
            total += 1
    assert total == 240 and covered / total >= 0.94


def test_prompts_that_disagree_widen_the_interval():
    """All votes of a prompt are alike: ten votes on it say hardly more than one."""
    alike = [vote("a", "b", "left" if p else "right", f"p{p}", seed) for p in (0, 1, 1, 0) for seed in range(10)]
    alike += [vote("a", "b", "left" if p % 2 else "right", f"q{p}", seed) for p in range(6) for seed in range(10)]
    mixed = [vote("a", "b", "left" if seed % 2 else "right", v.prompt, seed) for seed, v in enumerate(alike)]
    wide, narrow = rank_by_votes(alike, ["a", "b"])[0], rank_by_votes(mixed, ["a", "b"])[0]
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_votes_are_read_and_the_last_of_a_user_on_two_pictures_counts(tmp_path):
    file = tmp_path / "votes.jsonl"
    assert read_votes(file) == []
    first, changed = vote("a", "b", "left"), vote("b", "a", "left")
    others = [vote("a", "b", "same", seed=2), vote("a", "b", "left", user="jan")]
    file.write_text("".join(json.dumps(own.as_json()) + "\n" for own in (first, *others, changed)))
    assert sorted(read_votes(file), key=lambda own: (own.user, own.seed)) == [changed, *others]
    file.write_text(json.dumps(first.as_json() | {"choice": "both"}) + "\n")
    with pytest.raises(InvalidInput, match=r"line 1.*choice"):
        read_votes(file)


def test_agreement_has_an_interval_and_never_certainty():
    perfect = agreement([1, 2, 3, 4], [10, 20, 30, 40])
    assert perfect.value == pytest.approx(1) and perfect.low < 0.5 and perfect.high < 1 and perfect.n == 4
    more = agreement(list(range(12)), list(range(12)))
    assert more.low > perfect.low and "rank correlation of 1.00" in more.line and "n = 12" in more.line
    against = agreement(list(range(12)), list(range(12))[::-1])
    assert (against.low, against.high) == (pytest.approx(-more.high), pytest.approx(-more.low))


def test_agreement_of_few_or_of_ties_says_so():
    assert agreement([1, 2, 3], [1, 2, 3]).low == -1 and "too few" in agreement([1, 2, 3], [1, 2, 3]).line
    assert "nothing to compare" in agreement([1, 1, 1, 1], [1, 2, 3, 4]).line and agreement([], []).n == 0
    assert agreement([1, 1, 1, 1], [1, 2, 3, 4]).as_json()["spearman"] is None


def test_the_interval_of_an_agreement_covers_the_truth():
    """Of 8 contenders whose scores are normal with correlation 0.6; its rank correlation is 6/pi asin(0.3)."""
    rng, truth, covered = np.random.default_rng(5), 6 / math.pi * math.asin(0.3), 0
    for _ in range(400):
        x = rng.normal(size=8)
        y = 0.6 * x + 0.8 * rng.normal(size=8)
        found = agreement(list(x), list(y))
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 400 <= 0.99
