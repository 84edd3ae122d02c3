"""Masked drawing: two identities, what stock diffusers draws, and that every part and family works behind it."""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny
from diffusers import DDIMScheduler, StableDiffusionInpaintPipeline
from drawing import sample_latents

from brandsmith.base.base import encode_images
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.seeds import starting_noise
from brandsmith.guidance.loop import FromLatents
from brandsmith.guidance.masked import Masked, build_masked, cells_of

PROMPT = "a blue cat and a red bowl"


def pictures(num: int = 2) -> torch.Tensor:
    return torch.rand(num, 3, 64, 64, generator=torch.Generator().manual_seed(3)) * 2 - 1


def half(num: int = 2) -> torch.Tensor:
    mask = torch.zeros(num, 1, 64, 64, dtype=torch.bool)
    mask[..., 32:] = True
    return mask


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("sd1", {"scheduler": "ddim"}),
        pytest.param("sd1", {"scheduler": "euler_ancestral", "refiner": "attend_excite"}, marks=pytest.mark.slow),
        ("sdxl", {"scheduler": "dpm++", "combiner": "regional"}),
        ("sd3", {"scheduler": "euler"}),
        ("sd3", {"scheduler": "heun"}),
        pytest.param("sd2", {"scheduler": "pndm", "num_steps": 4, "combiner": "composable"}, marks=pytest.mark.slow),
        ("sd1", {"scheduler": "unipc"}),
    ],
)
def test_all_drawn_is_sampling_and_nothing_drawn_is_the_picture(family, options):
    base = build_tiny(family)
    known = encode_images(base, pictures())
    cells = torch.ones(2, 1, 8, 8, dtype=torch.bool)
    asked = {"num_steps": 3, "batch_size": 1} | options
    prompts = [PROMPT, "a dog AND a red cap"]
    plain = sample_latents(base, prompts, [1, 2], **asked)
    assert torch.equal(sample_latents(base, prompts, [1, 2], keeper=Masked(known, cells), **asked), plain)
    assert torch.equal(sample_latents(base, prompts, [1, 2], keeper=Masked(known, ~cells), **asked), known)
    mixed = sample_latents(base, prompts, [1, 2], keeper=build_masked(base, pictures(), half()), **asked)
    assert torch.equal(mixed[..., :4], known[..., :4])
    assert mixed.isfinite().all() and (mixed[..., 4:] - known[..., 4:]).abs().amax((1, 2, 3)).min() > 0.1


def test_steps_made_again_are_new_and_depend_on_the_seed_alone():
    base = build_tiny()
    known = encode_images(base, pictures())
    drawn = cells_of(half(), base.vae_scale)
    once, again, alone = (
        sample_latents(
            base, prompts, seeds, num_steps=4, keeper=Masked(known[-len(seeds) :], drawn[: len(seeds)], None, n)
        )
        for prompts, seeds, n in (([PROMPT] * 2, [1, 2], 0), ([PROMPT] * 2, [1, 2], 2), ([PROMPT], [2], 2))
    )
    assert torch.equal(again[..., :4], known[..., :4]) and not torch.allclose(once, again, atol=1e-2)
    assert torch.allclose(again[1:], alone, atol=1e-4)
    calls = []
    count = base.denoiser.register_forward_hook(lambda *_: calls.append(1))
    sample_latents(base, [PROMPT], [2], num_steps=4, keeper=Masked(known[:1], drawn[:1], None, 2))
    count.remove()
    assert len(calls) == 4 + 2 * 2
    with pytest.raises(InvalidConfig, match="cannot be repeated"):
        sample_latents(
            base, [PROMPT], [2], num_steps=4, scheduler="dpm++", keeper=Masked(known[:1], drawn[:1], None, 2)
        )


@pytest.mark.slow
def test_what_surrounds_the_mask_counts():
    base, asked = build_tiny(), {"num_steps": 4}
    drawn = cells_of(half(1), base.vae_scale)
    with_one, with_other = (
        sample_latents(base, [PROMPT], [1], keeper=Masked(encode_images(base, p[None]), drawn), **asked)
        for p in pictures()
    )
    assert not torch.allclose(with_one[..., 4:], with_other[..., 4:], atol=1e-2)


@torch.no_grad()
@pytest.mark.parametrize(("family", "inpainting"), [("sd1", False), ("sd1", True), ("sd2", True)])
def test_it_draws_what_stock_diffusers_draws(family, inpainting):
    """A base that knows no mask, and one whose U-Net takes it."""
    base = build_tiny(family, inpainting=inpainting)
    masked = build_masked(base, pictures(1), half(1))
    ours = sample_latents(base, [PROMPT], [7], num_steps=5, guidance_scale=3.0, keeper=masked)
    pipeline = StableDiffusionInpaintPipeline(
        base.vae,
        *base.text_encoders,
        *base.tokenizers,
        base.denoiser,
        base.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.scheduler = DDIMScheduler.from_config(base.scheduler.config)  # theirs changes what it is built with
    pipeline._encode_vae_image = lambda image, generator: masked.known  # the mean, where theirs is a sample
    surroundings = None if masked.given is None else masked.given[:, 1:]
    pipeline.set_progress_bar_config(disable=True)
    stock = pipeline(
        PROMPT,
        image=(pictures(1) + 1) / 2,
        mask_image=half(1).float(),
        masked_image_latents=surroundings,
        latents=starting_noise([7], base.latent_shape),
        height=64,
        width=64,
        strength=1.0,
        num_inference_steps=5,
        guidance_scale=3.0,
        output_type="latent",
    ).images
    assert (ours - stock).abs().max() <= 1e-5 * stock.abs().max()


@pytest.mark.parametrize(("family", "scheduler"), [("sd1", "euler"), ("sd1", "dpm++"), ("sd3", "euler")])
def test_a_start_of_ones_own_is_drawn_on_at_the_level_it_was_noised_to(family, scheduler):
    """At the lowest strength one step is left, and the drawn part stays close to where it started."""
    base = build_tiny(family)
    known = encode_images(base, pictures(1))
    keeper = Masked(known, cells_of(half(1), base.vae_scale))
    near, far = (
        sample_latents(base, [PROMPT], [1], num_steps=20, scheduler=scheduler, keeper=keeper, starter=starter)
        for starter in (FromLatents([known[0]], 0.05), None)
    )
    assert torch.equal(near[..., :4], known[..., :4])
    assert 0 < (near - known).abs().mean() < 0.2 * (far - known).abs().mean()


def test_a_cell_is_drawn_when_one_of_its_pixels_is():
    mask = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    mask[..., 15, 16] = True
    assert cells_of(mask, 8).nonzero().tolist() == [[0, 0, 1, 2]]
