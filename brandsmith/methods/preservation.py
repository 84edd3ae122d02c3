"""Keep what was not asked to change: for each training caption with the class word in the token's place, the base's own
prediction, before the training, is what should still be predicted.

No class pictures are needed, and what surrounds the mark is preserved as well as the class. The noisy pictures are the
training pictures' own. Compare the prior preservation of Ruiz et al. 2023 ("DreamBooth", eq. 2), and Li & Hoiem 2016,
"Learning without Forgetting", for the idea of the frozen model as teacher.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F

from brandsmith.base.base import Base, Conditioning, predict
from brandsmith.core.errors import InvalidConfig
from brandsmith.methods.method import Attached, Words
from brandsmith.methods.prompt_encoder import PromptEncoder
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.training_data import Drawn


def check_preservation(settings: TrainSettings) -> None:
    """Raise InvalidConfig for a method that leaves captions without the token as they are by itself."""
    if settings.preservation_weight and settings.method == "textual_inversion":
        raise InvalidConfig(
            "preservation_weight does nothing for textual_inversion: new vectors change no caption without the token",
            hint="leave it out",
        )


def without_token(captions: tuple[str, ...], words: Words) -> tuple[str, ...]:
    """Captions with the class word in the token's place, of every concept."""
    for own in words.every:
        captions = tuple(caption.replace(own.token, own.class_word) for caption in captions)
    return captions


def preservation_loss(
    base: Base, attached: Attached, encode: PromptEncoder, words: Words, drawn: Drawn
) -> torch.Tensor:
    """Mean squared error (N,) between the predictions with the method and those of the base as it was."""
    captions = without_token(drawn.prompts, words)
    going_in = drawn.noise if drawn.input_noise is None else drawn.input_noise
    noisy = base.noising.add_noise(drawn.latents, going_in, drawn.timesteps)
    attached.switch(False)
    try:
        with torch.no_grad():
            before = predict(base, noisy, drawn.timesteps, framed(encode(captions), drawn))
    finally:
        attached.switch(True)
    now = predict(base, noisy, drawn.timesteps, framed(encode(captions), drawn))
    return F.mse_loss(now.float(), before.float(), reduction="none").mean(dim=(1, 2, 3))


def framed(conditioning: Conditioning, drawn: Drawn) -> Conditioning:
    """The conditioning with the true sizes and cuts of the pictures, where the family is told them."""
    if drawn.frames is None or conditioning.time_ids is None:
        return conditioning
    return replace(conditioning, time_ids=drawn.frames.to(conditioning.time_ids))
