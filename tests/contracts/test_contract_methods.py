"""What every method promises. A method added to `registry.METHODS` is tested here by itself."""

from __future__ import annotations

import pkgutil

import pytest
import torch
from bases import build_tiny
from lessons import QUICK, TOKEN, write_concept

import brandsmith.methods
from brandsmith.base.base import encode_prompts
from brandsmith.base.base import predict as predict_rows
from brandsmith.base.prompt_tokens import expand_prompts
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.run import RunDirectory
from brandsmith.methods.adapter import build_metadata, load_adapter
from brandsmith.methods.loop import Training, prepare
from brandsmith.methods.method import Words
from brandsmith.methods.registry import METHODS, build_config

FAMILIES = ("sd1", "sd2", "sdxl")
WORDS = Words(TOKEN, "logo")
every_method = pytest.mark.parametrize("name", sorted(METHODS))


def settings_of(name, **more):
    return build_config(name, steps=3, weight_decay=0.0, **(QUICK.get(name, {}) | more))


def snapshot(base):
    return [{key: tensor.clone() for key, tensor in module.state_dict().items()} for module in base.modules()]


def same_bits(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[key], other[key]) and one[key].dtype == other[key].dtype for key in one
    )


@torch.no_grad()
def predict(base, prompts=(f"a {TOKEN}",)):
    generator = torch.Generator().manual_seed(7)
    latents = torch.randn(1, *base.latent_shape, generator=generator).expand(len(prompts), -1, -1, -1)
    conditioning = encode_prompts(base, expand_prompts(base.tokenizer, prompts))
    return predict_rows(base, latents, torch.full((len(prompts),), 400), conditioning)


def taught(base, name, tmp_path, **more):
    """A method attached and trained for three steps."""
    concept, config = write_concept(tmp_path / "concept"), settings_of(name, **more)
    material = prepare(base, concept, config, tmp_path / "cache", lambda *_: None)
    attached = METHODS[name].attach(base, config, WORDS)
    training = Training(base, config, WORDS, material, attached, RunDirectory(tmp_path / "run"))
    for step in range(1, 4):
        training.step(step)
    return attached, training


def test_the_guard_saw_every_method_file():
    files = {module.name for module in pkgutil.iter_modules(brandsmith.methods.__path__)}
    assert {"dreambooth", "lora", "textual_inversion"} <= set(METHODS) & files
    assert set(METHODS) <= files, "a method lives in the file of its name"
    assert len({method.short for method in METHODS.values()}) == len(METHODS) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@every_method
def test_detach_leaves_the_base_bit_identical(name, family, tmp_path):
    base = build_tiny(family)
    before, picture, tokenizers = snapshot(base), predict(base), list(base.tokenizers)
    structure = [[type(m) for m in module.modules()] for module in base.modules()]
    attached, _ = taught(base, name, tmp_path)
    assert not torch.equal(predict(base), picture), "three steps changed nothing: the test would prove nothing"
    attached.detach()
    assert all(same_bits(*pair) for pair in zip(before, snapshot(base), strict=True))
    assert torch.equal(predict(base), picture)
    assert structure == [[type(m) for m in module.modules()] for module in base.modules()]
    assert all(now is then for now, then in zip(base.tokenizers, tokenizers, strict=True))
    assert not any(p.requires_grad for module in base.modules() for p in module.parameters())


@pytest.mark.slow
@every_method
def test_what_trains_moves_and_nothing_else(name, tmp_path):
    base = build_tiny()
    config = settings_of(name)
    probe = METHODS[name].attach(base, config, WORDS)
    starts = {key: p.detach().clone() for group in probe.groups for key, p in group.named().items()}
    probe.detach()
    before = snapshot(base)
    attached, _ = taught(base, name, tmp_path)
    trained = {key: p for group in attached.groups for key, p in group.named().items()}
    still = [key for key, parameter in trained.items() if torch.equal(parameter, starts[key])]
    assert trained.keys() == starts.keys() and not still
    ours = {parameter.data_ptr() for parameter in trained.values()}
    frozen = 0
    for module, old in zip(base.modules(), before, strict=True):
        values = {tensor.data_ptr() for tensor in module.state_dict().values()} - ours
        untouched = [key for key, tensor in module.state_dict().items() if tensor.data_ptr() in values and key in old]
        assert all(torch.equal(module.state_dict()[key], old[key]) for key in untouched)
        frozen += len(untouched)
    assert frozen >= len(before[1]), "at least the VAE was looked at"


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@every_method
def test_written_adapter_reproduces_the_prediction(name, family, tmp_path):
    base = build_tiny(family)
    plain = predict(base)
    attached, training = taught(base, name, tmp_path)
    trained = predict(base)
    (tmp_path / "adapter").mkdir()
    attached.write(tmp_path / "adapter", build_metadata(training.config, base, WORDS, 3))
    attached.detach()
    before = snapshot(base)
    with load_adapter(base, tmp_path / "adapter") as info:
        assert torch.equal(predict(base), trained)
        assert not any(p.requires_grad for module in base.modules() for p in module.parameters())
    assert (info.method, info.base, info.family, info.words, info.steps) == (name, base.name, family, WORDS, 3)
    assert info.settings == training.config
    assert torch.equal(predict(base), plain)
    assert all(same_bits(*pair) for pair in zip(before, snapshot(base), strict=True))


