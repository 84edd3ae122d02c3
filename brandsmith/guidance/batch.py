"""From branches to a batch: which rows the model predicts for, and their conditioning."""

from __future__ import annotations

from dataclasses import replace

import torch
from diffusers import SchedulerMixin

from brandsmith.base.base import Base, Conditioning
from brandsmith.base.long_prompts import encode_long_prompts, num_chunks
from brandsmith.base.prompt_tokens import expand_tokens, expand_with_spans
from brandsmith.guidance.branches import Branch
from brandsmith.guidance.combiners import needs_unconditional
from brandsmith.guidance.parts import Batch
from brandsmith.guidance.regional import Regions
from brandsmith.guidance.settings import DrawSettings


def prepare_batch(
    base: Base,
    scheduler: SchedulerMixin,
    branches: list[list[Branch]],
    seeds: list[int],
    settings: DrawSettings,
    size_px: tuple[int, int],
    images: slice,
) -> Batch:
    """A batch of images, their texts with Textual Inversion tokens written out and encoded."""
    expanded = [[_expanded(base, branch) for branch in own] for own in branches]
    negative = expand_with_spans(base.tokenizer, settings.negative_prompt, [])[0]
    texts: list[tuple[str, bool]] = []  # (text, is it the unconditional row)
    owner: list[int] = []
    for image, own in enumerate(expanded):
        rows = [(negative, True)] if needs_unconditional(own) else []
        rows += [(branch.text, False) for branch in own]
        texts += rows
        owner += [image] * len(rows)
    conditioning = _encode(base, texts, size_px, settings.clip_skip)
    if base.family.embeds_guidance(base):
        scale = settings.guidance_scale if settings.guidance_scale is not None else base.family.draws.guidance_scale
        conditioning.guidance = torch.full((len(texts),), scale, device=base.device)
    counts = [len(own) for own in expanded]
    regions = Regions(base, expanded) if any(branch.region for own in expanded for branch in own) else None
    rows_of = torch.tensor(owner, device=base.device)
    shape = base.latent_shape_at(size_px)
    return Batch(base, scheduler, seeds, expanded, conditioning, rows_of, counts, images, shape, regions)


def chunks_of(base: Base, branches: list[Branch], negative_prompt: str) -> int:
    """Of the longest text of an image."""
    return num_chunks(base, [expand_tokens(base.tokenizer, t) for t in (negative_prompt, *(b.text for b in branches))])


def _expanded(base: Base, branch: Branch) -> Branch:
    text, marked = expand_with_spans(base.tokenizer, branch.text, list(branch.marked))
    return replace(branch, text=text, marked=tuple(marked))


def _encode(base: Base, texts: list[tuple[str, bool]], size_px: tuple[int, int], clip_skip: int) -> Conditioning:
    """Conditioning of every row; each different text goes through the encoders once. As in diffusers' pipelines
    `clip_skip` is the prompt's, not the unconditional row's.
    """
    unique = list(dict.fromkeys(texts))
    skips = [0 if unconditional else clip_skip for _, unconditional in unique]
    encoded = encode_long_prompts(base, [text for text, _ in unique], size_px, skips)
    zeroed = base.family.unconditional_is_zero(base)
    blank = [i for i, (text, unconditional) in enumerate(unique) if unconditional and not text and zeroed]
    encoded.hidden[blank] = 0
    if encoded.pooled is not None:
        encoded.pooled[blank] = 0
    place = {text: i for i, text in enumerate(unique)}
    return encoded.rows(torch.tensor([place[text] for text in texts], device=base.device))
