"""One rule for device and number format, without a card: what torch says of one is pretended."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from lessons import QUICK, write_concept
from typer.main import get_command

from brandsmith.base import hardware, number_formats
from brandsmith.base.base import decode_latents
from brandsmith.base.decoding import decode_in_budget, decoding_bytes
from brandsmith.base.hardware import choose_device, choose_format, computing_on
from brandsmith.base.sources import load_base, load_in
from brandsmith.base.weight_storage import products_in, rounded_products, waiting_in_main_memory
from brandsmith.cli.main import app
from brandsmith.core.errors import InvalidConfig, MissingResource
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods import compute as training_compute
from brandsmith.methods.loop import load_trainable, train
from brandsmith.methods.registry import METHODS, build_config

CPU, CARD = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def card(monkeypatch):
    """Pretend two CUDA cards; the fixture sets their compute capability."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    def of(capability: tuple[int, int]) -> None:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)

    of((8, 0))
    return of


def test_auto_takes_a_card_where_there_is_one(card):
    assert choose_device() == CARD and choose_device("cuda:1") == torch.device("cuda:1")
    assert choose_device("cpu") == CPU
    with computing_on("cpu"):
        assert choose_device() == CPU
        with computing_on(precision="fp32"):
            assert choose_device() == CPU and choose_format(CARD, "draw") == torch.float32
    assert choose_device() == CARD
    with pytest.raises(InvalidConfig, match="there are 2 cards"):
        choose_device("cuda:2")


