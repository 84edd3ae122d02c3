"""Bases whose scheduler configuration says little: drawn and trained as the papers have it.

The witness is written anew: DDIM with eta 0 (Song et al. 2021, eq. 12), v (Salimans & Ho 2022, appendix D), betas with
zero terminal SNR (Lin et al. 2024, algorithm 1).
"""

from __future__ import annotations

import diffusers
import numpy as np
import pytest
import torch
from bases import build_tiny
from drawing import sample

from brandsmith.base.base import decode_latents, encode_prompts, predict
from brandsmith.core.seeds import starting_noise
from brandsmith.guidance.schedulers import build_scheduler
from brandsmith.methods.diffusion_loss import DiffusionLoss

PROMPT, STEPS = "a red logo on a blue sweater", 5
BARE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
DECLARED = ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler", "PNDMScheduler")


def declaring(family: str, kind: str, **config):
    """A tiny base whose scheduler was configured with the keys given and no others."""
    base = build_tiny(family)
    base.scheduler = getattr(diffusers, kind).from_config({**BARE, **config})
    return base


def signal_of(zero_snr: bool = False) -> torch.Tensor:
    """The share of the picture's variance at each of 1000 timesteps."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    root = torch.cumprod(1 - betas, 0).sqrt()
    if zero_snr:
        root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    return root**2


@torch.no_grad()
def drawn_by_hand(base, timesteps: list[int], signal: torch.Tensor, predicts_v: bool, cut: bool = False):
    """A picture of seed 17 without guidance, in levels of 0 to 255."""
    latents = starting_noise([17], base.latent_shape).double()
    conditioning = encode_prompts(base, [PROMPT])
    for here, there in zip(timesteps, [*timesteps[1:], None], strict=True):
        said = predict(base, latents.float(), torch.tensor([here]), conditioning).double()
        kept, noisy = signal[here].sqrt(), (1 - signal[here]).sqrt()
        clean = kept * latents - noisy * said if predicts_v else (latents - noisy * said) / kept
        noise = kept * said + noisy * latents if predicts_v else said
        if cut:
            clean = clean.clamp(-1, 1)
            noise = (latents - kept * clean) / noisy
        then = signal[there] if there is not None else torch.tensor(1.0)
        latents = then.sqrt() * clean + (1 - then).sqrt() * noise
    picture = decode_latents(base, latents.float())[0].permute(1, 2, 0)
    return (picture.clamp(0, 1) * 255).numpy()


@pytest.mark.parametrize("kind", DECLARED)
def test_nothing_is_cut_where_nobody_asked_for_it(kind):
    base = declaring("sd1", kind)
    assert not build_scheduler(base, "ddim", STEPS).config.clip_sample
    assert not build_scheduler(base, "ddpm", STEPS).config.clip_sample
    assert build_scheduler(declaring("sd1", kind, clip_sample=True), "ddim", STEPS).config.clip_sample, "as it says"
    assert type(build_scheduler(base, "base", STEPS)).__name__ == kind


@pytest.mark.parametrize("family", ["sd1", "sd2"])
def test_a_bare_euler_base_is_drawn_right_by_the_default_sampler(family):
    """With the class's own clip_sample it is another picture."""
    predicts_v = family == "sd2"
    base = declaring(family, "EulerDiscreteScheduler", prediction_type="v_prediction" if predicts_v else "epsilon")
    ours = sample(base, [PROMPT], [17], scheduler="ddim", num_steps=STEPS, guidance_scale=1.0)[0]
    every = 1000 // STEPS
    timesteps = [number * every for number in reversed(range(STEPS))]
    right, cut = (drawn_by_hand(base, timesteps, signal_of(), predicts_v, cut=cut) for cut in (False, True))
    assert np.abs(ours - right).max() <= 1.5 and np.abs(cut - right).max() > 5


def test_zero_terminal_snr_is_trained_and_drawn_from_pure_noise():
    config = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    base, signal = declaring("sd2", "EulerDiscreteScheduler", **config), signal_of(zero_snr=True)
    assert float(signal[-1]) == 0.0 and torch.allclose(base.noising.alphas_cumprod.double(), signal, atol=1e-6)
    ours = sample(base, [PROMPT], [17], scheduler="ddim", num_steps=STEPS, guidance_scale=1.0)[0]
    timesteps = [999 - number * 1000 // STEPS for number in range(STEPS)]
    assert np.abs(ours - drawn_by_hand(base, timesteps, signal, True)).max() <= 1.5
    for scheduler in ("euler", "dpm++", "base"):
        assert np.isfinite(sample(base, [PROMPT], [17], scheduler=scheduler, num_steps=3)[0]).all()
        assert int(build_scheduler(base, scheduler, STEPS).timesteps[0]) == 999, scheduler
    assert int(base.noising.sampler().timesteps[0]) == 999, "class pictures too"
    generator = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(2))
    times = torch.tensor([20, 999])
    conditioning = encode_prompts(base, [PROMPT, "a cat"])
    kept, noisy = (part[times].float().view(2, 1, 1, 1) for part in (signal.sqrt(), (1 - signal).sqrt()))
    with torch.no_grad():
        said = predict(base, kept * latents + noisy * noise, times, conditioning)
        losses = DiffusionLoss(base)(latents, conditioning, noise, times)
    expected = (said - (kept * noise - noisy * latents)).square().mean((1, 2, 3))
    assert torch.allclose(losses, expected, rtol=1e-4)
    assert torch.equal(base.noising.add_noise(latents, noise, times)[1], noise[1]), "nothing of the picture is left"
