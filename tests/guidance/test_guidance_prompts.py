"""Prompt syntax and subjects: what people type, and what it means."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from bases import build_tiny

from brandsmith.base.prompt_tokens import expand_with_spans
from brandsmith.benchmark.prompt_sets import load_cases
from brandsmith.core.errors import BrandsmithError, InvalidConfig, InvalidInput
from brandsmith.guidance.branches import Branch
from brandsmith.guidance.combiners import Composable
from brandsmith.guidance.prompt_syntax import parse_prompt
from brandsmith.guidance.subjects import automatic_subjects, find_subjects


def parsed(prompt):
    return [(part.text, part.weight, part.negated) for part in parse_prompt(prompt)]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a blue cat", [("a blue cat", None, False)]),
        ("A blue cat AND a yellow bowl", [("A blue cat", None, False), ("a yellow bowl", None, False)]),
        (
            "A man wearing a blue t shirt AND NOT red pants",
            [("A man wearing a blue t shirt", None, False), ("red pants", None, True)],
        ),
        ("a cat AND a bowl :1.3", [("a cat", None, False), ("a bowl", 1.3, False)]),
        ("a cat:0.5 AND a bowl: 2", [("a cat", 0.5, False), ("a bowl", 2.0, False)]),
        ("a cat AND red:-0.5", [("a cat", None, False), ("red", 0.5, True)]),
        ("a cat AND NOT red :-0.5", [("a cat", None, False), ("red", 0.5, False)]),
        ("a cat NOT a dog", [("a cat", None, False), ("a dog", None, True)]),
        ("NOT a dog", [("a dog", None, True)]),
        ("a cat and a bowl", [("a cat and a bowl", None, False)]),
        ("SAND AND BAND", [("SAND", None, False), ("BAND", None, False)]),
        ("a clock at 10:30 AND a cat", [("a clock at 10:30", None, False), ("a cat", None, False)]),
        ('a "rock AND roll" poster', [('a "rock AND roll" poster', None, False)]),
        ('salt "AND" pepper', [("salt AND pepper", None, False)]),
        ('a "quote AND a cat', [('a "quote', None, False), ("a cat", None, False)]),
        ("a\nAND\n b", [("a", None, False), ("b", None, False)]),
        ("", [("", None, False)]),
    ],
)
def test_syntax(prompt, expected):
    assert parsed(prompt) == expected


UNREADABLE = [
    "AND",
    "a AND",
    "AND b",
    "a AND AND b",
    "a NOT",
    "a AND NOT",
    "a AND :2",
    "a NOT NOT b",
    "a {b",
    "a }b",
    "{a{b}}",
    "{} a",
    "a {token} cap",
]


@pytest.mark.parametrize("prompt", [*UNREADABLE, "a AND b :1e999"])
def test_unreadable_prompts_explain_themselves(prompt):
    with pytest.raises(InvalidInput) as raised:
        parse_prompt(prompt)
    assert raised.value.hint


def test_markup_inside_parts():
    first, second = parse_prompt(r"a {blue cat} \{x\} AND a {bowl} :2")
    assert (first.text, [first.text[a:b] for a, b in first.marked]) == ("a blue cat {x}", ["blue cat"])
    assert (second.text, second.weight, [second.text[a:b] for a, b in second.marked]) == ("a bowl", 2.0, ["bowl"])


def test_fuzz_never_fails_otherwise():
    pieces = [
        "AND",
        "NOT",
        "a cat",
        '"',
        "{",
        "}",
        ":1",
        ":-2",
        ":",
        "\\{",
        " ",
        "é🐱",
        "“",
        "and",
        "\t",
        ":nan",
        ":1.2.3",
    ]
    chooser = random.Random(7)
    read = 0
    for _ in range(3000):
        prompt = chooser.choice(["", " "]).join(chooser.choices(pieces, k=chooser.randint(0, 8)))
        try:
            parts = parse_prompt(prompt)
        except BrandsmithError:
            continue
        read += 1
        assert all(0 <= a < b <= len(part.text) for part in parts for a, b in part.marked)
    assert read > 300


def weights(prompt, normalise, scale=6.0):
    return [branch.weight for branch in Composable(normalise).branches(prompt, scale)]


def test_normalisations():
    assert weights("a AND b", "total") == [3.0, 3.0]
    assert weights("a AND b :2", "total") == [2.0, 4.0]
    assert weights("a AND NOT b", "total") == [6.0, -6.0]
    assert weights("a AND b AND NOT c :0.5", "total") == [3.0, 3.0, -1.5]
    assert weights("a AND b :2 AND NOT c", "a1111") == [6.0, 12.0, -6.0]
    assert weights("a AND b :7.5 AND NOT c AND d:-1", "paper") == [6.0, 7.5, -6.0, -1.0]
    assert weights("NOT a", "total") == [-6.0]
    with pytest.raises(InvalidConfig):
        Composable("sum")


# ----------------------------------------------------------------------------- subjects


def labels(text, own=()):
    return [subject.label(text) for subject in automatic_subjects(text, frozenset(own))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a black and white cat", ["black white cat"]),
        ("red, green and blue balloons and a dog", ["red green blue balloons", "dog"]),
        ("an orange and a white cat", ["orange", "white cat"]),
        ("an orange and bread", ["orange", "bread"]),
    ],
)
def test_adjectives_share_a_noun(text, expected):
    assert labels(text) == expected


ANIMALS = ["cat", "dog", "bird", "bear", "lion", "horse", "elephant", "monkey", "frog", "turtle", "rabbit", "mouse"]
OBJECTS = [
    "backpack",
    "glasses",
    "crown",
    "suitcase",
    "chair",
    "balloon",
    "bow",
    "car",
    "bowl",
    "bench",
    "clock",
    "apple",
]
COLOURS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "gray", "black", "white"]


def attend_excite_prompts():
    """The 276 of Attend-and-Excite's paper, by its templates: 66 + 144 + 66."""
    for a, b in combinations(ANIMALS, 2):
        yield f"a {a} and a {b}", [a, b]
    for i, animal in enumerate(ANIMALS):
        for j, thing in enumerate(OBJECTS):
            colour, join = COLOURS[(i + j) % 11], ("and", "with")[j % 2]
            yield f"a {animal} {join} a {colour} {thing}", [animal, f"{colour} {thing}"]
    for n, (a, b) in enumerate(combinations(OBJECTS, 2)):
        first, second = COLOURS[n % 11], COLOURS[(n + 3) % 11]
        yield f"a {first} {a} and a {second} {b}", [f"{first} {a}", f"{second} {b}"]


