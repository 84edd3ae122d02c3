"""A base in one file: read with stock diffusers' reader as the witness, and written for it."""

from __future__ import annotations

import json

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file
from small_bases import PREDICTS, build_small

from brandsmith.base.base import Base, decode_latents, encode_prompts, predict
from brandsmith.base.foreign.layouts import single_file_tensors
from brandsmith.base.sources import check_base, load_base, load_scheduler, resolve_base
from brandsmith.base.stock import save_stock_folder, stock_pipeline
from brandsmith.core.errors import InvalidConfig, InvalidInput, MissingResource

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
