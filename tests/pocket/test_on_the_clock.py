"""Training by the clock on scenes that are still being drawn: the parts, and a short real run of all three stages."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizer

from brandsmith.base.base import pocket_folder
from brandsmith.pocket.artwork import DRAWN_WORDS, Artwork
from brandsmith.pocket.build import assemble, patch_code
from brandsmith.pocket.mark_crops import cut_out
from brandsmith.pocket.on_the_clock import LETTERING_WEIGHT, Plan, Shown, train_on_the_clock
from brandsmith.pocket.scenes import SceneMaker
from brandsmith.pocket.stage import Stage, StageSettings
from brandsmith.pocket.stream import SHARD, Incoming, Source, draw_shard, tokenized
from brandsmith.pocket.vae import MARK_WEIGHT
from brandsmith.pocket.warm_start import warm_start

MIX = {"single": 0.5, "mark_alone": 0.5}


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clock")
    warm_start(pocket_folder(), folder, decoder_steps=1, clip_steps=1)
    return folder


@pytest.fixture(scope="module")
def source(work) -> Source:
    return Source(
        Path("no-artwork-here"), None, patch_code(work), work / "tokenizer", seed=3, mix=MIX, words=DRAWN_WORDS
    )


@pytest.mark.slow
def test_a_shard_is_read_once_and_holds_what_the_seed_says(source, tmp_path):
    maker = SceneMaker(Artwork(source.artwork), None, DRAWN_WORDS)
    incoming = Incoming(tmp_path, with_pixels=True)
    assert incoming.take() == []
    tokenizer = CLIPTokenizer.from_pretrained(source.tokenizer)
    draw_shard(maker, source, tokenizer, tmp_path, 2)
    (shard,) = incoming.take()
    assert incoming.take() == [] and len(shard.truths) == SHARD == len(shard.pixels)
    again = maker.scene(3, 2 * SHARD + 7, MIX)
    assert np.array_equal(shard.pixels[7], again.pixels) and shard.truths[7]["caption"] == again.caption
    assert np.array_equal(shard.tokens[7], tokenized([again.caption], tokenizer)[0])
    assert np.allclose(shard.latents, source.code.encode(shard.pixels), atol=0.02)
    with pytest.raises(TimeoutError, match="400 scenes"):
        Incoming(tmp_path).wait_for(400, at_most_sec=0.1)


@pytest.mark.slow
def test_the_first_shards_can_be_of_what_is_hardest(source, tmp_path):
    later = replace(source, first_mix={"mark_alone": 1.0}, first_scenes=SHARD, mix={"single": 1.0})
    maker, tokenizer = (
        SceneMaker(Artwork(source.artwork), None, DRAWN_WORDS),
        CLIPTokenizer.from_pretrained(source.tokenizer),
    )
    for shard in (0, 1):
        draw_shard(maker, later, tokenizer, tmp_path, shard)
    first, second = Incoming(tmp_path).take()
    assert all(truth["marks"] for truth in first.truths) and not any(truth["marks"] for truth in second.truths)


def test_the_error_counts_more_where_the_mark_is():
    shown = Shown(2, torch.device("cpu"))
    shown.boxes = torch.tensor([[40.0, 60.0, 88.0, 80.0], [0.0, 0.0, 0.0, 0.0]])
    marked, plain = shown.weights(torch.tensor([0, 1]))[:, 0]
    assert torch.allclose(torch.stack([marked.mean(), plain.mean()]), torch.ones(2)) and torch.all(plain == 1)
    assert torch.allclose(marked[7:10, 5:11], marked[0, 0] * LETTERING_WEIGHT) and int((marked > 1).sum()) == 3 * 6


def test_cuts_lie_on_the_grid_near_their_mark_and_weigh_it():
    torch.manual_seed(0)
    column = torch.arange(128, dtype=torch.uint8).view(1, 1, 128, 1).expand(2, 128, 128, 3).contiguous()
    boxes = torch.tensor([[80.0, 40.0, 110.0, 56.0], [0.0, 0.0, 0.0, 0.0]])
    for _ in range(10):
        cut, weight = cut_out(column, boxes, torch.tensor([0, 1]), 64)
        left = int(cut[0, 0, 0, 0])
        assert cut.shape == (2, 64, 64, 3) and left % 8 == 0 and left <= 80 and left + 64 >= 104
        inside = weight[0, 0] == MARK_WEIGHT
        assert int(inside.any(0).nonzero()[0]) == max(80 - left, 0) and torch.all(weight[1] == 1)
    whole, weight = cut_out(column, boxes, torch.tensor([0]), 128)
    assert torch.equal(whole[0], column[0]) and int((weight[0, 0] == MARK_WEIGHT).sum()) == 30 * 16


def test_a_stage_with_a_time_limit_ends_with_its_rate_fallen(tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)
    stage = Stage(
        "brief",
        tmp_path,
        model,
        StageSettings(num_steps=10**9, learning_rate=1.0, warmup_steps=1, fall=0.5, limit_sec=0.4),
        seed=0,
    )
    rates = []

    def loss_of(step, rng):
        rates.append(stage.optimizer.param_groups[0]["lr"])
        time.sleep(0.01)
        return model(torch.ones(1, 2)).square().mean(), {}

    stage.run(loss_of)
    assert 5 < stage.step < 100 and rates[2] == 1.0 and rates[-1] < 0.2 and stage.progress() >= 1
    other = Stage("other", tmp_path, torch.nn.Linear(2, 1), StageSettings(num_steps=7, learning_rate=0.1), seed=0)
    other.step = 7
    other.save()
    stage.hand_over("other")
    again = Stage("other", tmp_path, torch.nn.Linear(2, 1), other.settings, seed=0)  # what a later training finds
    assert torch.equal(again.average["weight"], stage.average["weight"]) and torch.equal(
        again.model.weight, stage.average["weight"]
    )
    assert again.step == 7 and again.progress() >= 1


@pytest.mark.slow
def test_all_three_stages_train_and_the_base_can_be_put_together(work, source, tmp_path):
    """Drawn words only; the drawing processes, the decoder's own process and the hand-over are real."""
    for shard in range(3):
        maker, tokenizer = (
            SceneMaker(Artwork(source.artwork), None, DRAWN_WORDS),
            CLIPTokenizer.from_pretrained(source.tokenizer),
        )
        draw_shard(maker, source, tokenizer, work / "stream", shard)
    before = {
        name: torch.load(work / f"{name}.pt", weights_only=True)["average"] for name in ("decoder", "clip", "unet")
    }
    plan = Plan(
        decoder_sec=3,
        clip_sec=2,
        spelling_sec=2,
        unet_sec=4,
        decoder_crops=2,
        clip_batch=8,
        unet_batch=2,
        most_scenes=600,
        first_scenes=600,
    )
    train_on_the_clock(work, source.artwork, None, 3, plan, num_workers=0)
    for name, old in before.items():
        new = torch.load(work / f"{name}.pt", weights_only=True)["average"]
        moved = [
            key for key in old if old[key].is_floating_point() and not torch.equal(old[key].float(), new[key].float())
        ]
        assert moved and all(torch.isfinite(value).all() for value in new.values() if value.is_floating_point()), name
    assemble(work, tmp_path / "base")
    config = json.loads((tmp_path / "base" / "vae" / "config.json").read_text())
    assert config["scaling_factor"] == pytest.approx(
        json.loads((pocket_folder() / "vae" / "config.json").read_text())["scaling_factor"]
    )
