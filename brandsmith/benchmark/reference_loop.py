"""An independent loop that trains a LoRA, to compare ours with: plain PyTorch around diffusers' U-Net.

It shares with ours what is trained on (samples, noise, timesteps, latents) and where the low-rank weights start.
Everything else is written anew from the papers: the noise schedule and its target (Ho et al. 2020; v: Salimans & Ho
2022), the conditioning, low-rank layers, clipping, AdamW by torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from brandsmith.base.base import Base
from brandsmith.core.seeds import generator_for
from brandsmith.methods.buckets import BucketedSet
from brandsmith.methods.lora import LoraConfig
from brandsmith.methods.noise import draw_noise
from brandsmith.methods.training_data import TrainingSet

_CONCEPT, _CLASS = 1, 2  # our loop's random streams
Conditioning = dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """Samples of one shape."""

    latents: torch.Tensor
    """(N, C, h, w), scaled."""
    prompts: Sequence[str]
    numbers: list[int]
    """Of the samples, which name their noise and timesteps."""
    stream: int
    frames: torch.Tensor | None = None
    """Of SDXL: true size, cut and size of the cut (N, 6); None: the base's own size, nothing cut."""


def reference_losses(
    base: Base,
    config: LoraConfig,
    source: TrainingSet | BucketedSet,
    start: Mapping[str, torch.Tensor],
    prior: TrainingSet | None = None,
) -> list[float]:
    """The loss of every step, without its prior-preservation part, which trains along where `prior` is given. `start`:
    peft's names in our checkpoint files -> low-rank weights before the first.
    """
    weights = {name: torch.nn.Parameter(tensor.clone()) for name, tensor in start.items()}
    hooks = [
        base.denoiser.get_submodule(name.removesuffix(".lora_A.weight")).register_forward_hook(
            _low_rank(weights[name], weights[name.replace("lora_A", "lora_B")], config.alpha / config.rank)
        )
        for name in weights
        if "lora_A" in name
    ]
    optimizer = torch.optim.AdamW(
        weights.values(), lr=config.learning_rate, weight_decay=config.weight_decay, eps=config.adam_epsilon
    )
    losses = []
    try:
        for step in range(1, config.steps + 1):
            numbers = list(range((step - 1) * config.batch_size, step * config.batch_size))
            loss = _mean(base, config, pieces_of(source, config, numbers))
            of_class = _mean(base, config, pieces_of(prior, config, numbers, _CLASS)) if prior else 0.0
            (loss + config.prior_weight * of_class).backward()
            torch.nn.utils.clip_grad_norm_(list(weights.values()), config.gradient_clip)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(loss.detach()))
        return losses
    finally:
        for hook in hooks:
            hook.remove()


def pieces_of(
    source: TrainingSet | BucketedSet, config: LoraConfig, numbers: list[int], stream: int = _CONCEPT
) -> list[Piece]:
    """What the samples with these numbers take, by shape."""
    if isinstance(source, TrainingSet):
        rows = source.order(config.seed, stream, numbers)
        return [Piece(source.latents[rows], [source.prompts[row] for row in rows], numbers, stream)]
    entries = source.order(config.seed, stream, numbers, config.batch_size)
    return [
        Piece(
            source.buckets[bucket].latents[rows],
            [source.buckets[bucket].prompts[row] for row in rows],
            [numbers[place] for place in places],
            stream,
            source.frames[bucket][rows],
        )
        for bucket, rows, places in source.by_bucket(entries)
    ]


def _mean(base: Base, config: LoraConfig, pieces: Sequence[Piece]) -> torch.Tensor:
    return torch.cat([_losses(base, config, piece) for piece in pieces]).mean()


