"""A new word beside a LoRA (pivotal tuning) on every family of flow models: in each text encoder that reads it."""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny
from lessons import TOKEN, write_concept
from safetensors.torch import load_file

from brandsmith.base.base import encode_prompts
from brandsmith.base.families.registry import FAMILIES
from brandsmith.methods.adapter import load_adapter
from brandsmith.methods.loop import train
from brandsmith.methods.registry import build_config

FLOWS = [name for name, family in FAMILIES.items() if family.noising.is_flow]


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOWS)
def test_word_and_lora_are_learnt_together_and_leave_no_trace(name, tmp_path):
    base, concept = build_tiny(name), write_concept(tmp_path / "concept")
    before = [tensor.clone() for module in base.modules() for tensor in module.state_dict().values()]
    settings = {"steps": 3, "checkpoint_every": 3, "rank": 2, "learning_rate": 1e-2, "precision": "fp32"}
    word = {"num_vectors": 2, "spell": True, "vectors_learning_rate": 0.1, "weight_decay": 0.0}
    run = train(build_config("lora", **settings, **word), concept, base, tmp_path / "run")
    checkpoint = run.checkpoints()[-1][1]
    words = sorted(checkpoint.glob("learned_embeds*.safetensors"))
    assert len(words) == len(base.text_encoders) and (checkpoint / "pytorch_lora_weights.safetensors").is_file()
    assert all(len(load_file(file)[TOKEN]) == 2 for file in words)
    with torch.no_grad():
        plain = encode_prompts(base, [f"a {TOKEN}"]).hidden
        with load_adapter(base, checkpoint):
            assert (encode_prompts(base, [f"a {TOKEN}"]).hidden - plain).abs().max() > 1e-3
    after = [tensor for module in base.modules() for tensor in module.state_dict().values()]
    assert all(map(torch.equal, before, after)), "word and layers are gone"
