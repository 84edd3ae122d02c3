"""A new word beside another method: where it starts, that both are written and read, and that both leave no trace."""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny
from drawing import sample_latents
from lessons import QUICK, TOKEN, write_concept
from safetensors.torch import load_file

from brandsmith.base.prompt_tokens import expand_prompts
from brandsmith.core.errors import InvalidConfig
from brandsmith.methods.adapter import load_adapter
from brandsmith.methods.job import check_job
from brandsmith.methods.loop import train
from brandsmith.methods.packed import pack_key
from brandsmith.methods.registry import build_config

METHODS = ("lora", "dreambooth", "hypernetwork")
SPELLED = "red Q O G A logo"
every_method = pytest.mark.parametrize("name", METHODS)


def config_of(name, **more):
    own = {key: value for key, value in QUICK[name].items() if key != "text_encoder_learning_rate"}
    options = own | {"steps": 3, "weight_decay": 0.0, "prior_weight": 0.0, "num_vectors": 6, "spell": True} | more
    return build_config(name, **options)


def draw(base, prompt):
    return sample_latents(base, [prompt], [5], num_steps=4, guidance_scale=2.0)


def bits(base):
    return [tensor.clone() for module in base.modules() for tensor in module.state_dict().values()]


@every_method
def test_the_word_is_stored_with_the_adapter_and_both_leave_no_trace(name, tmp_path):
    base = build_tiny()
    before, vocabulary = bits(base), len(base.tokenizer)
    run = train(config_of(name), write_concept(tmp_path / "concept"), base, tmp_path / "run")
    checkpoint = run.checkpoints()[-1][1]
    stored = load_file(checkpoint / "learned_embeds.safetensors")[TOKEN]
    pieces = base.tokenizer(SPELLED, add_special_tokens=False).input_ids
    table = base.text_encoders[0].get_input_embeddings().weight
    assert torch.equal(stored, table[pieces][:6]), "vectors that do not train stay where they start"
    plain = draw(base, f"a {TOKEN}")
    with load_adapter(base, checkpoint):
        assert expand_prompts(base.tokenizer, [f"a {TOKEN}"]) == [
            f"a {TOKEN}" + "".join(f" {TOKEN}_{i}" for i in range(1, 6))
        ]
        taught = draw(base, f"a {TOKEN}")
    assert not torch.equal(taught, plain)
    assert len(base.tokenizer) == vocabulary and all(map(torch.equal, before, bits(base)))


def test_frozen_vectors_are_the_same_as_the_words_themselves(tmp_path):
    """The token with frozen vectors draws what its words, spelled out in the prompt, draw."""
    base = build_tiny()
    word = train(config_of("lora"), write_concept(tmp_path / "one"), base, tmp_path / "word")
    with load_adapter(base, word.checkpoints()[-1][1]):
        with_token = draw(base, f"a {TOKEN}")
        spelled = draw(base, f"a {SPELLED}")
    assert torch.equal(with_token, spelled)


@every_method
def test_vectors_with_a_rate_train_along(name, tmp_path):
    base = build_tiny()
    config = config_of(name, vectors_learning_rate=0.1)
    run = train(config, write_concept(tmp_path / "concept"), base, tmp_path / "run")
    stored = load_file(run.checkpoints()[-1][1] / "learned_embeds.safetensors")[TOKEN]
    pieces = base.tokenizer(SPELLED, add_special_tokens=False).input_ids
    moved = (stored - base.text_encoders[0].get_input_embeddings().weight[pieces][:6]).abs().amax(dim=1)
    assert (moved > 0.01).all()


@pytest.mark.slow
def test_a_resumed_run_ends_in_the_same_bits(tmp_path):
    base, concept = build_tiny(), write_concept(tmp_path / "concept")
    config = config_of("lora", steps=4, checkpoint_every=2, vectors_learning_rate=0.1)
    whole = train(config, concept, base, tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop_after_two(stage, done, total, note):
        if stage == "train" and done == 3:
            raise Stop

    with pytest.raises(Stop):
        train(config, concept, base, tmp_path / "torn", progress=stop_after_two)
    torn = train(config, concept, base, tmp_path / "torn")
    for file in ("pytorch_lora_weights.safetensors", "learned_embeds.safetensors"):
        one, other = (load_file(run.checkpoints()[-1][1] / file) for run in (whole, torn))
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("lora", {"num_vectors": 0}, "spell is set, and num_vectors is 0"),
        ("dreambooth", {"text_encoder_learning_rate": 1e-4}, "not both"),
    ],
)
def test_settings_that_fit_together_only(name, more, said, tmp_path):
    base = build_tiny()
    with pytest.raises(InvalidConfig) as refused:
        check_job(config_of(name, **more), write_concept(tmp_path / "concept"), base, tmp_path / "run")
    assert said in f"{refused.value} {refused.value.hint}"


def test_such_trials_are_not_packed():
    with pytest.raises(InvalidConfig, match="new word"):
        pack_key(config_of("lora"))
