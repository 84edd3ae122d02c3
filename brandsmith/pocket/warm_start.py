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
from brandsmith.core.files import sha256_of, write_text
from brandsmith.pocket.build import STARTED_FROM
from brandsmith.pocket.clip import build_clip
from brandsmith.pocket.stage import Stage, StageSettings
from brandsmith.pocket.unet import build_unet
from brandsmith.pocket.vae import build_vae, read_patch_code

UNET_FILE = Path("unet") / "diffusion_pytorch_model.safetensors"


def warm_start(base: Path, work: Path, *, decoder_steps: int, clip_steps: int) -> None:
    """Fill `work` from the folder of a finished base; a second call does nothing, so that the same command goes on.

    Raises InvalidInput, with nothing written, when another training is in `work` or the base is not built like pocket.
    """
    digest = sha256_of(base / UNET_FILE) if (base / UNET_FILE).is_file() else None
    if digest is None or not all((base / part).is_dir() for part in ("vae", "tokenizer", "text_encoder", "clip")):
        raise InvalidInput(
            f"'{base}' is not built like pocket", hint="--start-from takes 'pocket' or what 'base build' wrote"
        )
    if (work / STARTED_FROM).is_file() and (work / STARTED_FROM).read_text(encoding="utf-8") == digest:
        return
    there = [name for name in ("decoder.pt", "clip.pt", "unet.pt", STARTED_FROM) if (work / name).exists()]
    if there:
        raise InvalidInput(
            f"'{work}' already holds another training ({', '.join(there)})",
            hint="leave --start-from out to go on with it, or give an empty --work folder",
        )
    _take_apart(base, work, {"decoder": decoder_steps, "clip": clip_steps, "unet": 0})
    write_text(work / STARTED_FROM, digest)


def _take_apart(base: Path, work: Path, steps: dict[str, int]) -> None:
    try:
        vae = AutoencoderKL.from_pretrained(base / "vae").float()
        code = read_patch_code(vae)
        clip = build_clip(CLIPTokenizer.from_pretrained(base / "tokenizer"))
        models = {
            "decoder": _loaded(build_vae(code), vae.state_dict()),
            "clip": _loaded(clip, {**clip.state_dict(), **_clip_weights(base)}),
            "unet": _loaded(
                build_unet(), UNet2DConditionModel.from_pretrained(base / "unet").state_dict(), newer=".attentions."
            ),
        }
    except (RuntimeError, IndexError, ValueError) as error:  # other sizes, other layers
        raise InvalidInput(
            f"'{base}' has other layers than this recipe builds",
            hint="start from one of the same recipe, or from scratch",
        ) from error
    work.mkdir(parents=True, exist_ok=True)
    np.savez(work / "code.npz", **vars(code))
    write_text(work / "scaling.txt", repr(float(vae.config.scaling_factor)))
    shutil.copytree(base / "tokenizer", work / "tokenizer", dirs_exist_ok=True)
    for name, model in models.items():
        _finished(name, work, model, steps[name])


def _clip_weights(base: Path) -> dict[str, torch.Tensor]:
    """The pair's weights: the image tower and projections from `clip/`, the text tower from `text_encoder/`."""
    text = load_file(base / "text_encoder" / "model.safetensors")
    own = load_file(base / "clip" / "model.safetensors")
    return own | {f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in text.items()}


def _loaded(model: nn.Module, weights: dict[str, torch.Tensor], newer: str | None = None) -> nn.Module:
    """Layers that an older base lacks keep the recipe's start if `newer` is in their name: they begin silent, so
    nothing is drawn otherwise.

    Raises RuntimeError when any other layer is missing or left over.
    """
    own = {
        name: tensor
        for name, tensor in model.state_dict().items()
        if newer and newer in name and _is_silent(name, model, weights)
    }
    model.load_state_dict(
        own | {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    )
    return model


def _is_silent(name: str, model: nn.Module, weights: dict[str, torch.Tensor]) -> bool:
    """Whether the transformer that `name` belongs to is wholly the model's own and adds nothing yet."""
    block = ".".join(name.split(".")[:4]) + "."
    return (
        not any(other.startswith(block) for other in weights)
        and not model.state_dict()[f"{block}proj_out.weight"].any()
    )


def _finished(name: str, work: Path, model: nn.Module, step: int) -> None:
    """Write a stage's checkpoint as if it had just come to `step`."""
    stage = Stage(
        name,
        work,
        model,
        StageSettings(num_steps=max(step, 1), learning_rate=0.0, muon=name in ("unet", "clip")),
        seed=0,
    )
    stage.step = step
    stage.save()
