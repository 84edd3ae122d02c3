"""Redraw: a small object once more, alone and larger.

In a picture of several objects each has few latent cells, and what is drawn in few cells is a smudge: in its place, in
its colour, and still not what the prompt says. No starting noise and no move of the latents helps against that. So,
when the picture is finished:

    1. cross-attention says where each object lies (no mask is drawn, no detector is needed);
    2. a square around each is enlarged to the base's own size, noised up to `strength`, and drawn anew from that
       object's own words;
    3. the result is shrunk and put back with soft edges, where attention gives the place to the object.

After Detailer does this for faces, with a detector. Only objects that stand side by side are redrawn (`things.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from brandsmith.base.attention import choose_factor, chosen_layers, cross_attention_layers, recording
from brandsmith.base.base import AttentionLayer, Base, encode_images, encode_prompts, predict
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.seeds import generator_for, starting_noise
from brandsmith.guidance.branches import Branch
from brandsmith.guidance.loop import decode_pictures, redo_latents
from brandsmith.guidance.pixels import as_picture, as_pixels, resized, soft_edge
from brandsmith.guidance.settings import DrawSettings
from brandsmith.guidance.subjects import text_tokens
from brandsmith.guidance.things import Listed, Thing, things_side_by_side


@dataclass(frozen=True)
class Redraw:
    """Settings, chosen on tuning prompts of pocket (docs/log.md)."""

    strength: float = 0.5
    """The share of the run that is drawn anew: more changes the shape too, less mends nothing."""
    largest: float = 0.42
    """A thing whose square is a larger share of the picture's shorter side is left alone: enlarging it gains too
    little.
    """
    room: float = 1.0
    """The side of the square, relative to the extent that attention gives the thing."""
    fade: float = 0.2
    """How much of the square, from the edge to the middle, goes over softly into the picture."""

    def __post_init__(self) -> None:
        for name, most in (("strength", 1.0), ("largest", 1.0), ("room", 4.0), ("fade", 1.0)):
            value = getattr(self, name)
            if not 0 < value <= most:
                raise InvalidConfig(f"{name} is {value}", hint=f"allowed: above 0 to {most:g}")

    def finish_pictures(
        self,
        base: Base,
        pictures: list[np.ndarray],
        branches: list[list[Branch]],
        seeds: list[int],
        settings: DrawSettings,
    ) -> list[np.ndarray]:
        """The pictures with their small things redrawn; a picture that has none comes back as the same object."""
        wanted = [things_side_by_side(base, own) for own in branches]
        redrawn = list(pictures)
        images = [image for image, listed in enumerate(wanted) if len(listed.things) > 1]
        for start in range(0, len(images), settings.batch_size):
            part = images[start : start + settings.batch_size]
            found = self._patches(
                base,
                [pictures[i] for i in part],
                [wanted[i] for i in part],
                [seeds[i] for i in part],
                settings.clip_skip,
            )
            fresh = self._drawn_anew(base, [patch for own in found for patch in own], settings)
            for image, own in zip(part, found, strict=True):
                if own:
                    redrawn[image] = _put_back(pictures[image], own, [next(fresh) for _ in own], self.fade)
        return redrawn

    def _patches(
        self, base: Base, pictures: list[np.ndarray], wanted: list[Listed], seeds: list[int], clip_skip: int
    ) -> list[list[Patch]]:
        found = []
        places = _shares(base, pictures, wanted, clip_skip)
        for picture, listed, shares, seed in zip(pictures, wanted, places, seeds, strict=True):
            own, owned = [], shares**3 / (shares**3).sum(0).clamp_min(1e-8)
            for number, thing in enumerate(listed.things):
                square = square_around(shares, number, self.room)
                if square and square.side <= self.largest * min(picture.shape[:2]):
                    given = generator_for(seed, number).initial_seed() % 2**31
                    own.append(
                        Patch(thing.alone, square, square.cut(owned[number]), square.cut(as_pixels(picture)), given)
                    )
            found.append(own)
        return found

    def _drawn_anew(self, base: Base, patches: list[Patch], settings: DrawSettings) -> Iterator[np.ndarray]:
        size = base.image_px
        for start in range(0, len(patches), settings.batch_size):
            part = patches[start : start + settings.batch_size]
            large = torch.stack([resized(patch.pixels, size) for patch in part]).clamp(-1, 1).to(base.device)
            latents = encode_images(base, large).to(base.dtype)
            drawn = redo_latents(
                base, latents, [patch.alone for patch in part], [patch.seed for patch in part], settings, self.strength
            )
            yield from decode_pictures(base, drawn)


# ----------------------------------------------------------------------------- where they are

LOOK_AT = 0.35
"""How far the finished picture is noised for the look, a share of the training's time steps: shapes stand, texture is
gone.
"""


def _shares(base: Base, pictures: list[np.ndarray], wanted: list[Listed], clip_skip: int) -> list[torch.Tensor]:
    """Per picture, how much of each place every thing has: (things, H, W), at most 1 and 1 at each thing's own best
    place.
    """
    pixels = torch.stack([as_pixels(picture) for picture in pictures]).to(base.device)
    latents = encode_images(base, pixels).to(base.dtype)
    time = base.noising.timestep_at(LOOK_AT).to(base.device)
    noise = starting_noise([0], tuple(latents.shape[1:])).to(latents)
    noisy = base.noising.add_noise(latents, noise, time[None])
    conditioning = encode_prompts(base, [own.expanded for own in wanted], pictures[0].shape[:2], clip_skip)
    with recording(layers_for_places(base), latents.shape[-2:]) as recorder:
        recorder.run(lambda: predict(base, noisy, time, conditioning))
        maps = recorder.averaged(latents.shape[-2:])
    return [
        place_shares(own, listed.things, text_tokens(base, listed.expanded), picture.shape[:2])
        for own, listed, picture in zip(maps, wanted, pictures, strict=True)
    ]


def layers_for_places(base: Base) -> list[AttentionLayer]:
    """The layers that Attend-and-Excite reads and the finer ones: an outline, not only a place."""
    if base.family.text_attention is None:
        return chosen_layers(base)
    coarsest = choose_factor(base)
    return [layer for layer in cross_attention_layers(base) if layer.factor <= coarsest]


def place_shares(
    maps: torch.Tensor, things: Sequence[Thing], words: tuple[int, int], size: tuple[int, int]
) -> torch.Tensor:
    """(things, *size) from one picture's attention (h, w, tokens); `words`: [first, last) tokens of the sentence."""
    own = maps[..., slice(*words)]
    own = own / own.sum(-1, keepdim=True).clamp_min(1e-8)
    shares = torch.stack([own[..., [token - words[0] for token in thing.tokens]].sum(-1) for thing in things])
    large = F.interpolate(shares[None], size, mode="bilinear", align_corners=False)[0].cpu()
    return large / large.flatten(1).max(1).values.clamp_min(1e-8)[:, None, None]


