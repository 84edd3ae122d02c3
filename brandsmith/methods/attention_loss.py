"""Tie the token to the mark: the places that attend to it shall be those that show the mark.

The localisation loss of Xiao et al. 2023, "FastComposer" (arXiv:2305.10431), section 4.2: the mean of the token's
cross-attention outside the mark less the mean inside, over heads and layers. (Break-A-Scene, Avrahami et al. 2023,
arXiv:2305.16311, equation 3, has the squared difference of map and mask in its place.) Unlike there, a token may have
several pieces, whose attention is added; the layers are the coarsest that tell places apart, which guidance reads too;
and the mark's place is a mask or, without one, the box of a label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
import torch.nn.functional as F

from brandsmith.base.attention import check_reads_text, chosen_layers, recording
from brandsmith.base.base import Base, Family
from brandsmith.base.prompt_tokens import expand_with_spans
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.notes import warn_once
from brandsmith.methods.masks import shows_where
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.training_data import Drawn


def check_attention_loss(settings: TrainSettings, concept: Concept, family: Family) -> None:
    """Raise InvalidConfig where no attention can be read, or nobody knows where the mark is; a line on stderr where
    that is known of some pictures alone.
    """
    if not settings.attention_loss_weight:
        return
    check_reads_text(family, "attention_loss_weight")
    if settings.buckets and settings.gradient_checkpointing:
        raise InvalidConfig(
            "attention_loss_weight does not go with buckets and gradient_checkpointing together",
            hint="leave one of the three out",
        )
    examples = concept.all_training_examples
    unknown = [example.image for example in examples if not shows_where(example)]
    if len(unknown) == len(examples):
        raise InvalidConfig(
            f"attention_loss_weight is set, and no training picture of '{concept.folder}' says where its mark is",
            hint="draw masks/ or label the pictures in detector/train; 'brandsmith concept expand' makes masks",
        )
    if unknown:
        warn_once(
            f"{len(unknown)} of {len(examples)} training pictures, such as '{unknown[0]}', have neither a mask nor a "
            "box: attention_loss_weight does not look at them"
        )


def localisation_loss(attention: torch.Tensor, marks: torch.Tensor) -> torch.Tensor:
    """(N,) from -1 to 1: the mean of `attention` (N, h, w) outside of `marks` (N, h, w) less the mean inside."""
    outside = 1 - marks
    means = [(attention * own).sum((1, 2)) / own.sum((1, 2)).clamp_min(1e-5) for own in (outside, marks)]
    return means[0] - means[1]


class TokenAttention:
    """Sees where the tokens are attended to in the passes of a training's batches."""

    def __init__(self, base: Base, settings: TrainSettings, tokens: tuple[str, ...]) -> None:
        self.base, self.tokens = base, tokens
        self.layers = chosen_layers(base) if settings.attention_loss_weight else []
        self.computed_again = settings.gradient_checkpointing
        self.seen: list[torch.Tensor] = []
        self.open = ExitStack()
        self.places: dict[str, tuple[int, ...]] = {}

    @contextmanager
    def batch(self) -> Iterator[None]:
        """A batch's forward and backward passes; outside, every layer is as it was."""
        try:
            with self.open:
                yield
        finally:
            self.seen.clear()

    @contextmanager
    def reading(self, drawn: Drawn) -> Iterator[None]:
        """One forward pass of samples inside `batch`."""
        if not self.layers:
            yield
            return
        size = drawn.latents.shape[-2:]
        with ExitStack() as stack:
            recorder = stack.enter_context(recording(self.layers, size))
            yield
            if self.computed_again:  # the backward pass runs the layers again, and must find them as they were
                self.open.push(stack.pop_all())
            self.seen.append(self.losses(drawn, recorder.averaged(size)))

    def losses(self, drawn: Drawn, maps: torch.Tensor) -> torch.Tensor:
        """(K,) of those samples whose caption has a token and whose mark has a known place; maps: (N, h, w, T)."""
        if drawn.marks is None:
            return maps.new_zeros(0)
        marks = F.adaptive_avg_pool2d(drawn.marks, (maps.shape[1], maps.shape[2]))[:, 0]
        pieces = [self.pieces(prompt) for prompt in drawn.prompts]
        counted = [row for row, own in enumerate(pieces) if own and bool(marks[row].any())]
        if not counted:
            return maps.new_zeros(0)
        attention = torch.stack([maps[row][..., list(pieces[row])].sum(-1) for row in counted])
        return localisation_loss(attention, marks[counted].to(attention))

    def pieces(self, prompt: str) -> tuple[int, ...]:
        """Which of the text's tokens, as maps have them, are pieces of a concept's token."""
        if prompt not in self.places:
            named = "|".join(map(re.escape, self.tokens))
            spans = [found.span() for found in re.finditer(named, prompt, re.IGNORECASE)]
            text, moved = expand_with_spans(self.base.tokenizer, prompt, spans)
            offsets = self.base.family.token_offsets(self.base, text)
            self.places[prompt] = tuple(
                place
                for place, (start, end) in enumerate(offsets)
                if any(start < last and end > first for first, last in moved)
            )
        return self.places[prompt]

    def means(self) -> dict[str, torch.Tensor]:
        """The mean loss of the batch's samples, 0 where none counts; nothing where nobody asks."""
        if not self.seen:
            return {}
        own = torch.cat(self.seen)
        self.seen.clear()
        return {"attention_loss": own.mean() if len(own) else own.sum()}
