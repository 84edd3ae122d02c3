"""A clip is what stock diffusers' AnimateDiffPipeline draws, and frames without temporal layers are pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import MotionAdapter
from small_bases import build_small

from brandsmith.base.motion import Frames, Motion, check_motion_fits, moving, pyramid
from brandsmith.base.random_small import build_tiny
from brandsmith.base.stock import stock_clip_pipeline
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.guidance.clip import Clip, ClipNoise, sample_clip
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import DrawSettings

SETTINGS = DrawSettings(num_steps=3, guidance_scale=3.0, negative_prompt="a cat")
PROMPT = "a red logo on a blue sweater"


def random_motion(widths, layers, groups, seed=0, **more) -> MotionAdapter:
    """Temporal layers with random weights, louder than a fresh start so that they are seen."""
    torch.manual_seed(seed)
    adapter = MotionAdapter(
        block_out_channels=widths,
        motion_layers_per_block=layers,
        motion_num_attention_heads=2,
        motion_norm_num_groups=groups,
        **more,
    )
    for parameter in adapter.parameters():
        parameter.data.mul_(1.5)
    return adapter.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def tiny():
    base = build_tiny()
    return base, Motion("random", random_motion((16, 32), 1, 8))


def stock(base, adapter, *, frames, free_noise=False, **scheduled):
    """Finished latents (1, C, F, h, w) of the stock pipeline."""
    pipe = stock_clip_pipeline(base, adapter, **scheduled)
    if free_noise:
        pipe.enable_free_noise(context_length=8, context_stride=4)
    height, width = base.image_px
    with torch.no_grad():
        return pipe(
            PROMPT,
            negative_prompt=SETTINGS.negative_prompt,
            num_frames=frames,
            height=height,
            width=width,
            num_inference_steps=SETTINGS.num_steps,
            guidance_scale=SETTINGS.guidance_scale,
            generator=torch.Generator("cpu").manual_seed(17),
            output_type="latent",
        ).frames


def ours(base, motion, clip, **more):
    """Finished latents (1, C, F, h, w)."""
    last = []
    sample_clip(base, motion, clip, SETTINGS, on_step=lambda step, latents: last.append(latents.clone()), **more)
    return last[-1].transpose(0, 1)[None]


def test_a_clip_is_stock_diffusers(tiny):
    base, motion = tiny
    wanted = stock(base, motion.adapter, frames=6)
    drawn = ours(base, motion, Clip(PROMPT, 17, Frames(6)))
    assert (drawn - wanted).abs().max() <= 1e-4
    still = ours(base, Motion("none", random_motion((16, 32), 1, 8, seed=1)), Clip(PROMPT, 17, Frames(6)))
    assert (still - wanted).abs().max() > 1e-2, "other layers draw something else"


@pytest.mark.slow
def test_a_longer_clip_is_stock_free_noise(tiny):
    base, motion = tiny
    wanted = stock(base, motion.adapter, frames=16, free_noise=True)
    drawn = ours(base, motion, Clip(PROMPT, 17, Frames(16, window=8, stride=4)))
    assert (drawn - wanted).abs().max() <= 1e-4


def test_animate_diffs_layers_are_drawn_with_their_betas(tiny):
    base, motion = tiny
    wanted = stock(base, motion.adapter, frames=4, beta_schedule="linear")
    drawn = ours(base, Motion("AnimateDiff", motion.adapter, betas="linear"), Clip(PROMPT, 17, Frames(4)))
    assert (drawn - wanted).abs().max() <= 1e-4


@pytest.mark.slow
def test_the_published_structure_is_stock_diffusers_too(tmp_path):
    base = build_small("sd1", tmp_path)
    adapter = random_motion((64, 64, 128, 128), 2, 32)
    base.denoiser.register_to_config(sample_size=8)
    wanted = stock(base, adapter, frames=4)
    drawn = ours(base, Motion("random", adapter), Clip(PROMPT, 17, Frames(4)))
    assert (drawn - wanted).abs().max() <= 1e-4


def test_silent_layers_draw_pictures(tiny):
    base, _ = tiny
    silent = random_motion((16, 32), 1, 8)
    for name, parameter in silent.named_parameters():
        if "proj_out" in name:
            parameter.data.zero_()
    clip = Clip(PROMPT, 17, Frames(4))
    frames = sample_clip(base, Motion("silent", silent), clip, SETTINGS)
    noise = ClipNoise(17, Frames(4))([0] * 4, base.latent_shape)
    assert frames.shape == (4, 64, 64, 3) and frames.dtype == np.uint8
    plain = sample(base, [PROMPT] * 4, [1, 2, 3, 4], SETTINGS.model_copy(update={"batch_size": 4}))
    assert not np.array_equal(frames, np.stack(plain)), "its noise is a clip's"
    assert noise.std(dim=0).min() > 0


def test_leaving_takes_every_layer_off(tiny):
    base, motion = tiny
    before = sample(base, [PROMPT], [3], SETTINGS)
    with pytest.raises(ZeroDivisionError), moving(base.denoiser, motion.adapter, Frames(2)):
        raise ZeroDivisionError
    assert np.array_equal(sample(base, [PROMPT], [3], SETTINGS), before)


@pytest.mark.slow
def test_parts_of_a_prompt_are_combined_as_on_pictures(tiny):
    base, motion = tiny
    composable = SETTINGS.model_copy(update={"combiner": "composable"})
    one = sample_clip(base, motion, Clip(PROMPT, 5, Frames(3)), composable)
    assert np.array_equal(one, sample_clip(base, motion, Clip(PROMPT, 5, Frames(3)), SETTINGS))
    two = sample_clip(base, motion, Clip("a cat AND a bowl", 5, Frames(3)), composable)
    assert two.shape == one.shape and not np.array_equal(one, two)
    negated = sample_clip(base, motion, Clip("a cat AND NOT a bowl", 5, Frames(3)), composable)
    assert not np.array_equal(negated, two)


@pytest.mark.slow
def test_sdxl_is_stock_diffusers_too():
    """Told its sizes by its own layers, which stock diffusers' U-Net for clips leaves random."""
    base, adapter = build_tiny("sdxl"), random_motion((16, 32), 1, 8)
    wanted = stock(base, adapter, frames=6)
    assert (ours(base, Motion("random", adapter), Clip(PROMPT, 17, Frames(6))) - wanted).abs().max() <= 1e-4
    frames = sample_clip(base, Motion("random", adapter), Clip(PROMPT, 5, Frames(3)), SETTINGS)
    assert frames.shape == (3, 64, 64, 3)


