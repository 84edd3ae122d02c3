"""The token is tied to the mark's place: by the loss as its paper has it, for every method, and only on request."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest
import torch
from bases import build_tiny
from lessons import TOKEN, assert_same_run, quick_config, quick_for, rows, send, write_concept
from PIL import Image, ImageDraw

from brandsmith.base.attention import chosen_layers
from brandsmith.base.base import encode_prompts, predict
from brandsmith.base.families.registry import FAMILIES
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.run import RunDirectory
from brandsmith.methods.attention_loss import check_attention_loss, localisation_loss
from brandsmith.methods.job import check_job
from brandsmith.methods.loop import Training, prepare, train
from brandsmith.methods.masks import marks_of
from brandsmith.methods.memory_plan import plan_memory
from brandsmith.methods.method import Words
from brandsmith.methods.packed import pack_key
from brandsmith.methods.pixels import Cropped
from brandsmith.methods.registry import METHODS, build_config

ON = {"attention_loss_weight": 2.0, "prior_weight": 0.0, "batch_size": 2}
WITH_NEW_WORD = {"num_vectors": 2, "vectors_learning_rate": 0.1}


def marked_concept(folder, masked=(0, 1, 2, 3)):
    """The tiny concept with masks: the left half of each picture, or of those with these numbers."""
    write_concept(folder)
    (folder / "masks").mkdir()
    mask = Image.new("L", (80, 72))
    ImageDraw.Draw(mask).rectangle((0, 0, 39, 71), fill=255)
    for number in masked:
        mask.save(folder / "masks" / f"{number}.png")
    return load_concept(folder)


def training_of(name, folder, base=None, masked=(0, 1, 2, 3), **more):
    base, concept = base or build_tiny(), marked_concept(folder / "concept", masked)
    config = build_config(name, **({"steps": 6} | quick_for(name, base) | ON | more))
    attached = METHODS[name].attach(base, config, Words(TOKEN, "logo"))
    material = prepare(base, concept, config, folder / "cache", lambda *_: None)
    return Training(base, config, Words(TOKEN, "logo"), material, attached, RunDirectory(folder / "run"))


# ------------------------------------------------------------------ the loss


def test_outside_less_inside():
    attention = torch.tensor([[[0.8, 0.1], [0.6, 0.3]], [[0.1, 0.1], [0.1, 0.1]]])
    left = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]]).expand(2, 2, 2)
    torch.testing.assert_close(localisation_loss(attention, left), torch.tensor([0.2 - 0.7, 0.0]))
    soft = torch.tensor([[[1.0, 0.5], [0.0, 0.0]]])
    inside, outside = (0.8 + 0.05) / 1.5, (0.05 + 0.6 + 0.3) / 2.5
    torch.testing.assert_close(localisation_loss(attention[:1], soft), torch.tensor([outside - inside]))
    assert localisation_loss(attention, torch.ones(2, 2, 2)).tolist() == pytest.approx([-0.45, -0.1])


def expected_loss(training, piece):
    """The loss of a batch whose marks are the left half, by diffusers' own attention scores."""
    base, read = training.base, []

    def look(attention, inputs, options):
        hidden, text = inputs[0], options["encoder_hidden_states"]
        query, key = (attention.head_to_batch_dim(part) for part in (attention.to_q(hidden), attention.to_k(text)))
        heads = attention.get_attention_scores(query, key).unflatten(0, (len(hidden), -1))
        read.append(heads.mean(1))

    layers = [layer.attention for layer in chosen_layers(base)]
    hooks = [layer.register_forward_pre_hook(look, with_kwargs=True) for layer in layers]
    noisy = base.noising.add_noise(piece.latents, piece.noise, piece.timesteps)
    with torch.no_grad():
        predict(base, noisy, piece.timesteps, encode_prompts(base, list(piece.prompts)))
    for hook in hooks:
        hook.remove()
    pieces = base.tokenizer(TOKEN, add_special_tokens=False).input_ids
    found = []
    for row, prompt in enumerate(piece.prompts):
        ids = base.tokenizer(prompt).input_ids
        first = next(at for at in range(len(ids)) if ids[at : at + len(pieces)] == pieces)
        for probabilities in read:
            own = probabilities[row, :, first : first + len(pieces)].sum(-1).reshape(8, 8)
            found.append((own[:, 4:].mean() - own[:, :4].mean()).item())
    return sum(found) / len(found)


