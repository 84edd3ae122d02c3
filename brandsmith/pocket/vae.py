"""Stage 1: the autoencoder. 128 x 128 x 3 pixels <-> 16 x 16 x 32 latents, in diffusers' AutoencoderKL.

The encoder is not trained: it is the linear map that keeps most of an 8 x 8 patch (principal components, patches
with lettering counted more), written in closed form into the convolutions. It costs seconds where a trained encoder
costs a day of CPU, its latents are zero-mean and ordered, and the U-Net can start at once. Thirty-two channels, where
Stable Diffusion has four, because a four-letter mark is only five cells wide. The decoder is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import nn

from brandsmith.pocket.pool import ScenePool
from brandsmith.pocket.stage import Stage, StageSettings, compute_device, fast_autocast

LATENT_CHANNELS = 32
WIDTHS = (16, 16, 48, 96)
GROUPS = 8
CROP_PX = 64
HOLD = 300.0
"""Constant channels of this size beside the data keep GroupNorm's scale the same for every picture (see below)."""
MARK_WEIGHT = 8.0
LATENT_NOISE = 0.06
"""Noise on the decoder's training latents, in units of their standard deviation: a denoiser's output is never exact."""


# ----------------------------------------------------------------------------- the encoder, in closed form


@dataclass(frozen=True)
class PatchCode:
    """Two linear maps: `fine` (16, 48) codes a 4 x 4 patch, `coarse` (32, 64) codes four of those codes."""

    fine: np.ndarray
    coarse: np.ndarray
    mean: np.ndarray  # (32,): what the average patch would become; taken off, so latents are zero-mean

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 pictures (N, H, W, 3) to latents (N, 32, H / 8, W / 8) float32."""
        return encode_pictures(self, torch.from_numpy(np.ascontiguousarray(pixels))).numpy()


def encode_pictures(code: PatchCode, pixels: torch.Tensor) -> torch.Tensor:
    """`code.encode` on a device: uint8 pictures (N, H, W, 3) to latents (N, 32, H / 8, W / 8) float32."""
    fine, coarse, mean = (torch.from_numpy(part).to(pixels.device) for part in (code.fine, code.coarse, code.mean))
    x = pixels.float().div(127.5).sub(1)
    for size, matrix in ((4, fine), (2, coarse)):
        n, h, w, c = x.shape
        x = (
            x.view(n, h // size, size, w // size, size, c).transpose(2, 3).reshape(n, h // size, w // size, -1)
            @ matrix.T
        )
    return (x - mean).permute(0, 3, 1, 2)


def _patches(x: np.ndarray, size: int) -> np.ndarray:
    """(N, H, W, C) to (N, H / size, W / size, size * size * C); the order is row, column, channel."""
    n, h, w, c = x.shape
    return (
        x.reshape(n, h // size, size, w // size, size, c)
        .transpose(0, 1, 3, 2, 4, 5)
        .reshape(n, h // size, w // size, -1)
    )


def _principal(x: np.ndarray, weight: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` leading directions (count, D) of weighted rows x (N, D), and their standard deviations."""
    mean = np.average(x, axis=0, weights=weight)
    values, vectors = np.linalg.eigh(np.cov((x - mean).T, aweights=weight))
    order = values.argsort()[::-1][:count]
    return vectors[:, order].T, np.sqrt(values[order])


def fit_patch_code(pool: ScenePool, num_scenes: int = 1500, mark_weight: float = 4.0) -> PatchCode:
    """Principal components of 4 x 4 patches, then of 2 x 2 such codes, then half-whitened.

    Half-whitened: component i is divided by the square root of its standard deviation. Unscaled, the loss would see
    colour only; fully whitened, mostly grain.
    """
    rows = np.linspace(0, len(pool) - 1, num_scenes).astype(int)
    x = pool.pixels[rows].astype(np.float32) / 127.5 - 1
    weight = np.ones(x.shape[:3], np.float32)
    for i, row in enumerate(rows):
        for mark in pool.truths[row]["marks"]:
            x0, y0, x1, y1 = (round(v) for v in mark["box"])
            weight[i, max(0, y0) : y1, max(0, x0) : x1] = mark_weight
    small, large = (weight[:, ::s, ::s].reshape(-1) for s in (4, 8))
    fine, _ = _principal(_patches(x, 4).reshape(-1, 48), small, WIDTHS[1])
    codes = _patches(_patches(x, 4) @ fine.T, 2).reshape(-1, 4 * WIDTHS[1])
    coarse, spread = _principal(codes, large, LATENT_CHANNELS)
    coarse = coarse / np.sqrt(spread)[:, None]
    return PatchCode(fine.astype(np.float32), coarse.astype(np.float32), (codes @ coarse.T).mean(0).astype(np.float32))


