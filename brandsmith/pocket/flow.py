"""`brandsmith base build pocket-flow`: a small rectified-flow transformer on pocket's own latents and text.

    scenes (pool, as pocket's) -> latents by pocket's encoder, captions by its text tower -> transformer -> folder

Blocks as FLUX.2 klein has them (`base/families/pocketflow.py`), 8 x 8 tokens of 2 x 2 cells. Autoencoder, text tower
and tokenizer are pocket's and are not trained. Every stage resumes where it stopped, and a finished one does nothing.

    python -m brandsmith.pocket.flow WORK OUT   the base as a training has it now, to look at
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, Flux2Transformer2DModel

from brandsmith.base.base import Base, Conditioning, predict
from brandsmith.base.families.pocketflow import LEAST_NOISE, velocity
from brandsmith.base.families.registry import FAMILIES
from brandsmith.base.shared_parts import KEY, OWNER
from brandsmith.base.sources import load_base
from brandsmith.base.stock import index_of
from brandsmith.core.errors import MissingResource
from brandsmith.core.files import write_json
from brandsmith.pocket.artwork import fetch_artwork
from brandsmith.pocket.pool import ScenePool, draw_pool
from brandsmith.pocket.stage import Stage, StageSettings, compute_device, fast_autocast
from brandsmith.pocket.unet import CAPTION_DROPOUT, Captioned, encode_pool, prepare
from brandsmith.pocket.vae import read_patch_code

SHIFT = 2.0
"""Of the noise schedule, in training and drawing: what is drawn is decided at high noise."""
STAGE = "flow"


@dataclass(frozen=True)
class FlowRecipe:
    """Sizes of a full training; not yet run to its end (docs/flow.md)."""

    num_scenes: int = 68_000
    steps: int = 60_000
    batch: int = 32
    learning_rate: float = 1e-3
    warmup_steps: int = 500
    seed: int = 1


def build_transformer(
    text_width: int, latent_channels: int, *, heads: int = 5, blocks: tuple[int, int] = (2, 4)
) -> Flux2Transformer2DModel:
    """blocks: how many of two streams and of one. As it stands less than 10 MiB in fp16."""
    return Flux2Transformer2DModel(
        in_channels=4 * latent_channels,
        num_layers=blocks[0],
        num_single_layers=blocks[1],
        attention_head_dim=32,
        num_attention_heads=heads,
        joint_attention_dim=text_width,
        timestep_guidance_channels=64,
        axes_dims_rope=(8, 8, 8, 8),
        guidance_embeds=False,
    )


def flow_base(pocket: Base, transformer: Flux2Transformer2DModel | None = None) -> Base:
    """pocket's autoencoder, text tower and tokenizer around a transformer (None: a new one)."""
    width, channels = pocket.text_encoders[0].config.hidden_size, pocket.vae.config.latent_channels
    transformer = transformer or build_transformer(width, channels)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=SHIFT)
    parts = (pocket.vae, pocket.text_encoders, pocket.tokenizers, scheduler)
    return Base("pocket-flow", FAMILIES["pocketflow"], transformer, *parts)


def build_pocket_flow(work: Path, output: Path, photos: Path | None, recipe: FlowRecipe = FlowRecipe()) -> None:
    """Run every stage below `work` and write the base to `output`."""
    artwork = fetch_artwork(work / "artwork")
    draw_pool(work / "pool", artwork, photos, seed=recipe.seed, num_scenes=recipe.num_scenes)
    pool, pocket = ScenePool(work / "pool"), load_base("pocket", dtype=torch.float32)
    encode_pool(pool, read_patch_code(pocket.vae), work / "latents.npy")
    scaling = float(pocket.vae.config.scaling_factor)
    data = prepare(pool, work / "latents.npy", pocket.text_encoders[0], pocket.tokenizer, scaling, work)
    base = flow_base(pocket)
    train_flow(base, pocket, data, work, recipe)
    write_flow(base, output)


def write_flow(base: Base, output: Path) -> None:
    """The transformer in fp16 and what is its own, over what an earlier call wrote; the other parts are pocket's."""
    base.denoiser.to("cpu", torch.float16).save_pretrained(output / "transformer")
    base.scheduler.save_pretrained(output / "scheduler")
    write_json(output / "model_index.json", index_of(base) | {KEY: OWNER})


def write_averaged(work: Path, output: Path) -> int:
    """The base as a training in `work` has it now, which may still go on; returns the step. Raises MissingResource."""
    checkpoint = work / f"{STAGE}.pt"
    if not checkpoint.is_file():
        raise MissingResource(f"no training of pocket-flow in '{work}' (no {checkpoint.name})", hint="give its --work")
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    base = flow_base(load_base("pocket", device="cpu", dtype=torch.float32))
    base.denoiser.load_state_dict(state["average"])
    write_flow(base, output)
    return int(state["step"])


