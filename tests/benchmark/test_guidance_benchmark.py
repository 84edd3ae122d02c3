"""The benchmark's arithmetic on hand-made sights, and one real run on a tiny base."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
from bases import build_tiny

from brandsmith.benchmark.guidance import benchmark_guidance, narrow, tries_for
from brandsmith.benchmark.guidance_arms import ARMS, BENCHMARK_SETTINGS, ON_PAIRS, stock_indices
from brandsmith.benchmark.outcome import judge_picture
from brandsmith.benchmark.prompt_sets import Case, RequestedThing, load_cases
from brandsmith.core.errors import InvalidConfig
from brandsmith.guidance.subjects import automatic_subjects
from brandsmith.results.statistics import clustered_ratio, wilson_interval


@dataclass
class Sight:
    words: dict
    colours: dict


def sight(word, colour, sure=0.9):
    return Sight({word: sure, "other": 1 - sure}, {colour: 0.8, "beige": 0.2})


CASE = Case("a blue cat and a yellow bowl", (RequestedThing("cat", "blue"), RequestedThing("bowl", "yellow")))


@pytest.mark.parametrize(
    ("seen", "present", "strict", "bound"),
    [
        ([sight("cat", "blue"), sight("bowl", "yellow")], True, True, True),
        ([sight("bowl", "yellow"), sight("cat", "blue")], True, True, True),
        ([sight("cat", "yellow"), sight("bowl", "blue")], True, True, False),
        ([sight("cat", "blue"), sight("bowl", "yellow", 0.45)], True, False, False),
        ([sight("cat", "blue"), sight("cat", "yellow")], False, False, False),
        ([sight("cat", "blue")], False, False, False),
        ([], False, False, False),
        ([sight("dog", "red"), sight("cat", "blue"), sight("bowl", "yellow")], True, True, True),
        ([Sight({"cat": 0.5, "bowl": 0.5}, {"blue": 1.0})], False, False, False),
    ],
)
def test_outcomes(seen, present, strict, bound):
    outcome = judge_picture(CASE, seen)
    assert (outcome.present, outcome.strict, outcome.bound) == (present, strict, bound)


@pytest.mark.parametrize(
    ("seen", "coloured"),
    [
        ([sight("cat", "yellow"), sight("dog", "blue")], True),
        ([sight("cat", "blue"), sight("bowl", "blue")], False),
        ([sight("cat", "blue")], False),
        ([sight("x", "red"), sight("x", "yellow"), sight("x", "blue")], True),
    ],
)
def test_colours_are_judged_apart_from_words(seen, coloured):
    assert judge_picture(CASE, seen).coloured == coloured


def test_each_thing_is_matched_in_order():
    assert judge_picture(CASE, [sight("bowl", "yellow")]).each == (False, True)


def test_colours_do_not_matter_when_none_was_asked():
    assert judge_picture(Case("a cat", (RequestedThing("cat"),)), [sight("cat", "red")]).bound


@pytest.mark.parametrize("name", ["binding", "two", "three", "chefer"])
def test_prompt_sets_are_fixed_disjoint_and_readable(name):
    tuning, held_out = load_cases(name, "tuning"), load_cases(name)
    assert len(held_out) >= 100 and not {c.text for c in tuning} & {c.text for c in held_out}
    assert load_cases(name) == held_out
    for case in [*tuning, *held_out]:
        expected = [f"{t.colour} {t.word}" if t.colour else t.word for t in case.things]
        assert [s.label(case.text) for s in automatic_subjects(case.text)] == expected
        assert case.with_and.count(" AND ") == len(case.things) - 1


def test_prompt_sets_speak_pocket_s_language():
    from brandsmith.pocket.artwork import COLOURS, OBJECT_WORDS

    things = [thing for name in ("binding", "two", "three") for case in load_cases(name) for thing in case.things]
    assert len(things) > 700
    assert {t.word for t in things} <= set(OBJECT_WORDS) and {t.colour for t in things} <= {*COLOURS, None}


def test_unknown_sets_are_explained():
    for arguments in (("bindng",), ("binding", "test")):
        with pytest.raises(InvalidConfig):
            load_cases(*arguments)


def test_tries_add_up_to_the_compute():
    for ratio in (1.0, 1.3, 2.0, 2.75):
        assert sum(tries_for(ratio, 100)) == round(100 * ratio)
    assert tries_for(0.8, 3) == [1, 1, 1]


def test_wilson_by_hand():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    low, high = wilson_interval(8, 10)
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)


def test_clustered_interval_covers_by_cluster():
    """20 prompts x 5 images that agree within a prompt: the interval must be as wide as 20 observations make it."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(150):
        truth = rng.random(20) < 0.5
        found = clustered_ratio(np.repeat(truth, 5), np.ones(100), np.repeat(np.arange(20), 5))
        covered += found.low <= 0.5 <= found.high
    assert covered / 150 > 0.87


def test_stock_indices_are_the_last_pieces_of_nouns():
    base = build_tiny()
    tokens = base.tokenizers[0].convert_ids_to_tokens(base.tokenizers[0]("a red cat and a blue t shirt")["input_ids"])
    assert [tokens[i] for i in stock_indices(base, "a red cat and a blue t shirt")] == ["cat</w>", "shirt</w>"]


@pytest.mark.slow
def test_a_real_run_gives_every_figure_and_resumes(tmp_path):
    judged = []

    def judge(pictures, num_things):
        judged.append(len(pictures))
        return [[sight("cat", "blue")] * num_things for _ in pictures]

    options = {
        "settings": BENCHMARK_SETTINGS.model_copy(update={"num_steps": 2, "batch_size": 2}),
        "num_cases": 4,
        "sets": ("binding",),
        "file": tmp_path / "rows.jsonl",
    }
    result = benchmark_guidance(build_tiny(), judge, **options)
    wanted = {
        "plain_success",
        "composable_success",
        "excite_success",
        "excite_over_and_success",
        "best_of_n_success",
        "failures_cut",
        "success_vs_diffusers",
        "time_vs_diffusers",
        "idle_overhead",
        "not_removed",
        "redraw_success",
        "and_gain",
        "n",
    }
    assert wanted <= set(result.figures) and json.loads(json.dumps(result.figures))["n"] == 4
    assert len(result.table) == len(ARMS) + 2 and all(row["n"] == 4 for row in result.table)
    (title, lines), *others = narrow(result.table).items()
    assert (
        title == "binding, n 4"
        and [line["arm"] for line in lines] == [row["arm"] for row in result.table]
        and not others
    )
    drawn = sum(judged)
    assert benchmark_guidance(build_tiny(), judge, **options) == result
    assert sum(judged) == drawn >= 9 * 4
    more = benchmark_guidance(build_tiny(), judge, **{**options, "sets": ("binding", "three")})
    assert (
        more.figures["n"] == 8
        and more.figures["on_pairs_n"] == 4
        and set(more.figures["by_set"]) == {"binding", "three"}
    )
    assert more.figures["by_set"]["binding"].items() <= result.figures.items()
    assert {row["arm"] for row in more.table if row["set"] == "three"} == {*ARMS, "diffusers", "best_of_n"} - set(
        ON_PAIRS
    )
