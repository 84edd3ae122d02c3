"""Frozen weights in main memory or in fewer bits: the same training, and sentences where it cannot be."""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny
from lessons import adapters, rows, write_concept

from brandsmith.base.families.registry import FAMILIES
from brandsmith.core.errors import InvalidConfig, MissingResource
from brandsmith.core.optional import leave_for_later
from brandsmith.methods.frozen_storage import (
    PACKAGES,
    all_blocks,
    check_frozen_storage,
    largest_block,
    offloaded_blocks,
    saved_on_card,
)
from brandsmith.methods.job import check_job
from brandsmith.methods.loop import train
from brandsmith.methods.registry import build_config
from brandsmith.methods.training_plan import cheaper

QUICK = {"steps": 2, "rank": 2, "learning_rate": 1e-2, "precision": "fp32", "gradient_checkpointing": True}


@pytest.mark.parametrize("name", ["flux2", "zimage"])
def test_blocks_in_main_memory_train_bit_for_bit_the_same(name, tmp_path):
    base, concept = build_tiny(name), write_concept(tmp_path / "concept")
    before = {key: value.clone() for key, value in base.denoiser.state_dict().items()}
    runs = [
        train(build_config("lora", **QUICK, offload_blocks=on), concept, base, tmp_path / f"run-{on}")
        for on in (False, True)
    ]
    assert rows(runs[0]) == rows(runs[1])
    one, other = (adapters(run) for run in runs)
    assert one.keys() == other.keys() and one
    assert all(torch.equal(one[key][own], other[key][own]) for key in one for own in one[key])
    after = base.denoiser.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(value, after[key]) for key, value in before.items())


def test_the_blocks_are_as_they_were_after_an_error():
    denoiser = build_tiny("flux2").denoiser
    names = [name for name, _ in denoiser.named_modules()]
    with pytest.raises(ValueError, match="in the middle"), offloaded_blocks(denoiser, torch.device("cpu")):
        assert [name for name, _ in denoiser.named_modules()] != names
        raise ValueError("in the middle")
    assert [name for name, _ in denoiser.named_modules()] == names


def test_what_is_saved_is_planned():
    denoiser = build_tiny("flux2").denoiser
    whole, largest = all_blocks(denoiser), largest_block(denoiser)
    assert 0 < largest < whole
    config = build_config("lora")
    saved = {
        name: saved_on_card(denoiser, config.model_copy(update=changes))
        for name, changes in {
            "none": {},
            "int8": {"quantise": "int8"},
            "nf4": {"quantise": "nf4"},
            "both": {"quantise": "int8", "offload_blocks": True},
        }.items()
    }
    assert saved["none"] == 0 < saved["int8"] < saved["nf4"] and saved["int8"] <= saved["both"] < whole
    leave_for_later()  # as in every command: a package that waits is there all the same
    tried = [means for means, _ in cheaper(config, torch.device("cuda"), is_flow=True)]
    assert [means["quantise"] for means in tried if "quantise" in means] == ["int8", "int8", "nf4"]
    assert {"offload_blocks": True}.items() <= tried[-1].items()
    assert not any("offload_blocks" in means for means, _ in cheaper(config, torch.device("cuda")))


@pytest.mark.parametrize("kind", sorted(PACKAGES))
def test_a_format_whose_package_is_absent_names_the_extra(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("brandsmith.core.optional.find_spec", lambda name: None)
    with pytest.raises(MissingResource, match=f"quantise={kind}.*{PACKAGES[kind]}") as raised:
        check_job(
            build_config("lora", quantise=kind), write_concept(tmp_path / "c"), build_tiny("flux2"), tmp_path / "run"
        )
    assert "pip install" in raised.value.hint


def test_what_cannot_be_is_refused():
    flow, diffusion = FAMILIES["flux2"], FAMILIES["sd1"]
    offload = build_config("lora", offload_blocks=True, gradient_checkpointing=True)
    check_frozen_storage(offload, flow, trains_base_weights=False)
    refused = [
        (offload, flow, True, "weights that stay"),
        (offload, diffusion, False, "not for sd1"),
        (build_config("lora", offload_blocks=True), flow, False, "needs gradient_checkpointing"),
        (build_config("lora", quantise="fp8"), diffusion, False, "quantise .*not for sd1 .*convolutions"),
        (build_config("dreambooth", quantise="fp8"), flow, True, "quantise is for weights that stay"),
    ]
    for config, family, trains, said in refused:
        with pytest.raises(InvalidConfig, match=said):
            check_frozen_storage(config, family, trains_base_weights=trains)
