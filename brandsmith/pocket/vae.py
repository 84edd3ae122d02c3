"""Stage 1: the autoencoder. 128 x 128 x 3 pixels <-> 16 x 16 x 12 latents, in diffusers' AutoencoderKL.

Twelve channels, where Stable Diffusion has four, because a four-letter mark is only five cells wide: lettering
must survive (the check reads it back by OCR). Trained on 64-px crops, half of them around a mark, then on whole
pictures.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import nn

from brandsmith.pocket.pool import ScenePool
from brandsmith.pocket.stage import Stage, compute_device, fast_autocast

LATENT_CHANNELS = 12
CROP_PX = 64
KL_WEIGHT = 1e-4


def build_vae() -> AutoencoderKL:
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 16, 48, 96),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=128,
        mid_block_add_attention=False,
    )
    _start_almost_linear(vae)
    return vae


@torch.no_grad()
def _start_almost_linear(vae: AutoencoderKL) -> None:
    """Residual branches start at zero and the straight path keeps its signal.

    What is left at the start is nearly a linear autoencoder, which learns colour and shape at once; the usual start
    shrinks the signal at every layer and needs about three times the steps for the same loss.
    """
    for name, module in vae.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        if name.endswith("conv2"):
            nn.init.zeros_(module.weight)
        elif "upsamplers" in name:
            module.weight.mul_(0.3)
            module.weight[:, :, 1, 1] += torch.eye(module.weight.shape[0])
        elif "downsamplers" in name or name.endswith(("conv_shortcut", "conv_in", "conv_out")):
            nn.init.orthogonal_(module.weight)
        else:
            continue
        nn.init.zeros_(module.bias)


def _edge_kernels(device: torch.device) -> torch.Tensor:
    dx = torch.tensor([[0, 0, 0], [0, -1, 1], [0, 0, 0]], dtype=torch.float32)
    dy = dx.T.contiguous()
    return torch.stack([dx, dy]).repeat(3, 1, 1)[:, None].to(device)  # (6, 1, 3, 3), for groups=3


def reconstruction_loss(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, edges: torch.Tensor):
    """Weighted L1 on pixels and on their differences. A convolution, not slices: slices lose channels_last."""
    error = output - target
    pixel = (error.abs() * weight).mean()
    sharp = (F.conv2d(error, edges, padding=1, groups=3).abs() * weight).mean()
    return pixel + 1.0 * sharp


def _crops(pool: ScenePool, rng: np.random.Generator, batch: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    pixels = np.empty((batch, size, size, 3), np.uint8)
    weight = np.ones((batch, 1, size, size), np.float32)
    for i in range(batch):
        index = int(rng.integers(len(pool)))
        if not pool.truths[index]["marks"] and rng.random() < 0.6:
            index = int(rng.integers(len(pool)))  # lettering is the hard part: marks more often than they occur
        boxes = [m["box"] for m in pool.truths[index]["marks"]]
        x, y = (int(v) for v in rng.integers(0, 128 - size + 1, 2))
        if boxes and size < 128 and rng.random() < 0.85:
            bx0, by0, bx1, by1 = boxes[0]
            x = int(np.clip((bx0 + bx1) / 2 - size / 2 + rng.integers(-16, 17), 0, 128 - size))
            y = int(np.clip((by0 + by1) / 2 - size / 2 + rng.integers(-16, 17), 0, 128 - size))
        pixels[i] = pool.pixels[index, y : y + size, x : x + size]
        for bx0, by0, bx1, by1 in boxes:
            weight[i, 0, max(0, int(by0) - y) : max(0, int(by1) - y), max(0, int(bx0) - x) : max(0, int(bx1) - x)] = 5.0
    return pixels, weight


def train_vae(
    pool: ScenePool,
    folder: Path,
    *,
    num_steps: int,
    seed: int,
    name: str = "vae",
    size_px: int = CROP_PX,
    batch: int = 16,
    learning_rate: float = 2e-3,
    decoder_only: bool = False,
    start: dict[str, torch.Tensor] | None = None,
) -> AutoencoderKL:
    """Train (or go on training) the autoencoder; `decoder_only` keeps the latent space as it is."""
    device = compute_device()
    torch.manual_seed(seed)
    vae = build_vae().to(device, memory_format=torch.channels_last)
    if start is not None:
        vae.load_state_dict(start)
    if decoder_only:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    stage = Stage(name, folder, vae, num_steps=num_steps, learning_rate=learning_rate, seed=seed, ema_decay=0.998)
    edges = _edge_kernels(device)
    noise = torch.Generator(device).manual_seed(seed)

    def loss_of(step: int, rng: np.random.Generator):
        pixels, weight = _crops(pool, rng, batch, size_px)
        x = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        x = x.contiguous(memory_format=torch.channels_last)
        noise.manual_seed(seed * 1_000_003 + step)
        with fast_autocast(device):
            posterior = vae.encode(x).latent_dist
            latents = posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=noise, device=device)
            output = vae.decode(latents).sample
        loss = reconstruction_loss(output.float(), x, torch.from_numpy(weight).to(device), edges)
        divergence = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).float().mean()
        psnr = -10 * torch.log10(F.mse_loss(output.detach().float(), x) / 4)
        return loss + KL_WEIGHT * divergence, {"psnr": round(float(psnr), 2), "kl": round(float(divergence.detach()), 2)}

    stage.run(loss_of, log_every=100)
    return stage.averaged_model()
