"""How the parts of a base lie in a single-file checkpoint: a place for every tensor of every part, both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from diffusers import ModelMixin
from transformers import PreTrainedModel

from brandsmith.base.base import Base
from brandsmith.base.foreign.ldm_names import THIRDS, open_clip_name, unet_name, vae_name
from brandsmith.core.errors import InvalidConfig

UNET, VAE = "model.diffusion_model.", "first_stage_model."
Part: TypeAlias = ModelMixin | PreTrainedModel


@dataclass(frozen=True)
class Encoder:
    """A text encoder in a single file."""

    prefix: str
    is_open_clip: bool


ENCODERS = {
    "sd1": (Encoder("cond_stage_model.transformer.text_model.", False),),
    "sd2": (Encoder("cond_stage_model.model.", True),),
    "sdxl": (
        Encoder("conditioner.embedders.0.transformer.text_model.", False),
        Encoder("conditioner.embedders.1.model.", True),
    ),
}
"""By family, in the order of `Base.text_encoders`; the only families with such files here."""


@dataclass(frozen=True)
class Place:
    """Where a tensor of a part stands in a single file."""

    key: str
    third: int | None = None
    """Which third of the rows (queries, keys, values); None for the whole."""
    form: Literal["same", "transposed", "convolution"] = "same"
    """`convolution`: stored with two further axes of one."""


def places_of(part: Part, family: str, name: str) -> dict[str, Place]:
    """The place of every tensor that the part needs, by the part's own name for it.

    name: of the part's folder. `part` may be on torch's `meta` device.
    """
    if name == "vae":
        levels = len(part.config.block_out_channels)
        return {own: _vae_place(own, levels) for own in part.state_dict()}
    if name == "unet":
        attended = frozenset(i for i, block in enumerate(part.up_blocks) if hasattr(block, "attentions"))
        per_block = part.config.layers_per_block
        return {own: Place(UNET + unet_name(own, per_block, attended)) for own in part.state_dict()}
    encoder = ENCODERS[family][1 if name.endswith("_2") else 0]
    return dict(_text_places(part, encoder))


def _vae_place(own: str, levels: int) -> Place:
    is_attention = ".attentions." in own and own.endswith("weight") and "group_norm" not in own
    return Place(VAE + vae_name(own, levels), form="convolution" if is_attention else "same")


def _text_places(part: Part, encoder: Encoder) -> Iterator[tuple[str, Place]]:
    for own in part.state_dict():
        plain = own.removeprefix("text_model.")
        if plain.endswith("position_ids"):
            continue
        if not encoder.is_open_clip:
            yield own, Place(encoder.prefix + plain)
            continue
        third = next((number for number, name in enumerate(THIRDS) if f".{name}." in plain), None)
        form: Literal["same", "transposed"] = "transposed" if plain == "text_projection.weight" else "same"
        yield own, Place(encoder.prefix + open_clip_name(plain), third, form)


def check_has_single_file(base: Base) -> None:
    """Raise InvalidConfig for a base with layers that the original code has not. `base` may be an outline."""
    parts: dict[str, Part] = {base.family.denoiser_name: base.denoiser, "vae": base.vae, **base.named_encoders()}
    for name, part in parts.items():
        try:
            places_of(part, base.family.name, name)
        except KeyError as error:
            raise InvalidConfig(
                f"no single file can hold this model: its {name} has '{error.args[0]}', which the original code lacks",
                hint="export it with --to diffusers, as a folder, or with --to compact",
            ) from None


def read_places(
    get: Callable[[str], torch.Tensor], places: Mapping[str, Place], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, torch.Tensor]:
    """A part's tensors in its own names and shapes; `get` reads a tensor of the single file."""
    return {own: _taken(get(place.key), place).reshape(shapes[own]) for own, place in places.items()}


def _taken(stored: torch.Tensor, place: Place) -> torch.Tensor:
    if place.third is not None:
        return stored.chunk(3)[place.third]
    return stored.T if place.form == "transposed" else stored


def single_file_tensors(base: Base) -> dict[str, torch.Tensor]:
    """Every tensor of a base under its name in a single file."""
    parts: dict[str, Part] = {base.family.denoiser_name: base.denoiser, "vae": base.vae, **base.named_encoders()}
    found: dict[str, torch.Tensor] = {}
    for name, part in parts.items():
        found |= _written(part.state_dict(), places_of(part, base.family.name, name))
    if base.family.name == "sd2":
        found |= _last_layer(found, ENCODERS["sd2"][0].prefix)
    return found


def _written(state: Mapping[str, torch.Tensor], places: Mapping[str, Place]) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    thirds: dict[str, list[torch.Tensor]] = {}
    for own, place in places.items():
        tensor = state[own]
        if place.third is not None:
            thirds.setdefault(place.key, [tensor] * 3)[place.third] = tensor
        elif place.form == "convolution":
            found[place.key] = tensor[..., None, None]
        else:
            found[place.key] = tensor.T if place.form == "transposed" else tensor
    return found | {key: torch.cat(rows) for key, rows in thirds.items()}


def _last_layer(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """OpenCLIP's last layer and projection, which 2.x leaves unused and diffusers drops: readers want them there."""
    head = f"{prefix}transformer.resblocks."
    last = max(int(name.removeprefix(head).partition(".")[0]) for name in tensors if name.startswith(head))
    copied = {
        name.replace(f"{head}{last}.", f"{head}{last + 1}."): tensor.clone()
        for name, tensor in tensors.items()
        if name.startswith(f"{head}{last}.")
    }
    width = tensors[f"{prefix}ln_final.weight"].shape[0]
    return copied | {f"{prefix}text_projection": torch.eye(width), f"{prefix}logit_scale": torch.tensor(4.6055)}
