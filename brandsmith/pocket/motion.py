"""`brandsmith base build pocket-motion`: temporal layers for pocket, in diffusers' `MotionAdapter` format.

    animated art, moving scenes -> latents -> temporal layers, with the U-Net frozen -> folder

Because the U-Net stays as it is, everything that is taught to pocket moves. The layers are small (1.97 M weights, 3.75
MiB as fp16): attention over time at 16 x 16 and 8 x 8, none at 4 x 4. They begin silent: step 0 is pocket itself. The
error is pocket's own (x0, weighted as v's), three times as much where a mark is. The noise of a clip's frames has a
share in common that differs from clip to clip (Ge et al. 2023, "Preserve Your Own Correlation", call it mixed noise):
frames that start alike stay alike, and layers that have seen any share can be drawn with any.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import MotionAdapter, UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor
from torch import nn

from brandsmith.base.base import Base
from brandsmith.base.hardware import multiplies_bf16
from brandsmith.base.motion import Frames, moving
from brandsmith.base.motion_files import MOTION_FILE
from brandsmith.base.noising import snr_plus_one
from brandsmith.base.sources import load_base
from brandsmith.core.files import replacing_folder, write_json
from brandsmith.pocket.artwork import Artwork, fetch_artwork
from brandsmith.pocket.motion_art import Animation, encode_animations, fetch_animations
from brandsmith.pocket.motion_scenes import World, moving_scene
from brandsmith.pocket.stage import Stage, StageSettings, compute_device, fast_autocast
from brandsmith.pocket.unet import CAPTION_DROPOUT
from brandsmith.pocket.vae import PatchCode, read_patch_code

NUM_FRAMES = 16
ANIMATED = 0.3
"""Share of what is shown that is animated art; the rest are scenes."""
MOST_COMMON = 0.8
"""The largest share of noise that a clip's frames have in common."""
COMMON_NOISE = 0.7
"""The share to draw with."""
MARK_WEIGHT = 3.0
"""Times as much as elsewhere, where the mark is: pocket's own."""


@dataclass(frozen=True)
class MotionRecipe:
    """How long, and how fast."""

    minutes: float = 70.0
    num_steps: int = 20_000
    """At most so many, of one clip of 16 frames."""
    learning_rate: float = 8e-4
    seed: int = 23


def build_motion(unet: UNet2DConditionModel) -> MotionAdapter:
    """Silent temporal layers that fit this U-Net: none at its coarsest level, where all the weights would be."""
    widths = tuple(unet.config.block_out_channels)
    adapter = MotionAdapter(
        block_out_channels=widths,
        motion_layers_per_block=unet.config.layers_per_block,
        motion_transformer_layers_per_block=(*(1,) * (len(widths) - 1), 0),
        motion_num_attention_heads=4,
        motion_norm_num_groups=unet.config.norm_num_groups,
        use_motion_mid_block=False,
    )
    for name, module in adapter.named_modules():
        if name.endswith("proj_out"):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
        if len(getattr(module, "transformer_blocks", (1,))) == 0:
            module.requires_grad_(False)
    return adapter


def build_pocket_motion(work: Path, out: Path, recipe: MotionRecipe) -> None:
    """Train in `work`, which is gone on from, and write the layers to `out`; nothing where they are there already."""
    if (out / MOTION_FILE).is_file():
        return
    base = load_base("pocket").freeze()
    code = read_patch_code(base.vae)
    animations = encode_animations(work / "encoded", *fetch_animations(work), code, recipe.seed)
    world = World(Artwork(fetch_artwork(work / "artwork")))
    shown = Shown(world, animations, code, float(base.vae.config.scaling_factor))
    adapter, steps = train_motion(base, shown, work, recipe)
    write_motion(adapter, out, recipe, steps)


def write_motion(adapter: MotionAdapter, out: Path, recipe: MotionRecipe, steps: int) -> None:
    """fp16 weights as diffusers has them, and what is to be known of them (`base/motion_files.py`)."""
    facts = {"common_noise": COMMON_NOISE, "steps": steps, "learning_rate": recipe.learning_rate, "seed": recipe.seed}
    with replacing_folder(out) as partial:
        adapter.half().save_pretrained(partial)
        write_json(partial / MOTION_FILE, facts)


