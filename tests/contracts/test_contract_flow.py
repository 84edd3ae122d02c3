"""What every family of flow transformers promises beside `test_contract_families.py`: stock diffusers' numbers, an
independent loop's losses, attention that is read without a trace, and files that others read.
"""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from flow_bases import stock_pictures
from lessons import TOKEN, write_concept
from safetensors import safe_open
from safetensors.torch import load_file

from brandsmith.base.attention import chosen_layers, recording
from brandsmith.base.base import Base, decode_latents, encode_prompts, predict
from brandsmith.base.distilled import refuse_training
from brandsmith.base.families.registry import FAMILIES
from brandsmith.base.stock import stock_pipeline
from brandsmith.core.errors import InvalidConfig
from brandsmith.draw.source import Source
from brandsmith.draw.to_folder import checked_settings
from brandsmith.guidance.attend_excite import AttendExcite
from brandsmith.guidance.combiners import Composable
from brandsmith.guidance.loop import sample_latents
from brandsmith.guidance.parts import Parts
from brandsmith.guidance.settings import DrawSettings
from brandsmith.guidance.subjects import automatic_subjects, subject_tokens, text_tokens
from brandsmith.methods.adapter import load_adapter
from brandsmith.methods.loop import train
from brandsmith.methods.lora import Lora
from brandsmith.methods.memory_plan import plan_memory
from brandsmith.methods.method import Words
from brandsmith.methods.noise import draw_noise
from brandsmith.methods.registry import build_config
from brandsmith.methods.training_data import concept_set

FLOWS = [name for name, family in FAMILIES.items() if family.noising.is_flow]
every_flow = pytest.mark.parametrize("name", FLOWS)
stocked = pytest.mark.parametrize("name", [name for name in FLOWS if FAMILIES[name].pipeline])
PROMPTS = ["a cat and a bowl", "a red logo on a blue sweater"]
SETTINGS = DrawSettings(num_steps=3, guidance_scale=3.0, scheduler="euler", batch_size=2)


@cache
def tiny(name: str) -> Base:
    """Once a session: every test leaves it as it was."""
    return build_tiny(name)


def test_there_are_five_one_of_them_twice_and_a_small_one():
    assert FLOWS == ["sd3", "flux1", "flux2", "flux2dev", "zimage", "qwen", "pocketflow"]


@stocked
@torch.no_grad()
def test_two_pictures_with_guidance_are_stock_diffusers(name):
    """A batch of two prompts of unequal length, guidance on, a picture that is not square."""
    base = tiny(name)
    settings = SETTINGS.model_copy(update={"size_px": (32, 64)})
    ours = decode_latents(base, sample_latents(base, PROMPTS, [1, 2], settings, Parts()))
    theirs = stock_pictures(base, PROMPTS, [1, 2], settings)
    assert np.abs(ours.permute(0, 2, 3, 1).numpy() - theirs).max() <= 1e-5


@every_flow
@torch.no_grad()
def test_a_picture_depends_on_its_own_prompt_and_seed_alone(name):
    base = tiny(name)
    both = sample_latents(base, PROMPTS, [1, 2], SETTINGS, Parts())
    alone = sample_latents(base, PROMPTS[1:], [2], SETTINGS, Parts())
    assert (both[1:] - alone).abs().max() <= 2e-4


@every_flow
def test_losses_are_those_of_a_loop_written_from_the_papers(name, tmp_path):
    """x = (1 - sigma) x0 + sigma noise, target noise - x0; the denoiser, its LoRA's start and AdamW are stock's."""
    base, concept = tiny(name), write_concept(tmp_path / "concept")
    config = build_config("lora", steps=2, batch_size=2, learning_rate=1e-3, rank=2, precision="fp32")
    run = train(config, concept, base, tmp_path / "run", cache_dir=tmp_path / "cache")
    source = concept_set(base, concept, config, base.image_px, tmp_path / "cache", lambda *_: None)
    rows = source.order(config.seed, 1, [0, 1])
    clean = source.latents[rows]
    noise, timesteps = draw_noise(config.seed, 1, [0, 1], tuple(clean.shape[1:]), base.noising)
    sigma = (timesteps / 1000).view(-1, 1, 1, 1)
    with torch.no_grad():
        text = encode_prompts(base, [source.prompts[row] for row in rows])
        velocity = predict(base, (1 - sigma) * clean + sigma * noise, timesteps, text)
    weight = sigma.square() if name == "sd3" else torch.ones_like(sigma)
    expected = float((weight * (velocity - (noise - clean)).square()).mean())
    assert run.metrics()[0]["loss"] == pytest.approx(expected, rel=1e-5)
    assert run.metrics()[1]["loss"] != pytest.approx(expected, rel=1e-5)


