"""What families of flow transformers share: tokens of 2 x 2 cells, a language model that reads the prompt inside a
chat, the shift of the noise schedule, and their joint attention.

Shift by the number of the picture's tokens: Esser et al. 2024, "Scaling Rectified Flow Transformers", section 5.3.2, in
the exponential form of FLUX.1 (diffusers' `FlowMatchEulerDiscreteScheduler`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers import BatchEncoding, PreTrainedTokenizerBase

from brandsmith.base.base import AttentionLayer, Base, Conditioning, padded_ids
from brandsmith.base.chat import chat

NATIVE_PX = 1024
"""Of every family here: diffusers' `default_sample_size` of 128 cells of 8 pixels."""
warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight", category=UserWarning)
"""Norms keep fp32 weights under autocast: a slower kernel, the same numbers."""
MARK = "\ue000"
"""A character of no language, which stands for the prompt in a chat."""


TRAINS: Mapping[str, Mapping[str, Any]] = {
    "lora": {"learning_rate": 1e-4, "weight_decay": 1e-4, "rank": 16},
    "textual_inversion": {"weight_decay": 0.0},
}
"""diffusers' training scripts of these models (1e-4 and weight decay 1e-4 in all of them); rank 16 as ostris' and
kohya's trainers have it, where diffusers' have 4.
"""
# ----------------------------------------------------------------------------- sizes and tokens


def native_cells(base: Base) -> int:
    """Cells along one side of the native picture; small bases declare their size in the autoencoder."""
    return int(getattr(base.vae.config, "sample_size", None) or NATIVE_PX) // base.vae_scale


def two_cells(base: Base) -> int:
    """Pixels along one side of a token of 2 x 2 cells."""
    return 2 * base.vae_scale


def packed(latents: torch.Tensor) -> torch.Tensor:
    """(N, C, h, w) -> (N, h/2 * w/2, 4 C): 2 x 2 cells are a token, channels outermost."""
    count, channels, height, width = latents.shape
    cells = latents.reshape(count, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return cells.reshape(count, height // 2 * (width // 2), 4 * channels)


def unpacked(tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The inverse of `packed`: (N, C, height, width)."""
    count, _, wide = tokens.shape
    cells = tokens.reshape(count, height // 2, width // 2, wide // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return cells.reshape(count, wide // 4, height, width)


def places(lengths: Sequence[int], device: torch.device) -> torch.Tensor:
    """Positions (tokens, axes) in a grid of so many along each axis, the last axis fastest."""
    return torch.cartesian_prod(*(torch.arange(length, device=device).float() for length in lengths))


def noise_shares(base: Base, timesteps: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
    """sigma (N,) in [0, 1] of timesteps (N,) or 0-d."""
    return timesteps.expand(len(latents)).to(latents.dtype) / int(base.scheduler.config.num_train_timesteps)


# ----------------------------------------------------------------------------- guidance that is told

TRAINING_GUIDANCE = 1.0
"""What the denoiser is told while it is trained, as kohya's and ostris' trainers do; diffusers' scripts say 3.5."""


def embeds_guidance(base: Base) -> bool:
    return bool(base.denoiser.config.guidance_embeds)


def told_guidance(base: Base, conditioning: Conditioning, latents: torch.Tensor) -> torch.Tensor | None:
    """(N,), or None for a denoiser that is told none."""
    if not embeds_guidance(base):
        return None
    usual = latents.new_full((len(latents),), TRAINING_GUIDANCE)
    return usual if conditioning.guidance is None else conditioning.guidance


# ----------------------------------------------------------------------------- schedules


def linear_mu(config: Mapping[str, Any], tokens: int) -> float:
    """The shift of so many tokens, on the line through the configuration's two ends."""
    low, high = config.get("base_image_seq_len") or 256, config.get("max_image_seq_len") or 4096
    least, most = config.get("base_shift") or 0.5, config.get("max_shift") or 1.15
    slope = (most - least) / (high - low)
    return float(tokens * slope + (least - slope * low))


def even_schedule(config: Mapping[str, Any], tokens: int, steps: int) -> dict[str, Any]:
    """Even sigmas from 1 to 1 / steps, which the scheduler shifts: by the tokens where it says so."""
    shift = {"mu": linear_mu(config, tokens)} if config.get("use_dynamic_shifting") else {}
    return {"sigmas": even_sigmas(steps), **shift}


def even_sigmas(steps: int) -> list[float]:
    return [float(sigma) for sigma in np.linspace(1.0, 1 / steps, steps)]


# ----------------------------------------------------------------------------- prompts inside a chat


def chat_ids(base: Base, prompts: list[str], *, thinking: bool) -> list[torch.Tensor]:
    """Ids (N, max length) of the one text encoder."""
    return [padded_ids(base.tokenizer, [chat(base.tokenizer, prompt, thinking=thinking) for prompt in prompts])]


def chat_offsets(base: Base, text: str, *, thinking: bool) -> list[tuple[int, int]]:
    """`base.plain_offsets` of a prompt inside a chat."""
    start = chat(base.tokenizer, MARK, thinking=thinking).index(MARK)
    return offsets_inside(base.tokenizer, chat(base.tokenizer, text, thinking=thinking), start, len(text))


def offsets_inside(tokenizer: PreTrainedTokenizerBase, whole: str, start: int, length: int) -> list[tuple[int, int]]:
    """Of each token of `whole` the characters of the text of `length` that begins at `start`; (0, 0) for none."""
    encoded = tokenizer(whole, truncation=True, max_length=tokenizer.model_max_length, return_offsets_mapping=True)
    return inside(encoded["offset_mapping"], start, length)


def inside(offsets: Iterable[tuple[int, int]], start: int, length: int) -> list[tuple[int, int]]:
    """Of characters of a whole those of its part of `length` from `start`; (0, 0) for what lies outside."""
    own = [(max(first - start, 0), min(last - start, length)) for first, last in offsets]
    return [(first, last) if last > first else (0, 0) for first, last in own]


def written(tokenizer: PreTrainedTokenizerBase, texts: str | list[str]) -> BatchEncoding:
    """Whole chats, padded on the tokenizer's own side, nothing put round them."""
    return tokenizer(
        texts,
        add_special_tokens=False,
        padding="max_length",
        truncation=True,
        max_length=tokenizer.model_max_length,
        return_offsets_mapping=True,
        return_tensors="pt" if isinstance(texts, list) else None,
    )


def counting(tokenizer: PreTrainedTokenizerBase, ids: torch.Tensor) -> torch.Tensor:
    """(N, tokens), True where a token is not padding."""
    return ids.ne(int(tokenizer.pad_token_id))


# ----------------------------------------------------------------------------- attention


def joint_layers(
    modules: Iterable[torch.nn.Module], *, factor: int, text_first: bool, padded_to: int = 1
) -> list[AttentionLayer]:
    return [AttentionLayer(module, factor, "joint", text_first, padded_to) for module in modules]
