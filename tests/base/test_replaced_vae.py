"""A base with another autoencoder: from a folder or a file, named wherever the base is named."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from diffusers import AutoencoderKL
from lessons import TOKEN, write_concept
from safetensors.torch import load_file, save_file
from small_bases import build_small

from brandsmith.base.foreign.layouts import VAE, single_file_tensors
from brandsmith.base.names import split_name, with_vae
from brandsmith.base.sources import check_base, load_base, outline_of, resolve_recorded_base
from brandsmith.core.errors import InvalidConfig, InvalidInput, MissingResource
from brandsmith.core.pictures import load_rgb
from brandsmith.core.safe_weights import read_header
from brandsmith.draw.recipe import read_recipe
from brandsmith.guidance.settings import POCKET_SCALE, default_guidance_scale
from brandsmith.methods.registry import build_config
from brandsmith.study.config import parse_study

FORMS = ("folder", "base", "diffusers file", "ldm file", "old file", "single file")


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRANDSMITH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """A base's folder, another one of other weights in each form that an autoencoder comes in, and that autoencoder."""
    folder = tmp_path_factory.mktemp("bases")
    save_as_diffusers_folder(build_tiny(seed=0), folder / "base")
    other = build_tiny(seed=1)
    other.vae = AutoencoderKL.from_config({**other.vae.config, "mid_block_add_attention": True})
    save_as_diffusers_folder(other, folder / "other")
    stored = {key: tensor.contiguous() for key, tensor in single_file_tensors(other).items()}
    own = other.vae.state_dict()
    old = {key: _named_as_before(key) for key in own}
    files = {
        "diffusers file": own,
        "old file": {old[key]: tensor for key, tensor in own.items()},
        "ldm file": {key.removeprefix(VAE): tensor for key, tensor in stored.items() if key.startswith(VAE)},
        "single file": stored,
    }
    for name, tensors in files.items():
        save_file(tensors, folder / f"{name}.safetensors")
    places = {"folder": folder / "other" / "vae", "base": folder / "other"}
    return folder / "base", places | {name: folder / f"{name}.safetensors" for name in files}, other.vae


def _named_as_before(key: str) -> str:
    for new, old in {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}.items():
        key = key.replace(new, old)
    return key


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_autoencoder_and_leaves_the_rest(form, bases):
    folder, places, vae = bases
    name = with_vae(str(folder), str(places[form]))
    check_base(name)
    loaded, plain = load_base(name, dtype=torch.float32), load_base(str(folder), dtype=torch.float32)
    state = vae.state_dict()
    assert loaded.name == name and loaded.vae.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[key]) for key, tensor in loaded.vae.state_dict().items())
    for mine, other in ((loaded.denoiser, plain.denoiser), (loaded.text_encoders[0], plain.text_encoders[0])):
        weights = other.state_dict()
        assert all(torch.equal(tensor, weights[key]) for key, tensor in mine.state_dict().items())
    assert outline_of(name).vae.config.mid_block_add_attention and loaded.vae.config.scaling_factor == 0.5


@pytest.mark.slow
def test_a_single_file_base_takes_one_too(tmp_path):
    base = build_small("sd1", tmp_path / "tokenizer")
    tensors = {key: tensor.contiguous() for key, tensor in single_file_tensors(base).items()}
    save_file(tensors, tmp_path / "whole.safetensors")
    other = {key.removeprefix(VAE): tensor + 1 for key, tensor in tensors.items() if key.startswith(VAE)}
    save_file(other, tmp_path / "vae.safetensors")
    loaded = load_base(with_vae(str(tmp_path / "whole.safetensors"), str(tmp_path / "vae.safetensors")))
    assert all(
        torch.equal(tensor, base.denoiser.state_dict()[key]) for key, tensor in loaded.denoiser.state_dict().items()
    )
    own = base.vae.state_dict()
    assert all(torch.equal(tensor, own[key] + 1) for key, tensor in loaded.vae.state_dict().items())