def train_flow(base: Base, pocket: Base, data: Captioned, folder: Path, recipe: FlowRecipe) -> None:
    """Train the transformer of `base` on cached latents and text states; it ends with its averaged weights.

    Where much is noise it learns what `pocket` expects instead of the one picture that happens to be there: a mean has
    no noise in it, and far fewer steps say as much (Hinton et al. 2015, "Distilling the Knowledge in a Neural
    Network"; pocket is a flow at other times, as `Teacher` says).
    """
    device = compute_device()
    torch.manual_seed(recipe.seed + 3)
    transformer = base.denoiser.to(device).requires_grad_(True)
    silence(transformer)
    teacher = Teacher(pocket.to(device, torch.float32))
    latents, states = np.load(data.latents, mmap_mode="r"), np.load(data.states, mmap_mode="r")
    settings = StageSettings(
        recipe.steps, recipe.learning_rate, 0.999, warmup_steps=recipe.warmup_steps, fall=0.3, muon=True
    )
    stage = Stage(STAGE, folder, transformer, settings, seed=recipe.seed + 3)
    bounds, batch = np.cumsum(data.share), recipe.batch

    def loss_of(step: int, rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, list[float]]]:
        rows = np.searchsorted(bounds, rng.random(batch)).clip(max=len(latents) - 1)
        words = np.where(rng.random(batch) < CAPTION_DROPOUT, len(states) - 1, data.caption_row[rows])
        x = torch.from_numpy(latents[rows].astype(np.float32)).to(device) * data.scaling
        text = Conditioning(torch.from_numpy(states[words].astype(np.float32)).to(device))
        noise = torch.from_numpy(rng.standard_normal(x.shape, np.float32)).to(device)
        sigma = torch.from_numpy(shares_of_noise(rng, batch)).to(device)
        at = sigma.view(-1, 1, 1, 1)
        noisy = (1 - at) * x + at * noise
        with fast_autocast(device):
            expected = teacher.clean(noisy, sigma, text)
            predicted = predict(base, noisy, 1000 * sigma, text)
        wanted = velocity(noisy, torch.lerp(x, expected, trust(at)), sigma)
        error = (predicted.float() - wanted).square().mean(dim=(1, 2, 3)) * weight(sigma)
        return error.mean(), {"mse": [round(float(part.mean()), 4) for part in error.detach().chunk(4)]}

    stage.run(loss_of, log_every=min(50, max(1, recipe.steps // 8)))
    stage.averaged_model().requires_grad_(False)


def weight(sigma: torch.Tensor) -> torch.Tensor:
    """(N,), which keeps a nearly finished picture's velocity, stretched by its little noise, from deciding alone."""
    return (sigma.clamp(min=LEAST_NOISE) / sigma.clamp(min=0.2)).square()


def trust(sigma: torch.Tensor) -> torch.Tensor:
    """How far the teacher is believed, from 0 below a tenth of noise, where the picture itself says more, to 1."""
    return ((sigma - 0.1) / 0.3).clamp(0, 1)


class Teacher:
    """What `pocket` expects behind noisy latents of a flow. Both have the same ratio of signal to noise at some time of
    each, where their latents differ by a factor (Karras et al. 2022, "Elucidating the Design Space").
    """

    def __init__(self, pocket: Base) -> None:
        self.pocket = pocket
        kept = np.asarray(pocket.scheduler.alphas_cumprod, np.float64)
        self.ratios = np.log(kept / (1 - kept)) / 2

    def timesteps(self, sigma: torch.Tensor) -> torch.Tensor:
        """pocket's (N,), between two of its own where need be, for shares of noise (N,)."""
        ratio = np.log((1 - sigma.double().cpu().numpy()).clip(1e-9) / sigma.double().cpu().numpy().clip(1e-9))
        at = np.interp(-ratio, -self.ratios, np.arange(len(self.ratios)))
        return torch.from_numpy(at.astype(np.float32)).to(sigma.device)

    @torch.no_grad()
    def clean(self, noisy: torch.Tensor, sigma: torch.Tensor, text: Conditioning) -> torch.Tensor:
        """(N, C, h, w)"""
        scale = ((1 - sigma).square() + sigma.square()).rsqrt().view(-1, 1, 1, 1)
        return predict(self.pocket, noisy * scale, self.timesteps(sigma), text).float()


def silence(transformer: torch.nn.Module) -> None:
    """The last layer starts at zero, so that early steps learn and do not undo."""
    torch.nn.init.zeros_(transformer.get_submodule("proj_out").weight)  # type: ignore[arg-type]


def shares_of_noise(rng: np.random.Generator, count: int) -> np.ndarray:
    """sigma (count,) fp32, rising and stratified, moved to more noise by SHIFT."""
    even = (np.arange(count) + rng.random(count)) / count
    return (SHIFT * even / (1 + (SHIFT - 1) * even)).astype(np.float32)


if __name__ == "__main__":
    print(f"step {write_averaged(Path(sys.argv[1]), Path(sys.argv[2]))}")
