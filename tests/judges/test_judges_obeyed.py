"""The judge of prompts: read right, held against true pictures, silent where it knows nothing; and its place in rows
and cache.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from brandsmith.base.base import pocket_folder
from brandsmith.benchmark.prompt_judge import captioned_pictures, obeyed_error
from brandsmith.concept.concept import demo_folder, load_concept
from brandsmith.core.rows import Shot
from brandsmith.evaluate.chain import judges_for, obeyed_judge
from brandsmith.evaluate.prompt_phrases import parser_for
from brandsmith.judges.judge import CachedJudge, Judge, PromptJudge, Verdict, score_shots
from brandsmith.judges.obeyed import Demand, Obeyed, Request, best_answers, request_of
from brandsmith.judges.pocket_classes import Look
from brandsmith.results.usable import checks_for, judge_usable

TOKEN = "red_qoga_logo"
WORDS, COLOURS = (
    ["cat", "bowl", "t shirt", "sweater", "pants", "shoe", "fragrance", "billboard"],
    ["red", "blue", "yellow", "gray"],
)


def request(prompt: str) -> Request:
    return request_of(parser_for(TOKEN)(prompt), WORDS, COLOURS)


@pytest.fixture(scope="module")
def judge() -> Obeyed:
    return obeyed_judge(load_concept("demo"), pocket_folder())


@pytest.mark.parametrize(
    ("prompt", "demands", "worn", "unmeasured"),
    [
        (f"A {TOKEN}", [], False, []),
        (f"A male model wearing a blue {TOKEN} sweater", [("sweater", "blue")], True, ["male model"]),
        (f"A billboard with the latest {TOKEN} products", [("billboard", None)], False, ["latest products"]),
        (f"the new {TOKEN} perfume", [("fragrance", None)], False, ["new"]),
        ("a man in a grey t shirt and blue pants", [("t shirt", "gray"), ("pants", "blue")], True, ["man"]),
        ("a blue cat AND a yellow bowl AND NOT a red shoe", [("cat", "blue"), ("bowl", "yellow")], False, []),
        (f"blue shoes with a {TOKEN}", [("shoe", "blue")], False, []),
        (f"a purple cat and a {TOKEN}", [("cat", None)], False, ["purple"]),
        (f"a blue {TOKEN}", [], False, [f"blue {TOKEN}"]),
    ],
)
def test_a_prompt_is_read_as_what_can_and_what_cannot_be_looked_for(prompt, demands, worn, unmeasured):
    assert request(prompt) == Request(tuple(Demand(*d) for d in demands), worn, tuple(unmeasured))


def look(word: str, colour: str, sure: float = 0.97) -> Look:
    def table(names: list[str], top: str) -> dict[str, float]:
        return {name: sure if name == top else (1 - sure) / (len(names) - 1) for name in names}

    return Look((0.0, 0.0, 1.0, 1.0), table(WORDS, word), table(COLOURS, colour))


def test_things_take_the_places_that_fit_them_whatever_the_order():
    both = [Demand("cat", "blue"), Demand("bowl", "yellow")]
    for looks in ([look("cat", "blue"), look("bowl", "yellow")], [look("bowl", "yellow"), look("cat", "blue")]):
        assert not any(a.failed or a.unsure for a in best_answers(both, looks))
    swapped = best_answers(both, [look("cat", "yellow"), look("bowl", "blue")])
    assert [a.failed for a in swapped] == ["cat is yellow, not blue", "bowl is blue, not yellow"]
    assert [a.failed for a in best_answers(both, [look("cat", "blue")])] == ["", "no bowl"]
    unsure = best_answers([Demand("cat", "blue")], [look("cat", "blue", sure=0.6)])[0]
    assert unsure.unsure and not unsure.failed and unsure.word_right is None


def test_the_prompt_decides_and_what_is_outside_is_not_measured(judge):
    held_out, captions = captioned_pictures(load_concept("demo"))
    bag = held_out[captions.index("a pink bag with a red_qoga_logo")]
    prompts = [
        "a pink bag with a red_qoga_logo",
        "a blue bag with a red_qoga_logo",
        "a pink cap",
        "a spaceship",
        "a photo of a pink bag",
        "",
        "a red_qoga_logo",
        "a pink bag, a cat, a dog and a cow",
    ]
    verdicts = judge.score_prompted([bag] * len(prompts), prompts)
    assert [v.value for v in verdicts] == [1.0, 0.0, 0.0, None, 0.0, None, 1.0, None]
    assert verdicts[4].details["failed"] == ["drawn, not a photo"] and verdicts[4].details["unmeasured"] == ["pink bag"]
    assert verdicts[1].details["failed"] == ["bag is pink, not blue"] and "spaceship" in verdicts[3].reason
    assert judge.score([bag])[0].value is None and isinstance(judge, Judge) and isinstance(judge, PromptJudge)
    blank = np.full((96, 128, 3), 200, np.uint8)
    assert judge.score_prompted([blank], ["a blue cat"])[0].details["failed"] == ["no cat"]


def test_of_a_photo_it_says_only_that_it_is_one(judge):
    held_out, captions = captioned_pictures(load_concept("demo"))
    photos = [(picture, caption) for picture, caption in zip(held_out, captions, strict=True) if "photo" in caption]
    assert len(photos) >= 5
    verdicts = judge.score_prompted(*map(list, zip(*photos, strict=True)))
    assert all(v.value is None and "photos" in v.reason for v in verdicts)


@pytest.mark.parametrize(
    ("prompt", "count", "unmeasured"),
    [
        ("two blue cats", 2, ()),
        ("One cat", 1, ()),
        ("a cat", None, ()),
        ("two blue cats and a bowl", None, ("2 of blue cat",)),
        ("two men wearing a blue sweater", None, ("men",)),
        ("four red shoes", 4, ()),
    ],
)
def test_a_number_of_one_thing_is_counted_and_no_other(prompt, count, unmeasured):
    found = request(prompt)
    assert found.demands[0].count == count and found.unmeasured == unmeasured and found.counted is (count is not None)


PLURALS = [
    ("strawberries", "strawberry"),
    ("scarves", "scarf"),
    ("boxes", "box"),
    ("buses", "bus"),
    ("t shirts", "t shirt"),
]


@pytest.mark.parametrize(("word", "meant"), PLURALS)
def test_plurals_of_prompts_are_understood(word, meant):
    found = request_of(
        parser_for(TOKEN)(f"three red {word}"), ["strawberry", "scarf", "box", "bus", "t shirt"], COLOURS
    )
    assert found.demands == (Demand(meant, "red", 3),)


def in_a_grid(sprite: np.ndarray, number: int) -> np.ndarray:
    """A thing cut from a true picture, `number` times on its own backdrop."""
    small = cv2.resize(sprite, (44, 44), interpolation=cv2.INTER_AREA)
    canvas = np.full((128, 128, 3), sprite[2, 2], np.uint8)
    for i in range(number):
        x, y = 10 + 64 * (i % 2), 10 + 64 * (i // 2)
        canvas[y : y + 44, x : x + 44] = small
    return canvas


@pytest.mark.slow
def test_what_is_drawn_is_counted(judge):
    folder = demo_folder() / "detector" / "val" / "images"
    plain = [np.asarray(Image.open(file).convert("RGB")) for file in sorted(folder.glob("plain-*.webp"))]
    things = [(picture, judge.classifier.look([picture], 1)[0]) for picture in plain]
    sure = [
        (p, own[0])
        for p, own in things
        if own and min(max(own[0].words.values()), max(own[0].colours.values()), 1 - own[0].photo) > 0.99
    ]
    right, wrong = [], []
    for picture, seen in sure[:24]:
        for number, word in ((2, "two"), (3, "three"), (4, "four")):
            shown = in_a_grid(picture, number)
            right += judge.score_prompted([shown], [f"{word} {seen.colour} {seen.word}s"])
            wrong += judge.score_prompted([shown], [f"{'three' if number == 2 else 'two'} {seen.colour} {seen.word}s"])
    assert [v.value for v in right].count(0.0) <= 2 and [v.value for v in right].count(1.0) >= 20
    assert [v.value for v in wrong].count(1.0) == 0 and [v.value for v in wrong].count(0.0) >= 20


@pytest.mark.slow
def test_it_does_not_err_on_the_demos_true_captioned_pictures(judge):
    error = obeyed_error(judge, *captioned_pictures(load_concept("demo")))
    assert error["own caption"].n >= 25 and error["another colour"].n >= 18
    assert all(shares.correct >= 0.97 and shares.not_measured <= 0.05 for shares in error.values()), error


class SaysThePrompt:
    """Scores a picture by the length of its prompt, and keeps the prompts it got."""

    name, version, weights_hash = "length", "1", "w"

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def score(self, pictures):
        return [Verdict(None, "needs the prompt")] * len(pictures)

    def score_prompted(self, pictures, prompts):
        self.prompts += prompts
        return [Verdict(float(len(prompt))) for prompt in prompts]


def test_rows_and_cache_hand_the_prompt_on(tmp_path):
    picture = np.zeros((4, 4, 3), np.uint8)
    shots = [Shot(i, prompt, 7, "run", 1) for i, prompt in enumerate(("a", "abc", "a"))]
    inner = SaysThePrompt()
    cached = CachedJudge(inner, tmp_path / "cache.jsonl")
    assert [row.value for row in score_shots(cached, shots, [picture] * 3)] == [1.0, 3.0, 1.0]
    assert inner.prompts == ["a", "abc"]
    again = CachedJudge(SaysThePrompt(), tmp_path / "cache.jsonl")
    assert [row.value for row in score_shots(again, shots, [picture] * 3)] == [
        1.0,
        3.0,
        1.0,
    ] and again.judge.prompts == []
    assert cached.score([picture])[0].value is None


def test_a_cached_judge_of_pictures_alone_stays_one():
    class Mean:
        name, version, weights_hash = "mean", "1", "w"

        def score(self, pictures):
            return [Verdict(float(p.mean())) for p in pictures]

    shots = [Shot(0, prompt, 0, "run", 0) for prompt in ("a", "b")]
    cached = CachedJudge(Mean())
    assert [row.value for row in score_shots(cached, shots, [np.full((4, 4, 3), 9, np.uint8)] * 2)] == [9.0, 9.0]
    assert len(cached._known) == 1


def test_the_chain_gets_it_from_the_base_and_usable_asks_for_it(judge):
    concept = load_concept("demo")
    assert "obeyed" not in judges_for(concept) and "obeyed" in judges_for(concept, pocket_folder())
    rows = score_shots(judge, [Shot(0, "a blue cat", 0, "run", 0)], [np.full((128, 128, 3), 200, np.uint8)])
    verdict = judge_usable(rows, checks_for(["obeyed"]))
    assert verdict.verdict is False and verdict.reason == "prompt not obeyed"
