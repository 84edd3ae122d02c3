"""`brandsmith base build pocket`: artwork and photos in, a diffusers folder out.

    artwork -> scenes (pool) -> VAE (encoder in closed form, decoder trained) -> CLIP pair, which learns to spell ->
    U-Net -> folder + two judges

Every stage is resumable and skips itself when its result is there; stop it any way and run it again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from brandsmith.core.files import write_json, write_safetensors
from brandsmith.judges.pocket_classes import VERSION, PocketClasses, all_words
from brandsmith.judges.pocket_clip import pair_folder
from brandsmith.pocket.artwork import COLOURS, OBJECT_WORDS, fetch_artwork
from brandsmith.pocket.classes import accuracy_on, chain_on_true, train_classes
from brandsmith.pocket.clip import build_clip, build_tokenizer, train_clip
from brandsmith.pocket.pool import ScenePool, draw_pool
from brandsmith.pocket.spelling import train_spelling
from brandsmith.pocket.stage import in_parallel
from brandsmith.pocket.unet import Captioned, build_scheduler, build_unet, encode_pool, prepare, train_unet
from brandsmith.pocket.vae import PatchCode, build_vae, fit_patch_code, train_decoder


@dataclass(frozen=True)
class Recipe:
    """Sizes of every stage of a full training. The shipped pocket had less: see its card."""

    num_scenes: int = 68_000
    decoder_steps: int = 6_000
    clip_steps: int = 1_500
    spelling_steps: int = 2_500
    unet_steps: int = 12_000  # of 48 scenes
    class_steps: int = 1_500
    seed: int = 1


STARTED_FROM = "started_from.txt"
"""In the working folder of a training that goes on from a finished base: the digest of its U-Net."""
SPLIT_SEED = 900_001
"""Scenes of this seed are never trained on: checks draw from them."""


def draw_scenes(work: Path, photos: Path | None, recipe: Recipe, num_workers: int = 2) -> tuple[ScenePool, ScenePool]:
    """The training pool and a small unseen pool."""
    artwork = fetch_artwork(work / "artwork")
    draw_pool(work / "pool", artwork, photos, seed=recipe.seed, num_scenes=recipe.num_scenes, num_workers=num_workers)
    draw_pool(
        work / "unseen",
        artwork,
        photos,
        seed=SPLIT_SEED,
        num_scenes=2_000,
        num_workers=num_workers,
        photo_split="unseen",
    )
    return ScenePool(work / "pool"), ScenePool(work / "unseen")


@torch.inference_mode()
def latent_scale(latents: np.ndarray) -> float:
    """Stable Diffusion's scaling factor: one over the standard deviation of the latents."""
    sample = np.asarray(latents[:: max(1, len(latents) // 2000)], np.float32)
    return float(1.0 / sample.std())


def kept_scaling(work: Path) -> float:
    """The scaling factor of the base that was started from, or of this training's own latents."""
    file = work / "scaling.txt"
    return (
        float(file.read_text(encoding="utf-8"))
        if file.is_file()
        else latent_scale(np.load(work / "latents.npy", mmap_mode="r"))
    )


def build_pocket(work: Path, output: Path, photos: Path | None, recipe: Recipe = Recipe()) -> None:
    """Run every stage below `work` and write the finished base to `output`."""
    pool, unseen = draw_scenes(work, photos, recipe)
    code = patch_code(work, pool)
    train_decoder(pool, code, work, num_steps=recipe.decoder_steps, seed=recipe.seed)
    tokenizer = _tokenizer(work, pool)
    clip = train_clip(pool, tokenizer, work, num_steps=recipe.clip_steps, seed=recipe.seed + 2)
    if not (work / STARTED_FROM).is_file():  # a finished base can spell
        clip = train_spelling(
            pool.captions, clip, tokenizer, work, num_steps=recipe.spelling_steps, seed=recipe.seed + 5
        )
    encode_pool(pool, code, work / "latents.npy")
    data = prepare(pool, work / "latents.npy", clip, tokenizer, kept_scaling(work), work)
    if torch.cuda.is_available():
        _train_unet_part(0, data, work, recipe, num_workers=1)
    else:
        in_parallel(_train_unet_part, UNET_WORKERS, data, work, recipe)
    assemble(work, output)
    write_judging_pair(pool, tokenizer, work, pair_folder(output), recipe)
    write_classes(output, pool, unseen, work, recipe)
    write_json(output / "recipe.json", asdict(recipe))


def _tokenizer(work: Path, pool: ScenePool) -> CLIPTokenizer:
    """Built once: the text tower knows its words by number."""
    if not (work / "tokenizer").is_dir():
        build_tokenizer(pool.captions).save_pretrained(work / "tokenizer")
    return CLIPTokenizer.from_pretrained(work / "tokenizer")


SCENES_PER_STEP = 48
UNET_WORKERS = 2


def _train_unet_part(_: int, data: Captioned, work: Path, recipe: Recipe, num_workers: int = UNET_WORKERS) -> None:
    clip, tokenizer = trained_clip(work)
    train_unet(
        data,
        clip,
        tokenizer,
        work,
        num_steps=recipe.unet_steps,
        seed=recipe.seed + 3,
        batch=SCENES_PER_STEP // num_workers,
    )


def trained_clip(work: Path) -> tuple[CLIPModel, CLIPTokenizer]:
    """The finished CLIP pair in `work`."""
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    clip = build_clip(tokenizer)
    clip.load_state_dict(torch.load(work / "clip.pt", weights_only=True, map_location="cpu")["average"])
    return clip.eval(), tokenizer


def patch_code(work: Path, pool: ScenePool | None = None) -> PatchCode:
    """The encoder's two matrices, fitted once and kept in `code.npz`."""
    file = work / "code.npz"
    if not file.is_file():
        assert pool is not None
        np.savez(file, **vars(fit_patch_code(pool)))
    with np.load(file) as kept:
        return PatchCode(kept["fine"], kept["coarse"], kept["mean"])


def assemble(work: Path, output: Path) -> None:
    """Write the folder from the checkpoints as they are now (also a look at a training that still runs)."""
    vae, unet = build_vae(patch_code(work)), build_unet()
    clip, tokenizer = trained_clip(work)
    for model, name in ((vae, "decoder"), (unet, "unet")):
        model.load_state_dict(torch.load(work / f"{name}.pt", weights_only=True, map_location="cpu")["average"])
    write_base(output, unet, vae, clip, tokenizer, kept_scaling(work))


def write_base(
    output: Path, unet, vae: AutoencoderKL, clip: CLIPModel, tokenizer: CLIPTokenizer, scaling: float
) -> None:
    """A diffusers folder in fp16, plus the image tower (for CLIP scores) beside it."""
    text = CLIPTextModel(clip.config.text_config)
    text.load_state_dict(
        {k.removeprefix("text_model."): v for k, v in clip.text_model.state_dict().items()}, strict=False
    )
    _check_same_states(text, clip)
    vae.register_to_config(scaling_factor=scaling)
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to("cpu", torch.float16).save_pretrained(output)
    # The image tower and both projections; the text tower is the text_encoder already written.
    clip_half = {
        k: v.half() for k, v in clip.state_dict().items() if v.is_floating_point() and not k.startswith("text_model.")
    }
    write_safetensors(output / "clip" / "model.safetensors", clip_half, {"format": "pt"})
    clip.config.save_pretrained(output / "clip")
    for file in output.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)


def write_judging_pair(pool: ScenePool, tokenizer: CLIPTokenizer, work: Path, output: Path, recipe: Recipe) -> None:
    """A second CLIP pair, trained apart from the one that conditions the U-Net: the judges `clip_pocket` look through
    it.
    """
    pair = train_clip(pool, tokenizer, work, num_steps=recipe.clip_steps, seed=recipe.seed + 7, name="clip_judge")
    pair.cpu().half().save_pretrained(output)
    tokenizer.save_pretrained(output)


def _check_same_states(text: CLIPTextModel, clip: CLIPModel) -> None:
    ids = torch.arange(8)[None] + 5
    with torch.inference_mode():
        same = torch.allclose(text.eval()(ids)[0], clip.eval().text_model(ids)[0], atol=1e-5)
    if not same:
        raise RuntimeError("the text encoder to be written differs from the trained text tower")


def write_classes(output: Path, pool: ScenePool, unseen: ScenePool, work: Path, recipe: Recipe) -> dict:
    """Train the true-scene classifier and write it with its card."""
    seen_in_photos = {thing["word"] for truth in pool.truths if truth["look"] == "photo" for thing in truth["things"]}
    colours, photo_words = list(COLOURS), sorted(seen_in_photos)
    words = all_words(OBJECT_WORDS, photo_words)
    net = train_classes(pool, words, colours, work, num_steps=recipe.class_steps, seed=recipe.seed + 4)
    card = {
        "version": VERSION,
        "words": list(OBJECT_WORDS),
        "photo_words": photo_words,
        "colours": colours,
        **accuracy_on(unseen, net, words, colours, len(unseen)),
    }
    half = {k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}
    write_safetensors(output / "classes.safetensors", half, {"trained_on": "true scenes only"})
    write_json(output / "classes.json", card)
    card["chain_on_true"] = chain_on_true(unseen, PocketClasses(output))
    write_json(output / "classes.json", card)
    print(json.dumps({k: v for k, v in card.items() if not isinstance(v, list)}))
    return card
