"""LoRA files of flow transformers: read in eight layouts, written so that ComfyUI maps every key."""

from __future__ import annotations

import re
from functools import cache

import pytest
import torch
from bases import build_tiny
from safetensors.torch import load_file, save_file

from brandsmith.base.families.registry import FAMILIES
from brandsmith.base.foreign.flow_names import WITH_KOHYA_LAYOUT
from brandsmith.base.sources import outline_of
from brandsmith.core.errors import InvalidInput
from brandsmith.export.formats import FLOWS, layout_for
from brandsmith.export.low_rank import LowRank, to_diffusers, to_kohya_fused
from brandsmith.export.read_lora import read_lora_file
from brandsmith.methods.adapter import build_metadata
from brandsmith.methods.lora import Lora, LoraConfig
from brandsmith.methods.method import Words

REAL = ("sd3", "flux1", "flux2", "flux2dev", "zimage", "qwen")
every = pytest.mark.parametrize("name", REAL)


@cache
def outline(name):
    return outline_of(build_tiny(name))


def layers_of(name, alpha=4.0):
    """A change of every layer that a LoRA of ours has, rank 2."""
    base, generator = outline(name), torch.Generator().manual_seed(1)
    endings = tuple(f".{layer}" for layer in LoraConfig(feed_forward=True).layers(base.family))
    found = {}
    for module, layer in base.denoiser.named_modules():
        if isinstance(layer, torch.nn.Linear) and f".{module}".endswith(endings):
            down = torch.randn(2, layer.in_features, generator=generator)
            found["transformer", module] = LowRank(down, torch.randn(layer.out_features, 2, generator=generator), alpha)
    return found


def as_peft(layers, prefix, alpha=False):
    tensors = {}
    for (_, module), layer in layers.items():
        tensors[f"{prefix}{module}.lora_A.weight"], tensors[f"{prefix}{module}.lora_B.weight"] = layer.down, layer.up
        if alpha:
            tensors[f"{prefix}{module}.alpha"] = torch.tensor(layer.alpha)
    return tensors


def as_kohya(layers):
    tensors = {}
    for (_, module), layer in layers.items():
        name = f"lora_unet_{module}".replace(".", "_")
        tensors |= {f"{name}.lora_down.weight": layer.down, f"{name}.lora_up.weight": layer.up}
        tensors[f"{name}.alpha"] = torch.tensor(layer.alpha)
    return tensors


def as_native(layers, name):
    """`diffusion_model.` and the original code's names, as ai-toolkit writes."""
    renamed = {}
    for key, tensor in to_kohya_fused(layers, name).items():
        renamed[key.replace(".lora_down.", ".lora_A.").replace(".lora_up.", ".lora_B.")] = tensor
    return {key.replace("lora_unet_", "diffusion_model.", 1): tensor for key, tensor in renamed.items()}


def eight_layouts(name):
    """(tensors, header) by layout; of all the same change."""
    layers = layers_of(name)
    folded = {place: layer.folded() for place, layer in layers.items()}
    header = {"lora_adapter_metadata": '{"transformer.lora_alpha": 4.0, "transformer.r": 2}'}
    return {
        "diffusers, alpha folded": (as_peft(folded, "transformer."), {}),
        "diffusers, header": (as_peft(layers, "transformer."), header),
        "diffusers, alpha": (as_peft(layers, "transformer.", alpha=True), {}),
        "peft": (as_peft(layers, "base_model.model.", alpha=True), {}),
        "comfyui, diffusers names": (as_peft(layers, "diffusion_model.", alpha=True), {}),
        "comfyui, native names": (as_native(layers, name), {}),
        "kohya, diffusers names": (as_kohya(layers), {}),
        "kohya, native names": (to_kohya_fused(layers, name), {}),
    }


@every
def test_eight_layouts_are_read_back_as_the_same_change(name, tmp_path):
    wanted, base, read = layers_of(name), outline(name), 0
    for layout, (tensors, header) in eight_layouts(name).items():
        save_file({key: value.contiguous() for key, value in tensors.items()}, tmp_path / "lora.safetensors", header)
        found = read_lora_file(tmp_path / "lora.safetensors", base)
        assert found.keys() == wanted.keys(), layout
        for place, layer in found.items():
            own = wanted[place]
            assert torch.allclose(layer.strength * layer.up @ layer.down, own.strength * own.up @ own.down, atol=1e-4)
        read += 1
    assert read == 8


