"""What every family of models promises. A family added to `registry.FAMILIES` is tested here by itself."""

from __future__ import annotations

import json
import pkgutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from flow_bases import stock_pictures
from lessons import TOKEN, quick_for, write_concept

import brandsmith.base.families
from brandsmith.base.base import decode_latents, encode_images, encode_prompts, predict
from brandsmith.base.families import sd
from brandsmith.base.families.registry import FAMILIES
from brandsmith.base.sources import check_base, detect_family, family_of, load_base
from brandsmith.base.stock import stock_pipeline
from brandsmith.core.errors import InvalidConfig
from brandsmith.draw.source import Source
from brandsmith.draw.to_folder import draw_to_folder
from brandsmith.guidance.loop import redo_latents
from brandsmith.guidance.sampling import check_drawable, sample
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods.adapter import export_diffusers_folder, load_adapter
from brandsmith.methods.job import check_job
from brandsmith.methods.loop import train
from brandsmith.methods.registry import METHODS, build_config

every_family = pytest.mark.parametrize("name", sorted(FAMILIES))
stocked = pytest.mark.parametrize("name", sorted(name for name, family in FAMILIES.items() if family.pipeline))
PROMPTS = ["a cat and a bowl", "a red logo on a blue sweater"]


def noisy(base, number=2):
    """Noise (N, C, h, w) and a timestep each."""
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn((number, *base.latent_shape), generator=generator)
    return latents, torch.cat([base.noising.draw_timestep(generator) for _ in range(number)])


@pytest.fixture(autouse=True)
def narrow_sd2(monkeypatch):
    """The width that tells 2.x from 1.x is 1024; the tiny base's is 24."""
    monkeypatch.setattr(sd, "WIDTH_2", 24)


def test_the_guard_saw_every_family_file():
    files = {module.name for module in pkgutil.iter_modules(brandsmith.base.families.__path__)}
    shared = {"registry", "unet", "autoencoder", "flow"}
    ours = files - shared
    assert {
        "sd",
        "sdxl",
        "sd3",
        "flux1",
        "flux2",
        "flux2dev",
        "zimage",
        "qwen",
        "pocketflow",
    } <= ours and shared <= files
    assert all(any(name.startswith(file) for file in ours) for name in FAMILIES), "a family lives in the file it names"
    assert len(FAMILIES) >= 9 and all(name == family.name for name, family in FAMILIES.items())


@every_family
@torch.no_grad()
def test_parts_fit_together(name):
    base = build_tiny(name)
    channels, height, width = base.latent_shape
    latents, timesteps = noisy(base)
    conditioning = encode_prompts(base, PROMPTS)
    assert conditioning.hidden.shape[0] == 2
    assert predict(base, latents, timesteps, conditioning).shape == (2, channels, height, width)
    pictures = decode_latents(base, latents)
    assert pictures.shape == (2, 3, *base.image_px) and pictures.min() >= 0 and pictures.max() <= 1
    assert encode_images(base, pictures * 2 - 1).shape == latents.shape
    unit, cell = base.family.size_unit(base), base.family.training_cell(base)
    assert all(side % unit == 0 and side % cell == 0 for side in base.image_px) and cell % unit == 0
    assert list(base.named_encoders().values()) == base.text_encoders


@every_family
@torch.no_grad()
def test_a_prediction_depends_on_text_time_and_latents(name):
    base = build_tiny(name)
    latents, timesteps = noisy(base)
    conditioning = encode_prompts(base, PROMPTS)
    plain = predict(base, latents, timesteps, conditioning)
    others = [
        predict(base, latents, timesteps, conditioning.rows(torch.tensor([1, 0]))),
        predict(base, latents, timesteps.flip(0), conditioning),
        predict(base, latents.flip(0), timesteps, conditioning),
    ]
    assert all((plain - other).abs().max() > 1e-4 for other in others)


@every_family
@torch.no_grad()
def test_a_batch_of_two_is_two_batches_of_one(name):
    base = build_tiny(name)
    latents, timesteps = noisy(base)
    conditioning = encode_prompts(base, PROMPTS)
    both = predict(base, latents, timesteps, conditioning)
    single = [
        predict(base, latents[i : i + 1], timesteps[i : i + 1], encode_prompts(base, [PROMPTS[i]])) for i in (0, 1)
    ]
    assert torch.allclose(both, torch.cat(single), atol=1e-5)
    one_time = predict(base, latents, timesteps[0], conditioning)
    assert torch.allclose(one_time[:1], both[:1], atol=1e-5), "a 0-d timestep counts for all rows"


