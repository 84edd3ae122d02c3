"""The combiner `regional`: parts act where the sentence's attention has their nouns, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny
from drawing import sample_latents

from brandsmith.guidance import regional
from brandsmith.guidance.attend_excite import AttendExcite
from brandsmith.guidance.combiners import Regional, _without, build_combiner
from brandsmith.guidance.regional import regions, whole_place
from brandsmith.guidance.subjects import find_subjects

PROMPT = "a blue cat AND a yellow bowl"


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def base(request):
    return build_tiny(request.param)


def draw(base, prompt, combiner, seed=3, **more):
    return sample_latents(base, [prompt], [seed], num_steps=4, combiner=combiner, **more)


def test_the_sentence_comes_first_and_knows_whose_its_things_are():
    sentence, *parts = build_combiner("regional").branches("a blue cat AND a {bowl} on a table :3 AND NOT a dog", 6.0)
    assert sentence.text == "a blue cat and a bowl on a table" and sentence.parts == (0, 1)
    assert [sentence.text[a:b] for a, b in sentence.marked] == ["blue cat", "bowl"]
    assert [(p.text, p.weight) for p in parts] == [("a blue cat", 3.0), ("a bowl on a table", 9.0), ("a dog", -1.5)]
    assert [p.region and p.region.part for p in parts] == [0, 1, None]


def test_what_is_taken_back_acts_where_the_sentence_names_it():
    sentence, pushed, rest = Regional().branches("a blue cat and a yellow bowl AND NOT a yellow bowl :2", 5.0)
    assert sentence.text == "a blue cat and a yellow bowl" and sentence.weight == 5.0
    assert [sentence.text[a:b] for a, b in sentence.marked] == ["blue cat", "yellow bowl", "yellow bowl"]
    assert pushed.text == "a yellow bowl" and pushed.weight == pytest.approx(-5.0 * 2 * Regional().away)
    assert rest.text == "a blue cat" and rest.weight == 5.0
    assert sentence.parts[2] == pushed.region.part == rest.region.part not in sentence.parts[:2]
    assert pushed.region.beside and pushed.region.whole and not rest.region.beside and rest.region.until == 1.0
    both = Regional().branches("a blue cat AND a bowl AND NOT a red bowl", 5.0)
    assert [branch.text for branch in both] == [
        "a blue cat and a bowl",
        "a blue cat",
        "a bowl",
        "a red bowl",
        "a blue cat",
    ]
    alone, pushed = Regional().branches("a bowl AND NOT a bowl", 5.0)
    assert (
        alone.text == "a bowl" and not pushed.region.beside
    )  # nothing is left to say there: the place is left to the unconditional
    elsewhere = Regional().branches("a blue cat AND NOT a dog", 5.0)
    assert [branch.region for branch in elsewhere] == [None, None]


@pytest.mark.parametrize(
    ("text", "phrase", "rest"),
    [
        ("a blue cat and a yellow bowl", "yellow bowl", "a blue cat"),
        ("a blue cat and a yellow bowl", "blue cat", "a yellow bowl"),
        ("a cat, a bowl and a car", "bowl", "a cat and a car"),
        ("a cat, a bowl and a car", "cat", "a bowl and a car"),
        ("a man wearing a blue t shirt and red pants", "red pants", "a man wearing a blue t shirt"),
        ("a billboard with the red logo on a table", "red logo", "a billboard on a table"),
        ("a cat", "cat", ""),
    ],
)
def test_a_sentence_without_a_phrase_is_still_one(text, phrase, rest):
    start = text.index(phrase)
    assert _without(text, [(start, start + len(phrase))]) == rest


def test_all_of_a_place_counts_and_nothing_far_from_it():
    mask = torch.zeros(16, 16)
    mask[4:8, 4:8] = 0.3
    mask[5:7, 5:7] = 0.6
    reach = whole_place(mask)
    assert reach[4:8, 4:8].min() == 1 and reach[:2].max() == 0 and reach[10:].max() == 0
    assert whole_place(torch.zeros(4, 4)).max() == 0


def test_taking_back_leaves_the_rest_of_the_sentence_where_the_thing_owns_every_place(base, monkeypatch):
    monkeypatch.setattr(regional, "regions", lambda maps, nouns, words, size: torch.ones(len(nouns), *size))
    taken = draw(base, "a blue cat and a yellow bowl AND NOT a yellow bowl", Regional(away=0.0))
    assert torch.allclose(taken, draw(base, "a blue cat", "cfg"), atol=1e-4)
    pushed = draw(base, "a blue cat and a yellow bowl AND NOT a yellow bowl", Regional(away=1.0))
    assert torch.allclose(pushed, draw(base, "a blue cat AND NOT a yellow bowl", "composable"), atol=1e-4)


def test_regions_are_shares_of_each_place():
    maps = torch.rand(8, 8, 10, generator=torch.Generator().manual_seed(0))
    masks = regions(maps, [[1, 2], [4], []], (1, 7), (16, 16))
    assert masks.shape == (3, 16, 16) and masks.min() >= 0 and masks.sum(0).max() <= 1 + 1e-6 and masks[2].max() == 0
    there = torch.zeros(8, 8, 10)
    there[:, :4, 1], there[:, 4:, 4], there[..., 6] = 1.0, 1.0, 1e-3
    left, right = regions(there, [[1], [4]], (1, 7), (16, 16))
    assert left[:, :6].min() > 0.9 and left[:, 10:].max() < 0.1 and right[:, 10:].min() > 0.9


def test_without_strength_it_is_the_sentence(base):
    assert torch.allclose(
        draw(base, PROMPT, Regional(strength=0.0)), draw(base, "a blue cat and a yellow bowl", "cfg"), atol=1e-4
    )


def test_a_part_that_owns_every_place_speaks_alone(base, monkeypatch):
    everywhere = torch.zeros(2, 1, 1)
    everywhere[1] = 1.0
    monkeypatch.setattr(regional, "regions", lambda maps, nouns, words, size: everywhere.expand(2, *size))
    assert torch.allclose(
        draw(base, PROMPT, Regional(strength=1.0, until=1.0)), draw(base, "a yellow bowl", "cfg"), atol=1e-4
    )


def test_parts_change_the_picture_and_not_takes_away_everywhere(base):
    mine = draw(base, PROMPT, "regional")
    assert mine.isfinite().all()
    assert not torch.allclose(mine, draw(base, "a blue cat and a yellow bowl", "cfg"), atol=1e-3)
    assert not torch.allclose(mine, draw(base, f"{PROMPT} AND NOT a dog", "regional"), atol=1e-3)


def test_a_picture_does_not_depend_on_its_batch(base):
    prompts = ["a cat", PROMPT, "a red cup AND a bus AND a key AND NOT a dog"]
    together = sample_latents(base, prompts, [1, 2, 3], num_steps=4, combiner="regional")
    for number, prompt in enumerate(prompts):
        assert torch.allclose(together[number : number + 1], draw(base, prompt, "regional", seed=number + 1), atol=1e-4)


def test_attend_and_excite_watches_the_sentence(base):
    branches = build_combiner("regional").branches(PROMPT, 6.0)
    assert [(s.branch, s.label) for s in find_subjects(base, branches)] == [(0, "blue cat"), (0, "yellow bowl")]
    taken_back = build_combiner("regional").branches("a blue cat and a yellow bowl AND NOT a yellow bowl", 6.0)
    assert [s.label for s in find_subjects(base, taken_back)] == ["blue cat"]
    before = base.denoiser.attn_processors
    refiner = AttendExcite(max_extra_passes=4)
    assert draw(base, PROMPT, "regional", refiner=refiner).isfinite().all()
    assert refiner.reports[0].extra_passes > 0 and base.denoiser.attn_processors == before
