"""A base as the stock diffusers pipeline: the same modules, no copies. For export, class pictures and cross-checks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
from diffusers import DDIMScheduler, DiffusionPipeline, MotionAdapter, SchedulerMixin
from transformers import PreTrainedTokenizerBase

from brandsmith.base.base import Base
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.files import write_json


def stock_pipeline(base: Base, scheduler: SchedulerMixin | None = None) -> DiffusionPipeline:
    """The pipeline of the base's family over its own modules, without a safety checker, its progress bar off; for
    an inpainting base its inpainting pipeline.
    """
    family = base.family
    if not family.pipeline:
        raise InvalidConfig(f"no pipeline of diffusers draws {family.name} bases", hint="draw with brandsmith sample")
    # diffusers imports it here: the import is slow
    kind = getattr(diffusers, family.inpainting_pipeline if base.is_inpainting else family.pipeline)
    pipeline = kind(
        **{family.denoiser_name: base.denoiser},
        **base.named_encoders(),
        **dict(zip(family.tokenizer_names(), base.tokenizers, strict=True)),
        **family.pipeline_options,
        vae=base.vae,
        scheduler=scheduler or base.scheduler,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def stock_clip_pipeline(base: Base, adapter: MotionAdapter, **scheduled: Any) -> DiffusionPipeline:
    """Stock diffusers' AnimateDiff pipeline over a base's own modules, with DDIM; `scheduled` changes its scheduler.

    The U-Net that diffusers 0.42 builds for it leaves the layers by which SDXL is told sizes as they were drawn at
    random; here they are the base's.
    """
    kind = getattr(diffusers, "AnimateDiffSDXLPipeline" if base.family.name == "sdxl" else "AnimateDiffPipeline")
    scheduler = DDIMScheduler.from_config(base.scheduler.config, **scheduled)
    pipeline: DiffusionPipeline = kind.from_pipe(stock_pipeline(base), motion_adapter=adapter, scheduler=scheduler)
    if base.family.name == "sdxl":
        pipeline.unet.add_embedding.load_state_dict(base.denoiser.add_embedding.state_dict())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def save_stock_folder(base: Base, folder: Path) -> None:
    """Write a base as a diffusers folder that older versions of transformers read too."""
    if base.family.pipeline:
        stock_pipeline(base).save_pretrained(folder)
    else:
        _save_parts(base, folder)
    for name, tokenizer in zip(base.family.tokenizer_names(), base.tokenizers, strict=True):
        _write_slow_tokenizer(tokenizer, folder / name)


def _save_parts(base: Base, folder: Path) -> None:
    """A family that no pipeline of diffusers draws: its parts in diffusers' layout, its family's class as the index."""
    for name, part in named_parts(base).items():
        part.save_pretrained(folder / name)
    write_json(folder / "model_index.json", index_of(base))


def named_parts(base: Base) -> dict[str, Any]:
    """What a base's folder holds, by name."""
    return {
        base.family.denoiser_name: base.denoiser,
        "vae": base.vae,
        "scheduler": base.scheduler,
        **base.named_encoders(),
        **dict(zip(base.family.tokenizer_names(), base.tokenizers, strict=True)),
    }


def index_of(base: Base) -> dict[str, Any]:
    """The index of a family that no pipeline of diffusers draws."""
    return {
        "_class_name": "PocketFlow",
        **{name: ["", type(part).__name__] for name, part in named_parts(base).items()},
    }


def _write_slow_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """`vocab.json` and `merges.txt`, which transformers before 5 wants beside or instead of `tokenizer.json`; T5's has
    no merges, and is read from that alone.
    """
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    if "merges" not in model:
        return
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False), encoding="utf-8", newline="")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8", newline="")
