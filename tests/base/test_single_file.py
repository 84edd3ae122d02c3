"""A base in one file: read with stock diffusers' reader as the witness, and written for it."""

from __future__ import annotations

import json
import shutil
import time

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file
from small_bases import PREDICTS, build_small

from brandsmith.base import hub
from brandsmith.base.base import Base, decode_latents, encode_prompts, predict
from brandsmith.base.distilled import KINDS, distilled_kind, refuse_training
from brandsmith.base.foreign.layouts import single_file_tensors
from brandsmith.base.foreign.pickles import convert_pickles
from brandsmith.base.sources import check_base, load_base, load_scheduler, resolve_base
from brandsmith.base.stock import save_stock_folder, stock_pipeline
from brandsmith.core.errors import InvalidConfig, InvalidInput, MissingResource
from brandsmith.guidance.schedulers import check_scheduler

CLASSES = {"sd1": StableDiffusionPipeline, "sd2": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """family -> the base, its folder, its single file; each made once."""
    folder, made = tmp_path_factory.mktemp("small"), {}

    def make(family: str):
        if family not in made:
            base = build_small(family, folder / f"tokenizer-{family}")
            save_stock_folder(base, folder / family)
            file = folder / f"{family}.safetensors"
            save_file({name: tensor.contiguous() for name, tensor in single_file_tensors(base).items()}, file)
            made[family] = (base, folder / family, file)
        return made[family]

    return make


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("BRANDSMITH_CACHE", str(tmp_path / "cache"))


@torch.no_grad()
def outputs(base: Base) -> list[torch.Tensor]:
    """Text, prediction and picture of a base."""
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    conditioning = encode_prompts(base, ["a red logo on a blue sweater"], (128, 128))
    noise = predict(base, latents, torch.tensor([500]), conditioning)
    return [conditioning.hidden, noise, decode_latents(base, latents[:, :, :4, :4])]


def check_same(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> None:
    """Equal but for the last bits, which depend on where a tensor lies in memory."""
    for mine, other in zip(ours, theirs, strict=True):
        assert float((mine - other).abs().max()) <= 1e-5 * float(other.abs().max())


@pytest.mark.slow
@pytest.mark.parametrize("family", list(CLASSES))
def test_a_single_file_is_the_same_base(small, family):
    base, _, file = small(family)
    loaded = load_base(str(file), dtype=torch.float32)
    assert loaded.family.name == family and loaded.image_px == base.image_px
    check_same(outputs(loaded), outputs(base))
    assert loaded.scheduler.config.prediction_type == PREDICTS[family]
    assert loaded.tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]


@pytest.mark.slow
@pytest.mark.parametrize("family", list(CLASSES))
def test_stock_diffusers_reads_the_written_file_as_the_same_model(small, family):
    base, folder, file = small(family)
    stock = CLASSES[family].from_single_file(file, config=str(folder), local_files_only=True)
    parts = {"unet": base.denoiser, "vae": base.vae, **base.named_encoders()}
    for name, part in parts.items():
        theirs, ours = getattr(stock, name).state_dict(), part.state_dict()
        assert theirs.keys() >= ours.keys() - {key for key in ours if "position_ids" in key}
        assert all(torch.equal(theirs[key], ours[key]) for key in ours if key in theirs), name


@pytest.mark.slow
def test_a_folder_with_half_precision_files_alone_loads(small, tmp_path):
    base, _, _ = small("sd1")
    stock_pipeline(base).save_pretrained(tmp_path / "half", variant="fp16")
    assert not list((tmp_path / "half").rglob("*model.safetensors"))
    loaded = load_base(str(tmp_path / "half"), dtype=torch.float32)
    check_same(outputs(loaded), outputs(base))


def write_names(file, *names: str, width: int = 8) -> str:
    save_file({name: torch.zeros(width, width) for name in names}, file)
    return str(file)


def test_what_a_file_is_instead_is_said_before_weights_load(tmp_path):
    unet = "model.diffusion_model.input_blocks.0.0.weight"
    cases = {
        "Stable Diffusion 3": ["model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"],
        "FLUX": ["double_blocks.0.img_attn.qkv.weight"],
        "the SDXL refiner": [unet, "first_stage_model.x", "conditioner.embedders.0.model.ln_final.weight"],
        "a LoRA": ["lora_unet_mid_block_attentions_0_proj_in.lora_down.weight"],
        "an embedding": ["emb_params"],
        "a U-Net without a text encoder": [unet],
        "a file of unknown kind": ["weight"],
    }
    for number, (what, names) in enumerate(cases.items()):
        with pytest.raises(InvalidConfig, match=what) as refused:
            check_base(write_names(tmp_path / f"{number}.safetensors", *names))
        assert "1.x, 2.x or XL" in refused.value.hint
    with pytest.raises(MissingResource, match=r"models/x\.safetensors' is not there"):
        check_base("models/x.safetensors")
    (tmp_path / "old.ckpt").write_bytes(b"PK")
    with pytest.raises(MissingResource, match="may run a program") as refused:
        check_base(str(tmp_path / "old.ckpt"))
    assert "--allow-pickle" in refused.value.hint


@pytest.mark.slow
def test_a_file_may_be_named_from_where_one_stands(small, tmp_path, monkeypatch):
    file = small("sd1")[2]
    monkeypatch.chdir(file.parent)
    (file.parent / "models").mkdir(exist_ok=True)
    shutil.copyfile(file, file.parent / "models" / "mine.safetensors")
    for name in (str(file), file.name, f"./{file.name}", "models/mine.safetensors"):
        check_base(name)
        assert load_scheduler(resolve_base(name)).config.prediction_type == "epsilon"


@pytest.mark.slow
def test_names_of_older_versions_are_read(small, tmp_path):
    """Attention of old diffusers, and text encoders of transformers 4: `text_model.` and `position_ids`."""
    base, folder, _ = small("sd1")
    shutil.copytree(folder, tmp_path / "old")
    vae = next((tmp_path / "old" / "vae").glob("*.safetensors"))
    tensors = load_file(vae)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {_first(name, old): tensor for name, tensor in tensors.items()}
    assert len(renamed.keys() - tensors.keys()) == 16, "both attentions, weights and biases"
    save_file(renamed, vae)
    text = next((tmp_path / "old" / "text_encoder").glob("*.safetensors"))
    words = {f"text_model.{name.removeprefix('text_model.')}": own for name, own in load_file(text).items()}
    save_file({**words, "text_model.embeddings.position_ids": torch.arange(77)[None]}, text)
    check_same(outputs(load_base(str(tmp_path / "old"), dtype=torch.float32)), outputs(base))


def _first(name: str, old: dict[str, str]) -> str:
    parts = (name.replace(f".{new}.", f".{was}.") for new, was in old.items() if f".{new}." in name)
    return next(parts, name)


@pytest.mark.slow
def test_a_file_that_lacks_tensors_is_refused(small, tmp_path):
    tensors = load_file(small("sd1")[2])
    for name, what in {
        "model.diffusion_model.middle_block.1.proj_in.bias": "middle_block.1.proj_in.bias",
        "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight": "position_embedding",
        "model.diffusion_model.out.2.weight": "out.2.weight",
    }.items():
        left = {key: tensor for key, tensor in tensors.items() if key != name}
        save_file(left, tmp_path / f"{what}.safetensors")
        with pytest.raises(InvalidInput, match="lacks") as refused:
            check_base(str(tmp_path / f"{what}.safetensors"))
        assert what in str(refused.value)


@pytest.mark.slow
def test_what_a_file_predicts_is_read_from_wherever_it_is_said(small, tmp_path):
    tensors = load_file(small("sdxl")[2])
    file = tmp_path / "v.safetensors"
    save_file({**tensors, "v_pred": torch.tensor([]), "ztsnr": torch.tensor([])}, file)
    config = load_base(str(file), dtype=torch.float32).scheduler.config
    assert config.prediction_type == "v_prediction" and config.rescale_betas_zero_snr
    two = tmp_path / "two.safetensors"
    save_file(load_file(small("sd2")[2]), two)
    two.with_suffix(".yaml").write_text("model:\n  params:\n    parameterization: eps\n", encoding="utf-8")
    assert load_scheduler(resolve_base(str(two))).config.prediction_type == "epsilon"
    index = json.loads((resolve_base(str(two)) / "single_file.json").read_text())
    assert index["file"] == str(two.resolve())


HUB = """
model_index.json scheduler/scheduler_config.json tokenizer/vocab.json tokenizer/merges.txt
tokenizer/tokenizer_config.json unet/config.json unet/diffusion_pytorch_model.safetensors
unet/diffusion_pytorch_model.fp16.safetensors
unet/diffusion_pytorch_model.non_ema.safetensors unet/diffusion_pytorch_model.bin vae/config.json
vae/diffusion_pytorch_model.fp16.safetensors vae/diffusion_pytorch_model.non_ema.safetensors text_encoder/config.json
text_encoder/model-00001-of-00002.safetensors text_encoder/model-00002-of-00002.safetensors
text_encoder/model.safetensors.index.json text_encoder/model.fp16.safetensors text_encoder/pytorch_model.bin
safety_checker/model.safetensors safety_checker/config.json feature_extractor/preprocessor_config.json
v1-5-pruned.safetensors v1-5-pruned-emaonly.safetensors v1-5-pruned.ckpt README.md image.png
"""


def test_of_a_repository_only_what_is_needed_is_fetched():
    needed = hub.files_needed(HUB.split())
    weights = [name for name in needed if name.endswith(".safetensors")]
    assert weights == [
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
        "text_encoder/model-00001-of-00002.safetensors",
        "text_encoder/model-00002-of-00002.safetensors",
    ]
    assert "text_encoder/model.safetensors.index.json" in needed and "tokenizer/merges.txt" in needed
    assert "README.md" in needed, "its licence stands there"
    assert not [name for name in needed if name.startswith(("safety", "feature", "v1")) or name.endswith(".bin")]


def test_without_network_the_answer_is_quick(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(MissingResource, match="HF_HUB_OFFLINE is set"):
        check_base("someone/else")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: time.sleep(30))
    monkeypatch.setattr(hub, "HUB_TIMEOUT_SEC", 0.1)
    started = time.monotonic()
    with pytest.raises(MissingResource, match="no answer within") as refused:
        check_base("someone/else")
    assert time.monotonic() - started < 20 and "local folder or file" in refused.value.hint


def test_pickles_are_converted_on_demand_alone(tmp_path):
    weights = {"state_dict": {"a": torch.ones(2), "b": torch.zeros(1)}, "global_step": 3}
    torch.save(weights, tmp_path / "old.ckpt")
    with pytest.raises(InvalidInput, match="is a pickle") as refused:
        convert_pickles(tmp_path / "old.ckpt", tmp_path / "new.safetensors", allow_pickle=False)
    assert "--allow-pickle" in refused.value.hint
    convert_pickles(tmp_path / "old.ckpt", tmp_path / "new.safetensors", allow_pickle=True)
    assert {name: tensor.tolist() for name, tensor in load_file(tmp_path / "new.safetensors").items()} == {
        "a": [1, 1],
        "b": [0],
    }
    torch.save({"x": print}, tmp_path / "program.ckpt")
    with pytest.raises(InvalidInput, match="more than tensors"):
        convert_pickles(tmp_path / "program.ckpt", tmp_path / "no.safetensors", allow_pickle=True)
    folder = tmp_path / "folder"
    (folder / "unet").mkdir(parents=True)
    (folder / "text_encoder").mkdir()
    (folder / "model_index.json").write_text("{}")
    torch.save({"a": torch.ones(2)}, folder / "unet" / "diffusion_pytorch_model.bin")
    torch.save({"a": torch.ones(2)}, folder / "text_encoder" / "pytorch_model.bin")
    convert_pickles(folder, tmp_path / "safe", allow_pickle=True)
    made = sorted(
        file.relative_to(tmp_path / "safe").as_posix() for file in (tmp_path / "safe").rglob("*") if file.is_file()
    )
    assert made == ["model_index.json", "text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors"]


@pytest.mark.parametrize(
    ("name", "scheduler", "unet", "kind"),
    [
        ("mine", "LCMScheduler", {}, "lcm"),
        ("mine", "DDIMScheduler", {"time_cond_proj_dim": 256}, "lcm"),
        ("stabilityai/sd-turbo", "EulerDiscreteScheduler", {}, "turbo"),
        ("models/sdxl_lightning_4step.safetensors", "EulerDiscreteScheduler", {}, "lightning"),
        ("Hyper-SDXL", "DDIMScheduler", {}, "hyper"),
        ("models/turbocharged", "PNDMScheduler", {}, None),
        ("pocket", "PNDMScheduler", {}, None),
    ],
)
def test_distilled_bases_are_known_and_not_trained(tmp_path, name, scheduler, unet, kind):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    for part, config in {"unet": {"in_channels": 4, **unet}, "scheduler": {"_class_name": scheduler}}.items():
        (tmp_path / part).mkdir()
        file = "scheduler_config.json" if part == "scheduler" else "config.json"
        (tmp_path / part / file).write_text(json.dumps(config))
    found = distilled_kind(name, tmp_path)
    assert found is (KINDS[kind] if kind else None)
    if kind is None:
        refuse_training(name, tmp_path)
        return
    with pytest.raises(InvalidConfig, match="distilled to draw in about 4 steps") as refused:
        refuse_training(name, tmp_path)
    assert "distilled from" in refused.value.hint
    check_scheduler(found.scheduler, found.num_steps)
