"""Stage 3: the denoiser. A cross-attention U-Net on 16 x 16 x 12 latents, trained to predict v.

v-prediction (Salimans & Ho 2022) keeps colours right at high noise, which a short training needs most; the loss is
weighted by min-SNR (Hang et al. 2023, gamma 5, their v-form). One caption in ten is dropped, so that
classifier-free guidance works.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPModel, CLIPTokenizer

from brandsmith.pocket.clip import TEXT_WIDTH
from brandsmith.pocket.pool import ScenePool
from brandsmith.pocket.stage import Stage, compute_device, fast_autocast, multiplies_bf16
from brandsmith.pocket.vae import LATENT_CHANNELS

CAPTION_DROPOUT = 0.1
MIN_SNR_GAMMA = 5.0


def build_scheduler() -> DDPMScheduler:
    """Stable Diffusion's own noise schedule."""
    return DDPMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction",
        clip_sample=False, steps_offset=1,
    )  # fmt: skip


def build_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16, in_channels=LATENT_CHANNELS, out_channels=LATENT_CHANNELS, block_out_channels=(64, 128, 224),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1, cross_attention_dim=TEXT_WIDTH, attention_head_dim=4, norm_num_groups=16,
    )  # fmt: skip


@torch.inference_mode()
def encode_pool(pool: ScenePool, vae: AutoencoderKL, file: Path, batch: int = 32) -> np.ndarray:
    """Latent means of every scene as (N, 12, 16, 16) fp16 on disk; encoded once."""
    if file.is_file() and len(np.load(file, mmap_mode="r")) == len(pool):
        return np.load(file, mmap_mode="r")
    device = compute_device()
    vae = vae.to(device, memory_format=torch.channels_last)
    latents = np.empty((len(pool), LATENT_CHANNELS, 16, 16), np.float16)
    for i in range(0, len(pool), batch):
        x = torch.from_numpy(pool.pixels[i : i + batch]).to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        latents[i : i + batch] = vae.encode(x.contiguous(memory_format=torch.channels_last)).latent_dist.mean.cpu().half().numpy()
    np.save(file, latents)
    return latents


@torch.inference_mode()
def encode_captions(captions: list[str], clip: CLIPModel, tokenizer: CLIPTokenizer, max_tokens: int) -> torch.Tensor:
    """Text states (N, max_tokens, width) fp16 of distinct captions, padded as the pipeline pads them."""
    ids = tokenizer(captions, padding="max_length", truncation=True, max_length=max_tokens, return_tensors="pt").input_ids
    device = next(clip.parameters()).device
    states = [clip.text_model(ids[i : i + 256].to(device))[0].cpu().half() for i in range(0, len(ids), 256)]
    return torch.cat(states)


def train_unet(
    latents: np.ndarray,
    captions: list[str],
    clip: CLIPModel,
    tokenizer: CLIPTokenizer,
    scaling: float,
    folder: Path,
    *,
    num_steps: int,
    seed: int,
    batch: int = 32,
    learning_rate: float = 1e-3,
) -> UNet2DConditionModel:
    """Train on cached latents and text states."""
    device = compute_device()
    torch.manual_seed(seed)
    unet = build_unet().to(device, memory_format=torch.channels_last)
    if device.type == "cpu" and multiplies_bf16(device):
        unet.set_attn_processor(AttnProcessor())  # fused attention is slow in bf16 on CPUs; in fp32 it is the faster one
    stage = Stage("unet", folder, unet, num_steps=num_steps, learning_rate=learning_rate, seed=seed, ema_decay=0.9995)
    distinct = sorted(set(captions))
    place = {caption: i for i, caption in enumerate(distinct)}
    row_of = np.array([place[c] for c in captions])
    states = encode_captions([*distinct, ""], clip.to(device).eval(), tokenizer, tokenizer.model_max_length)
    scheduler = build_scheduler()
    cumulative = scheduler.alphas_cumprod.to(device)
    noise_source = torch.Generator("cpu")

    def loss_of(step: int, rng: np.random.Generator):
        rows = rng.integers(0, len(latents), batch)
        x = torch.from_numpy(latents[rows].astype(np.float32)).to(device) * scaling
        words = np.where(rng.random(batch) < CAPTION_DROPOUT, len(distinct), row_of[rows])
        text = states[words].float().to(device)
        noise_source.manual_seed(seed * 1_000_003 + step)
        noise = torch.randn(x.shape, generator=noise_source).to(device)
        t = torch.from_numpy((np.arange(batch) + rng.random(batch)) * (1000 / batch)).long().to(device)  # stratified
        noisy, target = scheduler.add_noise(x, noise, t), scheduler.get_velocity(x, noise, t)
        with fast_autocast(device):
            predicted = unet(noisy.contiguous(memory_format=torch.channels_last), t, encoder_hidden_states=text).sample
        signal_to_noise = cumulative[t] / (1 - cumulative[t])
        weight = signal_to_noise.clamp(max=MIN_SNR_GAMMA) / (signal_to_noise + 1)
        per_image = (predicted.float() - target).square().mean(dim=(1, 2, 3))
        return (weight * per_image).mean() / weight.mean(), {"mse": round(float(per_image.detach().mean()), 4)}

    stage.run(loss_of)
    unet = stage.averaged_model()
    unet.set_default_attn_processor()
    return unet
