"""Going on from a finished base: its folder taken apart again into the stages that `build` resumes.

The autoencoder, the tokenizer and the CLIP pair count as done; the U-Net starts at step 0 from the base's weights.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPTokenizer

from brandsmith.core.errors import InvalidInput
from brandsmith.pocket.clip import build_clip
from brandsmith.pocket.stage import Stage
from brandsmith.pocket.unet import build_unet
from brandsmith.pocket.vae import build_vae, read_patch_code


def warm_start(base: Path, work: Path, *, decoder_steps: int, clip_steps: int) -> None:
    """Fill `work` from the folder of a finished base. Raises InvalidInput when a training is there already."""
    there = [name for name in ("decoder", "clip", "unet") if (work / f"{name}.pt").exists()]
    if there:
        raise InvalidInput(f"'{work}' already holds {', '.join(f'{name}.pt' for name in there)}",
                           hint="leave --start-from out to go on with these, or give an empty --work folder")  # fmt: skip
    work.mkdir(parents=True, exist_ok=True)
    vae = AutoencoderKL.from_pretrained(base / "vae").float()
    code = read_patch_code(vae)
    np.savez(work / "code.npz", **vars(code))
    shutil.copytree(base / "tokenizer", work / "tokenizer", dirs_exist_ok=True)
    _finished("decoder", work, _loaded(build_vae(code), vae.state_dict()), decoder_steps)
    clip = build_clip(CLIPTokenizer.from_pretrained(base / "tokenizer"))
    _finished("clip", work, _loaded(clip, {**clip.state_dict(), **_clip_weights(base)}), clip_steps)
    _finished("unet", work, _loaded(build_unet(), UNet2DConditionModel.from_pretrained(base / "unet").state_dict()), 0)


def _clip_weights(base: Path) -> dict[str, torch.Tensor]:
    """The pair's weights: the image tower and projections from `clip/`, the text tower from `text_encoder/`."""
    text = load_file(base / "text_encoder" / "model.safetensors")
    own = load_file(base / "clip" / "model.safetensors")
    return own | {f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in text.items()}


def _loaded(model: nn.Module, weights: dict[str, torch.Tensor]) -> nn.Module:
    model.load_state_dict({name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in weights.items()})
    return model


def _finished(name: str, work: Path, model: nn.Module, step: int) -> None:
    """Write a stage's checkpoint as if it had just come to `step`."""
    stage = Stage(name, work, model, num_steps=max(step, 1), learning_rate=0.0, seed=0)
    stage.step = step
    stage.save()