@stocked
def test_a_lora_whose_alpha_is_not_its_rank_is_read_right_by_all(name, tmp_path):
    """B holds alpha / rank: stock diffusers draws the same picture, and ComfyUI, which reads no header, would too."""
    base, concept = tiny(name), write_concept(tmp_path / "concept")
    before = {key: value.clone() for key, value in base.denoiser.state_dict().items()}
    config = build_config("lora", steps=2, checkpoint_every=2, learning_rate=1e-2, rank=2, alpha=8.0, precision="fp32")
    checkpoint = train(config, concept, base, tmp_path / "run").checkpoints()[-1][1]
    prompts = [f"a {TOKEN}", "a cat"]
    with load_adapter(base, checkpoint) as info:
        ours = decode_latents(base, sample_latents(base, prompts, [1, 2], SETTINGS, Parts()))
        assert info.settings.alpha == 8
    pipeline = stock_pipeline(base)
    pipeline.load_lora_weights(checkpoint)
    loaded = sum(1 for key, _ in base.denoiser.named_modules() if key.endswith("lora_B.default_0"))
    theirs = stock_pictures(base, prompts, [1, 2], SETTINGS)
    pipeline.unload_lora_weights()
    with safe_open(checkpoint / "pytorch_lora_weights.safetensors", "pt") as file:
        header = json.loads(file.metadata()["lora_adapter_metadata"])
    layers = [key for key in load_file(checkpoint / "pytorch_lora_weights.safetensors") if "lora_B" in key]
    assert header["transformer.lora_alpha"] == header["transformer.r"] == 2
    assert loaded == len(layers) > 3 and all(key.startswith("transformer.") for key in layers)
    assert np.abs(ours.permute(0, 2, 3, 1).numpy() - theirs).max() <= 1e-4
    after = base.denoiser.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(value, after[key]) for key, value in before.items())


@every_flow
def test_a_new_word_is_learnt_by_every_text_encoder(name, tmp_path):
    base, concept = tiny(name), write_concept(tmp_path / "concept")
    config = build_config("textual_inversion", steps=2, checkpoint_every=2, learning_rate=0.3, precision="fp32")
    checkpoint = train(config, concept, base, tmp_path / "run").checkpoints()[-1][1]
    assert len(list(checkpoint.glob("learned_embeds*.safetensors"))) == len(base.text_encoders)
    with torch.no_grad(), load_adapter(base, checkpoint):
        learnt = encode_prompts(base, [f"a {TOKEN}"]).hidden
    plain = encode_prompts(base, [f"a {TOKEN}"]).hidden
    assert (learnt - plain).abs().max() > 1e-3


@pytest.mark.slow
@every_flow
def test_the_memory_of_a_training_is_planned_without_weights(name):
    base, config = tiny(name), build_config("lora", rank=2)
    plan = plan_memory(base, config, torch.device("cpu"))
    attached = Lora().attach(base, config, Words("token", "thing"))
    trained = sum(p.numel() for group in attached.groups for p in group.parameters.values())
    attached.detach()
    assert plan.trained_weights == trained and plan.step > 0
    assert plan.held > sum(p.numel() * p.element_size() for p in base.denoiser.parameters())


# ----------------------------------------------------------------------------- guidance


