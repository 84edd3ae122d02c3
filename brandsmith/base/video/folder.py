"""A video model's folder: checked from configurations and headers, then loaded part by part, safetensors alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import ModelMixin
from transformers import PreTrainedModel, PreTrainedTokenizerBase, T5TokenizerFast

from brandsmith.base.fingerprint import fingerprint
from brandsmith.base.hardware import choose_device, choose_format, prepare_card
from brandsmith.base.parts import (
    INDEX,
    build_part,
    check_weights,
    part_config,
    read_json,
    reader_of,
    said_of,
    variant_in,
)
from brandsmith.base.sources import load_scheduler
from brandsmith.base.video.kind import FilmDefaults, VideoKind
from brandsmith.base.video.registry import VIDEO_KINDS, video_kind
from brandsmith.core.errors import InvalidConfig, InvalidInput, MissingResource
from brandsmith.core.safe_weights import check_finite

TRANSFORMER, ENCODER, VAE, TOKENIZER = "transformer", "text_encoder", "vae", "tokenizer"


@dataclass(frozen=True)
class VideoOutline:
    """A model without weights: parts on torch's `meta` device, which say what fits."""

    kind: VideoKind
    folder: Path
    transformer: ModelMixin
    vae: ModelMixin

    @property
    def frame_unit(self) -> int:
        return self.kind.frame_unit(self.vae)

    @property
    def size_unit(self) -> int:
        return self.kind.size_unit(self.transformer, self.vae)

    @property
    def film(self) -> FilmDefaults:
        return self.kind.film(reader_of(self.folder))


def video_outline(folder: Path) -> VideoOutline:
    """Checks every part's configuration, weights' names and shapes; reads headers, no weights.

    Raises MissingResource, InvalidInput, and InvalidConfig for a model of another task.
    """
    kind = video_kind(folder)
    if kind is None:
        raise InvalidConfig(
            f"'{folder}' is no video model", hint=f"kinds that are drawn with: {', '.join(VIDEO_KINDS)}"
        )
    parts: dict[str, ModelMixin | PreTrainedModel] = {}
    with torch.device("meta"):
        for name in (*_transformers(kind, folder), VAE, ENCODER):
            parts[name] = build_part(folder, kind, name, part_config(folder, name))
            check_weights(folder / name, parts[name])
    transformer, vae, encoder = parts[TRANSFORMER], parts[VAE], parts[ENCODER]
    assert isinstance(transformer, ModelMixin) and isinstance(vae, ModelMixin)
    _check_task(folder, kind, transformer, vae)
    _check_text(folder, kind, transformer, encoder)
    load_scheduler(folder)
    load_video_tokenizer(folder)
    _options(kind, folder)
    return VideoOutline(kind, folder, transformer, vae)


def _transformers(kind: VideoKind, folder: Path) -> Iterator[str]:
    yield TRANSFORMER
    if kind.second and read_json(folder / INDEX).get(kind.second, [None])[0]:
        yield kind.second


def _check_task(folder: Path, kind: VideoKind, transformer: ModelMixin, vae: ModelMixin) -> None:
    taken, latent = transformer.config.in_channels, vae.config.get("z_dim", vae.config.get("latent_channels"))
    if taken != latent:
        raise InvalidConfig(
            f"the transformer of '{folder}' takes {taken} channels and its vae has {latent}: a model for another task",
            hint=f"give a {kind.name} model of text to video",
        )


def _check_text(folder: Path, kind: VideoKind, transformer: ModelMixin, encoder: ModelMixin | PreTrainedModel) -> None:
    wanted, given = transformer.config[kind.text_width], encoder.config.d_model
    if wanted != given:
        raise InvalidInput(
            f"the transformer of '{folder}' reads text {wanted} wide and its text encoder is {given} wide",
            hint="copy or download the base whole",
        )


def load_video_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Raises MissingResource, InvalidInput."""
    place = folder / TOKENIZER
    if not any((place / name).is_file() for name in ("tokenizer.json", "spiece.model")):
        raise MissingResource(
            f"base '{folder}' has no tokenizer (no tokenizer/tokenizer.json, nor spiece.model)",
            hint="copy or download it whole",
        )
    hint = "install what reads spiece.model (pip install sentencepiece), or copy a tokenizer.json beside it"
    with said_of(place, hint):
        return T5TokenizerFast.from_pretrained(place, local_files_only=True)


def _options(kind: VideoKind, folder: Path) -> dict[str, Any]:
    """Of the folder's index, those that the pipeline takes. Raises InvalidInput for what is no number and no truth."""
    index = read_json(folder / INDEX)
    found = {name: index[name] for name in kind.options if index.get(name) is not None}
    for name, value in found.items():
        if not isinstance(value, (bool, int, float)):
            raise InvalidInput(f"'{folder / INDEX}': {name} is {value!r}", hint="get the file again")
    return found


@dataclass(frozen=True)
class VideoModel:
    """A loaded model: stock diffusers' pipeline over parts that were checked."""

    outline: VideoOutline
    pipeline: Any
    """Of the class that `VideoKind.pipeline` names; diffusers' pipelines share no typed call."""
    fingerprint: str


def load_video(outline: VideoOutline) -> VideoModel:
    """The pipeline, on the device and in the number format in force; the autoencoder is fp32.

    On a card the parts take turns, so that it holds the largest alone. Raises InvalidInput for weights that cannot be
    read or are not finite.
    """
    kind, folder, device = outline.kind, outline.folder, choose_device()
    compute = choose_format(device, "draw")
    prepare_card(device)
    parts: dict[str, Any] = {
        name: _loaded(kind.denoiser_class, folder / name, compute) for name in _transformers(kind, folder)
    }
    parts[ENCODER] = _loaded(kind.encoder_classes[ENCODER], folder / ENCODER, compute)
    parts[VAE] = _loaded(kind.vae_class, folder / VAE, torch.float32)
    digest = hashlib.sha256("".join(fingerprint(part) for part in parts.values()).encode()).hexdigest()[:16]
    pipeline = getattr(diffusers, kind.pipeline)(
        **parts, tokenizer=load_video_tokenizer(folder), scheduler=load_scheduler(folder), **_options(kind, folder)
    )
    pipeline.set_progress_bar_config(disable=True)
    if device.type == "cuda":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.to(device)
    return VideoModel(outline, pipeline, digest)


def _loaded(kind: type[ModelMixin] | type[PreTrainedModel], folder: Path, dtype: torch.dtype) -> Any:
    with said_of(folder):
        part = kind.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, variant=variant_in(folder), torch_dtype=dtype
        )
    check_finite(part.state_dict().items(), folder)
    return part.requires_grad_(False).eval()
