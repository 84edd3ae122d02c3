"""Temporal layers on disk: pocket's own, and what is refused before weights load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from diffusers import MotionAdapter

from brandsmith.base.motion import motion_places
from brandsmith.base.motion_files import check_motion, load_motion, motion_facts, motion_folder, motion_hash
from brandsmith.base.sources import load_base
from brandsmith.core.errors import BrandsmithError, InvalidConfig, InvalidInput, MissingResource


@pytest.fixture
def layers(tmp_path) -> Path:
    MotionAdapter((16, 32), 1, motion_num_attention_heads=2, motion_norm_num_groups=8).save_pretrained(tmp_path / "m")
    return tmp_path / "m"


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("base")
    save_as_diffusers_folder(build_tiny(), folder / "tiny")
    return str(folder / "tiny")


def test_pocket_has_its_own():
    folder = motion_folder(None, "pocket")
    check_motion(folder, "pocket")
    weights = folder / "diffusion_pytorch_model.safetensors"
    assert weights.stat().st_size <= 4 * 2**20
    pocket = load_base("pocket")
    motion = load_motion(folder, pocket)
    assert 0 < motion.common_noise < 1 and motion.betas is None and len(motion.weights_hash) == 16
    moving = [own for _, own in motion_places(pocket.denoiser, motion.adapter) if len(own.transformer_blocks)]
    assert len(moving) == 6 and all(own.proj_out.weight.abs().max() > 0 for own in moving), "trained"


def test_others_are_drawn_with_linear_betas(layers, base):
    check_motion(layers, base)
    assert motion_facts(layers) == (0.0, "linear")


def test_what_does_not_fit_is_refused(layers, base, tmp_path):
    with pytest.raises(MissingResource, match="needs temporal layers"):
        motion_folder(None, base)
    with pytest.raises(MissingResource, match=r"no config\.json"):
        motion_folder(tmp_path, base)
    with pytest.raises(InvalidInput, match="widths"):
        check_motion(layers, "pocket")
    save_as_diffusers_folder(build_tiny("sd3"), tmp_path / "sd3")
    with pytest.raises(InvalidConfig, match="a transformer"):
        check_motion(layers, str(tmp_path / "sd3"))


@pytest.mark.parametrize(
    "change",
    [{"_class_name": "UNet2DConditionModel"}, {"block_out_channels": "wide"}, {"motion_num_attention_heads": [1]}],
)
def test_damaged_configurations_are_one_sentence(layers, base, change):
    config = json.loads((layers / "config.json").read_text())
    (layers / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(BrandsmithError):
        check_motion(layers, base)


@pytest.mark.parametrize("common", ["much", 1.0, -0.1, True, None])
def test_common_noise_is_a_share(layers, common):
    (layers / "motion.json").write_text(json.dumps({"common_noise": common}))
    with pytest.raises(InvalidInput, match="common_noise is"):
        motion_facts(layers)


def test_weights_without_a_value_are_refused(layers, base):
    adapter = MotionAdapter.from_pretrained(layers)
    before = motion_hash(layers)
    adapter.down_blocks[0].motion_modules[0].proj_in.weight.data[0, 0] = torch.nan
    adapter.save_pretrained(layers)
    assert motion_hash(layers) != before
    with pytest.raises(InvalidInput, match="NaN"):
        load_motion(layers, load_base(base))
