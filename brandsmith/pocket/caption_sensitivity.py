"""`python -m brandsmith.pocket.caption_sensitivity WORK`: which words of a caption the denoiser uses, measured on a
training that still runs.

Plain objects are noised and denoised with their own caption and with one word of it exchanged. How much a wrong object
word raises the error, and a wrong colour word, at each level of noise: 0 % means that the word is ignored. It moves
long before any sampled picture shows the object.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel

from brandsmith.pocket.artwork import COLOURS, OBJECT_WORDS
from brandsmith.pocket.build import latent_scale, patch_code, trained_clip
from brandsmith.pocket.pool import ScenePool
from brandsmith.pocket.unet import build_scheduler, build_unet, encode_captions, kind_of

LEVELS = (999, 850, 700, 600, 500, 400, 300, 150)


def exchanged(truth: dict, key: str, words: tuple[str, ...], rng: np.random.Generator) -> str:
    """The caption with the object's `key` ('word' or 'colour') replaced by another one of `words`."""
    own = truth["things"][0][key]
    other = str(rng.choice([word for word in words if word != own]))
    return truth["caption"].replace(own, other, 1)


def plain_objects(truths: list[dict], count: int) -> np.ndarray:
    """Rows of `count` scenes of one coloured object whose caption calls it by its own word."""
    chosen = [
        i
        for i, t in enumerate(truths)
        if kind_of(t) == "single" and t["things"][0]["colour"] and t["things"][0]["word"] in t["caption"]
    ]
    return np.array(chosen)[np.linspace(0, len(chosen) - 1, min(count, len(chosen))).astype(int)]


@torch.inference_mode()
def errors(
    unet: UNet2DConditionModel, scheduler: DDPMScheduler, latents: torch.Tensor, texts: list[torch.Tensor], level: int
) -> list[float]:
    """Mean squared error of x0 at one timestep under each of several captionings, on the same noise."""
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    times = torch.full((len(latents),), level)
    noisy = scheduler.add_noise(latents, noise, times)
    predicted = []
    for text in texts:
        parts = zip(noisy.split(32), times.split(32), text.split(32), strict=True)
        predicted.append(torch.cat([unet(n, t, encoder_hidden_states=x).sample for n, t, x in parts]))
    return [float((p - latents).square().mean()) for p in predicted]


def main(work: Path, count: int = 96) -> None:
    pool, code = ScenePool(work / "pool"), patch_code(work)
    clip, tokenizer = trained_clip(work)
    unet = build_unet()
    unet.load_state_dict(torch.load(work / "unet.pt", weights_only=True, map_location="cpu")["average"])
    rng = np.random.default_rng(0)
    rows = plain_objects(pool.truths, count)
    truths = [pool.truths[i] for i in rows]
    latents = torch.from_numpy(code.encode(pool.pixels[rows])) * latent_scale(
        np.load(work / "latents.npy", mmap_mode="r")
    )
    captions = {
        "true": [t["caption"] for t in truths],
        "object": [exchanged(t, "word", tuple(OBJECT_WORDS), rng) for t in truths],
        "colour": [exchanged(t, "colour", tuple(COLOURS), rng) for t in truths],
    }
    texts = [encode_captions(own, clip, tokenizer, tokenizer.model_max_length).float() for own in captions.values()]
    for level in LEVELS:
        own, thing, colour = errors(unet.eval(), build_scheduler(), latents, texts, level)
        print(
            f"t {level:3}  error {own:.4f}  wrong object {thing / own - 1:+7.1%}  wrong colour {colour / own - 1:+7.1%}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
