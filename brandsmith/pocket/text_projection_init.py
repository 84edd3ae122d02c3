"""How the U-Net's text projections start, so that it learns objects as fast as colours.

In a contrastive text tower's states, colours and backdrops have more variance than the object word, and padding, which
repeats the end of the text, is four fifths of what attention sees. Gradient descent then learns colours at once and
objects only after a day. So the two linear maps of the text start as whitenings of its states, with the directions that
separate objects amplified: Fisher's discriminants (1936) of object words over colours and settings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPModel, CLIPTokenizer

from brandsmith.pocket.artwork import COLOURS, OBJECT_WORDS

NUM_WORDS = 10
"""Tokens of a usual caption; what comes later is mostly padding."""
OBJECT_GAIN = 3.0
"""Amplification of the directions that separate objects. Measured once by what swapping the object of a caption costs
(docs/log.md).
"""
NUM_DIRECTIONS = 60
SETTINGS = (
    "a {c} {w}",
    "a {c} {w} on a white background",
    "a 3d picture of a {c} {w} on a green background",
    "a yellow bowl and a {c} {w}",
    "a {c} {w} with a red logo",
)


@dataclass(frozen=True)
class ObjectDirections:
    """An oblique projection (D, D) onto the directions that separate objects, and the mean (D,) it leaves unchanged."""

    onto: torch.Tensor
    mean: torch.Tensor

    def amplify(self, linear: torch.nn.Linear, gain: float) -> None:
        """Multiply `linear`'s response to these directions by `gain`; the rest, and the mean, stay as before."""
        more = (gain - 1) * linear.weight @ self.onto
        linear.weight.add_(more)
        linear.bias.sub_(more @ self.mean)


@torch.no_grad()
def balance_text(
    unet: UNet2DConditionModel, states: np.ndarray, clip: CLIPModel, tokenizer: CLIPTokenizer, num_captions: int = 3000
) -> None:
    """Start the U-Net's two maps of text from states (M, tokens, width). Words are whitened as words are, the pooled
    text as padding.
    """
    rows = np.linspace(0, len(states) - 2, min(num_captions, len(states) - 1)).astype(int)
    tokens = torch.from_numpy(states[rows, 1:].astype(np.float32))  # the start token carries no meaning
    pool = unet.add_embedding
    words, everything = tokens[:, :NUM_WORDS].flatten(0, 1), tokens.flatten(0, 1)
    for linear, seen in ((unet.encoder_hid_proj, words), (pool.pool.v_proj, pool.norm1(everything))):
        matrix, mean = whitening(seen)
        linear.weight.copy_(matrix)
        linear.bias.copy_(-matrix @ mean)
    object_directions(clip, tokenizer, _at_word_and_end).amplify(unet.encoder_hid_proj, OBJECT_GAIN)
    object_directions(clip, tokenizer, lambda *given: pool.norm1(_at_end(*given))).amplify(
        pool.pool.v_proj, OBJECT_GAIN
    )


def whitening(x: torch.Tensor, floor: float = 5e-5) -> tuple[torch.Tensor, torch.Tensor]:
    """The symmetric whitening matrix (D, D) of rows (N, D) and their mean; directions below `floor` of the largest stay
    low.
    """
    mean = x.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((x - mean).T))
    return vectors @ torch.diag((values + floor * values.max()).rsqrt()) @ vectors.T, mean


def object_directions(
    clip: CLIPModel, tokenizer: CLIPTokenizer, places: Callable[..., torch.Tensor]
) -> ObjectDirections:
    """From captions of every object in several colours and settings, read at `places`: (states, ids, word's id) ->
    (captions, P, D).
    """
    read = []
    for word in OBJECT_WORDS:
        captions = [setting.format(c=colour, w=word) for colour in list(COLOURS)[::2] for setting in SETTINGS]
        ids = tokenizer(
            captions, padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt"
        ).input_ids
        last = tokenizer(word, add_special_tokens=False).input_ids[-1]
        read.append(places(clip.text_model(ids.to(clip.device))[0].cpu().float(), ids, last, tokenizer.eos_token_id))
    x = torch.stack(read)  # objects, captions, places, D
    centred = (x - x.mean((0, 1))).flatten(1, 2)
    means = centred.mean(1)
    values, vectors = torch.linalg.eigh(torch.cov((centred - means[:, None]).flatten(0, 1).T))
    values = values + 0.02 * values.mean()
    sphere, back = (vectors @ torch.diag(values**power) @ vectors.T for power in (-0.5, 0.5))
    _, discriminants = torch.linalg.eigh(torch.cov((means @ sphere.T).T))
    top = discriminants[:, -NUM_DIRECTIONS:]
    return ObjectDirections(back @ top @ top.T @ sphere, x.mean((0, 1, 2)))


def _at_end(states: torch.Tensor, ids: torch.Tensor, last: int, end: int) -> torch.Tensor:
    """(N, tokens, D) -> (N, 3, D): at the end of the text and twice in its padding."""
    return states[
        torch.arange(len(states))[:, None],
        torch.stack([(ids != end).sum(1), *(torch.full((len(ids),), p) for p in (25, 40))], 1),
    ]


def _at_word_and_end(states: torch.Tensor, ids: torch.Tensor, last: int, end: int) -> torch.Tensor:
    """(N, tokens, D) -> (N, 3, D): at the object word's last token, at the end of the text, in its padding."""
    places = torch.stack([(ids == last).int().argmax(1), (ids != end).sum(1), torch.full((len(ids),), 25)], 1)
    return states[torch.arange(len(states))[:, None], places]
