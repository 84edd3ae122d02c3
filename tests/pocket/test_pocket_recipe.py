"""The recipe's own inventions: the encoder in closed form, gradients shared by processes, the x0 loss."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from diffusers import UNet2DConditionModel
from transformers import CLIPTokenizer

from brandsmith.base.base import pocket_folder
from brandsmith.base.noising import snr_plus_one
from brandsmith.base.sources import load_base
from brandsmith.core.errors import InvalidInput
from brandsmith.judges.pocket_clip import PocketPair, has_pair, pair_folder
from brandsmith.pocket.artwork import COLOURS, OBJECT_WORDS
from brandsmith.pocket.build import Recipe, patch_code, trained_clip, write_judging_pair
from brandsmith.pocket.caption_sensitivity import exchanged, plain_objects
from brandsmith.pocket.clip import build_clip, build_tokenizer, objects_by_colour, one_colour, train_clip
from brandsmith.pocket.stage import Stage, StageSettings, in_parallel
from brandsmith.pocket.terminal_snr import signal_to_noise, strongest_variance
from brandsmith.pocket.text_projection_init import balance_text
from brandsmith.pocket.unet import (
    SHOWN,
    Captioned,
    build_scheduler,
    build_unet,
    encode_captions,
    kind_of,
    shares,
    train_unet,
)
from brandsmith.pocket.vae import LATENT_CHANNELS, build_vae, fit_patch_code, train_decoder
from brandsmith.pocket.warm_start import _loaded, warm_start


@dataclass
class FakePool:
    pixels: np.ndarray
    truths: list[dict]

    def __len__(self) -> int:
        return len(self.truths)


@dataclass
class FakeCaptions:
    """Of a CLIP stage that has nothing left to do: it reads the captions and the truths, and no picture."""

    pixels: np.ndarray
    captions: tuple[str, ...] = ("a red cat",)
    truths: tuple[dict, ...] = ()


@pytest.fixture(scope="module")
def pool() -> FakePool:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (40, 16, 16, 3)).astype(np.uint8)
    grain = rng.integers(0, 40, (40, 128, 128, 3))
    pixels = (coarse.repeat(8, 1).repeat(8, 2) * 0.8 + grain).astype(np.uint8)
    return FakePool(pixels, [{"marks": [{"box": [20.0, 30.0, 60.0, 50.0]}]}] * 40)


def test_the_network_encoder_is_the_linear_code(pool):
    code = fit_patch_code(pool, num_scenes=40)
    vae = build_vae(code)
    x = torch.from_numpy(pool.pixels[:3]).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    with torch.inference_mode():
        posterior = vae.encode(x).latent_dist
    expected = torch.from_numpy(code.encode(pool.pixels[:3]))
    assert expected.shape == (3, LATENT_CHANNELS, 16, 16)
    torch.testing.assert_close(posterior.mean, expected, atol=2e-3, rtol=1e-3)
    assert float(posterior.std.max()) < 0.01
    trained = {name.partition(".")[0] for name, p in vae.named_parameters() if p.requires_grad}
    assert trained == {"decoder", "post_quant_conv"}


def test_latents_are_zero_mean_and_ordered(pool):
    latents = fit_patch_code(pool, num_scenes=40).encode(pool.pixels).transpose(1, 0, 2, 3).reshape(LATENT_CHANNELS, -1)
    assert np.abs(latents.mean(1)).max() < 0.05 * latents.std(1).max()
    assert (np.diff(latents.std(1)) <= 0.05 * latents.std(1)[:-1]).all()


def test_an_untrained_denoiser_answers_zero():
    unet = build_unet()
    with torch.inference_mode():
        out = unet(
            torch.randn(2, LATENT_CHANNELS, 16, 16),
            torch.tensor([1, 900]),
            encoder_hidden_states=torch.randn(2, 48, 192),
        ).sample
    assert float(out.abs().max()) == 0.0


def test_an_error_of_x0_counts_as_the_same_error_of_v():
    scheduler = build_scheduler()
    t = torch.tensor([200, 500, 900])
    x0, noise, guess = (torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(i)) for i in range(3))
    noisy = scheduler.add_noise(x0, noise, t)
    alpha, sigma = (
        s[t].reshape(3, 1, 1, 1) for s in (scheduler.alphas_cumprod.sqrt(), (1 - scheduler.alphas_cumprod).sqrt())
    )
    guessed_v = (alpha * noisy - guess) / sigma  # v = (alpha x_t - x0) / sigma
    of_v = (guessed_v - scheduler.get_velocity(x0, noise, t)).square().mean((1, 2, 3))
    of_x0 = (guess - x0).square().mean((1, 2, 3)) * snr_plus_one(scheduler.alphas_cumprod[t])
    torch.testing.assert_close(of_x0, of_v, rtol=1e-4, atol=1e-4)
    assert float(snr_plus_one(torch.tensor(0.9999))) == 10.0


def test_sampling_starts_where_the_picture_is_hidden():
    """Latents of pocket have directions whose variance is over a thousand: the first step must hide even these."""
    scheduler = build_scheduler()
    scheduler.set_timesteps(25)
    assert int(scheduler.timesteps[0]) == 999
    assert signal_to_noise(scheduler, 1300.0, 999) < 0.1


def test_the_strongest_direction_is_found():
    rng = np.random.default_rng(0)
    direction = rng.standard_normal((2, 4, 4))
    direction /= np.linalg.norm(direction)
    latents = 5 * rng.standard_normal((4000, 1, 1, 1)) * direction + 0.1 * rng.standard_normal((4000, 2, 4, 4))
    assert strongest_variance(latents, scaling=2.0) == pytest.approx(100, rel=0.1)


def test_exchanged_captions_say_one_other_word():
    truth = {
        "caption": "a red cat on a blue background",
        "look": "3-D art",
        "person": "",
        "marks": [],
        "things": [{"word": "cat", "colour": "red"}],
    }
    pair = truth | {"things": truth["things"] * 2}
    assert plain_objects([pair, truth, truth | {"caption": "a red kitten"}], 5).tolist() == [1]
    said = {exchanged(truth, "word", ("cat", "bus", "key"), np.random.default_rng(i)) for i in range(20)}
    assert said == {"a red bus on a blue background", "a red key on a blue background"}


def test_shares_add_up_whatever_the_pool_holds():
    single = {"look": "3-D art", "person": "", "marks": [], "things": [{}]}
    kinds = {
        "branded": {"marks": [{}], "person": "male"},
        "mark": {"marks": [{}], "things": []},
        "person": {"person": "male"},
        "photo": {"look": "photo"},
    }
    assert all(kind_of(single | changes) == kind for kind, changes in kinds.items())
    share = shares([single, single, single | {"things": [{}, {}]}])
    assert share.sum() == pytest.approx(1) and share[0] == share[1]
    assert share[2] / (share[0] + share[1]) == pytest.approx(SHOWN["pair"] / SHOWN["single"])


def test_hard_batches_differ_by_the_object_alone():
    things = [(word, colour) for word in ("cat", "dog", "cup") for colour in ("red", "blue")] * 3
    truths = [{"look": "3-D art", "things": [{"word": w, "colour": c}], "marks": [], "person": ""} for w, c in things]
    truths.append({"look": "3-D art", "things": [{"word": "cat", "colour": "red"}], "marks": [{}], "person": ""})
    rows = one_colour(objects_by_colour(truths), np.random.default_rng(1), batch=64)
    chosen = [truths[row]["things"][0] for row in rows]
    assert sorted(thing["word"] for thing in chosen) == ["cat", "cup", "dog"]
    assert len({thing["colour"] for thing in chosen}) == 1 and len(truths) - 1 not in rows


@pytest.mark.slow
def test_objects_are_louder_than_colours_where_the_unet_reads_the_text():
    tokenizer = build_tokenizer([f"a {colour} {word}" for colour in COLOURS for word in OBJECT_WORDS])
    torch.manual_seed(0)
    clip, unet = build_clip(tokenizer).eval(), build_unet()
    loud = [tokenizer(colour, add_special_tokens=False).input_ids[-1] for colour in COLOURS]
    clip.text_model.embeddings.token_embedding.weight.data[loud] *= (
        30  # what contrastive training does to colours, only more so
    )
    words, colours = ("cat", "dog", "car", "tree"), ("red", "blue", "green")
    captions = [f"a {colour} {word}" for word in words for colour in colours]
    ids = tokenizer(captions, padding="max_length", max_length=48, return_tensors="pt").input_ids
    with torch.inference_mode():
        states = clip.text_model(ids)[0]
        before = _object_share(states[:, 3], len(words))
        all_captions = [f"a {colour} {word}" for colour in COLOURS for word in OBJECT_WORDS]
        every_id = tokenizer(all_captions, padding="max_length", max_length=48, return_tensors="pt").input_ids
        balance_text(unet, clip.text_model(every_id)[0].numpy(), clip, tokenizer)
        assert _object_share(unet.encoder_hid_proj(states)[:, 3], len(words)) > before
        assert _object_share(unet.add_embedding(states), len(words)) > _object_share(states[:, 20], len(words))


def _object_share(x: torch.Tensor, num_words: int) -> float:
    """Of rows (words x colours, D): variance between words over that between words and between colours."""
    grid = x.reshape(num_words, -1, x.shape[-1])
    objects, colours = float(grid.mean(1).var(0).sum()), float(grid.mean(0).var(0).sum())
    return objects / (objects + colours)


@pytest.mark.slow
def test_a_finished_base_comes_apart_into_its_stages(pool, tmp_path):
    warm_start(pocket_folder(), tmp_path, decoder_steps=7, clip_steps=5)
    clip, _ = trained_clip(tmp_path)
    base = load_base("pocket")
    ids = torch.arange(6)[None] + 5
    with torch.inference_mode():
        assert torch.allclose(clip.text_model(ids)[0], base.text_encoders[0](ids)[0], atol=1e-4)
        x = torch.from_numpy(pool.pixels[:2]).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        assert torch.allclose(
            torch.from_numpy(patch_code(tmp_path).encode(pool.pixels[:2])),
            base.vae.encode(x).latent_dist.mean,
            atol=5e-3,
        )
    states = {name: torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("decoder", "clip", "unet")}
    assert {name: state["step"] for name, state in states.items()} == {"decoder": 7, "clip": 5, "unet": 0}
    saved = states["unet"]["model"]
    assert all(torch.equal(tensor, saved[name]) for name, tensor in base.denoiser.state_dict().items())


@pytest.mark.slow
def test_the_recipe_leaves_a_pair_that_the_judges_look_through(pool, tmp_path):
    cat = {"look": "3-D art", "things": [{"word": "cat", "colour": "red"}], "marks": [], "person": ""}
    scenes = FakePool(pool.pixels.repeat(2, axis=0), [cat] * 2 * len(pool))
    scenes.captions = ["a red cat"] * len(scenes)
    tokenizer = CLIPTokenizer.from_pretrained(pocket_folder() / "tokenizer")
    folder = pair_folder(tmp_path / "mine")
    write_judging_pair(scenes, tokenizer, tmp_path / "work", folder, Recipe(clip_steps=1))
    assert has_pair(tmp_path / "mine") and folder.name == "mine_judge"
    pair = PocketPair(folder)
    assert pair.of_texts(["a red cat"]).shape == pair.of_pictures([pool.pixels[0]]).shape == (1, 128)


@pytest.mark.slow
def test_the_same_command_goes_on_from_a_finished_base(pool, tmp_path):
    """The stages of the recipe take the parts up where they were left, and a second start changes nothing."""
    warm_start(pocket_folder(), tmp_path, decoder_steps=1, clip_steps=1)
    clip, tokenizer = trained_clip(tmp_path)
    train_decoder(pool, patch_code(tmp_path), tmp_path, num_steps=1, seed=0)
    train_clip(FakeCaptions(pool.pixels), tokenizer, tmp_path, num_steps=1, seed=0)
    np.save(tmp_path / "latents.npy", patch_code(tmp_path).encode(pool.pixels[:4]))
    np.save(tmp_path / "states.npy", encode_captions(["a red cat", "a blue dog", ""] * 30, clip, tokenizer, 48).numpy())
    data = Captioned(tmp_path / "latents.npy", tmp_path / "states.npy", np.arange(4), np.full(4, 0.25), 1.3)
    shipped = load_base("pocket").denoiser.state_dict()
    trained = train_unet(data, clip, tokenizer, tmp_path, num_steps=1, seed=0, batch=2)
    moved = max(float((tensor - shipped[name]).abs().max()) for name, tensor in trained.state_dict().items())
    assert 0 < moved < 1e-3, "one warming-up step from the shipped weights"
    warm_start(pocket_folder(), tmp_path, decoder_steps=1, clip_steps=1)
    assert torch.load(tmp_path / "unet.pt", weights_only=True)["step"] == 1


@pytest.mark.slow
def test_a_base_without_the_attention_at_16_x_16_can_be_gone_on_from_and_draws_as_before(tmp_path):
    """The sixth pocket had none; a layer that does not begin silent is no such layer."""
    shutil.copytree(pocket_folder(), tmp_path / "older")
    config = {**load_base("pocket").denoiser.config, "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D")}
    older = UNet2DConditionModel.from_config(config)
    older.save_pretrained(tmp_path / "older" / "unet")
    warm_start(tmp_path / "older", tmp_path / "work", decoder_steps=1, clip_steps=1)
    newer = build_unet()
    newer.load_state_dict(torch.load(tmp_path / "work" / "unet.pt", weights_only=True)["model"])
    given = (torch.randn(1, LATENT_CHANNELS, 16, 16), torch.tensor([500]), torch.randn(1, 8, 192))
    with torch.inference_mode():
        assert torch.allclose(newer.eval()(*given).sample, older.eval()(*given).sample, atol=1e-5)
    with pytest.raises(RuntimeError, match="Missing"):  # a convolution is missing
        kept = {name: tensor for name, tensor in older.state_dict().items() if not name.startswith("conv_in")}
        _loaded(build_unet(), kept, newer=".attentions.")


def test_where_a_finished_base_cannot_be_taken_up(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "unet.pt").write_bytes(b"another training")
    save_as_diffusers_folder(build_tiny(), tmp_path / "tiny")
    cases = ((pocket_folder(), "work", "another training"), (tmp_path / "tiny", "new", "not built like pocket"))
    for base, work, says in cases:
        with pytest.raises(InvalidInput, match=says):
            warm_start(base, tmp_path / work, decoder_steps=1, clip_steps=1)
    assert not (tmp_path / "new").exists() and [f.name for f in (tmp_path / "work").iterdir()] == ["unet.pt"]


def _fit_line(rank: int, folder: Path, num_steps: int, batch: int) -> None:
    torch.manual_seed(0)
    stage = Stage(
        "line",
        folder,
        torch.nn.Linear(3, 1),
        StageSettings(num_steps=num_steps, learning_rate=0.05, warmup_steps=1),
        seed=5,
    )

    def loss_of(step: int, rng: np.random.Generator):
        parts = [np.random.default_rng([step, r]).standard_normal((batch, 3)).astype(np.float32) for r in (0, 1)]
        x = torch.from_numpy(np.concatenate(parts) if stage.num_workers == 1 else parts[rank])
        return (stage.model(x).squeeze(1) - x @ torch.tensor([1.0, -2.0, 0.5])).square().mean(), {}

    stage.run(loss_of)


@pytest.mark.slow
def test_two_processes_learn_what_one_with_both_batches_learns(tmp_path):
    _fit_line(0, tmp_path / "one", 30, 8)
    in_parallel(_fit_line, 2, tmp_path / "two", 30, 8)
    one, two = (torch.load(tmp_path / name / "line.pt", weights_only=True)["model"] for name in ("one", "two"))
    for key in one:
        torch.testing.assert_close(one[key], two[key], atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_stopping_the_parent_stops_the_workers(tmp_path):
    code = (
        "from test_pocket_recipe import _fit_line, in_parallel; from pathlib import Path\nif __name__ == '__main__':\n"
    )
    (tmp_path / "go.py").write_text(code + f"    in_parallel(_fit_line, 2, Path({str(tmp_path)!r}), 10**7, 4)\n")
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "go.py"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=tmp_path,
    )
    wait_for(lambda: (tmp_path / "line.jsonl").is_file())
    parent.terminate()
    assert parent.wait(60) == 0
    step = torch.load(tmp_path / "line.pt", weights_only=True)["step"]
    assert 0 < step < 10**7


def wait_for(happened, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)