def test_names():
    assert split_name("pocket") == ("pocket", None) and with_vae("pocket", None) == "pocket"
    name = with_vae("owner/model", "vaes/mse.safetensors")
    assert split_name(name) == ("owner/model", "vaes/mse.safetensors")
    assert with_vae(name, "other") == with_vae("owner/model", "other"), "the last one counts"
    assert default_guidance_scale(with_vae("pocket", "x"), fine_tuned=False) == POCKET_SCALE
    assert build_config("lora", base=with_vae("pocket", "x")) == build_config("lora", base="pocket")


def changed(folder, target, **config):
    shutil.copytree(folder, target)
    file = target / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | config))
    return target


def test_what_is_no_match_is_refused_with_both_numbers(bases, tmp_path):
    folder, places, _ = bases
    other_scale = changed(places["folder"], tmp_path / "scaled", scaling_factor=0.13025)
    with pytest.raises(InvalidConfig, match=r"scaling factor 0\.13025, the base's own 0\.5"):
        check_base(with_vae(str(folder), str(other_scale)))
    (tmp_path / "vae.pt").write_bytes(b"\x80")
    save_file({"decoder.conv_in.weight": torch.zeros(8, 4, 3, 3)}, tmp_path / "half.safetensors")
    for given, error, said in (
        (tmp_path / "vae.pt", InvalidInput, "no .safetensors file"),
        (tmp_path / "none", MissingResource, "is not there"),
        (folder / "unet", InvalidInput, "no autoencoder"),
        (tmp_path / "half.safetensors", InvalidConfig, "levels 0"),
    ):
        with pytest.raises(error, match=said) as raised:
            check_base(with_vae(str(folder), str(given)))
        assert raised.value.hint
    with pytest.raises(MissingResource, match="was made for base"):
        resolve_recorded_base(with_vae(str(folder), "/not/here"), "a file")


@pytest.mark.slow
def test_train_sample_and_export_name_the_replaced_vae(bases, tmp_path, brandsmith):
    folder, places, vae = bases
    write_concept(tmp_path / "brand")
    chosen = ("--base", folder, "--vae", places["ldm file"], "--set", "rank=2", "--steps", 1)
    code, _, told = brandsmith("train", "lora", "--concept", tmp_path / "brand", *chosen, "--run", tmp_path / "run")
    assert code == 0, told
    few = ("--num-steps", 2, "--seeds", 1)
    for name, more in {"own": (), "other": ("--base", folder)}.items():
        assert (
            brandsmith("sample", f"a {TOKEN}", "--run", tmp_path / "run", *few, *more, "--out", tmp_path / name)[0] == 0
        )
    (mine,), (other,) = ((tmp_path / name).glob("*.png") for name in ("own", "other"))
    assert split_name(read_recipe(mine).origin.base)[1] == str(places["ldm file"])
    assert np.abs(load_rgb(mine).astype(int) - load_rgb(other)).max() > 8
    code, _, told = brandsmith("sample", "--from", mine, "--run", tmp_path / "run", "--out", tmp_path / "again")
    assert code == 0 and "the same pixels" in told
    out = tmp_path / "lora.safetensors"
    code, _, told = brandsmith("export", tmp_path / "run", "--out", out)
    assert code == 0 and "draw with it there too" in told and "ldm file" in told
    assert read_header(out).metadata["ss_vae_name"] == "ldm file.safetensors"

    train = ("train", "dreambooth", "--concept", tmp_path / "brand", "--steps", 1, "--set", "prior_weight=0")
    assert brandsmith(*train, "--base", folder, "--vae", places["folder"], "--run", tmp_path / "db")[0] == 0
    assert brandsmith("export", tmp_path / "db", "--out", tmp_path / "whole")[0] == 0
    written = load_file(tmp_path / "whole" / "vae" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(tensor, written[key]) for key, tensor in vae.state_dict().items())


def test_a_study_names_it_and_says_what_is_wrong_with_it(bases):
    folder, places, _ = bases
    head, tail = f"name: x\nconcept: demo\nbase: {folder}\n", "\nmethods: [{method: lora, fixed: {steps: 4}}]\n"
    config = parse_study(f"{head}vae: {places['ldm file']}{tail}")
    assert config.base_name == with_vae(str(folder), str(places["ldm file"]))
    with pytest.raises(InvalidConfig) as raised:
        parse_study(f"{head}vae: /not/here{tail}")
    assert "line 4" in str(raised.value) and "is not there" in str(raised.value)
