"""Names in the original latent-diffusion code, which single files and SDXL LoRAs carry, for diffusers' and back.

Facts of Rombach et al.'s `ldm` (its `openaimodel.py` numbers blocks through, where diffusers numbers levels), of
Stability AI's `generative-models` and of OpenCLIP. Names are those of tensors or of modules, without the part's prefix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_MIDDLE = {"resnets.0": "0", "attentions.0": "1", "resnets.1": "2"}
_BLOCK = re.compile(
    r"(?P<side>down|up)_blocks\.(?P<level>\d+)\."
    r"(?P<kind>resnets|attentions|downsamplers|upsamplers)\.(?P<number>\d+)(?:\.(?P<rest>.+))?"
)


def unet_name(name: str, layers_per_block: int, attended: frozenset[int] = frozenset()) -> str:
    """The ldm name of a U-Net's tensor or module.

    layers_per_block: of the U-Net's configuration. attended: levels of `up_blocks` with attention, which only the
    names of upsamplers depend on.
    """
    for ours, theirs in _UNET_ENDS.items():
        if name == ours or name.startswith(f"{ours}."):
            return theirs + name[len(ours) :]
    if name.startswith("mid_block."):
        kind, number, rest = _split(name.removeprefix("mid_block."))
        return _joined(f"middle_block.{_MIDDLE[f'{kind}.{number}']}", _inner(kind, rest))
    match = _BLOCK.fullmatch(name)
    if match is None:
        raise KeyError(name)
    return _block_name(match, layers_per_block + 1, attended)


def _block_name(match: re.Match[str], per_level: int, attended: frozenset[int]) -> str:
    level, number, kind, rest = int(match["level"]), int(match["number"]), match["kind"], match["rest"] or ""
    if kind == "downsamplers":
        return _joined(f"input_blocks.{(level + 1) * per_level}.0", rest.replace("conv", "op", 1))
    if kind == "upsamplers":
        return _joined(f"output_blocks.{level * per_level + per_level - 1}.{2 if level in attended else 1}", rest)
    side, first = ("input", 1) if match["side"] == "down" else ("output", 0)
    place = f"{side}_blocks.{first + level * per_level + number}.{0 if kind == 'resnets' else 1}"
    return _joined(place, _inner(kind, rest))


def _split(name: str) -> tuple[str, str, str]:
    kind, number, *rest = name.split(".", 2)
    return kind, number, rest[0] if rest else ""


def _inner(kind: str, rest: str) -> str:
    if kind != "resnets":
        return rest  # attention's layers have one name in both
    head, _, tail = rest.partition(".")
    return _joined(_RESNET.get(head, head), tail)


def _joined(*parts: str) -> str:
    return ".".join(part for part in parts if part)


OLD_ATTENTION = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}
"""An autoencoder's attention in diffusers' files of before 2023, which it renames when it loads them."""
_VAE_RESNET = {"conv_shortcut": "nin_shortcut"}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_VAE_MIDDLE = {"resnets.0": "block_1", "resnets.1": "block_2", "attentions.0": "attn_1"}


def vae_name(name: str, levels: int) -> str:
    """The ldm name of an autoencoder's tensor; `levels`: how many `block_out_channels` it has."""
    match = re.fullmatch(r"(encoder|decoder)\.(?:(down|up)_blocks\.(\d+)|mid_block)\.(\w+)\.(\d+)\.(.+)", name)
    if match is None:
        return name.replace("conv_norm_out", "norm_out")
    side, direction, level, kind, number, rest = match.groups()
    if direction is None:
        names = _VAE_ATTENTION if kind == "attentions" else _VAE_RESNET
        return f"{side}.mid.{_VAE_MIDDLE[f'{kind}.{number}']}.{_renamed(rest, names)}"
    ours = int(level) if direction == "down" else levels - 1 - int(level)
    if kind in ("downsamplers", "upsamplers"):
        return f"{side}.{direction}.{ours}.{direction}sample.{rest}"
    return f"{side}.{direction}.{ours}.block.{number}.{_renamed(rest, _VAE_RESNET)}"


def _renamed(rest: str, names: Mapping[str, str]) -> str:
    for ours, theirs in names.items():
        if rest.startswith(f"{ours}."):
            return theirs + rest[len(ours) :]
    return rest


_OPEN_CLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_OPEN_CLIP_ENDS = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
    "text_projection.weight": "text_projection",
}
THIRDS = ("q_proj", "k_proj", "v_proj")
"""OpenCLIP keeps these three one below the other in one tensor, `attn.in_proj_…`."""


def open_clip_name(name: str) -> str:
    """OpenCLIP's name of a text encoder's tensor or module (transformers' name without `text_model.`)."""
    if name in _OPEN_CLIP_ENDS:
        return _OPEN_CLIP_ENDS[name]
    _, _, number, rest = name.split(".", 3)  # encoder.layers.N.…
    head = f"transformer.resblocks.{number}."
    for third in THIRDS:
        if rest.startswith(f"self_attn.{third}."):
            return f"{head}attn.in_proj_{rest.rpartition('.')[2]}"
    return head + _renamed(rest, _OPEN_CLIP)