@dataclass(frozen=True)
class Shown:
    """What the layers are trained on: every step names its clip."""

    world: World
    animations: list[Animation]
    code: PatchCode
    scaling: float

    def clip(self, rng: np.random.Generator) -> tuple[torch.Tensor, str, torch.Tensor]:
        """Scaled latents (F, 32, 16, 16), a caption, and how much each cell counts (F, 1, 16, 16)."""
        if rng.random() < ANIMATED:
            chosen = self.animations[int(rng.integers(len(self.animations)))]
            first = int(rng.integers(len(chosen.latents)))
            rows = (first + np.arange(NUM_FRAMES)) % len(chosen.latents)
            latents = torch.from_numpy(chosen.latents[rows].astype(np.float32))
            return latents * self.scaling, chosen.caption, torch.ones(NUM_FRAMES, 1, 16, 16)
        scene = moving_scene(self.world, rng, NUM_FRAMES)
        latents = torch.from_numpy(self.code.encode(scene.pixels))
        share = torch.from_numpy(scene.marked.reshape(NUM_FRAMES, 1, 16, 8, 16, 8).mean(axis=(3, 5), dtype=np.float32))
        return latents * self.scaling, scene.caption, 1 + (MARK_WEIGHT - 1) * (share > 0).float()


def mixed_noise(rng: np.random.Generator, shape: tuple[int, ...], common: float) -> torch.Tensor:
    """Standard normal noise (F, C, h, w) of which the frames have a share `common` of the variance in common."""
    own = rng.standard_normal(shape, np.float32)
    alike = rng.standard_normal(shape[1:], np.float32)
    return torch.from_numpy(np.sqrt(common) * alike[None] + np.sqrt(1 - common) * own).float()


def train_motion(base: Base, shown: Shown, work: Path, recipe: MotionRecipe) -> tuple[MotionAdapter, int]:
    """The averaged layers, and how many steps they have had."""
    device = compute_device()
    torch.manual_seed(recipe.seed)
    unet = base.to(device).denoiser
    assert isinstance(unet, UNet2DConditionModel)
    adapter = build_motion(unet).to(device)
    unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's annotations lack this argument
    if device.type == "cpu" and multiplies_bf16(device):
        _plain_attention(unet, adapter)
    settings = StageSettings(
        num_steps=recipe.num_steps,
        learning_rate=recipe.learning_rate,
        ema_decay=0.995,
        warmup_steps=100,
        fall=0.6,
        muon=True,
        limit_sec=60 * recipe.minutes,
    )
    stage = Stage("motion", work, adapter, settings, seed=recipe.seed)
    weight = snr_plus_one(base.scheduler.alphas_cumprod).to(device)

    def loss_of(step: int, rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        clean, caption, cells = shown.clip(rng)
        t = torch.full((NUM_FRAMES,), int(1000 * np.sqrt(rng.random())), device=device)
        noise = mixed_noise(rng, tuple(clean.shape), MOST_COMMON * rng.random())
        clean, noise, cells = clean.to(device), noise.to(device), cells.to(device)
        noisy = base.scheduler.add_noise(clean, noise, t)
        text = _text(base, "" if rng.random() < CAPTION_DROPOUT else caption)
        with fast_autocast(device), moving(unet, adapter, Frames(NUM_FRAMES)):
            given = noisy.contiguous(memory_format=torch.channels_last)
            predicted = unet(given, t, encoder_hidden_states=text.expand(NUM_FRAMES, -1, -1)).sample
        error = (predicted.float() - clean).square() * cells / cells.mean()
        return error.mean() * weight[t[0]], {"t": int(t[0]), "mse": round(float(error.detach().mean()), 4)}

    stage.run(loss_of, log_every=10)
    averaged = stage.averaged_model()
    unet.set_default_attn_processor()
    return averaged, stage.step


@torch.no_grad()
def _text(base: Base, caption: str) -> torch.Tensor:
    """Text states (1, tokens, width)."""
    tokenizer = base.tokenizer
    ids = tokenizer(caption, padding="max_length", truncation=True, return_tensors="pt").input_ids
    return base.text_encoders[0](ids.to(base.device))[0]


def _plain_attention(*modules: nn.Module) -> None:
    """Fused attention is slow in bf16 on CPUs."""
    for module in modules:
        for part in module.modules():
            if isinstance(part, Attention):
                part.set_processor(AttnProcessor())