@pytest.mark.parametrize(
    "change", [{"refiner": "attend_excite"}, {"layout": "always"}, {"redraw": True}, {"screen": 3}]
)
def test_what_looks_at_one_picture_is_refused(tiny, change):
    base, motion = tiny
    with pytest.raises(InvalidConfig, match="each frame alone"):
        sample_clip(base, motion, Clip(PROMPT, 5, Frames(3)), SETTINGS.model_copy(update=change))


def test_layers_of_another_kind_are_refused(tiny):
    base, _ = tiny
    with pytest.raises(InvalidInput, match=r"widths \[16, 64\]"):
        check_motion_fits(base.denoiser, random_motion((16, 64), 1, 8), "other")
    with pytest.raises(InvalidInput, match="as many layers"):
        check_motion_fits(base.denoiser, random_motion((16, 32), 2, 8), "other")


def test_windows_cover_every_frame():
    assert Frames(16).windows() == [list(range(16))]
    assert [own[0] for own in Frames(24).windows()] == [0, 4, 8]
    assert Frames(26).windows()[-1] == list(range(10, 26))
    loop = Frames(16, loop=True).windows()
    assert len(loop) == 4 and loop[1] == [*range(4, 16), *range(4)]
    assert pyramid(5) == [1, 2, 3, 2, 1] and pyramid(4) == [1, 2, 2, 1]


def test_a_loop_has_no_seam(tiny):
    """Turning the noise of a loop by a stride turns its frames: no frame is the first."""
    base, motion = tiny
    frames = Frames(8, loop=True, window=8, stride=4)
    hidden = torch.randn(8, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    text = torch.randn(8, 24, 16, generator=torch.Generator().manual_seed(2))[:1].expand(8, -1, -1)

    def predicted(rows):
        with torch.no_grad(), moving(base.denoiser, motion.adapter, frames):
            return base.denoiser(rows, torch.tensor(500), encoder_hidden_states=text).sample

    turned = predicted(hidden.roll(4, dims=0))
    assert (turned - predicted(hidden).roll(4, dims=0)).abs().max() < 1e-5


def test_common_noise_has_the_variance_of_noise():
    noise = ClipNoise(3, Frames(16), 0.5)([0] * 16, (4, 32, 32))
    assert noise.std().item() == pytest.approx(1, abs=0.02)
    assert np.corrcoef(noise[0].flatten(), noise[9].flatten())[0, 1] == pytest.approx(0.5, abs=0.05)