def _low_rank(down: torch.Tensor, up: torch.Tensor, strength: float) -> Callable[..., torch.Tensor]:
    def add(module: torch.nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        return output + strength * (given[0] @ down.T @ up.T)

    return add


def _losses(base: Base, config: LoraConfig, piece: Piece) -> torch.Tensor:
    """Of each sample; min-SNR: Hang et al. 2023, section 3.4."""
    shape = tuple(piece.latents.shape[1:])
    noise, timesteps = draw_noise(config.seed, piece.stream, piece.numbers, shape, base.noising)
    given = base.scheduler.config
    betas = torch.linspace(given.beta_start**0.5, given.beta_end**0.5, given.num_train_timesteps) ** 2
    signal = torch.cumprod(1 - betas, 0)[timesteps]
    kept, noisy = signal.sqrt().view(-1, 1, 1, 1), (1 - signal).sqrt().view(-1, 1, 1, 1)
    predicts_noise = given["prediction_type"] == "epsilon"
    target = noise if predicts_noise else kept * noise - noisy * piece.latents
    conditioning = _conditioning(base, list(piece.prompts), piece.frames)
    predicted = base.denoiser(kept * piece.latents + noisy * noise, timesteps, **conditioning).sample
    errors = (predicted - target).square().flatten(1).mean(dim=1)
    if config.min_snr_gamma is None:
        return errors
    snr = signal / (1 - signal)
    return errors * snr.clamp(max=config.min_snr_gamma) / (snr if predicts_noise else snr + 1)


@torch.no_grad()
def _conditioning(base: Base, prompts: list[str], frames: torch.Tensor | None = None) -> Conditioning:
    """sd1, sd2: the encoder's output. sdxl: the last layer but one of both, the second's projection, sizes and crop."""
    outputs = []
    for tokenizer, encoder in zip(base.tokenizers, base.text_encoders, strict=True):
        length = tokenizer.model_max_length
        ids = tokenizer(
            prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).input_ids
        outputs.append(encoder(ids, output_hidden_states=True))
    if len(outputs) == 1:
        return {"encoder_hidden_states": outputs[0].last_hidden_state}
    height, width = base.image_px
    whole = torch.tensor([[height, width, 0, 0, height, width]], dtype=torch.float32).repeat(len(prompts), 1)
    sizes = whole if frames is None else frames
    return {
        "encoder_hidden_states": torch.cat([output.hidden_states[-2] for output in outputs], -1),
        "added_cond_kwargs": {"text_embeds": outputs[1].text_embeds, "time_ids": sizes},
    }


def stock_steps(base: Base, pictures: torch.Tensor, prompts: Sequence[str], config: LoraConfig) -> Callable[[], None]:
    """One step as diffusers' train_dreambooth_lora.py makes it: fp32, default memory layout, picture and prompt
    encoded at every step. `pictures` (N, 3, H, W) in [-1, 1]. The adapter stays on the denoiser: give a copy.
    """
    from peft import LoraConfig as PeftConfig

    layers = ["to_k", "to_q", "to_v", "to_out.0"]
    options = {"r": config.rank, "lora_alpha": config.rank, "init_lora_weights": "gaussian", "target_modules": layers}
    base.denoiser.add_adapter(PeftConfig(**options))
    weights = [parameter for parameter in base.denoiser.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=config.learning_rate, weight_decay=config.weight_decay)
    generator, count = generator_for(config.seed), [0]

    def step() -> None:
        chosen = [(count[0] + i) % len(prompts) for i in range(config.batch_size)]
        count[0] += config.batch_size
        with torch.no_grad():
            latents = base.vae.encode(pictures[chosen]).latent_dist.sample(generator) * base.vae.config.scaling_factor
        noise = torch.randn(latents.shape, generator=generator)
        timesteps = torch.randint(0, 1000, (len(chosen),), generator=generator)
        noisy = base.noising.add_noise(latents, noise, timesteps)
        given = _conditioning(base, [prompts[i] for i in chosen])
        F.mse_loss(base.denoiser(noisy, timesteps, **given).sample, noise).backward()
        torch.nn.utils.clip_grad_norm_(weights, config.gradient_clip)
        optimizer.step()
        optimizer.zero_grad()

    return step