def test_of_a_batch_it_is_the_mean_over_layers_heads_and_samples(tmp_path):
    training = training_of("lora", tmp_path, image_px=64)
    piece, parts = training.samples.pieces(1)[0], training.losses(1)
    assert training.token_attention.layers[0].factor == 1, "8 x 8 maps of 8 x 8 latents"
    assert parts["attention_loss"].item() == pytest.approx(expected_loss(training, piece), abs=1e-6)
    assert training.total(parts).item() == pytest.approx(
        parts["loss"].item() + 2 * parts["attention_loss"].item(), rel=1e-5
    )


def test_only_what_has_a_mark_and_the_token_counts(tmp_path):
    training = training_of("lora", tmp_path, masked=(0,), batch_size=4, caption_dropout=0.5)
    counted = []
    for number in range(1, 9):
        piece = training.samples.pieces(number)[0].prepared_for(training.base)
        with training.token_attention.batch():
            training.values(piece)
            counted.append(len(training.token_attention.seen[0]))
    assert set(counted) == {0, 1}, "one of four pictures has a mask, and half of the captions are left out"
    assert training.losses(1 + counted.index(0))["attention_loss"].item() == 0


@pytest.mark.slow
def test_nobody_asks_nothing_changes(tmp_path):
    plain = train(quick_config("lora"), marked_concept(tmp_path / "a"), build_tiny(), tmp_path / "plain")
    tied = train(
        quick_config("lora", attention_loss_weight=1), load_concept(tmp_path / "a"), build_tiny(), tmp_path / "t"
    )
    first, other = rows(plain)[0], rows(tied)[0]
    assert "attention_loss" not in first and other["attention_loss"] != 0
    assert first["loss"] == other["loss"], "the first step's own loss is not touched by being watched"
    assert rows(plain)[2]["loss"] != rows(tied)[2]["loss"], "later ones are: other weights"


# ------------------------------------------------------------------ what it does


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "more"),
    [(name, {}) for name in sorted(METHODS)] + [("lora", WITH_NEW_WORD), ("lora", {"dropout": 0.1, "kind": "dora"})],
)
def test_a_short_training_moves_attention_into_the_mark(name, more, tmp_path):
    ends = []
    for weight in (0.0, 20.0):
        training = training_of(name, tmp_path / str(weight), attention_loss_weight=weight, steps=8, **more)
        for step in range(1, 9):
            training.step(step)
        training.token_attention.layers = chosen_layers(training.base)
        piece = replace(training.samples.pieces(1)[0], marks=left_half(training)).prepared_for(training.base)
        with torch.no_grad(), training.token_attention.batch():
            training.values(piece)
            ends.append(training.token_attention.means()["attention_loss"].item())
    assert ends[1] < ends[0] - 0.002, ends


