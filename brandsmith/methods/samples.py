"""What a batch is made of: which pictures, with which captions, noise and timesteps. All of it is named by the run's
seed and the running numbers of the samples, so that a batch does not depend on what was drawn before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from brandsmith.base.noising import Noising
from brandsmith.methods.buckets import BucketedSet
from brandsmith.methods.captions import CaptionChanges, changed_captions
from brandsmith.methods.method import Words
from brandsmith.methods.noise import NoiseKind, draw_noise, perturbed
from brandsmith.methods.preservation import without_token
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.training_data import Drawn, TrainingSet

_CONCEPT, _CLASS = 1, 2  # random streams


@dataclass(frozen=True)
class Material:
    """What is trained on: the concept, and the class it must not forget (None without prior preservation)."""

    concept: TrainingSet | BucketedSet
    prior: TrainingSet | None
    size: tuple[int, int]

    @property
    def prompts(self) -> tuple[str, ...]:
        return (*self.concept.prompts, *(self.prior.prompts if self.prior else ()))


class Samples:
    """The batches of one training."""

    def __init__(self, config: TrainSettings, words: Words, material: Material, noising: Noising) -> None:
        self.config, self.words, self.material, self.noising = config, words, material, noising
        self.noise = NoiseKind(config.noise_offset, config.multires_noise, config.acts_below)
        self.captions = CaptionChanges(
            config.caption_dropout, config.shuffle_tags, config.tag_dropout, config.keep_tags
        )

    @property
    def prompts(self) -> tuple[str, ...]:
        """All captions that can be known beforehand."""
        known = (*self.material.prompts, *(("",) if self.config.caption_dropout else ()))
        return known + (
            without_token(self.material.concept.prompts, self.words) if self.config.preservation_weight else ()
        )

    def pieces(self, number: int) -> list[Drawn]:
        """A batch's concept samples and then its class samples, those of one shape together; batches count from 1."""
        if isinstance(self.material.concept, TrainingSet):
            return [self.draw(number)]
        concept = self._of_buckets(self.material.concept, number)
        return concept + ([self._of(self.material.prior, _CLASS, number)] if self.material.prior else [])

    def draw(self, number: int) -> Drawn:
        """`pieces` of a training without buckets: one."""
        assert isinstance(self.material.concept, TrainingSet)
        drawn = [self._of(self.material.concept, _CONCEPT, number)]
        if self.material.prior:
            drawn.append(self._of(self.material.prior, _CLASS, number))
        return Drawn.cat(drawn)

    def _numbers(self, number: int) -> list[int]:
        size = self.config.batch_size
        return list(range((number - 1) * size, number * size))

    def _of(self, source: TrainingSet, stream: int, number: int) -> Drawn:
        numbers = self._numbers(number)
        return self._drawn(source, source.order(self.config.seed, stream, numbers), stream, numbers)

    def _of_buckets(self, source: BucketedSet, number: int) -> list[Drawn]:
        numbers = self._numbers(number)
        entries = source.order(self.config.seed, _CONCEPT, numbers, self.config.batch_size)
        return [
            self._drawn(
                source.buckets[bucket], rows, _CONCEPT, [numbers[k] for k in places], source.frames[bucket][rows]
            )
            for bucket, rows, places in source.by_bucket(entries)
        ]

    def _drawn(
        self,
        source: TrainingSet,
        rows: list[int],
        stream: int,
        numbers: list[int],
        frames: torch.Tensor | None = None,
    ) -> Drawn:
        seed, shape = self.config.seed, tuple(source.latents.shape[1:])
        noise, timesteps = draw_noise(seed, stream, numbers, shape, self.noising, self.noise)
        places = None if source.places is None else source.places[rows]
        marks = None if source.marks is None else source.marks[rows]
        strength = self.config.input_perturbation
        going_in = perturbed(noise, strength, seed, stream, numbers) if strength else None
        prompts = tuple(source.prompts[row] for row in rows)
        if stream == _CONCEPT:
            prompts = changed_captions(prompts, self.words.tokens, self.captions, seed, numbers)
        return Drawn(source.latents[rows], noise, timesteps, prompts, places, going_in, frames, marks)
