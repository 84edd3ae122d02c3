"""A clip drawn in slices is the clip drawn whole; no layer sees more rows than the budget allows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import MotionAdapter

from brandsmith.base.decoding import decode_in_budget, decoding_bytes
from brandsmith.base.motion import Frames, Motion
from brandsmith.base.motion_memory import rows_at_once, rows_in_budget
from brandsmith.base.random_small import build_tiny
from brandsmith.guidance.clip import Clip, sample_clip
from brandsmith.guidance.settings import DrawSettings

SETTINGS = DrawSettings(num_steps=3, guidance_scale=3.0)
ROWS = 3


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def small(request):
    torch.manual_seed(0)
    layers = MotionAdapter((16, 32), 1, motion_num_attention_heads=2, motion_norm_num_groups=8).requires_grad_(False)
    for parameter in layers.parameters():
        parameter.mul_(1.5)
    return build_tiny(request.param), Motion("random", layers.eval())


def drawn(base, motion, frames, budget=None):
    """Finished latents and frames."""
    latents = []
    clip = Clip("a red logo", 17, frames)
    pictures = sample_clip(
        base, motion, clip, SETTINGS, budget=budget, on_step=lambda step, own: latents.append(own.clone())
    )
    return latents[-1], pictures


@pytest.mark.slow
@pytest.mark.parametrize("frames", [Frames(6), Frames(10, window=8, stride=4)])
def test_slices_are_the_whole(small, frames):
    base, motion = small
    whole, pictures = drawn(base, motion, frames)
    cells = base.latent_shape[1] * base.latent_shape[2]
    budget = next(size for size in range(1, 10**9, 4096) if rows_in_budget(base.denoiser, cells, size) == ROWS)
    seen: list[int] = []
    layers = [base.denoiser.down_blocks[0].resnets[0].conv1, base.denoiser.mid_block.attentions[0].proj_in]
    layers.append(motion.adapter.mid_block.motion_modules[0].transformer_blocks[0].ff)
    hooks = [layer.register_forward_pre_hook(lambda module, given: seen.append(len(given[0]))) for layer in layers]
    sliced, others = drawn(base, motion, frames, budget)
    for hook in hooks:
        hook.remove()
    assert (whole - sliced).abs().max() <= 1e-5 * whole.abs().max()
    assert np.abs(pictures.astype(int) - others).max() <= 1
    middle = base.denoiser.config.sample_size // 2
    assert max(seen) <= max(ROWS, ROWS * middle**2 // frames.count) and len(seen) > 3 * len(layers) * SETTINGS.num_steps


def test_leaving_puts_every_layer_back(small):
    base, _ = small
    layer = base.denoiser.mid_block.resnets[0]
    with pytest.raises(ZeroDivisionError), rows_at_once(base.denoiser, 1):
        assert "forward" in layer.__dict__
        raise ZeroDivisionError
    assert "forward" not in layer.__dict__


def test_frames_are_decoded_in_slices(small):
    base, _ = small
    latents = torch.randn(5, *base.latent_shape, generator=torch.Generator().manual_seed(2))
    two = decoding_bytes(base, *base.image_px) * 2
    assert (decode_in_budget(base, latents) - decode_in_budget(base, latents, two)).abs().max() <= 1e-5