@every_method
def test_adapter_leaves_even_when_the_work_inside_fails(name, tmp_path):
    base = build_tiny()
    attached, training = taught(base, name, tmp_path)
    (tmp_path / "adapter").mkdir()
    attached.write(tmp_path / "adapter", build_metadata(training.config, base, WORDS, 3))
    attached.detach()
    plain = predict(base)
    with pytest.raises(ZeroDivisionError), load_adapter(base, tmp_path / "adapter"):
        raise ZeroDivisionError
    assert torch.equal(predict(base), plain)


@pytest.mark.slow
@every_method
def test_a_batch_of_two_is_two_batches_of_one(name, tmp_path):
    base = build_tiny()
    attached, training = taught(base, name, tmp_path, batch_size=2)
    both = training.losses(2)
    single = training.config.model_copy(update={"batch_size": 1})
    one_by_one = Training(base, single, WORDS, training.material, attached, training.directory)
    halves = [one_by_one.losses(3), one_by_one.losses(4)]
    for key, value in both.items():
        assert value.item() == pytest.approx(sum(half[key].item() for half in halves) / 2, rel=1e-5)
    attached.detach()


@every_method
def test_inputs_are_not_changed(name, tmp_path):
    base = build_tiny()
    attached, training = taught(base, name, tmp_path)
    again = prepare(base, write_concept(tmp_path / "again"), training.config, tmp_path / "other", lambda *_: None)
    assert torch.equal(training.material.concept.latents, again.concept.latents)
    assert training.material.concept.prompts == again.concept.prompts
    assert training.config == settings_of(name)
    assert sorted(p.name for p in (tmp_path / "concept").rglob("*")) == sorted(
        p.name for p in (tmp_path / "again").rglob("*")
    )
    attached.detach()


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"textual_inversion"}))
def test_at_its_start_nothing_changes(name):
    base = build_tiny()
    plain = predict(base)
    attached = METHODS[name].attach(base, settings_of(name), WORDS)
    assert torch.equal(predict(base), plain)
    attached.detach()


@pytest.mark.parametrize("family", FAMILIES)
def test_textual_inversion_moves_exactly_its_rows(family, tmp_path):
    base = build_tiny(family)
    tables = [encoder.get_input_embeddings().weight.clone() for encoder in base.text_encoders]
    attached, _ = taught(base, "textual_inversion", tmp_path)
    assert len(attached.words) == len(tables) == len(base.text_encoders)
    for word, table in zip(attached.words.values(), tables, strict=True):
        new = word.encoder.get_input_embeddings()(torch.arange(len(table) + 2))
        assert torch.equal(new[: len(table)], table)
        assert new.shape[0] - len(table) == 2
        start = table[base.tokenizers[0]("logo", add_special_tokens=False).input_ids[0]]
        assert not torch.equal(new[-2], start) and not torch.equal(new[-1], start) and not torch.equal(new[-1], new[-2])
    attached.detach()


def test_textual_inversion_starts_from_the_class_word():
    base = build_tiny()
    as_class = predict(base, ["a logo"])
    attached = METHODS["textual_inversion"].attach(base, build_config("ti"), WORDS)
    assert torch.equal(predict(base, [f"a {TOKEN}"]), as_class)
    attached.detach()


@pytest.mark.slow
def test_adapters_nest(tmp_path):
    base = build_tiny()
    plain, folders = predict(base), []
    for name in ("lora", "textual_inversion"):
        attached, training = taught(base, name, tmp_path / name)
        folders.append(tmp_path / name / "adapter")
        folders[-1].mkdir()
        attached.write(folders[-1], build_metadata(training.config, base, WORDS, 3))
        attached.detach()
    with load_adapter(base, folders[0]):
        only_lora = predict(base)
        with load_adapter(base, folders[1]):
            assert not torch.equal(predict(base), only_lora)
        assert torch.equal(predict(base), only_lora)
        with pytest.raises(InvalidConfig, match="already on this base"), load_adapter(base, folders[0]):
            pass
        assert torch.equal(predict(base), only_lora)
    assert torch.equal(predict(base), plain)
