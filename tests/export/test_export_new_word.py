"""An adapter with a new word beside it is exported as two files, which stock diffusers draws the same picture from, or
as one that bundles both.
"""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from diffusers import StableDiffusionPipeline
from drawing import sample
from lessons import QUICK, TOKEN, write_concept
from safetensors.torch import load_file, save_file

from brandsmith.base.base import encode_prompts, predict
from brandsmith.base.prompt_tokens import expand_prompts
from brandsmith.base.sources import load_base
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.export.export_run import export_run
from brandsmith.export.import_run import import_adapter
from brandsmith.methods.adapter import load_adapter, read_adapter_info
from brandsmith.methods.loop import train
from brandsmith.methods.registry import build_config

PROMPT = f"a {TOKEN} on a sweater"
LATENTS = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def trained(tmp_path):
    """(base folder, name -> run folder with a new word)."""
    save_as_diffusers_folder(build_tiny(), tmp_path / "tiny")

    def run_of(name, **more):
        own = {key: value for key, value in QUICK[name].items() if key != "text_encoder_learning_rate"}
        options = own | {"steps": 3, "prior_weight": 0.0, "num_vectors": 3, "vectors_learning_rate": 0.1} | more
        concept = write_concept(tmp_path / f"concept-{name}")
        return train(build_config(name, **options), concept, str(tmp_path / "tiny"), tmp_path / name).folder

    return tmp_path / "tiny", run_of


@torch.no_grad()
def stock_prediction(pipeline):
    """What a stock pipeline's denoiser predicts for the prompt from given latents."""
    hidden, _ = pipeline.encode_prompt(PROMPT, "cpu", 1, False)
    return pipeline.unet(LATENTS, 400, encoder_hidden_states=hidden).sample


@torch.no_grad()
def our_prediction(folder, run):
    base = load_base(str(folder), device="cpu", precision="fp32")
    with load_adapter(base, sorted((run / "checkpoints").iterdir())[-1]):
        conditioning = encode_prompts(base, expand_prompts(base.tokenizer, [PROMPT]))
        return predict(base, LATENTS, torch.tensor([400]), conditioning)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lora", "dreambooth"])
def test_stock_diffusers_draws_the_same_from_both_files(trained, tmp_path, name, capsys):
    folder, run_of = trained
    run = run_of(name)
    out = tmp_path / "out" / ("adapter.safetensors" if name == "lora" else "model")
    export_run(run, out, to="diffusers")
    if name == "dreambooth":
        with pytest.raises(InvalidConfig, match="the compact form holds weights alone"):
            export_run(run, tmp_path / "compact.safetensors", to="compact")
        assert not (tmp_path / "compact.safetensors").exists()
    word = tmp_path / "out" / f"{TOKEN}.safetensors"
    assert f"load '{word}' beside it" in capsys.readouterr().err
    pipeline = StableDiffusionPipeline.from_pretrained(out if name == "dreambooth" else folder, safety_checker=None)
    if name == "lora":
        pipeline.load_lora_weights(str(out.parent), weight_name=out.name)
    pipeline.load_textual_inversion(str(word.parent), weight_name=word.name, token=TOKEN)
    expected = our_prediction(folder, run)
    torch.testing.assert_close(stock_prediction(pipeline), expected, atol=2e-5, rtol=1e-4)
    pipeline.unload_textual_inversion(TOKEN)
    assert not torch.allclose(stock_prediction(pipeline), expected, atol=1e-3), "without the word it is another picture"


@pytest.mark.slow
def test_nothing_is_written_where_the_word_has_no_place(trained, tmp_path):
    _, run_of = trained
    run = run_of("lora")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{TOKEN}.safetensors").write_text("mine")
    with pytest.raises(InvalidConfig, match="is where the embedding"):
        export_run(run, tmp_path / "out" / "adapter.safetensors")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{TOKEN}.safetensors"]
    assert (tmp_path / "out" / f"{TOKEN}.safetensors").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize("to", [None, "diffusers"])
def test_an_export_that_was_killed_between_its_two_files_is_completed(trained, tmp_path, to):
    run = trained[1]("lora")
    out, word = (tmp_path / "out" / name for name in ("adapter.safetensors", f"{TOKEN}.safetensors"))
    export_run(run, out, to=to)
    whole = {file: file.read_bytes() for file in (out, word)}
    out.unlink()
    written_at = word.stat().st_mtime_ns
    export_run(run, out, to=to)
    assert {file: file.read_bytes() for file in (out, word)} == whole and word.stat().st_mtime_ns == written_at
    out.unlink()
    word.write_bytes(word.read_bytes()[:-1] + b"x")
    with pytest.raises(InvalidConfig, match="is where the embedding"):
        export_run(run, out, to=to)
    assert not out.exists()


