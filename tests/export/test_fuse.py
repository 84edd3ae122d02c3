"""A LoRA in the weights of its base, and the next LoRA trained on top of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from diffusers import StableDiffusionPipeline
from drawing import sample
from lessons import TOKEN, quick_config, write_concept

from brandsmith.base.sources import load_base, resolve_base
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.files import sha256_of
from brandsmith.export.fuse import fuse_lora
from brandsmith.export.lora_tools import merge_loras
from brandsmith.methods.adapter import load_adapter
from brandsmith.methods.loop import train
from brandsmith.methods.method import Words

OTHER = "blue_zorb_mark"
PROMPT = f"a {TOKEN} on a blue sweater and a {OTHER}"


def drawn(base, prompt=PROMPT):
    return sample(base, [prompt], [17], num_steps=4, guidance_scale=3.0)[0].astype(int)


def with_adapter(name, run, prompt=PROMPT):
    base = load_base(str(name), dtype=torch.float32)
    with load_adapter(base, run.checkpoint_at()):
        return drawn(base, prompt)


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A base's folder, and the run of a LoRA on it with the settings given."""
    folder = tmp_path_factory.mktemp("fuse")
    save_as_diffusers_folder(build_tiny(), folder / "base")
    concept = write_concept(folder / "concept")

    def make(name, method="lora", **settings):
        return train(quick_config(method, steps=4, **settings), concept, str(folder / "base"), folder / name)

    return folder / "base", make


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("everywhere", {"convolutions": True, "feed_forward": True}),
        ("dora", {"kind": "dora"}),
        ("lokr", {"kind": "lokr"}),
        ("word", {"num_vectors": 2, "vectors_learning_rate": 0.3}),
    ],
)
def test_a_fused_base_draws_what_the_base_with_the_lora_draws(name, settings, taught, tmp_path, brandsmith):
    base, make = taught
    run = make(name, **settings)
    code, out, _ = brandsmith("lora", "fuse", run.folder, "--out", tmp_path / "fused")
    assert code == 0 and "fused" in out.splitlines()[-1]
    theirs, fused = with_adapter(base, run), load_base(str(tmp_path / "fused"), dtype=torch.float32)
    assert np.abs(drawn(fused) - theirs).max() <= 1
    assert np.abs(drawn(load_base(str(base), dtype=torch.float32)) - theirs).max() > 4
    if name == "word":
        stock = StableDiffusionPipeline.from_pretrained(tmp_path / "fused")
        assert stock.maybe_convert_prompt(TOKEN, stock.tokenizer) == f"{TOKEN} {TOKEN}_1"
        rows = stock.text_encoder.get_input_embeddings().weight
        assert len(rows) == len(stock.tokenizer) == len(fused.tokenizer)


@pytest.mark.slow
def test_a_lora_is_trained_on_top_of_another_and_both_add_up(taught, tmp_path):
    base, make = taught
    first = make("first")
    fused = fuse_lora(first.folder, tmp_path / "fused")
    before = {file.name: sha256_of(file) for file in fused.rglob("*.safetensors")}
    concept = write_concept(tmp_path / "concept", OTHER)
    second = train(quick_config("lora", steps=4, seed=5), concept, str(fused), tmp_path / "second")
    assert {file.name: sha256_of(file) for file in fused.rglob("*.safetensors")} == before
    on_top = with_adapter(fused, second)
    assert np.abs(on_top - drawn(load_base(str(fused), dtype=torch.float32))).max() > 4, "it has learnt something"
    both = merge_loras([first.folder, second.folder], [], str(base), tmp_path / "both", words=Words(TOKEN, "logo"))
    assert np.abs(with_adapter(base, both) - on_top).max() <= 1
    half = fuse_lora(first.folder, tmp_path / "half", weight=0.5)
    twice = fuse_lora(make("first").folder, tmp_path / "again", base=str(half), weight=0.5)
    assert np.abs(drawn(load_base(str(twice), dtype=torch.float32)) - with_adapter(base, first)).max() <= 1


@pytest.mark.slow
def test_what_is_no_lora_and_a_folder_that_is_there_are_refused(taught, tmp_path):
    _, make = taught
    whole, run = make("whole", "dreambooth"), make("first")
    with pytest.raises(InvalidConfig, match="dreambooth run") as refused:
        fuse_lora(whole.folder, tmp_path / "out")
    assert "--to diffusers" in refused.value.hint
    (tmp_path / "mine").mkdir()
    with pytest.raises(InvalidConfig, match="exists"):
        fuse_lora(run.folder, tmp_path / "mine")
    assert not any((tmp_path / "mine").iterdir()) and not (tmp_path / "out").exists()
    assert resolve_base(str(fuse_lora(run.folder, tmp_path / "new"))) == tmp_path / "new"