@every
def test_a_file_of_another_model_is_an_error_and_never_a_silence(name, tmp_path):
    other = "flux1" if name == "qwen" else "qwen"
    save_file(as_peft(layers_of(other), "transformer."), tmp_path / "other.safetensors")
    with pytest.raises(InvalidInput, match="are none of base"):
        read_lora_file(tmp_path / "other.safetensors", outline(name))
    save_file({"unrelated": torch.zeros(1)}, tmp_path / "none.safetensors")
    with pytest.raises(InvalidInput):
        read_lora_file(tmp_path / "none.safetensors", outline(name))


ATTENTION = r"attn\.(to_q|to_k|to_v|to_out\.0|add_q_proj|add_k_proj|add_v_proj|to_add_out)"
FEED_FORWARD = r"(ff|ff_context)\.net\.(0\.proj|2)"
FLUX2 = (
    rf"transformer_blocks\.\d+\.({ATTENTION}|(ff|ff_context)\.linear_(in|out))"
    r"|single_transformer_blocks\.\d+\.attn\.(to_qkv_mlp_proj|to_out)"
)
COMFYUI = {
    "sd3": rf"transformer_blocks\.\d+\.({ATTENTION}|attn2\.(to_q|to_k|to_v|to_out\.0)|{FEED_FORWARD})",
    "flux1": rf"transformer_blocks\.\d+\.({ATTENTION}|{FEED_FORWARD})"
    r"|single_transformer_blocks\.\d+\.(attn\.to_[qkv]|proj_mlp|proj_out)",
    "flux2": FLUX2,
    "flux2dev": FLUX2,
    "zimage": r"(layers|noise_refiner|context_refiner)\.\d+\.(attention\.to_(q|k|v|out\.0)|feed_forward\.w[123])",
    "qwen": rf"transformer_blocks\.\d+\.({ATTENTION}|(img|txt)_mlp\.net\.(0\.proj|2))",
}
"""What follows `transformer.` in keys that ComfyUI maps to a weight (comfy/lora.py, `model_lora_keys_unet`, with the
tables of comfy/utils.py): the layers that a LoRA may have. It reads `.alpha` of a layer and no header.
"""


@every
def test_comfyui_maps_every_key_of_our_files(name, tmp_path):
    base, words = build_tiny(name), Words("red_logo", "logo")
    config = LoraConfig(rank=2, alpha=8, feed_forward=True)
    attached = Lora().attach(base, config, words)
    try:
        for parameter in attached.groups[0].parameters.values():
            parameter.data.normal_()
        true = {key: value.clone() for key, value in attached.parts["transformer"].state().items()}
        attached.write(tmp_path, build_metadata(config, base, words, 1))
    finally:
        attached.detach()
    stored = load_file(tmp_path / "pytorch_lora_weights.safetensors")
    pattern = re.compile(rf"transformer\.({COMFYUI[name]})\.lora_[AB]\.weight")
    unmatched = [key for key in stored if not pattern.fullmatch(key)]
    assert not unmatched and len(stored) == len(true) > 10
    for key, value in true.items():  # strength alpha / rank is 4, and without `.alpha` ComfyUI takes 1
        expected = 4 * value if "lora_B" in key else value
        assert torch.equal(stored[f"transformer.{key}"], expected)


def test_targets_of_flow_adapters():
    assert set(FLOWS) == {name for name, family in FAMILIES.items() if family.noising.is_flow}
    assert layout_for("lora", "flux2", None) == layout_for("lora", "qwen", "comfyui") == "diffusers-lora"
    assert [name for name in FLOWS if name in WITH_KOHYA_LAYOUT] == ["sd3", "flux1"]
    assert layout_for("lora", "flux1", "kohya") == "kohya-lora"
    folded = to_diffusers(layers_of("flux2"))
    assert all(key.startswith("transformer.") for key in folded) and not any(key.endswith("alpha") for key in folded)
