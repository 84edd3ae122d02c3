"""Merging: what the number says, that it is each image's own, and that it foretells what pocket makes one thing of."""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny
from drawing import sample_latents

from brandsmith.guidance.branches import Branch
from brandsmith.guidance.combiners import build_combiner
from brandsmith.guidance.loop import latents_of_branches
from brandsmith.guidance.merging import MERGED, PREVIEW_STOP, largest_overlap, merging
from brandsmith.guidance.parts import Parts
from brandsmith.guidance.settings import DrawSettings
from brandsmith.guidance.things import Thing

SETTINGS = DrawSettings(num_steps=10, guidance_scale=5.0, scheduler="ddim", batch_size=2)


def branches_of(*prompts, combiner="regional"):
    return [build_combiner(combiner).branches(prompt, 5.0) for prompt in prompts]


def maps_with(*places, everywhere=0.0):
    """(4, 4, 6): words 1 to 4 compete; word i + 1 has all of the i-th place, and word 4 what is left."""
    maps = torch.full((4, 4, 6), 0.0)
    for word, (rows, columns) in enumerate(places, 1):
        maps[..., word] = everywhere
        maps[rows, columns, word] += 0.4
    maps[..., 4] = 1 - maps[..., 1:4].sum(-1)
    return maps


LEFT, RIGHT, MIDDLE = (slice(0, 4), slice(0, 2)), (slice(0, 4), slice(2, 4)), (slice(0, 4), slice(1, 3))


@pytest.mark.parametrize(
    ("places", "overlap"),
    [((LEFT, RIGHT), 0.0), ((LEFT, LEFT), 1.0), ((LEFT, MIDDLE), 0.5), ((LEFT, RIGHT, MIDDLE), 0.5)],
)
@pytest.mark.parametrize("everywhere", [0.0, 0.05])
def test_it_is_the_share_of_places_that_the_closest_two_have_in_common(places, overlap, everywhere):
    things = [Thing("", (word,)) for word in range(1, len(places) + 1)]
    assert largest_overlap(maps_with(*places, everywhere=everywhere), things, (1, 5)) == pytest.approx(
        overlap, abs=1e-5
    )


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize("combiner", ["cfg", "composable", "regional"])
def test_each_image_has_its_own(family, combiner):
    base = build_tiny(family)
    asked = branches_of("a cat and a bowl", "a dog", "a cat, a bowl and a car", "a man with a hat", combiner=combiner)
    together = merging(base, asked, [1, 2, 3, 4], (64, 96), SETTINGS)
    assert together[1] == together[3] == 0.0 and all(0 < together[i] <= 1 for i in (0, 2))
    alone = [merging(base, [own], [seed], (64, 96), SETTINGS)[0] for own, seed in zip(asked, [1, 2, 3, 4], strict=True)]
    assert together == pytest.approx(alone, abs=1e-3)
    assert merging(base, [], [], (64, 64), SETTINGS) == []


def test_an_and_is_seen_as_the_sentence_it_makes():
    base = build_tiny()
    parts, sentence = (
        branches_of("a red cat AND a blue bowl")[0],
        branches_of("a red cat and a blue bowl", combiner="cfg")[0],
    )
    assert merging(base, [parts], [1], (64, 64), SETTINGS) == pytest.approx(
        merging(base, [sentence], [1], (64, 64), SETTINGS)
    )


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "heun"])
def test_leaving_early_leaves_what_was_there(scheduler):
    base, seen = build_tiny(), []
    options = {"num_steps": 5, "scheduler": scheduler}
    whole = sample_latents(
        base, ["a cat", "a dog"], [1, 2], on_step=lambda step, latents: seen.append(latents.clone()), **options
    )
    branches = [[Branch("a cat", 7.5)], [Branch("a dog", 7.5)]]
    settings = DrawSettings(**options)
    stopped = [latents_of_branches(base, branches, [1, 2], settings, Parts(), stop_after=after) for after in (3, 99)]
    assert torch.equal(stopped[0], seen[2]) and torch.equal(stopped[1], whole)


def test_a_preview_costs_its_steps_and_a_look_that_stops_half_way():
    base, passes = build_tiny(), {"started": 0, "ended": 0}

    def count(what):
        passes[what] += 1

    hooks = [
        base.denoiser.conv_in.register_forward_hook(lambda *_: count("started")),
        base.denoiser.conv_out.register_forward_hook(lambda *_: count("ended")),
    ]
    merging(base, branches_of("a cat and a bowl", "a dog", "a car and a key"), [1, 2, 3], (64, 64), SETTINGS)
    for hook in hooks:
        hook.remove()
    assert passes == {"started": PREVIEW_STOP + 1, "ended": PREVIEW_STOP}  # one batch: the dog is no list


@pytest.mark.slow
def test_it_foretells_which_pairs_pocket_makes_one_thing_of():
    """Tuning prompts without colours, of which about half fail: those that succeed merge less."""
    from brandsmith.base.sources import load_base, resolve_base
    from brandsmith.benchmark.guidance_arms import ARMS, BENCHMARK_SETTINGS
    from brandsmith.benchmark.outcome import judge_picture
    from brandsmith.benchmark.prompt_sets import load_cases
    from brandsmith.judges.pocket_classes import PocketClasses

    cases, pocket, eyes = load_cases("two", "tuning")[:24], load_base("pocket"), PocketClasses(resolve_base("pocket"))
    seeds = list(range(24))
    asked = branches_of(*(case.text for case in cases), combiner="cfg")
    merges = torch.tensor(merging(pocket, asked, seeds, (128, 128), BENCHMARK_SETTINGS))
    pictures = ARMS["plain"](pocket, cases, seeds, BENCHMARK_SETTINGS).pictures
    kept = torch.tensor(
        [judge_picture(case, seen).success for case, seen in zip(cases, eyes.look(pictures, 2), strict=True)]
    )
    told_apart = (merges[~kept][:, None] > merges[kept][None]).float().mean()  # area under the ROC curve
    assert told_apart > 0.8
    assert (merges > MERGED)[~kept].float().mean() > 0.6 and (merges > MERGED)[kept].float().mean() < 0.4
