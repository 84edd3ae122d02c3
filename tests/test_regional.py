"""The combiner `regional`: parts act where the sentence's attention has their nouns, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny

from brandsmith.guidance import regional
from brandsmith.guidance.attend_excite import AttendExcite
from brandsmith.guidance.combiners import Regional, build_combiner
from brandsmith.guidance.loop import sample_latents
from brandsmith.guidance.regional import regions
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


def test_regions_are_shares_of_each_place():
    maps = torch.rand(8, 8, 10, generator=torch.Generator().manual_seed(0))
    masks = regions(maps, [[1, 2], [4], []], (1, 7), (16, 16))
    assert masks.shape == (3, 16, 16) and masks.min() >= 0 and masks.sum(0).max() <= 1 + 1e-6 and masks[2].max() == 0
    there = torch.zeros(8, 8, 10)
    there[:, :4, 1], there[:, 4:, 4], there[..., 6] = 1.0, 1.0, 1e-3
    left, right = regions(there, [[1], [4]], (1, 7), (16, 16))
    assert left[:, :6].min() > 0.9 and left[:, 10:].max() < 0.1 and right[:, 10:].min() > 0.9


def test_without_strength_it_is_the_sentence(base):
    assert torch.allclose(draw(base, PROMPT, Regional(strength=0.0)), draw(base, "a blue cat and a yellow bowl", "cfg"), atol=1e-4)


def test_a_part_that_owns_every_place_speaks_alone(base, monkeypatch):
    everywhere = torch.zeros(2, 1, 1)
    everywhere[1] = 1.0
    monkeypatch.setattr(regional, "regions", lambda maps, nouns, words, size: everywhere.expand(2, *size))
    assert torch.allclose(draw(base, PROMPT, Regional(until=1.0)), draw(base, "a yellow bowl", "cfg"), atol=1e-4)


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
    before = base.unet.attn_processors
    refiner = AttendExcite(max_extra_passes=4)
    assert draw(base, PROMPT, "regional", refiner=refiner).isfinite().all()
    assert refiner.reports[0].extra_passes > 0 and base.unet.attn_processors == before