@every_family
def test_noising_is_undone_by_its_own_target(name):
    """At the end there is noise alone, at the start the picture; what the target says is exactly what is missing."""
    noising = build_tiny(name).noising
    latents, noise = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    late = torch.full((2,), noising.num_timesteps - 1)
    early = torch.zeros_like(late)
    assert torch.allclose(noising.add_noise(latents, noise, early), latents, atol=0.2)
    assert torch.nn.functional.cosine_similarity(noising.add_noise(latents, noise, late), noise, 1).mean() > 0.9
    middle = torch.stack([noising.timestep_at(0.4)] * 2)
    x, target = noising.add_noise(latents, noise, middle), noising.target(latents, noise, middle)
    assert torch.allclose(x, noising.add_noise(latents, noise, middle)), "a pure function"
    assert torch.allclose(picture_behind(noising, x, target, middle), latents, atol=1e-4)
    weights = noising.weights(middle)
    assert weights.shape == (2,) and weights.dtype == torch.float32 and bool((weights > 0).all())


def picture_behind(noising, x, target, timesteps):
    """x0 by the papers' algebra."""
    if noising.is_flow:
        return x - (timesteps / noising.num_timesteps).view(-1, 1, 1, 1) * target
    a = noising.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    if noising.predicts == "v_prediction":
        return a.sqrt() * x - (1 - a).sqrt() * target
    return (x - (1 - a).sqrt() * target) / a.sqrt()


@every_family
def test_a_line_through_two_noise_levels_ends_at_the_picture(name):
    noising = build_tiny(name).noising
    latents, noise = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    here, there = noising.timestep_at(0.7), noising.timestep_at(0.5)
    before, after = (noising.add_noise(latents, noise, t[None]) for t in (here, there))
    assert torch.allclose(noising.clean_estimate(before, after, here, there, False), latents, atol=1e-3)
    assert torch.allclose(noising.clean_estimate(before, latents, here, None, False), latents, atol=1e-5)


@every_family
def test_drawn_timesteps_are_named_by_their_generator(name):
    noising = build_tiny(name).noising
    drawn = torch.cat([noising.draw_timestep(torch.Generator().manual_seed(seed)) for seed in range(200)])
    again = torch.cat([noising.draw_timestep(torch.Generator().manual_seed(seed)) for seed in range(200)])
    assert torch.equal(drawn, again) and len(set(drawn.tolist())) > 100
    assert drawn.min() >= 0 and drawn.max() <= noising.num_timesteps and drawn.float().std() > 100


@pytest.mark.slow
@every_family
def test_a_lora_trains_and_moves_nothing_else(name, tmp_path):
    base, concept = build_tiny(name), write_concept(tmp_path / "concept")
    before = [{key: value.clone() for key, value in module.state_dict().items()} for module in base.modules()]
    config = build_config("lora", steps=3, checkpoint_every=3, precision="fp32", **quick_for("lora", base))
    run = train(config, concept, base, tmp_path / "run")
    for module, old in zip(base.modules(), before, strict=True):
        assert all(torch.equal(value, old[key]) for key, value in module.state_dict().items())
    latents, timesteps = noisy(base, 1)

    def prediction():
        with torch.no_grad():
            return predict(base, latents, timesteps, encode_prompts(base, [f"a {TOKEN}"]))

    plain = prediction()
    with load_adapter(base, run.checkpoints()[-1][1]) as info:
        assert (prediction() - plain).abs().max() > 1e-4 and info.family == name
    assert torch.equal(prediction(), plain)


@pytest.mark.slow
@stocked
def test_stock_diffusers_reads_the_lora(name, tmp_path):
    """Same layers, same names: the stock pipeline with the file predicts what the base with the adapter predicts."""
    base, concept = build_tiny(name), write_concept(tmp_path / "concept")
    config = build_config("lora", steps=3, checkpoint_every=3, precision="fp32", **quick_for("lora", base))
    checkpoint = train(config, concept, base, tmp_path / "run").checkpoints()[-1][1]
    latents, timesteps = noisy(base, 1)
    with torch.no_grad(), load_adapter(base, checkpoint):
        ours = predict(base, latents, timesteps, encode_prompts(base, [f"a {TOKEN}"]))
    pipeline = stock_pipeline(base)
    pipeline.load_lora_weights(checkpoint)
    with torch.no_grad():
        theirs = predict(base, latents, timesteps, encode_prompts(base, [f"a {TOKEN}"]))
    pipeline.unload_lora_weights()
    assert torch.allclose(ours, theirs, atol=1e-4)


