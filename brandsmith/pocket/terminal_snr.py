"""`python -m brandsmith.pocket.terminal_snr LATENTS.npy`: how much of a picture the last step of a noise schedule still
shows.

Where a schedule does not end in noise that hides the picture, the network learns to read it off its noisy input, and
sampling starts from a noise it never saw (Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are
Flawed"). How bad that is depends on the latents: what counts is the strongest *direction* among them, not a channel's
variance.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler

from brandsmith.pocket.unet import build_scheduler


def strongest_variance(latents: np.ndarray, scaling: float) -> float:
    """The variance along the first principal direction of scaled latents (N, C, h, w)."""
    flat = latents.reshape(len(latents), -1).astype(np.float32) * scaling
    return float(torch.linalg.matrix_norm(torch.from_numpy(flat - flat.mean(0)), 2) ** 2 / len(flat))


def signal_to_noise(scheduler: DDPMScheduler, variance: float, timestep: int) -> float:
    """Of a direction with this variance at one timestep."""
    kept = float(scheduler.alphas_cumprod[timestep])
    return variance * kept / (1 - kept)


def main(file: Path) -> None:
    latents = np.load(file, mmap_mode="r")[:600]
    scaling = float(1 / np.asarray(latents, np.float32).std())
    variance = strongest_variance(np.asarray(latents), scaling)
    stable_diffusion = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    for name, scheduler, start in (
        ("Stable Diffusion's, leading", stable_diffusion, 961),
        ("pocket's, trailing", build_scheduler(), 999),
    ):
        print(
            f"{name}: sampling starts at step {start}, strongest direction's SNR there"
            f" {signal_to_noise(scheduler, variance, start):.3f}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
