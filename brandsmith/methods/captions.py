"""Captions that change from step to step: left out, their tags in another order, or some tags left out.

A caption's tags are what stands between its commas. Leaving the caption out now and then teaches what the pictures are
like without any words (Ho & Salimans 2022, "Classifier-Free Diffusion Guidance").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from brandsmith.core.seeds import generator_for

_CAPTIONS = 0xCA97  # names the random stream


@dataclass(frozen=True)
class CaptionChanges:
    """What is done to captions while training; as it stands here: nothing."""

    dropout: float = 0.0
    """Share of samples that are trained without their caption."""
    shuffle: bool = False
    """Put the tags in a new order for every sample."""
    tag_dropout: float = 0.0
    """Share of tags that are left out, of those that may be."""
    keep: int = 1
    """The first so many tags stay where they are, and so does a tag with the token."""

    @property
    def reorders(self) -> bool:
        """Whether there are too many captions to know them all beforehand."""
        return self.shuffle or self.tag_dropout > 0


def changed_captions(
    captions: tuple[str, ...], tokens: tuple[str, ...], changes: CaptionChanges, seed: int, numbers: list[int]
) -> tuple[str, ...]:
    """The captions of the samples with these running numbers, changed; the same numbers are changed alike."""
    if changes == CaptionChanges(keep=changes.keep):
        return captions
    return tuple(
        _changed(caption, tokens, changes, generator_for(seed, _CAPTIONS, number))
        for caption, number in zip(captions, numbers, strict=True)
    )


def _changed(caption: str, tokens: tuple[str, ...], changes: CaptionChanges, generator: torch.Generator) -> str:
    if float(torch.rand(1, generator=generator)) < changes.dropout:
        return ""
    if not changes.reorders:
        return caption
    tags = [tag.strip() for tag in caption.split(",")]
    stays = [place < changes.keep or not set(tokens).isdisjoint(tag.split()) for place, tag in enumerate(tags)]
    draws = torch.rand(len(tags), generator=generator).tolist()
    kept = [place for place in range(len(tags)) if stays[place] or draws[place] >= changes.tag_dropout]
    free = [place for place in kept if not stays[place]]
    if changes.shuffle:
        order = torch.randperm(len(free), generator=generator).tolist()
        moved = iter([free[number] for number in order])
        kept = [place if stays[place] else next(moved) for place in kept]
    return ", ".join(tags[place] for place in kept)