@pytest.mark.slow
@every_family
def test_training_lowers_the_loss(name, tmp_path):
    concept = write_concept(tmp_path / "concept")
    settings = {"steps": 30, "batch_size": 2, "checkpoint_every": 30, "rank": 8, "alpha": 8.0, "precision": "fp32"}
    late = []
    for rate in (2e-2, 1e-9):
        config = build_config("lora", learning_rate=rate, **settings)
        run = train(config, concept, build_tiny(name), tmp_path / f"rate-{rate}")
        late.append(sum(row["loss"] for row in run.metrics()[15:]))
    assert late[0] < 0.97 * late[1], "the same draws, so the untrained loss is the one at a rate of next to nothing"


@every_family
def test_dreambooth_with_class_pictures_exports_a_folder_of_the_family(name, tmp_path):
    base, concept = build_tiny(name), write_concept(tmp_path / "concept")
    batch = 3 if base.family.noising.is_flow else 1  # weights of a flow are one for each sample
    settings = {"steps": 2, "checkpoint_every": 2, "batch_size": batch, "precision": "fp32"}
    config = build_config("dreambooth", **settings, **quick_for("dreambooth", base))
    run = train(config, concept, base, tmp_path / "run")
    assert all("prior_loss" in row for row in run.metrics())
    checkpoint = run.checkpoints()[-1][1]
    assert (checkpoint / f"{base.family.denoiser_name}.safetensors").is_file()
    assert family_of(str(export_diffusers_folder(base, checkpoint, tmp_path / "out"))) is base.family


@every_family
@torch.no_grad()
def test_a_saved_folder_is_recognised_and_loads_as_the_same_base(name, tmp_path):
    base = build_tiny(name)
    save_as_diffusers_folder(base, tmp_path / "base")
    read = {}
    for file in (tmp_path / "base").rglob("*.json"):
        read[file.stem if file.stem == "model_index" else file.parent.name] = json.loads(file.read_text())
    assert [f.name for f in FAMILIES.values() if f.recognises(lambda part: read.get(part, {}))] == [name]
    loaded = load_base(str(tmp_path / "base"))
    latents, timesteps = noisy(base)
    ours, theirs = (predict(b, latents, timesteps, encode_prompts(b, PROMPTS)) for b in (base, loaded))
    assert loaded.family is base.family and torch.equal(ours, theirs)


@every_family
def test_what_a_family_lacks_it_says_before_weights_load(name, tmp_path):
    base, concept = build_tiny(name), write_concept(tmp_path / "concept")
    save_as_diffusers_folder(base, tmp_path / "base")
    for weights in (tmp_path / "base").rglob("*.safetensors"):
        weights.unlink()  # loading would now fail with another error
    wanted = {
        "hypernetwork": base.family.text_attention is None,
        "lora convolutions": "convolutions" not in base.family.lora_layers,
        "lora min_snr_gamma": base.family.noising.is_flow,
    }
    options = {"lora convolutions": {"convolutions": True}, "lora min_snr_gamma": {"min_snr_gamma": 5.0}}
    for case, lacks in wanted.items():
        config = build_config(case.split()[0], **options.get(case, {}))
        if not lacks:
            check_job(config, concept, str(tmp_path / "base"), tmp_path / "run")
            continue
        with pytest.raises(InvalidConfig) as raised:
            check_job(config, concept, str(tmp_path / "base"), tmp_path / "run")
        assert raised.value.hint
    assert len(METHODS) >= 4


def test_a_model_of_no_known_family_is_refused_by_name(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "PixArtAlphaPipeline"}')
    with pytest.raises(InvalidConfig, match="PixArtAlphaPipeline") as raised:
        detect_family(tmp_path)
    assert all(name in raised.value.hint for name in FAMILIES)


