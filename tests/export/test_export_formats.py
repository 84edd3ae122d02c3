"""Exports: every layout of every method, read as others read it, drawing the same picture."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from lessons import QUICK, TOKEN, write_concept
from PIL import Image
from safetensors.torch import load_file

from brandsmith.base.sources import load_base
from brandsmith.base.stock import stock_pipeline
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.safe_weights import read_header
from brandsmith.export.export_run import export_run
from brandsmith.export.formats import LAYOUTS, TARGETS, layout_for
from brandsmith.export.headers import Card
from brandsmith.export.hypernetwork_file import from_webui
from brandsmith.methods.adapter import load_adapter
from brandsmith.methods.loop import train
from brandsmith.methods.registry import METHODS, build_config

PIPELINES = {"sd1": StableDiffusionPipeline, "sd2": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}
LORA = {"convolutions": True, "feed_forward": True, "rank": 4, "alpha": 6.0}


@torch.no_grad()
def draw(pipeline, prompt=f"a {TOKEN} on a sweater"):
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False, steps_offset=1)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator("cpu").manual_seed(3)
    return pipeline(prompt, num_inference_steps=3, guidance_scale=3.0, generator=generator, output_type="np").images[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(family, method) -> base folder, run, picture with the adapter on; each trained once."""
    folder = tmp_path_factory.mktemp("trained")
    concept = write_concept(folder / "concept")
    made = {}

    def make(family: str, method: str):
        if (family, method) not in made:
            base = folder / f"base-{family}"
            if not base.exists():
                save_as_diffusers_folder(build_tiny(family), base)
            config = build_config(method, steps=4, **(QUICK[method] | (LORA if method == "lora" else {})))
            run = train(config, concept, str(base), folder / f"{family}-{method}")
            loaded = load_base(str(base), dtype=torch.float32)
            plain = draw(stock_pipeline(loaded))
            with load_adapter(loaded, run.checkpoint_at()):
                picture = draw(stock_pipeline(loaded))
            assert np.abs(picture - plain).max() > 8 / 255, "nothing was learnt: equality would prove nothing"
            made[family, method] = (base, run.folder, picture)
        return made[family, method]

    return make


def stock(family, folder):
    more = {"add_watermarker": False} if family == "sdxl" else {}
    return PIPELINES[family].from_pretrained(folder, **more)


@pytest.mark.slow
@pytest.mark.parametrize("family", list(PIPELINES))
@pytest.mark.parametrize("to", ["kohya", "diffusers"])
def test_a_lora_whose_alpha_is_not_its_rank_draws_the_same_in_stock_diffusers(trained, tmp_path, family, to):
    base, run, ours = trained(family, "lora")
    file = export_run(run, tmp_path / "mark.safetensors", to=to)
    pipeline = stock(family, base)
    pipeline.load_lora_weights(file)
    assert np.abs(draw(pipeline) - ours).max() <= 2 / 255


@pytest.mark.slow
def test_alpha_is_right_for_readers_without_our_header(trained, tmp_path):
    """kohya's layout has it as tensors, diffusers' has it in the weights: both without any metadata."""
    base, run, ours = trained("sd1", "lora")
    for to in ("kohya", "diffusers"):
        tensors = load_file(export_run(run, tmp_path / f"{to}.safetensors", to=to))
        pipeline = stock("sd1", base)
        pipeline.load_lora_weights(tensors)
        assert np.abs(draw(pipeline) - ours).max() <= 2 / 255, to
    alphas = {float(value) for name, value in load_file(tmp_path / "kohya.safetensors").items() if "alpha" in name}
    assert alphas == {6.0}


@pytest.mark.slow
@pytest.mark.parametrize("family", list(PIPELINES))
@pytest.mark.parametrize("to", [None, "diffusers"])
def test_an_embedding_holds_every_encoders_vectors(trained, tmp_path, family, to):
    base, run, ours = trained(family, "textual_inversion")
    file = export_run(run, tmp_path / f"{TOKEN}.safetensors", to=to)
    stored, pipeline = load_file(file), stock(family, base)
    if family == "sdxl":
        assert {name: tuple(t.shape) for name, t in stored.items()} == {"clip_l": (2, 16), "clip_g": (2, 24)}
        for name, part in {"clip_l": "", "clip_g": "_2"}.items():
            own = {kind: getattr(pipeline, kind + part) for kind in ("text_encoder", "tokenizer")}
            pipeline.load_textual_inversion(stored[name], token=TOKEN, **own)
    else:
        assert list(stored) == ["emb_params" if to is None else TOKEN]
        pipeline.load_textual_inversion(file, **({"token": TOKEN} if to is None else {}))
    assert np.abs(draw(pipeline) - ours).max() <= 2 / 255


