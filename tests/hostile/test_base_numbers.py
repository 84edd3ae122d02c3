"""Numbers in a base's configuration that end a drawing in its middle, or make another model, are refused first."""

from __future__ import annotations

import json
import shutil

import pytest
from bases import build_tiny, save_as_diffusers_folder

from brandsmith.base.sources import check_base
from brandsmith.core.errors import InvalidInput


@pytest.mark.parametrize(
    ("part", "key", "value", "says"),
    [
        ("unet", "sample_size", None, "sample_size is None"),
        ("unet", "sample_size", "x", "sample_size is 'x'"),
        ("unet", "sample_size", 0, "sample_size is 0"),
        ("unet", "in_channels", "4", "in_channels is '4'"),
        ("vae", "scaling_factor", 0, "scaling_factor is 0"),
        ("vae", "scaling_factor", float("nan"), "scaling_factor is nan"),
        ("vae", "shift_factor", "y", "shift_factor is 'y'"),
        ("vae", "latent_channels", [4], r"latent_channels is \[4\]"),
        ("text_encoder", "num_hidden_layers", -1, "num_hidden_layers is -1"),
        ("text_encoder", "num_hidden_layers", 0, "num_hidden_layers is 0"),
        ("text_encoder", "num_hidden_layers", 1, "tensors more than its config.json has layers for"),
    ],
)
def test_a_number_that_no_model_has(part, key, value, says, tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "base")
    file = folder / part / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(InvalidInput, match=says):
        check_base(str(folder))


def test_weights_with_a_further_layer_of_t5(tmp_path):
    save_as_diffusers_folder(build_tiny("flux1"), tmp_path / "base")
    file = tmp_path / "base" / "text_encoder_2" / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"num_layers": config["num_layers"] - 1}))
    with pytest.raises(InvalidInput, match="tensors more than its config"):
        check_base(str(tmp_path / "base"))
