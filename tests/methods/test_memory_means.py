"""Means that save memory end where plain training ends."""

from __future__ import annotations

import json

import pytest
import torch
from bases import build_tiny
from lessons import QUICK, write_concept
from safetensors.torch import load_file, save_file

from brandsmith.core.errors import InvalidConfig, MissingResource
from brandsmith.core.files import write_safetensors
from brandsmith.methods import loss_scaling
from brandsmith.methods.adapter import load_adapter
from brandsmith.methods.loop import train
from brandsmith.methods.method import ParameterGroup
from brandsmith.methods.optimizer import build_optimizer, restore_training, training_tensors
from brandsmith.methods.registry import build_config


@pytest.fixture(scope="module")
def concept(tmp_path_factory):
    return write_concept(tmp_path_factory.mktemp("concept") / "brand")


def trained(concept, folder, method="lora", **more):
    settings = {"steps": 4, "checkpoint_every": 2, "precision": "fp32"} | QUICK[method] | more
    return train(build_config(method, **settings), concept, build_tiny("sd1"), folder)


def losses(run):
    return [row["loss"] for row in run.metrics()]


def weights(run):
    return {
        f"{file.name}/{name}": tensor
        for file in sorted(run.checkpoint_at().iterdir())
        for name, tensor in load_file(file).items()
    }


def assert_close(one, other, tolerance):
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys() and mine
    worst = max(float((mine[name] - theirs[name]).abs().max()) for name in mine)
    assert worst <= tolerance, worst


@pytest.mark.slow
def test_accumulated_batches_are_one_larger_batch(concept, tmp_path):
    large = trained(concept, tmp_path / "large", batch_size=4, adam_epsilon=1e-3)
    parts = trained(concept, tmp_path / "parts", batch_size=2, accumulate=2, adam_epsilon=1e-3)
    assert losses(parts) == pytest.approx(losses(large), rel=2e-6)
    assert_close(large, parts, 1e-5)


@pytest.mark.slow
def test_gradient_checkpointing_changes_no_bit(concept, tmp_path):
    plain = trained(concept, tmp_path / "plain")
    again = trained(concept, tmp_path / "again", gradient_checkpointing=True)
    assert losses(plain) == losses(again)
    assert_close(plain, again, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_a_fused_step_ends_in_the_same_weights(optimizer, concept, tmp_path):
    settings = {"method": "dreambooth", "prior_weight": 0.0, "gradient_clip": 0.0, "optimizer": optimizer}
    plain = trained(concept, tmp_path / "plain", **settings)
    fused = trained(concept, tmp_path / "fused", **settings, fused_backward=True)
    assert losses(plain) == losses(fused)
    assert_close(plain, fused, 0.0)
    norms = [[row["gradient_norm"] for row in run.metrics()] for run in (plain, fused)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_an_offloaded_optimizer_ends_in_the_same_weights(optimizer, concept, tmp_path):
    plain = trained(concept, tmp_path / "plain", optimizer=optimizer)
    apart = trained(concept, tmp_path / "apart", optimizer=optimizer, offload_optimizer=True)
    assert losses(plain) == losses(apart)
    assert_close(plain, apart, 0.0)


class Stopped(Exception):
    pass


def stop_after(step):
    def progress(stage, done, total, note):
        if stage == "train" and done == step:
            raise Stopped

    return progress


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"offload_optimizer": True},
        {"gradient_clip": 0.0, "fused_backward": True},
        {"precision": "fp16"},
        {"optimizer": "prodigy", "learning_rate": 1.0, "text_encoder_learning_rate": 0.0},
        {"optimizer": "schedule_free"},
    ],
    ids=lambda settings: "-".join(settings),
)
def test_a_resumed_training_ends_in_the_same_bits(settings, concept, tmp_path):
    config = build_config("lora", **{"steps": 4, "checkpoint_every": 2} | QUICK["lora"] | settings)
    whole = train(config, concept, build_tiny("sd1"), tmp_path / "whole")
    with pytest.raises(Stopped):
        train(config, concept, build_tiny("sd1"), tmp_path / "parts", progress=stop_after(3))
    parts = train(config, concept, build_tiny("sd1"), tmp_path / "parts")
    assert losses(whole) == losses(parts)
    assert_close(whole, parts, 0.0)


@pytest.mark.slow
def test_fp16_leaves_out_a_step_that_overflows_and_goes_on(monkeypatch, concept, tmp_path):
    real = loss_scaling.torch.amp.GradScaler
    monkeypatch.setattr(loss_scaling.torch.amp, "GradScaler", lambda *a, **k: real(*a, **k, init_scale=2.0**28))
    run = trained(concept, tmp_path / "run", precision="fp16", steps=16)
    rows = run.metrics()
    skipped = [row["step"] for row in rows if row.get("skipped")]
    assert skipped[:4] == [1, 2, 3, 4] and len(skipped) < 16
    assert all(("gradient_norm" in row) != ("skipped" in row) for row in rows)


@pytest.mark.slow
def test_checkpoints_in_half_precision_are_half_as_large_and_load(concept, tmp_path):
    whole = trained(concept, tmp_path / "whole", "dreambooth", prior_weight=0.0)
    half = trained(concept, tmp_path / "half", "dreambooth", prior_weight=0.0, save_precision="fp16")
    sizes = [(run.checkpoint_at() / "unet.safetensors").stat().st_size for run in (whole, half)]
    assert sizes[1] < 0.55 * sizes[0]
    assert {tensor.dtype for tensor in weights(half).values()} == {torch.float16}
    mine = weights(half)
    assert all(torch.equal(tensor.half(), mine[name]) for name, tensor in weights(whole).items())
    with load_adapter(build_tiny("sd1"), half.checkpoint_at()) as info:
        assert info.settings.save_precision == "fp16"


