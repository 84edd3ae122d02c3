"""LoRAs of several concepts as one: each keeps its token and the new word behind it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from drawing import sample
from lessons import TOKEN, quick_config, write_concept
from safetensors.torch import load_file

from brandsmith.base.sources import load_base
from brandsmith.core.errors import InvalidConcept, InvalidConfig
from brandsmith.export.lora_tools import merge_loras
from brandsmith.methods.adapter import load_adapter, read_adapter_info
from brandsmith.methods.loop import train
from brandsmith.methods.method import Words

OTHER = "blue_zorb_mark"
WORD = {"num_vectors": 2, "vectors_learning_rate": 0.3}


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """(the base's folder, a LoRA's run of a token with the settings given)"""
    folder = tmp_path_factory.mktemp("merged")
    save_as_diffusers_folder(build_tiny(), folder / "base")

    def make(token, **settings):
        concept = write_concept(folder / f"concept-{token}", token)
        return train(quick_config("lora", steps=4, **settings), concept, str(folder / "base"), folder / f"run-{token}")

    return folder / "base", make


def drawn(base, run, prompt):
    loaded = load_base(str(base), dtype=torch.float32)
    with load_adapter(loaded, run.checkpoint_at()):
        return sample(loaded, [prompt], [17], num_steps=4, guidance_scale=3.0)[0].astype(int)


@pytest.mark.slow
def test_two_subjects_are_one_adapter_with_both_words(taught, tmp_path):
    base, make = taught
    first, second = make(TOKEN, acts_below=0.8, **WORD), make(OTHER, **WORD)
    sources = [first.checkpoint_at(), second.folder]
    both = merge_loras(sources, [1.0, 0.0], str(base), tmp_path / "both")
    info = read_adapter_info(both.checkpoint_at())
    assert info.words.tokens == (TOKEN, OTHER) and info.settings.num_vectors == 2 and info.settings.acts_below == 1
    assert both.config()["concept"]["also"] == [{"token": OTHER, "class_word": "logo"}]
    stored = load_file(both.checkpoint_at() / f"learned_embeds.{OTHER}.safetensors")[OTHER]
    assert torch.equal(stored, load_file(second.checkpoint_at() / "learned_embeds.safetensors")[OTHER])
    alone = merge_loras([first.folder], [], str(base), tmp_path / "alone")
    assert read_adapter_info(alone.checkpoint_at()).settings.acts_below == 0.8
    prompt = f"a {TOKEN} on a blue sweater"
    shown = drawn(base, both, prompt)
    plain = merge_loras([first.folder], [], str(base), tmp_path / "plain", words=Words(TOKEN, "logo"))
    assert np.abs(drawn(base, plain, prompt) - shown).max() > 2, "layers alone do not know the word"
    with pytest.raises(InvalidConfig, match="different numbers of vectors"):
        merge_loras([first.folder, make("green_quax_mark", num_vectors=3).folder], [], str(base), tmp_path / "no")
    with pytest.raises(InvalidConcept, match="meet"):
        merge_loras([first.folder, make(f"{TOKEN}_new", **WORD).folder], [], str(base), tmp_path / "no")
    assert not (tmp_path / "no").exists()


@pytest.mark.slow
def test_the_word_of_two_trainings_of_one_concept_is_their_mean(taught, tmp_path):
    base, make = taught
    run = make("red_mean_mark", checkpoint_every=2, **WORD)
    early, late = (run.folder / "checkpoints" / f"step-00000{step}" for step in (2, 4))
    merged = merge_loras([early, late], [1.0, 3.0], str(base), tmp_path / "mean")
    words = [load_file(own / "learned_embeds.safetensors")["red_mean_mark"].float() for own in (early, late)]
    stored = load_file(merged.checkpoint_at() / "learned_embeds.safetensors")["red_mean_mark"]
    assert torch.allclose(stored, 0.25 * words[0] + 0.75 * words[1], atol=1e-6)
    assert read_adapter_info(merged.checkpoint_at()).words.tokens == ("red_mean_mark",)
