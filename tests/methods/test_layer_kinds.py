"""LoRA and its kin: what each computes, that it starts as the base, and that a file of it means the same elsewhere."""

from __future__ import annotations

import signal
from contextlib import contextmanager

import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from drawing import sample, sample_latents
from lessons import TOKEN, assert_same_run, quick_config, send, write_concept
from safetensors.torch import load_file
from test_methods_stock import draw, load_stock

from brandsmith.base.foreign.lora_names import kohya_name
from brandsmith.base.stock import stock_pipeline
from brandsmith.core.errors import InvalidConfig
from brandsmith.export.export_run import export_run
from brandsmith.methods.adapter import load_adapter, read_adapter_info
from brandsmith.methods.loop import train
from brandsmith.methods.lora import Lora
from brandsmith.methods.method import Words
from brandsmith.methods.packed import pack_key
from brandsmith.methods.registry import build_config

KINDS = ("lora", "dora", "loha", "lokr")
every_kind = pytest.mark.parametrize("kind", KINDS)
PROMPT = f"a cat and a {TOKEN}"


def attached(base, **settings):
    return Lora().attach(base, build_config("lora", **({"rank": 3} | settings)), Words(TOKEN, "logo"))


def latents(base):
    return sample_latents(base, [PROMPT], [5], num_steps=3, guidance_scale=2.0)


def run_of(kind, folder, **more):
    settings = {"kind": kind, "rank": 3, "learning_rate": 5e-2} | more
    return train(quick_config("lora", **settings), write_concept(folder / "concept"), build_tiny(), folder / "run")


def bits(base):
    return [tensor.clone() for module in base.modules() for tensor in module.state_dict().values()]


@every_kind
def test_it_starts_as_the_base_and_leaves_it_as_it_was(kind):
    base = build_tiny()
    before, plain = bits(base), latents(base)
    layers = attached(base, kind=kind, convolutions=True)
    try:
        torch.testing.assert_close(latents(base), plain, atol=2e-4, rtol=2e-4)
        for group in layers.groups:
            for parameter in group.parameters.values():
                parameter.data += 0.3
        assert (latents(base) - plain).abs().max() > 1e-2
        layers.switch(False)
        assert torch.equal(latents(base), plain), "switched off it is the base, to the bit"
    finally:
        layers.detach()
    assert all(map(torch.equal, before, bits(base)))


@every_kind
def test_a_layer_computes_what_its_paper_says(kind):
    base = build_tiny()
    name = next(n for n, _ in base.denoiser.named_modules() if n.endswith("attn2.to_k"))
    weight = base.denoiser.get_submodule(name).weight.detach().clone()
    layers = attached(base, kind=kind, alpha=6.0)
    try:
        own = {
            key.removeprefix(f"{name}."): p for key, p in layers.groups[0].parameters.items() if key.startswith(name)
        }
        for number, parameter in enumerate(own.values()):
            parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
        x = torch.randn(2, 5, weight.shape[1], generator=torch.Generator().manual_seed(9))
        with torch.no_grad():
            y = base.denoiser.get_submodule(name)(x)
            part = {key.replace(".default", "").removesuffix(".weight"): p for key, p in own.items()}
            torch.testing.assert_close(y, x @ changed(kind, weight, part, 6.0 / 3).T, atol=1e-3, rtol=1e-4)
    finally:
        layers.detach()


def changed(kind, weight, part, strength):
    """The layer's weights by the formula of `methods/low_rank.py`."""
    if kind in ("lora", "dora"):
        moved = weight + strength * part["lora_B"] @ part["lora_A"]
        return moved if kind == "lora" else part["lora_magnitude_vector"][:, None] * moved / moved.norm(dim=1)[:, None]
    if kind == "loha":
        return weight + strength * (part["hada_w1_a"] @ part["hada_w1_b"]) * (part["hada_w2_a"] @ part["hada_w2_b"])
    second = part["lokr_w2"] if "lokr_w2" in part else part["lokr_w2_a"] @ part["lokr_w2_b"]
    return weight + strength * torch.kron(part["lokr_w1"], second)