@every_flow
@torch.no_grad()
def test_reading_joint_attention_changes_no_bit(name):
    base = tiny(name)
    x = torch.randn((2, *base.latent_shape), generator=torch.Generator().manual_seed(1))
    text, time = encode_prompts(base, PROMPTS), torch.tensor([600.0, 600.0])
    plain = predict(base, x, time, text)
    layers = chosen_layers(base)
    with recording(layers, x.shape[-2:]) as recorder:
        assert torch.equal(predict(base, x, time, text), plain)
        maps = recorder.averaged(x.shape[-2:])
        recorder.run(lambda: predict(base, x, time, text))
        assert len(recorder.maps) == len(layers), "a forward that stops early leaves nothing behind"
    assert torch.equal(predict(base, x, time, text), plain)
    cells = tuple(side // layers[0].factor for side in x.shape[-2:])
    assert maps.shape[:3] == (2, *cells) and maps.min() >= 0 and maps.sum(-1).max() < 1
    for row, prompt in enumerate(PROMPTS):
        first, last = text_tokens(base, prompt)
        assert 0 <= first < last <= maps.shape[-1] and float(maps[row, ..., first:last].sum()) > 0


@every_flow
def test_subjects_are_found_in_the_familys_own_tokens(name):
    """The pieces behind `bowl` are those of the word alone, wherever the family's text has it."""
    base, prompt = tiny(name), "a red cat and a bowl"
    found = [subject_tokens(base, prompt, 0, subject) for subject in automatic_subjects(prompt)]
    assert [own.label for own in found if own] == ["red cat", "bowl"]
    offsets = base.family.token_offsets(base, prompt)
    for own in found:
        covered = prompt[offsets[own.noun[0]][0] : offsets[own.noun[-1]][1]].strip()
        assert covered == own.label.split()[-1]
    changed = encode_prompts(base, [prompt]).hidden != encode_prompts(base, ["a red cat and a bell"]).hidden
    moved = changed[0].any(-1).nonzero().flatten().tolist()
    assert max(found[1].noun) in moved


@every_flow
def test_attend_and_excite_pushes_once_a_step(name):
    base, prompts = tiny(name), ["a cat and a bowl"]
    excite = AttendExcite(window=1.0, apart=None, max_move=0.3)
    pushed = sample_latents(base, prompts, [3], SETTINGS, Parts(refiner=excite))
    plain = sample_latents(base, prompts, [3], SETTINGS, Parts())
    report = excite.reports[0]
    assert report.subjects == ["cat", "bowl"] and report.extra_passes == SETTINGS.num_steps
    assert report.num_moves == SETTINGS.num_steps and (pushed - plain).abs().max() > 1e-4
    assert all(0 < peak < 1 for _, peaks in report.peaks for peak in peaks), "shares of the prompt's own words"
    assert torch.equal(plain, sample_latents(base, prompts, [3], SETTINGS, Parts()))


@every_flow
@torch.no_grad()
def test_and_of_one_is_the_sentence_and_not_takes_away(name):
    base = tiny(name)
    one = sample_latents(base, ["a cat"], [1], SETTINGS, Parts(combiner=Composable()))
    assert torch.equal(one, sample_latents(base, ["a cat"], [1], SETTINGS, Parts()))
    away = sample_latents(base, ["a cat AND NOT a bowl"], [1], SETTINGS, Parts(combiner=Composable()))
    assert torch.isfinite(away).all() and (away - one).abs().max() > 1e-4


# ----------------------------------------------------------------------------- variants

DISTILLED = {
    "flux1": ("transformer/config.json", {"guidance_embeds": False}, "FLUX.1-dev"),
    "flux2": ("model_index.json", {"is_distilled": True}, "FLUX.2-klein-base"),
    "zimage": ("scheduler/scheduler_config.json", {"shift": 3.0}, "Tongyi-MAI/Z-Image"),
}


@pytest.mark.parametrize("name", sorted(DISTILLED))
def test_a_distilled_model_is_not_trained_and_has_no_room_for_not(name, tmp_path):
    save_as_diffusers_folder(tiny(name), tmp_path / "base")
    file, changes, twin = DISTILLED[name]
    refuse_training(str(tmp_path / "base"), tmp_path / "base")  # as it is: nothing is refused
    record = json.loads((tmp_path / "base" / file).read_text()) | changes
    (tmp_path / "base" / file).write_text(json.dumps(record))
    with pytest.raises(InvalidConfig, match="undoes") as raised:
        refuse_training(str(tmp_path / "base"), tmp_path / "base")
    assert twin in raised.value.hint
    source, settings = Source(str(tmp_path / "base")), DrawSettings(combiner="composable")
    with pytest.raises(InvalidConfig, match="NOT has no room"):
        checked_settings(["a cat AND NOT a bowl"], settings, source)
    assert checked_settings(["a cat"], DrawSettings(), source).guidance_scale == 1.0