def webui_hypernetwork(unet, record):
    """AUTOMATIC1111's rule: before keys and values of every attention whose input has a width that is a key."""
    for module in unet.modules():
        for side, name in enumerate(("to_k", "to_v")):
            layer = getattr(module, name, None)
            network = record.get(layer.in_features) if isinstance(layer, torch.nn.Linear) else None
            if network:
                layer.register_forward_pre_hook(lambda _, inputs, net=network[side]: (run_webui(net, inputs[0]),))


def run_webui(network, x):
    y = x
    for i in range(0, 3, 2):
        y = torch.nn.functional.linear(y, network[f"linear.{i}.weight"], network[f"linear.{i}.bias"])
        y = y.relu() if i == 0 else y
    return x + y


@pytest.mark.slow
def test_a_hypernetwork_is_what_the_webui_opens_and_applies(trained, tmp_path):
    base, run, ours = trained("sd2", "hypernetwork")
    file = export_run(run, tmp_path / "mark.pt")
    record = torch.load(file, weights_only=True)
    assert [key for key in record if isinstance(key, int)] == [24] and record["layer_structure"] == [1, 2, 1]
    assert {"step", "name", "activation_func", "is_layer_norm", "use_dropout", "activate_output"} <= record.keys()
    pipeline = stock("sd2", base)
    webui_hypernetwork(pipeline.unet, record)
    assert np.abs(draw(pipeline) - ours).max() <= 2 / 255
    again = export_run(run, tmp_path / "again.pt")
    assert again.read_bytes() == file.read_bytes(), "equal trainings write equal bytes"
    assert len(from_webui(record)) == 8
    with pytest.raises(ValueError, match="layer norm"):
        from_webui({**record, "is_layer_norm": True})


@pytest.mark.slow
def test_a_dreambooth_folder_is_whole_for_older_transformers(trained, tmp_path):
    _, run, ours = trained("sd1", "dreambooth")
    folder = export_run(run, tmp_path / "whole")
    assert np.abs(draw(stock("sd1", folder)) - ours).max() <= 2 / 255
    vocabulary = json.loads((folder / "tokenizer" / "vocab.json").read_text(encoding="utf-8"))
    merges = (folder / "tokenizer" / "merges.txt").read_text(encoding="utf-8").splitlines()
    assert len(vocabulary) > 520 and merges[0].startswith("#version") and len(merges) > 40
    half = export_run(run, tmp_path / "half", precision="fp16")
    sizes = [(whole / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size for whole in (folder, half)]
    assert sizes[1] < 0.6 * sizes[0]


@pytest.mark.slow
def test_what_a_lora_file_says_of_itself(trained, tmp_path):
    _, run, _ = trained("sdxl", "lora")
    Image.new("RGB", (640, 300), "red").save(tmp_path / "cover.png")
    card = Card(title="Qoga", author="A brand", license="CC-BY-4.0", thumbnail=tmp_path / "cover.png")
    file = export_run(run, tmp_path / "mark.safetensors", card=card)
    said = read_header(file).metadata
    assert said["ss_base_model_version"] == "sdxl_base_v1-0" and said["ss_v2"] == "False"
    assert said["modelspec.architecture"] == "stable-diffusion-xl-v1-base/lora"
    assert (said["ss_network_dim"], said["ss_network_alpha"], said["ss_network_module"]) == (
        "4",
        "6.0",
        "networks.lora",
    )
    assert json.loads(said["ss_network_args"]) == {"conv_dim": "4", "conv_alpha": "6.0"}
    assert TOKEN in json.loads(said["ss_tag_frequency"])["brandsmith"] and said["modelspec.trigger_phrase"] == TOKEN
    assert said["modelspec.license"] == "CC-BY-4.0" and said["modelspec.title"] == "Qoga"
    assert said["modelspec.thumbnail"].startswith("data:image/jpeg;base64,")
    assert len(said["sshs_model_hash"]) == 64 and said["modelspec.hash_sha256"] == f"0x{said['sshs_model_hash']}"
    assert "/" not in said["ss_sd_model_name"], "a published file names nobody's disk"
    other = export_run(run, tmp_path / "other.safetensors", card=Card(title="Other"))
    assert read_header(other).metadata["sshs_model_hash"] == said["sshs_model_hash"], "of the tensors alone"


def test_every_method_and_target_has_a_layout_or_a_reason():
    tried = 0
    for method in METHODS:
        for family in ("sd1", "sd2", "sdxl", "sd3"):
            assert layout_for(method, family, None) in LAYOUTS[method].values()
            for to in TARGETS:
                tried += 1
                try:
                    assert layout_for(method, family, to) == LAYOUTS[method][to]
                except InvalidConfig as refusal:
                    assert to in str(refusal) and refusal.hint.startswith("allowed: ")
    assert tried == 4 * 4 * len(TARGETS)
    assert layout_for("lora", "sd1", None) == "kohya-lora" and layout_for("lora", "sd3", None) == "diffusers-lora"
    with pytest.raises(InvalidConfig, match="unknown target 'comfy'") as refused:
        layout_for("lora", "sd1", "comfy")
    assert "comfyui" in refused.value.hint
