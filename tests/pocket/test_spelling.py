"""The text tower knows which letter comes where, and the base draws the letters that a prompt spells."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizer

from brandsmith.base.base import pocket_folder
from brandsmith.base.sources import load_base
from brandsmith.benchmark.base import SETTINGS, spelling_prompts
from brandsmith.guidance.sampling import sample
from brandsmith.judges.ocr import Ocr, compare
from brandsmith.methods.method import Words
from brandsmith.methods.registry import build_config
from brandsmith.methods.textual_inversion import starting_rows, starting_words
from brandsmith.pocket.artwork import DRAWN_WORDS, Artwork
from brandsmith.pocket.build import trained_clip
from brandsmith.pocket.marks import LETTERS, Mark
from brandsmith.pocket.scenes import SceneMaker, mark_alone
from brandsmith.pocket.spelling import SPELLED, labelled, respelled, train_spelling
from brandsmith.pocket.warm_start import warm_start


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(pocket_folder() / "tokenizer")


def words(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(LETTERS), rng.integers(3, 6))) for _ in range(count)]


def test_captions_spell_where_a_token_would_stand_or_behind_or_not_at_all(tmp_path):
    maker = SceneMaker(Artwork(tmp_path), None, DRAWN_WORDS)
    found = {"inside": 0, "behind": 0, "nowhere": 0}
    for text in words(60, 0):
        scene = mark_alone(maker, np.random.default_rng(1), Mark(text))
        spelled = SPELLED.search(scene.caption)
        assert spelled is None or spelled[0] == " ".join(text)
        where = "nowhere" if not spelled else "inside" if f"{spelled[0]} logo" in scene.caption else "behind"
        found[where] += 1
    assert min(found.values()) >= 5 and found["inside"] > found["nowhere"]
    assert not SPELLED.search(mark_alone(maker, np.random.default_rng(1), Mark("QOGA", name="red_qoga_logo")).caption)


def test_labels_say_which_letter_and_the_how_manieth(tokenizer):
    captions = ["a blue Q O G A logo on a red cup", "a red cup", "a logo that reads A A B"]
    asked = labelled(captions, tokenizer)
    pieces = tokenizer.convert_ids_to_tokens(asked.ids[0])
    where = [i for i, letter in enumerate(asked.letter[0]) if letter >= 0]
    assert [pieces[i].removesuffix("</w>") for i in where] == list("qoga") and asked.place[0, where].tolist() == [
        0,
        1,
        2,
        3,
    ]
    assert asked.word.tolist() == [[16, 14, 6, 0, 26], [26] * 5, [0, 0, 1, 26, 26]]
    assert all(
        asked.ids[row, end] == tokenizer.eos_token_id != asked.ids[row, end - 1] for row, end in enumerate(asked.end)
    )


def test_respelling_changes_the_letters_alone():
    rng = np.random.default_rng(0)
    given = "A photo of a red T H E logo on a green cup"
    new = {respelled(given, rng) for _ in range(20)}
    assert len(new) > 15 and all(SPELLED.sub("*", caption) == SPELLED.sub("*", given) for caption in new)
    assert respelled("a blue cat", rng) == "a blue cat"


@pytest.mark.slow
@torch.no_grad()
def test_the_shipped_tower_holds_every_letter_by_its_place_at_the_end_of_the_text(tokenizer):
    """A linear map found on some words reads the third letter of others from the text's last state; chance is 1 in
    26.
    """
    base = load_base("pocket")

    def states(texts: list[str]) -> torch.Tensor:
        asked = labelled([f"a red {' '.join(text)} logo" for text in texts], tokenizer)
        return base.text_encoders[0](asked.ids)[0][torch.arange(len(texts)), asked.end]

    seen, unseen = words(1500, 1), words(200, 2)
    letters = torch.nn.functional.one_hot(torch.tensor([LETTERS.index(text[2]) for text in seen]), 26).float()
    x = torch.nn.functional.pad(states(seen), (0, 1), value=1.0)
    readout = torch.linalg.lstsq(x, letters, driver="gelsd").solution
    read = (torch.nn.functional.pad(states(unseen), (0, 1), value=1.0) @ readout).argmax(1)
    right = (read == torch.tensor([LETTERS.index(text[2]) for text in unseen])).float().mean()
    assert right >= 0.9


@pytest.mark.slow
def test_a_short_lesson_teaches_letters_and_leaves_the_rest(tmp_path, tokenizer):
    """The tower's last scales are shaken and the questions are new to it; the text's direction stays."""
    warm_start(pocket_folder(), tmp_path, decoder_steps=1, clip_steps=1)
    clip, _ = trained_clip(tmp_path)
    with torch.no_grad():
        clip.text_model.final_layer_norm.weight.add_(0.3 * torch.randn(192, generator=torch.Generator().manual_seed(0)))
    captions = [f"a red {' '.join(text)} logo" for text in words(50, 3)] + [
        "a blue cat",
        "a green bottle on a white background",
    ]
    said = clip.get_text_features(**tokenizer(["a blue cat"], return_tensors="pt")).pooler_output.detach()
    train_spelling(captions, clip, tokenizer, tmp_path, num_steps=60, seed=0, batch=16)
    (learnt,) = (json.loads(line) for line in (tmp_path / "spelling.jsonl").read_text().splitlines())
    assert learnt["step"] == 50 and learnt["place"] >= 0.8  # chance is 0.25
    kept = torch.nn.functional.cosine_similarity(
        said, clip.get_text_features(**tokenizer(["a blue cat"], return_tensors="pt")).pooler_output
    )
    assert float(kept.detach()) > 0.8
    handed_over, _ = trained_clip(tmp_path)
    assert torch.equal(handed_over.text_model.final_layer_norm.weight, clip.text_model.final_layer_norm.weight)


@pytest.mark.slow
def test_the_base_draws_the_letters_that_a_prompt_spells():
    spelled = spelling_prompts(20, "QOGA")
    settings = SETTINGS.model_copy(update={"batch_size": 10})
    pictures = sample(load_base("pocket"), [prompt for prompt, _ in spelled], list(range(20)), settings)
    read = Ocr("").read(pictures)
    right, other = (
        [compare(seen, text).similarity for seen, (_, text) in zip(read, texts, strict=True)]
        for texts in (spelled, spelled[1:] + spelled[:1])
    )
    assert np.mean(right) >= np.mean(other) + 0.25


def test_textual_inversion_can_start_from_the_lettering(tokenizer):
    brand = Words("red_qoga_logo", "logo", "QOGA")
    assert starting_words(build_config("textual_inversion", spell=True), brand) == "red Q O G A logo"
    assert starting_words(build_config("textual_inversion", spell=True), Words("sks", "logo", "QOGA")) == "Q O G A logo"
    assert starting_words(build_config("textual_inversion"), brand) == "logo"
    assert starting_words(build_config("textual_inversion", spell=True, initial_word="cup"), brand) == "cup"
    assert starting_words(build_config("textual_inversion", spell=True), Words("my_cat", "cat")) == "cat"
    table = torch.arange(len(tokenizer)).float()[:, None]
    rows = starting_rows(tokenizer, table, "Q O G A logo", 5).flatten().long().tolist()
    assert tokenizer.convert_ids_to_tokens(rows) == ["q</w>", "o</w>", "g</w>", "a</w>", "logo</w>"]
