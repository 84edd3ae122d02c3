"""What an exported file says of itself, in the words that ComfyUI, AUTOMATIC1111 and kohya's sd-scripts read.

`modelspec.*` is Stability AI's Model Metadata Standard 1.0.1; `ss_*` and `sshs_*` are sd-scripts'. All values are
texts: safetensors allows nothing else. No dates: equal trainings write equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from brandsmith.base.names import split_name
from brandsmith.core.pictures import load_image
from brandsmith.export.card import Card
from brandsmith.methods.adapter import AdapterInfo

if TYPE_CHECKING:
    import torch

THUMBNAIL_PX = 256
SHORT_ENCODERS = ("clip_l", "clip_g")
"""Two text encoders' names in embedding files, in the order of `Base.text_encoders`."""


@dataclass(frozen=True)
class Kind:
    """How others name a family."""

    architecture: str
    base_version: str
    native_px: int
    is_v2: bool = False


KINDS = {
    "sd1": Kind("stable-diffusion-v1", "sd_v1", 512),
    "sd2": Kind("stable-diffusion-v2-512", "sd_v2", 512, is_v2=True),
    "sd2-v": Kind("stable-diffusion-v2-768-v", "sd_v2_v", 768, is_v2=True),
    "sdxl": Kind("stable-diffusion-xl-v1-base", "sdxl_base_v1-0", 1024),
    "sd3": Kind("stable-diffusion-3-medium", "sd3", 1024),
    "flux1": Kind("flux-1-dev", "flux1", 1024),
    "flux2": Kind("flux-2-klein", "flux2", 1024),
    "flux2dev": Kind("flux-2-dev", "flux2", 1024),
    "zimage": Kind("z-image", "zimage", 1024),
    "qwen": Kind("qwen-image", "qwen_image", 1024),
    "pocketflow": Kind("pocket-flow", "pocketflow", 128),
}


def kind_of(info: AdapterInfo, prediction: str) -> Kind:
    """prediction: what the base's scheduler declares; empty where the base is not at hand."""
    return KINDS["sd2-v" if info.family == "sd2" and prediction == "v_prediction" else info.family]


def spec_header(info: AdapterInfo, card: Card, prediction: str, suffix: str = "") -> dict[str, str]:
    """`modelspec.*`; `suffix` is what the file is to the architecture, such as `lora`."""
    kind = kind_of(info, prediction)
    said = {
        "sai_model_spec": "1.0.1",
        "architecture": f"{kind.architecture}/{suffix}" if suffix else kind.architecture,
        "implementation": "diffusers" if info.family != "sdxl" else "https://github.com/Stability-AI/generative-models",
        "title": card.title or info.token,
        "resolution": f"{kind.native_px}x{kind.native_px}",
        "trigger_phrase": ", ".join(info.words.tokens),
        "usage_hint": "; ".join(
            f"write '{own.token}' into the prompt, such as: a {own.token} {own.class_word}" for own in info.words.every
        ),
        "prediction_type": {"v_prediction": "v", "epsilon": "epsilon"}.get(prediction, prediction),
        "author": card.author,
        "license": card.license,
        "description": card.description,
        "thumbnail": _thumbnail(card.thumbnail) if card.thumbnail else "",
    }
    return {f"modelspec.{key}": value for key, value in said.items() if value}


def lora_header(info: AdapterInfo, network: Mapping[str, str], prediction: str) -> dict[str, str]:
    """`ss_*`: `network` has `module`, `dim`, `alpha` and `args`."""
    kind = kind_of(info, prediction)
    return {
        **{f"ss_network_{key}": value for key, value in network.items()},
        "ss_v2": str(kind.is_v2),
        "ss_base_model_version": kind.base_version,
        "ss_sd_model_name": Path(split_name(info.base)[0]).name,
        **({"ss_vae_name": Path(vae).name} if (vae := split_name(info.base)[1]) else {}),
        "ss_clip_skip": str(info.settings.clip_skip + 1 if info.settings.clip_skip else None),  # counted from 1 there
        "ss_output_name": info.token,
        "ss_steps": str(info.steps),
        "ss_seed": str(info.settings.seed),
        "ss_learning_rate": str(info.settings.learning_rate),
        "ss_tag_frequency": json.dumps({"brandsmith": dict.fromkeys(info.words.tokens, 1)}),
    }


def with_hashes(tensors: Mapping[str, torch.Tensor], header: Mapping[str, str]) -> dict[str, str]:
    """The header with the SHA-256 of the tensors' bytes, by which other programs know a file whatever its header."""
    from safetensors.torch import save

    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    digest = hashlib.sha256(memoryview(data)[8 + int.from_bytes(data[:8], "little") :]).hexdigest()
    return {**header, "sshs_model_hash": digest, "modelspec.hash_sha256": f"0x{digest}"}


def _thumbnail(picture: Path) -> str:
    image = load_image(picture).copy()
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    written = io.BytesIO()
    image.save(written, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}"
