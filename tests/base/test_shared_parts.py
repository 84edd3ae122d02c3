"""pocket-flow as it would be shipped: a folder of a transformer alone, the rest pocket's; with random weights."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from brandsmith.base import base as base_module
from brandsmith.base.base import encode_prompts
from brandsmith.base.fingerprint import fingerprint
from brandsmith.base.licence import say_licence
from brandsmith.base.model_card import licence_in
from brandsmith.base.shared_parts import KEY, owner_of
from brandsmith.base.sources import check_base, load_base, outline_of, resolve_base
from brandsmith.benchmark.base_card import write_card
from brandsmith.benchmark.base_figures import BaseFigures
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.evaluate.chain import judges_for
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.pocket_classes import PocketClasses
from brandsmith.judges.pocket_clip import has_pair
from brandsmith.pocket.flow import build_transformer, flow_base, write_flow

SETTINGS = DrawSettings(num_steps=2, scheduler="euler")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Random weights in the place where the package would have trained ones."""
    data, patch = tmp_path_factory.mktemp("data"), pytest.MonkeyPatch()
    embedded = base_module.embedded_folder

    def elsewhere(name):
        return data / "pocket_flow" if name == "pocket-flow" else embedded(name)

    for module in ("brandsmith.base.base", "brandsmith.base.sources", "brandsmith.base.shared_parts"):
        patch.setattr(f"{module}.embedded_folder", elsewhere)
    torch.manual_seed(1)
    pocket = load_base("pocket", dtype=torch.float32)
    write_flow(flow_base(pocket, build_transformer(192, 32, heads=2, blocks=(1, 1))), data / "pocket_flow")
    yield data / "pocket_flow"
    patch.undo()


def test_the_folder_holds_what_is_its_own_alone(folder):
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    own = {f"transformer/{name}" for name in ("config.json", "diffusion_pytorch_model.safetensors")}
    assert files == own | {"model_index.json", "scheduler/scheduler_config.json"}


def test_it_is_a_base_by_name_whose_other_parts_are_pockets(folder):
    check_base("pocket-flow")
    loaded, pocket = (load_base(name, dtype=torch.float32) for name in ("pocket-flow", "pocket"))
    assert resolve_base("pocket-flow") == folder and loaded.family.name == "pocketflow"
    for ours, theirs in zip(loaded.modules()[1:], pocket.modules()[1:], strict=True):
        assert fingerprint(ours) == fingerprint(theirs)
    assert torch.equal(encode_prompts(loaded, ["a red cat"]).hidden, encode_prompts(pocket, ["a red cat"]).hidden)
    assert loaded.image_px == pocket.image_px == (128, 128)
    first, second = (sample(loaded, ["a red cat"], [seed], SETTINGS)[0] for seed in (1, 2))
    assert first.shape == (128, 128, 3) and np.abs(first.astype(int) - second).max() > 10
    assert outline_of("pocket-flow").latent_shape == loaded.latent_shape
    assert "unknown" in say_licence("pocket-flow"), "its card is written from its figures"


def test_it_is_judged_by_pockets_judges(folder):
    assert owner_of(folder) == resolve_base("pocket") and has_pair(folder)
    assert PocketClasses(folder).card == PocketClasses(resolve_base("pocket")).card
    assert "obeyed" in judges_for(load_concept("demo"), folder)


def test_a_folder_that_names_another_owner_is_refused(folder, tmp_path):
    (tmp_path / "transformer").mkdir()
    for name in ("model_index.json", "transformer/config.json"):
        (tmp_path / name).write_text((folder / name).read_text())
    index = json.loads((tmp_path / "model_index.json").read_text()) | {KEY: "../../elsewhere"}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(InvalidInput, match=r"_parts_of is '\.\./\.\./elsewhere'"):
        check_base(str(tmp_path))


def test_where_it_is_not_shipped_its_name_says_how_to_build_it(monkeypatch, tmp_path):
    monkeypatch.setattr("brandsmith.base.sources.embedded_folder", lambda name: tmp_path / name)
    with pytest.raises(MissingResource, match="'pocket-flow' is not in this installation") as raised:
        resolve_base("pocket-flow")
    assert "brandsmith base build pocket-flow" in raised.value.hint


def test_its_card_is_written_from_its_own_figures(folder, tmp_path):
    own = tmp_path / "base"
    shutil.copytree(folder, own)
    (own / "history.txt").write_text("Not trained.")
    figures = json.loads((resolve_base("pocket") / "check.json").read_text()) | {"object_accuracy": 0.125}
    write_card(own, BaseFigures(**figures))
    card = (own / "README.md").read_text()
    assert "# pocket-flow" in card and "| 0.125 |" in card and "Not trained." in card
    weights = sum(p.numel() for p in load_base(str(own)).denoiser.parameters())
    assert f"{weights / 1e6:.1f} million" in card
    assert licence_in(own).name == "apache-2.0"