def test_the_276_prompts_give_exactly_their_subjects():
    cases = list(attend_excite_prompts())
    assert len(cases) == 276
    assert [prompt for prompt, expected in cases if labels(prompt) != expected] == []


def test_the_benchmarks_copy_of_the_276_is_the_papers():
    ours = [*load_cases("chefer", "tuning"), *load_cases("chefer")]
    things = [
        [f"{thing.colour} {thing.word}" if thing.colour else thing.word for thing in case.things] for case in ours
    ]
    assert sorted(things) == sorted(expected for _, expected in attend_excite_prompts())


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("A man wearing a blue t shirt and red pants", ["man", "blue t shirt", "red pants"]),
        ("A male model wearing a blue my_logo sweater", ["male model", "my_logo", "blue sweater"]),
        ("A billboard with the latest my_logo products", ["billboard", "my_logo", "latest products"]),
        ("The new my_logo fragrance", ["my_logo", "new fragrance"]),
        ("A my_logo", ["my_logo"]),
        ("a blue my_logo", ["blue my_logo"]),
        ("3d art of an orange fragrance bottle next to a teal star", ["orange fragrance bottle", "teal star"]),
        ("a photo of a pink fish on a green background", ["pink fish"]),
        ("an orange and an apple", ["orange", "apple"]),
        ("a dog and a dog", ["dog", "dog"]),
        ("a man rides a horse", ["man", "horse"]),
        ("a sleeping cat on a striped sofa", ["sleeping cat", "striped sofa"]),
        ("a cat sleeping on a wooden table covered in snow", ["cat", "wooden table", "snow"]),
        ("a gold ring, a king and a bed", ["gold ring", "king", "bed"]),
        ("a fluffy rabbit", ["fluffy rabbit"]),
        ("", []),
        ("!!! ,,,", []),
    ],
)
def test_noun_phrases(prompt, expected):
    assert labels(prompt, ["my_logo"]) == expected


@pytest.fixture
def base():
    built = build_tiny()
    built.tokenizers[0].add_tokens(["my_logo", "my_logo_1", "my_logo_2"])
    return built


def pieces(base, text, positions):
    tokens = base.tokenizers[0].convert_ids_to_tokens(base.tokenizers[0](text)["input_ids"])
    return [tokens[p].replace("</w>", "") for p in positions]


def test_spans_of_tokens_after_expansion(base):
    prompt = "a my_logo on a blue sweater by a porcupine"
    text, _ = expand_with_spans(base.tokenizers[0], prompt, [])
    found = find_subjects(base, [Branch(text, 7.5)])
    assert [pieces(base, text, s.noun) for s in found[:2]] == [["my_logo", "my_logo_1", "my_logo_2"], ["sweater"]]
    assert [pieces(base, text, a) for a in found[1].attributes] == [["blue"]]
    assert len(found[2].noun) > 1 and "".join(pieces(base, text, found[2].noun)) == "porcupine"


def test_markup_wins_over_list_wins_over_rules(base):
    marked = Composable().branches("a {blue cat} and a red bowl", 5.0)
    assert [s.label for s in find_subjects(base, marked, ["red bowl"])] == ["blue cat"]
    plain = Composable().branches("a blue cat and a red bowl", 5.0)
    assert [s.label for s in find_subjects(base, plain, ["bowl"])] == ["bowl"]
    assert [s.label for s in find_subjects(base, plain)] == ["blue cat", "red bowl"]


def test_repeated_words_are_two_subjects(base):
    (first,), (second,) = (s.noun for s in find_subjects(base, [Branch("a cat and a cat", 5.0)]))
    assert first < second
    (first,), (second,) = (s.noun for s in find_subjects(base, [Branch("a cat and a cat", 5.0)], ["cat", "cat"]))
    assert first < second


def test_subjects_of_and_parts_know_their_branch_and_not_parts_have_none(base):
    branches = Composable().branches("a cat AND NOT a bowl AND a red logo", 5.0)
    assert [(s.label, s.branch) for s in find_subjects(base, branches)] == [("cat", 0), ("red logo", 2)]


def test_a_listed_subject_that_is_not_there_is_an_error(base):
    with pytest.raises(InvalidInput, match="'dog' is not in the prompt"):
        find_subjects(base, [Branch("a cat", 5.0)], ["dog"])


def test_a_subject_past_the_last_token_is_left_out(base):
    long = "a cat " + "and a man " * 9 + "and a bowl"
    assert [s.label for s in find_subjects(base, [Branch(long, 5.0)], ["cat", "bowl"])] == ["cat"]


@pytest.mark.parametrize("text", ["a 🐱 and the cat's bowl", "CAT, (bowl)!", "猫 and a cat, a bowl"])
def test_unicode_keeps_offsets(base, text):
    found = find_subjects(base, [Branch(text, 5.0)])
    nouns = ["".join(pieces(base, text, s.noun)) for s in found]
    assert nouns[-2:] == ["cat", "bowl"]
