"""Stage 3: the denoiser. A cross-attention U-Net on 16 x 16 x 32 latents, trained to predict the clean latents (x0).

x0, and not the noise or v: noise fills all 32 channels, pictures do not, and a network that need not copy noise
through itself draws clean shapes much earlier (Li & He 2025, "Back to Basics", find the same for pixels).
The error is weighted as v's, which counts high noise, where the caption decides what is drawn, as much as low noise.
The noise schedule ends in noise that hides the picture (`build_scheduler`): Stable Diffusion's does not, here.
The text states are also pooled into the time embedding (diffusers' `addition_embed_type="text"`, stock pipelines feed
it): objects are learned through it long before cross-attention has found the words. Both ways start from whitened text
(`balance_text`). One caption in ten is dropped, so that classifier-free guidance works.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from brandsmith.base.hardware import multiplies_bf16
from brandsmith.base.noising import snr_plus_one
from brandsmith.pocket.clip import TEXT_WIDTH
from brandsmith.pocket.pool import ScenePool
from brandsmith.pocket.stage import Stage, StageSettings, compute_device, fast_autocast
from brandsmith.pocket.text_projection_init import balance_text
from brandsmith.pocket.vae import LATENT_CHANNELS, PatchCode

CAPTION_DROPOUT = 0.1
SHOWN = {"single": 0.32, "pair": 0.32, "branded": 0.18, "person": 0.07, "mark": 0.03, "photo": 0.08}
"""Which share of what is shown each kind of scene has: objects, of which there are most, are learnt last; then two of
them, and small lettering.
"""


def build_scheduler() -> DDPMScheduler:
    """Stable Diffusion's noise schedule with twice its last beta, sampled from the last step on.

    With SD's own (0.012, from step 961) the strongest direction of these latents has a signal-to-noise ratio of 9.7
    where sampling starts (`python -m brandsmith.pocket.terminal_snr`): the network reads backdrop and outline off the
    noisy input instead of the caption, and pure noise is a place that it never saw. Lin et al. 2024, "Common Diffusion
    Noise Schedules and Sample Steps are Flawed". With 0.025, from step 999, it is 0.05, and no scheduler needs a
    zero-SNR special case.
    """
    return DDPMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.025,
        beta_schedule="scaled_linear",
        prediction_type="sample",
        clip_sample=False,
        steps_offset=1,
        timestep_spacing="trailing",
    )


def build_unet() -> UNet2DConditionModel:
    """Attention to the text at 8 x 8 and in the middle (4 x 4), and on the way out at 16 x 16: a letter of a mark on a
    garment is one latent cell wide, and at 8 x 8 no place is one letter's. Elsewhere convolutions, which the pooled
    text steers (`scale_shift`).
    """
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(96, 128, 208),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        resnet_time_scale_shift="scale_shift",
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        encoder_hid_dim=TEXT_WIDTH,
        encoder_hid_dim_type="text_proj",
    )
    for name, module in unet.named_modules():
        if name.endswith(("conv2", "proj_out", "conv_out")):  # every branch starts silent: early steps learn, not undo
            torch.nn.init.zeros_(module.weight)
            torch.nn.init.zeros_(module.bias)
    return unet


def encode_pool(pool: ScenePool, code: PatchCode, file: Path, batch: int = 500) -> np.ndarray:
    """Latents of every scene as (N, 32, 16, 16) fp16 on disk; encoded once."""
    if not (file.is_file() and len(np.load(file, mmap_mode="r")) == len(pool)):
        parts = [code.encode(pool.pixels[i : i + batch]).astype(np.float16) for i in range(0, len(pool), batch)]
        np.save(file, np.concatenate(parts))
    return np.load(file, mmap_mode="r")


@torch.inference_mode()
def encode_captions(
    captions: list[str], clip: CLIPModel | CLIPTextModel, tokenizer: CLIPTokenizer, max_tokens: int
) -> torch.Tensor:
    """Text states (N, max_tokens, width) fp16 of distinct captions, padded as the pipeline pads them."""
    ids = tokenizer(
        captions, padding="max_length", truncation=True, max_length=max_tokens, return_tensors="pt"
    ).input_ids
    device = next(clip.parameters()).device
    tower = getattr(clip, "text_model", clip)
    states = [tower(ids[i : i + 256].to(device))[0].cpu().half() for i in range(0, len(ids), 256)]
    return torch.cat(states)


@dataclass(frozen=True)
class Captioned:
    """What the U-Net sees: latents on disk, the row of each scene's caption in `states`, and how often it is shown.

    The last row of `states` (M + 1, tokens, width) is the empty caption.
    """

    latents: Path
    states: Path
    caption_row: np.ndarray  # (N,)
    share: np.ndarray  # (N,), sums to one
    scaling: float


def kind_of(truth: dict) -> str:
    """One of SHOWN's kinds; a person who wears a mark is `branded`, an object at the side of the picture `single`,
    three things a `pair`.
    """
    if truth["look"] == "photo":
        return "photo"
    if truth["marks"]:
        return "branded" if truth["things"] else "mark"
    if truth["person"]:
        return "person"
    return "pair" if len(truth["things"]) > 1 else "single"


def shares(truths: Sequence[dict]) -> np.ndarray:
    """How often each scene is shown, (N,), summing to one; a kind that the pool lacks leaves its share to the
    others.
    """
    kinds = [kind_of(truth) for truth in truths]
    count = Counter(kinds)
    share = np.array([SHOWN[kind] / count[kind] for kind in kinds])
    return share / share.sum()


def prepare(
    pool: ScenePool,
    latents: Path,
    clip: CLIPModel | CLIPTextModel,
    tokenizer: CLIPTokenizer,
    scaling: float,
    folder: Path,
) -> Captioned:
    """Encode every distinct caption once; write the text states beside the latents."""
    distinct = sorted(set(pool.captions))
    states = folder / "states.npy"
    if not states.is_file():
        encoded = encode_captions(
            [*distinct, ""], clip.to(compute_device()).eval(), tokenizer, tokenizer.model_max_length
        )
        np.save(states, encoded.numpy())
    place = {caption: i for i, caption in enumerate(distinct)}
    return Captioned(latents, states, np.array([place[c] for c in pool.captions]), shares(pool.truths), scaling)


def timesteps(rng: np.random.Generator, batch: int) -> torch.Tensor:
    """(batch,) rising, stratified, in proportion to t: what is drawn is decided at high noise."""
    return torch.from_numpy(1000 * np.sqrt((np.arange(batch) + rng.random(batch)) / batch)).long()


def train_unet(
    data: Captioned,
    clip: CLIPModel,
    tokenizer: CLIPTokenizer,
    folder: Path,
    *,
    num_steps: int,
    seed: int,
    batch: int = 24,
    learning_rate: float = 1.2e-3,
    ema_decay: float = 0.998,
) -> UNet2DConditionModel:
    """Train on cached latents and text states; `batch` is per process (see `stage.in_parallel`)."""
    device = compute_device()
    torch.manual_seed(seed)
    latents, states = np.load(data.latents, mmap_mode="r"), np.load(data.states, mmap_mode="r")
    unet = build_unet()
    balance_text(unet, states, clip, tokenizer)
    unet = unet.to(device, memory_format=torch.channels_last)
    if device.type == "cpu" and multiplies_bf16(device):
        unet.set_attn_processor(
            AttnProcessor()
        )  # fused attention is slow in bf16 on CPUs; in fp32 it is the faster one
    stage = Stage(
        "unet",
        folder,
        unet,
        StageSettings(num_steps=num_steps, learning_rate=learning_rate, ema_decay=ema_decay, fall=0.6, muon=True),
        seed=seed,
    )
    bounds = np.cumsum(data.share)
    scheduler = build_scheduler()
    weight = snr_plus_one(scheduler.alphas_cumprod).to(device)

    def loss_of(step: int, rng: np.random.Generator):
        rows = np.searchsorted(bounds, rng.random(batch)).clip(max=len(latents) - 1)
        words = np.where(rng.random(batch) < CAPTION_DROPOUT, len(states) - 1, data.caption_row[rows])
        x = torch.from_numpy(latents[rows].astype(np.float32)).to(device) * data.scaling
        text = torch.from_numpy(states[words].astype(np.float32)).to(device)
        noise = torch.from_numpy(rng.standard_normal(x.shape, np.float32)).to(device)
        t = timesteps(rng, batch).to(device)
        noisy = scheduler.add_noise(x, noise, t)
        with fast_autocast(device):
            predicted = unet(noisy.contiguous(memory_format=torch.channels_last), t, encoder_hidden_states=text).sample
        per_scene = (predicted.float() - x).square().mean(dim=(1, 2, 3)) * weight[t]
        return per_scene.mean(), {"mse": [round(float(part.mean()), 4) for part in per_scene.detach().chunk(4)]}

    stage.run(loss_of)
    unet = stage.averaged_model()
    unet.set_default_attn_processor()
    return unet