@pytest.mark.parametrize(
    ("index", "says"),
    [
        (
            {
                "_class_name": "StableDiffusionXLImg2ImgPipeline",
                "requires_aesthetics_score": True,
                "text_encoder": [None, None],
                "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
            },
            "the SDXL refiner .*draws none",
        ),
        ({"_class_name": "KandinskyV22Pipeline", "unet": ["diffusers", "UNet2DConditionModel"]}, "KandinskyV22Pipel"),
        ({"_class_name": "FluxPipeline", "transformer": ["diffusers", "Other"], "unet": [None, None]}, "FluxPipeline"),
    ],
)
def test_a_u_net_that_reads_no_text_by_itself_is_no_base(index, says, tmp_path):
    """Refused by its name, not as a folder that was copied in part."""
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text('{"cross_attention_dim": 1280, "in_channels": 4}')
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(InvalidConfig, match=says):
        check_base(str(tmp_path))


def scheduler_of(base):
    """A short name that every sampling of the family may have."""
    return "euler" if base.family.noising.is_flow else "ddim"


@stocked
@torch.no_grad()
def test_the_loop_draws_what_stock_diffusers_draws(name):
    """The same starting noise, guidance and steps; pictures within a grey level or two."""
    base = build_tiny(name)
    settings = DrawSettings(num_steps=4, guidance_scale=3.0, scheduler=scheduler_of(base), batch_size=2)
    ours = sample(base, PROMPTS, [1, 2], settings)
    for picture, prompt, seed in zip(ours, PROMPTS, (1, 2), strict=True):
        theirs = stock_pictures(base, [prompt], [seed], settings)[0]
        assert np.abs(picture / 255.0 - theirs).max() <= 2 / 255
    assert np.abs(ours[0].astype(int) - ours[1]).max() > 20, "two seeds, two pictures"


@every_family
@torch.no_grad()
def test_composable_and_image_to_image_run_on_every_family(name):
    base = build_tiny(name)
    settings = DrawSettings(num_steps=4, guidance_scale=3.0, scheduler=scheduler_of(base), combiner="composable")
    together = sample(base, ["a cat AND a bowl AND NOT a logo"], [1], settings)[0]
    assert np.abs(together.astype(int) - sample(base, ["a cat"], [1], settings)[0]).max() > 4
    latents = torch.randn(1, *base.latent_shape, generator=torch.Generator().manual_seed(1))
    more = settings.model_copy(update={"num_steps": 8})  # a flow's shift leaves few steps to little noise
    hardly, half = (redo_latents(base, latents, ["a cat"], [1], more, strength) for strength in (0.25, 0.75))
    assert not torch.equal(hardly, half)
    if name != "pocketflow":  # whose network says the picture itself: of random weights' nothing of the latents is left
        assert (hardly - latents).norm() < (half - latents).norm(), "the more is drawn anew, the less stays"


@every_family
def test_guidance_that_a_family_cannot_follow_is_refused_by_its_name(name):
    family = FAMILIES[name]
    blind = replace(family, text_attention=None, joint_attention=None)
    for option, value in {"combiner": "regional", "refiner": "attend_excite", "redraw": True, "screen": 3}.items():
        settings = DrawSettings(scheduler="euler", **{option: value})
        check_drawable(PROMPTS, settings, family)
        with pytest.raises(InvalidConfig, match=f"{option} .*{name} bases have none") as raised:
            check_drawable(PROMPTS, settings, blind)
        assert raised.value.hint
    wrong = "ddim" if family.noising.is_flow else "FlowMatchEulerDiscreteScheduler"
    with pytest.raises(InvalidConfig, match=f"cannot sample {name} bases") as raised:
        check_drawable(PROMPTS, DrawSettings(scheduler=wrong), family)
    assert "euler" in raised.value.hint


@every_family
def test_the_command_refuses_before_weights_load(name, tmp_path):
    save_as_diffusers_folder(build_tiny(name), tmp_path / "base")
    for weights in (tmp_path / "base").rglob("*.safetensors"):
        weights.unlink()
    wrong = "ddim" if FAMILIES[name].noising.is_flow else "FlowMatchEulerDiscreteScheduler"
    with pytest.raises(InvalidConfig, match=f"{name} bases"):
        settings = DrawSettings(scheduler=wrong)
        draw_to_folder(PROMPTS, [1], settings, Source(str(tmp_path / "base")), tmp_path / "out")
    assert not (tmp_path / "out").exists()
