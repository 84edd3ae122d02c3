"""Odd adapters of other programs: each is read right or refused by one sentence, and no run is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from brandsmith.base.base import Base
from brandsmith.core.errors import InvalidInput
from brandsmith.export.import_run import import_adapter

NETWORK = {"linear.0.weight": torch.zeros(64, 32), "linear.0.bias": torch.zeros(64)}
HEAD = {"layer_structure": [1, 2, 1], "activation_func": "relu"}


def width_of(base: Base) -> int:
    return base.text_encoders[0].get_input_embeddings().weight.shape[1]


def lora(base: Base, alpha: torch.Tensor) -> dict[str, torch.Tensor]:
    module, layer = next((n, m) for n, m in base.denoiser.named_modules() if n.endswith("attn1.to_q"))
    name = f"lora_unet_{module.replace('.', '_')}"
    down, up = torch.ones(2, layer.weight.shape[1]), torch.ones(layer.weight.shape[0], 2)
    return {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": alpha}


def refused(file: Path, base: Path, says: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=says):
        import_adapter(file, str(base), tmp_path / "run", token="zorb", allow_pickle=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("names", [("emb_params", "emb_params_out"), ("clip_g", "clip_l"), ("a", "b")])
def test_a_file_of_several_embeddings_is_never_read_in_part(names, tiny, tiny_folder, tmp_path):
    file = tmp_path / "e.safetensors"
    save_file({name: torch.ones(1, width_of(tiny)) for name in names}, file)
    refused(file, tiny_folder, f"more than one embedding.*{names[0] if 'clip_g' in names else names[1]}", tmp_path)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"emb_params": torch.ones(1, 16).to_sparse()}, "without plain values"),
        ({"string_to_param": {"*": torch.ones(1, 16), "b": torch.ones(1, 16)}}, "more than one embedding"),
        ({32: ({"linear.0.weight": 5}, {"linear.0.weight": 5}), **HEAD}, "linear.0.weight is no matrix"),
        ({32: ({"linear.0.weight": torch.zeros(4)}, NETWORK), **HEAD}, "linear.0.weight is no matrix"),
        ({32: ({}, {}), **HEAD}, "holds no networks"),
    ],
    ids=["sparse", "two words", "a number", "a vector", "nothing"],
)
def test_a_pickle_of_another_structure_is_refused(record, says, tiny_folder, tmp_path):
    torch.save(record, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", tiny_folder, says, tmp_path)


def test_a_pickle_that_holds_itself_is_refused(tiny_folder, tmp_path):
    record: dict[str, Any] = {}
    record["a"] = record
    torch.save(record, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", tiny_folder, "holds vectors of no shape", tmp_path)


def test_an_alpha_of_several_numbers_is_refused(tiny, tiny_folder, tmp_path):
    save_file(lora(tiny, torch.ones(3)), tmp_path / "a.safetensors")
    refused(tmp_path / "a.safetensors", tiny_folder, r"alpha of layer .* is \(3,\)", tmp_path)


@pytest.mark.parametrize("said", ["[" * 100_000, '{"unet.lora_alpha": NaN}', '{"unet.lora_alpha": 1e400}'])
def test_an_alpha_that_the_header_does_not_say_is_the_rank(said, tiny, tiny_folder, tmp_path):
    tensors = lora(tiny, torch.ones(()))
    del tensors[next(name for name in tensors if name.endswith(".alpha"))]
    save_file(tensors, tmp_path / "a.safetensors", {"lora_adapter_metadata": said})
    made = import_adapter(tmp_path / "a.safetensors", str(tiny_folder), tmp_path / "run", token="zorb")
    assert made.config()["settings"]["alpha"] == 2