@torch.no_grad()
def install_patch_code(vae: AutoencoderKL, code: PatchCode) -> None:
    """Write `code` into the encoder, so that `vae.encode(x).latent_dist.mean` is exactly `code.encode`.

    Residual branches are silenced, convolutions pass channels on or gather patches. What is left is GroupNorm and
    SiLU before the last convolution: large constant channels hold GroupNorm's scale, and SiLU is undone by
    silu(u) - silu(-u) = u.
    """
    encoder = vae.encoder
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.zero_()
            if module.bias is not None:
                module.bias.zero_()
    pixel, half, quarter, eighth = (block for block in encoder.down_blocks)
    for channel in range(3):
        encoder.conv_in.weight[channel, channel, 1, 1] = 1
    _gather(pixel.downsamplers[0].conv, torch.eye(12), channels=3)  # 2 x 2 pixels side by side
    half.downsamplers[0].conv.weight.zero_()
    fine = torch.from_numpy(code.fine).reshape(-1, 2, 2, 2, 2, 3)  # (out, row, inner row, column, inner column, rgb)
    fine = fine.permute(0, 1, 3, 2, 4, 5).reshape(-1, 48)
    _gather(half.downsamplers[0].conv, fine, channels=12)
    for i in range(WIDTHS[1]):
        quarter.resnets[0].conv_shortcut.weight[i, i] = 1
    _gather(quarter.downsamplers[0].conv, torch.from_numpy(code.coarse), channels=WIDTHS[1])
    size = WIDTHS[3] // GROUPS
    pairs = LATENT_CHANNELS // GROUPS
    spread = HOLD * ((size - 2 * pairs) / size) ** 0.5
    shortcut, norm, out = eighth.resnets[0].conv_shortcut, encoder.conv_norm_out, encoder.conv_out
    for latent in range(LATENT_CHANNELS):
        plus = (latent // pairs) * size + 2 * (latent % pairs)
        shortcut.weight[plus, latent], shortcut.weight[plus + 1, latent] = 1, -1
        shortcut.bias[plus], shortcut.bias[plus + 1] = -float(code.mean[latent]), float(code.mean[latent])
        norm.weight[plus : plus + 2] = spread
        out.weight[latent, plus, 1, 1], out.weight[latent, plus + 1, 1, 1] = 1, -1
    for group in range(GROUPS):
        first = group * size + 2 * pairs
        shortcut.bias[first : (group + 1) * size] = HOLD * torch.tensor([1.0, -1.0]).repeat((size - 2 * pairs) // 2)
        norm.weight[first : (group + 1) * size] = 0
    norm.bias.zero_()
    out.bias[LATENT_CHANNELS:] = -12.0  # log variance: the posterior is as good as a point
    vae.quant_conv.weight.copy_(torch.eye(2 * LATENT_CHANNELS)[:, :, None, None])
    vae.quant_conv.bias.zero_()
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)


def _gather(conv: nn.Conv2d, matrix: torch.Tensor, channels: int) -> None:
    """Make a stride-2 convolution map each 2 x 2 patch of its first `channels` channels by `matrix`."""
    taps = matrix.reshape(len(matrix), 2, 2, channels).permute(0, 3, 1, 2)
    conv.weight[: len(matrix), :channels, :2, :2] = (
        taps  # diffusers pads right and below only: tap 0 is the patch's own
    )


@torch.no_grad()
def read_patch_code(vae: AutoencoderKL) -> PatchCode:
    """The code that `install_patch_code` wrote into an encoder."""
    _, half, quarter, eighth = vae.encoder.down_blocks
    fine = (
        _gathered(half.downsamplers[0].conv, WIDTHS[1], channels=12)
        .reshape(-1, 2, 2, 2, 2, 3)
        .permute(0, 1, 3, 2, 4, 5)
        .reshape(-1, 48)
    )
    coarse = _gathered(quarter.downsamplers[0].conv, LATENT_CHANNELS, channels=WIDTHS[1])
    size, pairs = WIDTHS[3] // GROUPS, LATENT_CHANNELS // GROUPS
    mean = [
        -eighth.resnets[0].conv_shortcut.bias[(i // pairs) * size + 2 * (i % pairs)] for i in range(LATENT_CHANNELS)
    ]
    return PatchCode(fine.numpy(), coarse.numpy(), torch.stack(mean).numpy())


def _gathered(conv: nn.Conv2d, count: int, channels: int) -> torch.Tensor:
    """The matrix that `_gather` gave a convolution."""
    return conv.weight[:count, :channels, :2, :2].permute(0, 2, 3, 1).reshape(count, -1)


# ----------------------------------------------------------------------------- the decoder, trained


def build_vae(code: PatchCode | None = None) -> AutoencoderKL:
    """The network; with `code`, its encoder is filled in and frozen."""
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=WIDTHS,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=GROUPS,
        sample_size=128,
        mid_block_add_attention=False,
    )
    _start_almost_linear(vae)
    if code is not None:
        install_patch_code(vae, code)
    return vae


@torch.no_grad()
def _start_almost_linear(vae: AutoencoderKL) -> None:
    """Residual branches start at zero and the straight path keeps its signal.

    What is left at the start is nearly linear, and learns colour and shape at once; the usual start shrinks the
    signal at every layer and needs about three times the steps for the same loss.
    """
    for name, module in vae.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        if name.endswith("conv2"):
            nn.init.zeros_(module.weight)
        elif "upsamplers" in name:
            module.weight.mul_(0.3)
            module.weight[:, :, 1, 1] += torch.eye(module.weight.shape[0])
        elif name.endswith(("conv_shortcut", "conv_in", "conv_out")):
            nn.init.orthogonal_(module.weight)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def edge_kernels(device: torch.device) -> torch.Tensor:
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
        x, y = 8 * (x // 8), 8 * (y // 8)  # on the grid of cells: the code is stationary only there
        pixels[i] = pool.pixels[index, y : y + size, x : x + size]
        for bx0, by0, bx1, by1 in boxes:
            weight[i, 0, max(0, int(by0) - y) : max(0, int(by1) - y), max(0, int(bx0) - x) : max(0, int(bx1) - x)] = (
                MARK_WEIGHT
            )
    return pixels, weight


def train_decoder(
    pool: ScenePool,
    code: PatchCode,
    folder: Path,
    *,
    num_steps: int,
    seed: int,
    name: str = "decoder",
    learning_rate: float = 1e-3,
    start: dict[str, torch.Tensor] | None = None,
) -> AutoencoderKL:
    """Train (or go on training) the decoder on latents of true pictures; the encoder stays as `code` made it.

    Crops around marks and whole pictures take turns: lettering is the hard part, and GroupNorm has to meet whole
    pictures too.
    """
    device = compute_device()
    torch.manual_seed(seed)
    vae = build_vae(code)
    if start is not None:
        vae.load_state_dict(start)
    vae = vae.to(device, memory_format=torch.channels_last)
    stage = Stage(
        name, folder, vae, StageSettings(num_steps=num_steps, learning_rate=learning_rate, ema_decay=0.998), seed=seed
    )
    edges = edge_kernels(device)

    def loss_of(step: int, rng: np.random.Generator):
        pixels, weight = _crops(pool, rng, 16, CROP_PX) if step % 2 else _crops(pool, rng, 4, 128)
        latents = code.encode(pixels)
        latents += LATENT_NOISE * latents.std() * rng.standard_normal(latents.shape, np.float32)
        x = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        x = x.contiguous(memory_format=torch.channels_last)
        with fast_autocast(device):
            output = vae.decode(torch.from_numpy(latents).to(device, memory_format=torch.channels_last)).sample
        loss = reconstruction_loss(output.float(), x, torch.from_numpy(weight).to(device), edges)
        psnr = -10 * torch.log10(F.mse_loss(output.detach().float(), x) / 4)
        return loss, {"psnr": round(float(psnr), 2)}

    stage.run(loss_of, log_every=100)
    return stage.averaged_model()
