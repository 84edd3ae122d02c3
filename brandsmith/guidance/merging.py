"""Merging: will two objects of a prompt be drawn as one?

A preview predicts it: two coarse steps, then one look at the cross-attention. Where two objects are going to be one, or
a hybrid, their nouns attend to the same places already. How much they do is

    merging = max over pairs of objects  Σ min(p, q),

where p and q are each object's attention over the picture, less its minimum, normalised to sum to 1. It is 0 for
objects that share no place and 1 for objects that share all. It does not predict smudges.

Agarwal et al. 2023 (A-STAR, arXiv:2306.14544) use the overlap of maps as a loss; here it is only measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch

from brandsmith.base.attention import chosen_layers, recording
from brandsmith.base.base import Base, encode_prompts, predict
from brandsmith.guidance.branches import Branch
from brandsmith.guidance.loop import latents_of_branches
from brandsmith.guidance.parts import Parts
from brandsmith.guidance.schedulers import build_scheduler
from brandsmith.guidance.settings import DrawSettings
from brandsmith.guidance.subjects import text_tokens
from brandsmith.guidance.things import Listed, Thing, things_side_by_side

PREVIEW_STEPS, PREVIEW_STOP = 6, 2
"""The preview runs two of six steps, then reads attention."""

MERGED = 0.3
"""From here on two things are likely to become one: just above what pairs that hardly ever fail have on pocket
(docs/log.md). For another base `explain.json` of `brandsmith explain` has what its prompts have.
"""


def merging(
    base: Base,
    branches: Sequence[list[Branch]],
    seeds: Sequence[int],
    size_px: tuple[int, int],
    settings: DrawSettings,
) -> list[float]:
    """Per image, from 0 to 1; 0 for a prompt that lists no two things side by side. Image i depends on branches[i] and
    seeds[i] alone.
    """
    listed = [things_side_by_side(base, own) for own in branches]
    found = [0.0] * len(listed)
    images = [image for image, own in enumerate(listed) if len(own.things) > 1]
    for start in range(0, len(images), settings.batch_size):
        part = images[start : start + settings.batch_size]
        overlaps = _previewed(base, [listed[i] for i in part], [seeds[i] for i in part], size_px, settings)
        for image, overlap in zip(part, overlaps, strict=True):
            found[image] = overlap
    return found


@torch.no_grad()
def _previewed(
    base: Base, listed: list[Listed], seeds: list[int], size_px: tuple[int, int], settings: DrawSettings
) -> list[float]:
    name = "euler" if base.family.noising.is_flow else "ddim"
    changes = {"num_steps": PREVIEW_STEPS, "scheduler": name, "batch_size": len(listed), "size_px": size_px}
    preview = settings.plain().model_copy(update=changes)
    # The sentence is no markup: it comes out of a combiner already.
    sentences = [[Branch(own.sentence, settings.guidance_scale or 1.0)] for own in listed]
    latents = latents_of_branches(base, sentences, seeds, preview, Parts(), stop_after=PREVIEW_STOP)
    time = build_scheduler(base, name, PREVIEW_STEPS, size_px).timesteps[PREVIEW_STOP]
    conditioning = encode_prompts(base, [own.expanded for own in listed], size_px, settings.clip_skip)
    with recording(chosen_layers(base), latents.shape[-2:]) as recorder:
        recorder.run(lambda: predict(base, latents, time, conditioning))
        maps = recorder.averaged(latents.shape[-2:])
    return [
        largest_overlap(seen, own.things, text_tokens(base, own.expanded))
        for seen, own in zip(maps, listed, strict=True)
    ]


def largest_overlap(maps: torch.Tensor, things: Sequence[Thing], words: tuple[int, int]) -> float:
    """From one picture's attention (h, w, tokens); `words`: [first, last) tokens of the sentence."""
    own = maps[..., slice(*words)]
    own = own / own.sum(-1, keepdim=True).clamp_min(1e-8)
    return shared_places([own[..., [token - words[0] for token in thing.tokens]].sum(-1) for thing in things])


def shared_places(shares: Sequence[torch.Tensor]) -> float:
    """The overlap of the closest two of some maps (h, w), from 0 to 1."""
    above = [share - share.min() for share in shares]
    places = [share / share.sum().clamp_min(1e-8) for share in above]
    return max(float(torch.minimum(p, q).sum()) for p, q in combinations(places, 2))
