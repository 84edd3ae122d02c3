"""Exports: every layout of every method, read as others read it, drawing the same picture."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from lessons import QUICK, TOKEN, write_concept
from PIL import Image
from safetensors.torch import load_file, save_file
from small_bases import build_small

from brandsmith.base.base import encode_prompts, predict
from brandsmith.base.random_sd15 import sd15_unet_shapes
from brandsmith.base.sources import check_base, load_base
from brandsmith.base.stock import save_stock_folder, stock_pipeline
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.run import RunDirectory
from brandsmith.core.safe_weights import read_header
from brandsmith.export.card import Card
from brandsmith.export.compact import compacted, num_bytes, num_bytes_fp32, restored
from brandsmith.export.export_run import export_run
from brandsmith.export.formats import LAYOUTS, TARGETS, layout_for
from brandsmith.export.hypernetwork_file import from_webui
from brandsmith.export.import_run import import_adapter
from brandsmith.export.lora_tools import extract_lora, merge_loras
from brandsmith.methods.adapter import load_adapter, read_adapter_info
from brandsmith.methods.loop import train
from brandsmith.methods.method import Words
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
@pytest.mark.parametrize(
    ("family", "to"), [("sd1", "kohya"), ("sd2", "kohya"), ("sdxl", "kohya"), ("sdxl", "diffusers")]
)
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
@pytest.mark.parametrize(("family", "to"), [("sd1", None), ("sd1", "diffusers"), ("sdxl", None)])
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
        for family in ("sd1", "sd2", "sdxl"):
            assert layout_for(method, family, None) in LAYOUTS[method].values()
            for to in TARGETS:
                tried += 1
                try:
                    assert layout_for(method, family, to) == LAYOUTS[method][to]
                except InvalidConfig as refusal:
                    assert to in str(refusal) and refusal.hint.startswith("allowed: ")
    assert tried == 4 * 3 * len(TARGETS)
    assert layout_for("lora", "sd1", None) == "kohya-lora" and layout_for("lora", "sd3", None) == "diffusers-lora"
    with pytest.raises(InvalidConfig, match="unknown target 'comfy'") as refused:
        layout_for("lora", "sd1", "comfy")
    assert "comfyui" in refused.value.hint


def drawn_by(run, base):
    loaded = load_base(str(base), dtype=torch.float32)
    with load_adapter(loaded, RunDirectory(run).checkpoint_at()):
        return draw(stock_pipeline(loaded))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "method"), [("sdxl", "lora"), ("sdxl", "textual_inversion"), ("sd2", "hypernetwork")]
)
def test_what_is_exported_comes_back_as_the_same_picture(trained, tmp_path, family, method):
    base, run, ours = trained(family, method)
    targets = [to for to in LAYOUTS[method] if to in ("kohya", "diffusers")] or ["a1111"]
    for number, to in enumerate(targets):
        ending = "pt" if method == "hypernetwork" else "safetensors"
        file = export_run(run, tmp_path / f"{number}.{ending}", to=to)
        back = import_adapter(file, str(base), tmp_path / f"run-{number}", token=TOKEN, allow_pickle=True)
        assert np.abs(drawn_by(back.folder, base) - ours).max() <= 2 / 255, to


@pytest.mark.slow
def test_other_programs_spellings_are_read_too(trained, tmp_path):
    """diffusers' scripts of 2023, ComfyUI's own names, ranks and strengths that differ from layer to layer."""
    base, run, ours = trained("sd1", "lora")
    layers = load_file(export_run(run, tmp_path / "diffusers.safetensors", to="diffusers"))
    old = {
        name.replace(".lora_A.", ".lora.down.").replace(".lora_B.", ".lora.up."): tensor
        for name, tensor in layers.items()
    }
    old = {re.sub(r"(attn\d)\.to_(q|out)(\.0)?\.lora", r"\1.processor.to_\2_lora", name): old[name] for name in old}
    assert any("processor.to_out_lora.down" in name for name in old)
    mixed = dict(load_file(export_run(run, tmp_path / "kohya.safetensors")))
    name = next(name.removesuffix(".alpha") for name in mixed if name.endswith(".alpha"))
    up, down = f"{name}.lora_up.weight", f"{name}.lora_down.weight"
    mixed[down], mixed[up] = torch.cat([mixed[down]] * 2), torch.cat([mixed[up]] * 2, dim=1)  # twice the rank, and
    mixed[f"{name}.alpha"] = mixed[f"{name}.alpha"] * 1.0  # alpha as before: alpha / rank is half of what it was
    for number, tensors in enumerate((old, mixed)):
        save_file(tensors, tmp_path / f"{number}.safetensors")
        back = import_adapter(tmp_path / f"{number}.safetensors", str(base), tmp_path / f"run-{number}")
        assert np.abs(drawn_by(back.folder, base) - ours).max() <= 2 / 255


@pytest.mark.slow
def test_a_file_that_fits_no_layer_is_an_error_and_leaves_nothing(trained, tmp_path):
    base, _, _ = trained("sd1", "lora")
    other, xl, _ = trained("sdxl", "lora")
    mark = export_run(xl, tmp_path / "xl.safetensors")
    with pytest.raises(InvalidInput, match=r"layers in .* are none of base .*\(sd1\)") as refused:
        import_adapter(mark, str(base), tmp_path / "no")
    assert "--base" in refused.value.hint
    tensors = load_file(mark)
    alone = {name: tensor for name, tensor in tensors.items() if "alpha" in name}
    cases = {
        "has no down": alone,
        "LoKr": {"lora_unet_x.lokr_w1": torch.zeros(2)},
        "DoRA": {**tensors, "x.dora_scale": torch.zeros(2)},
    }
    for number, (what, given) in enumerate(cases.items()):
        save_file(given, tmp_path / f"{number}.safetensors")
        with pytest.raises(InvalidInput, match=what):
            import_adapter(tmp_path / f"{number}.safetensors", str(other), tmp_path / "no")
    embedding = tmp_path / "e.safetensors"
    save_file({"emb_params": torch.zeros(1, 768)}, embedding)
    with pytest.raises(InvalidInput, match="768"):
        import_adapter(embedding, str(base), tmp_path / "no")
    pickle = tmp_path / "e.pt"
    torch.save({"string_to_param": {"*": torch.ones(1, 16)}, "name": "x"}, pickle)
    with pytest.raises(InvalidInput, match="is a pickle") as refused:
        import_adapter(pickle, str(base), tmp_path / "no")
    assert "--allow-pickle" in refused.value.hint and not (tmp_path / "no").exists()
    assert import_adapter(pickle, str(base), tmp_path / "yes", token="q_x", allow_pickle=True).status() == "finished"


@pytest.mark.slow
def test_loras_are_extracted_merged_and_resized(trained, tmp_path):
    base, run, ours = trained("sd1", "lora")
    tuned_base, tuned, picture = trained("sd1", "dreambooth")
    words = Words(TOKEN, "logo")
    full = extract_lora(tuned, str(tuned_base), tmp_path / "full", rank=64, words=words)
    plain = draw(stock_pipeline(load_base(str(base), dtype=torch.float32)))
    error, moved = np.abs(drawn_by(full.folder, base) - picture).mean(), np.abs(plain - picture).mean()
    assert error < 0.2 * moved, "norms, biases and embeddings are not in a LoRA; the rest of the change is"
    halves = merge_loras([run, run], [0.5, 0.5], str(base), tmp_path / "merged", words=words)
    assert np.abs(drawn_by(halves.folder, base) - ours).max() <= 2 / 255
    settings = read_adapter_info(halves.checkpoint_at()).settings
    assert settings.rank == 8, "ranks add up"
    same = merge_loras([halves.folder], [], str(base), tmp_path / "resized", words=words, rank=4)
    assert read_adapter_info(same.checkpoint_at()).settings.rank == 4
    assert np.abs(drawn_by(same.folder, base) - ours).max() <= 2 / 255, "the sum of a LoRA with itself has its rank"
    again = export_run(same.folder, tmp_path / "again.safetensors")
    assert {float(t) for name, t in load_file(again).items() if name.endswith("alpha")} == {4.0}
    with pytest.raises(InvalidInput, match="same layers"):
        extract_lora(str(base), str(base), tmp_path / "nothing", rank=4, words=words)


@pytest.mark.slow
def test_a_dreambooth_single_file_is_a_base_and_draws_the_same(tmp_path, monkeypatch):
    """Exported as one file, read back as a base: the structure is read off the file, so it is the published one."""
    monkeypatch.setenv("BRANDSMITH_CACHE", str(tmp_path / "cache"))
    base = build_small("sd1", tmp_path / "tokenizer")
    save_stock_folder(base, tmp_path / "base")
    config = build_config("dreambooth", steps=2, image_px=64, **QUICK["dreambooth"])
    run = train(config, write_concept(tmp_path / "concept"), str(tmp_path / "base"), tmp_path / "run")
    file = export_run(run.folder, tmp_path / "whole.safetensors", to="single-file", precision="fp32")
    tuned = load_base(str(file), dtype=torch.float32)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    prompts = [f"a {TOKEN}"]
    with torch.no_grad():
        theirs = predict(tuned, latents, torch.tensor([500]), encode_prompts(tuned, prompts))
        plain = load_base(str(tmp_path / "base"), dtype=torch.float32)
        before = predict(plain, latents, torch.tensor([500]), encode_prompts(plain, prompts))
        with load_adapter(plain, run.checkpoint_at()):
            ours = predict(plain, latents, torch.tensor([500]), encode_prompts(plain, prompts))
    assert float((ours - before).abs().max()) > 100 * float((ours - theirs).abs().max())
    half = export_run(run.folder, tmp_path / "half.safetensors", to="a1111")
    assert half.stat().st_size < 0.51 * file.stat().st_size and check_base(str(half)) is None


@pytest.mark.slow
def test_a_compact_file_is_small_and_comes_back_as_nearly_the_same_model(trained, tmp_path):
    base, run, ours = trained("sd1", "dreambooth")
    file = export_run(run, tmp_path / "compact.safetensors", to="compact")
    back = import_adapter(file, str(base), tmp_path / "back")
    infos = [read_adapter_info(found.checkpoint_at()) for found in (back, RunDirectory(run))]
    assert infos[0].settings == infos[1].settings and infos[0].words == infos[1].words
    plain = draw(stock_pipeline(load_base(str(base), dtype=torch.float32)))
    error, moved = np.abs(drawn_by(back.folder, base) - ours).mean(), np.abs(plain - ours).mean()
    assert error < 0.2 * moved
    shapes = [tuple(t.shape) for f in RunDirectory(run).checkpoint_at().glob("*") for t in load_file(f).values()]
    stored = sum(tensor.numel() * tensor.element_size() for tensor in load_file(file).values())
    assert stored < 0.13 * num_bytes_fp32(shapes), "small matrices: more of it is scales and code tables"
    published = sd15_unet_shapes()
    assert sum(num_bytes(shape, 2.6) for shape in published) < 0.097 * num_bytes_fp32(published)
    save_as_diffusers_folder(build_tiny("sd1", seed=1), tmp_path / "other")
    with pytest.raises(InvalidInput, match="other weights") as refused:
        import_adapter(file, str(tmp_path / "other"), tmp_path / "no")
    assert "--base" in refused.value.hint and not (tmp_path / "no").exists()


def test_a_difference_is_restored_up_to_its_quantisation():
    generator = torch.Generator().manual_seed(0)
    low = torch.randn(48, 3, generator=generator) @ torch.randn(3, 40, generator=generator)
    for difference in (torch.randn(7, generator=generator), torch.randn(24, 6, 3, 3, generator=generator), low):
        stored = compacted("x", difference)
        error = (restored("x", stored, tuple(difference.shape)) - difference).norm() / difference.norm()
        assert float(error) < {1: 0.001, 4: 0.21, 2: 0.2}[difference.dim()]