def test_a_run_of_a_version_without_these_settings_goes_on(concept, tmp_path):
    config = build_config("lora", **{"steps": 3, "checkpoint_every": 1} | QUICK["lora"])
    with pytest.raises(Stopped):
        train(config, concept, build_tiny("sd1"), tmp_path / "run", progress=stop_after(2))
    file = tmp_path / "run" / "config.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    for name in ("accumulate", "keep_checkpoints", "save_precision", "fused_backward"):
        del record["settings"][name]
    file.write_text(json.dumps(record), encoding="utf-8")
    more = config.model_copy(update={"accumulate": 2})
    with pytest.raises(InvalidConfig, match=r"settings\.accumulate: there 1, requested 2"):
        train(more, concept, build_tiny("sd1"), tmp_path / "run")
    assert train(config, concept, build_tiny("sd1"), tmp_path / "run").status() == "finished"


def test_only_the_last_checkpoints_are_kept(concept, tmp_path):
    run = trained(concept, tmp_path / "run", steps=6, checkpoint_every=1, keep_checkpoints=2)
    assert [step for step, _ in run.checkpoints()] == [5, 6]
    assert sorted(folder.name for folder in (run.folder / "checkpoints").iterdir()) == ["step-000005", "step-000006"]


@pytest.mark.parametrize(
    "settings",
    [
        {"fused_backward": True},
        {"fused_backward": True, "gradient_clip": 0, "accumulate": 2},
        {"fused_backward": True, "gradient_clip": 0, "optimizer": "muon"},
        {"fused_backward": True, "gradient_clip": 0, "offload_optimizer": True},
        {"offload_optimizer": True, "optimizer": "muon"},
    ],
)
def test_means_that_exclude_each_other_are_refused_before_anything_is_written(settings, concept, tmp_path):
    with pytest.raises(InvalidConfig, match="does not go with"):
        trained(concept, tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_optimizers_of_extras_say_how_they_are_installed(monkeypatch, concept, tmp_path):
    monkeypatch.setattr("brandsmith.core.optional.find_spec", lambda name: None)
    for optimizer, extra in (("adamw_8bit", "8bit"), ("prodigy", "prodigy"), ("schedule_free", "schedule-free")):
        with pytest.raises(MissingResource) as refused:
            trained(concept, tmp_path / "run", optimizer=optimizer)
        assert f"pip install 'brandsmith[{extra}]'" in refused.value.hint


@pytest.mark.slow
def test_an_eight_bit_memory_goes_on_where_it_was_saved():
    """bitsandbytes' own: two steps are two steps, with a stop between them or without. It keeps weights of less than
    4096 values in fp32.
    """
    config = build_config("lora", optimizer="adamw_8bit", weight_decay=0.25)
    generator = torch.Generator().manual_seed(2)
    start, *gradients = (torch.randn(64, 64, generator=generator) for _ in range(3))
    groups = [[ParameterGroup("unet", 1e-3, {"w": torch.nn.Parameter(start.clone())})] for _ in range(2)]
    whole, first = (build_optimizer(config, own) for own in groups)
    assert whole.param_groups[0]["weight_decay"] == 0.25
    for gradient in gradients:
        stepped(whole, groups[0], gradient)
    stepped(first, groups[1], gradients[0])
    saved = training_tensors(first, groups[1])
    assert saved["state1:unet/w"].dtype == torch.uint8
    fresh = build_optimizer(config, groups[1])
    restore_training(fresh, groups[1], {name: tensor.clone() for name, tensor in saved.items()})
    stepped(fresh, groups[1], gradients[1])
    ours, theirs = (training_tensors(optimizer, own) for optimizer, own in zip((whole, fresh), groups, strict=True))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def stepped(optimizer, groups, gradient):
    groups[0].parameters["w"].grad = gradient
    optimizer.step()


def test_files_written_tensor_by_tensor_are_as_safetensors_writes_them(tmp_path):
    tensors = {
        "kernel": torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last),
        "half": torch.randn(5).half(),
        "brain": torch.randn(2, 2).bfloat16(),
        "step": torch.tensor(3.0),
        "count": torch.tensor([1, 2, 3]),
        "bytes": torch.tensor([1, 2], dtype=torch.uint8),
        "none": torch.zeros(0, 2),
    }
    write_safetensors(tmp_path / "ours.safetensors", tensors, {"b": "2", "a": "ü"})
    read = load_file(tmp_path / "ours.safetensors")
    assert all(torch.equal(read[name], tensor) and read[name].dtype == tensor.dtype for name, tensor in tensors.items())
    plain = {name: torch.randn(3, 2) for name in ("b", "a", "c")}
    write_safetensors(tmp_path / "one.safetensors", plain, {"format": "pt"})
    save_file(plain, tmp_path / "other.safetensors", metadata={"format": "pt"})
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "other.safetensors").read_bytes()
    write_safetensors(tmp_path / "half.safetensors", tensors, floats=torch.float16)
    rounded = load_file(tmp_path / "half.safetensors")
    assert rounded["kernel"].dtype == torch.float16 and rounded["count"].dtype == torch.int64