@dataclass(frozen=True)
class Square:
    left: int
    top: int
    side: int

    def cut(self, values: torch.Tensor) -> torch.Tensor:
        """The square of (..., H, W)."""
        return values[..., self.top : self.top + self.side, self.left : self.left + self.side]


def square_around(shares: torch.Tensor, number: int, room: float) -> Square | None:
    """The square, in pixels, around thing `number`: centred on its place, 3.5 standard deviations of that place wide
    times `room`.

    None when no place is its own. (A uniform bar is 3.46 standard deviations wide.)
    """
    height, width = shares.shape[1:]
    mine = shares[number] * (shares.argmax(0) == number)
    mine = torch.where(mine > 0.5 * mine.max(), mine, 0)
    if float(mine.sum()) <= 0:
        return None
    mine = mine / mine.sum()
    rows, columns = torch.arange(height).float() + 0.5, torch.arange(width).float() + 0.5
    by_row, by_column = mine.sum(1), mine.sum(0)
    middle = float((by_row * rows).sum()), float((by_column * columns).sum())
    spread = (
        max(float((by_row * (rows - middle[0]) ** 2).sum()), float((by_column * (columns - middle[1]) ** 2).sum()))
        ** 0.5
    )
    side = int(min(height, width, max(min(height, width) / 4, 3.5 * room * spread)))
    top, left = (
        int(min(max(centre - side / 2, 0), most - side)) for centre, most in zip(middle, (height, width), strict=True)
    )
    return Square(left, top, side)


# ----------------------------------------------------------------------------- cut out, put back


@dataclass(frozen=True)
class Patch:
    """A square of a picture: `pixels` (3, s, s) in [-1, 1], `own` (s, s) how much of each place is the thing's relative
    to the others.
    """

    alone: str
    square: Square
    own: torch.Tensor
    pixels: torch.Tensor
    seed: int


def _put_back(picture: np.ndarray, patches: list[Patch], fresh: list[np.ndarray], fade: float) -> np.ndarray:
    pixels = as_pixels(picture)
    for patch, drawn in zip(patches, fresh, strict=True):
        small = resized(as_pixels(drawn), (patch.square.side,) * 2)
        mask = patch.own * soft_edge(patch.square.side, fade)
        inside = patch.square.cut(pixels)
        small = small + _tint(patch.pixels - small)
        inside.copy_(inside * (1 - mask) + small * mask)
    return as_picture(pixels)


def _tint(difference: torch.Tensor) -> torch.Tensor:
    """(3, s, s): by what the rim of a square differs from where it goes (the median, for a neighbour may reach into
    it), fading towards the middle, where the thing has its own colour. Drawn alone, a thing gets a backdrop of nearly
    the old tone, and a square of nearly the right tone is what the eye sees first.
    """
    ramp = torch.linspace(-1, 1, difference.shape[-1]).abs()
    outwards = torch.maximum(ramp[:, None], ramp[None])
    return difference[:, outwards > 1 - RIM].median(1).values[:, None, None] * outwards**2


RIM = 0.15
"""How much of the way from the edge to the middle counts as rim."""