@pytest.mark.slow
def test_an_export_says_what_another_program_cannot_follow(trained, tmp_path, capsys):
    _, run_of = trained
    export_run(run_of("lora", acts_below=0.6), tmp_path / "out" / "adapter.safetensors")
    assert "acts below 0.6 of the noise schedule" in capsys.readouterr().err


def a1111_bundle(tensors):
    """(layer keys, word -> vectors) as AUTOMATIC1111's `networks.py` and `textual_inversion.py` take a file apart: the
    first part of a key, then the word, then `string_to_param` with one entry, or one tensor, or `clip_g` with `clip_l`.
    """
    words, layers = {}, []
    for key, tensor in tensors.items():
        head, _, rest = key.partition(".")
        if head != "bundle_emb":
            layers.append(key)
            continue
        word, name = rest.split(".", 1)
        if name.split(".")[0] == "string_to_param":
            words.setdefault(word, {})["string_to_param"] = {name.split(".", 1)[1]: tensor}
        else:
            words.setdefault(word, {})[name] = tensor
    return layers, {word: _a1111_vectors(data) for word, data in words.items()}


def _a1111_vectors(data):
    if "string_to_param" in data:
        assert len(data["string_to_param"]) == 1
        return list(data["string_to_param"].values())
    if {"clip_g", "clip_l"} <= data.keys():
        return [data["clip_l"], data["clip_g"]]
    assert len(data) == 1
    return list(data.values())


def comfyui_bundle(tensors, encoder):
    """The vectors that ComfyUI's `sd1_clip.py` finds for a text encoder in a file that is named as an embedding."""
    for ending in (".string_to_param.*", f".{encoder}"):
        found = [t for key, t in tensors.items() if key.startswith("bundle_emb.") and key.endswith(ending)]
        if found:
            return torch.cat(found)
    return None


def kohya_layers(tensors):
    """The modules that sd-scripts' `create_network_from_weights` builds: those with `lora_down` in the key."""
    return {key.split(".")[0] for key in tensors if "lora_down" in key}


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_bundled_file_is_read_by_its_readers_rules_and_comes_back(family, tmp_path, capsys):
    save_as_diffusers_folder(build_tiny(family), tmp_path / "tiny")
    own = {"steps": 2, "num_vectors": 3, "vectors_learning_rate": 0.1, "rank": 2, "learning_rate": 1e-2}
    run = train(
        build_config("lora", **own), write_concept(tmp_path / "concept"), str(tmp_path / "tiny"), tmp_path / "run"
    )
    files = ("learned_embeds.safetensors", "learned_embeds_2.safetensors")[: 2 if family == "sdxl" else 1]
    vectors = [load_file(run.checkpoint_at() / name)[TOKEN] for name in files]
    plain, out = tmp_path / "plain" / "adapter.safetensors", tmp_path / "adapter.safetensors"
    export_run(run.folder, plain)
    export_run(run.folder, out, to="a1111")
    assert "holds the new word" in capsys.readouterr().err and not (tmp_path / f"{TOKEN}.safetensors").exists()
    tensors = load_file(out)
    layers, words = a1111_bundle(tensors)
    assert sorted(layers) == sorted(load_file(plain)) and list(words) == [TOKEN]
    assert all(map(torch.equal, words[TOKEN], vectors)) and len(words[TOKEN]) == len(vectors)
    for encoder, wanted in zip(("clip_l", "clip_g"), vectors, strict=False):
        assert torch.equal(comfyui_bundle(tensors, encoder), wanted)
    assert kohya_layers(tensors) == kohya_layers(load_file(plain)) and len(kohya_layers(tensors)) > 10

    again = import_adapter(out, str(tmp_path / "tiny"), tmp_path / "again")
    info = read_adapter_info(again.checkpoint_at())
    assert info.token == TOKEN and info.settings.token_vectors == 3
    base = build_tiny(family)
    pictures = []
    for checkpoint in (run.checkpoint_at(), again.checkpoint_at()):
        base.name = str(tmp_path / "tiny")
        with load_adapter(base, checkpoint):
            pictures.append(sample(base, [PROMPT], [1], num_steps=2, guidance_scale=2.0)[0].astype(int))
    assert abs(pictures[0] - pictures[1]).max() <= 1
    assert abs(pictures[0] - sample(base, [PROMPT], [1], num_steps=2, guidance_scale=2.0)[0]).max() > 4


def test_a_file_that_bundles_several_words_is_refused_by_their_names(tmp_path):
    save_as_diffusers_folder(build_tiny(), tmp_path / "tiny")
    layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    tensors = {f"{layer}.lora_down.weight": torch.zeros(2, 16), f"{layer}.lora_up.weight": torch.zeros(16, 2)}
    tensors |= {f"bundle_emb.{word}.clip_l": torch.zeros(1, 16) for word in ("cat", "dog")}
    save_file(tensors, tmp_path / "two.safetensors")
    with pytest.raises(InvalidInput, match="cat, dog"):
        import_adapter(tmp_path / "two.safetensors", str(tmp_path / "tiny"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
