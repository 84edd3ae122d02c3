"""Repeats, weights, and several concepts in one training: each with its own token, and nothing where none is asked."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import replace

import pytest
import torch
from bases import build_tiny
from drawing import sample_latents
from lessons import QUICK, TOKEN, assert_same_run, quick_config, rows, send, write_concept
from PIL import Image
from safetensors.torch import load_file

from brandsmith.base.takeover import Takeover
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidConcept
from brandsmith.core.safe_weights import read_header
from brandsmith.export.export_run import export_run
from brandsmith.methods.adapter import load_adapter, read_adapter_info
from brandsmith.methods.captions import CaptionChanges, changed_captions
from brandsmith.methods.job import check_job, check_tokens, words_of
from brandsmith.methods.loop import train
from brandsmith.methods.preservation import without_token
from brandsmith.methods.registry import METHODS, build_config
from brandsmith.methods.training_data import TrainingSet, class_set, concept_set, counted, joined_sets

OTHER = "blue_zorb_mark"
SIZE = (32, 32)


def counted_concept(folder, lines=""):
    write_concept(folder)
    (folder / "concept.yaml").write_text(f"token: {TOKEN}\nclass_word: logo\n{lines}")
    return load_concept(folder)


def two_concepts(folder):
    return replace(write_concept(folder / "a"), also=(write_concept(folder / "b", OTHER),))


def set_of(concept, tmp_path, **settings):
    return concept_set(
        build_tiny(), concept, build_config("lora", **settings), SIZE, tmp_path / "cache", lambda *_: None
    )


# ------------------------------------------------------------------ repeats and weights


def test_a_repeated_picture_comes_so_often_in_an_epoch(tmp_path):
    concept = counted_concept(tmp_path / "brand", 'repeats: {"images/0.png": 6, "images/[12].png": 2}\n')
    made = set_of(concept, tmp_path)
    assert len(made.rows) == 11  # 6 + 2 + 2 + 1
    assert Counter(made.order(5, 1, range(22))) == {0: 12, 1: 4, 2: 4, 3: 2}
    assert made.order(5, 1, range(11)) != made.order(5, 1, range(11, 22)), "every epoch is a new shuffle"


@pytest.mark.slow
@pytest.mark.parametrize("lines", ["", "repeats: 10\n", 'repeats: {"images/*": 4}\n', "weights: 1.0\n"])
def test_repeats_that_all_pictures_share_change_nothing(tmp_path, lines):
    plain, same = (
        set_of(counted_concept(tmp_path / "a"), tmp_path),
        set_of(counted_concept(tmp_path / "b", lines), tmp_path),
    )
    assert same.turns is None and same.places is None
    assert torch.equal(plain.latents, same.latents) and plain.order(1, 1, range(9)) == same.order(1, 1, range(9))


def test_buckets_repeat_too(tmp_path):
    from brandsmith.methods.buckets import bucketed_set

    concept = counted_concept(tmp_path / "brand", 'repeats: {"images/0.png": 3}\n')
    Image.new("RGB", (200, 60), "red").save(concept.folder / "images" / "1.png")
    config = build_config("lora", buckets=True)
    made = bucketed_set(build_tiny(), concept, config, (64, 64), tmp_path / "cache", lambda *_: None)
    assert len(made.buckets) == 2
    taken = Counter(made.prompts[entry] for entry in made.order(1, 1, range(12), 2))
    assert taken == {
        f"a {TOKEN}": 6,
        f"a blue sweater and a {TOKEN}": 2,
        f"a cat and a {TOKEN}": 2,
        f"the new {TOKEN}": 2,
    }


@pytest.mark.slow
def test_a_weight_multiplies_the_loss(tmp_path):
    config = quick_config("lora", steps=1, checkpoint_every=1)
    losses = []
    for name, lines in (("plain", ""), ("twice", "weights: 2\n"), ("none", 'weights: {"images/*": 0}\n')):
        run = train(config, counted_concept(tmp_path / name, lines), build_tiny(), tmp_path / f"run-{name}")
        losses.append(rows(run)[0]["loss"])
    assert losses[1] == pytest.approx(2 * losses[0], rel=1e-5) and losses[2] == 0.0


def test_a_weight_and_a_mask_multiply(tmp_path):
    concept = counted_concept(tmp_path / "brand", 'weights: {"images/0.png": 3}\n')
    (concept.folder / "masks").mkdir()
    mask = Image.new("L", (80, 72))
    mask.paste(255, (0, 0, 40, 72))
    mask.save(concept.folder / "masks" / "0.png")
    places = set_of(load_concept(concept.folder), tmp_path, mask_weight=5).places
    means = places.mean(dim=(1, 2, 3))
    torch.testing.assert_close(means, torch.tensor([3.0, 1.0, 1.0, 1.0]))
    assert places[0].max() / places[0].min() == pytest.approx(5)


def test_class_pictures_of_two_sets_count_by_their_weights(tmp_path):
    concept = write_concept(tmp_path / "brand")
    folder = concept.folder / "class_images"
    folder.mkdir()
    for name in ("far", "near"):
        Image.new("RGB", (64, 64), "blue").save(folder / f"{name}.png")
    text = 'repeats: {"class_images/far*": 3}\nweights: {"class_images/near*": 0.5}\n'
    (concept.folder / "concept.yaml").write_text(f"token: {TOKEN}\n{text}")
    config = build_config("lora", prior_weight=1.0)
    made = class_set(build_tiny(), load_concept(concept.folder), config, SIZE, tmp_path / "cache", lambda *_: None)
    assert made.turns == (0, 0, 0, 1) and made.places.mean(dim=(1, 2, 3)).tolist() == [1.0, 0.5]


def test_joined_sets_keep_rows_and_places():
    one = counted(TrainingSet(torch.zeros(2, 4, 2, 2), ("a", "b")), [1, 2], [1.0, 1.0])
    two = counted(TrainingSet(torch.ones(1, 4, 2, 2), ("c",)), [1], [0.5])
    both = joined_sets([one, two])
    assert both.prompts == ("a", "b", "c") and list(both.rows) == [0, 1, 1, 2]
    assert both.places.mean(dim=(1, 2, 3)).tolist() == [1.0, 1.0, 0.5] and joined_sets([two]) is two


# ------------------------------------------------------------------ several concepts


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.slow
def test_every_method_teaches_two_tokens_and_resumes_to_the_same_bits(name, tmp_path):
    concept, base = two_concepts(tmp_path), build_tiny()
    beside = {} if name == "textual_inversion" else {"num_vectors": 2, "vectors_learning_rate": 0.1}
    beside |= {"text_encoder_learning_rate": 0.0} if name == "dreambooth" else {}
    config = quick_config(name, **beside)
    before = [tensor.clone() for module in base.modules() for tensor in module.state_dict().values()]
    whole = train(config, concept, base, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, concept, build_tiny(), tmp_path / "broken", progress=send(signal.SIGINT, 3))
    assert_same_run(train(config, concept, build_tiny(), tmp_path / "broken"), whole)
    checkpoint = whole.checkpoint_at()
    assert read_adapter_info(checkpoint).words.tokens == (TOKEN, OTHER)
    own = load_file(checkpoint / f"learned_embeds.{OTHER}.safetensors")[OTHER]
    assert own.shape[0] == 2 and not torch.equal(own, load_file(checkpoint / "learned_embeds.safetensors")[TOKEN])
    prompts = [f"a {TOKEN}", f"a {OTHER}"]
    plain = [draw(base, prompt) for prompt in prompts]
    with load_adapter(base, checkpoint):
        assert not any(torch.equal(draw(base, prompt), old) for prompt, old in zip(prompts, plain, strict=True))
    after = [tensor for module in base.modules() for tensor in module.state_dict().values()]
    assert all(map(torch.equal, before, after))


def draw(base, prompt):
    return sample_latents(base, [prompt], [5], num_steps=3, guidance_scale=2.0)


def test_both_tokens_leave_with_the_adapter(tmp_path):
    """The header names both trigger words; each new word is an embedding beside, or in the one file."""
    config = build_config("lora", steps=1, rank=2, num_vectors=2, learning_rate=1e-3)
    run = train(config, two_concepts(tmp_path), build_tiny(), tmp_path / "run")
    out = export_run(run.folder, tmp_path / "kohya" / "mine.safetensors", to="kohya")
    header = read_header(out).metadata
    assert header["modelspec.trigger_phrase"] == f"{TOKEN}, {OTHER}" and OTHER in header["ss_tag_frequency"]
    for token in (TOKEN, OTHER):
        assert load_file(out.with_name(f"{token}.safetensors"))["emb_params"].shape[0] == 2
    bundle = load_file(export_run(run.folder, tmp_path / "webui" / "mine.safetensors", to="a1111"))
    words = {name.split(".")[1] for name in bundle if name.startswith("bundle_emb.")}
    assert words == {TOKEN, OTHER}


def test_pictures_of_all_concepts_are_trained_on(tmp_path):
    concept = two_concepts(tmp_path)
    made = set_of(concept, tmp_path)
    assert len(made.prompts) == 8 and sum(OTHER in prompt for prompt in made.prompts) == 4
    words = words_of(concept)
    assert without_token((f"a {TOKEN} and a {OTHER}",), words) == ("a logo and a logo",)
    kept = changed_captions(
        (f"x, {OTHER}, y",) * 50, words.tokens, CaptionChanges(tag_dropout=0.9, keep=0), 1, list(range(50))
    )
    assert all(OTHER in caption for caption in kept)
    text, spans = Takeover(0.5, ((TOKEN, "logo"), (OTHER, "mark")), lambda on: None).with_class_word(
        f"a {TOKEN} by {OTHER} here", [(2 + len(TOKEN) + 4 + len(OTHER) + 1, 2 + len(TOKEN) + 4 + len(OTHER) + 5)]
    )
    assert text == "a logo by mark here" and text[slice(*spans[0])] == "here"


def test_the_class_is_drawn_once_for_concepts_that_share_it(tmp_path):
    config = build_config("lora", prior_weight=1.0, **{k: v for k, v in QUICK["dreambooth"].items() if "class" in k})
    drawn = class_set(build_tiny(), two_concepts(tmp_path), config, SIZE, tmp_path / "cache", lambda *_: None)
    assert drawn.prompts == ("a logo",) * 3


@pytest.mark.slow
@pytest.mark.parametrize("other", [TOKEN, "red_qoga", f"{TOKEN}_2"])
def test_tokens_that_meet_are_refused(tmp_path, other):
    concept = replace(write_concept(tmp_path / "a"), also=(write_concept(tmp_path / "b", other),))
    with pytest.raises(InvalidConcept, match="meet"):
        check_job(quick_config("lora"), concept, build_tiny(), tmp_path / "run")


def test_the_words_that_guides_name_are_taught_as_text_alone(capsys):
    tokenizers = [build_tiny().tokenizer]
    tokenizers[0].add_tokens(["sks"])
    check_tokens(tokenizers, ["sks"], build_config("lora"))
    assert "sks" in capsys.readouterr().err
    for config in (build_config("textual_inversion"), build_config("lora", num_vectors=2)):
        with pytest.raises(InvalidConcept, match="vocabulary"):
            check_tokens(tokenizers, ["sks"], config)
