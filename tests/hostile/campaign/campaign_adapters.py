"""Adapters of other programs: LoRAs, embeddings and hypernetworks, in safetensors and in pickles, mutated."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from bases import build_tiny, save_as_diffusers_folder
from campaign_harness import Input
from campaign_mutations import NAUGHTY, ODD_VALUES, mutated_safetensors
from safetensors.torch import load_file, save

from brandsmith.base.base import Base
from brandsmith.core.run import RunDirectory
from brandsmith.export.import_run import import_adapter
from brandsmith.methods.adapter import check_adapter


def foreign_adapters(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """One file at a time, made anew, read onto a tiny base."""
    tiny, base = build_tiny(), scratch / "foreign" / "tiny"
    save_as_diffusers_folder(tiny, base)
    number = 0
    while True:
        number += 1
        place = scratch / "foreign" / str(number) / "in"
        place.mkdir(parents=True)
        what = draw.choice(sorted(KINDS))
        file = KINDS[what](draw, tiny, place)
        out = place.parent / "out"
        call = partial(import_adapter, file, str(base), out, token="zorb", allow_pickle=True)
        yield Input("foreign", what, call, place, right=partial(wrong_adapter, tiny, file), out=out)
        shutil.rmtree(place.parent, ignore_errors=True)


def wrong_adapter(tiny: Base, file: Path, made: RunDirectory) -> str:
    """What was read fits the base, and it is all that the file holds."""
    folder = made.checkpoint_at()
    check_adapter(tiny, folder)
    if file.suffix != ".safetensors":
        return ""
    given = load_file(file)
    own = sum(len(load_file(one)) for one in folder.glob("*.safetensors"))
    layers = sum(".lora_down." in name or ".lora_up." in name for name in given)
    if layers and own != layers:
        return f"{own} of {layers} matrices"
    return "" if layers or len(given) == 1 else f"one of {len(given)} embeddings"


def _lora(tiny: Base) -> dict[str, torch.Tensor]:
    tensors = {}
    for module, layer in tiny.denoiser.named_modules():
        if module.endswith(("attn2.to_q", "attn2.to_k")):
            name = f"lora_unet_{module.replace('.', '_')}"
            tensors[f"{name}.lora_down.weight"] = torch.ones(2, layer.weight.shape[1])
            tensors[f"{name}.lora_up.weight"] = torch.ones(layer.weight.shape[0], 2)
            tensors[f"{name}.alpha"] = torch.ones(())
    return tensors


def _width(tiny: Base) -> int:
    return tiny.text_encoders[0].get_input_embeddings().weight.shape[1]


def _written(draw: random.Random, tensors: dict[str, torch.Tensor], place: Path) -> Path:
    """The tensors changed one by one, or the bytes of the file."""
    said = {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": draw.choice(ODD_VALUES)}, default=str)}
    raw = save(tensors, said)
    if draw.random() < 0.5:
        changed = dict(tensors)
        name = draw.choice(sorted(changed))
        changed[draw.choice((name, f"{name}_out", f"x{name}", "clip_g", "x.lokr_w1"))] = _odd_tensor(
            draw, changed[name]
        )
        if draw.random() < 0.3:
            del changed[draw.choice(sorted(changed))]
        raw = save(changed, said)
    else:
        raw = mutated_safetensors(draw, raw)
    file = place / "adapter.safetensors"
    file.write_bytes(raw)
    return file


def _odd_tensor(draw: random.Random, tensor: torch.Tensor) -> torch.Tensor:
    return draw.choice(
        (
            tensor * float("nan"),
            tensor.int(),
            tensor.half(),
            tensor.double(),
            torch.zeros(()),
            torch.zeros(0),
            torch.zeros(3),
            torch.zeros(2, 3, 1, 1),
            torch.cat([tensor.flatten()] * 2),
            tensor > 0,
        )
    )


def _lora_file(draw: random.Random, tiny: Base, place: Path) -> Path:
    return _written(draw, _lora(tiny), place)


def _embedding_file(draw: random.Random, tiny: Base, place: Path) -> Path:
    names = draw.choice((("emb_params",), ("clip_l",), ("clip_l", "clip_g"), ("a", "b"), ("*",)))
    return _written(draw, {name: torch.ones(2, _width(tiny)) for name in names}, place)


def _pickle(draw: random.Random, tiny: Base, place: Path) -> Path:
    vectors = torch.ones(2, _width(tiny))
    network = {"linear.0.weight": torch.zeros(64, 32), "linear.0.bias": torch.zeros(64)}
    record: dict[Any, Any] = draw.choice(
        (
            {"string_to_param": {"*": vectors}, "string_to_token": {"*": 265}, "name": "x", "step": 5},
            {32: (network, dict(network)), "layer_structure": [1, 2, 1], "activation_func": "relu"},
        )
    )
    holder = draw.choice([record, *[value for value in record.values() if isinstance(value, dict)], network])
    key = draw.choice(list(holder))
    odd = (vectors.to_sparse(), vectors.int(), vectors[:, :3], torch.zeros(0), *ODD_VALUES, *NAUGHTY)
    holder[draw.choice((key, key, "more", 33))] = draw.choice(odd)
    file = place / draw.choice(("a.pt", "a.bin"))
    torch.save(record, file)
    return file


KINDS = {"lora": _lora_file, "embedding": _embedding_file, "pickle": _pickle}