def left_half(training):
    marks = torch.zeros(2, 1, *training.material.concept.latents.shape[-2:])
    marks[..., : marks.shape[-1] // 2] = 1
    return marks


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lora", "textual_inversion"])
def test_an_interrupted_run_ends_in_the_same_bits(name, tmp_path):
    concept = marked_concept(tmp_path / "concept")
    config = quick_config(name, attention_loss_weight=1.0, views=2, batch_size=2)
    whole = train(config, concept, build_tiny(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, concept, build_tiny(), tmp_path / "broken", progress=send(signal.SIGINT, 3))
    assert_same_run(train(config, concept, build_tiny(), tmp_path / "broken"), whole)
    assert all(row["attention_loss"] != 0 for row in rows(whole))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lora", "hypernetwork"])
def test_gradients_are_the_same_with_checkpointing_and_layers_are_left_as_they_were(name, tmp_path):
    found = []
    for on in (False, True):
        training = training_of(name, tmp_path / str(on), gradient_checkpointing=on)
        before = [layer.attention.processor for layer in chosen_layers(training.base)]
        if on:
            training.base.denoiser.enable_gradient_checkpointing()
        training.base.denoiser.train()
        training.backward(1)
        found.append([parameter.grad.clone() for parameter in training.parameters])
        assert [layer.attention.processor for layer in chosen_layers(training.base)] == before
        assert not training.token_attention.seen
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_s_attention_to_the_token_is_tied(family, tmp_path):
    training = training_of("lora", tmp_path, base=build_tiny(family))
    prompt = f"a cat and a {TOKEN}"
    offsets = training.base.family.token_offsets(training.base, prompt)
    pieces = training.token_attention.pieces(prompt)
    covered = sorted({at for place in pieces for at in range(*offsets[place])})
    assert "".join(prompt[at] for at in covered).strip() == TOKEN
    with training.token_attention.batch():
        parts = training.losses(1)
        assert -1 < parts["attention_loss"].item() < 1 and parts["attention_loss"].item() != 0
        parts["attention_loss"].backward()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in training.parameters)


# ------------------------------------------------------------------ where the mark is


def test_a_labelled_box_is_cut_and_moved_as_its_picture(tmp_path):
    concept = write_concept(tmp_path)
    picture = concept.examples[0].image
    wide = Image.new("RGB", (160, 80), "white")
    ImageDraw.Draw(wide).rectangle((40, 20, 79, 59), fill="black")
    wide.save(picture)
    for folder in ("images", "labels"):
        (tmp_path / "detector" / "train" / folder).mkdir(parents=True)
    (tmp_path / "detector" / "train" / "images" / picture.name).write_bytes(picture.read_bytes())
    (tmp_path / "detector" / "train" / "labels" / "0.txt").write_text("0 0.375 0.5 0.25 0.5\n")
    examples = load_concept(tmp_path).examples[:2]
    marks = marks_of(examples, [Cropped(own.image) for own in examples], (64, 64), torch.zeros(2, 4, 8, 8))
    expected = torch.zeros(8, 8)
    expected[2:6, :4] = 1  # the middle 80 of 160 columns: the box begins at the cut
    torch.testing.assert_close(marks[0, 0], expected, atol=0.02, rtol=0)
    assert not marks[1].any(), "no mask, no label"
    views = marks_of(examples[:1], [Cropped(examples[0].image)], (64, 64), torch.zeros(3, 4, 8, 8))
    assert torch.equal(views[0], marks[0]) and not torch.equal(views[1], views[2])


def test_other_boxes_are_another_training(tmp_path):
    concept = marked_concept(tmp_path / "concept", masked=(1, 2, 3))
    detector = tmp_path / "concept" / "detector" / "train"
    for folder in ("images", "labels"):
        (detector / folder).mkdir(parents=True)
    (detector / "images" / "0.png").write_bytes(concept.examples[0].image.read_bytes())
    records = []
    for width in (0.25, 0.5):
        (detector / "labels" / "0.txt").write_text(f"0 0.5 0.5 {width} 0.5\n")
        jobs = [
            check_job(quick_config("lora", attention_loss_weight=weight), concept, build_tiny(), tmp_path / "run")
            for weight in (0, 1)
        ]
        records.append([job.record for job in jobs])
    assert records[0][0] == records[1][0] and records[0][1] != records[1][1]


# ------------------------------------------------------------------ refused


def test_it_is_refused_where_no_picture_says_where_the_mark_is(tmp_path, capsys):
    config = quick_config("dreambooth", attention_loss_weight=1)
    with pytest.raises(InvalidConfig, match="no training picture of"):
        check_job(config, write_concept(tmp_path / "plain"), build_tiny(), tmp_path / "run")
    check_job(config, marked_concept(tmp_path / "one", masked=(2,)), build_tiny(), tmp_path / "run")
    assert "3 of 4 training pictures" in capsys.readouterr().err


def test_it_is_refused_for_what_has_no_attention_to_read(tmp_path):
    blind = replace(FAMILIES["sd3"], joint_attention=None)
    with pytest.raises(InvalidConfig, match="attention_loss_weight reads attention to text, and sd3 bases have none"):
        check_attention_loss(quick_config("lora", attention_loss_weight=1), marked_concept(tmp_path), blind)
    both = quick_config("lora", attention_loss_weight=1, buckets=True, gradient_checkpointing=True)
    with pytest.raises(InvalidConfig, match="buckets and gradient_checkpointing"):
        check_attention_loss(both, load_concept(tmp_path), FAMILIES["sd1"])


def test_it_is_not_packed():
    with pytest.raises(InvalidConfig, match="attention_loss_weight"):
        pack_key(build_config("lora", attention_loss_weight=1.0))


@pytest.mark.slow
def test_memory_is_planned_for_it():
    plans = [
        plan_memory(build_tiny(), quick_config("lora", attention_loss_weight=weight), torch.device("cpu"))
        for weight in (0, 1)
    ]
    assert plans[1].step > plans[0].step and plans[1].held == plans[0].held
