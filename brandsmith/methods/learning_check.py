"""Did it learn? What should move moves, nothing else does, and the saved file gives back what was trained.

The field's silent failures are of these three kinds: a text encoder that was said to train and did not, an embedding
table that moved as a whole, a file that draws something else than the training did. A few values of each tensor are
looked at, so that it costs next to nothing; nothing here changes a bit of the training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from brandsmith.base.base import Base, Conditioning, predict
from brandsmith.base.weight_storage import few_values
from brandsmith.core.errors import TrainingUnsound
from brandsmith.methods.method import Attached, ParameterGroup
from brandsmith.methods.preservation import framed
from brandsmith.methods.training_data import Drawn

LOOKED_AT_STEP = 20
"""Steps after which everything that trains has moved; a low-rank layer's first matrix waits for the second."""
FEWEST_STEPS = 5
"""Shorter trainings are not looked at: warm-up and loss scaling may take them whole."""
LEAST_MOVE = 1e-12
"""Of a value: weights that start at 0 move by any learning rate, however small."""
VALUES = 32
"""Of each tensor."""
TOLERANCE = {"fp32": 1e-3, "fp16": 0.05, "bf16": 0.2}
"""Largest difference of a prediction, as a share of its largest value, by the format of the file."""
Sample = dict[str, torch.Tensor]


def sample_values(tensors: Mapping[str, torch.Tensor]) -> Sample:
    """A few values of each, copied to the CPU."""
    return {name: few_values(tensor, VALUES) for name, tensor in tensors.items()}


class LearningCheck:
    """Values as they were before the first step, to compare with later."""

    def __init__(self, base: Base, groups: Sequence[ParameterGroup]) -> None:
        self.base, self.groups = base, groups
        self.training = {id(own) for group in groups for own in group.parameters.values()}
        self.started = [sample_values(group.parameters) for group in groups]
        self.frozen = sample_values(dict(self._frozen()))

    def _frozen(self) -> Iterator[tuple[str, torch.Tensor]]:
        for number, module in enumerate(self.base.modules()):
            for name, own in module.named_parameters():
                if id(own) not in self.training:
                    yield f"{number}.{name}", own

    def look(self, step: int, last: int) -> None:
        """At its one step. Raises TrainingUnsound, naming what stood still or moved."""
        if step != min(LOOKED_AT_STEP, last) or last < FEWEST_STEPS:
            return
        for group, before in zip(self.groups, self.started, strict=True):
            now = sample_values(group.parameters)
            if before and all(float((before[name] - now[name]).abs().max()) < LEAST_MOVE for name in before):
                raise TrainingUnsound(
                    f"nothing of '{group.name}' has moved after {step} steps",
                    hint=f"is its learning rate ({group.learning_rate:g}) large enough, and the token in the captions?",
                )
        now = sample_values(dict(self._frozen()))
        moved = [name for name, values in self.frozen.items() if name in now and not torch.equal(values, now[name])]
        if moved:
            raise TrainingUnsound(
                f"{len(moved)} tensors that should stay as they are have moved after {step} steps, such as {moved[0]}",
                hint="this is a fault of Brandsmith's: please report it with the run's config.json",
            )


def predicted(base: Base, conditioning: Conditioning, sample: Drawn) -> torch.Tensor:
    """What the denoiser says of a sample: the same every time, as long as the weights are."""
    noisy = base.noising.add_noise(sample.latents, sample.noise, sample.timesteps)
    return predict(base, noisy, sample.timesteps, framed(conditioning, sample)).float()


@torch.no_grad()
def check_saved(attached: Attached, predict: Callable[[], torch.Tensor], folder: Path, precision: str) -> None:
    """Empty what trained, read the saved checkpoint into it, and compare predictions before and after.

    predict: the same prediction each time it is called. Afterwards the weights are the file's. Raises TrainingUnsound.
    """
    before = predict()
    for group in attached.groups:
        for parameter in group.parameters.values():
            parameter.zero_()
    attached.read(folder)
    difference = float((predict() - before).abs().max() / before.abs().max().clamp(min=1e-12))
    if not difference <= TOLERANCE[precision]:
        raise TrainingUnsound(
            f"the file saved in '{folder}' predicts otherwise than the training did (by {difference:.2g})",
            hint="this is a fault of Brandsmith's: please report it with the run's config.json",
        )