@pytest.mark.slow
@every_kind
def test_it_learns_and_a_file_of_it_draws_what_training_left(kind, tmp_path):
    run = run_of(kind, tmp_path)
    losses = [row["loss"] for row in run.metrics()]
    assert len(losses) == 6
    base = build_tiny()
    plain = latents(base)
    with load_adapter(base, run.checkpoint_at()) as info:
        assert info.settings.kind == kind
        first = latents(base)
    with load_adapter(base, run.checkpoint_at()):
        assert torch.equal(latents(base), first)
    assert (first - plain).abs().max() > 1e-3 and torch.equal(latents(base), plain)


@pytest.mark.slow
@every_kind
def test_an_interrupted_run_ends_in_the_same_bits_with_dropout_too(kind, tmp_path):
    more = {"dropout": 0.3} if kind in ("lora", "dora") else {}
    whole = run_of(kind, tmp_path / "whole", **more)
    config = quick_config("lora", kind=kind, rank=3, learning_rate=5e-2, **more)
    concept, folder = write_concept(tmp_path / "concept"), tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        train(config, concept, build_tiny(), folder, progress=send(signal.SIGINT, 3))
    assert_same_run(train(config, concept, build_tiny(), folder), whole)


@pytest.mark.slow
def test_dropout_acts_while_training_and_never_in_a_picture(tmp_path):
    dropped = run_of("lora", tmp_path / "dropped", dropout=0.5)
    plain = run_of("lora", tmp_path / "plain")
    assert [row["loss"] for row in dropped.metrics()][1:] != [row["loss"] for row in plain.metrics()][1:]
    base = build_tiny()
    with load_adapter(base, dropped.checkpoint_at()):
        assert torch.equal(latents(base), latents(base))


@pytest.mark.slow
def test_dropout_is_the_same_with_checkpointing(tmp_path):
    runs = [run_of("lora", tmp_path / str(on), dropout=0.4, gradient_checkpointing=on) for on in (True, False)]
    losses = [[row["loss"] for row in run.metrics()] for run in runs]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.slow
@every_kind
def test_convolutions_are_trained_and_drawn_with_in_their_fast_layout(kind, tmp_path):
    run, base = run_of(kind, tmp_path, convolutions=True, steps=2), build_tiny()
    with load_adapter(base, run.checkpoint_at()):
        picture = sample(base, [PROMPT], [5], num_steps=2, guidance_scale=2.0)[0]
    assert picture.shape == (64, 64, 3)


def test_rank_stabilised_layers_are_layers_of_a_larger_alpha():
    stable, plain = (
        build_config("lora", rank=16, alpha=4.0, rank_stabilised=True).layer_kind,
        build_config("lora", rank=16, alpha=16.0).layer_kind,
    )
    assert stable == plain, "4 / sqrt(16) is 16 / 16"


def test_alpha_follows_the_rank_unless_it_is_given():
    assert build_config("lora", rank=64).alpha == 64 and build_config("lora").alpha == 16
    assert build_config("lora", rank=64, alpha=1.0).alpha == 1


def test_a_gaussian_start_is_diffusers_own():
    base = build_tiny()
    layers = attached(base, rank=4, start="gaussian")
    try:
        downs = [p.detach().flatten() for n, p in layers.groups[0].parameters.items() if "lora_A" in n]
        assert torch.cat(downs).std().item() == pytest.approx(1 / 4, rel=0.1)
    finally:
        layers.detach()


# ------------------------------------------------------------------ block weights


def test_blocks_have_learning_rates_of_their_own():
    base = build_tiny()
    layers = attached(base, learning_rate=1e-3, block_weights={"down_blocks": 0, "up_blocks": 0.5})
    try:
        rates = {group.name: group.learning_rate for group in layers.groups}
        assert rates == {"unet": 1e-3, "unet x 0.5": 5e-4}
        names = {name.split(".")[0] for group in layers.groups for name in group.parameters}
        assert names == {"mid_block", "up_blocks"}
        assert all(name.startswith("up_blocks") for name in layers.groups[1].parameters)
    finally:
        layers.detach()


@pytest.mark.parametrize("weights", [{"upblocks": 1.0}, {"down_blocks": 0, "mid_block": 0, "up_blocks": 0}])
def test_blocks_that_are_not_there_are_refused(weights):
    with pytest.raises(InvalidConfig, match="block_weights"):
        attached(build_tiny(), block_weights=weights)


