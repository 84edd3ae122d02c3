"""An adapter with a new word beside it is exported as two files, which stock diffusers draws the same picture from."""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from diffusers import StableDiffusionPipeline
from lessons import QUICK, TOKEN, write_concept

from brandsmith.base.base import encode_prompts, predict
from brandsmith.base.prompt_tokens import expand_prompts
from brandsmith.base.sources import load_base
from brandsmith.core.errors import InvalidConfig
from brandsmith.export.export_run import export_run
from brandsmith.methods.adapter import load_adapter
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
        conditioning = encode_prompts(base, expand_prompts(base, [PROMPT]))
        return predict(base, LATENTS, torch.tensor([400]), conditioning)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lora", "dreambooth"])
def test_stock_diffusers_draws_the_same_from_both_files(trained, tmp_path, name, capsys):
    folder, run_of = trained
    run = run_of(name)
    out = tmp_path / "out" / ("adapter.safetensors" if name == "lora" else "model")
    export_run(run, out, to="diffusers")
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


def test_nothing_is_written_where_the_word_has_no_place(trained, tmp_path):
    _, run_of = trained
    run = run_of("lora")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{TOKEN}.safetensors").write_text("mine")
    with pytest.raises(InvalidConfig, match="is where the embedding"):
        export_run(run, tmp_path / "out" / "adapter.safetensors")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{TOKEN}.safetensors"]
    assert (tmp_path / "out" / f"{TOKEN}.safetensors").read_text() == "mine"


def test_an_export_says_what_another_program_cannot_follow(trained, tmp_path, capsys):
    _, run_of = trained
    export_run(run_of("lora", acts_below=0.6), tmp_path / "out" / "adapter.safetensors")
    assert "acts below 0.6 of the noise schedule" in capsys.readouterr().err