def test_a_launched_process_takes_its_own_card(card, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device() == torch.device("cuda:1") and choose_device("cuda") == CARD


def test_without_a_card_auto_is_the_cpu_and_a_card_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(hardware, "_has_mps", lambda: False)
    assert choose_device() == CPU
    for name in ("cuda", "cuda:0", "mps"):
        with pytest.raises(MissingResource), computing_on(name):
            pass
    for name in ("gpu", "cuda:x", "cpu:0", "CUDA", "cuda:"):
        with pytest.raises(InvalidConfig, match="unknown device"):
            choose_device(name)
    with pytest.raises(InvalidConfig, match="unknown precision"), computing_on(precision="fp8"):
        pass


def test_a_card_computes_in_the_half_precision_it_has_units_for(card):
    assert choose_format(CARD, "train") == choose_format(CARD, "draw") == torch.bfloat16
    card((7, 5))
    assert choose_format(CARD, "train") == choose_format(CARD, "draw") == torch.float16
    assert choose_format(CARD, "train", "bf16") == torch.bfloat16
    assert choose_format(torch.device("mps"), "train") == torch.float32


def test_a_cpu_trains_in_what_was_measured_and_draws_in_fp32(monkeypatch):
    for bf16, expected in ((0.5, torch.bfloat16), (0.95, torch.float32), (2.0, torch.float32)):
        seconds = {work: {"fp32": 1.0, "bf16": bf16} for work in ("product", "convolution")}
        monkeypatch.setattr(number_formats, "format_seconds", lambda seconds=seconds: seconds)
        number_formats.bf16_is_faster.cache_clear()
        assert choose_format(CPU, "train") == expected and choose_format(CPU, "draw") == torch.float32
    number_formats.bf16_is_faster.cache_clear()


def test_formats_are_timed_once_per_machine(monkeypatch, tmp_path):
    timed = []
    real = number_formats.measure_formats
    monkeypatch.setattr(number_formats, "user_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(number_formats, "measure_formats", lambda: timed.append(1) or real())
    first = number_formats.format_seconds()
    assert number_formats.format_seconds() == first and len(timed) == 1
    assert {name for own in first.values() for name in own} == {"fp32", "bf16"}
    assert all(0 < seconds < 10 for own in first.values() for seconds in own.values())
    file = tmp_path / "cache" / "number_formats.json"
    assert torch.__version__ in next(iter(json.loads(file.read_text())))
    file.write_text('{"another processor": 1')
    number_formats.format_seconds()
    assert len(timed) == 2, "a damaged file is measured anew"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_base_in_half_precision_keeps_norms_and_autoencoder_and_draws_about_the_same(dtype, tmp_path):
    save_as_diffusers_folder(build_tiny("sdxl"), tmp_path)
    exact, half = load_in(str(tmp_path), CPU, torch.float32), load_in(str(tmp_path), CPU, dtype)
    assert {weight.dtype for weight in products_in(half.denoiser)} == {dtype}
    assert {parameter.dtype for parameter in half.vae.parameters()} == {torch.float32}
    assert half.dtype == torch.float32
    settings = DrawSettings(num_steps=3, guidance_scale=2.0)
    pictures = [sample(base, ["a cat"], [1], settings)[0].astype(float) for base in (exact, half)]
    difference = np.abs(pictures[0] - pictures[1]).mean()
    assert 0 < difference < 4


@pytest.mark.slow
def test_frozen_weights_held_rounded_change_no_bit_of_a_training(monkeypatch, tmp_path):
    """Autocast rounds them at every product; a base comes back as it was."""
    concept, base = write_concept(tmp_path / "concept"), build_tiny("sdxl")
    before = {name: tensor.clone() for name, tensor in base.denoiser.state_dict().items()}
    losses = []
    for name in ("rounded", "whole"):
        if name == "whole":
            monkeypatch.setattr(training_compute, "rounded_products", lambda modules, dtype: _nothing())
        config = build_config("lora", steps=3, precision="bf16", **QUICK["lora"])
        run = train(config, concept, base, tmp_path / name)
        losses.append([row["loss"] for row in run.metrics()])
    assert losses[0] == losses[1]
    assert all(torch.equal(before[name], tensor) for name, tensor in base.denoiser.state_dict().items())


class _nothing:  # noqa: N801  # a context manager that does nothing
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


def test_held_weights_come_back_after_an_error():
    base = build_tiny("sd1")
    before = {name: tensor.clone() for name, tensor in base.denoiser.state_dict().items()}
    with pytest.raises(ZeroDivisionError), rounded_products([base.denoiser], torch.bfloat16):
        assert {weight.dtype for weight in products_in(base.denoiser)} == {torch.bfloat16}
        _ = 1 / 0
    assert all(torch.equal(before[name], tensor) for name, tensor in base.denoiser.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "textual_inversion", "hypernetwork", "dreambooth"])
def test_every_method_trains_on_a_base_that_a_card_would_hold(method, monkeypatch, tmp_path):
    """Loaded as for a card, on the CPU: frozen weights in bf16, what trains in fp32, class pictures drawn."""
    concept = write_concept(tmp_path / "concept")
    save_as_diffusers_folder(build_tiny("sd1"), tmp_path / "base")
    quick = {**QUICK[method], "prior_weight": 1.0, "num_class_images": 2, "class_image_steps": 2}
    config = build_config(method, steps=2, precision="bf16", **quick)
    stored = torch.float32 if METHODS[method].trains_base_weights else torch.bfloat16
    base = load_in(str(tmp_path / "base"), CPU, torch.bfloat16, stored=stored)
    run = train(config, concept, base, tmp_path / "run")
    assert all(np.isfinite(row["loss"]) for row in run.metrics()) and run.status() == "finished"
    assert load_trainable(str(tmp_path / "base"), config, "cpu").compute == torch.float32


def test_a_base_in_another_half_precision_is_refused(tmp_path):
    save_as_diffusers_folder(build_tiny("sd1"), tmp_path / "base")
    base = load_in(str(tmp_path / "base"), CPU, torch.bfloat16)
    config = build_config("lora", steps=1, precision="fp32")
    with pytest.raises(InvalidConfig, match=r"holds torch\.bfloat16 weights"):
        train(config, write_concept(tmp_path / "concept"), base, tmp_path / "run")


class _OnACard(torch.nn.Module):
    """Says that it is on a card, and notes where it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []

    def parameters(self, recurse: bool = True):
        device = torch.device(self.places[-1] if self.places else "mps")
        yield type("Parameter", (), {"device": device})

    def to(self, device):
        self.places.append(str(device))


def test_what_is_cached_waits_in_main_memory():
    module = _OnACard()
    with waiting_in_main_memory([module, torch.nn.Linear(1, 1)]):
        assert module.places == ["cpu"]
    assert module.places == ["cpu", "mps"]


def test_decoding_keeps_a_budget():
    base = build_tiny("sd1")
    latents = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    one = decoding_bytes(base, 64, 64)
    whole = decode_latents(base, latents)
    with torch.no_grad():
        assert torch.allclose(decode_in_budget(base, latents, one), whole, atol=1e-5)
        assert torch.equal(decode_in_budget(base, latents), whole)
        wide = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(0))
        tiled = decode_in_budget(base, wide, one)
        assert tiled.shape == (1, 3, 512, 512) and not base.vae.use_tiling
        assert (tiled - decode_latents(base, wide)).abs().mean() < 0.02


@pytest.mark.slow
def test_load_base_obeys_the_choice_in_force(tmp_path):
    save_as_diffusers_folder(build_tiny("sd1"), tmp_path)
    with computing_on("cpu", "bf16"):
        assert load_base(str(tmp_path)).compute == torch.bfloat16
    assert load_base(str(tmp_path), precision="fp32").compute == torch.float32
    assert load_base(str(tmp_path), dtype=torch.bfloat16).dtype == torch.bfloat16


def test_every_command_that_touches_a_model_has_the_options():
    root = get_command(app)
    groups = {name: group for name, group in root.commands.items() if hasattr(group, "commands")}
    commands = {name: own for name, own in root.commands.items() if name not in groups}
    commands |= {f"{group} {name}": own for group, all_ in groups.items() for name, own in all_.commands.items()}
    having = {name for name, own in commands.items() if any("--device" in option.opts for option in own.params)}
    assert having >= {"train", "sample", "explain", "demo", "study run", "study replicate", "base check"}
    assert having >= {"judge run", "judge leakage", "judge overfit", "benchmark guidance", "benchmark pack"}
