"""pocket's moving world, and the temporal layers that learn from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import MotionAdapter
from PIL import Image

from brandsmith.base.base import pocket_folder
from brandsmith.base.motion import Frames, moving
from brandsmith.base.sources import load_base
from brandsmith.core.errors import InvalidInput
from brandsmith.pocket.artwork import DRAWN_WORDS, Artwork
from brandsmith.pocket.command import build_named
from brandsmith.pocket.motion import MotionRecipe, Shown, build_motion, mixed_noise, train_motion, write_motion
from brandsmith.pocket.motion_art import animation_frames, captions_of, encode_animations
from brandsmith.pocket.motion_paths import MOVES, random_path
from brandsmith.pocket.motion_scenes import KINDS, World, film
from brandsmith.pocket.vae import read_patch_code

WORLD = World(Artwork(Path("no-artwork-here")), DRAWN_WORDS)


def clip(kind: str, seed: int, frames: int = 6):
    rng = np.random.default_rng(seed)
    return film(KINDS[kind](WORLD, rng, None), rng, frames)


@pytest.mark.slow
def test_a_clip_follows_from_its_generator():
    one, again, other = (clip("branded", seed) for seed in (3, 3, 4))
    assert one.pixels.shape == (6, 128, 128, 3) and one.pixels.dtype == np.uint8
    assert np.array_equal(one.pixels, again.pixels) and one.caption == again.caption
    assert not np.array_equal(one.pixels, other.pixels)


@pytest.mark.slow
def test_a_mark_moves_with_its_product():
    """What is printed is the same in every frame: brought back to where it was, hardly a colour differs."""
    drawn = next(own for own in (clip("branded", seed) for seed in range(30)) if "moving to" in own.caption)
    centres = np.array([np.argwhere(where).mean(axis=0) for where in drawn.marked])
    assert np.abs(centres[-1] - centres[0]).max() > 3
    down, right = np.round(centres[-1] - centres[0]).astype(int)
    back = np.roll(drawn.pixels[-1], (-down, -right), axis=(0, 1)).astype(int)
    inside = drawn.marked[0] & np.roll(drawn.marked[-1], (-down, -right), axis=(0, 1))
    assert inside.sum() > 200
    assert np.abs(back - drawn.pixels[0])[inside].mean() < 12


@pytest.mark.parametrize("name", MOVES)
def test_every_move_moves(name):
    path = MOVES[name][0](np.random.default_rng(1), np.arange(16) / 16)
    assert path.words
    corners = [path.matrix(i, (128, 200)) @ np.array([100, 60, 1]) for i in range(16)]
    assert np.ptp(corners, axis=0).max() > 3


def test_the_camera_only_pans_and_zooms():
    assert {random_path(np.random.default_rng(i), 4, camera=True).angle.any() for i in range(20)} == {False}


@pytest.mark.slow
def test_animations_are_read_captioned_and_encoded_once(tmp_path):
    art = tmp_path / "assets"
    art.mkdir()
    sprites = [Image.new("RGBA", (64, 64)) for _ in range(48)]
    for i, sprite in enumerate(sprites):
        sprite.paste((200, 30, 30, 255), (i // 2, 20 + i % 2, i // 2 + 30, 50))
    sprites[0].save(art / "1f408.webp", save_all=True, append_images=sprites[1:], duration=42, lossless=True)
    sprites[0].save(art / "1f415.webp")
    names = tmp_path / "data.json"
    names.write_text(json.dumps([{"label": "Cat", "hexcode": "1F408"}, {"label": "dog", "hexcode": "1F415"}]))
    assert captions_of(names)["1f408"] == "cat, moving"
    assert animation_frames(art / "1f415.webp", np.random.default_rng(0)) is None, "one picture"
    code = read_patch_code(load_base("pocket").vae)
    (found,) = encode_animations(tmp_path / "encoded", art, names, code, seed=1)
    assert found.caption == "cat, moving" and found.latents.shape == (16, 32, 16, 16)
    (art / "1f408.webp").unlink()
    assert encode_animations(tmp_path / "encoded", art, names, code, seed=1) == [], "no animation, no latents"


def test_noise_is_shared_as_asked():
    noise = mixed_noise(np.random.default_rng(0), (16, 8, 32, 32), 0.5)
    assert noise.std().item() == pytest.approx(1, abs=0.03)
    assert np.corrcoef(noise[0].flatten(), noise[5].flatten())[0, 1] == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_layers_begin_silent_learn_and_are_small(tmp_path):
    base = load_base("pocket").freeze()
    adapter = build_motion(base.denoiser)
    rows, text = torch.randn(4, 32, 16, 16), torch.randn(1, 48, 192).expand(4, -1, -1)
    with torch.no_grad():
        plain = base.denoiser(rows, torch.tensor(500), encoder_hidden_states=text).sample
        with moving(base.denoiser, adapter, Frames(4)):
            assert torch.equal(base.denoiser(rows, torch.tensor(500), encoder_hidden_states=text).sample, plain)
    before = base.denoiser.conv_in.weight.clone()
    shown = FewKinds(WORLD, [], read_patch_code(base.vae), float(base.vae.config.scaling_factor))
    trained, steps = train_motion(base, shown, tmp_path, MotionRecipe(minutes=5, num_steps=3))
    assert steps == 3 and torch.equal(base.denoiser.conv_in.weight, before), "the U-Net is frozen"
    assert any(module.proj_out.weight.abs().max() > 0 for module in trained.down_blocks[0].motion_modules)
    write_motion(trained, tmp_path / "out", MotionRecipe(), steps)
    size = (tmp_path / "out" / "diffusion_pytorch_model.safetensors").stat().st_size
    assert size <= 4 * 2**20
    assert MotionAdapter.from_pretrained(tmp_path / "out").config.block_out_channels == [96, 128, 208]


class FewKinds(Shown):
    """Scenes that need no artwork on disk."""

    def clip(self, rng):
        scene = film(KINDS["branded"](self.world, rng, None), rng, 16)
        return torch.from_numpy(self.code.encode(scene.pixels)) * self.scaling, scene.caption, torch.ones(16, 1, 16, 16)


def test_options_of_another_recipe_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="--unet-steps would change nothing"):
        build_named("pocket-motion", tmp_path / "work", tmp_path / "out", None, unet_steps=3)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "mine.txt").write_text("x")
    with pytest.raises(InvalidInput, match="holds other files"):
        build_named("pocket-motion", tmp_path / "work", tmp_path / "out", None)
    assert pocket_folder().is_dir()