@pytest.mark.parametrize(
    "settings",
    [{"kind": "loha", "dropout": 0.1}, {"kind": "lokr", "start": "gaussian"}, {"factor": 4}],
)
def test_switches_that_a_kind_has_not_are_refused(settings):
    base = build_tiny()
    with pytest.raises(InvalidConfig, match="does not go with kind"):
        Lora().check(build_config("lora", **settings), base.family)


@pytest.mark.parametrize("settings", [{"kind": "dora"}, {"dropout": 0.1}, {"block_weights": {"mid_block": 0.5}}])
def test_layers_that_are_not_plain_are_not_packed(settings):
    with pytest.raises(InvalidConfig, match=next(iter(settings))):
        pack_key(build_config("lora", **settings))


# ------------------------------------------------------------------ other programs


@pytest.mark.slow
def test_dora_draws_the_same_picture_in_stock_diffusers(tmp_path):
    base = build_tiny()
    save_as_diffusers_folder(base, tmp_path / "base")
    run = run_of("dora", tmp_path, alpha=6.0)
    exported = export_run(run.folder, tmp_path / "dora.safetensors")
    plain = draw(stock_pipeline(base))
    with load_adapter(base, run.checkpoint_at()):
        ours = draw(stock_pipeline(base))
    theirs = draw(load_stock("lora", tmp_path / "base", exported, base, tmp_path))
    assert abs(ours - plain).max() > 4 / 255
    assert abs(ours - theirs).max() <= 2 / 255


def test_a_factor_makes_the_first_matrix_small_and_the_second_large():
    base, sizes = build_tiny(), {}
    for factor in (None, 2):
        layers = attached(base, kind="lokr", factor=factor)
        parts = {key: p for group in layers.groups for key, p in group.parameters.items()}
        first = {p.shape for key, p in parts.items() if "lokr_w1" in key}
        sizes[factor] = sum(p.numel() for p in parts.values())
        assert (first == {(2, 2)}) == (factor == 2)
        layers.detach()
    assert sizes[2] > 1.3 * sizes[None]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "more"), [("loha", {}), ("lokr", {}), ("lokr", {"factor": 2})])
def test_what_lycoris_reads_changes_the_weights_as_the_training_did(kind, more, tmp_path):
    base = build_tiny()
    run = run_of(kind, tmp_path, alpha=6.0, rank=2, text_encoder_learning_rate=0.0, **more)
    file = load_file(export_run(run.folder, tmp_path / "out.safetensors"))
    with load_adapter(base, run.checkpoint_at()):
        ours = latents(base)
    with lycoris_weights(base, file) as read:
        theirs = latents(base)
    assert read == len(file), "every tensor was used"
    torch.testing.assert_close(theirs, ours, atol=1e-3, rtol=1e-3)


@contextmanager
def lycoris_weights(base, file):
    """The base with its weights changed as LyCORIS' formula says; how many tensors of the file were read."""
    kept, used = {}, 0
    for name, module in base.denoiser.named_modules():
        prefix = f"{kohya_name('sd1', 'unet', name)}." if name else "-"
        own = {key.removeprefix(prefix): tensor for key, tensor in file.items() if key.startswith(prefix)}
        if own:
            kept[module], used = module.weight.detach().clone(), used + len(own)
            factors = [own[role] for role in ("lokr_w2_b", "hada_w1_b") if role in own]
            strength = own["alpha"].item() / factors[0].shape[0] if factors else 1.0
            own.pop("alpha")
            kind = "loha" if "hada_w1_a" in own else "lokr"
            module.weight.data = changed(kind, module.weight.detach(), own, strength)
    try:
        yield used
    finally:
        for module, weight in kept.items():
            module.weight.data = weight


@pytest.mark.parametrize(("kind", "target"), [("dora", "kohya"), ("loha", "diffusers"), ("lokr", "diffusers")])
def test_a_target_that_would_draw_other_pictures_is_refused(kind, target, tmp_path):
    run = run_of(kind, tmp_path, steps=1)
    assert read_adapter_info(run.checkpoint_at()).settings.kind == kind
    with pytest.raises(InvalidConfig, match=target):
        export_run(run.folder, tmp_path / "out.safetensors", to=target)
    assert not (tmp_path / "out.safetensors").exists()
